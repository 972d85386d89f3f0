"""Carried tables: a legacy table without a home in the specification, copied under a prefixed name.

Columns, types, defaults, collations, generated columns, every constraint but foreign keys, the indexes, every row with its
rowid, and the high-water mark are as found.  A foreign key would refuse every row once its parent has another name.
Triggers and views stay in the backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from migrator.schema import declaration
from migrator.schema.declaration import Statements
from migrator.system import content_digest
from migrator.system.connections import quoted


def statements(connection: sqlite3.Connection, source: str) -> dict[str, Statements]:
    """Return what makes each table of the attached *source*, by its folded name."""
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
        made: What made each of its tables, as :func:`statements` returns it.
        schema: The consolidated database.
        name: The name of the copy.

    Raises:
        DdlError: SQLite here cannot make the table or one of its indexes.
        sqlite3.Error: A row breaks a constraint that its own table declares, or the disk is full.
    """
    copied = declaration.renamed(made[declaration.folded(table)], table, name)
    connection.execute(declaration.in_schema(copied.table, schema))
    columns = [
        quoted(column)
        for column, hidden in connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (table, source))
        if not hidden  # a generated column is computed again
    ]
    number = declaration.rowid(connection, source, table)
    # At this number of columns SQLite cannot read a rowid beside them: there the rows are numbered from 1 first.
    beside = [number] if number and len(columns) < declaration.MOST_COLUMNS else []
    names = ", ".join([*beside, *columns])
    connection.execute(
        # ABORT: a conflict clause of the table's own must not drop a row.  NOT INDEXED: rows in the order of the table.
        f"INSERT OR ABORT INTO {quoted(schema)}.{quoted(name)} ({names})"
        f" SELECT {names} FROM {quoted(source)}.{quoted(table)} NOT INDEXED"
    )
    if number and not beside:
        _renumber(connection, f"{quoted(source)}.{quoted(table)}", f"{quoted(schema)}.{quoted(name)}", number)
    for _, statement in copied.indexes:
        connection.execute(declaration.in_schema(statement, schema))
    mark = high_water(connection, source, table)
    if mark is not None:
        set_high_water(connection, schema, name, mark)


def _renumber(connection: sqlite3.Connection, legacy: str, carried: str, number: str) -> None:
    """Give the rows of *carried*, which are numbered from 1, the rowids that they have in *legacy*, called *number*."""
    numbered = f"SELECT row_number() OVER (ORDER BY {number}) AS now, {number} AS was FROM {legacy}"
    # What moves up goes first from the end, then what moves down from the beginning: the new number is always free.
    for moved in ("was > now ORDER BY now DESC", "was < now ORDER BY now"):
        connection.executemany(
            f"UPDATE {carried} SET {number} = ? WHERE {number} = ?",
            connection.execute(f"SELECT was, now FROM ({numbered}) WHERE {moved}").fetchall(),
        )


def high_water(connection: sqlite3.Connection, schema: str, table: str) -> int | None:
    """Return the largest id that *table* ever gave, as AUTOINCREMENT remembers it, or None."""
    # Not out of sqlite_schema, which would be read to its end for each table.
    remembers = connection.execute("SELECT 1 FROM pragma_table_info('sqlite_sequence', ?)", (schema,)).fetchone()
    if not remembers:
        return None
    # Any process may write there, a number as text too, and SQLite counts on from that number.
    (mark,) = connection.execute(
        f"SELECT max(CAST(seq AS INTEGER)) FROM {quoted(schema)}.sqlite_sequence WHERE name = ? COLLATE NOCASE",
        (table,),
    ).fetchone()
    return None if mark is None else int(mark)


def set_high_water(connection: sqlite3.Connection, schema: str, table: str, mark: int) -> None:
    """Make *table* give ids above *mark*."""
    sequence = f"{quoted(schema)}.sqlite_sequence"
    if connection.execute(f"UPDATE {sequence} SET seq = max(seq, ?) WHERE name = ?", (mark, table)).rowcount == 0:
        connection.execute(f"INSERT INTO {sequence} (name, seq) VALUES (?, ?)", (table, mark))
