"""Carry back: what was written to the consolidated databases since the cutover, into copies of the legacy ones.

Method, for each consolidated database as it is now, beside the baseline (as it was installed):

1. A row without a lineage is new.  It gets one, with a key in the format of the legacy table that takes it.
2. The back mappings rebuild every legacy row from the rows as they are now.  Rows that differ from the legacy copy are
   updated, rows that it lacks are inserted, and rows whose consolidated rows are all gone are deleted.
3. Carried tables and the baseline are compared as multisets of whole rows; what went and what came is done to the copy.
4. A table that has appeared under a legacy name gives its rows to that legacy table.

A row that its legacy table refuses, or that no legacy table takes, is left over; :mod:`migrator.residue` keeps it.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from migrator import catalogue, ddl, functions, mapping, rebuild, sqlite, untriggered
from migrator.mapping import TableMapping
from migrator.records import Fate, PlannedTable
from migrator.sqlite import quoted

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True, kw_only=True)
class CarriedBack:
    """What was done to the legacy copies.

    Attributes:
        written: Legacy table -> what was done to its rows: ``inserted``, ``updated``, ``deleted`` -> number.
        left: Consolidated table -> key of a row that was not carried back -> why.
        strangers: Consolidated tables that no legacy table answers to, with all their rows.
    """

    written: dict[str, Counter[str]] = field(default_factory=dict)
    left: dict[str, dict[object, str]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def did(self, source: str, what: str, rows: int = 1) -> None:
        """Count what was done to the legacy table *source*."""
        if rows:
            self.written.setdefault(source, Counter())[what] += rows

    def leave(self, table: str, key: object, why: str) -> None:
        """Note that a consolidated row was not carried back."""
        self.left.setdefault(table, {})[key] = why


def carry_back(
    tables: Sequence[PlannedTable],
    homes: Mapping[str, str],
    legacy: Mapping[str, Path],
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    constants: Mapping[str, str],
) -> CarriedBack:
    """Write into the copies *legacy* what distinguishes *current* from *baseline*.

    Args:
        tables: The fate of every legacy table, as the cutover had it.
        homes: Legacy database -> the consolidated one that its name stood for.
        legacy: Legacy database -> a private copy of it, which is written.
        current: ``core`` -> a private copy of the consolidated database as it is now; its lineage is written.
        baseline: ``core`` -> the consolidated database as it was installed.
        constants: What the mappings were given when it was built.

    Raises:
        sqlite3.Error: A consolidated database lacks a table or column of the specification.
    """
    done = CarriedBack()
    triggers = untriggered.take_triggers(legacy)
    for target in catalogue.TARGETS:
        with _opened(target, current[target], baseline[target]) as connection:
            bench = _Bench(connection, target, legacy, constants, done)
            sources = [
                one for table in tables for one in mapping.sources_of(table) if one.target == target and one.back
            ]
            for name in mapping.in_order(target):
                bench.name_newcomers(name, [one for one in sources if one.table == name])
            for one in sources:
                bench.apply(one)
            for table in tables:
                if table.fate is Fate.CARRIED and table.into.partition(".")[0] == target:
                    bench.apply_carried(table.source, table.into.partition(".")[2])
            of_this_home = [one for one in tables if homes.get(one.source.partition(".")[0]) == target]
            bench.take_in_strangers([one.source for one in of_this_home if one.fate is not Fate.DERIVED])
    untriggered.give_back_triggers(legacy, triggers, done.written)
    return done


@contextlib.contextmanager
def _opened(target: str, current: Path, baseline: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite.memory()) as connection:
        functions.register(connection)
        connection.execute("PRAGMA foreign_keys = OFF")
        sqlite.attach(connection, current, target, mode="rw")
        sqlite.attach(connection, baseline, "baseline")
        # Only what we wrote ourselves counts as lineage.
        connection.execute(f"DELETE FROM {target}.lineage")
        connection.execute(f"INSERT INTO {target}.lineage SELECT * FROM baseline.lineage")
        yield connection


class _Bench:
    """One consolidated database, with the legacy copy that is being written attached under its name."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        target: str,
        legacy: Mapping[str, Path],
        constants: Mapping[str, str],
        done: CarriedBack,
    ) -> None:
        self.connection = connection
        self.target = target
        self.legacy = legacy
        self.constants = constants
        self.done = done

    @contextlib.contextmanager
    def _with(self, database: str) -> Iterator[None]:
        sqlite.attach(self.connection, self.legacy[database], database, mode="rw")
        self.connection.execute("BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.connection.execute(f"DETACH {quoted(database)}")

    def name_newcomers(self, table: str, sources: Sequence[TableMapping]) -> None:
        """Give every row of *table* without a lineage one, in the first legacy table that takes such rows."""
        key = mapping.target_key(ddl.target(self.target), table)
        name = f"{self.target}.{table}"
        new = [
            found
            for (found,) in self.connection.execute(
                f"SELECT {key} FROM {self.target}.{quoted(table)} WHERE {key} NOT IN (SELECT target_id FROM"
                f" {self.target}.lineage WHERE target = ? AND target_id IS NOT NULL) ORDER BY {key}",
                (table,),
            )
        ]
        takers = [one for one in sources if not one.parts]
        if not takers:
            why = "one legacy row holds several of these" if sources else "no legacy table holds such rows"
            for one in new:
                self.done.leave(name, one, why)
        elif new:
            with self._with(takers[0].database):
                self._name(takers[0], name, new)

    def _name(self, taker: TableMapping, name: str, new: Sequence[object]) -> None:
        source = f"{quoted(taker.database)}.{quoted(taker.source_table)}"
        key = quoted(taker.key)
        used = {found for (found,) in self.connection.execute(f"SELECT CAST({key} AS BLOB) FROM {source}")}
        largest = self.connection.execute(
            f"SELECT coalesce(max({key}), 0) FROM {source} WHERE typeof({key}) = 'integer'"
        ).fetchone()[0]
        largest = max(largest, self._high_water(taker.database, taker.source_table))
        declared = self.connection.execute(
            "SELECT upper(type) FROM pragma_table_xinfo(?, ?) WHERE name = ? COLLATE NOCASE",
            (taker.source_table, taker.database, taker.key),
        ).fetchone()
        for number, target_id in enumerate(new, start=1):
            legacy_key: object
            if not taker.number:
                legacy_key = target_id
                if str(target_id).encode() in used:
                    self.done.leave(name, target_id, f"{taker.source} has another row with its key")
                    continue
            elif declared is None or declared[0].startswith("INT"):
                legacy_key = largest + number
            else:
                legacy_key = _text_key(f"{name}:{target_id}", used)
            self.connection.execute(
                f"INSERT INTO {self.target}.lineage (source, legacy_key, target, target_id) VALUES (?, ?, ?, ?)",
                (taker.source, legacy_key, taker.table, target_id),
            )

    def _high_water(self, database: str, table: str) -> int:
        has = f"SELECT 1 FROM {quoted(database)}.sqlite_schema WHERE name = 'sqlite_sequence'"
        if not self.connection.execute(has).fetchone():
            return 0
        found = self.connection.execute(
            f"SELECT seq FROM {quoted(database)}.sqlite_sequence WHERE name = ? COLLATE NOCASE", (table,)
        ).fetchone()
        return found[0] if found and isinstance(found[0], int) else 0

    def apply(self, one: TableMapping) -> None:
        """Make the legacy table of a mapping what the back mapping says of the rows as they are now."""
        source = f"{quoted(one.database)}.{quoted(one.source_table)}"
        key = quoted(one.key)
        columns = [quoted(column) for column in one.legacy_columns]
        target_key = mapping.target_key(ddl.target(one.target), one.table)
        with self._with(one.database):
            self.connection.execute(
                f"CREATE TEMP TABLE rebuilt AS {rebuild.rebuilt_sql(one)}", one.given(self.constants)
            )
            gone = self.connection.execute(
                f"SELECT DISTINCT l.legacy_key FROM baseline.lineage AS l WHERE l.source = ? AND l.target = ?"
                f" AND l.target_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM baseline.lineage AS m"
                f" JOIN {self.target}.{quoted(one.table)} AS t ON t.{target_key} = m.target_id"
                f" WHERE m.source = l.source AND m.legacy_key IS l.legacy_key AND m.target = l.target)",
                (one.source, one.table),
            ).fetchall()
            for (legacy_key,) in gone:
                deleted = self.connection.execute(
                    f"DELETE FROM {source} WHERE {key} = ? COLLATE BINARY", (legacy_key,)
                ).rowcount
                self.done.did(one.source, "deleted", deleted)
            joined = f"FROM temp.rebuilt AS r JOIN {source} AS s ON s.{key} = r.legacy_key COLLATE BINARY"
            changed = self.connection.execute(
                f"SELECT r.rowid {joined} WHERE {rebuild.differ_sql('s', 'r', one.legacy_columns)} ORDER BY 1"
            ).fetchall()
            settings = ", ".join(f"{column} = r.{column}" for column in columns if column != key)
            self._each(
                one,
                "updated",
                changed,
                f"UPDATE {source} AS s SET {settings} FROM temp.rebuilt AS r"
                f" WHERE r.rowid = ? AND s.{key} = r.legacy_key COLLATE BINARY",
            )
            new = self.connection.execute(
                f"SELECT r.rowid FROM temp.rebuilt AS r LEFT JOIN {source} AS s"
                f" ON s.{key} = r.legacy_key COLLATE BINARY WHERE s.{key} IS NULL ORDER BY 1"
            ).fetchall()
            self._each(
                one,
                "inserted",
                new,
                f"INSERT INTO {source} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM temp.rebuilt"
                " WHERE rowid = ?",
            )
        self.connection.execute("DROP TABLE temp.rebuilt")

    def _each(self, one: TableMapping, what: str, rows: Sequence[tuple[int]], statement: str) -> None:
        """Run *statement* for each row of temp.rebuilt; what the legacy table refuses is left over."""
        for (row,) in rows:
            refusal = self._tried(statement, (row,))
            if not refusal:
                self.done.did(one.source, what)
                continue
            for (target_id,) in self.connection.execute(
                f"SELECT l.target_id FROM {self.target}.lineage AS l JOIN temp.rebuilt AS r"
                " ON r.legacy_key IS l.legacy_key WHERE r.rowid = ? AND l.source = ? AND l.target = ?",
                (row, one.source, one.table),
            ).fetchall():
                self.done.leave(f"{self.target}.{one.table}", target_id, f"{one.source} refuses it: {refusal}")

    def _tried(self, statement: str, values: Sequence[object]) -> str:
        """Run *statement*; return what a constraint has against it, '' if nothing."""
        self.connection.execute("SAVEPOINT one")
        try:
            self.connection.execute(statement, tuple(values))
        except sqlite3.IntegrityError as error:
            self.connection.execute("ROLLBACK TO one")
            return str(error)
        finally:
            self.connection.execute("RELEASE one")
        return ""

    def apply_carried(self, source: str, table: str) -> None:
        """Do to the legacy table *source* what was done to its carried copy *table*."""
        database, _, name = source.partition(".")
        columns = self._stored_columns("baseline", table)
        listed = ", ".join(map(quoted, columns))
        # Cells as JSON, so that 1, 1.0 and '1' are three rows.
        row = rebuild.row_sql("t", columns)
        handle, found = self._handle(table, row)
        counted = f"SELECT {row} AS row, count(*) AS n, min({handle}) AS handle FROM"
        with self._with(database):
            legacy = f"{quoted(database)}.{quoted(name)}"
            for side, other in (("baseline", self.target), (self.target, "baseline")):
                only = self.connection.execute(
                    f"SELECT a.row, a.handle, a.n - coalesce(b.n, 0)"
                    f" FROM ({counted} {side}.{quoted(table)} AS t GROUP BY 1) AS a"
                    f" LEFT JOIN ({counted} {other}.{quoted(table)} AS t GROUP BY 1) AS b ON b.row = a.row"
                    " WHERE a.n > coalesce(b.n, 0)"
                ).fetchall()
                if side == "baseline" and only:
                    self._delete(source, legacy, (handle, found), row, [(whole, times) for whole, _, times in only])
                    continue
                for _, one, times in only:
                    taken = f"SELECT {listed} FROM {side}.{quoted(table)} AS t WHERE {found}"
                    for _ in range(times):
                        self._insert_one(source, f"{legacy} ({listed}) {taken}", f"{side}.{table}", one)

    def _delete(
        self, source: str, legacy: str, named: tuple[str, str], row: str, rows: Sequence[tuple[str, int]]
    ) -> None:
        """Delete so many of the rows that are each of *rows*, found by an index over what they hold."""
        handle, is_it = named
        self.connection.execute(
            f"CREATE TEMP TABLE there AS SELECT {row} AS row, {handle} AS handle FROM {legacy} AS t"
        )
        self.connection.execute("CREATE INDEX temp.there_row ON there(row)")
        for whole, times in rows:
            found = self.connection.execute(
                "SELECT handle FROM temp.there WHERE row = ? ORDER BY rowid LIMIT ?", (whole, times)
            ).fetchall()
            for (one,) in found:
                deleted = self.connection.execute(f"DELETE FROM {legacy} AS t WHERE {is_it}", (one,)).rowcount
                self.done.did(source, "deleted", deleted)
        self.connection.execute("DROP TABLE temp.there")

    def _insert_one(self, source: str, into: str, table: str, handle: object) -> None:
        if refusal := self._tried(f"INSERT INTO {into}", (handle,)):
            self.done.leave(table, handle, f"{source} refuses it: {refusal}")
        else:
            self.done.did(source, "inserted")

    def _handle(self, table: str, row: str) -> tuple[str, str]:
        """Return SQL for what names a row t of *table*, and SQL that is true of the one row that ``?1`` names.

        Without a rowid it is the whole *row*, looked up by its primary key.
        """
        asked = "SELECT wr FROM pragma_table_list WHERE schema = 'baseline' AND name = ?"
        if not self.connection.execute(asked, (table,)).fetchone()[0]:
            return "t.rowid", "t.rowid = ?1"
        asked = "SELECT name FROM pragma_table_info(?, 'baseline') WHERE pk ORDER BY pk"
        key = [name for (name,) in self.connection.execute(asked, (table,))]
        same = [f"t.{quoted(name)} = {rebuild.from_row_sql('?1', name)}" for name in key]
        return row, f"{' AND '.join(same)} AND {row} = ?1"

    def take_in_strangers(self, sources: Sequence[str]) -> None:
        """Give the rows of each table that has appeared to the one legacy table of its name."""
        listed = "SELECT name FROM pragma_table_list WHERE schema = ? AND type IN ('table', 'virtual')"
        before = {name for (name,) in self.connection.execute(listed, ("baseline",))}
        now = self.connection.execute(listed + " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", (self.target,)).fetchall()
        for (table,) in now:
            if table in before:
                continue
            takers = [source for source in sources if source.partition(".")[2].lower() == table.lower()]
            if len(takers) != 1 or not self._take_in(table, takers[0]):
                self.done.strangers.append(f"{self.target}.{table}")

    def _take_in(self, table: str, source: str) -> bool:
        """Insert the rows of *table* into the legacy table *source*; tell whether its columns allow it."""
        database, _, name = source.partition(".")
        with self._with(database):
            there = {column.lower() for column in self._stored_columns(database, name)}
            columns = self._stored_columns(self.target, table)
            if not {column.lower() for column in columns} <= there:
                return False
            legacy, stranger = f"{quoted(database)}.{quoted(name)}", f"{self.target}.{quoted(table)}"
            alias = self._rowid_alias(database, name)
            listed = ", ".join(quoted(column) for column in columns)
            without = ", ".join(quoted(column) for column in columns if column.lower() != alias)
            for (rowid,) in self.connection.execute(f"SELECT rowid FROM {stranger} ORDER BY rowid").fetchall():
                refusal = self._tried(
                    f"INSERT INTO {legacy} ({listed}) SELECT {listed} FROM {stranger} WHERE rowid = ?", (rowid,)
                )
                if refusal and alias:
                    # Ids began again in the new table; the legacy one gives its next.
                    refusal = self._tried(
                        f"INSERT INTO {legacy} ({without}) SELECT {without} FROM {stranger} WHERE rowid = ?", (rowid,)
                    )
                if refusal:
                    self.done.leave(f"{self.target}.{table}", rowid, f"{source} refuses it: {refusal}")
                else:
                    self.done.did(source, "inserted")
        return True

    def _stored_columns(self, schema: str, table: str) -> list[str]:
        return [
            name
            for (name,) in self.connection.execute(
                "SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid", (table, schema)
            )
        ]

    def _rowid_alias(self, database: str, table: str) -> str:
        found = self.connection.execute(
            "SELECT lower(name), upper(type) FROM pragma_table_xinfo(?, ?) WHERE pk", (table, database)
        ).fetchall()
        return found[0][0] if len(found) == 1 and found[0][1] == "INTEGER" else ""


def _text_key(seed: str, used: set[bytes]) -> str:
    """Return a key that nobody has, in the form of the *used* ones: 8 hex digits or a UUID; the same for the same seed."""
    like_uuid = bool(used) and all(_UUID.fullmatch(key or b"") for key in used)
    for attempt in range(1_000_000):
        drawn = sha256(f"{seed}:{attempt}".encode()).digest()
        key = str(uuid.UUID(bytes=drawn[:16], version=4)) if like_uuid else drawn.hex()[:8]
        if key.encode() not in used:
            used.add(key.encode())
            return key
    raise RuntimeError("a million keys are taken")  # 8 hex digits make four thousand times as many
