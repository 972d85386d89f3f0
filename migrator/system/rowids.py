"""Finds by which name SQL can read a table's rowid: without a look at any other table, since a schema may be hostile."""

from __future__ import annotations

import sqlite3
from typing import Any

from migrator.system.connections import quoted

#: Columns that a table or a SELECT can have: SQLite's own limit.
MOST_COLUMNS = 2_000
#: The names of the rowid; a column of that name hides it.
_NAMES = ("rowid", "_rowid_", "oid")
#: What ``index_xinfo`` calls the rowid at the end of an index.
_ROWID = -1


def rowid(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return a name of the rowid of *table*, '' if no number beside its columns identifies a row.

    That is so WITHOUT ROWID, if a column is the rowid, and if columns have all three names.
    """
    columns = _described(connection, schema, "table_xinfo", table)
    if any(key for *_, key, _ in columns):
        # Not pragma_table_list: it connects every virtual table of the file.
        named = [
            name for _, name, _, origin, _ in _described(connection, schema, "index_list", table) if origin == "pk"
        ]
        if not any(
            cid == _ROWID for name in named for _, cid, *_ in _described(connection, schema, "index_xinfo", name)
        ):
            return ""
    taken = {name.lower() for _, name, *_ in columns}
    return next((name for name in _NAMES if name not in taken), "")


def rowid_name(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return a name of the rowid that no column of *table*, also no generated one, has; '' if columns have all three."""
    taken = {name.lower() for _, name, *_ in _described(connection, schema, "table_xinfo", table)}
    return next((name for name in _NAMES if name not in taken), "")


def _described(connection: sqlite3.Connection, schema: str, pragma: str, of: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(f"PRAGMA {quoted(schema)}.{pragma}({quoted(of)})").fetchall()
