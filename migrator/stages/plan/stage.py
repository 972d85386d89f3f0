"""Plan: decides the fate of every table, and collects the reasons against a migration.

The plan is frozen data, which build executes, so that the plan that was shown is the plan that is executed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.mapping import reader as mapping_reader
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.inventory import Database, Inventory, Table, Verdict
from migrator.records.plan import Fate, Plan, PlannedTable
from migrator.records.precondition import unmet
from migrator.schema import catalogue, text_encoding
from migrator.stages.plan.findings import findings
from migrator.stages.plan.preconditions import PLAN, Case
from migrator.system.temporary_folders import private_folder

#: Free disk that is required, in sizes of all sources: snapshot, stage, copies of both for the proof of the way back, and
#: SQLite's own work files.
DISK_FACTOR = 6


def plan(inventory: Inventory, config: Config, *, disk: Path, in_use: bool = False) -> Plan:
    """Return the plan for *inventory* under *config*; changes nothing.

    The reasons against it are collected, so that all can be corrected at once; :func:`refuse` raises the first.

    Args:
        inventory: The files.
        config: What the owners decided.
        disk: The folder below which a migration would write.
        in_use: Whether the files are those that the application uses: then this process has to be able to lock them, and
            their users to use the three.

    Raises:
        MappingError: A mapping file of the package is wrong.
    """
    case = case_of(inventory, config, disk=disk, in_use=in_use)
    return Plan(
        inventory=inventory,
        order=mapping_reader.all_tables(),
        tables=case.tables,
        constants=MappingProxyType(
            {"order_amount_sol": config.order_amount_sol, **config.specification.constants, **config.constants}
        ),
        needed_bytes=case.needed_bytes,
        free_bytes=case.free_bytes,
        refusals=unmet(PLAN, case),
        findings=tuple(findings(case)),
        left_out=frozenset(database.place for database in inventory.databases if config.fate(database) == "ignore"),
        amendments=config.specification.amendments,
        extra_indexes=tuple(index.statement for index in config.extra_indexes),
        file_mode=config.file_mode,
        decisions=config.rows,
    )


def case_of(inventory: Inventory, config: Config, *, disk: Path, in_use: bool = False) -> Case:
    """Return what the conditions of a plan are checked on; arguments as for :func:`plan`."""
    tables = sorted(
        (table for database in inventory.databases for table in _decide(database, config)),
        key=lambda table: table.source,
    )
    size_bytes = sum((database.size_bytes or 0) + (database.wal_bytes or 0) for database in inventory.databases)
    return Case(
        inventory=inventory,
        config=config,
        tables=tuple(tables),
        disk=disk,
        in_use=in_use,
        needed_bytes=DISK_FACTOR * size_bytes,
        free_bytes=shutil.disk_usage(disk).free,
    )


def decided(planned: Plan, snapshot: Inventory) -> Plan:
    """Return *planned* with the rows of the *snapshot* that the owners decided about.

    Raises:
        Refused: A decision does not fit the rows.
    """
    settled, refusals = with_decided_rows(planned, snapshot)
    refuse(replace(settled, refusals=refusals))
    return settled


def with_decided_rows(planned: Plan, snapshot: Inventory) -> tuple[Plan, tuple[str, ...]]:
    """Return *planned* with the rows of the *snapshot* that the owners decided about, and the reasons against it.

    Raises:
        OSError: The disk is full.
        sqlite3.Error: A file cannot be read.
    """
    paths = {database.known_as: database.path for database in snapshot.databases}
    about = {decision.source.partition(".")[0] for decision in planned.decisions}
    with private_folder() as folder:
        for database in snapshot.databases:
            if database.known_as in about and database.encoding not in ("", text_encoding.UTF8):
                # SQLite attaches no database in another encoding, and cells are compared as UTF-8.
                paths[database.known_as] = folder / f"{database.known_as}.db"
                text_encoding.write_anew(database.path, paths[database.known_as], text_encoding.UTF8)
        rows, refusals = quarantine_decisions.settled(planned.decisions, planned.tables, paths)
    return replace(planned, decided=rows), refusals


def refuse(planned: Plan) -> None:
    """Raise the first reason against *planned*, with the number of the others.

    Raises:
        Refused: There is one.
    """
    if planned.refusals:
        more = f" (and {len(planned.refusals) - 1} more: migrator plan)" if len(planned.refusals) > 1 else ""
        # It may be about a decision on a row, and show a cell of it.
        raise Refused(
            f"{planned.refusals[0]}{more}",
            logged=f"reasons against the plan: {len(planned.refusals)}; to see them run: migrator plan",
        )


def _decide(database: Database, config: Config) -> Iterator[PlannedTable]:
    fate = config.fate(database)
    for table in database.tables:
        source = f"{database.known_as}.{table.name}"
        if fate == "ignore":
            yield PlannedTable(source=source, fate=Fate.IGNORED, rows=table.rows)
        elif database.verdict is Verdict.STANDALONE or fate == "standalone":
            yield PlannedTable(source=source, fate=Fate.STANDALONE, rows=table.rows)
        elif database.verdict is Verdict.SOURCE or fate.startswith("carry:"):
            yield _decide_table(database, table, source, fate.partition(":")[2] or _home(database))


def _decide_table(database: Database, table: Table, source: str, home: str) -> PlannedTable:
    if table.module and table.variant != catalogue.SPECIFIED_VARIANT:
        return PlannedTable(source=source, fate=Fate.DERIVED, variant=table.variant, rows=None)
    if table.variant == catalogue.SPECIFIED_VARIANT:
        target, _ = catalogue.SPECIFIED[database.name]
        return PlannedTable(
            source=source, fate=Fate.MAPPED, into=f"{target}.{table.name}", variant=table.variant, rows=table.rows
        )
    for mapping in mapping_reader.mappings():
        if mapping.source == source and mapping.variant == table.variant:
            return PlannedTable(
                source=source,
                fate=Fate.MAPPED,
                into=f"{mapping.target}.{mapping.table}",
                variant=table.variant,
                rows=table.rows,
            )
    into = f"{home}.legacy_{database.known_as}_{table.name}"
    return PlannedTable(source=source, fate=Fate.CARRIED, into=into, variant=table.variant, rows=table.rows)


def _home(database: Database) -> str:
    return next((known.home for known in catalogue.legacy_databases() if known.name == database.name), "")
