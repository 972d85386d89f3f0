"""Reads and writes evidence: the file with the judged sets, the result of each contract, and the verdict.

The file is JSON in one form: sorted keys, ASCII, an indent of one, whole numbers only.  The last member is the SHA-256 of the
text without it.  It shows an accidental change; a user can compute it anew.  So its digests of the files are compared with
the files each time that evidence is used (:mod:`migrator.stages.verify.freshness`).

The file has no value of a cell, and no path outside of the data directory.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.config.waivers import Waiver
from migrator.errors import EvidenceError, UsageError
from migrator.records.verify import BrokenContract
from migrator.system import durable_files, user_files
from migrator.system.serialize import plain, record

#: Version of the format: it changes when a field is removed or changes its meaning.
SCHEMA = 1
#: Name of the file of messages of broken contracts, beside the evidence: the messages have keys of rows.
BROKEN = "broken.json"
#: Beginning of the names of the contracts that compute rows with the oracle and count them.
_ANEW = "verify/row_says_what_was_decided["
#: Beginning of the last line but one: the member with the digest of the file.
_OWN = ',\n "sha256": "'


class Outcome(StrEnum):
    """The result of a contract."""

    HELD = "held"
    BROKEN = "broken"
    SKIPPED = "skipped"
    WAIVED = "waived"


class Why(StrEnum):
    """The reason for which a contract was skipped."""

    NOT_SKIPPED = ""
    NO_DATA = "the legacy set has none of its tables, or no row to ask about"
    NOT_ASKED = "it was not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractResult:
    """The result of one contract, with its time and counts.

    Attributes:
        id: Its name: ``verify/row_says_what_was_decided[core.trades]``.
        clause: The clause that it proves.
        verdict: Held, broken, skipped or waived.
        why: The reason for which it was skipped.
        milliseconds: Its duration [ms].
        counts: Name -> number, such as the rows that it judged.
    """

    id: str
    clause: str
    verdict: Outcome
    why: Why = Why.NOT_SKIPPED
    milliseconds: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The result of one run of the contracts on a pair of sets.

    Attributes:
        made: Time of the run in UTC: ``2026-01-31T12:00:00Z``.
        versions: Versions of migrator, SQLite and Python.
        legacy: Path of each legacy file -> content digest of its judged copy; '' if it cannot be read.
        consolidated: ``core``, ``analytics`` and ``cache`` -> content digest.
        configuration: Digest of the decisions that the verdict depends on.
        amendments: The names of the amendments with which the specification was judged.
        decisions: Digest of the owners' decisions about rows, with which the sets were judged; '' without any.
        mappings: Digest of migrator's mapping files.
        suite: Digest of the files of the contracts.
        contracts: The result of each contract.
        deselected: Number of contracts that the user deselected.
        waivers: The waivers that cover a broken contract.
        quarantine: Target table -> constraint -> rows.
        complaints: Other reasons for NO-GO, one sentence each.
    """

    made: str
    versions: Mapping[str, str]
    legacy: Mapping[str, str]
    consolidated: Mapping[str, str]
    configuration: str
    amendments: tuple[str, ...]
    decisions: str
    mappings: str
    suite: str
    contracts: tuple[ContractResult, ...]
    deselected: int
    waivers: tuple[Waiver, ...]
    quarantine: Mapping[str, Mapping[str, int]]
    complaints: tuple[str, ...]

    def with_verdict(self, verdict: Outcome) -> tuple[ContractResult, ...]:
        """Return the results with this *verdict*."""
        return tuple(result for result in self.contracts if result.verdict is verdict)

    @property
    def sampled(self) -> Mapping[str, tuple[int, int]]:
        """Target table of which the oracle computed a sample -> rows that it computed, legacy rows."""
        counted = {
            result.id.partition("[")[2].rstrip("]"): result.counts
            for result in self.contracts
            if result.id.startswith(_ANEW)
        }
        return {
            table: (counts["judged_rows"], counts["legacy_rows"])
            for table, counts in counted.items()
            if counts.get("judged_rows", 0) < counts.get("legacy_rows", 0)
        }

    @property
    def verdict(self) -> str:
        """``GO`` if a contract held, none is broken and there is no complaint; else ``NO-GO``."""
        held = self.with_verdict(Outcome.HELD)
        return "GO" if held and not self.with_verdict(Outcome.BROKEN) and not self.complaints else "NO-GO"


