"""A set without lineage, as a whole: which row every legacy row became, by value, and what is nowhere."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.checks import row_accounting
from contracts.checks.match_tables import Missing, TableByValue
from contracts.oracle.cells import Cell, rows
from contracts.oracle.rules import Reading
from contracts.sets.legacy import LegacyTable
from contracts.sets.pair import QUARANTINE, Pair, specified_tables
from migrator.schema import catalogue
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


class Matching:
    """The rows of a pair, matched by value; every table once, parents before children."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
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
            self._tables[target] = TableByValue(self.pair, target, parents)
        return self._tables[target]

    def lineage(self, source: str) -> Iterator[tuple[Cell, Cell]]:
        """Yield key of each row of a legacy table, and the id of the row that it became."""
        for target in dict.fromkeys(one.target for one in self.pair.reader.all_readings if one.source == source):
            yield from self.table(target).became(source).items()

    def lineage_of(self, target: str) -> Iterator[tuple[Cell, Cell]]:
        """Yield key of each legacy row that goes to the table *target*, and the id of the row that it became."""
        for source in dict.fromkeys(one.source for one in self.pair.reader.all_readings if one.target == target):
            yield from self.table(target).became(source).items()

    def readings(self, source: str) -> list[Reading]:
        """Return the readings of a legacy table; none where the specification has no home for it."""
        return [one for one in self.pair.reader.all_readings if one.source == source]

    def differences(self, target: str) -> Iterator[str]:
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

    def refused_and_gone(self, target: str) -> Iterator[Missing]:
        """Yield legacy rows that a constraint of *target* refuses and that no quarantine keeps."""
        kept = self._kept(target)
        for one in self.table(target).missing:
            if one.refused and not kept[one.source, row_accounting.typed(one.key)]:
                yield one
            elif one.refused:
                kept[one.source, row_accounting.typed(one.key)] -= 1

    def _kept(self, target: str) -> Counter[tuple[str, row_accounting.Typed]]:
        database, _, table = target.partition(".")
        if self.pair.judged.unreadable(f"{database}.quarantine", QUARANTINE):
            return Counter()
        asked = self.pair.target_rows(f"{database}.quarantine", "source", "legacy_key", target=table)
        return Counter((source, row_accounting.typed(key)) for source, key in asked)

    def carried(self, table: LegacyTable) -> Carried:
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
        with self.pair.legacy.read(database) as connection:
            yield from rows(connection, f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(name)}")

    def _candidates(self, table: LegacyTable) -> list[tuple[str, Counter[tuple[row_accounting.Typed, ...]]]]:
        wanted = {name.lower() for name in table.columns}
        found = []
        for target in self.pair.judged.originals:
            for name, columns in self.pair.judged.columns(target).items():
                if name not in specified_tables(target) and columns == wanted:
                    where = f"{target}.{name}"
                    if (where, table.columns) not in self._left:
                        self._left[where, table.columns] = self._rows_of(target, name, table.columns)
                    found.append((where, self._left[where, table.columns]))
        return found

    def _rows_of(self, target: str, name: str, columns: tuple[str, ...]) -> Counter[tuple[row_accounting.Typed, ...]]:
        with self.pair.judged.read(target) as connection:
            try:
                found = rows(connection, f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(name)}")
                return Counter(tuple(map(row_accounting.typed, cells)) for cells in found)
            except sqlite3.Error:
                # What cannot be read is not there.
                return Counter()


def home_of(pair: Pair, table: LegacyTable) -> str:
    """Return the consolidated database that should have the rows of a legacy table; '' where none should."""
    name = table.source.partition(".")[0]
    fate = row_accounting.decided_fate(pair, name)
    if fate in {row_accounting.STANDALONE, "ignore"}:
        return ""
    reading = next((one for one in pair.reader.all_readings if one.source == table.source), None)
    if reading is not None:
        return reading.target.partition(".")[0]
    return "" if table.kind == "virtual" else row_accounting.home(pair, name) or next(iter(catalogue.TARGETS))


def homeless(pair: Pair) -> Iterator[str]:
    """Yield legacy tables with rows whose columns no table here has, or whose specified table is not there."""
    for table in pair.legacy.every_table():
        if not home_of(pair, table):
            continue
        targets = [one.target for one in pair.by_value.readings(table.source)]
        for target in targets:
            if problem := pair.by_value.table(target).problem:
                yield f"{table.source}: {target}: {problem}"
        if not targets and (carried := pair.by_value.carried(table)).rows and not carried.found_in:
            yield f"{table.source}: {carried.rows:,} rows, and no table here has its columns"


def refused_and_gone(pair: Pair, target: str) -> list[str]:
    """Return the legacy rows that a constraint of the database *target* refuses and that nothing keeps."""
    return [
        f"{one.source} {one.key!r} -> {target}.{table}: {one.refused} refuses it, and nothing keeps it"
        for table in specified_tables(target)
        for one in pair.by_value.refused_and_gone(f"{target}.{table}")
    ]


def lost_of_carried(pair: Pair, target: str) -> list[str]:
    """Return the rows of tables without a home in the specification that should be in *target* and are nowhere."""
    return [
        f"{table.source} {key!r}: is nowhere"
        for table in pair.legacy.every_table()
        if home_of(pair, table) == target and not pair.by_value.readings(table.source)
        for key in pair.by_value.carried(table).lost
    ]
