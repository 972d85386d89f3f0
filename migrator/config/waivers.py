"""Waivers: written permissions of the owners that a contract may be broken until a day.

A waiver keeps one broken contract from turning the verdict; it does not make it hold.  A waiver that has expired, that
no contract needed, or that names an unknown contract fails the run: a waiver is a debt and has to be reviewed.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.config import values
from migrator.errors import UsageError
from migrator.system import user_files

#: The scope that stands for every case of a contract.
ALL = "all"
#: The case of an ``.sql`` contract that plants its own fault; ``all`` does not cover it.
CAN_FAIL = "can_fail"

_KEYS: Mapping[str, type] = {"id": str, "scope": str, "reason": str, "owner": str, "expires": dt.date}
_ID = re.compile(r"[a-z]+/[^\[\]\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A permission that one contract may be broken.

    Attributes:
        id: The contract, without its case: ``verify/row_says_what_was_decided``.
        scope: The case, in brackets behind the id: ``core.trades``; or ``all``.
        reason: Why, in the owners' words.
        owner: The role that answers for it.
        expires: The last day on which it is valid, in UTC.
    """

    id: str
    scope: str
    reason: str
    owner: str
    expires: dt.date

    @property
    def name(self) -> str:
        """The name of the contract that it covers."""
        return self.id if self.scope == ALL else f"{self.id}[{self.scope}]"

    def covers(self, contract: str) -> bool:
        """Return whether it covers *contract*; the case ``can_fail`` only if its scope is that case."""
        bare, _, case = contract.rstrip("]").partition("[")
        return bare == self.id and (case == self.scope or (self.scope == ALL and case != CAN_FAIL))

    def expired(self, today: dt.date) -> bool:
        """Return whether its last day is over."""
        return today > self.expires


def taken(written: Sequence[object], where: Path) -> tuple[Waiver, ...]:
    """Return the waivers that are *written* in the file *where*.

    Raises:
        UsageError: One lacks a key, has an unknown key or an invalid value, or two cover the same contract.
    """
    waivers = tuple(_waiver(waiver, f"waiver {number}", where) for number, waiver in enumerate(written, start=1))
    distinct(waivers, where)
    return waivers


def distinct(waivers: Sequence[Waiver], where: object) -> None:
    """Check that no two of *waivers* cover the same contract.

    Raises:
        UsageError: Two are.
    """
    names = [waiver.name for waiver in waivers]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is waived twice", where=where, hint="keep one of the two")


def read(path: Path) -> tuple[Waiver, ...]:
    """Return the waivers of a file that holds only ``[[waivers]]``.

    Raises:
        UsageError: It cannot be read, or holds anything else.
    """
    try:
        written = tomllib.loads(user_files.text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read ({error})", where=path, hint="correct the waivers there") from error
    listed = written.pop("waivers", [])
    if written or not isinstance(listed, list):
        raise UsageError("may hold [[waivers]] and nothing else", where=path)
    return taken(listed, path)


def _waiver(written: object, which: str, where: Path) -> Waiver:
    hint = "write id, scope, reason, owner and expires, such as expires = 2026-12-31"
    if not isinstance(written, Mapping):
        raise UsageError(f"{which} must be a table", where=where, hint=hint)
    if unknown := sorted(written.keys() - _KEYS.keys()):
        raise UsageError(f"{which}: unknown key {unknown[0]}{values.near(unknown[0], _KEYS)}", where=where, hint=hint)
    for key, kind in _KEYS.items():
        value: Any = written.get(key)
        # Not isinstance: a datetime is a date in Python.
        if type(value) is not kind or (isinstance(value, str) and not value.strip()):
            raise UsageError(f"{which} has no {key}", where=where, hint=hint)
    if not _ID.fullmatch(written["id"]):
        raise UsageError(
            f"{which}: {written['id']!r} is not the name of a contract", where=where, hint="such as verify/no_reference_dangles; "
            "its case in brackets goes into scope",
        )  # fmt: skip
    return Waiver(**written)
