"""The case that contracts judge: the two sets, the owners' decisions, the lineage and the oracle."""

from __future__ import annotations

import sqlite3
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Protocol

from contracts.oracle.cells import Cell, rows, with_rowid
from contracts.oracle.judge import Reader
from contracts.sets import decided
from contracts.sets.consolidated import Subject
from contracts.sets.decided import Decided
from contracts.sets.legacy import LegacySet, legacy_set
from contracts.sets.pair import Pair, specified_tables
from migrator.config import config_file
from migrator.schema import catalogue
from migrator.system import user_files
from migrator.system.connections import quoted

#: Tables that a sentence on lost rows names [tables]: the line stays readable in a terminal.
_NAMED = 3


@dataclass(slots=True, kw_only=True)
class Losses:
    """Legacy rows without a row in the consolidated set.

    Attributes:
        of: Legacy rows that must have a row.
        rows: Number of lost rows, by the target table that must have them.
        refused: Number of lost rows that a constraint of the specification refuses.
    """

    of: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def sentence(self) -> str:
        """Return the loss as one sentence: how many rows, of which tables."""
        most = ", ".join(f"{table} ({count:,})" for table, count in self.rows.most_common(_NAMED))
        refused = (
            f"; the specification's constraints refuse {self.refused:,} of them, and they are not in quarantine"
            if self.refused
            else ""
        )
        return f"{self.rows.total():,} of {self.of:,} legacy rows have no row in the consolidated set; most: {most}{refused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check.

    Attributes:
        what: The fault that the check looks for.
        faults: The places that have it, one sentence each.
        of: Number of legacy rows.
        rows: Number of legacy rows that were judged.
    """

    what: str
    faults: Iterable[str]
    of: int = 0
    rows: int = 0


class Lineage(Protocol):
    """Which legacy row became which row, recorded or worked out, and the checks that need it."""

    @property
    def missing(self) -> Collection[str]:
        """The consolidated databases without a readable lineage or quarantine table."""

    def became(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each row of a legacy table, or of each row but stubs of a target table."""

    def readable(self, table: str, columns: Iterable[str]) -> bool:
        """Return whether to read a table of the consolidated set; another contract reports an unreadable table."""

    def fates(self) -> Finding:
        """Find legacy tables without a fate."""

    def accounts(self, target: str) -> Finding:
        """Find legacy rows that are neither in the database *target* nor in its quarantine."""

    def carried(self, target: str) -> Finding:
        """Find rows of unspecified legacy tables that *target* lacks or has changed."""

    def values(self, target: str) -> Finding:
        """Find rows of the table *target* that differ from what the decisions make of their legacy rows."""

    def miscounted(self, target: str) -> str:
        """Return how the number of rows of the table *target* differs from that of its sources; '' if it does not."""

    def losses(self) -> Losses:
        """Count the legacy rows without a row in the consolidated set."""


