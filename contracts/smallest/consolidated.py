"""The rows of another tool's set: finds those of legacy rows, and writes some."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

from contracts.oracle.cells import Cell, Row, bound, rows, same
from contracts.oracle.table_judge import target_key
from contracts.sets import consolidated as consolidated_set
from contracts.sets.case import Case
from contracts.sets.pair import LINEAGE, QUARANTINE
from contracts.smallest.rows import Place, by_table, insert
from migrator.errors import UsageError
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.specified import Specification
from migrator.system import connections
from migrator.system.connections import quoted

#: The lineage of the rows that the specification's own DDL inserts.
_DEFAULT = """
    INSERT INTO lineage (source, target, target_id) SELECT 'stub:specified default', 'config', key FROM config
"""


class ConsolidatedRows:
    """The rows of the specified tables of a consolidated set, each with its place."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._left: set[Place] = set()
        for target in case.judged.originals:
            schema = schema_reader.target(target)
            shapes = {table.name: [column.name for column in table.columns] for table in schema.tables}
            shapes |= {table.name: list(table.columns) for table in schema.virtual_tables}
            for name, columns in shapes.items():
                if problem := case.judged.unreadable(f"{target}.{name}", columns):
                    hint = "a set of another shape cannot be written as a test"
                    raise UsageError(problem, where=f"{target}.{name}", hint=hint)

    @property
    def traced(self) -> bool:
        """Whether the set records which legacy row became which row."""
        return not self.case.lineage.missing

    def _tables(self) -> Iterator[tuple[str, str, str]]:
        """Yield database, table and key column of each table."""
        for target in self.case.judged.originals:
            schema = schema_reader.target(target)
            names = [*(table.name for table in schema.tables), *(table.name for table in schema.virtual_tables)]
            for name in names:
                if name != "config":
                    yield target, name, target_key(f"{target}.{name}")

    @cached_property
    def belonging(self) -> dict[Place, list[Place]]:
        """The consolidated rows of each legacy row."""
        by_legacy: defaultdict[Place, list[Place]] = defaultdict(list)
        ids = {f"{target}.{name}": dict(self._ids(target, name, key)) for target, name, key in self._tables()}
        self._left = {(table, id_) for table, known in ids.items() for id_ in known.values()}
        for reading in self.case.reader.all_readings:
            places = dict(self._legacy(reading.source, reading.key))
            for key, into in self._became(reading.source, {} if reading.assigned else places):
                row = ids.get(reading.target, {}).get(into)
                if key in places and row is not None and (reading.target, row) in self._left:
                    self._left.discard((reading.target, row))
                    by_legacy[reading.source, places[key]].append((reading.target, row))
        return dict(by_legacy)

    @property
    def unexplained(self) -> list[Place]:
        """The consolidated rows that belong to no legacy row."""
        _ = self.belonging
        return sorted(self._left)

    def like(self, place: Place) -> Place | None:
        """Return the unexplained row nearest to what a lost legacy row must become, or None."""
        reading = self.case.reader.reading_of(place[0])
        if reading is None or place in self.belonging:
            return None
        names = list(dict.fromkeys((*reading.columns, reading.key)))
        database, _, table = place[0].partition(".")
        with self.case.legacy.read(database) as connection:
            listed = ", ".join(map(quoted, names))
            cells = rows(connection, f"SELECT {listed} FROM {quoted(table)} WHERE rowid = ?", place[1]).fetchone()
        expected = self.case.reader.forward(reading, dict(zip(names, cells, strict=True)))
        known = {name: cell for name, cell in (expected[0] if expected else {}).items() if cell is not None}
        best: tuple[int, Place] | None = None
        with self.case.judged.read(reading.target.partition(".")[0]) as connection:
            for candidate in self.unexplained:
                if candidate[0] == reading.target:
                    row = _row(connection, *candidate)
                    shared = sum(same(cell, row.get(name)) for name, cell in known.items())
                    if 2 * shared >= len(known) and (best is None or shared > best[0]):
                        best = shared, candidate
        return best[1] if best else None

    def _ids(self, target: str, name: str, key: str) -> Iterator[tuple[Cell, int]]:
        with self.case.judged.read(target) as connection:
            yield from rows(connection, f"SELECT {quoted(key)}, rowid FROM {quoted(name)}")

    def _legacy(self, source: str, key: str) -> Iterator[tuple[Cell, int]]:
        yield from ((name, id_) for name, id_ in self.case.legacy_rows(source, key, "rowid"))

    def _became(self, source: str, places: dict[Cell, int]) -> Iterator[tuple[Cell, Cell]]:
        yield from self.case.lineage.became(source=source)
        if not self.traced:
            # A row that differs from its legacy row, but has kept its id.
            yield from ((key, key) for key in places)

    def read(self, places: Iterable[Place]) -> dict[str, list[Row]]:
        """Return the rows of these legacy rows, with their parents, and unexplained rows."""
        _ = self.belonging
        wanted: set[Place] = set()
        by_source: defaultdict[str, list[int]] = defaultdict(list)
        for place in places:
            wanted |= set(self.belonging.get(place, ())) or ({place} & self._left)
            by_source[place[0]].append(place[1])
        seen: set[Place] = set()
        read_rows: defaultdict[str, list[Row]] = defaultdict(list)
        while wanted:
            seen |= wanted
            parents: set[Place] = set()
            for name, ids in by_table(wanted).items():
                parents |= set(self._read(name, ids, read_rows[name]))
            wanted = parents - seen
        return {**read_rows, **(self._recorded(read_rows, by_source) if self.traced else {})}

    def _read(self, name: str, ids: list[int], into: list[Row]) -> Iterator[Place]:
        """Read rows of one table, and yield the places of their parents."""
        target, _, _ = name.partition(".")
        shape = schema_reader.specified_table(name)
        with self.case.judged.read(target) as connection:
            for id_ in ids:
                row = _row(connection, name, id_)
                into.append(row)
                for key in shape.foreign_keys if shape else ():
                    question = f"SELECT rowid FROM {quoted(key.parent)} WHERE {quoted(key.parent_columns[0])} = ?"
                    parents = connection.execute(question, (bound(row[key.columns[0]])[1],)).fetchall()
                    yield from ((f"{target}.{key.parent}", parent) for (parent,) in parents)

    def _recorded(self, tables: Mapping[str, list[Row]], by_source: Mapping[str, list[int]]) -> dict[str, list[Row]]:
        """Return the entries of lineage and quarantine for these rows and legacy rows."""
        recorded: dict[str, list[Row]] = {}
        keys = {source: self._keys(source, ids) for source, ids in by_source.items()}
        for target in self.case.judged.originals:
            here = [
                (name.partition(".")[2], row[target_key(name)])
                for name, cells in tables.items()
                if name.startswith(f"{target}.")
                for row in cells
            ]
            for table, columns in (("lineage", LINEAGE), ("quarantine", QUARANTINE)):
                chosen: dict[int, Row] = {}
                listed = ", ".join(map(quoted, columns))
                with self.case.judged.read(target) as connection:
                    for into, cells, of in self._conditions(target, keys, here if table == "lineage" else []):
                        question = f"SELECT rowid, {listed} FROM {table} WHERE {of}"
                        for id_, *entry in rows(connection, question, into, *cells):
                            chosen[id_] = dict(zip(columns, entry, strict=True))
                recorded[f"{target}.{table}"] = [row for _, row in sorted(chosen.items())]
        return {name: chosen_rows for name, chosen_rows in recorded.items() if chosen_rows}

    def _conditions(
        self, target: str, keys: Mapping[str, list[Cell]], here: list[tuple[str, Cell]]
    ) -> Iterator[tuple[str, tuple[Cell, ...], str]]:
        """Yield target table, values and condition of each query of lineage or quarantine."""
        for reading in self.case.reader.all_readings:
            database, _, table = reading.target.partition(".")
            for key in keys.get(reading.source, ()) if database == target else ():
                place, value = bound(key)
                yield table, (reading.source, value), f"target = ? AND source = ? AND legacy_key IS {place}"
        for table, id_ in here:
            place, value = bound(id_)
            yield table, (value,), f"target = ? AND target_id = {place}"

    def _keys(self, source: str, ids: list[int]) -> list[Cell]:
        key = next((reading.key for reading in self.case.reader.all_readings if reading.source == source), None)
        if key is None:
            return []
        name, _, table = source.partition(".")
        with self.case.legacy.read(name) as connection:
            question = f"SELECT {quoted(key)} FROM {quoted(table)} WHERE rowid = ?"
            return [rows(connection, question, id_).fetchone()[0] for id_ in ids]


