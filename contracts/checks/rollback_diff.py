"""An independent judge of a rollback: what the consolidated set in use said, against what the legacy set says now.

It reads databases alone, and shares no line with what carries rows back: the originals, the three as they were installed (the
baseline), the three as they were in use when the rollback began, the legacy files after it, and the residue.  The second reader works out what
each legacy row of now becomes, and both sides are matched by what they say, references followed.  Then

* each row that was in use is what a legacy row of now becomes, or it is in the residue, whole: not neither, not both;
* a legacy row whose rows were not touched is byte for byte what it was, and one whose rows are all gone is gone;
* of a row that was touched, each cell stays that the edit does not touch, what ``rest`` alone kept of it included;
* a legacy row of now that had no original became a row that was in use, and no id is given twice.

:mod:`contracts.checks.rollback_rows` judges each mapped legacy row, :mod:`contracts.checks.rollback_carried_tables` the tables that are carried as
they are, and what the files declare.
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

from contracts.checks.leveled_rows import level, leveled_reading
from contracts.checks.lineage import choose
from contracts.checks.match_sets import InferredLineage
from contracts.checks.row_accounting import Typed, typed
from contracts.oracle.cells import Row, rows
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case, Lineage
from contracts.sets.consolidated import Subject
from contracts.sets.legacy import LegacySet
from contracts.sets.pair import Pair, specified_tables
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections, private_copy
from migrator.system.connections import quoted

#: A row as cells with their storage classes, in the order of its columns.
Cells = tuple[Typed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The databases before and after a rollback.

    Attributes:
        originals: The legacy set before the cutover.
        back: The legacy set after the rollback.
        baseline: The folder of the three consolidated databases as they were installed.
        used: The folder of the three as they were in use when the rollback began.
        residue: The database with what no legacy table can hold; None without one.
        constants: What the second reader has to know of the owners' configuration.
        scratch: A folder for private copies.
    """

    originals: LegacySet
    back: LegacySet
    baseline: Path
    used: Path
    residue: Path | None
    constants: Mapping[str, str]
    scratch: Path


