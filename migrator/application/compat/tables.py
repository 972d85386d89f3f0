"""Loads the tables of a mirror from the consolidated set, and knows which of them are still as the set has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from migrator.application.compat import changes, legacy_rows, work_tables
from migrator.application.compat.adoption import Adopted, takers
from migrator.application.compat.errors import Unsupported
from migrator.application.compat.plan import LegacyDatabase, LegacyTable, Plan, Source
from migrator.application.compat.work_tables import Run
from migrator.schema.catalogue import MIRRORED_SEQUENCE
from migrator.system.connections import folded, quoted

#: What the rows of a legacy table depend on: counters, that of its own table first, and the rows of new code that its rows name.
Counted = tuple[Any, ...]


class Tables:
    """The legacy tables of one mirror.

    Attributes:
        loaded: The folded name of each table that is loaded -> the counters of the set at that time.
    """

    def __init__(self, plan: Plan, database: LegacyDatabase, run: Run) -> None:
        """Begin with no table loaded; *run* runs a statement."""
        self.loaded: dict[str, Counted] = {}
        self._plan, self._database, self._run = plan, database, run
        self._adopted = Adopted(plan, run)
        self._depends_on: dict[str, tuple[tuple[str, ...], tuple[Source, ...]]] = {}
        self._version: int | None = None
        #: Grows whenever anything may have been written: the counter of tables that have none.
        self._epoch = 0
        #: The schema of the consolidated file as it was looked at, and the counters whose triggers it has.
        self._schema: int | None = None
        self._followed: frozenset[str] = frozenset()
        #: The schema for which every trigger was made.
        self._made: int | None = None
        #: Tables that another connection has written to since they were loaded -> the counters at that time.
        self._behind: dict[str, Counted] = {}
        #: Tables of which the legacy schema refused rows when they were loaded: one may fit once another has changed.
        self._with_refused: set[str] = set()
        #: The counters before this connection counted its own writes, until its transaction ends.
        self._before_own: dict[str, Counted] = {}
        #: Tables that the transaction under way loaded -> the number of savepoints that were open.
        self._in_transaction: dict[str, int] = {}
        #: Tables whose largest id is the one of the set -> the epoch in which it was looked at.
        self._numbered: dict[str, int] = {}

    def check(self) -> bool:
        """Note the tables that another connection has written to; return whether another has written at all."""
        (version,) = self._run(f"PRAGMA {self._plan.target}.data_version").fetchone()
        if version == self._version:
            return False
        self._version = version
        self._epoch += 1
        schema = self._schema_version()
        if schema != self._schema:
            # Tables may have been made anew, without triggers, and VACUUM numbers rows of some tables anew.
            self._schema, self._followed = schema, changes.followed(self._run, self._plan)
            self.loaded.clear()
            self._behind.clear()
        self._compare()
        return True

    def prepare(self) -> None:
        """Make the tables of mirrors and their triggers where one is missing, in the caller's transaction."""
        if self._made is not None and self._made == self._schema_version():
            return
        if not changes.are_made(self._run, self._plan):
            changes.make_tables(self._run, self._plan)
        self._schema = self._made = self._schema_version()
        self._followed = changes.followed(self._run, self._plan)

    def _schema_version(self) -> int:
        (version,) = self._run(f"PRAGMA {self._plan.target}.schema_version").fetchone()
        return int(version)

    def _compare(self) -> None:
        """Note the tables whose counters are other ones now."""
        depended = [self._dependencies(name) for name in self.loaded]
        names = {one for into, _ in depended for one in into} | {one.target for _, named in depended for one in named}
        now = changes.counters(self._run, self._plan.target, frozenset(names))
        for name in [name for name, was in self.loaded.items() if was != self._counted(name, now)]:
            self._behind[name] = self.loaded.pop(name)

    def forget_version(self) -> None:
        """Compare the counters at the next check: the file was opened anew."""
        self._version = None

    def count_own_writes(self) -> None:
        """Note the counters as a put of this connection has just changed them."""
        self._note_counters()
        for name in self._with_refused:
            # A row that was refused may fit now.
            self.loaded.pop(name, None)

    def adopt(self) -> None:
        """Record the keys that rows of new code have in memory, in the caller's transaction, which may write."""
        if self._adopted.are_due():
            self.prepare()
            self._adopted.record()
            # The rows are loaded with these keys.
            self._note_counters()

    def _note_counters(self) -> None:
        now = changes.counters(self._run, self._plan.target)
        self._before_own = {**self.loaded, **self._before_own}
        for name in self.loaded:
            self.loaded[name] = self._counted(name, now)

    def load(self, names: Iterable[str], *, savepoints: int | None) -> None:
        """Load those of the tables *names* that are not loaded.

        Args:
            names: Folded names.
            savepoints: How many savepoints are open in the caller's transaction; None outside of one.

        Raises:
            Unsupported: A table is not served.
            sqlite3.Error: The consolidated set cannot be read.
        """
        now = changes.counters(self._run, self._plan.target)
        for name in names:
            if name in self.loaded:
                continue
            table, counted = self._database.tables[name], self._counted(name, now)
            if table.kind in ("mapped", "carried"):
                self._hold(table, now)
                noted = self._all_noted_since(name, now) is not None
                if not noted or not self._load_written(table, self._behind[name], counted):
                    self._load(table)
                self._note_shown(table)
                self._behind.pop(name, None)
            elif not table.content:
                raise Unsupported(f"{table.name} is not served on the consolidated set: {table.why}")
            self.loaded[name] = counted
            if savepoints is not None:
                self._in_transaction[name] = savepoints

    def _note_shown(self, table: LegacyTable) -> None:
        """Note the rows of new code that *table* has with keys in memory."""
        source = self._plan.source_of(self._database.name, table.name)
        if source is not None:
            self._run(f"DELETE FROM {work_tables.SHOWN} WHERE source = ?", (source.source,))
            self._run(f"INSERT INTO {work_tables.SHOWN} SELECT ?, * FROM ({self._shown_sql(source)})", (source.source,))

    def _shown_sql(self, source: Source) -> str:
        """Return a SELECT of the keys of rows of new code that are in memory, and of quarantined rows that they are, corrected."""
        return (
            f"SELECT legacy_key FROM {work_tables.ADOPTED} WHERE source = '{source.source}' UNION"
            f" SELECT q.legacy_key FROM {work_tables.TAKEN} AS t JOIN {self._plan.target}.quarantine AS q"
            f" ON q.rowid = t.quarantined WHERE t.source = '{source.source}'"
        )

    def number(self, names: Iterable[str]) -> None:
        """Give ids above the largest that each of the loaded tables *names* ever gave, to whichever connection.

        A statement that inserts no row may have taken a number, as INSERT OR IGNORE does.
        """
        for name in names:
            table = self._database.tables[name]
            if table.autoincrement and name in self.loaded and self._numbered.get(name) != self._epoch:
                self._set_sequence(table, given=True)

    def _hold(self, table: LegacyTable, now: dict[str, int]) -> None:
        """Give rows of new code that *table* shows, or that its rows name, their keys in memory."""
        source = self._plan.source_of(self._database.name, table.name)
        if source is not None:
            for one in (*self._named_takers(source), source):
                self._adopted.hold(one, self._counter(one.target, now))

    def _named_takers(self, source: Source) -> list[Source]:
        """Return the mappings that take new rows which rows of *source* name."""
        return [one for name in source.names for one in takers(self._plan.target_table(name))]

    def _rows_sql(self, source: Source, keys: str = "") -> str:
        """Return a SELECT of the legacy rows of *source*, with those of new code that have a key in memory."""
        return legacy_rows.rows_sql(
            self._plan,
            source,
            keys,
            adopted=self._adopted.holds(source),
            naming=any(map(self._adopted.holds, self._named_takers(source))),
        )

    def released(self, depth: int) -> None:
        """Follow a RELEASE, after which *depth* savepoints are open."""
        self._in_transaction = {name: min(at, depth) for name, at in self._in_transaction.items()}

    def undone(self, depth: int) -> None:
        """Forget the tables that were loaded since *depth* savepoints were open: a rollback took their rows away.

        With *depth* 0 the whole transaction is undone, and what it counted.
        """
        if self._adopted.undone() or not depth:
            self.loaded.update({name: was for name, was in self._before_own.items() if name in self.loaded})
        if not depth:
            self._before_own.clear()
            self._made = None
        self._numbered.clear()
        for name, at in list(self._in_transaction.items()):
            if at >= depth:
                self.loaded.pop(name, None)
                del self._in_transaction[name]

    def ended(self) -> None:
        """Follow the end of a transaction."""
        self._in_transaction.clear()
        self._before_own.clear()
        self._adopted.ended()

    def _counter(self, into: str, now: dict[str, int]) -> int:
        """Return the counter *into*; of a table without one a number that is another whenever anything was written."""
        return now.get(into, -self._epoch) if into in self._followed else -self._epoch

    def _counted(self, name: str, now: dict[str, int]) -> Counted:
        """Return what the rows of a legacy table depend on."""
        into, named = self._dependencies(name)
        counted: Counted = tuple([self._counter(one, now) for one in into])
        if named:
            counted += tuple(self._adopted.pending(one, self._counter(one.target, now)) for one in named)
        return counted

    def _dependencies(self, name: str) -> tuple[tuple[str, ...], tuple[Source, ...]]:
        """Return the counters on which the rows of a legacy table depend, and the mappings that take rows which they name."""
        if (known := self._depends_on.get(name)) is None:
            table = self._database.tables[name]
            source = self._plan.source_of(self._database.name, table.name)
            of_keys = map(changes.counter_of_keys, source.names) if source else ()
            into = tuple(one for one in (table.into, *(source.parents if source else ()), *of_keys) if one)
            known = self._depends_on[name] = (into, tuple(self._named_takers(source)) if source else ())
        return known

    def _all_noted_since(self, name: str, now: dict[str, int]) -> int | None:
        """Return the counter of the table that has the rows of *name* since which each write is noted; None without one."""
        into = self._database.tables[name].into
        if name not in self._behind or into not in now or into not in self._followed:
            return None
        since = self._behind[name][0]
        return since if changes.are_all_noted(self._run, self._plan.target, into, since, now[into]) else None

    def _load_written(self, table: LegacyTable, was: Counted, now: Counted) -> bool:
        """Load the rows of *table* that were written between its counters *was* and *now*; return whether that is enough.

        It is not if other tables feed its rows that were written too, if triggers or a full-text index of the legacy schema
        would have to follow, or if the legacy schema refuses rows.
        """
        source = self._plan.source_of(self._database.name, table.name)
        target = self._plan.target
        followed = any(
            folded(entry) == folded(table.name)
            for entry in (
                *(on for kind, _, on, _ in self._database.schema if kind == "trigger"),
                *(index.content for index in self._database.tables.values() if index.kind == "index"),
            )
        )
        if followed or folded(table.name) in self._with_refused or was[1:] != now[1:]:
            return False
        if source and not legacy_rows.are_of_their_own(self._plan, source):
            return False
        self._run(f"DELETE FROM {work_tables.WRITTEN}")
        changes.copy_written(self._run, target, table.into, source.source if source else "", was[0])
        if source:
            # Rows of new code that had or have a key in memory: another one may have come or gone before them.
            self._run(
                f"INSERT INTO {work_tables.WRITTEN} (key) SELECT key FROM {work_tables.SHOWN} WHERE source = ?"
                f" UNION {self._shown_sql(source)}",
                (source.source,),
            )
        if self._run(f"SELECT 1 FROM {work_tables.WRITTEN} WHERE key IS NULL").fetchone():
            # A row without a key is known by all its cells only.
            return False
        name, columns = f"main.{quoted(table.name)}", legacy_rows.columns_of(table)
        keys = f"SELECT key FROM {work_tables.WRITTEN}"
        key = quoted(source.key if source else table.identity[0])
        # The collation of the column may take other keys for these.
        among = f"{key} IN ({keys}) AND {key} COLLATE BINARY IN ({keys})"
        if source is None:
            columns = ", ".join([*((table.rowid,) if table.rowid else ()), columns])
            rows = f"SELECT {columns} FROM {target}.{quoted(table.into)} WHERE {among}"
        else:
            rows = f"SELECT {columns} FROM ({self._rows_sql(source, keys)})"
            if table.identity[0] not in table.columns:
                # A row keeps its rowid, and with it its place.
                same = f"{key} = w.key COLLATE BINARY"
                self._run(
                    f"UPDATE {work_tables.WRITTEN} AS w SET row = (SELECT s.{table.identity[0]} FROM {name} AS s WHERE s.{same})"
                )
                known = f"(SELECT w.row FROM {work_tables.WRITTEN} AS w WHERE r.{same})"
                rows = f"SELECT {known}, {columns} FROM ({rows}) AS r"
                columns = f"{table.identity[0]}, {columns}"
        self._run(f"UPDATE {work_tables.STATE} SET loading = 1")
        self._run(f"DELETE FROM {name} WHERE {among}")
        try:
            self._run(f"INSERT INTO {name} ({columns}) {rows}")
        except sqlite3.IntegrityError:
            # As a whole, so that of rows which exclude each other the same ones are seen as by a program that begins now.
            return False
        self._set_sequence(table)
        self._run(f"UPDATE {work_tables.STATE} SET loading = 0")
        return True

    def _load(self, table: LegacyTable) -> None:
        """Load the rows of *table*, and build the indexes over it, without the triggers of the legacy schema."""
        name, columns = f"main.{quoted(table.name)}", legacy_rows.columns_of(table)
        triggers = [
            (trigger, sql)
            for kind, trigger, on, sql in self._database.schema
            if kind == "trigger" and folded(on) == folded(table.name)
        ]
        self._run(f"UPDATE {work_tables.STATE} SET loading = 1")
        for trigger, _ in triggers:
            self._run(f"DROP TRIGGER main.{quoted(trigger)}")
        self._run(f"DELETE FROM {name}")
        if table.kind == "carried":
            columns = ", ".join([*((table.rowid,) if table.rowid else ()), columns])
            rows = f"SELECT {columns} FROM {self._plan.target}.{quoted(table.into)}"
        else:
            source = self._plan.source(self._database.name, table.name)
            rows = f"SELECT {columns} FROM ({self._rows_sql(source)})"
        try:
            self._run(f"INSERT INTO {name} ({columns}) {rows}")
            self._with_refused.discard(folded(table.name))
        except sqlite3.IntegrityError:
            self._with_refused.add(folded(table.name))
            # New code wrote what the legacy table refuses; a rollback keeps such a row in the residue.
            self._run(f"INSERT OR IGNORE INTO {name} ({columns}) {rows}")
        self._set_sequence(table)
        for index in self._database.tables.values():
            if index.kind == "index" and folded(index.content) == folded(table.name):
                self._run(f"INSERT INTO main.{quoted(index.name)} ({quoted(index.name)}) VALUES ('rebuild')")
        for _, sql in triggers:
            self._run(sql)
        self._run(f"UPDATE {work_tables.STATE} SET loading = 0")

    def _set_sequence(self, table: LegacyTable, *, given: bool = False) -> None:
        """Give ids above the largest that the legacy table ever gave; with *given* also in the transaction under way."""
        if not table.autoincrement:
            return
        marks = [self._database.sequence.get(table.name, 0)]
        source = self._plan.source_of(self._database.name, table.name)
        if source is not None and self._plan.counts_apart(source):
            known = "SELECT 1 FROM pragma_table_list WHERE schema = ? AND name = ?"
            if self._run(known, (self._plan.target, MIRRORED_SEQUENCE)).fetchone():
                asked = f"SELECT max(seq) FROM {self._plan.target}.{MIRRORED_SEQUENCE} WHERE source = ?"
                marks.append(self._run(asked, (source.source,)).fetchone()[0] or 0)
        else:
            asked = f"SELECT max(CAST(seq AS INTEGER)) FROM {self._plan.target}.sqlite_sequence WHERE name = ?"
            marks.append(self._run(asked, (table.into,)).fetchone()[0] or 0)
        self._numbered[folded(table.name)] = self._epoch
        (held,) = self._run("SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        if given:
            marks.append(held or 0)
        elif source is not None and self._adopted.holds(source):
            adopted = (
                f"SELECT max(legacy_key) FROM {work_tables.ADOPTED} WHERE source = ? AND typeof(legacy_key) = 'integer'"
            )
            marks.append(self._run(adopted, (source.source,)).fetchone()[0] or 0)
        mark = max(marks)
        is_known = bool(mark) or table.name in self._database.sequence
        if mark == held and is_known:
            return
        self._run("DELETE FROM main.sqlite_sequence WHERE name = ?", (table.name,))
        if is_known:
            self._run("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, mark))
