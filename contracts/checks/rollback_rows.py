"""Judges each row of the mapped legacy tables after a rollback."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path

from contracts.checks.leveled_rows import lacks_columns, rebuilt_row
from contracts.checks.rollback_diff import Cells, Judge, cells_of, of
from contracts.checks.row_accounting import Typed, typed
from contracts.oracle.cells import Cell, Row, kept_row, rows, same
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.legacy import LegacySet
from migrator.schema import reader as schema_reader
from migrator.system import connections
from migrator.system.connections import folded

#: A legacy row as column and cell with its storage class; the order of columns has no effect.
Whole = frozenset[tuple[str, Typed]]


def faults(judge: Judge) -> Iterator[str]:
    """Yield the faults of the rows of mapped legacy tables."""
    for reading in judge.before.reader.all_readings:
        if not judge.is_left_out(reading.target):
            yield from _OneTable(judge, reading).faults()
        elif lacks_columns(judge.in_use, reading.target):
            yield from _unchanged(judge, reading)


def _unchanged(judge: Judge, reading: Reading) -> Iterator[str]:
    """Yield a fault if the rows of a legacy table changed, although its target was dropped or altered."""
    database, _, table = reading.source.partition(".")
    contents = []
    for legacy in (judge.sets.originals, judge.sets.back):
        with legacy.read(database) as connection:
            contents.append(Counter(map(cells_of, of(connection, table))))
    if contents[0] != contents[1]:
        yield f"{reading.source}: its rows changed, but {reading.target} was dropped or altered while it was in use"


class _OneTable:
    """One reading: the rows of its legacy table before and after."""

    def __init__(self, judge: Judge, reading: Reading) -> None:
        self.judge = judge
        self.reading = reading
        database, _, table = reading.target.partition(".")
        self.virtual = table in {virtual.name for virtual in schema_reader.target(database).virtual_tables}
        self.before, self.later = (
            next(
                same_tables
                for same_tables in case.reader.all_readings
                if (same_tables.source, same_tables.target) == (reading.source, reading.target)
            )
            for case in (judge.before, judge.in_use)
        )
        self.was = judge.by_id(judge.sets.baseline, reading.target)
        self.now = judge.by_id(judge.sets.used, reading.target)
        table_now = judge.matched.table(reading.target)
        missing = [row for row in table_now.missing if row.source == reading.source]
        self.missing = Counter(typed(row.key) for row in missing)
        self.nearest = {typed(row.key): f": {row.nearest}" for row in missing if row.nearest}

    def faults(self) -> Iterator[str]:
        """Yield the faults of the legacy table."""
        source = self.reading.source
        if self.judge.sets.back.originals.get(source.partition(".")[0]) is None:
            yield f"{source}: its file is missing"
            return
        originals, back = self._legacy(self.judge.sets.originals), self._legacy(self.judge.sets.back)
        became = defaultdict(list)
        for key, id_ in self.judge.before.lineage.became(source=source):
            became[typed(key)].append(typed(id_))
        new = [row for key in back.keys() - originals.keys() for row in back[key]]
        for key, rows_ in originals.items():
            now = back.get(key, [])
            if len(rows_) == 1 and key[1] is not None and key in self.was_aside:
                yield from self._was_aside(key, rows_[0], now, new)
            elif len(rows_) == 1 and key[1] is not None:
                yield from self._original(key, rows_[0], now, became.get(key, []))
            elif key[1] is None and self._got_keys(rows_, now, new):
                continue
            elif Counter(map(_whole, rows_)) - self.left_aside != Counter(map(_whole, now)) - self.left_aside:
                yield f"{source} {key[1]!r}: its {len(rows_)} rows changed"
        yield from self._new(originals, back)

    @cached_property
    def was_aside(self) -> dict[Typed, Whole]:
        """The rows that were in quarantine at the cutover, by key."""
        return dict(self._aside(self.judge.baseline_of))

    @cached_property
    def is_aside(self) -> dict[Typed, Whole]:
        """The rows that were in quarantine when the rollback began, by key."""
        return dict(self._aside(self.judge.used_of))

    @cached_property
    def left_aside(self) -> Counter[Whole]:
        """The rows without a key that left the quarantine while it was in use: each may have got one."""
        was, now = (
            Counter(row for key, row in self._aside(copy) if key[1] is None)
            for copy in (self.judge.baseline_of, self.judge.used_of)
        )
        return was - now

    @cached_property
    def moved(self) -> dict[Typed, Typed]:
        """Legacy key -> id of a row in use to which the lineage in use leads."""
        asked = "SELECT legacy_key, target_id FROM lineage WHERE source = ? AND target = ? AND target_id IS NOT NULL"
        found = self._recorded(self.judge.used_of, asked)
        return {typed(key): typed(id_) for key, id_ in found if typed(id_) in self.now}

    def _aside(self, copy_of: Callable[[str], Path]) -> Iterator[tuple[Typed, Whole]]:
        """Yield key and cells of each quarantined row of the legacy table."""
        asked = "SELECT legacy_key, row FROM quarantine WHERE source = ? AND target = ?"
        for key, row in self._recorded(copy_of, asked):
            yield typed(key), _whole(kept_row(row))

    def _recorded(self, copy_of: Callable[[str], Path], asked: str) -> list[tuple[Cell, ...]]:
        """Return what lineage or quarantine record of the legacy table; nothing if the application dropped them."""
        database, _, table = self.reading.target.partition(".")
        with closing(connections.read(copy_of(database))) as connection:
            try:
                return rows(connection, asked, self.reading.source, table).fetchall()
            except sqlite3.OperationalError:
                return []

    def _was_aside(self, key: Typed, was: Row, now: list[Row], new: list[Row]) -> Iterator[str]:
        """Yield the faults of a legacy row that was in quarantine at the cutover; *new* are the rows without an original."""
        name, moved = f"{self.reading.source} {key[1]!r}", self.moved.get(key)
        if len(now) > 1:
            yield f"{name}: exists {len(now)} times"
        elif not now:
            if moved or key in self.is_aside:
                yield f"{name}: is missing, though it was not deleted"
        elif moved and self.missing[key] and not self._in_residue([moved]):
            yield f"{name}: was resolved, but does not become the row that was in use{self.nearest.get(key, '')}"
        elif not moved and self.missing[key] and _unlike(was, now[0]) and _whole(now[0]) != self.is_aside.get(key):
            # A new row of which its legacy row cannot hold everything is in the residue.
            if not any(self._in_residue([id_]) for id_ in self.now.keys() - self.was.keys()):
                yield f"{name}: changed, but it becomes no row that was in use"
        elif key not in self.is_aside and not _unlike(was, now[0]) and any(self._is_copy(was, row) for row in new):
            yield f"{name}: left the quarantine, and is there as it was beside a corrected copy"

    def _got_keys(self, was: list[Row], now: list[Row], new: list[Row]) -> bool:
        """Return whether each row without a key that is missing was corrected, and is a row with a new key."""
        left = Counter(map(_whole, now))
        gone = [row for row in was if not left[_whole(row)]]
        corrected = self.judge.corrected.get(self.reading.source, set())
        named = [row for row in new if typed(row[self.reading.key]) in corrected]
        known = [row for row in gone if any(self._is_copy(row, copy) for copy in named)]
        return bool(gone) and len(known) == len(gone) == len(was) - len(now) <= len(named)

    def _is_copy(self, was: Row, row: Row) -> bool:
        """Return whether *row* has most of the cells of *was* that hold anything, its names among them."""
        names = [name for name in self.reading.columns if name != self.reading.key]
        both = [name for name in names if was[name] not in (None, "", 0) and row[name] not in (None, "", 0)]
        equal = [name for name in both if same(was[name], row[name])]
        texts = [name for name in both if isinstance(was[name], str)]
        return 2 * len(equal) > len(both) > 2 and 2 * len([name for name in texts if name in equal]) >= len(texts)

    def _legacy(self, legacy: LegacySet) -> dict[Typed, list[Row]]:
        database, _, table = self.reading.source.partition(".")
        by_key: dict[Typed, list[Row]] = defaultdict(list)
        with legacy.read(database) as connection:
            for row in of(connection, table, self.reading.key):
                by_key[typed(row[self.reading.key])].append(row)
        return by_key

    def _original(self, key: Typed, was: Row, now: list[Row], ids: list[Typed]) -> Iterator[str]:
        name = f"{self.reading.source} {key[1]!r}"
        if len(now) > 1:
            yield f"{name}: exists {len(now)} times"
            return
        ids = [id_ for id_ in ids if id_[1] is not None]
        left = [self.renumbered.get(id_, id_) for id_ in ids]
        left = [id_ for id_ in left if self.now.get(id_) and not self._is_another(id_)]
        if ids and not left:
            if now and self._is_refused(was, now[0], ids):
                return
            if now and not self._is_new(now[0], was):
                yield f"{name}: each row that it became was deleted, but it exists"
            elif now and (kept := self._kept_of_the_deleted(was, now[0], key, ids)):
                yield f"{name}: has the key of a deleted row, and its {', '.join(kept)}"
            return
        if not now:
            yield f"{name}: is missing, but no row that it became was deleted"
        elif all(id_ in self.renumbered or self.was[id_] == self.now.get(id_) for id_ in ids):
            # The rows that a row refers to may have changed, and with them the cells rebuilt through the reference.
            before, later = (
                self._rebuilt(self.before, self.was, key, ids),
                self._rebuilt(self.later, self.now, key, left),
            )
            differing = [column for column in _unlike(was, now[0]) if not ids or same(before[column], later[column])]
            if differing and not self._is_looked_up(key, was, now[0], differing):
                yield f"{name}: {', '.join(differing)} changed, but no row that it became did"
        else:
            yield from self._touched(name, key, was, now[0], left)

    def _is_looked_up(self, key: Typed, was: Row, now: Row, differing: list[str]) -> bool:
        """Return whether empty cells were filled in by a lookup that changed."""
        forward = next(
            reading for reading in self.judge.now.reader.all_readings if reading.source == self.reading.source
        ).forward
        empty = all(was[column] in (None, "") for column in differing)
        return empty and not self.missing[key] and any(not same(rule(was), rule(now)) for rule in forward.values())

    def _is_another(self, id_: Typed) -> bool:
        """Return whether the key of a deleted row was assigned to a new row: no cell is the same."""
        if not self.virtual or id_ not in self.was or self.was[id_] == self.now[id_]:
            return False
        before, now = self.was[id_][0], self.now[id_][0]
        key = target_key(self.reading.target)
        return not any(before[name] is not None and same(before[name], now[name]) for name in before if name != key)

    def _is_refused(self, was: Row, now: Row, ids: list[Typed]) -> bool:
        """Return whether the row's target row only got another key and is in the residue."""
        key = target_key(self.reading.target)
        became = [cells_of(row, key) for id_ in ids for row in self.was[id_]]
        kept = [row for row in self.judge.residue(self.reading.target) if cells_of(row, key) in became]
        return (
            not _unlike(was, now)
            and len(became) == len(kept) == self._vanished[became[0]] == 1
            and typed(kept[0][key]) not in self.was
        )

    @cached_property
    def renumbered(self) -> dict[Typed, Typed]:
        """Assigned id -> the id that its row has now, if only the id changed and no other such row is equal to it."""
        if not self.reading.assigned:
            return {}
        key, recorded = target_key(self.reading.target), set(self.moved.values())
        vanished, appeared = (
            {
                cells_of(row, key): id_
                for id_, rows_ in rows_by_id.items()
                if id_ not in other
                for row in rows_
                if counts[cells_of(row, key)] == 1
            }
            for rows_by_id, other, counts in (
                (self.was, self.now, self._vanished),
                (self.now, self.was, self._gone_from(self.now, self.was)),
            )
        )
        # A row that the lineage in use leads to was written through a legacy schema.
        return {
            id_: appeared[cells]
            for cells, id_ in vanished.items()
            if cells in appeared and appeared[cells] not in recorded
        }

    @cached_property
    def _vanished(self) -> Counter[Cells]:
        """The rows whose key is no longer in use, without the key."""
        return self._gone_from(self.was, self.now)

    def _gone_from(self, rows_by_id: Mapping[Typed, list[Row]], other: Mapping[Typed, list[Row]]) -> Counter[Cells]:
        key = target_key(self.reading.target)
        return Counter(cells_of(row, key) for id_, rows_ in rows_by_id.items() if id_ not in other for row in rows_)

    def _is_new(self, now: Row, was: Row) -> bool:
        """Return whether a legacy row with the key of a deleted row is a new row."""
        kept = [name for name in self.reading.columns if name != self.reading.key and was[name] is not None]
        return not any(same(now[name], was[name]) for name in kept if name not in self.reading.homeless)

    def _kept_of_the_deleted(self, was: Row, now: Row, key: Typed, ids: list[Typed]) -> list[str]:
        """Return the columns of a new row that still have values which only the deleted row had."""
        rebuilt = self._rebuilt(self.before, self.was, key, ids)
        return [
            name for name in self.reading.homeless if same(was[name], now[name]) and not same(was[name], rebuilt[name])
        ]

    def _touched(self, name: str, key: Typed, was: Row, now: Row, left: list[Typed]) -> Iterator[str]:
        """Yield each changed cell that the change in use does not concern."""
        if self.reading.parts is not None:
            if self.missing[key] and _unlike(was, now):
                yield f"{name}: one of the rows that it became changed, and it no longer agrees with the others"
            return
        if self.missing[key] and not self._in_residue(left):
            yield f"{name}: does not become the row that was in use, which is not in the residue{self.nearest.get(key, '')}"
        before, later = self._rebuilt(self.before, self.was, key, left), self._rebuilt(self.later, self.now, key, left)
        for column in self.reading.columns:
            if same(was[column], now[column]):
                continue
            untouched = same(before[column], later[column])
            if column in self.reading.homeless:
                # A cell that is computed from the row, and not kept in rest, may be computed again.
                untouched = not (same(was[column], before[column]) and same(now[column], later[column]))
            if untouched:
                yield f"{name}: {column} changed, which the change in use does not concern"

    def _in_residue(self, ids: list[Typed]) -> bool:
        without = self.judge.nameless(self.reading.target)
        kept = {cells_of(row, without) for row in self.judge.residue(self.reading.target)}
        return all(cells_of(row, without) in kept for id_ in ids for row in self.now[id_])

    def _rebuilt(self, reading: Reading, by_id: Mapping[Typed, list[Row]], key: Typed, ids: list[Typed]) -> Row:
        return rebuilt_row(reading, [row for id_ in ids for row in by_id[id_][:1]], key[1])

    def _new(self, originals: Mapping[Typed, list[Row]], back: Mapping[Typed, list[Row]]) -> Iterator[str]:
        """Yield new legacy rows that no row in use explains, and those with an earlier key."""
        database, _, table = self.reading.source.partition(".")
        mark = self.judge.sets.originals.sequences(database).get(folded(table), 0)
        kept = len(self.judge.residue(self.reading.target))
        unexplained = sorted(
            (key for key in back.keys() - originals.keys() for _ in range(self.missing[key])), key=repr
        )
        for key in back.keys() - originals.keys():
            if isinstance(key[1], int) and key[1] <= mark and self.reading.assigned:
                yield f"{self.reading.source} {key[1]!r}: is new, but ids up to {mark} were assigned before"
        for key in unexplained[kept + self.judge.made_anew(self.reading.source) :]:
            yield f"{self.reading.source} {key[1]!r}: is new, but no row in use explains it{self.nearest.get(key, '')}"


def _whole(row: Row) -> Whole:
    return frozenset((name, typed(cell)) for name, cell in row.items())


def _unlike(first: Row, second: Row) -> list[str]:
    return [name for name in first if name not in second or not same(first[name], second[name])]
