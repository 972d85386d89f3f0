"""Removes the triggers of legacy copies while a rollback writes to them, and rebuilds full-text indexes at the end.

A trigger of a legacy file is code of unknown content: it could add rows that the application did not write, and one that
feeds a full-text index may fail on a connection that does not trust the schema.  So the triggers are removed first, and put
back verbatim at the end; the full-text indexes over tables that were written are rebuilt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

from migrator.stages.rollback.session import CANNOT, WrittenBack
from migrator.system import connections, content_digest, virtual_tables
from migrator.system.connections import folded, quoted
from migrator.system.escaping import escaped

#: Columns of an entry of the schema.
_ENTRY = "type, name, tbl_name, rootpage, sql"


def take_triggers(legacy: Mapping[str, Path]) -> dict[str, list[tuple[object, ...]]]:
    """Remove the triggers from the private copies *legacy* (database -> path); return database -> their entries.

    By their entries in the schema: SQLite here may not be able to parse one.
    """
    taken = {}
    for database, path in legacy.items():
        with connections.closing_scratch(path) as connection:
            connections.lenient(connection)
            with content_digest.decoding(connection, content_digest.any_text):
                entries = connection.execute(
                    f"SELECT {_ENTRY} FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"
                )
                triggers = entries.fetchall()
            if triggers:
                connection.execute("DELETE FROM sqlite_schema WHERE type = 'trigger'")
                taken[database] = triggers
    return taken


def give_back_triggers(
    legacy: Mapping[str, Path], taken: Mapping[str, list[tuple[object, ...]]], done: WrittenBack
) -> None:
    """Put the triggers *taken* back, and rebuild the full-text indexes over the tables that were written."""
    touched = {source.partition(".")[0] for source in done.written}
    for database in sorted(touched | taken.keys()):
        tables = {folded(source.partition(".")[2]) for source in done.written if source.partition(".")[0] == database}
        with connections.closing_scratch(legacy[database]) as connection:
            connections.lenient(connection)
            connection.execute("BEGIN")
            for index in _indexes_over(connection, tables):
                try:
                    connection.execute(f"INSERT INTO {quoted(index)}({quoted(index)}) VALUES ('rebuild')")
                except sqlite3.DatabaseError as error:
                    # A full or failing disk is not an error of this index.
                    if error.sqlite_errorname not in (*CANNOT, "SQLITE_CORRUPT", "SQLITE_CORRUPT_VTAB"):
                        raise
                    done.tell(
                        f"{database}.{escaped(index)}: the full-text index is as it was, since here: {escaped(error)}"
                    )
            connection.executemany(
                f"INSERT INTO sqlite_schema ({_ENTRY}) VALUES (?, ?, ?, ?, ?)", taken.get(database, ())
            )
            connection.execute("COMMIT")


def _indexes_over(connection: sqlite3.Connection, tables: Collection[str]) -> list[str]:
    """Return the full-text tables that index one of *tables*."""
    declared = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    ).fetchall()
    return [name for name, sql in declared if folded(virtual_tables.content_of(sql) or "") in tables]
