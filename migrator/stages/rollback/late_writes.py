"""Keeps late writes, rows written to an original after the cutover, in the residue: the set in use differs from them.

Rows are compared, as multisets of content, with the original as it was at the cutover.  If no copy shows that, all rows of the
late original are kept.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from migrator.schema.declaration import stored_columns
from migrator.stages.rollback import residue_database
from migrator.stages.rollback.carried_tables import content_sql
from migrator.system import connections, content_digest
from migrator.system.connections import quoted

#: Names under which an original is attached, as it is now and as it was at the cutover.
_NOW, _WAS = "now", "was"
_NEW, _GONE = "written to the original after the cutover", "deleted from the original after the cutover"
_UNKNOWN = "in the original, which was written to after the cutover; no copy shows which of its rows are late"


def keep(changed: Mapping[str, tuple[Path, Path | None]], into: Path) -> dict[str, int]:
    """Write late writes to the residue *into*; return legacy table -> rows.

    Args:
        changed: Legacy database -> a copy of its original as it is now, and as it was at the cutover or None.
        into: The residue.
    """
    counts: dict[str, int] = {}
    for database, (now, before) in changed.items():
        with contextlib.closing(connections.lenient(connections.memory())) as connection:
            residue_database.open_beside(connection, into)
            connections.attach(connection, now, _NOW)
            tables = {_NOW: _tables(connection, _NOW), _WAS: {}}
            if before is not None:
                connections.attach(connection, before, _WAS)
                tables[_WAS] = _tables(connection, _WAS)
            for table in tables[_NOW] | tables[_WAS]:
                here = [side for side in (_NOW, _WAS) if table in tables[side]]
                rows = _keep(connection, f"late_{database}_{table}", table, here, _NEW if before else _UNKNOWN)
                if rows:
                    counts[f"{database}.{table}"] = rows
            for mark in connections.MARKS if before else ():
                if rows := _keep_mark(connection, database, mark):
                    counts[f"{database}.{mark}"] = counts.get(f"{database}.{mark}", 0) + rows
    return counts


def _tables(connection: sqlite3.Connection, schema: str) -> dict[str, None]:
    """Return the tables of *schema* with rows of their own, without indexes over them."""
    tables = content_digest.layout(connection, schema).tables
    return dict.fromkeys([
        *(name for name in tables if not name.startswith("sqlite_")), *content_digest.indexes_alone(connection, schema)
    ])  # fmt: skip


def _keep_mark(connection: sqlite3.Connection, database: str, mark: str) -> int:
    """Keep the number *mark* of a header if it was set since; return 1 then."""
    now, before = (connection.execute(f"PRAGMA {side}.{mark}").fetchone()[0] for side in (_NOW, _WAS))
    if now == before:
        return 0
    return residue_database.keep(
        connection, f"late_{database}_{mark}", ["value"], f"(SELECT {now} AS value) AS t", f"'{_NEW}'"
    )


def _keep(connection: sqlite3.Connection, name: str, table: str, here: Sequence[str], new: str) -> int:
    """Keep the rows of *table* that only the side *here* has, late ones with the reason *new*; return their number."""
    columns = {side: stored_columns(connection, side, table, computed=True) for side in here}
    rows = 0
    for side, other, why in ((_NOW, _WAS, new), (_WAS, _NOW, _GONE)):
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
