"""The residue database: rows of any table, each with the reason why it was kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from migrator.schema.declaration import stored_columns
from migrator.system import connections
from migrator.system.connections import folded, quoted

#: Name under which the residue is attached.
RESIDUE = "residue"


def open_beside(connection: sqlite3.Connection, into: Path) -> None:
    """Attach the residue at *into* to *connection*; make it if it does not exist."""
    if not into.exists():
        connections.create(into).close()
    connections.attach(connection, into, RESIDUE, mode="rw")


def keep(
    connection: sqlite3.Connection,
    name: str,
    columns: Sequence[str],
    source: str,
    why: str,
) -> int:
    """Copy rows to the table *name* of the residue, which is made if it does not exist; return their number.

    Args:
        connection: Where the residue is attached.
        name: The table in the residue.
        columns: The columns of the rows.
        source: The SQL after FROM; its rows are called ``t``.
        why: SQL of the reason, which is the first column, called ``why`` unless a column of the table is; a table that has
            as many columns as SQLite allows is kept without it.
    """
    # No collations: the application's own are missing here, and the residue is never compared.
    listed = [f"t.{quoted(column)} COLLATE BINARY AS {quoted(column)}" for column in columns]
    if len(columns) < connection.getlimit(sqlite3.SQLITE_LIMIT_COLUMN):
        listed.insert(0, f"{why} AS {quoted(_reason(columns))}")
    selected = f"SELECT {', '.join(listed)} FROM {source}"
    exists = "SELECT 1 FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE"
    while made := connection.execute(exists, (RESIDUE, name)).fetchone():
        if stored_columns(connection, RESIDUE, name, computed=True)[-len(columns) :] == list(columns):
            break
        # Two tables may get one name: a_b of the file c, and b of the file c_a.
        name += "_"
    kept = f"{RESIDUE}.{quoted(name)}"
    statement = f"INSERT INTO {kept} {selected}" if made else f"CREATE TABLE {kept} AS {selected}"
    counted = f"SELECT count(*) FROM {kept}"
    before = connection.execute(counted).fetchone()[0] if made else 0
    connection.execute(statement)
    return int(connection.execute(counted).fetchone()[0] - before)


def _reason(columns: Sequence[str]) -> str:
    """Return a name for the column of the reason that no other column has."""
    taken = {folded(column) for column in columns}
    return next(name for number in count() if (name := f"why_{number}" if number else "why") not in taken)
