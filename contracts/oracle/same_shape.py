"""Readings of legacy tables that already have the target's shape."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import Reading, Rule, cell
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader

_VARIANT = catalogue.SPECIFIED_VARIANT


def readings(world: World) -> Iterator[Reading]:
    """Yield a reading for every table with a source in the specification."""
    for database, (target, tables) in catalogue.SPECIFIED.items():
        for table in tables:
            yield _same(world, database, target, table)


def _same(world: World, database: str, target: str, table: str) -> Reading:
    schema = schema_reader.target(target)
    virtual = next((declared for declared in schema.virtual_tables if declared.name == table), None)
    if virtual:
        columns: tuple[str, ...] = virtual.columns
        return Reading(
            source=f"{database}.{table}",
            variant=_VARIANT,
            target=f"{target}.{table}",
            key="rowid",
            forward={"rowid": cell("rowid"), **{name: cell(name) for name in columns}},
            back={name: cell(name) for name in columns},
        )
    shape = schema.table(table)
    # The parent's legacy table may have another name and shape: only its target table matters.
    parents = {key.columns[0]: f"{target}.{key.parent}" for key in shape.foreign_keys}
    names = [column.name for column in shape.columns]
    # A reference to a wallet is its address, which stays even if the wallet has no row.
    linked = {name: parent for name, parent in parents.items() if shape.column(name).type == "INTEGER"}
    return Reading(
        source=f"{database}.{table}",
        variant=_VARIANT,
        target=f"{target}.{table}",
        key=next(column.name for column in shape.columns if column.primary_key),
        forward={
            name: _became(world, name, linked[name])
            if name in linked
            else _named(world, name, parents[name])
            if name in parents
            else cell(name)
            for name in names
        },
        back={name: _came_from(world, name, linked[name]) if name in linked else cell(name) for name in names},
    )


def _became(world: World, name: str, parent: str) -> Rule:
    def rule(row: Row) -> Cell:
        return None if row[name] is None else world.became_in(parent, row[name])

    return rule


def _named(world: World, name: str, parent: str) -> Rule:
    """Return the text that names the parent; None for '' unless a parent has the name ''."""
    return lambda row: None if row[name] == "" and world.became_in(parent, "") is None else row[name]


def _came_from(world: World, name: str, parent: str) -> Rule:
    def rule(row: Row) -> Cell:
        return None if row[name] is None else world.came_from(parent, row[name])

    return rule
