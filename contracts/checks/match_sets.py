"""A set without lineage, as a whole: which row every legacy row became, by value, and what is nowhere."""

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
from migrator.system.connections import quoted


@dataclass(slots=True, kw_only=True)
class Carried:
    """A legacy table that the specification has no home for.

    Attributes:
        rows: Its rows.
        found_in: The tables here that have its columns, whatever they are called.
        lost: First cells of the rows that are in none of them.
    """

    rows: int = 0
    found_in: list[str] = field(default_factory=list)
    lost: list[Cell] = field(default_factory=list)


class InferredLineage:
    """What the rows of a case say of each other; every table is matched once, parents before children."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._tables: dict[str, TableByValue] = {}
        self._carried: dict[str, Carried] = {}
        self._left: dict[tuple[str, tuple[str, ...]], Counter[tuple[row_accounting.Typed, ...]]] = {}

    def table(self, target: str) -> TableByValue:
        """Return what came of the specified table *target*."""
        if target not in self._tables:
            database, _, name = target.partition(".")
            shape = next((one for one in schema_reader.target(database).tables if one.name == name), None)
            # A wallet is named by its address, and an address is a value like others.
            parents = {
                key.columns[0]: self.table(f"{database}.{key.parent}")
                for key in (shape.foreign_keys if shape else ())
                if shape and shape.column(key.columns[0]).type == "INTEGER"
            }
            self._tables[target] = TableByValue(self.case, target, parents)
        return self._tables[target]

    @property
    def missing(self) -> list[str]:
        """The databases of the consolidated set that do not say which legacy row became which row."""
        return without_lineage(self.case.judged)

    def became(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each row of a legacy table, or of each in a target table."""
        for one in self.case.reader.all_readings:
            if source in ("", one.source) and target in ("", one.target):
                yield from self.table(one.target).became(one.source).items()

    def readable(self, table: str, columns: Iterable[str]) -> bool:
        """Tell whether another tool made the table as specified."""
        return not self.case.judged.unreadable(table, columns)

    def fates(self) -> Finding:
        """Look for legacy tables with rows whose columns no table here has, or whose specified table is not there."""
        return Finding(what="legacy table that is nowhere", faults=self._homeless())

    def _homeless(self) -> Iterator[str]:
        for table in self.case.legacy.every_table():
            if not row_accounting.home_of(self.case, table):
                continue
            reading = self.case.reader.reading_of(table.source)
            if reading is not None and (problem := self.table(reading.target).problem):
                yield f"{table.source}: {reading.target}: {problem}"
            if reading is None and (carried := self.carried_table(table)).rows and not carried.found_in:
                yield f"{table.source}: {carried.rows:,} rows, and no table here has its columns"

    def accounts(self, target: str) -> Finding:
        """Look for the legacy rows that a constraint of the database *target* refuses and that nothing keeps."""
        gone = [
            f"{one.source} {one.key!r} -> {target}.{table}: {one.refused} refuses it, and nothing keeps it"
            for table in specified_tables(target)
            for one in self._refused_and_gone(f"{target}.{table}")
        ]
        return Finding(what="legacy row that is refused and kept nowhere", faults=gone)

    def carried(self, target: str) -> Finding:
        """Look for rows of tables without a home in the specification that should be in *target* and are nowhere."""
        lost = [
            f"{table.source} {key!r}: is nowhere"
            for table in self.case.legacy.every_table()
            if row_accounting.home_of(self.case, table) == target and self.case.reader.reading_of(table.source) is None
            for key in self.carried_table(table).lost
        ]
        return Finding(what="row of a table that nobody specified is nowhere", faults=lost)

    def values(self, target: str) -> Finding:
        """Look for what the table *target* lacks of what it should say, and for what it says beyond that."""
        rows_ = self.table(target).rows
        return Finding(what="row is lost or invented", faults=self._differences(target), of=rows_, rows=rows_)

    def miscounted(self, target: str) -> str:
        """Return how the rows of the table *target* differ in number from those of its sources; '' if they do not."""
        table = target.partition(".")[2]
        if self.case.reader.readings(target):
            matched = self.table(target)
            should = matched.wanted - sum(bool(one.refused) for one in matched.missing)
            fits = matched.here - matched.stubs == should
            return "" if fits else f"{table}: expected {should} and {matched.stubs} stubs, found {matched.here}"
        found = row_accounting.rows_of(self.case, target)
        return "" if table == "config" or not found else f"{table}: expected 0 and 0 stubs, found {found}"

    def losses(self) -> Losses:
        """Count the legacy rows that are nowhere, by value."""
        found = Losses()
        for table, count in row_accounting.counted(self.case):
            found.of += count
            if self.case.reader.reading_of(table.source) is None:
                found.rows[table.source] += len(self.carried_table(table).lost)
        for target in dict.fromkeys(one.target for one in self.case.reader.all_readings):
            refused = sum(1 for _ in self._refused_and_gone(target))
            found.refused += refused
            found.rows[target] += refused + sum(not one.refused for one in self.table(target).missing)
        found.rows = +found.rows
        return found

    def _differences(self, target: str) -> Iterator[str]:
        """Yield what *target* lacks of what it should say, and what it says beyond that."""
        table = self.table(target)
        if table.problem:
            yield f"{target}: {table.problem}: {len(table.missing):,} legacy rows have no row"
            return
        for one in table.missing:
            if not one.refused:
                more = f"; {one.nearest}" if one.nearest else ""
                yield f"{one.source} {one.key!r} -> {target}: no row says what the decisions make of it{more}"
        for id_ in table.extra.values():
            yield f"{target} {id_!r}: no legacy row stands behind it"

    def _refused_and_gone(self, target: str) -> Iterator[Missing]:
        """Yield legacy rows that a constraint of *target* refuses and that no quarantine keeps."""
        kept = self._kept(target)
        for one in self.table(target).missing:
            if one.refused and not kept[one.source, row_accounting.typed(one.key)]:
                yield one
            elif one.refused:
                kept[one.source, row_accounting.typed(one.key)] -= 1

    def _kept(self, target: str) -> Counter[tuple[str, row_accounting.Typed]]:
        database, _, table = target.partition(".")
        if self.case.judged.unreadable(f"{database}.quarantine", QUARANTINE):
            return Counter()
        asked = self.case.target_rows(f"{database}.quarantine", "source", "legacy_key", target=table)
        return Counter((source, row_accounting.typed(key)) for source, key in asked)

    def carried_table(self, table: LegacyTable) -> Carried:
        """Return what came of a legacy table without a home in the specification."""
        if table.source not in self._carried:
            made = self._carried[table.source] = Carried()
            candidates = self._candidates(table)
            made.found_in = [where for where, _ in candidates]
            wanted = Counter(tuple(map(row_accounting.typed, cells)) for cells in self._all_of(table))
            made.rows = wanted.total()
            for where, left in candidates:
                # What one legacy table has taken is no other's.
                taken = wanted & left
                wanted -= taken
                self._left[where, table.columns] = left - taken
            made.lost = [cells[0][1] for cells in wanted.elements()]
        return self._carried[table.source]

    def _all_of(self, table: LegacyTable) -> Iterator[tuple[Cell, ...]]:
        database, _, name = table.source.partition(".")
        with self.case.legacy.read(database) as connection:
            yield from rows(connection, f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(name)}")

    def _candidates(self, table: LegacyTable) -> list[tuple[str, Counter[tuple[row_accounting.Typed, ...]]]]:
        wanted = {name.lower() for name in table.columns}
        found = []
        for target in self.case.judged.originals:
            for name, columns in self.case.judged.columns(target).items():
                if name not in specified_tables(target) and columns == wanted:
                    where = f"{target}.{name}"
                    if (where, table.columns) not in self._left:
                        self._left[where, table.columns] = self._rows_of(target, name, table.columns)
                    found.append((where, self._left[where, table.columns]))
        return found

    def _rows_of(self, target: str, name: str, columns: tuple[str, ...]) -> Counter[tuple[row_accounting.Typed, ...]]:
        with self.case.judged.read(target) as connection:
            try:
                found = rows(connection, f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(name)}")
                return Counter(tuple(map(row_accounting.typed, cells)) for cells in found)
            except sqlite3.Error:
                # What cannot be read is not there.
                return Counter()
