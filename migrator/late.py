"""What was written to an original after the cutover: kept in the residue, since the set in use has gone its own way.

Rows are compared by content, as often as they are there, with the original as it was at the cutover.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from migrator import kept, sqlite
from migrator.sqlite import quoted
from migrator.verbatim import content_sql

#: Under which names an original is attached, as it is now and as it was at the cutover.
_NOW, _WAS = "now", "was"
_NEW, _GONE = "written to the original after the cutover", "deleted from the original after the cutover"


def keep(changed: Mapping[str, tuple[Path, Path]], into: Path) -> dict[str, int]:
    """Write to the residue *into* what was written to originals; return legacy table -> rows.

    Args:
        changed: Legacy database -> a copy of its original as it is now, and as it was at the cutover.
        into: The residue.
    """
    counts: dict[str, int] = {}
    for database, (now, was) in changed.items():
        with contextlib.closing(sqlite.lenient(sqlite.memory())) as connection:
            kept.open_beside(connection, into)
            sqlite.attach(connection, now, _NOW)
            sqlite.attach(connection, was, _WAS)
            tables = {side: _tables(connection, side) for side in (_NOW, _WAS)}
            for table in tables[_NOW] | tables[_WAS]:
                here = [side for side in (_NOW, _WAS) if table in tables[side]]
                rows = _keep(connection, f"late_{database}_{table}", table, here)
                if rows:
                    counts[f"{database}.{table}"] = rows
    return counts


def _tables(connection: sqlite3.Connection, schema: str) -> dict[str, None]:
    asked = (
        "SELECT name FROM pragma_table_list WHERE schema = ? AND type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY 1"
    )
    return {name: None for (name,) in connection.execute(asked, (schema,))}


def _keep(connection: sqlite3.Connection, name: str, table: str, here: Sequence[str]) -> int:
    """Keep the rows of *table* that only one of the sides *here* has; return how many."""
    columns = {side: kept.columns_of(connection, side, table) for side in here}
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
        rows += kept.keep(connection, name if side == _NOW else f"{name}_before", columns[side], source, f"'{why}'")
    return rows