@dataclass
class Judge:
    """One rollback under judgement; its tables are read once.

    Attributes:
        sets: The databases.
        left_out: Legacy databases that are not judged.
    """

    sets: Sets
    left_out: frozenset[str] = frozenset()
    _residue: dict[str, list[Row]] = field(default_factory=dict, repr=False)

    @cached_property
    def before(self) -> Case:
        """The originals beside what was installed, with its lineage."""
        return self._case(self.sets.originals, self._copies("baseline", self.sets.baseline))

    @cached_property
    def in_use(self) -> Case:
        """The originals beside what was in use, with the lineage of the baseline: what each row says of its legacy row."""
        return self._case(self.sets.originals, self._copies("used", self.sets.used, lineage=True))

    @cached_property
    def now(self) -> Case:
        """The legacy set of now beside what was in use, without lineage: rows are matched by what they say."""
        copies = self._copies("matched", self.sets.used)
        for target in catalogue.TARGETS:
            with closing(connections.scratch(copies.original(target))) as connection:
                level(connection, target, self.sets.baseline / catalogue.TARGETS[target], self.in_use, self._both)
                for table in ("lineage", "quarantine"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
        case = self._case(self.sets.back, copies, InferredLineage)
        case.reader.all_readings = [
            leveled_reading(one, case.reader.readings(one.target)) for one in case.reader.all_readings
        ]
        return case

    @property
    def matched(self) -> InferredLineage:
        """The rows of :attr:`now`, matched."""
        return cast("InferredLineage", self.now.lineage)

    def residue(self, table: str) -> list[Row]:
        """Return the rows of a consolidated table that are in the residue, without the reason."""
        if table not in self._residue:
            rows_ = self._read_residue(table.replace(".", "_", 1))
            self._residue[table] = [_without_what_was_added(table, row) for row in rows_]
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
        # A constant that no row needed is not known, and no row says what it would be.
        constants = defaultdict(str, self.sets.constants)
        return Case(pair=Pair(legacy=legacy, judged=judged), constants=constants, fates={}, choose=choose)

    def _copies(self, name: str, folder: Path, *, lineage: bool = False) -> Subject:
        """Copy the three of *folder*; with the *lineage* of the baseline, where a table of that name is in use."""
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
        return Subject(where=into, originals=MappingProxyType(originals), scratch=into)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the tables that the specification has a home for."""
        for target in catalogue.TARGETS:
            for table in specified_tables(target):
                if not self.is_left_out(f"{target}.{table}"):
                    yield from self._of_target(f"{target}.{table}")

    def _both(self, target: str) -> tuple[Mapping[Typed, list[Row]], Mapping[Typed, list[Row]]]:
        return self.by_id(self.sets.baseline, target), self.by_id(self.sets.used, target)

    def is_left_out(self, target: str) -> bool:
        """Tell whether a table, or one that its rows refer to, is of a legacy database that is left out."""
        database, _, name = target.partition(".")
        shape = next((one for one in schema_reader.target(database).tables if one.name == name), None)
        parents = {f"{database}.{key.parent}" for key in shape.foreign_keys} - {target} if shape else set()
        sources = {one.source.partition(".")[0] for one in self.before.reader.readings(target)}
        return bool(sources & self.left_out) or any(map(self.is_left_out, parents))

    def _of_target(self, target: str) -> Iterator[str]:
        """Yield each row that was in use and is neither in a legacy table nor in the residue, or in both."""
        if not self.now.reader.readings(target):
            without = self.nameless(target)
            # No legacy row says what is left of such a table where a row of it was deleted: it may be there whole.
            maybe = Counter(cells_of(row, without) for row in chain(*self._both(target)[1].values()))
            yield from self._against_residue(target, self._written(target, without), maybe=maybe)
            return
        table = self.matched.table(target)
        if table.problem:
            yield f"{target}: {table.problem}"
            return
        there = self.by_id(self.sets.used, target)
        without = self.nameless(target)
        extra = Counter(map(typed, table.extra.values()))
        yield from self._against_residue(
            target, Counter(cells_of(row, without) for id_, count in extra.items() for row in there[id_][:count])
        )

    def _written(self, target: str, without: str) -> Counter[Cells]:
        """Return the rows of a table that no legacy row fills which say something else than what was installed, in either form."""
        was, used = self._both(target)
        left = Counter(cells_of(row, without) for row in chain(*was.values()))
        leveled = self.by_id(self.now.judged.where, target)
        written: Counter[Cells] = Counter()
        for id_, found in used.items():
            for row, form in zip(found, leveled[id_], strict=True):
                same = next((one for one in (cells_of(row, without), cells_of(form, without)) if left[one]), None)
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
            yield f"{target}: a row of the residue was not in use: {len(row)} cells"
        maybe = self._may_be_both(target, used, without) if maybe is None else maybe
        for row in (kept - unexplained - maybe).elements():
            yield f"{target} {named.get(row)!r}: is in the residue and in a legacy table"

    def _may_be_both(self, target: str, used: Mapping[Typed, list[Row]], without: str) -> Counter[Cells]:
        """Return the rows that may be in both, whole in the residue.

        The legacy table may hold a part of a row: columns were added, or it has a default.  Or another migration would refuse the
        row, since it refers to one that no legacy row becomes, or to none.
        """
        database, _, table = target.partition(".")
        shape = next((one for one in schema_reader.target(database).tables if one.name == table), None)
        specified = {column.name for column in shape.columns} if shape else set()
        leveled = self.by_id(self.now.judged.where, target)
        become = {
            key.columns[0]: self._become_again(f"{database}.{key.parent}")
            for key in (shape.foreign_keys if shape else ())
        }
        parts = self._of_touched_groups(target)
        return Counter(
            cells_of(row, without)
            for id_, found in used.items()
            for place, row in enumerate(found)
            if any(cell is not None and name not in specified for name, cell in row.items() if shape)
            or row != leveled[id_][place]
            or any(row[column] is not None and typed(row[column]) not in ids for column, ids in become.items())
            or id_ in parts
        )

    def _become_again(self, target: str) -> set[Typed]:
        """Return the ids of the rows of a table that another migration makes of the legacy rows."""
        extra = set(map(typed, self.matched.table(target).extra.values()))
        return {id_ for id_ in self.by_id(self.sets.used, target) if id_ not in extra}

    def _of_touched_groups(self, target: str) -> set[Typed]:
        """Return the ids of rows that one legacy row became, of which one was changed or deleted."""
        was, now = self._both(target)
        touched = set()
        for reading in self.before.reader.readings(target):
            groups: dict[Typed, list[Typed]] = defaultdict(list)
            for key, id_ in self.before.lineage.became(source=reading.source) if reading.parts is not None else ():
                groups[typed(key)].append(typed(id_))
            touched |= {
                id_ for ids in groups.values() if any(was.get(one) != now.get(one) for one in ids) for id_ in ids
            }
        return touched

    def made_anew(self, source: str) -> int:
        """Return how many rows tables have that were made since the cutover under the name of a legacy table."""
        count, name = 0, source.partition(".")[2].lower()
        for target in catalogue.TARGETS:
            was, now = (
                {table for table in case.judged.table_names(target) if table.lower() == name}
                for case in (self.before, self.in_use)
            )
            for table in now - was:
                with self.in_use.judged.read(target) as connection:
                    count += connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0]
        return count

    def nameless(self, target: str) -> str:
        """Return the column of a consolidated table that names its rows here alone: an assigned id, a rowid; else ''."""
        key = target_key(target)
        return key if key == "rowid" or any(one.assigned for one in self.before.reader.readings(target)) else ""

    def by_id(self, folder: Path, target: str) -> dict[Typed, list[Row]]:
        """Return id -> rows of a consolidated table in the three of *folder*."""
        database, _, table = target.partition(".")
        found: dict[Typed, list[Row]] = defaultdict(list)
        with closing(connections.read(self._private(folder, database))) as connection:
            key = target_key(target)
            for row in of(connection, table, key):
                found[typed(row[key])].append(_without_what_was_added(target, row))
        return found

    def _private(self, folder: Path, target: str) -> Path:
        known = {self.sets.baseline: self.before, self.sets.used: self.in_use}
        return known[folder].judged.copy(target) if folder in known else self.now.judged.copy(target)


def of(connection: sqlite3.Connection, table: str, key: str = "") -> Iterator[Row]:
    """Yield the rows of a table as column -> cell; with the *key*, which may be the rowid."""
    also = f"{key} AS rowid, " if key == "rowid" else ""
    cursor = rows(connection, f"SELECT {also}* FROM {quoted(table)}")
    names = [name for name, *_ in cursor.description]
    for cells in cursor:
        yield dict(zip(names, cells, strict=True))


def _without_what_was_added(target: str, row: Row) -> Row:
    """Return a row of a consolidated table without columns that were added since and in which it says nothing."""
    database, _, table = target.partition(".")
    shape = next((one for one in schema_reader.target(database).tables if one.name == table), None)
    specified = {column.name for column in shape.columns} if shape else row.keys()
    return {name: cell for name, cell in row.items() if cell is not None or name in specified}


def cells_of(row: Row, without: str = "") -> Cells:
    """Return a row as cells with their storage classes, *without* one column."""
    return tuple(typed(cell) for name, cell in row.items() if name != without)
