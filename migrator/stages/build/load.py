"""Fills one target table from its mappings, and writes quarantine and lineage.

First one INSERT is tried.  If a constraint refuses it, or ids have to be assigned, the forward SELECTs fill a work table,
``forward``, with the columns and types of the target and without constraints.  There each constraint of the specification is
a predicate: a row that breaks one is quarantined under the name of the constraint.  The work table ``placed`` lists the other
rows in the order of their ids, kept or assigned; they are inserted in that order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.mapping.refusals import mark_broken, refusals_of, without_id
from migrator.schema.model import Schema, Table
from migrator.schema.specified import Specification
from migrator.system.connections import quoted

#: FROM clause of the rows to insert, in the order of their ids: ``p.id``, and the other columns as ``f``.
_PLACED = "temp.placed AS p CROSS JOIN temp.forward AS f ON f.rowid = p.row WHERE f.broken IS NULL"


def load(
    connection: sqlite3.Connection,
    target: str,
    table: str,
    sources: Sequence[TableMapping],
    constants: Mapping[str, str],
    base: int,
    specification: Specification,
    first: str = "",
) -> None:
    """Fill *table* of *target* from *sources*; assigned ids are above *base*.

    Of rows that a UNIQUE lets in once, the first by the ORDER BY term *first* is kept; the mapping decides between equals.

    On the connection the target and the sources are attached under their names, and the work tables as ``ids``.

    Raises:
        sqlite3.Error: The disk is full, or SQLite cannot run a mapping.
    """
    schema = specification.schema(target)
    shape = next((declared for declared in schema.tables if declared.name == table), None)
    key = mapping_reader.target_key(schema, table)
    columns = mapping_reader.target_columns(schema, table)
    if not _is_parent(schema, table) and _load_at_once(connection, target, key, sources, constants):
        return
    connection.execute("DROP TABLE IF EXISTS temp.forward")
    connection.execute(
        f"CREATE TEMP TABLE forward ({_declarations(shape, columns)}, legacy_key, part, mapping, broken)"
    )
    connection.execute("DROP TABLE IF EXISTS temp.placed")
    connection.execute("CREATE TEMP TABLE placed (id, row)")
    numbered = any(source.number for source in sources)
    whole_rows = any(source.parts for source in sources)
    refusals = list(refusals_of(schema, table, target, sources, first=first))
    rows = [(number, source) for number, source in enumerate(sources) if not source.stub]
    stubs = [(number, source) for number, source in enumerate(sources) if source.stub]
    for number, source in rows:
        _run_forward(connection, source, number, constants)
    mark_broken(connection, refusals, whole_rows=whole_rows)
    if numbered:
        _place_by_time(connection, sources[0].number, base)
        # There is no id above the largest integer.
        mark_broken(connection, [without_id(key)], whole_rows=whole_rows)
    # Stubs come last: their mappings may read the accepted rows in temp.forward.
    for number, source in stubs:
        _run_forward(connection, source, number, constants)
        _number_stubs(connection, key, number, base)
    if stubs:
        mark_broken(connection, refusals, whole_rows=False)
    # In a table with assigned ids only stubs are left.
    kept = f" AND {quoted(key)} IS NOT NULL" if numbered else ""
    connection.execute(
        f"INSERT INTO temp.placed SELECT {quoted(key)}, rowid FROM temp.forward WHERE broken IS NULL{kept} ORDER BY 1"
    )
    names = ", ".join(quoted(column) for column in columns)
    values = ", ".join("p.id" if column == key else f"f.{quoted(column)}" for column in columns)
    connection.execute(f"INSERT INTO {target}.{quoted(table)} ({names}) SELECT {values} FROM {_PLACED}")
    for number, source in enumerate(sources):
        _write_lineage(connection, target, source, number)
        if not source.stub:
            _write_quarantine(connection, target, source, number)
    if _is_parent(schema, table):
        connection.execute(f"CREATE TABLE ids.{quoted(table)} (legacy_key, id)")
        connection.execute(f"INSERT INTO ids.{quoted(table)} SELECT f.legacy_key, p.id FROM {_PLACED}")
        connection.execute(f"CREATE INDEX ids.{quoted(f'{table}_key')} ON {quoted(table)}(legacy_key)")
    connection.execute("DROP TABLE temp.forward")
    connection.execute("DROP TABLE temp.placed")


def _is_parent(schema: Schema, table: str) -> bool:
    """Return whether another table refers to *table*."""
    return table in {reference.parent for child in schema.tables for reference in child.foreign_keys}


def _load_at_once(
    connection: sqlite3.Connection,
    target: str,
    key: str,
    sources: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> bool:
    """Insert all rows in one statement; return False, with nothing inserted, if a constraint refuses a row."""
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
    # The ids are kept: SQLite computes only the two keys of the forward SELECT.
    connection.execute(
        f"INSERT INTO {target}.lineage (source, legacy_key, target, target_id) SELECT :source, legacy_key, :table,"
        f" {quoted(key)} FROM ({source.forward}) WHERE NOT {reverse_sql.nameless_sql(source, 'legacy_key')}",
        source.given(constants) | {"source": source.source, "table": source.table},
    )
    _quarantine_without_key(connection, target, source)
    return True


def _declarations(shape: Table | None, columns: Sequence[str]) -> str:
    """Return the columns with the types of the target: predicates judge a value as it would be stored."""
    types = {column.name: column.type for column in shape.columns} if shape else {}
    return ", ".join(f"{quoted(column)} {types.get(column, '')}" for column in columns)


def _run_forward(
    connection: sqlite3.Connection, source: TableMapping, number: int, constants: Mapping[str, str]
) -> None:
    names = ", ".join(quoted(column) for column in source.columns)
    part = "part" if source.parts else "0"
    # A row without a unique key is quarantined directly from the source.
    connection.execute(
        f"INSERT INTO temp.forward ({names}, legacy_key, part, mapping)"
        f" SELECT {names}, legacy_key, {part}, {number} FROM ({source.forward})"
        + ("" if source.stub else f" WHERE NOT {reverse_sql.nameless_sql(source, 'legacy_key')}"),
        # A missing constant is NULL: the plan has refused rows that need it.
        source.given(constants),
    )


def _place_by_time(connection: sqlite3.Connection, number: str, base: int) -> None:
    """Assign ids above *base* by time, then source, legacy key and part: the order of the rows has no effect."""
    connection.execute(
        f"INSERT INTO temp.placed SELECT row_number() OVER (ORDER BY {quoted(number)}, mapping, legacy_key, part) + ?, rowid"
        " FROM temp.forward WHERE broken IS NULL",
        (base,),
    )


def _number_stubs(connection: sqlite3.Connection, key: str, number: int, base: int) -> None:
    """Assign ids to the stubs of the mapping *number* without a key, above every id that was ever assigned."""
    name = quoted(key)
    connection.execute(
        f"UPDATE temp.forward SET {name} = given.id FROM (SELECT f.rowid AS row, max(top.id, ?) + row_number() OVER"
        f" (ORDER BY f.legacy_key) AS id FROM temp.forward AS f, (SELECT coalesce(max(id), 0) AS id FROM (SELECT {name} AS id"
        " FROM temp.forward UNION ALL SELECT id FROM temp.placed) WHERE typeof(id) = 'integer') AS top"
        f" WHERE f.mapping = ? AND f.{name} IS NULL) AS given WHERE forward.rowid = given.row",
        (base, number),
    )


def _write_lineage(connection: sqlite3.Connection, target: str, source: TableMapping, number: int) -> None:
    # In the order of the ids; of a legacy row that became several, the first part keeps the rest.
    order = " ORDER BY f.legacy_key, f.part" if source.parts else ""
    connection.execute(
        f"INSERT INTO {target}.lineage (source, legacy_key, target, target_id) SELECT ?, f.legacy_key, ?, p.id FROM {_PLACED}"
        f" AND f.mapping = ?{order}",
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
    """Quarantine the rows with a NULL or repeated key, each whole; the key is in the row."""
    legacy = f"s.{quoted(source.key)}"
    connection.execute(
        f"INSERT INTO {target}.quarantine (source, legacy_key, target, broken, row) SELECT ?, NULL, ?,"
        f" iif({legacy} IS NULL, ?, ?), {reverse_sql.row_sql('s', source.legacy_columns)}"
        f" FROM {quoted(source.database)}.{quoted(source.source_table)} AS s"
        f" WHERE {reverse_sql.nameless_sql(source, legacy)} ORDER BY 5",
        (source.source, source.table, f"NOT NULL {source.key}", f"UNIQUE {source.key}"),
    )
