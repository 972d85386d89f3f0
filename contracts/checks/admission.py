"""Decides whether a specified table would accept a lost row in addition to its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from contracts.checks import predicates
from contracts.oracle.cells import Cell, Row
from contracts.oracle.row_signature import LOST
from migrator.schema.model import Check, Index, IndexColumn, Table
from migrator.schema.specified import Specification


class Admission:
    """The constraints of *target* in *specification*; *parents* returns whether a column's parent exists."""

    def __init__(
        self, specification: Specification, target: str, parents: Mapping[str, Callable[[Cell], bool]]
    ) -> None:
        database, _, name = target.partition(".")
        self.shape = specification.table(target)
        self.parents = parents
        self._passed: dict[object, bool] = {}
        self._uniques: dict[str, Index] = {}
        self._accepted: dict[str, set[tuple[Cell, ...]]] = {}
        if self.shape:
            keys = tuple(IndexColumn(name=column.name) for column in self.shape.columns if column.primary_key)
            key = Index(name="", table=name, columns=keys, unique=True)
            uniques = (key, *specification.schema(database).uniques(name))
            self._uniques = {unique.constraint: unique for unique in uniques}
            self._accepted = {constraint: set() for constraint in self._uniques}

    def let_in(self, face: Row) -> None:
        """Add a row that the table has."""
        for constraint, unique in self._uniques.items():
            if (cells := self._unique_cells(unique, face)) is not None:
                self._accepted[constraint].add(cells)

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
        for constraint, unique in self._uniques.items():
            if self._unique_cells(unique, face) in self._accepted[constraint]:
                yield constraint
        for child, exists in self.parents.items():
            if face.get(child) is not None and not exists(face[child]):
                yield f"FOREIGN KEY {child}"

    def _passes(self, check: Check, face: Row) -> bool:
        cells = {name: face.get(name) for name in check.columns}
        known = (check.expression, tuple((type(value), value) for value in cells.values()))
        if known not in self._passed:
            self._passed[known] = LOST in cells.values() or not predicates.is_true(f"NOT ({check.expression})", cells)
        return self._passed[known]

    def _unique_cells(self, unique: Index, face: Row) -> tuple[Cell, ...] | None:
        """Return the cells that only one row may have; None for a row that *unique* does not restrict."""
        cells = tuple(face.get(str(column.name)) for column in unique.columns)
        if None in cells:
            return None
        condition = {name: face.get(name) for name in unique.where_columns}
        return cells if not unique.where or predicates.is_true(unique.where, condition) else None
