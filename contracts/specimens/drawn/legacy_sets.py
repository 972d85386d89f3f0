"""Hypothesis strategies for legacy databases, derived from the DDL.

A row begins as the bot might have written it, each cell with a usual value of its column.  Then a few cells are
replaced by any value that SQLite stores, of any type (:mod:`contracts.specimens.drawn.cells`).  A table is known by
the names and types of its columns only, so their order, constraints and collations are drawn too.  The strategies
define what is allowed, not how often it occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contracts.specimens.drawn.cells import INTEGER_KEYS, anything, meanings
from contracts.specimens.drawn.model import Cell, DrawnFile, DrawnSet, DrawnTable
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.catalogue import SPECIFIED, LegacyDatabase
from migrator.schema.model import Column, Table
from migrator.system.connections import quoted

#: Families of databases whose rows refer to each other or fill the same table; a set is drawn from one family.
FAMILIES = (
    ("jarvis", "tax", "treasury_trades", "call_tracking", "jarvis_x_memory"),
    ("call_tracking", "jarvis", "sentiment", "whales"),
    ("whales", "jarvis_x_memory", "telegram_memory", "jarvis_admin"),
    ("jarvis_memory", "llm_costs", "metrics"),
    ("cache_db", "file_cache", "rate_limiter", "rate_limiter_security"),
    ("alerts", "backtests", "database", "health", "raid_bot", "recycle_test", "research", "ai_memory"),
)
#: Names that break SQL statements unless they are quoted.
ODD_NAMES = ("notes", "my.notes", "it's", 'a "b"', "select", "order by", "ü", "core", "ids", "main", "temp", "lineage")


def rows(table: Table, *, max_odd: int = 3) -> SearchStrategy[tuple[Cell, ...]]:
    """Rows of *table*, with at most *max_odd* cells of any value."""
    columns = _filled(table)
    ordinary = st.tuples(*(meanings(column, table.name) for column in columns))
    places = st.integers(min_value=0, max_value=len(columns) - 1)
    return ordinary | st.builds(_replaced, ordinary, st.dictionaries(places, anything(), max_size=max_odd))


def _filled(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.columns if not column.generated)


def _replaced(row: tuple[Cell, ...], odd: Mapping[int, Cell]) -> tuple[Cell, ...]:
    return tuple(odd.get(place, cell) for place, cell in enumerate(row))


@st.composite
def tables(draw: st.DrawFn, table: Table, *, max_rows: int = 5) -> DrawnTable:
    """Tables with the shape of *table* in varying declarations."""
    name = draw(st.sampled_from([table.name, table.name.upper()]))
    columns = tuple(draw(st.permutations(table.columns))) if draw(st.booleans()) else table.columns
    constrained = draw(st.booleans())
    collation = draw(st.sampled_from(["", "NOCASE", "RTRIM"]))
    drawn = draw(st.lists(rows(Table(name=table.name, columns=columns)), min_size=1, max_size=max_rows))
    marks: SearchStrategy[Cell] = st.sampled_from([None, 0, 5, 2**40, 2**63 - 2, "7", "x"])
    return DrawnTable(
        name=name,
        create=create_sql(replace(table, name=name), columns, constrained=constrained, collation=collation),
        columns=tuple(column.name for column in columns if not column.generated),
        rows=tuple(drawn),
        mark=draw(marks) if constrained and table.autoincrement else None,
    )


def create_sql(table: Table, columns: Sequence[Column], *, constrained: bool, collation: str) -> str:
    """Return the CREATE TABLE of *table* with *columns*, with or without constraints."""
    keys = [
        quoted(name)
        for _, name in sorted((column.primary_key, column.name) for column in columns if column.primary_key)
    ]
    collated = f" COLLATE {collation}" if collation else ""
    parts = []
    for column in columns:
        part = f"{quoted(column.name)} {column.type}{collated if column.type == 'TEXT' else ''}"
        if constrained and column.primary_key and len(keys) == 1:
            part += " PRIMARY KEY AUTOINCREMENT" if table.autoincrement else " PRIMARY KEY"
        elif constrained and column.not_null:
            part += " NOT NULL"
        parts.append(part)
    if constrained:
        parts += [f"PRIMARY KEY ({', '.join(keys)})"] if len(keys) > 1 else []
        parts += [
            f"UNIQUE ({', '.join(quoted(str(column.name)) for column in unique.columns)})"
            for unique in table.uniques
            if unique.origin == "unique"
        ]
        parts += [f"CHECK ({check.expression})" for check in table.checks]
        parts += [
            f"FOREIGN KEY ({', '.join(map(quoted, key.columns))}) REFERENCES {quoted(key.parent)}"
            for key in table.foreign_keys
        ]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})"


def full_text_tables(name: str, columns: Sequence[str], create: str) -> SearchStrategy[DrawnTable]:
    """Full-text tables of the specification, with rows; their cells keep their storage classes."""
    cells = tuple(anything() for _ in columns)
    return st.builds(
        lambda drawn: DrawnTable(name=name, create=create, columns=("rowid", *columns), rows=tuple(drawn)),
        st.lists(st.tuples(st.sampled_from(INTEGER_KEYS), *cells), max_size=3),
    )


def unexpected_tables() -> SearchStrategy[DrawnTable]:
    """Tables with unknown names, and columns of every affinity and of none."""
    types = ("", "TEXT", "INTEGER", "INT", "REAL", "NUMERIC", "BLOB", "VARCHAR(3)", "ANY")
    columns = st.lists(
        st.tuples(st.sampled_from(ODD_NAMES), st.sampled_from(types)),
        min_size=1,
        max_size=3,
        unique_by=lambda entry: entry[0],
    )
    return columns.flatmap(
        lambda given: st.builds(
            lambda name, key, drawn: DrawnTable(
                name=f"x {name}",
                create=f"CREATE TABLE {quoted(f'x {name}')} ({', '.join(f'{quoted(column)} {kind}' for column, kind in given)}{key})",
                columns=tuple(column for column, _ in given),
                rows=tuple(drawn),
            ),
            st.sampled_from(ODD_NAMES),
            st.sampled_from(["", f", PRIMARY KEY ({quoted(given[0][0])})"]),
            st.lists(st.tuples(*(anything() for _ in given)), max_size=3),
        )
    )


@cache
def _legacy(name: str) -> tuple[LegacyDatabase, ...]:
    return tuple(database for database in catalogue.legacy_databases() if database.name == name)


@cache
def _tables_of(database: LegacyDatabase) -> tuple[Table, ...]:
    return schema_reader.read(database.ddl).tables


def _specified(name: str) -> dict[str, list[SearchStrategy[DrawnTable]]]:
    """Return the tables of the specification that the database *name* may hold."""
    if name not in SPECIFIED:
        return {}
    target, wanted = SPECIFIED[name]
    schema = schema_reader.target(target)
    known = {table.name: [tables(table)] for table in schema.tables if table.name in wanted}
    for virtual in schema.virtual_tables:
        if virtual.name in wanted:
            (create,) = [
                s for _, s in schema_reader.statements(catalogue.target_ddl(target)) if s.startswith("CREATE V")
            ]
            known[virtual.name] = [full_text_tables(virtual.name, virtual.columns, create)]
    return known


@cache
def _read_tables(name: str) -> frozenset[str]:
    """Return the tables of *name* that a mapping reads, or with a target's shape."""
    read = {mapping.source_table for mapping in mapping_reader.mappings() if mapping.database == name}
    read |= {
        source.partition(".")[2]
        for lookup in lookups.lookups()
        for source, _, _ in lookup.evidence
        if source.startswith(f"{name}.")
    }
    return frozenset(read.union(SPECIFIED[name][1] if name in SPECIFIED else ()))


