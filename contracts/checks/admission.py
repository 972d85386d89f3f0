"""Decides whether a specified table would accept a lost row in addition to its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from contracts.oracle.cells import Cell, Row, bound
from contracts.oracle.row_signature import LOST
from migrator.schema import reader as schema_reader
from migrator.schema.model import Check, Table
from migrator.system import connections
from migrator.system.connections import quoted


class Admission:
    """The constraints of *target*; *parents* returns whether a column's parent exists."""

    def __init__(self, target: str, parents: Mapping[str, Callable[[Cell], bool]]) -> None:
        database, _, name = target.partition(".")
        self.shape = next((table for table in schema_reader.target(database).tables if table.name == name), None)
        self.parents = parents
        self._passed: dict[object, bool] = {}
        self._accepted: dict[tuple[str, ...], set[tuple[Cell, ...]]] = {}
        if self.shape:
            keys = tuple(column.name for column in self.shape.columns if column.primary_key)
            lists = [tuple(str(column.name) for column in unique.columns) for unique in self.shape.uniques]
            self._accepted = {names: set() for names in dict.fromkeys((keys, *lists))}

    def let_in(self, face: Row) -> None:
        """Add a row that the table has."""
        for names, accepted in self._accepted.items():
            accepted.add(tuple(face.get(name) for name in names))

    def refuses(self, face: Row) -> str:
        """Return the constraint that refuses a row; '' if none does."""
        return next(self._broken(self.shape, face), "") if self.shape else ""

    def _broken(self, shape: Table, face: Row) -> Iterator[str]:
        for column in shape.columns:
            if column.not_null and face.get(column.name) is None:
                yield f"NOT NULL {column.name}"
            if column.primary_key and column.type == "INTEGER" and not isinstance(face.get(column.name, 0), int):
                yield f"PRIMARY KEY {column.name}"
        yield from (f"CHECK {check.expression}" for check in shape.checks if not self._passes(check, face))
        for names, accepted in self._accepted.items():
            cells = tuple(face.get(name) for name in names)
            if None not in cells and cells in accepted:
                yield f"UNIQUE {', '.join(names)}"
        for child, exists in self.parents.items():
            if face.get(child) is not None and not exists(face[child]):
                yield f"FOREIGN KEY {child}"

    def _passes(self, check: Check, face: Row) -> bool:
        cells = {name: face.get(name) for name in check.columns}
        known = (check.expression, tuple((type(value), value) for value in cells.values()))
        if known not in self._passed:
            self._passed[known] = LOST in cells.values() or _evaluated(check, cells)
        return self._passed[known]


def _evaluated(check: Check, cells: Row) -> bool:
    placed = {name: bound(value) for name, value in cells.items()}
    given = ", ".join(f"{place} AS {quoted(name)}" for name, (place, _) in placed.items())
    question = f"SELECT ({check.expression}) IS NOT 0 FROM (SELECT {given})"
    with closing(connections.memory()) as connection:
        return bool(connection.execute(question, [value for _, value in placed.values()]).fetchone()[0])
