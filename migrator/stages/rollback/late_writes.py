"""Keeps late writes, rows written to an original after the cutover, in the residue: the set in use differs from them.

Rows are compared, as multisets of content, with the original as it was at the cutover.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from migrator.schema.declaration import stored_columns
from migrator.stages.rollback import residue_database
from migrator.stages.rollback.carried_tables import content_sql
from migrator.system import connections, content_digest, virtual_tables
from migrator.system.connections import quoted

#: Names under which an original is attached, as it is now and as it was at the cutover.
_NOW, _WAS = "now", "was"
_NEW, _GONE = "written to the original after the cutover", "deleted from the original after the cutover"


def beyond_the_digest(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Return the content of the ``main`` database that its digest leaves out.

    This is the numbers in the header, and the digests of full-text indexes without stored rows.

    Raises:
        sqlite3.DatabaseError: The database cannot be read.
    """
    numbers = [connection.execute(f"PRAGMA {mark}").fetchone() for mark in connections.MARKS]
    return (
        *numbers,
        *(content_digest.table_digest(connection, "main", name) for name in _index_alone(connection, "main")),
    )


def keep(changed: Mapping[str, tuple[Path, Path]], into: Path) -> dict[str, int]:
    """Write late writes to the residue *into*; return legacy table -> rows.

    Args:
        changed: Legacy database -> a copy of its original as it is now, and as it was at the cutover.
        into: The residue.
    """
    counts: dict[str, int] = {}
    for database, (now, before) in changed.items():
        with contextlib.closing(connections.lenient(connections.memory())) as connection:
            residue_database.open_beside(connection, into)
            connections.attach(connection, now, _NOW)
            connections.attach(connection, before, _WAS)
            tables = {side: _tables(connection, side) for side in (_NOW, _WAS)}
            for table in tables[_NOW] | tables[_WAS]:
                here = [side for side in (_NOW, _WAS) if table in tables[side]]
                rows = _keep(connection, f"late_{database}_{table}", table, here)
                if rows:
                    counts[f"{database}.{table}"] = rows
            for mark in connections.MARKS:
                if rows := _keep_mark(connection, database, mark):
                    counts[f"{database}.{mark}"] = counts.get(f"{database}.{mark}", 0) + rows
    return counts


def _tables(connection: sqlite3.Connection, schema: str) -> dict[str, None]:
    """Return the tables of *schema* with rows of their own, without indexes over them."""
    tables = content_digest.layout(connection, schema).tables
    return dict.fromkeys([
        *(name for name in tables if not name.startswith("sqlite_")), *_index_alone(connection, schema)
    ])  # fmt: skip


def _index_alone(connection: sqlite3.Connection, schema: str) -> list[str]:
    """Return the shadow tables of full-text tables of *schema* whose rows are only in the index."""
    parts = content_digest.layout(connection, schema)
    sql = {entry.name: entry.sql or "" for entry in parts.entries if entry.type == "table"}
    behind = {
        shadow
        for name, module in parts.virtual
        if module in virtual_tables.FULL_TEXT and virtual_tables.content_of(sql[name]) == ""
        for shadow in virtual_tables.shadows(name, module)[1]
    }
    return [name for name in parts.shadows if name.lower() in behind]


def _keep_mark(connection: sqlite3.Connection, database: str, mark: str) -> int:
    """Keep the number *mark* of a header if it was set since; return 1 then."""
    now, before = (connection.execute(f"PRAGMA {side}.{mark}").fetchone()[0] for side in (_NOW, _WAS))
    if now == before:
        return 0
    return residue_database.keep(
        connection, f"late_{database}_{mark}", ["value"], f"(SELECT {now} AS value) AS t", f"'{_NEW}'"
    )


def _keep(connection: sqlite3.Connection, name: str, table: str, here: Sequence[str]) -> int:
    """Keep the rows of *table* that only the side *here* has; return their number."""
    columns = {side: stored_columns(connection, side, table, computed=True) for side in here}
    rows = 0
    for side, other, why in ((_NOW, _WAS, _NEW), (_WAS, _NOW, _GONE)):
        if side not in here:
            continue
        source = f"{side}.{quoted(table)} AS t"
        if other in here and columns[side] == columns[other]:
            content = content_sql("t", columns[side])
            counted = f"SELECT {content} AS content, count(*) AS n FROM {{}}.{quoted(table)} AS t GROUP BY 1"
            source += (
                f" WHERE {content} IN (SELECT a.content FROM ({counted.format(side)}) AS a LEFT JOIN"
                f" ({counted.format(other)}) AS b ON b.content = a.content WHERE a.n > coalesce(b.n, 0))"
            )
        rows += residue_database.keep(
            connection, name if side == _NOW else f"{name}_before", columns[side], source, f"'{why}'"
        )
    return rows