def text(evidence: Evidence) -> str:
    """Return the text of the file of *evidence*."""
    body = {
        "schema": SCHEMA,
        **plain(evidence),
        "verdict": evidence.verdict,
    }
    return _signed(body)


def write(evidence: Evidence, path: Path) -> None:
    """Write *evidence* to *path*, whole or not at all.

    Raises:
        OSError: The disk is full, or the folder does not exist.
    """
    durable_files.write(path, text(evidence))


def withdraw(path: Path) -> None:
    """Remove the evidence at *path*, so that an interrupted run leaves none.

    Raises:
        UsageError: The file exists and is not an evidence file, or its folder does not exist.
        OSError: It cannot be read or removed.
    """
    if not path.parent.is_dir():
        raise UsageError("no such folder", where=path.parent, hint="name a file in an existing folder")
    if path.is_symlink() or path.exists():
        try:
            ours = path.is_file() and not path.is_symlink() and _OWN in user_files.text(path)
        except UsageError:
            ours = False
        if not ours:
            raise UsageError("exists and is not an evidence file", where=path, hint="name another file")
        durable_files.remove(path)


def read(path: Path) -> Evidence:
    """Return the evidence at *path*.

    Raises:
        EvidenceError: It does not exist, is not an evidence file, is of another schema, or was changed since.
    """
    again = "run: migrator verify"
    text_read, written = _loaded(path, again)
    if not isinstance(written, dict) or "sha256" not in written:
        raise EvidenceError("is not an evidence file: it has no digest of its own", where=path, hint=again)
    own = written.pop("sha256")
    if text_read != _signed(written) or own != _sha256(_canonical(written)):
        raise EvidenceError("was changed after it was written: its own digest does not match", where=path, hint=again)
    schema, verdict = written.pop("schema", None), written.pop("verdict", None)
    if schema != SCHEMA:
        raise EvidenceError(f"has the schema {schema!r}, {SCHEMA} is known", where=path, hint=again)
    try:
        evidence = record(written, Evidence)
        dt.datetime.fromisoformat(evidence.made)
    except ValueError as error:
        raise EvidenceError(f"does not have the fields of evidence ({error})", where=path, hint=again) from error
    names = [result.id for result in evidence.contracts]
    if len(set(names)) != len(names):
        raise EvidenceError("names a contract twice", where=path, hint=again)
    if verdict != evidence.verdict:
        raise EvidenceError(f"holds the verdict {verdict}, but its contracts give {evidence.verdict}", where=path)
    if text(evidence) != text_read:
        raise EvidenceError("does not have the fields of evidence as migrator writes them", where=path, hint=again)
    return evidence


def _loaded(path: Path, again: str) -> tuple[str, Any]:
    """Return the text of the file at *path*, and its JSON value."""
    if not os.path.lexists(path):
        raise EvidenceError("does not exist", where=path, hint=again)
    try:
        text_read = user_files.text(path)
        return text_read, json.loads(text_read)
    except (UsageError, ValueError, RecursionError) as error:
        why = error.what if isinstance(error, UsageError) else type(error).__name__
        raise EvidenceError(f"cannot be read as evidence ({why})", where=path, hint=again) from error


def _canonical(body: object) -> str:
    """Return the canonical text of *body*, without floats: programs write them differently."""
    return json.dumps(body, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _signed(body: object) -> str:
    whole = _canonical(body)
    return "".join((whole.removesuffix("\n}\n"), _OWN, _sha256(whole), '"\n}\n'))


def _sha256(of: str) -> str:
    return hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()


def counted(values: Sequence[tuple[str, object]]) -> Mapping[str, int]:
    """Return the whole numbers among the named *values*, sorted by name."""
    return MappingProxyType(
        {name: value for name, value in sorted(values, key=lambda named: named[0]) if type(value) is int}
    )


def read_broken(path: Path) -> tuple[BrokenContract, ...]:
    """Return the broken contracts that the plugin of the contracts wrote to *path*, with their messages.

    Raises:
        EvidenceError: The file is missing, or is not what the plugin writes.
    """
    try:
        return record(json.loads(path.read_text(encoding="utf-8")), tuple[BrokenContract, ...])
    except (OSError, ValueError) as error:
        raise EvidenceError(
            f"the messages of the broken contracts cannot be read ({error})", where=path, hint="run: migrator verify"
        ) from error


def broken_text(broken: Iterable[BrokenContract]) -> str:
    """Return the text that :func:`read_broken` reads."""
    return json.dumps([{"name": contract.name, "says": contract.says} for contract in broken], indent=1) + "\n"
