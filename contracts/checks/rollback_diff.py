"""Judges a rollback: compares the set that was in use with the legacy set after it.

It reads only databases and shares no code with the write-back: the originals, the baseline, the three databases as they were
in use when the rollback began, the legacy files after it, and the residue.  The oracle works out what each legacy row
becomes now, and both sides are matched by value, references followed.  Then

* each row that was in use is what one legacy row becomes, or it is in the residue, whole, but not both;
* a legacy row whose rows were not changed is the same, byte for byte; if its rows were all deleted, it is deleted;
* of a changed row, each cell that the change does not concern stays, including cells that only ``rest`` kept;
* a legacy row without an original becomes a row that was in use, and no id is assigned twice.

:mod:`contracts.checks.rollback_rows` judges each mapped legacy row, :mod:`contracts.checks.rollback_carried_tables` the carried
tables and the declarations of the files.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import cast

from contracts.checks import corrected_rows
from contracts.checks.leveled_rows import lacks_columns, level, leveled_reading
from contracts.checks.lineage import choose
from contracts.checks.match_sets import InferredLineage
from contracts.checks.row_accounting import Typed, typed
from contracts.oracle.cells import Cell, Row, rows
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case, Lineage
from contracts.sets.consolidated import Subject
from contracts.sets.legacy import LegacySet
from contracts.sets.pair import Pair, specified_tables
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.specified import Specification
from migrator.system import connections, private_copy
from migrator.system.connections import folded, quoted

#: A row as cells with their storage classes, in the order of its columns.
Cells = tuple[Typed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The databases before and after a rollback.

    Attributes:
        originals: The legacy set before the cutover.
        back: The legacy set after the rollback.
        baseline: The folder of the three consolidated databases as they were installed.
        used: The folder of the three databases as they were in use when the rollback began.
        residue: The database of rows that no legacy table can hold; None without one.
        constants: The constants of the owners' configuration, for the oracle.
        specification: The specification with the amendments that the set was built with.
        scratch: A folder for private copies.
    """

    originals: LegacySet
    back: LegacySet
    baseline: Path
    used: Path
    residue: Path | None
    constants: Mapping[str, str]
    specification: Specification
    scratch: Path


