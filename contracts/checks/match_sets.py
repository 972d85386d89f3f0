"""Infers the lineage of a set without one: matches rows by value, finds lost rows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from contracts.checks import row_accounting
from contracts.checks.match_tables import Missing, TableByValue
from contracts.oracle.cells import Cell, rows
from contracts.sets.case import Case, Finding, Losses
from contracts.sets.legacy import LegacyTable
from contracts.sets.pair import QUARANTINE, specified_tables, without_lineage
from migrator.schema import reader as schema_reader
from migrator.system.connections import folded, quoted


@dataclass(slots=True, kw_only=True)
class Carried:
    """A legacy table without a target table.

    Attributes:
        rows: Number of its rows.
        found_in: The consolidated tables with the same columns, under any name.
        lost: First cells of the rows that none of those tables has.
    """

    rows: int = 0
    found_in: list[str] = field(default_factory=list)
    lost: list[Cell] = field(default_factory=list)


class InferredLineage:
    """Which legacy row became which row, matched by value, parents before children."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._tables: dict[str, TableByValue] = {}
        self._carried: dict[str, Carried] = {}
        self._left: dict[tuple[str, tuple[str, ...]], Counter[tuple[row_accounting.Typed, ...]]] = {}

    def table(self, target: str) -> TableByValue:
        """Return the matched rows of the specified table *target*."""
        if target not in self._tables:
            database, _, _ = target.partition(".")
            shape = schema_reader.specified_table(target)
            # A reference to a wallet is its address, which is compared like any value.
            parents = {
                key.columns[0]: self.table(f"{database}.{key.parent}")
                for key in (shape.foreign_keys if shape else ())
                if shape and shape.column(key.columns[0]).type == "INTEGER"
            }
            self._tables[target] = TableByValue(self.case, target, parents)
        return self._tables[target]

    @property
    def missing(self) -> list[str]:
        """The consolidated databases without a readable lineage or quarantine table."""
        return without_lineage(self.case.judged)

    def became(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each row of a legacy or a target table."""
        for reading in self.case.reader.all_readings:
            if source in ("", reading.source) and target in ("", reading.target):
                yield from self.table(reading.target).became(reading.source).items()

    def readable(self, table: str, columns: Iterable[str]) -> bool:
        """Return whether the table has these columns: another tool may have made it."""
        return not self.case.judged.unreadable(table, columns)

    def fates(self) -> Finding:
        """Find legacy tables with rows for which there is no consolidated table."""
        return Finding(what="legacy table is lost", faults=self._homeless())

    def _homeless(self) -> Iterator[str]:
        for table in self.case.legacy.every_table():
            if not row_accounting.home_of(self.case, table):
                continue
            reading = self.case.reader.reading_of(table.source)
            if reading is not None and (problem := self.table(reading.target).problem):
                yield f"{table.source}: {reading.target}: {problem}"
            if reading is None and (carried := self.carried_table(table)).rows and not carried.found_in:
                yield f"{table.source}: {carried.rows:,} rows, and no consolidated table has its columns"

    def accounts(self, target: str) -> Finding:
        """Find legacy rows that a constraint of *target* refuses and that are not in quarantine."""
        gone = [
            f"{row.source} {row.key!r} -> {target}.{table}: {row.refused} refuses it, and it is not in quarantine"
            for table in specified_tables(target)
            for row in self._refused_and_gone(f"{target}.{table}")
        ]
        return Finding(what="legacy row is refused and not in quarantine", faults=gone)

    def carried(self, target: str) -> Finding:
        """Find lost rows of legacy tables without a target table, of the database *target*."""
        lost = [
            f"{table.source} {key!r}: is lost"
            for table in self.case.legacy.every_table()
            if row_accounting.home_of(self.case, table) == target and self.case.reader.reading_of(table.source) is None
            for key in self.carried_table(table).lost
        ]
        return Finding(what="row of a legacy table without a target table is lost", faults=lost)

    def values(self, target: str) -> Finding:
        """Find rows that the table *target* lacks, and rows that no legacy row explains."""
        rows_ = self.table(target).rows
        return Finding(what="row is lost or invented", faults=self._differences(target), of=rows_, rows=rows_)

    def miscounted(self, target: str) -> str:
        """Return how the row count of *target* differs from that of its sources; '' if it does not."""
        table = target.partition(".")[2]
        if self.case.reader.readings(target):
            matched = self.table(target)
            should = matched.wanted - sum(bool(row.refused) for row in matched.missing)
            fits = matched.here - matched.stubs == should
            return "" if fits else f"{table}: expected {should} and {matched.stubs} stubs, found {matched.here}"
        count = row_accounting.rows_of(self.case, target)
        return "" if table == "config" or not count else f"{table}: expected 0 and 0 stubs, found {count}"

    def losses(self) -> Losses:
        """Count the lost legacy rows, by value."""
        losses = Losses()
        for table, count in row_accounting.counted(self.case):
            losses.of += count
            if self.case.reader.reading_of(table.source) is None:
                losses.rows[table.source] += len(self.carried_table(table).lost)
        for target in dict.fromkeys(reading.target for reading in self.case.reader.all_readings):
            refused = sum(1 for _ in self._refused_and_gone(target))
            losses.refused += refused
            losses.rows[target] += refused + sum(not row.refused for row in self.table(target).missing)
        losses.rows = +losses.rows
        return losses

    def _differences(self, target: str) -> Iterator[str]:
        """Yield the rows that *target* lacks, and the rows that no legacy row explains."""
        table = self.table(target)
        if table.problem:
            yield f"{target}: {table.problem}: {len(table.missing):,} legacy rows have no row"
            return
        for row in table.missing:
            if not row.refused:
                more = f"; {row.nearest}" if row.nearest else ""
                yield f"{row.source} {row.key!r} -> {target}: no row equals what the decisions make of it{more}"
        for id_ in table.extra.values():
            yield f"{target} {id_!r}: no legacy row explains it"

    def _refused_and_gone(self, target: str) -> Iterator[Missing]:
        """Yield legacy rows that a constraint of *target* refuses and that are not in quarantine."""
        kept = self._kept(target)
        for row in self.table(target).missing:
            if row.refused and not kept[row.source, row_accounting.typed(row.key)]:
                yield row
            elif row.refused:
                kept[row.source, row_accounting.typed(row.key)] -= 1

    def _kept(self, target: str) -> Counter[tuple[str, row_accounting.Typed]]:
        database, _, table = target.partition(".")
        if self.case.judged.unreadable(f"{database}.quarantine", QUARANTINE):
            return Counter()
        asked = self.case.target_rows(f"{database}.quarantine", "source", "legacy_key", target=table)
        return Counter((source, row_accounting.typed(key)) for source, key in asked)

    def carried_table(self, table: LegacyTable) -> Carried:
        """Return where the rows of a legacy table without a target table are."""
        if table.source not in self._carried:
            carried = self._carried[table.source] = Carried()
            candidates = self._candidates(table)
            carried.found_in = [where for where, _ in candidates]
            wanted = Counter(tuple(map(row_accounting.typed, cells)) for cells in self._all_of(table))
            carried.rows = wanted.total()
            for where, left in candidates:
                # A consolidated row counts for one legacy table only.
                taken = wanted & left
                wanted -= taken
                self._left[where, table.columns] = left - taken
            carried.lost = [cells[0][1] for cells in wanted.elements()]
        return self._carried[table.source]

    def _all_of(self, table: LegacyTable) -> Iterator[tuple[Cell, ...]]:
        database, _, name = table.source.partition(".")
        with self.case.legacy.read(database) as connection:
            yield from rows(connection, f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(name)}")

    def _candidates(self, table: LegacyTable) -> list[tuple[str, Counter[tuple[row_accounting.Typed, ...]]]]:
        wanted = {folded(name) for name in table.columns}
        candidates = []
        for target in self.case.judged.originals:
            for name, columns in self.case.judged.columns(target).items():
                if name not in specified_tables(target) and columns == wanted:
                    where = f"{target}.{name}"
                    if (where, table.columns) not in self._left:
                        self._left[where, table.columns] = self._rows_of(target, name, table.columns)
                    candidates.append((where, self._left[where, table.columns]))
        return candidates

    def _rows_of(self, target: str, name: str, columns: tuple[str, ...]) -> Counter[tuple[row_accounting.Typed, ...]]:
        with self.case.judged.read(target) as connection:
            try:
                all_cells = rows(connection, f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(name)}")
                return Counter(tuple(map(row_accounting.typed, cells)) for cells in all_cells)
            except sqlite3.Error:
                # An unreadable table counts as empty.
                return Counter()
