"""Evaluates conditions of the schema, of a CHECK or of a partial index, on the cells of one row."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from contracts.oracle.cells import Cell, bound
from migrator.system import connections
from migrator.system.connections import quoted


def is_true(condition: str, cells: Mapping[str, Cell]) -> bool:
    """Return whether *condition* is true, neither false nor NULL, of a row with these *cells*."""
    placed = {name: bound(value) for name, value in cells.items()}
    given = ", ".join(f"{place} AS {quoted(name)}" for name, (place, _) in placed.items())
    with closing(connections.memory()) as connection:
        question = f"SELECT ({condition}) FROM (SELECT {given})"
        return bool(connection.execute(question, [value for _, value in placed.values()]).fetchone()[0])