def _row(connection: sqlite3.Connection, name: str, id_: int) -> Row:
    target, _, table = name.partition(".")
    schema = schema_reader.target(target)
    columns = [column.name for shape in schema.tables if shape.name == table for column in shape.columns]
    columns += [
        column for shape in schema.virtual_tables if shape.name == table for column in ("rowid", *shape.columns)
    ]
    question = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)} WHERE rowid = ?"
    return dict(zip(columns, rows(connection, question, id_).fetchone(), strict=True))


def write(tables: Mapping[str, Sequence[Row]], folder: Path, specification: Specification, *, traced: bool) -> Path:
    """Write a consolidated set of *specification* with the rows of *tables*; with lineage if it is *traced*."""
    folder.mkdir(parents=True)
    consolidated_set.make_empty_set(folder, specification=specification)
    for target, file_name in catalogue.TARGETS.items():
        with closing(connections.scratch(folder / file_name)) as connection:
            if traced:
                connection.executescript(catalogue.our_ddl())
                if target == "core":
                    connection.execute(_DEFAULT)
            connection.execute("BEGIN")
            for name, cells in tables.items():
                if name.startswith(f"{target}."):
                    for row in cells:
                        insert(connection, name.partition(".")[2], row)
            connection.execute("COMMIT")
            connection.execute("ANALYZE")
    return folder
