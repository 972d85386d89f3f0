"""Copies carried tables: legacy tables without a home in the specification, under a prefixed name.

Copied are columns, types, defaults, collations, generated columns, all constraints except foreign keys, the indexes, all rows
with their rowids, and the high-water mark.  A foreign key would refuse all rows, because its parent has another name.
Triggers and views stay in the backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from migrator.schema import declaration
from migrator.schema.declaration import Statements
from migrator.system import content_digest, rowids
from migrator.system.connections import folded, quoted


def statements(connection: sqlite3.Connection, source: str) -> dict[str, Statements]:
    """Return folded table name -> the statements that make the table, for the attached *source*."""
    with content_digest.decoding(connection, content_digest.any_text):
        return declaration.of_tables(content_digest.layout(connection, source).entries)


def copy(
    connection: sqlite3.Connection, source: str, table: str, made: Mapping[str, Statements], schema: str, name: str
) -> None:
    """Copy *table* of the attached *source* to *schema.name*: rows with their rowids, indexes, and the high-water mark.

    Args:
        connection: Where both are attached.
        source: The legacy database.
        table: Its table.
        made: The result of :func:`statements` for it.
        schema: The consolidated database.
        name: The name of the copy.

    Raises:
        DdlError: This SQLite cannot make the table or an index of it.
        sqlite3.Error: A row breaks a constraint of its legacy table, or the disk is full.
    """
    copied = declaration.renamed(made[folded(table)], table, name)
    connection.execute(declaration.in_schema(copied.table, schema))
    columns = [
        quoted(column)
        for column, hidden in connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (table, source))
        if not hidden  # a generated column is computed again
    ]
    number = rowids.rowid(connection, source, table)
    # SQLite cannot select a rowid beside the maximum number of columns: the rows are numbered from 1, then renumbered.
    beside = [number] if number and len(columns) < rowids.MOST_COLUMNS else []
    names = ", ".join([*beside, *columns])
    connection.execute(
        # ABORT: a conflict clause of the table must not drop a row.  NOT INDEXED: rows in the order of the table.
        f"INSERT OR ABORT INTO {quoted(schema)}.{quoted(name)} ({names})"
        f" SELECT {names} FROM {quoted(source)}.{quoted(table)} NOT INDEXED"
    )
    if number and not beside:
        wanted = rowids.listed(connection, f"{quoted(source)}.{quoted(table)}", number)
        rowids.renumber(connection, f"{quoted(schema)}.{quoted(name)}", number, wanted)
    for _, statement in copied.indexes:
        connection.execute(declaration.in_schema(statement, schema))
    mark = high_water(connection, source, table)
    if mark is not None:
        set_high_water(connection, schema, name, mark)


def high_water(connection: sqlite3.Connection, schema: str, table: str) -> int | None:
    """Return the largest id that AUTOINCREMENT ever assigned in *table*, or None."""
    # A look-up in sqlite_schema would read it to its end for each table.
    has_sequence = connection.execute("SELECT 1 FROM pragma_table_info('sqlite_sequence', ?)", (schema,)).fetchone()
    if not has_sequence:
        return None
    # Any process may write there, also a number as text; SQLite counts from it.
    (mark,) = connection.execute(
        f"SELECT max(CAST(seq AS INTEGER)) FROM {quoted(schema)}.sqlite_sequence WHERE name = ? COLLATE NOCASE",
        (table,),
    ).fetchone()
    return None if mark is None else int(mark)


def set_high_water(connection: sqlite3.Connection, schema: str, table: str, mark: int) -> None:
    """Let AUTOINCREMENT assign ids above *mark* in *table*."""
    sequence = f"{quoted(schema)}.sqlite_sequence"
    if connection.execute(f"UPDATE {sequence} SET seq = max(seq, ?) WHERE name = ?", (mark, table)).rowcount == 0:
        connection.execute(f"INSERT INTO {sequence} (name, seq) VALUES (?, ?)", (table, mark))
