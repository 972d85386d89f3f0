"""Legacy copies without their triggers while a rollback writes to them, and what the triggers kept in step made anew.

A trigger of a legacy file is code that we did not write: it could add rows that the application did not write, and one that feeds a
full-text index may not even run on a connection that trusts no schema.  So the copies lose their triggers first and get
them back, letter by letter, at the end; the full-text indexes over tables that were written are rebuilt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

from migrator.stages.rollback.session import CANNOT, CarriedBack
from migrator.system import connections, content_digest, virtual_tables
from migrator.system.connections import quoted
from migrator.system.serialize import escaped

#: What an entry of the schema consists of.
_ENTRY = "type, name, tbl_name, rootpage, sql"


def take_triggers(legacy: Mapping[str, Path]) -> dict[str, list[tuple[object, ...]]]:
    """Take the triggers out of the private copies *legacy* (database -> path); return their entries by database.

    They are taken out of the schema and put back as they stand there: one may be in a syntax that SQLite here cannot parse.
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
    legacy: Mapping[str, Path], taken: Mapping[str, list[tuple[object, ...]]], done: CarriedBack
) -> None:
    """Put the triggers *taken* back, and rebuild the full-text indexes over the tables that were written."""
    touched = {source.partition(".")[0] for source in done.written}
    for database in sorted(touched | taken.keys()):
        tables = {source.partition(".")[2].lower() for source in done.written if source.partition(".")[0] == database}
        with connections.closing_scratch(legacy[database]) as connection:
            connections.lenient(connection)
            connection.execute("BEGIN")
            for index in _indexes_over(connection, tables):
                try:
                    connection.execute(f"INSERT INTO {quoted(index)}({quoted(index)}) VALUES ('rebuild')")
                except sqlite3.DatabaseError as error:
                    # A disk that is full or fails is no matter of this index.
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
    """Return the full-text tables that are an index over one of *tables*."""
    declared = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    ).fetchall()
    return [name for name, sql in declared if (virtual_tables.content_of(sql) or "").lower() in tables]
