"""Rowids: by which name SQL can read that of a table, and how they stay where a row has as many columns as SQLite selects.

No other table is looked at, since a schema may be hostile.
"""

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


def listed(connection: sqlite3.Connection, table: str, number: str) -> list[int]:
    """Return the rowids, called *number*, of *table*, given as SQL, in their order."""
    return [row for (row,) in connection.execute(f"SELECT {number} FROM {table} ORDER BY {number}")]


def renumber(connection: sqlite3.Connection, table: str, number: str, wanted: list[int]) -> None:
    """Change the rowids of *table*, given as SQL, now 1, 2, 3 and so on, to those *wanted*, in their order; *number* is their name."""
    moves = [(was, now) for now, was in enumerate(wanted, 1) if was != now]
    # First the rows that move up, the last first, then those that move down: so the new number is always free.
    ordered = [*(move for move in reversed(moves) if move[0] > move[1]), *(move for move in moves if move[0] < move[1])]
    connection.executemany(f"UPDATE {table} SET {number} = ? WHERE {number} = ?", ordered)


def _described(connection: sqlite3.Connection, schema: str, pragma: str, of: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(f"PRAGMA {quoted(schema)}.{pragma}({quoted(of)})").fetchall()
