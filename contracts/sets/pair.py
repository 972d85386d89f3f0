"""A legacy set and the consolidated set that was made of it, side by side, read through private copies."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.oracle.cells import Cell, rows, with_rowid
from contracts.oracle.judge import Reader
from contracts.sets import legacy as legacy_sets
from contracts.sets.consolidated import Subject
from contracts.sets.legacy import LegacySet
from migrator.config import config_file
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections, user_files
from migrator.system.connections import quoted

if TYPE_CHECKING:
    from contracts.checks.match_sets import Matching

#: What says which legacy row became which row, and which became none.
LINEAGE = ("source", "legacy_key", "target", "target_id", "rest")
QUARANTINE = ("source", "legacy_key", "target", "broken", "row")


def specified_tables(target: str) -> tuple[str, ...]:
    """Return the names of the specified tables of *target*, the full-text ones last."""
    schema = schema_reader.target(target)
    return (*(table.name for table in schema.tables), *(table.name for table in schema.virtual_tables))


@dataclass(kw_only=True)
class Pair:
    """What is judged: where rows came from, and where they went.

    Attributes:
        legacy: The legacy set.
        judged: The consolidated set.
        constants: The constants and decisions of the owners' configuration, as text.
        fates: What the configuration says of files that nobody knows: place -> fate.
        show_values: Whether reports may show what cells hold.
        left_behind: Virtual tables that the owners leave in the backup.
        settled: Legacy tables of which it is known whether each row is in exactly one place.
    """

    legacy: LegacySet
    judged: Subject
    constants: Mapping[str, str]
    fates: Mapping[str, str]
    show_values: bool = False
    left_behind: Collection[str] = ()
    settled: dict[str, bool] = field(default_factory=dict, repr=False)

    @cached_property
    def reader(self) -> Reader:
        """The second reader, at work on this pair."""
        return Reader(self)

    @cached_property
    def targets(self) -> frozenset[str]:
        """The specified tables of the databases that are judged."""
        return frozenset(f"{target}.{name}" for target in self.judged.originals for name in specified_tables(target))

    @cached_property
    def by_value(self) -> Matching:
        """The rows of both sides matched by what they say, for a set that does not say which became which."""
        from contracts.checks.match_sets import Matching  # noqa: PLC0415 - it is about pairs

        return Matching(self)

    def decided_fate(self, name: str) -> str:
        """Return what the catalogue or the owners' configuration says of a whole database; '' where they say nothing."""
        place = self.legacy.originals[name].relative_to(self.legacy.where)
        decided = config_file.fate_at(self.fates, PurePosixPath(place.as_posix()))
        alone = any(one.standalone for one in catalogue.legacy_databases() if one.name == name)
        return "standalone" if alone and decided != "ignore" else decided

    def without_lineage(self) -> list[str]:
        """Return the databases of the consolidated set that do not say which legacy row became which row."""
        return [
            catalogue.TARGETS[target]
            for target in self.judged.originals
            if self.judged.unreadable(f"{target}.lineage", LINEAGE)
            or self.judged.unreadable(f"{target}.quarantine", QUARANTINE)
        ]

    def variant(self, source: str) -> str:
        """Return the variant of a legacy table, '' where it is not there, has no known shape, or stays where it is."""
        name, _, _ = source.partition(".")
        moved = name in self.legacy.originals and self.decided_fate(name) not in {"standalone", "ignore"}
        tables = self.legacy.tables(name) if moved else ()
        return next((table.variant for table in tables if table.source == source), "")

    def legacy_rows(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a legacy table, by rowid."""
        name, _, table = source.partition(".")
        if self.variant(source):
            with self.legacy.read(name) as connection:
                of_table = with_rowid(connection, "main", table)
                yield from rows(connection, f"SELECT {_listed(columns)} FROM {of_table} ORDER BY rowid")

    def target_rows(self, table_of: str, /, *columns: str, **where: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a table of the consolidated set, or of those that have these cells."""
        database, _, table = table_of.partition(".")
        if self.without_lineage() and self.judged.unreadable(table_of, columns):
            # That the table is not as specified is said elsewhere; here it has no such rows.
            return
        if database in self.judged.originals:
            chosen = " AND ".join(f"{quoted(name)} = ?" for name in where) or "true"
            with self.judged.read(database) as connection:
                question = f"SELECT {_listed(columns)} FROM {quoted(table)} WHERE {chosen} ORDER BY rowid"
                yield from rows(connection, question, *where.values())

    def lineage(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each lineage of a legacy table, or of each in a target table but stubs."""
        if self.without_lineage():
            yield from self.by_value.lineage(source) if source else self.by_value.lineage_of(target)
            return
        of_target, _, table = target.partition(".")
        where = "source = ?" if source else "target = ? AND source NOT LIKE 'stub:%'"
        for database in self.judged.originals if source else [of_target]:
            with self.judged.read(database) as connection:
                question = f"SELECT legacy_key, target_id FROM lineage WHERE {where} ORDER BY rowid"
                yield from rows(connection, question, source or table)

    @contextmanager
    def beside(self, *names: str) -> Iterator[sqlite3.Connection]:
        """Open a connection with these databases attached under their names, for reading."""
        with closing(connections.memory()) as connection:
            for name in names:
                path = self.judged.copy(name) if name in catalogue.TARGETS else self.legacy.copy(name)
                connections.attach(connection, path, name)
            yield connection


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, columns))


def pair(legacy: Path, judged: Subject, scratch: Path, config: Path | None, *, show_values: bool = False) -> Pair:
    """Return the pair of the legacy databases below *legacy* and *judged*."""
    written = tomllib.loads(user_files.text(config)) if config else {}
    decisions = written.get("decisions", {})
    order_amount = decisions.get("order_amount_sol", "")
    return Pair(
        legacy=legacy_sets.legacy_set(legacy, scratch),
        judged=judged,
        constants=MappingProxyType({"order_amount_sol": order_amount, **written.get("constants", {})}),
        fates=MappingProxyType(written.get("files", {})),
        show_values=show_values,
        left_behind=decisions.get("left_behind", ()),
    )
