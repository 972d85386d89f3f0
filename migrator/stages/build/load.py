"""Fills one target table from its mappings: rows that go in, rows that a constraint refuses, and the lineage of both.

The optimistic path is one INSERT.  Only when a constraint refuses it, or when ids have to be assigned, do the forward
SELECTs fill a work table with the target's columns and types but none of its constraints.  There each constraint of
the specification is a predicate: a row that breaks one is quarantined under its name, the rest goes in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.schema import reader as schema_reader
from migrator.schema.model import Schema, Table
from migrator.system.connections import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A constraint as a predicate over the work table.

    Attributes:
        broken: Its name in the quarantine.
        where: SQL that is true for rows that break it, among those that no other constraint refuses.
        chooses: Whether it chooses among rows; else each row is judged by itself.
    """

    broken: str
    where: str
    chooses: bool = False


def load(
    connection: sqlite3.Connection,
    target: str,
    table: str,
    sources: Sequence[TableMapping],
    constants: Mapping[str, str],
    base: int,
) -> None:
    """Fill *table* of *target* from *sources*, above the id *base* where ids are assigned.

    The connection has the target attached under its name, the sources under theirs, and ``ids`` for the work tables.

    Raises:
        sqlite3.Error: The disk is full, or a mapping asks what SQLite cannot answer.
    """
    schema = schema_reader.target(target)
    shape = next((one for one in schema.tables if one.name == table), None)
    key = mapping_reader.target_key(schema, table)
    columns = mapping_reader.target_columns(schema, table)
    if not _is_parent(schema, table) and _load_at_once(connection, target, key, sources, constants):
        return
    connection.execute("DROP TABLE IF EXISTS temp.forward")
    connection.execute(
        f"CREATE TEMP TABLE forward ({_declarations(shape, columns)}, legacy_key, part, mapping, broken)"
    )
    numbered = list(enumerate(sources))
    refusals = list(_refusals(shape, target, sources))
    rows, stubs = [one for one in numbered if not one[1].stub], [one for one in numbered if one[1].stub]
    for number, source in rows:
        _run_forward(connection, source, number, constants)
    _mark_broken(connection, refusals, whole_rows=any(source.parts for source in sources))
    if any(source.number for source in sources):
        _number(connection, key, sources[0].number, base)
        # Above the largest integer there is no id to give.
        too_large = Refusal(broken=f"PRIMARY KEY {key}", where=f"typeof({quoted(key)}) <> 'integer'")
        _mark_broken(connection, [too_large], whole_rows=any(source.parts for source in sources))
    # Parents that nobody recorded come after the rows that go in, which they may read as temp.forward.
    for number, source in stubs:
        _run_forward(connection, source, number, constants)
        _number_stubs(connection, key, number, base)
    if stubs:
        _mark_broken(connection, refusals, whole_rows=False)
    names = ", ".join(quoted(column) for column in columns)
    connection.execute(
        f"INSERT INTO {target}.{quoted(table)} ({names}) SELECT {names} FROM temp.forward WHERE broken IS NULL"
        f" ORDER BY {quoted(key)}"
    )
    for number, source in enumerate(sources):
        _write_lineage(connection, target, key, source, number)
        if not source.stub:
            _write_quarantine(connection, target, source, number)
    if _is_parent(schema, table):
        connection.execute(f"CREATE TABLE ids.{quoted(table)} (legacy_key, id)")
        connection.execute(
            f"INSERT INTO ids.{quoted(table)} SELECT legacy_key, {quoted(key)} FROM temp.forward WHERE broken IS NULL"
        )
        connection.execute(f"CREATE INDEX ids.{quoted(f'{table}_key')} ON {quoted(table)}(legacy_key)")
    connection.execute("DROP TABLE temp.forward")


def _is_parent(schema: Schema, table: str) -> bool:
    """Tell whether another table refers to *table*."""
    return table in {reference.parent for one in schema.tables for reference in one.foreign_keys}


