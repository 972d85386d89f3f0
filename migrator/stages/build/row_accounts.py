"""Counts rows the first time: where each legacy row went, and where each row of a target table came from."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator.mapping.model import TableMapping
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.build import Built, SourceAccount, TargetAccount
from migrator.records.decisions import DecidedRow, Kind
from migrator.records.plan import Fate, Plan, PlannedTable
from migrator.system import content_digest
from migrator.system.connections import quoted


class Accounts:
    """The counts of a build, collected while the three databases are filled."""

    def __init__(self, plan: Plan, decided: Sequence[DecidedRow]) -> None:
        self._plan = plan
        self._made = Counter(row.source for row in decided if row.kind is Kind.MAKE)
        # Decided row -> what refuses it.
        self._refused = dict.fromkeys(
            {row.name for row in plan.decided} - {row.name for row in decided}, "its legacy table"
        )
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
        # Carried table -> its legacy table and the digest of the rows there.
        self._carried: dict[str, tuple[str, str]] = {}

    def note_target(self, connection: sqlite3.Connection, into: str, seconds: float) -> int:
        """Count the rows of the target table *into*; return their number."""
        target, _, table = into.partition(".")
        (rows,) = connection.execute(f"SELECT count(*) FROM {target}.{quoted(table)}").fetchone()
        self._targets[into] = TargetAccount(
            table=into, rows=rows, from_legacy=0, stubs=0, quarantined=MappingProxyType({}), seconds=seconds
        )
        return int(rows)

    def note_lineages(self, connection: sqlite3.Connection, into: str) -> None:
        """Count lineage and quarantine of the target table *into*, once their indexes are made."""
        target, _, table = into.partition(".")
        # An index alone answers each count: lineage has as many rows as the target.
        (every,) = connection.execute(
            f"SELECT count(*) FROM {target}.lineage WHERE target = ? AND target_id IS NOT NULL", (table,)
        ).fetchone()
        (stubs,) = connection.execute(
            f"SELECT count(*) FROM {target}.lineage WHERE source >= 'stub:' AND source < 'stub;' AND +target = ?"
            " AND target_id IS NOT NULL",
            (table,),
        ).fetchone()
        quarantined = dict(
            connection.execute(
                f"SELECT broken, count(*) FROM {target}.quarantine WHERE target = ? GROUP BY broken ORDER BY broken",
                (table,),
            ).fetchall()
        )
        self._targets[into] = replace(
            self._targets[into], from_legacy=every - stubs, stubs=stubs, quarantined=MappingProxyType(quarantined)
        )

    def note_rows(self, connection: sqlite3.Connection, source: TableMapping) -> None:
        """Count the rows of a mapped *source*, which is attached."""
        if not source.stub:
            (rows,) = connection.execute(
                f"SELECT count(*) FROM {quoted(source.database)}.{quoted(source.source_table)}"
            ).fetchone()
            legacy = rows - self._made[source.source]
            self._sources[source.source] = replace(self._sources[source.source], rows=legacy)

    def note_refused(self, refused: Mapping[tuple[str, str], str]) -> None:
        """Add the decided rows that are in quarantine, each with the constraint that refuses it."""
        self._refused |= refused

    def note_source(self, connection: sqlite3.Connection, source: TableMapping) -> None:
        """Count the mapped and the quarantined rows of *source*."""
        # A legacy table has one target table, so the index on source and legacy key alone answers this.
        (mapped,) = connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT legacy_key FROM {source.target}.lineage WHERE source = ?)"
            " WHERE legacy_key IS NOT NULL",
            (source.source,),
        ).fetchone()
        (quarantined,) = connection.execute(
            f"SELECT count(*) FROM {source.target}.quarantine WHERE source = ?", (source.source,)
        ).fetchone()
        columns = {name: source.uses.get(name, ("rest",)) for name in source.legacy_columns}
        columns[source.key] = source.uses.get(source.key, ("key",))
        self._sources[source.source] = replace(
            self._sources[source.source],
            mapped=mapped,
            quarantined=quarantined,
            columns=MappingProxyType(columns),
        )

    def note_mismatches(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Add the *keys* of mapped rows that are not rebuilt, by source."""
        self._mismatches |= keys

    def note_carried(self, connection: sqlite3.Connection, table: PlannedTable) -> None:
        """Count the rows of a carried table, and digest those of its legacy table."""
        database, _, name = table.source.partition(".")
        target, _, carried = table.into.partition(".")
        (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(database)}.{quoted(name)}").fetchone()
        (copied,) = connection.execute(f"SELECT count(*) FROM {target}.{quoted(carried)}").fetchone()
        columns = {
            column: (table.into,)
            for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?, ?)", (name, database))
        }
        self._sources[table.source] = replace(
            self._sources[table.source], rows=rows, carried=copied, columns=MappingProxyType(columns)
        )
        self._carried[table.into] = table.source, content_digest.table_digest(connection, database, name)

    def compare_carried(self, target: str, finished: content_digest.Content) -> None:
        """Compare the carried tables of *target* with their legacy tables, cell by cell, by the digests of both."""
        digests = {f"{target}.{table.name}": table.digest for table in finished.tables}
        for into, (source, digest) in self._carried.items():
            if into.startswith(f"{target}.") and digests.get(into) != digest:
                self._mismatches[source] = ("(its digest)",)

    def built(self, *, run: str, stage: Path, digests: Mapping[str, str], seconds: float) -> Built:
        """Return the record of the finished build."""
        return Built(
            run=run,
            stage=stage,
            digests=digests,
            sources=tuple(self._sources.values()),
            targets=tuple(self._targets.values()),
            mismatches=MappingProxyType(self._mismatches),
            unsettled=tuple(quarantine_decisions.unsettled(self._plan.decisions, self._plan.decided, self._refused)),
            seconds=seconds,
        )
