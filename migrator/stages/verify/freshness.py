"""Checks whether evidence is current: ``status`` shows it, and a cutover without current evidence is refused.

Compared are the files, the configuration, migrator's mappings and the installed contracts, all without a network.  The
contracts are read as files, never imported.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from migrator.config.waivers import CAN_FAIL
from migrator.errors import EvidenceError, MigratorError
from migrator.schema import catalogue
from migrator.stages.verify.evidence import ContractResult, Evidence, Outcome, Why
from migrator.switch.state import Switch
from migrator.system import connections, content_digest, private_copy
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder

#: Entries in the folder of the contracts that are not part of them.
_NOT_PART = {"__pycache__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The digests of the files and the configuration as they are now.

    Attributes:
        legacy: Path of each legacy file -> content digest.
        consolidated: ``core``, ``analytics`` and ``cache`` -> content digest.
        configuration: Digest of the decisions that a verdict depends on.
    """

    legacy: Mapping[str, str]
    consolidated: Mapping[str, str]
    configuration: str


def refusals(evidence: Evidence, present: Present, *, today: dt.date | None = None) -> tuple[str, ...]:
    """Return the reasons for which *evidence* is not current, one sentence each: a cutover is refused for each of them.

    Raises:
        EvidenceError: The contracts are not installed, and only they list the clauses.
    """
    return (
        *verdict(evidence),
        *unproved(evidence),
        *outdated(evidence, present, today=today),
    )


def outdated(evidence: Evidence, present: Present, *, today: dt.date | None = None) -> tuple[str, ...]:
    """Return what has changed since *evidence* was written, for any verdict, one sentence each."""
    return (
        *_expired(evidence, today or dt.datetime.now(dt.UTC).date()),
        *_changed("legacy file", evidence.legacy, present.legacy),
        *_changed("consolidated database", evidence.consolidated, present.consolidated),
        *_other_than_judged(evidence, present),
    )


def verdict(evidence: Evidence) -> Iterator[str]:
    """Yield the reasons for a NO-GO, and each set or consolidated database that was not judged."""
    broken = evidence.with_verdict(Outcome.BROKEN)
    if evidence.verdict != "GO":
        named = (
            f": {', '.join(result.id for result in broken[:3])}{', ...' if len(broken) > 3 else ''}" if broken else ""
        )
        yield f"the verdict is {evidence.verdict}, {len(broken)} contracts are broken{named}"
    yield from evidence.complaints
    if not evidence.legacy:
        yield "no legacy set was judged"
    yield from (
        f"{name} was not judged" for target, name in catalogue.TARGETS.items() if target not in evidence.consolidated
    )


def unproved(evidence: Evidence) -> Iterator[str]:
    """Yield each clause that no contract proves in *evidence*, and the number of deselected contracts.

    A waived contract counts, and so does one about tables that the legacy set does not have.  The contract that tests whether
    contracts can fail proves nothing about the data.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    if evidence.deselected:
        yield f"{evidence.deselected} contracts were deselected"
    of_clause: dict[str, list[ContractResult]] = {}
    for result in evidence.contracts:
        if not result.id.endswith(f"[{CAN_FAIL}]"):
            of_clause.setdefault(result.clause, []).append(result)
    for clause in clauses():
        results = of_clause.get(clause, [])
        applied = [result for result in results if result.why is not Why.NO_DATA]
        proved = any(result.verdict in {Outcome.HELD, Outcome.WAIVED} for result in applied)
        if not results or (applied and not proved):
            yield f"clause {clause} is not proved: no contract of it held"


def _expired(evidence: Evidence, today: dt.date) -> Iterator[str]:
    for waiver in evidence.waivers:
        if waiver.expired(today):
            yield f"the waiver of {waiver.name} ran out on {waiver.expires.isoformat()}"


def _changed(what: str, judged: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(judged.keys() | present.keys()):
        if name not in present:
            yield f"{what} {escaped(name)} was judged and does not exist any more"
        elif name not in judged:
            yield f"{what} {escaped(name)} was not judged"
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
    """Return the originals to which a process has written since the cutover *last*."""
    # A cutover of an older version recorded no digests; its snapshot has them.
    recorded = {str(name.place): last.snapshot / name.place for name in last.names if not name.digest}
    then = {str(name.place): name.digest for name in last.names} | digests_of(recorded)
    now = digests_of({str(name.place): last.originals / name.place for name in last.names}, then)
    return tuple(str(last.originals / path) for path, digest in now.items() if digest != then[path])


def digests_of(paths: Mapping[str, Path], recorded: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the content digest of each database, read from a private copy; '' if it cannot be read.

    A digest that is *recorded* in an older format is returned if it is that of the database.
    """
    with private_folder() as folder:
        return {
            name: _digest(path, folder / f"{number}.db", recorded.get(name, ""))
            for number, (name, path) in enumerate(paths.items())
        }


def _digest(path: Path, copy: Path, recorded: str) -> str:
    try:
        with closing(connections.lenient(connections.scratch(private_copy.private_copy(path, copy)))) as connection:
            return content_digest.as_recorded(connection, recorded)
    except (sqlite3.Error, MigratorError, UnicodeError):
        return ""
    finally:
        for suffix in ("", "-shm", *connections.COMPANIONS):
            connections.beside(copy, suffix).unlink(missing_ok=True)


def mappings_digest() -> str:
    """Return the SHA-256, in hex, of all mapping files of migrator: names and bytes."""
    with resources.as_file(resources.files("migrator.mapping") / "sql") as folder:
        return _of_files(folder)


def suite_digest() -> str:
    """Return the SHA-256, in hex, of all files of the contracts: names and bytes.

    Raises:
        EvidenceError: They are not installed.
    """
    return _of_files(_suite())


def clauses() -> tuple[str, ...]:
    """Return the ids of the clauses, each of which a contract has to prove.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    return tuple(tomllib.loads((_suite() / "suite" / "clauses.toml").read_text(encoding="utf-8")))


def _suite() -> Path:
    found = find_spec("contracts")
    if found is None or found.origin is None or not (Path(found.origin).parent / "suite" / "clauses.toml").is_file():
        raise EvidenceError("the contracts are not installed, and only they list the clauses")
    return Path(found.origin).parent


def _of_files(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _NOT_PART & set(path.parts):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
            whole.update(content)
    return whole.hexdigest()
