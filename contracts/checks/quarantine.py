"""Checks that quarantined rows are whole, and refused by the named constraint."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path

from contracts.checks import predicates, row_accounting
from contracts.checks.row_accounting import typed
from contracts.oracle.cells import Cell, Row, bound, rows
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case
from contracts.suite.deadline import ROW_S, deadline
from migrator.schema.model import Table
from migrator.system import connections
from migrator.system.connections import quoted


def altered(case: Case, reading: Reading) -> Iterator[str]:
    """Yield each quarantined row that differs from the legacy row."""
    for key, kept, expected in row_accounting.quarantined(case, reading):
        kept_rows = [row for _, row in kept]
        if Counter(map(_whole, expected)) != Counter(map(_whole, kept_rows)):
            columns = sorted(
                {
                    name
                    for row in kept_rows
                    for other in expected
                    for name in row.keys() | other.keys()
                    if _unlike(row, other, name)
                }
            )
            yield f"{reading.source} {key!r}: is not kept as it was: {', '.join(columns) or 'other rows'}"


def _whole(row: Row) -> frozenset[tuple[str, row_accounting.Typed]]:
    return frozenset((name, typed(cell)) for name, cell in row.items() if name != "rowid")


def _unlike(first: Row, second: Row, name: str) -> bool:
    return typed(first.get(name, ...)) != typed(second.get(name, ...))


class Refusals:
    """Inserts the quarantined rows of a table into a copy of its database, at *path*."""

    def __init__(self, case: Case, target: str, path: Path) -> None:
        self.case = case
        self.target = target
        database, _, name = target.partition(".")
        schema = case.judged.specification.schema(database)
        self.shape = schema.table(name)
        self.uniques = {unique.constraint: unique for unique in schema.uniques(name)}
        self.path = path

    def unfounded(self) -> Iterator[str]:
        """Yield each quarantined row that its named constraint does not refuse."""
        with closing(connections.application(self.path)) as connection:
            # One transaction for all rows: each accepted row is rolled back, and nothing is committed.
            connection.execute("BEGIN IMMEDIATE")
            for reading in self.case.reader.readings(self.target):
                for key, kept, legacy in row_accounting.quarantined(self.case, reading):
                    if not legacy:
                        continue
                    if key is None:
                        for broken in {broken for broken, _ in kept} - {f"NOT NULL {reading.key}"}:
                            yield f"{reading.source}: a row without a key names {broken}"
                        continue
                    broken = kept[0][0]
                    try:
                        with deadline(connection, ROW_S):
                            why = self._doubt(connection, reading, legacy[0], broken)
                    except sqlite3.OperationalError as error:
                        # An endless trigger or a full disk: the transaction may be gone, so the other rows would fail too.
                        yield f"{reading.source} {key!r} -> {self.target}: cannot be tried ({error})"
                        return
                    if why:
                        yield f"{reading.source} {key!r} -> {self.target}: {broken}: {why}"

    def _doubt(self, connection: sqlite3.Connection, reading: Reading, legacy: Row, broken: str) -> str:
        """Return why a row should not be in quarantine; '' if it should."""
        decided = self.case.decided_cells(reading.source, legacy[reading.key])
        legacy = {**legacy, **{column: now for column, (_, now) in decided.items()}}
        parts = self.case.reader.forward(reading, legacy)
        connection.execute("SAVEPOINT trial")
        try:
            if not any(_is_refused(connection, self.shape, part) for part in parts):
                return "the target table accepts the row"
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO trial")
                connection.execute("RELEASE trial")
        if not any(self._breaks(connection, part, broken) for part in parts):
            return "another constraint refuses the row"
        winning = self._winner(connection, parts[0], broken) if broken.startswith(("UNIQUE", "PRIMARY KEY")) else None
        if winning is None:
            return ""
        if winning["legacy_key"] is None:
            return "the row that has its place comes from no legacy row"
        if broken.startswith("UNIQUE") and reading.best:
            losing = {**parts[0], "legacy_key": legacy[reading.key]}
            kept = self.case.keys_decided(reading.source, "keep")
            if _rank(reading.best, losing, kept) < _rank(reading.best, winning, kept):
                return "of the two rows the other one should have stayed"
        return ""

    def _breaks(self, connection: sqlite3.Connection, row: Row, broken: str) -> bool:
        """Return whether the constraint named *broken* refuses *row*."""
        for kind in ("NOT NULL ", "CHECK ", "FOREIGN KEY ", "PRIMARY KEY ", "UNIQUE "):
            if broken.startswith(kind):
                return self._breaks_kind(connection, row, kind.strip(), broken.removeprefix(kind))
        return False

    def _breaks_kind(self, connection: sqlite3.Connection, row: Row, kind: str, what: str) -> bool:
        if kind == "NOT NULL":
            declared = {column.name for column in self.shape.columns if column.not_null}
            return what in declared and row[what] is None
        if kind == "CHECK":
            check = next((declared for declared in self.shape.checks if declared.expression == what), None)
            if check is None:
                return False
            return predicates.is_true(f"NOT ({check.expression})", {name: row[name] for name in check.columns})
        if kind == "FOREIGN KEY":
            (parent,) = [key for key in self.shape.foreign_keys if key.columns == (what,)]
            place, value = bound(row[what])
            question = f"SELECT 1 FROM {quoted(parent.parent)} WHERE {quoted(parent.parent_columns[0])} = {place}"
            return row[what] is not None and not connection.execute(question, (value,)).fetchone()
        if kind == "PRIMARY KEY" and self.shape.column(what).type == "INTEGER" and not isinstance(row[what], int):
            return True
        return self._winner(connection, row, f"{kind} {what}") is not None

    def _winner(self, connection: sqlite3.Connection, row: Row, broken: str) -> Row | None:
        """Return the row with the unique value of *row* and its legacy key, or None."""
        names, condition = [broken.removeprefix("PRIMARY KEY ")], None
        if broken.startswith("UNIQUE "):
            if (unique := self.uniques.get(broken)) is None:
                return None
            names, condition = [str(column.name) for column in unique.columns], unique.where
            if condition and not predicates.is_true(condition, {name: row[name] for name in unique.where_columns}):
                return None
        placed = [bound(row[name]) for name in names]
        columns = [column.name for column in self.shape.columns]
        where = " AND ".join(f"{quoted(name)} = {place}" for name, (place, _) in zip(names, placed, strict=True))
        where += f" AND ({condition})" if condition else ""
        question = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(self.shape.name)} WHERE {where}"
        cells = rows(connection, question, *(value for _, value in placed)).fetchone()
        if cells is None:
            return None
        winner = dict(zip(columns, cells, strict=True))
        winner["legacy_key"] = self.case.reader.world.came_from(self.target, winner[target_key(self.target)])
        return winner


def _rank(best: Callable[[Row], object], row: Row, kept: Collection[Cell]) -> tuple[bool, object]:
    """Return what orders rivals: the owners' decision comes before the mapping's order."""
    return row["legacy_key"] not in kept, best(row)


def _is_refused(connection: sqlite3.Connection, shape: Table, row: Row) -> bool:
    placed: list[tuple[str, Cell]] = [bound(value) for value in row.values()]
    names = ", ".join(map(quoted, row))
    values = ", ".join(place for place, _ in placed)
    try:
        connection.execute(
            f"INSERT INTO {quoted(shape.name)} ({names}) VALUES ({values})", [value for _, value in placed]
        )
    except sqlite3.IntegrityError:
        return True
    return False
