"""Evidence: what was judged, by which contracts, with which verdict, in a file that shows when it was changed.

The file is JSON in one form: sorted keys, ASCII, an indent of one, whole numbers only.  Its own SHA-256 stands last and
covers the text without it.  That guards against accident, not against a user who signs anew: what evidence says
of files is compared with the files whenever it counts (:mod:`migrator.stages.verify.freshness`).

No value of a cell is in it, and no path outside of the data directory.
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

#: Version of the file; it changes when a field goes or changes its meaning.
SCHEMA = 1
#: The file of the messages of broken contracts, beside the evidence: unlike it, they name keys of rows.
BROKEN = "broken.json"
#: How the names of the contracts begin that work rows out anew; they count how many.
_ANEW = "verify/row_says_what_was_decided["
#: How the last line but one begins.
_OWN = ',\n "sha256": "'


class Outcome(StrEnum):
    """What a contract said."""

    HELD = "held"
    BROKEN = "broken"
    SKIPPED = "skipped"
    WAIVED = "waived"


class Why(StrEnum):
    """Why a contract was skipped."""

    NOT_SKIPPED = ""
    NO_DATA = "the legacy set has none of its tables, or no row to ask about"
    NOT_ASKED = "it was not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one contract said.

    Attributes:
        id: Its name: ``verify/row_says_what_was_decided[core.trades]``.
        clause: The clause that it proves.
        verdict: Held, broken, skipped or waived.
        why: Why it was skipped.
        milliseconds: How long it took.
        counts: What it counted, such as rows.
    """

    id: str
    clause: str
    verdict: Outcome
    why: Why = Why.NOT_SKIPPED
    milliseconds: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one run of the contracts says of a pair of sets.

    Attributes:
        made: When, in UTC: ``2026-01-31T12:00:00Z``.
        versions: Of the tool, of SQLite and of Python.
        legacy: Content digest of the judged copy of each legacy file, by its path; '' where it cannot be read.
        consolidated: The same of the three, by ``core``, ``analytics`` and ``cache``.
        configuration: Digest of the decisions that the verdict depends on.
        mappings: Digest of the tool's mapping files.
        suite: Digest of the contracts' own files.
        contracts: What each said, by name.
        deselected: Contracts that were left out by hand.
        waivers: The waivers that were needed.
        quarantine: Rows by target table and constraint.
        complaints: What else keeps the verdict from GO, one sentence each.
    """

    made: str
    versions: Mapping[str, str]
    legacy: Mapping[str, str]
    consolidated: Mapping[str, str]
    configuration: str
    mappings: str
    suite: str
    contracts: tuple[Said, ...]
    deselected: int
    waivers: tuple[Waiver, ...]
    quarantine: Mapping[str, Mapping[str, int]]
    complaints: tuple[str, ...]

    def with_verdict(self, verdict: Outcome) -> tuple[Said, ...]:
        """Return the contracts that said so."""
        return tuple(said for said in self.contracts if said.verdict is verdict)

    @property
    def sampled(self) -> Mapping[str, tuple[int, int]]:
        """Target tables of which a sample was worked out anew -> rows that were, legacy rows; each count is of a contract."""
        counted = {
            one.id.partition("[")[2].rstrip("]"): one.counts for one in self.contracts if one.id.startswith(_ANEW)
        }
        return {
            table: (counts["judged_rows"], counts["legacy_rows"])
            for table, counts in counted.items()
            if counts.get("judged_rows", 0) < counts.get("legacy_rows", 0)
        }

    @property
    def verdict(self) -> str:
        """``GO`` if something held, nothing is broken and nothing else is wrong; else ``NO-GO``."""
        held = self.with_verdict(Outcome.HELD)
        return "GO" if held and not self.with_verdict(Outcome.BROKEN) and not self.complaints else "NO-GO"


def text(evidence: Evidence) -> str:
    """Return the file that says what *evidence* says."""
    body = {
        "schema": SCHEMA,
        **plain(evidence),
        "verdict": evidence.verdict,
    }
    return _signed(body)


def write(evidence: Evidence, path: Path) -> None:
    """Write *evidence* to *path*, whole or not at all.

    Raises:
        OSError: The disk is full, or the folder is not there.
    """
    durable_files.write(path, text(evidence))


def withdraw(path: Path) -> None:
    """Remove the evidence at *path*, so that none is there while it is being made anew.

    Raises:
        UsageError: The file exists and is not an evidence file, or its folder does not exist.
        OSError: It cannot be read or removed.
    """
    if not path.parent.is_dir():
        raise UsageError("no such folder", where=path.parent, hint="name a file in a folder that is there")
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
    found, written = _loaded(path, again)
    if not isinstance(written, dict) or "sha256" not in written:
        raise EvidenceError("is not an evidence file: it has no digest of its own", where=path, hint=again)
    own = written.pop("sha256")
    if found != _signed(written) or own != _sha256(_canonical(written)):
        raise EvidenceError("was changed after it was written: its own digest does not match", where=path, hint=again)
    schema, verdict = written.pop("schema", None), written.pop("verdict", None)
    if schema != SCHEMA:
        raise EvidenceError(f"has the schema {schema!r}, {SCHEMA} is known", where=path, hint=again)
    try:
        evidence = record(written, Evidence)
        dt.datetime.fromisoformat(evidence.made)
    except ValueError as error:
        raise EvidenceError(f"does not have the fields of evidence ({error})", where=path, hint=again) from error
    names = [said.id for said in evidence.contracts]
    if len(set(names)) != len(names):
        raise EvidenceError("names a contract twice", where=path, hint=again)
    if verdict != evidence.verdict:
        raise EvidenceError(f"holds the verdict {verdict}, but its contracts give {evidence.verdict}", where=path)
    if text(evidence) != found:
        raise EvidenceError("does not have the fields of evidence as migrator writes them", where=path, hint=again)
    return evidence


def _loaded(path: Path, again: str) -> tuple[str, Any]:
    """Return the text of the file at *path*, and what it means as JSON."""
    if not os.path.lexists(path):
        raise EvidenceError("is not there", where=path, hint=again)
    try:
        found = user_files.text(path)
        return found, json.loads(found)
    except (UsageError, ValueError, RecursionError) as error:
        why = error.what if isinstance(error, UsageError) else type(error).__name__
        raise EvidenceError(f"cannot be read as evidence ({why})", where=path, hint=again) from error


def _canonical(body: object) -> str:
    """Return the one text of *body*; floats are not allowed, because programs write them differently."""
    return json.dumps(body, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _signed(body: object) -> str:
    whole = _canonical(body)
    return "".join((whole.removesuffix("\n}\n"), _OWN, _sha256(whole), '"\n}\n'))


def _sha256(of: str) -> str:
    return hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()


def counted(values: Sequence[tuple[str, object]]) -> Mapping[str, int]:
    """Return those of the named *values* that are whole numbers, sorted by name."""
    return MappingProxyType(
        {name: value for name, value in sorted(values, key=lambda one: one[0]) if type(value) is int}
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
    """Return the file that :func:`read_broken` reads."""
    return json.dumps([{"name": contract.name, "says": contract.says} for contract in broken], indent=1) + "\n"
