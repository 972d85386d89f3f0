"""Gives rows that new code made the legacy keys by which legacy code sees them.

The key is the one that a rollback would give.  A reader computes it in memory and writes nothing: it may have no right to, or another
connection may be writing.  The next writer records the same keys in lineage, so that the rows keep them.  Until then a number may
change if new code deletes a row with a lower one.  Rows that no legacy table takes stay unseen.
"""

from __future__ import annotations

import json

from migrator.application.compat import changes, legacy_rows, work_tables
from migrator.application.compat.plan import LegacyTable, Plan, Source, Target
from migrator.application.compat.work_tables import Run
from migrator.mapping import reverse_sql
from migrator.mapping.new_keys import text_key
from migrator.quarantine import recognition
from migrator.schema.catalogue import MIRRORED_ROWS, MIRRORED_SEQUENCE
from migrator.system.connections import folded, quoted


def takers(target: Target) -> list[Source]:
    """Return the mappings that take new rows of *target*, as in a rollback: the first with a row for each."""
    whole = [one for one in target.sources if not one.parts]
    return whole[:1] if whole else [one for one in target.sources if one.takes]


def record(run: Run, plan: Plan, source: Source) -> None:
    """Record in lineage the keys of the rows that *source* takes and that have none, in the caller's transaction."""
    _Adoption(run, plan, source, in_memory=False).adopt()


class Adopted:
    """The rows of new code to which one connection gave legacy keys in memory."""

    def __init__(self, plan: Plan, run: Run) -> None:
        """Begin with none; *run* runs a statement."""
        self._plan, self._run = plan, run
        #: Mapping -> the counter of its target table when it was looked at, and the ids of rows without a legacy key.
        self._pending: dict[Source, tuple[int, tuple[object, ...]]] = {}
        #: Mapping -> the same, of the rows that have a key in memory.
        self._held: dict[Source, tuple[int, tuple[object, ...]]] = {}
        #: Mappings whose keys the transaction under way recorded, and those whose record was undone.
        self._recorded: set[Source] = set()
        self._undone: set[Source] = set()

    def pending(self, source: Source, counter: int) -> tuple[object, ...]:
        """Return the ids of the rows that *source* takes; *counter* is that of their table, negative if it has none."""
        seen = self._pending.get(source)
        if seen is None or seen[0] != counter:
            ids = self._without_key(source, seen, counter)
            self._pending[source] = seen = (counter, ids)
        return seen[1]

    def hold(self, source: Source, counter: int) -> None:
        """Give the rows that *source* takes their keys in memory, in a transaction."""
        ids = self.pending(source, counter)
        held = self._held.get(source)
        if held != (counter, ids) and (held is None or held[1] or ids):
            for table in (work_tables.ADOPTED, work_tables.TAKEN):
                self._run(f"DELETE FROM {table} WHERE source = ?", (source.source,))
            if ids:
                _Adoption(self._run, self._plan, source, in_memory=True).adopt()
        self._held[source] = (counter, ids)

    def holds(self, source: Source) -> bool:
        """Return whether rows that *source* takes have a key in memory."""
        return source in self._held and bool(self._held[source][1])

    def are_due(self) -> bool:
        """Return whether there are rows whose keys are only in memory."""
        return bool(self._undone) or any(ids for _, ids in self._pending.values())

    def record(self) -> None:
        """Record their keys in the file, in the caller's transaction."""
        due = self._undone | {source for source, (_, ids) in self._pending.items() if ids}
        for target in self._plan.targets:
            for source in target.sources:
                if source in due:
                    record(self._run, self._plan, source)
        counters = changes.counters(self._run, self._plan.target)
        self._pending |= {source: (counters.get(source.target, -1), ()) for source in due}
        self._recorded |= due
        self._undone.clear()

    def undone(self) -> bool:
        """Follow a rollback: what is in memory and what was recorded may be gone; return whether anything was recorded."""
        recorded = bool(self._recorded)
        self._undone |= self._recorded | {source for source, (_, ids) in self._pending.items() if ids}
        for known in (self._pending, self._held, self._recorded):
            known.clear()
        return recorded

    def ended(self) -> None:
        """Follow the end of a transaction."""
        self._recorded.clear()

    def _without_key(
        self, source: Source, seen: tuple[int, tuple[object, ...]] | None, counter: int
    ) -> tuple[object, ...]:
        target = self._plan.target_table(source.target)
        if source not in takers(target):
            return ()
        written = ""
        # Where there was none, only rows that were written since may be.
        if seen is not None and not seen[1] and min(seen[0], counter) >= 0:
            since = seen[0]
            if changes.are_all_noted(self._run, self._plan.target, target.name, since, counter):
                keys = changes.keys_since(self._plan.target, target.name, since)
                written = f" AND t.{quoted(target.key)} IN ({keys})"
        rows = _new_rows(self._plan, target, source)
        return tuple(
            identity
            for (identity,) in self._run(f"SELECT t.{quoted(target.key)} {rows}{written} ORDER BY 1").fetchall()
        )


