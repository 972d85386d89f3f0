"""Counts what each amendment of the specification would change in the quarantine: only the tables that it is about are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator.mapping import reader as mapping_reader
from migrator.records.backup import Snapshot
from migrator.records.plan import AmendmentEffect, Plan
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.schema.specified import AS_WRITTEN, Specification
from migrator.stages.build import stage as build_stage
from migrator.system import durable_files


def effects(
    plan: Plan, snapshot: Snapshot, folder: Path, quarantine: Mapping[str, int]
) -> Mapping[str, AmendmentEffect]:
    """Return amendment -> rows in quarantine without and with it, the other amendments being those of *plan*.

    Args:
        plan: What a build executed.
        snapshot: The files that it was built from.
        folder: A scratch folder; each amendment gets a folder of its own there.
        quarantine: Target table -> rows that the build quarantined.

    Raises:
        sqlite3.Error: The disk is full.
    """
    chosen = set(plan.amendments)
    total = sum(quarantine.values())
    found = {}
    for name in specified.amendments():
        now = name in chosen
        other = specified.chosen(chosen - {name} if now else chosen | {name})
        counted = with_children(_restricted(name))
        then = total
        if counted:
            work = folder / name
            durable_files.make_private_folder(work)
            refused = build_stage.refused(_amended(plan, other), snapshot, work, with_what_they_read(counted))
            durable_files.remove_folder(work)
            then += sum(refused.get(table, 0) - quarantine.get(table, 0) for table in counted)
        found[name] = AmendmentEffect(chosen=now, rows_without=then if now else total, rows_with=total if now else then)
    return MappingProxyType(found)


def _amended(plan: Plan, specification: Specification) -> Plan:
    constants = MappingProxyType({**plan.constants, **specification.constants})
    return replace(plan, amendments=specification.amendments, constants=constants)


def _restricted(name: str) -> set[str]:
    """Return the tables of which the amendment *name* changes the rows that may go in."""
    amended = specified.chosen([name])
    return {
        f"{target}.{table.name}"
        for target in catalogue.TARGETS
        for table in amended.schema(target).tables
        if _admits(amended, target, table.name) != _admits(AS_WRITTEN, target, table.name)
    }


def _admits(specification: Specification, target: str, table: str) -> tuple[object, ...]:
    schema = specification.schema(target)
    return schema.table(table).checks, schema.uniques(table)


def with_children(tables: set[str]) -> set[str]:
    """Return *tables* and the tables that refer to them: a row may be refused because its parent was."""
    found = set(tables)
    for into in mapping_reader.all_tables():
        if _parents(into) & found:
            found.add(into)
    return found


def with_what_they_read(tables: set[str]) -> set[str]:
    """Return *tables* and the target tables that have to be loaded before them."""
    found = set(tables)
    for into in reversed(mapping_reader.all_tables()):
        if into in found:
            found |= _parents(into)
    return found


def _parents(into: str) -> set[str]:
    """Return the target tables to which *into* refers, or which its mappings read."""
    target, _, name = into.partition(".")
    referred = {
        f"{target}.{key.parent}"
        for table in schema_reader.target(target).tables
        if table.name == name
        for key in table.foreign_keys
    }
    tables = {table.partition(".")[2] for table in mapping_reader.all_tables() if table.startswith(f"{target}.")}
    read = {
        f"{target}.{table}"
        for mapping in mapping_reader.mappings()
        if (mapping.target, mapping.table) == (target, name)
        for database, _, table in (reads.partition(".") for reads in mapping.reads)
        if database in ("ids", target) and table in tables
    }
    return (referred | read) - {into}