@cache
def _afterwards(database: LegacyDatabase) -> tuple[str, ...]:
    kinds = ("CREATE INDEX", "CREATE VIRTUAL TABLE", "CREATE TRIGGER")
    return tuple(statement for _, statement in schema_reader.statements(database.ddl) if statement.startswith(kinds))


@st.composite
def legacy_files(draw: st.DrawFn, name: str) -> DrawnFile:
    """Files of the legacy database *name*: each table absent, as found or as specified."""
    database = draw(st.sampled_from(_legacy(name)))
    strategies = {table.name: [tables(table)] for table in _tables_of(database)}
    specified = _specified(name)
    # All carried tables are treated alike: one is enough.
    carried = sorted(strategies.keys() - _read_tables(name))
    both = {table: strategies.get(table, []) + specified.get(table, []) for table in _read_tables(name)}
    # The plan refuses most sets that have a table in both shapes.
    shapes = draw(st.sampled_from([strategies, specified, both]))
    read = sorted(shapes.keys() & _read_tables(name))
    names = draw(st.permutations(read))[: draw(st.sampled_from([len(read), 1, 2]))] if read else []
    names += draw(st.lists(st.sampled_from(carried), max_size=1)) if carried else []
    drawn = [draw(st.one_of({**strategies, **shapes}[table])) for table in names]
    emptied = draw(st.booleans())
    if drawn and emptied:
        drawn[0] = replace(drawn[0], rows=())
    if draw(st.booleans()):
        drawn.append(draw(unexpected_tables()))
    return DrawnFile(
        place=database.place, tables=tuple(drawn), afterwards=_afterwards(database) if draw(st.booleans()) else ()
    )


def unknown_files() -> SearchStrategy[DrawnFile]:
    """Unknown files that the configuration carries."""
    return st.builds(
        lambda name, table: DrawnFile(place=PurePosixPath(f"{name}.db"), tables=(table,)),
        st.sampled_from(ODD_NAMES),
        unexpected_tables(),
    )


@st.composite
def legacy_sets(draw: st.DrawFn, *, max_files: int = 4) -> DrawnSet:
    """Legacy sets of one family, of at most *max_files* databases and an unknown one."""
    family = draw(st.sampled_from(FAMILIES))
    names = draw(st.lists(st.sampled_from(family), min_size=1, max_size=max_files, unique=True))
    files = [draw(legacy_files(name)) for name in names]
    if draw(st.booleans()):
        files.append(draw(unknown_files()))
    return DrawnSet(files=tuple(files), order_amount_sol=draw(st.sampled_from(["", "position"])))
