"""Makes the evidence of a run: digests of the judged copies, results of the contracts, the quarantine."""

from __future__ import annotations

import datetime as dt
import platform
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from contracts.sets.consolidated import Subject
from contracts.suite import surroundings
from contracts.suite.results import Results
from contracts.suite.session import Session
from migrator.errors import MigratorError
from migrator.schema import catalogue
from migrator.schema.specified import Specification
from migrator.stages.verify import freshness
from migrator.stages.verify.evidence import Evidence
from migrator.system import connections, installation

#: Names of the two sides in messages.
LEGACY, CONSOLIDATED = "legacy file", "consolidated database"

#: Stands for a constraint name that the specification does not have.
_UNSPECIFIED = "no specified constraint"
_OVER_COLUMNS = re.compile(r"(?:NOT NULL|UNIQUE|PRIMARY KEY|FOREIGN KEY) (?P<columns>\w+(?:, \w+)*)")


def versions() -> Mapping[str, str]:
    """Return the versions of the tool, of SQLite and of Python."""
    return {
        "migrator": version(installation.DISTRIBUTION),
        "sqlite": sqlite3.sqlite_version,
        "python": platform.python_version(),
    }


def digests(session: Session) -> dict[str, dict[str, str]]:
    """Return the content digest of each judged copy, '' if it cannot be read: side -> name -> digest."""
    by_side: dict[str, dict[str, str]] = {LEGACY: {}, CONSOLIDATED: {}}
    try:
        for target in session.judged.originals:
            by_side[CONSOLIDATED][target] = _digest(session.judged.copy, target)
        if session.has_pair:
            legacy = session.case.legacy
            for name, path in legacy.originals.items():
                by_side[LEGACY][path.relative_to(legacy.where).as_posix()] = _digest(legacy.as_found, name)
    except MigratorError:
        # A set could not be made, so nothing was judged; each contract has failed with this error.
        return by_side
    return by_side


def _digest(copy: Callable[[str], Path], name: str) -> str:
    try:
        return surroundings.content_of_copy(copy(name)).digest
    except (sqlite3.Error, MigratorError, UnicodeError):
        return ""


def evidence(session: Session, results: Results, complaints: Sequence[str]) -> Evidence:
    """Return the evidence of this run.

    Raises:
        EvidenceError: The contracts are not installed as a package.
    """
    judged = {
        side: {name: min(digests) for name, digests in sorted(by_name.items())}
        for side, by_name in results.digests.items()
    }
    return Evidence(
        made=dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions=versions(),
        legacy=judged.get(LEGACY, {}),
        consolidated=judged.get(CONSOLIDATED, {}),
        configuration=session.config.digest(),
        amendments=session.specification.amendments,
        decisions=session.config.rows.digest(),
        mappings=freshness.mappings_digest(),
        suite=freshness.suite_digest(),
        contracts=results.said(),
        deselected=results.deselected,
        waivers=results.needed(session.options.waivers),
        quarantine=quarantine(session.judged),
        complaints=tuple(complaints),
    )


def quarantine(judged: Subject) -> dict[str, dict[str, int]]:
    """Return the number of quarantined rows by target table and broken constraint.

    Another tool may have written any name there: only names of the specification are repeated.
    """
    counts: dict[str, dict[str, int]] = {}
    for target in judged.originals:
        with suppress(sqlite3.Error, UnicodeError), closing(connections.read(judged.copy(target))) as connection:
            rows = connection.execute("SELECT target, broken, count(*) FROM quarantine GROUP BY 1, 2").fetchall()
            for table, broken, count in rows:
                into, constraint = _specified(judged.specification, target, table, broken)
                by_constraint = counts.setdefault(into, {})
                by_constraint[constraint] = by_constraint.get(constraint, 0) + count
    return counts


def _specified(specification: Specification, target: str, table: object, broken: object) -> tuple[str, str]:
    """Return *table* and *broken* as the specification names them, else words for an unspecified name."""
    schema = specification.schema(target)
    shape = next((specified for specified in schema.tables if specified.name == table), None)
    if shape is None:
        virtual = {specified.name for specified in schema.virtual_tables}
        return (f"{target}.{table}" if table in virtual else f"{target}: no specified table"), _UNSPECIFIED
    columns = {column.name for column in shape.columns} | _legacy_columns()
    over = _OVER_COLUMNS.fullmatch(str(broken))
    known = (
        broken in {f"CHECK {check.expression}" for check in shape.checks}
        or broken in {unique.constraint for unique in schema.uniques(shape.name)}
        or (over is not None and set(over["columns"].split(", ")) <= columns)
    )
    return f"{target}.{shape.name}", str(broken) if known else _UNSPECIFIED


@cache
def _legacy_columns() -> frozenset[str]:
    """Return every column of the known legacy tables: a quarantined row may lack a legacy key."""
    shapes = [shape for database in catalogue.legacy_databases() for shape in database.shapes]
    return frozenset({"rowid"}.union(*(shape.names for shape in shapes)))
