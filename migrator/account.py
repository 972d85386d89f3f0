"""Accounting: where every row of every legacy table went, where every row of every target table came from."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator import digest, rebuild
from migrator.mapping import TableMapping
from migrator.records import Built, Fate, Plan, PlannedTable, SourceAccount, TargetAccount
from migrator.sqlite import quoted

#: How many keys of rows that are not rebuilt are kept.
SHOWN = 5


class Accounts:
    """What is noted while the three databases are filled."""

    def __init__(self, plan: Plan) -> None:
        self._constants = plan.constants
        self._sources = {
            table.source: SourceAccount(
                source=table.source,
                fate=table.fate,
                into=table.into,
                rows=table.rows or 0,
                standing=(table.rows or 0) if table.fate in (Fate.STANDALONE, Fate.IGNORED) else 0,
            )
            for table in plan.tables
            if table.fate is not Fate.DERIVED
        }
        self._targets: dict[str, TargetAccount] = {}
        self._mismatches: dict[str, tuple[str, ...]] = {}

    def note_target(self, connection: sqlite3.Connection, into: str, seconds: float) -> int:
        """Count the rows of the target table *into* and their lineages; return the rows."""
        target, _, table = into.partition(".")
        (rows,) = connection.execute(f"SELECT count(*) FROM {target}.{quoted(table)}").fetchone()
        stubs, from_legacy = connection.execute(
            f"SELECT count(*) FILTER (WHERE source LIKE 'stub:%'), count(*) FILTER (WHERE source NOT LIKE 'stub:%')"
            f" FROM {target}.lineage WHERE target = ? AND target_id IS NOT NULL",
            (table,),
        ).fetchone()
        quarantined = dict(
            connection.execute(
                f"SELECT broken, count(*) FROM {target}.quarantine WHERE target = ? GROUP BY broken ORDER BY broken",
                (table,),
            ).fetchall()
        )
        self._targets[into] = TargetAccount(
            table=into,
            rows=rows,
            from_legacy=from_legacy,
            stubs=stubs,
            quarantined=MappingProxyType(quarantined),
            seconds=seconds,
        )
        return int(rows)

    def note_source(self, connection: sqlite3.Connection, source: TableMapping, differing: str) -> None:
        """Count what became of the rows of a mapped source, and see that each is rebuilt.

        Mapped rows whose key is not in the table *differing* were found to be what back says when it was filled; those in
        it are rebuilt by back and rest, quarantined ones from where they are.
        """
        of_source = f"FROM {source.target}.{{}} WHERE source = ? AND target = ?"
        given = (source.source, source.table)
        (mapped,) = connection.execute(
            f"SELECT count(DISTINCT legacy_key) {of_source.format('lineage')}", given
        ).fetchone()
        (quarantined,) = connection.execute(f"SELECT count(*) {of_source.format('quarantine')}", given).fetchone()
        columns = {name: source.uses.get(name, ("rest",)) for name in source.legacy_columns}
        columns[source.key] = source.uses.get(source.key, ("key",))
        (rows,) = connection.execute(
            f"SELECT count(*) FROM {quoted(source.database)}.{quoted(source.source_table)}"
        ).fetchone()
        self._sources[source.source] = replace(
            self._sources[source.source],
            rows=rows,
            mapped=mapped,
            quarantined=quarantined,
            columns=MappingProxyType(columns),
        )
        bad = [
            *connection.execute(rebuild.mismatches_sql(source, differing), source.given(self._constants)).fetchmany(
                SHOWN
            ),
            *connection.execute(rebuild.quarantine_mismatches_sql(source)).fetchmany(SHOWN),
        ]
        if bad:
            self._mismatches[source.source] = tuple(str(key) for (key,) in bad[:SHOWN])

    def note_carried(self, connection: sqlite3.Connection, table: PlannedTable) -> None:
        """Count the rows of a carried table and compare them, cell by cell, by the digest of both."""
        database, _, name = table.source.partition(".")
        target, _, carried = table.into.partition(".")
        (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(database)}.{quoted(name)}").fetchone()
        (there,) = connection.execute(f"SELECT count(*) FROM {target}.{quoted(carried)}").fetchone()
        columns = {
            column: (table.into,)
            for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?, ?)", (name, database))
        }
        self._sources[table.source] = replace(
            self._sources[table.source], rows=rows, carried=there, columns=MappingProxyType(columns)
        )
        if digest.table_digest(connection, database, name) != digest.table_digest(connection, target, carried):
            self._mismatches[table.source] = ("(its digest)",)

    def built(self, *, run: str, stage: Path, digests: Mapping[str, str], seconds: float) -> Built:
        """Return the record of the finished build."""
        return Built(
            run=run,
            stage=stage,
            digests=digests,
            sources=tuple(self._sources.values()),
            targets=tuple(self._targets.values()),
            mismatches=MappingProxyType(self._mismatches),
            seconds=seconds,
        )