@dataclass(kw_only=True)
class Case:
    """What contracts judge: a pair of sets, with all that is needed to compare them.

    Attributes:
        pair: The two sets.
        constants: The constants and decisions of the owners' configuration, as text.
        fates: The configuration's fates of unknown files: place -> fate.
        show_values: Whether reports may show the values of cells.
        left_behind: Virtual tables that the owners leave in the backup.
        choose: Makes the lineage of a case, recorded or inferred.
        decisions: The section ``[decisions]`` of the owners' configuration.
        settled: Legacy tables already checked -> whether each of their rows is in exactly one place.
    """

    pair: Pair
    constants: Mapping[str, str]
    fates: Mapping[str, str]
    choose: Callable[[Case], Lineage]
    show_values: bool = False
    left_behind: Collection[str] = ()
    decisions: Mapping[str, Any] = field(default_factory=dict)
    settled: dict[str, bool] = field(default_factory=dict, repr=False)

    @cached_property
    def lineage(self) -> Lineage:
        """Which legacy row became which row."""
        return self.choose(self)

    @cached_property
    def reader(self) -> Reader:
        """The oracle on this case."""
        return Reader(self)

    @property
    def legacy(self) -> LegacySet:
        """The legacy set as it is."""
        return self.pair.legacy

    @cached_property
    def decided_pair(self) -> Pair:
        """The two sets, the legacy one as the owners' decisions have it read."""
        if not decided.written(self.decisions):
            return self.pair
        return Pair(legacy=self.legacy.with_overlay(self._overlaid), judged=self.judged)

    def _overlaid(self, name: str, copy: Path) -> Path:
        """Return the private *copy* of the legacy database *name* with its rows as decided."""
        mine = {
            reading.source.partition(".")[2]: (reading.key, self.decided[reading.source])
            for reading in self.reader.all_readings
            if reading.source.partition(".")[0] == name and reading.source in self.decided
        }
        return decided.overlaid(copy, copy.with_name(f"{copy.name}.decided"), mine) if mine else copy

    @cached_property
    def decided(self) -> Mapping[str, Sequence[Decided]]:
        """The decisions about rows of each mapped legacy table: its source -> the decisions."""
        resolved = {}
        for source, entries in decided.written(self.decisions).items():
            name, _, table = source.partition(".")
            if reading := self.reader.reading_of(source):
                with self.legacy.read(name) as connection:
                    resolved[source] = decided.resolved(connection, table, reading.key, entries)
        return resolved

    @cached_property
    def _cells_decided(self) -> Mapping[tuple[str, type, Cell], Mapping[str, tuple[Cell, Cell]]]:
        return {
            (source, type(row.key), row.key): row.cells
            for source, of_table in self.decided.items()
            for row in of_table
            if row.kind == "set"
        }

    def decided_cells(self, source: str, key: Cell) -> Mapping[str, tuple[Cell, Cell]]:
        """Return the decided cells of a legacy row: column -> the cell as it is, and as it is read."""
        return self._cells_decided.get((source, type(key), key), {})

    def keys_decided(self, source: str, kind: str) -> Collection[Cell]:
        """Return the keys of the rows of a legacy table with a decision of one *kind*."""
        return [row.key for row in self.decided.get(source, ()) if row.kind == kind]

    @property
    def judged(self) -> Subject:
        """The consolidated set."""
        return self.pair.judged

    def beside(self, *names: str) -> AbstractContextManager[sqlite3.Connection]:
        """Open a connection that reads these databases, the legacy ones as decided, each attached under its name."""
        return self.decided_pair.beside(*names)

    @cached_property
    def targets(self) -> frozenset[str]:
        """The specified tables of the judged databases."""
        return frozenset(f"{target}.{name}" for target in self.judged.originals for name in specified_tables(target))

    def decided_fate(self, name: str) -> str:
        """Return the fate of a whole database by the catalogue or the owners' configuration; '' if neither has one."""
        place = self.legacy.originals[name].relative_to(self.legacy.where)
        decided = config_file.fate_at(self.fates, PurePosixPath(place.as_posix()))
        alone = any(database.standalone for database in catalogue.legacy_databases() if database.name == name)
        return "standalone" if alone and decided != "ignore" else decided

    def variant(self, source: str) -> str:
        """Return the variant of a legacy table; '' if it is missing, has no known shape, or stays where it is."""
        name, _, _ = source.partition(".")
        moved = name in self.legacy.originals and self.decided_fate(name) not in {"standalone", "ignore"}
        tables = self.legacy.tables(name) if moved else ()
        return next((table.variant for table in tables if table.source == source), "")

    def legacy_rows(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a legacy table as decided, in the order of rowids."""
        yield from self._rows_of(self.decided_pair.legacy, source, columns)

    def rows_as_found(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a legacy table as it is, in the order of rowids."""
        yield from self._rows_of(self.legacy, source, columns)

    def _rows_of(self, legacy: LegacySet, source: str, columns: tuple[str, ...]) -> Iterator[tuple[Cell, ...]]:
        name, _, table = source.partition(".")
        if self.variant(source):
            with legacy.read(name) as connection:
                of_table = with_rowid(connection, "main", table)
                yield from rows(connection, f"SELECT {_listed(columns)} FROM {of_table} ORDER BY rowid")

    def target_rows(self, table_of: str, /, *columns: str, **where: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of the rows of a consolidated table whose cells equal *where*."""
        database, _, table = table_of.partition(".")
        if database in self.judged.originals and self.lineage.readable(table_of, columns):
            chosen = " AND ".join(f"{quoted(name)} = ?" for name in where) or "true"
            with self.judged.read(database) as connection:
                question = f"SELECT {_listed(columns)} FROM {quoted(table)} WHERE {chosen} ORDER BY rowid"
                yield from rows(connection, question, *where.values())


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, columns))


def case_of(
    legacy: Path,
    judged: Subject,
    scratch: Path,
    config: Path | None,
    choose: Callable[[Case], Lineage],
    *,
    show_values: bool = False,
) -> Case:
    """Return the case of the legacy databases below *legacy* and the set *judged*, with the owners' file *config*."""
    written = tomllib.loads(user_files.text(config)) if config else {}
    decisions = written.get("decisions", {})
    order_amount = decisions.get("order_amount_sol", "")
    return Case(
        pair=Pair(legacy=legacy_set(legacy, scratch), judged=judged),
        constants=MappingProxyType(
            {"order_amount_sol": order_amount, **judged.specification.constants, **written.get("constants", {})}
        ),
        fates=MappingProxyType(written.get("files", {})),
        choose=choose,
        show_values=show_values,
        left_behind=decisions.get("left_behind", ()),
        decisions=decisions,
    )