@dataclass
class Judge:
    """The judgement of one rollback; each table is read once.

    Attributes:
        sets: The databases.
        left_out: Legacy databases that are not judged.
        corrected: Legacy table -> keys of its rows that :mod:`contracts.checks.corrected_rows` completed.
    """

    sets: Sets
    left_out: frozenset[str] = frozenset()
    corrected: dict[str, set[Typed]] = field(default_factory=dict, repr=False)
    _residue: dict[str, list[Row]] = field(default_factory=dict, repr=False)
    _cases: dict[str, Case] = field(default_factory=dict, repr=False)

    @cached_property
    def before(self) -> Case:
        """The originals and the baseline, with its lineage."""
        return self._case(self.sets.originals, self._copies("baseline", self.sets.baseline))

    @cached_property
    def in_use(self) -> Case:
        """The originals and the set that was in use, with the lineage of the baseline."""
        return self._case(self.sets.originals, self._copies("used", self.sets.used, lineage=True))

    @cached_property
    def now(self) -> Case:
        """The legacy set after the rollback and the set that was in use, matched by value."""
        copies = self._copies("matched", self.sets.used)
        for target in catalogue.TARGETS:
            with closing(connections.scratch(copies.original(target))) as connection:
                level(connection, target, self.sets.baseline / catalogue.TARGETS[target], self.in_use, self._both)
                for table in ("lineage", "quarantine"):
                    connection.execute(f"DROP TABLE IF EXISTS main.{table}")
        self._complete(copies)
        case = self._case(self.sets.back, copies, InferredLineage)
        case.reader.all_readings = [
            leveled_reading(reading, case.reader.readings(reading.target)) for reading in case.reader.all_readings
        ]
        return case

    def _complete(self, copies: Subject) -> None:
        """Complete the new rows of normalised *copies* that are corrected copies of quarantined rows."""
        became: dict[str, Mapping[Cell, Cell]] = {}
        corrected: dict[str, set[Cell]] = defaultdict(set)
        for reading, quarantined, new in self._corrected(copies):
            with closing(connections.scratch(copies.original(reading.target.partition(".")[0]))) as connection:
                again = self._reading_now("again", copies, reading)
                became[reading.source] = corrected_rows.complete(
                    connection,
                    again,
                    self.before.reader.affinity,
                    quarantined,
                    (self.sets.originals, self.sets.back),
                    new,
                )
            corrected[reading.target.partition(".")[2]].update(became[reading.source].values())
            self.corrected[reading.source] = set(map(typed, became[reading.source]))
        if not any(corrected.values()):
            return
        for reading in self.before.reader.all_readings:
            if corrected_rows.references(reading).values() & corrected.keys() and not self.is_left_out(reading.target):
                named = {**dict(self.before.lineage.became(source=reading.source)), **became.get(reading.source, {})}
                with closing(connections.scratch(copies.original(reading.target.partition(".")[0]))) as connection:
                    again = self._reading_now("completed", copies, reading)
                    corrected_rows.adopt(connection, again, named, self.sets.back, corrected)

    def _corrected(self, copies: Subject) -> Iterator[tuple[Reading, list[tuple[Cell, Row]], list[Row]]]:
        """Yield each reading with rows in quarantine at the cutover, these, and the new rows of its target table."""
        for reading in self.before.reader.all_readings:
            target, _, table = reading.target.partition(".")
            if not reading.assigned or reading.parts or self.is_left_out(reading.target):
                continue
            with closing(connections.read(self.baseline_of(target))) as baseline:
                quarantined = corrected_rows.aside(baseline, reading)
            if not quarantined:
                continue
            was, key = self._both(reading.target)[0], target_key(reading.target)
            with closing(connections.read(copies.original(target))) as connection:
                new = [row for row in of(connection, table, key) if typed(row[key]) not in was]
            if new:
                yield reading, quarantined, new

    def _reading_now(self, name: str, copies: Subject, reading: Reading) -> Reading:
        """Return the normalised *reading* of the legacy set after the rollback, beside *copies* as they are now."""
        if name not in self._cases:
            self._cases[name] = self._case(self.sets.back, self._copies(name, copies.where), InferredLineage)
        siblings = self._cases[name].reader.readings(reading.target)
        again = next(sibling for sibling in siblings if sibling.source == reading.source)
        return leveled_reading(again, siblings)

    @property
    def matched(self) -> InferredLineage:
        """The rows of :attr:`now`, matched."""
        return cast("InferredLineage", self.now.lineage)

    def residue(self, table: str) -> list[Row]:
        """Return the rows of a consolidated table in the residue, without their reasons."""
        if table not in self._residue:
            rows_ = self._read_residue(table.replace(".", "_", 1))
            self._residue[table] = [_without_added_columns(table, row) for row in rows_]
        return self._residue[table]

    def _read_residue(self, name: str) -> list[Row]:
        if self.sets.residue is None:
            return []
        copy = self.sets.scratch / "residue.db"
        if not copy.exists():
            private_copy.private_copy(self.sets.residue, copy)
        with closing(connections.read(copy)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone():
                return []
            return [{key: cell for key, cell in row.items() if key != "why"} for row in of(connection, name)]

    def _case(self, legacy: LegacySet, judged: Subject, choose: Callable[[Case], Lineage] = choose) -> Case:
        # The switch records only the constants that rows needed; no row depends on the others.
        constants = defaultdict(str, self.sets.constants)
        return Case(pair=Pair(legacy=legacy, judged=judged), constants=constants, fates={}, choose=choose)

    def _copies(self, name: str, folder: Path, *, lineage: bool = False) -> Subject:
        """Copy the three databases of *folder*, with the baseline's *lineage* if it is set."""
        into = self.sets.scratch / name
        for inner in (into, into / "read"):
            inner.mkdir(mode=0o700)
        originals = {}
        for target, file in catalogue.TARGETS.items():
            originals[target] = private_copy.private_copy(folder / file, into / file)
            if lineage:
                with closing(connections.scratch(originals[target])) as connection:
                    connections.attach(connection, self.sets.baseline / file, "baseline")
                    connection.execute("DROP TABLE IF EXISTS main.lineage")
                    connection.execute("CREATE TABLE main.lineage AS SELECT * FROM baseline.lineage")
        return Subject(
            where=into,
            originals=MappingProxyType(originals),
            scratch=into,
            specification=self.sets.specification,
        )

    def faults(self) -> Iterator[str]:
        """Yield the faults of the specified tables."""
        for target in catalogue.TARGETS:
            for table in specified_tables(target):
                if not self.is_left_out(f"{target}.{table}"):
                    yield from self._of_target(f"{target}.{table}")

    def _both(self, target: str) -> tuple[Mapping[Typed, list[Row]], Mapping[Typed, list[Row]]]:
        return self.by_id(self.sets.baseline, target), self.by_id(self.sets.used, target)

    def is_left_out(self, target: str) -> bool:
        """Return whether a table, or a parent of it, was dropped or altered, or comes from a database that is left out."""
        database, _, _ = target.partition(".")
        shape = schema_reader.specified_table(target)
        parents = {f"{database}.{key.parent}" for key in shape.foreign_keys} - {target} if shape else set()
        sources = {reading.source.partition(".")[0] for reading in self.before.reader.readings(target)}
        gone = lacks_columns(self.in_use, target)
        return gone or bool(sources & self.left_out) or any(map(self.is_left_out, parents))

    def _of_target(self, target: str) -> Iterator[str]:
        """Yield each row in use that is in no legacy table and not in the residue, or in both."""
        if not self.now.reader.readings(target):
            without = self.nameless(target)
            # The table has no legacy rows: after a deletion the residue may hold all its other rows.
            maybe = Counter(cells_of(row, without) for row in chain(*self._both(target)[1].values()))
            yield from self._against_residue(target, self._written(target, without), maybe=maybe)
            return
        table = self.matched.table(target)
        if table.problem:
            yield f"{target}: {table.problem}"
            return
        used, stubs = self.by_id(self.sets.used, target), self._stubs_without_a_row(target)
        without = self.nameless(target)
        extra = Counter(id_ for id_ in map(typed, table.extra.values()) if id_ not in stubs)
        yield from self._against_residue(
            target, Counter(cells_of(row, without) for id_, count in extra.items() for row in used[id_][:count])
        )

    def _stubs_without_a_row(self, target: str) -> set[Typed]:
        """Return the ids of unchanged stubs to which no row in use refers.

        A stub is a row that the build added because a legacy row names it.  If each such row was deleted while the
        consolidated set was in use, the legacy set has no row that names it, as if the row had been deleted there.
        """
        was, used = self._both(target)
        named = {typed(id_) for _, id_ in self.before.lineage.became(target=target)}
        return {id_ for id_, rows_ in was.items() if id_ not in named and used[id_] == rows_} - self._referred_to(
            target
        )

    def _referred_to(self, target: str) -> set[Typed]:
        """Return the ids in a table to which rows in use refer."""
        database, _, table = target.partition(".")
        return {
            typed(row[key.columns[0]])
            for child in schema_reader.target(database).tables
            for key in child.foreign_keys
            if key.parent == table
            for rows_ in self.by_id(self.sets.used, f"{database}.{child.name}").values()
            for row in rows_
        }

    def _written(self, target: str, without: str) -> Counter[Cells]:
        """Return the rows that differ from the baseline, as stored and normalised."""
        was, used = self._both(target)
        left = Counter(cells_of(row, without) for row in chain(*was.values()))
        leveled = self.by_id(self.now.judged.where, target)
        written: Counter[Cells] = Counter()
        for id_, used_rows in used.items():
            for row, form in zip(used_rows, leveled[id_], strict=True):
                forms = (cells_of(row, without), cells_of(form, without))
                same = next((cells for cells in forms if left[cells]), None)
                if same is None:
                    written[cells_of(row, without)] += 1
                else:
                    left[same] -= 1
        return written

    def _against_residue(
        self, target: str, unexplained: Counter[Cells], maybe: Counter[Cells] | None = None
    ) -> Iterator[str]:
        without, key = self.nameless(target), target_key(target)
        used = self.by_id(self.sets.used, target)
        named = {cells_of(row, without): row[key] for row in chain(*used.values())}
        whole = Counter(cells_of(row, without) for row in chain(*used.values()))
        kept = Counter(cells_of(row, without) for row in self.residue(target))
        for row in (unexplained - kept).elements():
            yield f"{target} {named[row]!r}: is in no legacy table and not in the residue"
        for row in (kept - whole).elements():
            yield f"{target}: the residue has a row of {len(row)} cells that was not in use"
        maybe = self._may_be_both(target, used, without) if maybe is None else maybe
        for row in (kept - unexplained - maybe).elements():
            yield f"{target} {named.get(row)!r}: is in the residue and in a legacy table"

    def _may_be_both(self, target: str, used: Mapping[Typed, list[Row]], without: str) -> Counter[Cells]:
        """Return the rows that may be in a legacy table and, whole, in the residue.

        The legacy table may hold a part of such a row, because columns were added or normalisation changed it.  Or a new
        migration would refuse the row, because no legacy row becomes the row that it refers to.
        """
        database, _, _ = target.partition(".")
        shape = schema_reader.specified_table(target)
        specified = {column.name for column in shape.columns} if shape else set()
        leveled = self.by_id(self.now.judged.where, target)
        become = {
            key.columns[0]: self._become_again(f"{database}.{key.parent}")
            for key in (shape.foreign_keys if shape else ())
        }
        parts = self._of_touched_groups(target)
        return Counter(
            cells_of(row, without)
            for id_, used_rows in used.items()
            for place, row in enumerate(used_rows)
            if any(cell is not None and name not in specified for name, cell in row.items() if shape)
            or row != leveled[id_][place]
            or any(row[column] is not None and typed(row[column]) not in ids for column, ids in become.items())
            or id_ in parts
        )

    def _become_again(self, target: str) -> set[Typed]:
        """Return the ids of the rows of a table that a new migration makes from the legacy rows."""
        extra = set(map(typed, self.matched.table(target).extra.values()))
        return {id_ for id_ in self.by_id(self.sets.used, target) if id_ not in extra}

    def _of_touched_groups(self, target: str) -> set[Typed]:
        """Return the ids of all parts of a legacy row of which one part was changed or deleted."""
        was, now = self._both(target)
        touched = set()
        for reading in self.before.reader.readings(target):
            groups: dict[Typed, list[Typed]] = defaultdict(list)
            for key, id_ in self.before.lineage.became(source=reading.source) if reading.parts is not None else ():
                groups[typed(key)].append(typed(id_))
            touched |= {
                id_ for ids in groups.values() if any(was.get(part) != now.get(part) for part in ids) for id_ in ids
            }
        return touched

    def made_anew(self, source: str) -> int:
        """Return the rows in new tables that have the name of a legacy table."""
        count, name = 0, folded(source.partition(".")[2])
        for target in catalogue.TARGETS:
            was, now = (
                {table for table in case.judged.table_names(target) if folded(table) == name}
                for case in (self.before, self.in_use)
            )
            for table in now - was:
                with self.in_use.judged.read(target) as connection:
                    count += connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0]
        return count

    def nameless(self, target: str) -> str:
        """Return the key column if it is an assigned id or a rowid; else ''."""
        key = target_key(target)
        assigned = any(reading.assigned for reading in self.before.reader.readings(target))
        return key if key == "rowid" or assigned else ""

    def by_id(self, folder: Path, target: str) -> dict[Typed, list[Row]]:
        """Return id -> rows of a consolidated table in the databases of *folder*."""
        database, _, table = target.partition(".")
        by_id: dict[Typed, list[Row]] = defaultdict(list)
        with closing(connections.read(self._private(folder, database))) as connection:
            key = target_key(target)
            for row in of(connection, table, key):
                by_id[typed(row[key])].append(_without_added_columns(target, row))
        return by_id

    def baseline_of(self, target: str) -> Path:
        """Return a private copy of a consolidated database as it was installed."""
        return self.before.judged.copy(target)

    def used_of(self, target: str) -> Path:
        """Return a private copy of a consolidated database as it was in use, with its own lineage."""
        name = catalogue.TARGETS[target]
        copy = self.sets.scratch / f"as-used-{name}"
        return copy if copy.exists() else private_copy.private_copy(self.sets.used / name, copy)

    def _private(self, folder: Path, target: str) -> Path:
        known = {self.sets.baseline: self.before, self.sets.used: self.in_use}
        return known[folder].judged.copy(target) if folder in known else self.now.judged.copy(target)


def of(connection: sqlite3.Connection, table: str, key: str = "") -> Iterator[Row]:
    """Yield the rows of a table as column -> cell, with the rowid if it is the *key*."""
    also = f"{key} AS rowid, " if key == "rowid" else ""
    cursor = rows(connection, f"SELECT {also}* FROM {quoted(table)}")
    names = [name for name, *_ in cursor.description]
    for cells in cursor:
        yield dict(zip(names, cells, strict=True))


def _without_added_columns(target: str, row: Row) -> Row:
    """Return a row without added columns that are NULL in it."""
    shape = schema_reader.specified_table(target)
    specified = {column.name for column in shape.columns} if shape else row.keys()
    return {name: cell for name, cell in row.items() if cell is not None or name in specified}


def cells_of(row: Row, without: str = "") -> Cells:
    """Return a row as cells with their storage classes, *without* one column."""
    return tuple(typed(cell) for name, cell in row.items() if name != without)
