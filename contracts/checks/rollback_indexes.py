"""Judges the virtual tables of legacy files after a rollback.

A full-text index must fit its rows, as SQLite's own check finds, unless it did not fit before and is as it was, or SQLite cannot build
it from its content.  The tables behind
a virtual table without a target are as they were, except those of an index whose rows another table has: a rollback builds it anew.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from contracts.checks.rollback_diff import Cells, Judge, cells_of, of
from contracts.sets.legacy import LegacySet
from migrator.system import connections, content_digest, virtual_tables
from migrator.system.connections import folded, quoted


def faults(judge: Judge) -> Iterator[str]:
    """Yield the faults of the virtual tables of legacy files."""
    mapped = {reading.source for reading in judge.before.reader.all_readings}
    for name in sorted((judge.sets.originals.originals.keys() & judge.sets.back.originals.keys()) - judge.left_out):
        with judge.sets.originals.read(name) as connection:
            parts = content_digest.layout(connection)
        sql = {entry.name: entry.sql or "" for entry in parts.entries}
        for table, module in parts.virtual:
            rebuilt = module in virtual_tables.FULL_TEXT and bool(virtual_tables.content_of(sql[table]))
            behind = {own for owns in virtual_tables.shadows(table, module) for own in owns} & {
                folded(shadow) for shadow in parts.shadows
            }
            changed = any(_differs(judge, name, shadow) for shadow in sorted(behind))
            if changed and not rebuilt and f"{name}.{table}" not in mapped:
                yield f"{name}.{table}: its rows changed, and a rollback writes none"
            elif (
                module in virtual_tables.FULL_TEXT
                and (problem := _problem(judge.sets.back, name, table))
                and (changed or not _problem(judge.sets.originals, name, table))
                and not (rebuilt and _cannot_be_built(judge.sets.back, name, table))
            ):
                yield f"{name}.{table}: the full-text index does not fit its rows ({problem})"


def _differs(judge: Judge, name: str, shadow: str) -> bool:
    """Return whether the rows of a table behind a virtual table changed."""
    was, now = (_content(legacy, name, shadow) for legacy in (judge.sets.originals, judge.sets.back))
    return was != now


def _content(legacy: LegacySet, name: str, table: str) -> Counter[Cells]:
    with legacy.read(name) as connection:
        return Counter(map(cells_of, of(connection, table)))


def _cannot_be_built(legacy: LegacySet, name: str, index: str) -> bool:
    """Return whether SQLite refuses to build a full-text index from its content, such as one over a column that is not there."""
    with closing(connections.scratch(legacy.copy(name))) as connection:
        connection.execute("BEGIN")
        try:
            connection.execute(f"INSERT INTO {quoted(index)} ({quoted(index)}) VALUES ('rebuild')")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.execute("ROLLBACK")
    return False


def _problem(legacy: LegacySet, name: str, index: str) -> str:
    """Return why a full-text index does not fit its rows, or cannot be checked here; '' if it fits."""
    own = quoted(index)
    with closing(connections.scratch(legacy.copy(name))) as connection:
        connection.execute("BEGIN")
        try:
            for check in (f"({own}) VALUES ('integrity-check')", f"({own}, rank) VALUES ('integrity-check', 1)"):
                connection.execute(f"INSERT INTO {own}{check}")
        except sqlite3.Error as error:
            # FTS3 and FTS4 have no second form, and no column rank.
            return "" if "no column named rank" in str(error) else str(error)
        finally:
            connection.execute("ROLLBACK")
    return ""