def _load_at_once(
    connection: sqlite3.Connection,
    target: str,
    key: str,
    sources: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> bool:
    """Insert everything in one statement; tell whether no constraint refused it, else nothing has happened."""
    if len(sources) != 1 or sources[0].number or sources[0].parts or sources[0].stub:
        return False
    (source,) = sources
    names = ", ".join(quoted(column) for column in source.columns)
    connection.execute("SAVEPOINT at_once")
    try:
        connection.execute(
            f"INSERT INTO {target}.{quoted(source.table)} ({names}) SELECT {names} FROM ({source.forward})"
            f" WHERE NOT {reverse_sql.nameless_sql(source, 'legacy_key')}",
            source.given(constants),
        )
        # References are not enforced while loading.
        refused = connection.execute(f"PRAGMA {target}.foreign_key_check({quoted(source.table)})").fetchone()
    except sqlite3.IntegrityError:
        refused = True
    if refused:
        connection.execute("ROLLBACK TO at_once")
    connection.execute("RELEASE at_once")
    if refused:
        return False
    # Ids are kept here: forward gives the target's key and the legacy key, and nothing else of it is computed.
    connection.execute(
        f"INSERT INTO {target}.lineage (source, legacy_key, target, target_id) SELECT :source, legacy_key, :table,"
        f" {quoted(key)} FROM ({source.forward}) WHERE NOT {reverse_sql.nameless_sql(source, 'legacy_key')}",
        source.given(constants) | {"source": source.source, "table": source.table},
    )
    _quarantine_without_key(connection, target, source)
    return True


def _mark_broken(connection: sqlite3.Connection, refusals: Sequence[Refusal], *, whole_rows: bool) -> None:
    """Mark each row with the first constraint that it breaks; of a legacy row with several parts, all of them."""
    # What is asked of each row by itself is asked in one pass; what chooses among rows comes after, one by one.
    by_themselves = [refusal for refusal in refusals if not refusal.chooses]
    for together in (by_themselves, *([refusal] for refusal in refusals if refusal.chooses)):
        if together:
            first = " ".join(f"WHEN {refusal.where} THEN ?" for refusal in together)
            connection.execute(
                f"UPDATE temp.forward SET broken = CASE {first} END WHERE broken IS NULL"
                f" AND ({' OR '.join(f'({refusal.where})' for refusal in together)})",
                [refusal.broken for refusal in together],
            )
    if whole_rows:
        connection.execute(
            "UPDATE temp.forward SET broken = other.broken FROM (SELECT mapping AS from_mapping, legacy_key AS from_key,"
            " min(broken) AS broken FROM temp.forward WHERE broken IS NOT NULL GROUP BY 1, 2) AS other"
            " WHERE forward.broken IS NULL AND forward.mapping = from_mapping AND forward.legacy_key IS from_key"
        )


def _declarations(shape: Table | None, columns: Sequence[str]) -> str:
    """Return the columns with the target's types: a value is judged as it would be stored."""
    types = {column.name: column.type for column in shape.columns} if shape else {}
    return ", ".join(f"{quoted(column)} {types.get(column, '')}" for column in columns)


def _run_forward(
    connection: sqlite3.Connection, source: TableMapping, number: int, constants: Mapping[str, str]
) -> None:
    names = ", ".join(quoted(column) for column in source.columns)
    part = "part" if source.parts else "0"
    # A row that no key names is quarantined straight from the source.
    connection.execute(
        f"INSERT INTO temp.forward ({names}, legacy_key, part, mapping)"
        f" SELECT {names}, legacy_key, {part}, {number} FROM ({source.forward})"
        + ("" if source.stub else f" WHERE NOT {reverse_sql.nameless_sql(source, 'legacy_key')}"),
        # The plan has refused rows that need a constant which is not given; without rows it does not matter.
        source.given(constants),
    )


def _refusals(shape: Table | None, target: str, sources: Sequence[TableMapping]) -> Iterator[Refusal]:
    """Yield each constraint of the table, those that choose among rows last."""
    if shape is None:
        yield Refusal(broken="PRIMARY KEY rowid", where="typeof(rowid) <> 'integer'")
        return
    numbered = any(source.number for source in sources)
    for column in shape.columns:
        if column.not_null:
            yield Refusal(broken=f"NOT NULL {column.name}", where=f"{quoted(column.name)} IS NULL")
    for check in shape.checks:
        yield Refusal(broken=f"CHECK {check.expression}", where=f"NOT ({check.expression})")
    for reference in shape.foreign_keys:
        (child,), (parent,) = reference.columns, reference.parent_columns
        yield Refusal(
            broken=f"FOREIGN KEY {child}",
            where=f"{quoted(child)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {target}.{quoted(reference.parent)} AS p"
            f" WHERE p.{quoted(parent)} = forward.{quoted(child)})",
        )
    keep = next((source.keep for source in sources if source.keep), "")
    key = next(column for column in shape.columns if column.primary_key)
    if not numbered:
        if key.type == "INTEGER":
            yield Refusal(broken=f"PRIMARY KEY {key.name}", where=f"typeof({quoted(key.name)}) <> 'integer'")
        yield _only_one([key.name], keep, f"PRIMARY KEY {key.name}")
    for unique in shape.uniques:
        if unique.origin == "unique":
            names = [str(column.name) for column in unique.columns]
            yield _only_one(names, keep, f"UNIQUE {', '.join(names)}")


def _only_one(names: Sequence[str], keep: str, broken: str) -> Refusal:
    partition = ", ".join(quoted(name) for name in names)
    present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
    order = f"{keep}, mapping, legacy_key, part" if keep else "mapping, legacy_key, part"
    return Refusal(
        broken=broken,
        where=f"rowid IN (SELECT other FROM (SELECT rowid AS other, row_number() OVER (PARTITION BY {partition}"
        f" ORDER BY {order}) AS place FROM temp.forward WHERE broken IS NULL AND {present}) WHERE place > 1)",
        chooses=True,
    )


def _number(connection: sqlite3.Connection, key: str, number: str, base: int) -> None:
    """Assign ids above *base*: by time, then source, legacy key and part, whatever order the rows lay in."""
    connection.execute(
        f"UPDATE temp.forward SET {quoted(key)} = placed.place + ? FROM (SELECT rowid AS row, row_number() OVER"
        f" (ORDER BY {quoted(number)}, mapping, legacy_key, part) AS place FROM temp.forward WHERE broken IS NULL) AS placed"
        " WHERE forward.rowid = placed.row",
        (base,),
    )


def _number_stubs(connection: sqlite3.Connection, key: str, number: int, base: int) -> None:
    """Give the stubs of the mapping *number* that have no key of their own ids above every id that was ever given."""
    name = quoted(key)
    connection.execute(
        f"UPDATE temp.forward SET {name} = placed.id FROM (SELECT f.rowid AS row, max(top.id, ?) + row_number() OVER"
        f" (ORDER BY f.legacy_key) AS id FROM temp.forward AS f, (SELECT coalesce(max({name}), 0) AS id FROM temp.forward"
        f" WHERE typeof({name}) = 'integer') AS top WHERE f.mapping = ? AND f.{name} IS NULL) AS placed"
        " WHERE forward.rowid = placed.row",
        (base, number),
    )


def _write_lineage(connection: sqlite3.Connection, target: str, key: str, source: TableMapping, number: int) -> None:
    connection.execute(
        f"INSERT INTO {target}.lineage (source, legacy_key, target, target_id) SELECT ?, legacy_key, ?, {quoted(key)}"
        " FROM temp.forward WHERE mapping = ? AND broken IS NULL ORDER BY legacy_key, part",
        (source.source, source.table, number),
    )
    if source.parts:
        legacy = f"s.{quoted(source.key)}"
        connection.execute(
            f"INSERT INTO {target}.lineage (source, legacy_key, target) SELECT ?, {legacy}, ? FROM"
            f" {quoted(source.database)}.{quoted(source.source_table)} AS s WHERE NOT"
            f" {reverse_sql.nameless_sql(source, legacy)} AND {legacy} COLLATE BINARY NOT IN"
            " (SELECT legacy_key FROM temp.forward WHERE mapping = ?)",
            (source.source, source.table, number),
        )


def _write_quarantine(connection: sqlite3.Connection, target: str, source: TableMapping, number: int) -> None:
    legacy = f"s.{quoted(source.key)}"
    table = f"{quoted(source.database)}.{quoted(source.source_table)}"
    row = reverse_sql.row_sql("s", source.legacy_columns)
    connection.execute(
        f"INSERT INTO {target}.quarantine (source, legacy_key, target, broken, row) SELECT ?, {legacy}, ?, f.broken,"
        f" {row} FROM (SELECT legacy_key, min(broken) AS broken FROM temp.forward WHERE mapping = ? AND broken IS NOT NULL"
        f" GROUP BY legacy_key) AS f JOIN {table} AS s ON {legacy} = f.legacy_key COLLATE BINARY ORDER BY {legacy}",
        (source.source, source.table, number),
    )
    _quarantine_without_key(connection, target, source)


def _quarantine_without_key(connection: sqlite3.Connection, target: str, source: TableMapping) -> None:
    """Quarantine the rows that cannot be named, each whole: what key they share is in the row."""
    legacy = f"s.{quoted(source.key)}"
    connection.execute(
        f"INSERT INTO {target}.quarantine (source, legacy_key, target, broken, row) SELECT ?, NULL, ?,"
        f" iif({legacy} IS NULL, ?, ?), {reverse_sql.row_sql('s', source.legacy_columns)}"
        f" FROM {quoted(source.database)}.{quoted(source.source_table)} AS s"
        f" WHERE {reverse_sql.nameless_sql(source, legacy)} ORDER BY 5",
        (source.source, source.table, f"NOT NULL {source.key}", f"UNIQUE {source.key}"),
    )
