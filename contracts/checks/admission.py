"""Would a table of the specification let a row in, beside those that are there?  Asked of rows that are nowhere."""

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
    """The constraints of the specified table *target*; *parents* tells for a column whether its parent is there."""

    def __init__(self, target: str, parents: Mapping[str, Callable[[Cell], bool]]) -> None:
        database, _, name = target.partition(".")
        self.shape = next((one for one in schema_reader.target(database).tables if one.name == name), None)
        self.parents = parents
        self._passed: dict[object, bool] = {}
        self._there: dict[tuple[str, ...], set[tuple[Cell, ...]]] = {}
        if self.shape:
            keys = tuple(column.name for column in self.shape.columns if column.primary_key)
            lists = [tuple(str(column.name) for column in one.columns) for one in self.shape.uniques]
            self._there = {names: set() for names in dict.fromkeys((keys, *lists))}

    def let_in(self, face: Row) -> None:
        """Note a row that is there."""
        for names, there in self._there.items():
            there.add(tuple(face.get(name) for name in names))

    def refuses(self, face: Row) -> str:
        """Return the constraint that refuses a row, or ''."""
        return next(self._broken(self.shape, face), "") if self.shape else ""

    def _broken(self, shape: Table, face: Row) -> Iterator[str]:
        for column in shape.columns:
            if column.not_null and face.get(column.name) is None:
                yield f"NOT NULL {column.name}"
            if column.primary_key and column.type == "INTEGER" and not isinstance(face.get(column.name, 0), int):
                yield f"PRIMARY KEY {column.name}"
        yield from (f"CHECK {check.expression}" for check in shape.checks if not self._passes(check, face))
        for names, there in self._there.items():
            cells = tuple(face.get(name) for name in names)
            if None not in cells and cells in there:
                yield f"UNIQUE {', '.join(names)}"
        for child, is_there in self.parents.items():
            if face.get(child) is not None and not is_there(face[child]):
                yield f"FOREIGN KEY {child}"

    def _passes(self, check: Check, face: Row) -> bool:
        cells = {name: face.get(name) for name in check.columns}
        told = (check.expression, tuple((type(value), value) for value in cells.values()))
        if told not in self._passed:
            self._passed[told] = LOST in cells.values() or _asked(check, cells)
        return self._passed[told]


def _asked(check: Check, cells: Row) -> bool:
    placed = {name: bound(value) for name, value in cells.items()}
    given = ", ".join(f"{place} AS {quoted(name)}" for name, (place, _) in placed.items())
    question = f"SELECT ({check.expression}) IS NOT 0 FROM (SELECT {given})"
    with closing(connections.memory()) as connection:
        return bool(connection.execute(question, [value for _, value in placed.values()]).fetchone()[0])
