"""Collects what only the owners of a data directory can say, from the same case that the preconditions are checked on."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.config.config_file import folders
from migrator.records.inventory import Database, Verdict
from migrator.records.plan import Fate
from migrator.records.proposal import MissingConstant, Needs, UndecidedFile
from migrator.stages.plan.preconditions import Case, missing_tables


def needs(case: Case) -> Needs:
    """Return what the configuration of *case* lacks."""
    rows = {table.source: table.rows or 0 for table in case.tables}
    constants = case.constants(needed=False) | case.constants(needed=True)
    return Needs(
        constants=tuple(
            MissingConstant(name=name, source=source, rows=rows.get(source, 0))
            for name, source in sorted(constants.items())
        ),
        files=(*_unknown(case), *_unusable(case)),
        absent=tuple(source for _, source in missing_tables(case)),
        left_behind=tuple(
            f"{database.known_as}.{table.name}"
            for database, table, fate in case.decided()
            if table.problem and table.module and fate in (Fate.CARRIED, Fate.DERIVED)
        ),
    )


def _unknown(case: Case) -> Iterator[UndecidedFile]:
    """Yield the databases that are not known, those of one folder together."""
    by_folder: dict[str, list[Database]] = {}
    for database in case.inventory.with_verdict(Verdict.UNKNOWN):
        if not case.config.fate(database):
            within = folders(database.path_in_snapshot)
            by_folder.setdefault(str(within[-1]) if within else "", []).append(database)
    for folder, databases in by_folder.items():
        if folder and len(databases) > 1:
            yield UndecidedFile(
                key=folder,
                files=len(databases),
                tables=sum(len(database.tables) for database in databases),
                rows=sum(database.rows or 0 for database in databases),
                why="a folder of databases that migrator does not know",
            )
        else:
            for database in databases:
                yield _undecided(database, database.reason or "no known name", usable=True)


def _unusable(case: Case) -> Iterator[UndecidedFile]:
    for database in case.inventory.with_verdict(Verdict.UNREADABLE, Verdict.EMPTY):
        if case.config.fate(database) != "ignore":
            yield _undecided(database, f"{database.verdict}, {database.reason or 'no content'}", usable=False)


def _undecided(database: Database, why: str, *, usable: bool) -> UndecidedFile:
    return UndecidedFile(
        key=str(database.path_in_snapshot),
        tables=len(database.tables),
        rows=database.rows or 0,
        why=why,
        usable=usable,
    )