def _new_rows(plan: Plan, target: Target, source: Source) -> str:
    """Return FROM and WHERE of the rows ``t`` that *source* takes."""
    key = quoted(target.key)
    takes = f" AND ({source.takes})" if source.parts else ""
    # A row that has a quarantined row's kept key is another row, or that row corrected: a rollback decides.
    taken = (
        ""
        if source.number
        else f" AND NOT EXISTS (SELECT 1 FROM {plan.target}.quarantine AS q WHERE q.source = '{source.source}'"
        f" AND q.legacy_key = +t.{key})"
    )
    return (
        f"FROM {plan.target}.{quoted(target.name)} AS t WHERE t.{key} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
        f" {plan.target}.lineage AS l WHERE l.target = '{target.name}' AND l.target_id = +t.{key}){takes}{taken}"
    )


class _Adoption:
    """The adoption of the new rows of one mapping, in the file or in memory."""

    def __init__(self, run: Run, plan: Plan, source: Source, *, in_memory: bool) -> None:
        self._run, self._plan, self._source, self._in_memory = run, plan, source, in_memory
        self._target = plan.target_table(source.target)
        self._table: LegacyTable = plan.databases[source.database].tables[folded(source.table)]
        self._lineage = work_tables.ADOPTED if in_memory else f"{plan.target}.lineage"
        self._quarantine = f"{plan.target}.quarantine"

    def adopt(self) -> None:
        """Give each row a key, and record it with what else its legacy row needs."""
        self._run(f"DELETE FROM {work_tables.GIVEN}")
        self._give_keys()
        self._run(
            f"INSERT INTO {self._lineage} (source, legacy_key, target, target_id) SELECT ?, key, ?, id"
            f" FROM {work_tables.GIVEN} ORDER BY rowid",
            (self._source.source, self._source.target),
        )
        self._note(f"SELECT key FROM {work_tables.GIVEN}")
        if self._source.number and not self._source.parts:
            self._take_quarantined()
        if self._source.required and not self._source.parts:
            self._fill_required()

    def _give_keys(self) -> None:
        rows, key = _new_rows(self._plan, self._target, self._source), f"t.{quoted(self._target.key)}"
        given = f"INSERT INTO {work_tables.GIVEN} (key, id)"
        types = dict(zip(self._table.columns, self._table.types, strict=True))
        if self._source.parts:
            # New rows that together make one legacy row get one key.
            rank = f"dense_rank() OVER (ORDER BY {', '.join(map(quoted, self._source.together))})"
            self._run(f"{given} SELECT ? + {rank}, {key} {rows} ORDER BY 2", (self._largest(),))
        elif not self._source.number:
            self._run(f"{given} SELECT {key}, {key} {rows} ORDER BY 2")
        elif types[self._source.key].upper().startswith("INT"):
            largest = self._largest()
            self._run(f"{given} SELECT ? + row_number() OVER (ORDER BY {key}), {key} {rows} ORDER BY 2", (largest,))
            # Past the largest integer the sum is a float.
            self._run(f"DELETE FROM {work_tables.GIVEN} WHERE typeof(key) <> 'integer'")
        else:
            used = self._used()
            for (identity,) in self._run(f"SELECT {key} {rows} ORDER BY 1").fetchall():
                name = text_key(f"{self._plan.target}.{self._target.name}:{identity}", used)
                used.add(name.encode())
                self._run(f"{given} VALUES (?, ?)", (name, identity))

    def _used(self) -> set[bytes]:
        """Return the keys that legacy rows have."""
        known = " UNION ".join(
            f"SELECT CAST(legacy_key AS BLOB) FROM {self._plan.target}.{table} WHERE source = ?"
            for table in ("lineage", "quarantine")
        )
        return {key for (key,) in self._run(known, (self._source.source, self._source.source)).fetchall()}

    def _largest(self) -> int:
        """Return the largest key that the legacy table has given."""
        target, source = self._plan.target, self._source.source
        largest = self._plan.databases[self._source.database].sequence.get(self._table.name, 0)
        if changes.has(self._run, target, MIRRORED_SEQUENCE):
            asked = f"SELECT max(seq) FROM {target}.{MIRRORED_SEQUENCE} WHERE source = ?"
            largest = max(largest, self._run(asked, (source,)).fetchone()[0] or 0)
        for known in ("lineage", "quarantine"):
            asked = f"SELECT max(legacy_key) FROM {target}.{known} WHERE source = ? AND typeof(legacy_key) = 'integer'"
            largest = max(largest, self._run(asked, (source,)).fetchone()[0] or 0)
        return largest

    def _note(self, keys: str, *values: object) -> None:
        """Record in the file that the legacy rows with *keys*, a SELECT, are as a connection with the legacy schema wrote them."""
        if not self._in_memory:
            rows = f"{self._plan.target}.{MIRRORED_ROWS}"
            self._run(f"INSERT OR IGNORE INTO {rows} SELECT ?, * FROM ({keys})", (self._source.source, *values))

    def _back(self) -> str:
        """Return the back SELECT of the adopted rows."""
        back = legacy_rows.back_sql(self._source, f" AND l.legacy_key IN (SELECT key FROM {work_tables.GIVEN})")
        return legacy_rows.of_adopted(self._plan, back) if self._in_memory else back

    def _take_quarantined(self) -> None:
        """Give those of the adopted rows that are corrected rows in quarantine the keys of these, and take these out.

        Cells that a new row lacks are those of the quarantined row, as in a rollback.
        """
        run, source = self._run, self._source
        of_source, names = "source = ? AND target = ?", (source.source, source.target)
        if not run(f"SELECT 1 FROM {self._quarantine} WHERE {of_source} LIMIT 1", names).fetchone():
            return
        cells = ", ".join(f"{reverse_sql.from_row_sql('q.row', name)} AS {quoted(name)}" for name in source.columns)
        run(f"CREATE TABLE {recognition.NEW} AS SELECT * FROM ({self._back()})")
        run(
            f"CREATE TABLE {recognition.SET_ASIDE} AS SELECT q.rowid AS quarantined, q.legacy_key AS legacy_key, 0 AS dropped,"
            f" {cells} FROM {self._quarantine} AS q WHERE q.{of_source}"
            # Several legacy rows have the key of a row that has one and is not named by it: a rollback would not find the row.
            f" AND (q.legacy_key IS NOT NULL OR {reverse_sql.from_row_sql('q.row', source.key)} IS NULL)",
            names,
        )
        for new, old in recognition.pairs(run, source.columns, source.uses, source.key, source.number).same:
            self._take(new, old)
        for name in (recognition.NEW, recognition.SET_ASIDE):
            run(f"DROP TABLE {name}")

    def _take(self, new: int, old: int) -> None:
        """Give the row *new* the key of the quarantined row *old*, by their rowids in the tables of :mod:`migrator.quarantine.recognition`."""
        run, source = self._run, self._source
        names, key_of_new = (
            (source.source, source.target),
            f"(SELECT legacy_key FROM {recognition.NEW} WHERE rowid = ?)",
        )
        adopted = f"source = ? AND target = ? AND legacy_key = {key_of_new}"
        taken = (
            f"(SELECT coalesce(q.legacy_key, n.legacy_key) FROM {recognition.NEW} AS n, {recognition.SET_ASIDE} AS q"
            " WHERE n.rowid = ? AND q.rowid = ?)"
        )
        run(f"UPDATE {self._lineage} SET rest = ({_kept_sql(source)}) WHERE {adopted}", (new, old, *names, new))
        self._note(f"SELECT legacy_key FROM {recognition.SET_ASIDE} WHERE rowid = ?", old)
        run(f"UPDATE {self._lineage} SET legacy_key = {taken} WHERE {adopted}", (new, old, *names, new))
        # Nothing else is missing in it.
        run(f"DELETE FROM {work_tables.GIVEN} WHERE key = {key_of_new}", (new,))
        quarantined = f"(SELECT quarantined FROM {recognition.SET_ASIDE} WHERE rowid = ?)"
        if self._in_memory:
            run(f"INSERT INTO {work_tables.TAKEN} VALUES (?, {quarantined})", (source.source, old))
        else:
            run(f"DELETE FROM {self._quarantine} WHERE rowid = {quarantined}", (old,))

    def _fill_required(self) -> None:
        """Let the legacy row have an empty text where its table requires a text and the new row has none."""
        missing = ", ".join(f"b.{quoted(name)} IS NULL" for name in self._source.required)
        for key, *flags in self._run(f"SELECT b.legacy_key, {missing} FROM ({self._back()}) AS b").fetchall():
            empty = {name: ["", None] for name, flag in zip(self._source.required, flags, strict=True) if flag}
            if empty:
                sql, given = work_tables.bound(key)
                self._run(
                    f"UPDATE {self._lineage} SET rest = ? WHERE source = ? AND target = ? AND legacy_key = {sql}",
                    (json.dumps(empty, separators=(",", ":")), self._source.source, self._source.target, given),
                )


def _kept_sql(source: Source) -> str:
    """Return a SELECT of the rest by which a row keeps what it lacks and the quarantined row has; of the rowids of both."""
    merged = ", ".join(
        f"CASE WHEN {'0' if name not in source.uses else recognition.informs(f'n.{quoted(name)}')} OR NOT"
        f" {recognition.informs(f'q.{quoted(name)}')} THEN n.{quoted(name)} ELSE q.{quoted(name)} END AS {quoted(name)}"
        for name in source.columns
        if name != source.key
    )
    columns = [name for name in source.columns if name != source.key]
    return (
        f"SELECT nullif({reverse_sql.differences_sql('m', 'n', columns)}, '{{}}') FROM (SELECT {merged}, n.rowid AS new"
        f" FROM {recognition.NEW} AS n, {recognition.SET_ASIDE} AS q WHERE n.rowid = ? AND q.rowid = ?) AS m"
        f" JOIN {recognition.NEW} AS n ON n.rowid = m.new"
    )
