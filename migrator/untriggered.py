"""Legacy copies without their triggers while a rollback writes to them, and what the triggers kept in step made anew.

A trigger of a legacy file is code that we did not write: it could add rows that nobody wrote, and one that feeds a
full-text index may not even run on a connection that trusts no schema.  So the copies lose their triggers first and get
them back, letter by letter, at the end; the full-text indexes over tables that were written are rebuilt.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

from migrator import sqlite
from migrator.sqlite import quoted

#: The option of a full-text table that names the table it is an index over.
_CONTENT = re.compile(r"\bcontent\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|\[([^]]+)\]|`([^`]+)`|(\w+))", re.IGNORECASE)
#: A trigger may be as deep as SQLite allows: it is stored, not run.
_EXPRESSION_DEPTH = 1_000


def take_triggers(legacy: Mapping[str, Path]) -> dict[str, list[str]]:
    """Drop the triggers of the private copies *legacy* (database -> path); return their SQL by database."""
    taken = {}
    for database, path in legacy.items():
        with sqlite.closing_scratch(path) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")
            triggers = found.fetchall()
            if triggers:
                connection.execute("BEGIN")
                for name, _ in triggers:
                    connection.execute(f"DROP TRIGGER {quoted(name)}")
                connection.execute("COMMIT")
                taken[database] = [sql for _, sql in triggers]
    return taken


def give_back_triggers(legacy: Mapping[str, Path], taken: Mapping[str, list[str]], written: Collection[str]) -> None:
    """Make the triggers *taken* again, and rebuild the full-text indexes over the tables *written* (``jarvis.trades``)."""
    touched = {source.partition(".")[0] for source in written}
    for database in sorted(touched | taken.keys()):
        tables = {source.partition(".")[2].lower() for source in written if source.partition(".")[0] == database}
        with sqlite.closing_scratch(legacy[database]) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, _EXPRESSION_DEPTH)
            connection.execute("BEGIN")
            for index in _indexes_over(connection, tables):
                # One whose columns its table does not have could not be searched before either.
                with contextlib.suppress(sqlite3.OperationalError):
                    connection.execute(f"INSERT INTO {quoted(index)}({quoted(index)}) VALUES ('rebuild')")
            for sql in taken.get(database, ()):
                connection.execute(sql)
            connection.execute("COMMIT")


def _indexes_over(connection: sqlite3.Connection, tables: Collection[str]) -> list[str]:
    """Return the full-text tables that are an index over one of *tables*."""
    declared = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    ).fetchall()
    return [
        name
        for name, sql in declared
        if (match := _CONTENT.search(sql)) and next(filter(None, match.groups())).lower() in tables
    ]
