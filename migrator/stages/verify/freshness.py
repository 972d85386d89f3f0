"""Does evidence still vouch for what is there?  Asked by ``status``, and by cutover before it touches anything.

Everything is looked up again, offline: the files, the configuration, the tool's mappings and the contracts as they are
installed.  The contracts are read as files, never imported.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from migrator.config.waivers import CAN_FAIL
from migrator.errors import EvidenceError, MigratorError
from migrator.schema import catalogue
from migrator.stages.verify.evidence import Evidence, Outcome, Said, Why
from migrator.switch.state import Switch
from migrator.system import connections, content_digest, private_copy
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder

#: What stands in the folder of the contracts, and is no part of them.
_NOT_PART = {"__pycache__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is there now.

    Attributes:
        legacy: Content digest of each legacy file, by its path.
        consolidated: The same of the three, by ``core``, ``analytics`` and ``cache``.
        configuration: Digest of the decisions that a verdict depends on.
    """

    legacy: Mapping[str, str]
    consolidated: Mapping[str, str]
    configuration: str


class Standing(StrEnum):
    """How far a run has come, and whether that still counts."""

    NOTHING = "nothing yet"
    SNAPSHOT = "snapshot"
    BUILT = "built"
    VERIFIED = "verified"
    STALE = "not verified as it stands"
    AT_WORK = "a switch is at work"
    CUT_SHORT = "a switch was cut short"
    CONSOLIDATED = "the consolidated set is in use"
    ROLLED_BACK = "rolled back: the legacy set is in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a run stands.

    Attributes:
        standing: How far it has come.
        run: The run's number, such as ``0001``; '' where there is no snapshot, or where a file of evidence was asked.
        made: When the evidence was made, in UTC; '' without any.
        waivers: What the evidence needed, one sentence each.
        reasons: Why the evidence does not vouch for what is there, one sentence each.
        next: The next safe step.
    """

    standing: Standing
    run: str = ""
    made: str = ""
    waivers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    next: str


def refusals(evidence: Evidence, present: Present, *, today: dt.date | None = None) -> tuple[str, ...]:
    """Return why *evidence* does not vouch for what is *present*, one sentence each; nothing if it does.

    Cutover must refuse while there is one.

    Raises:
        EvidenceError: The contracts are not installed, and only they list what has to be proved.
    """
    return (
        *verdict(evidence),
        *unproved(evidence),
        *_expired(evidence, today or dt.datetime.now(dt.UTC).date()),
        *_changed("legacy file", evidence.legacy, present.legacy),
        *_changed("consolidated database", evidence.consolidated, present.consolidated),
        *_other_than_judged(evidence, present),
    )


def verdict(evidence: Evidence) -> Iterator[str]:
    """Yield what keeps the verdict from GO, and whether any of the two sets was missing."""
    broken = evidence.with_verdict(Outcome.BROKEN)
    if evidence.verdict != "GO":
        named = f": {', '.join(said.id for said in broken[:3])}{', ...' if len(broken) > 3 else ''}" if broken else ""
        yield f"the verdict is {evidence.verdict}, {len(broken)} contracts are broken{named}"
    yield from evidence.complaints
    if not evidence.legacy:
        yield "no legacy set was judged"
    yield from (
        f"{name} was not judged" for target, name in catalogue.TARGETS.items() if target not in evidence.consolidated
    )


def unproved(evidence: Evidence) -> Iterator[str]:
    """Yield each clause that no contract proves in *evidence*, and how many contracts were left out.

    A waived contract counts, because that is what a waiver is; so does a question to tables that the legacy set does not
    have.  That a contract can fail proves nothing about the data.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    if evidence.deselected:
        yield f"{evidence.deselected} contracts were left out by hand"
    said: dict[str, list[Said]] = {}
    for one in evidence.contracts:
        if not one.id.endswith(f"[{CAN_FAIL}]"):
            said.setdefault(one.clause, []).append(one)
    for clause in clauses():
        answers = said.get(clause, [])
        asked = [one for one in answers if one.why is not Why.NO_DATA]
        proved = any(one.verdict in {Outcome.HELD, Outcome.WAIVED} for one in asked)
        if not answers or (asked and not proved):
            yield f"clause {clause} is not proved: no contract of it held"


def _expired(evidence: Evidence, today: dt.date) -> Iterator[str]:
    for waiver in evidence.waivers:
        if waiver.expired(today):
            yield f"the waiver of {waiver.name} ran out on {waiver.expires.isoformat()}"


def _changed(what: str, judged: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(judged.keys() | present.keys()):
        if name not in present:
            yield f"{what} {escaped(name)} was judged and is not there"
        elif name not in judged:
            yield f"{what} {escaped(name)} is there and was not judged"
        elif not present[name]:
            yield f"{what} {escaped(name)} cannot be read"
        elif judged[name] != present[name]:
            yield f"{what} {escaped(name)} has changed since it was judged"


def _other_than_judged(evidence: Evidence, present: Present) -> Iterator[str]:
    for what, judged, now in (
        ("the configuration has", evidence.configuration, present.configuration),
        ("the mappings have", evidence.mappings, mappings_digest()),
        ("the contracts have", evidence.suite, suite_digest()),
    ):
        if judged != now:
            yield f"{what} changed since"


def late_originals(last: Switch) -> tuple[str, ...]:
    """Return the originals that no longer hold what they held at the cutover *last*: a process has written to them since."""
    now = digests_of({str(name.place): last.originals / name.place for name in last.names})
    # A cutover of an older version did not note what they held; its snapshot did.
    noted = {str(name.place): last.snapshot / name.place for name in last.names if not name.digest}
    then = {str(name.place): name.digest for name in last.names} | digests_of(noted)
    return tuple(str(last.originals / path) for path, digest in now.items() if digest != then[path])


def digests_of(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the content digest of each database, read through a private copy; '' where it cannot be read."""
    with private_folder() as folder:
        return {name: _digest(path, folder / f"{number}.db") for number, (name, path) in enumerate(paths.items())}


def _digest(path: Path, copy: Path) -> str:
    try:
        with closing(connections.lenient(connections.scratch(private_copy.private_copy(path, copy)))) as connection:
            return content_digest.digest(connection)
    except (sqlite3.Error, MigratorError, UnicodeError):
        return ""
    finally:
        for suffix in ("", "-shm", *connections.COMPANIONS):
            connections.beside(copy, suffix).unlink(missing_ok=True)


def mappings_digest() -> str:
    """Return the SHA-256, in hex, of every mapping file of the tool: names and bytes."""
    with resources.as_file(resources.files("migrator.mapping") / "sql") as folder:
        return _of_files(folder)


def suite_digest() -> str:
    """Return the SHA-256, in hex, of every file of the contracts: names and bytes.

    Raises:
        EvidenceError: They are not installed.
    """
    return _of_files(_suite())


def clauses() -> tuple[str, ...]:
    """Return the ids of the clauses that have to be proved.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    return tuple(tomllib.loads((_suite() / "suite" / "clauses.toml").read_text(encoding="utf-8")))


def _suite() -> Path:
    found = find_spec("contracts")
    if found is None or found.origin is None or not (Path(found.origin).parent / "suite" / "clauses.toml").is_file():
        raise EvidenceError("the contracts are not installed, and only they list what has to be proved")
    return Path(found.origin).parent


def _of_files(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _NOT_PART & set(path.parts):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
            whole.update(content)
    return whole.hexdigest()
