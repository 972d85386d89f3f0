"""The registry of row makers: which function makes the rows of which legacy table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.values import NOW, spaced
from migrator.system import connections

#: Makes a given number of rows of a table.
Maker = Callable[[World, int], Iterator[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The maker of the rows of one legacy table.

    Attributes:
        columns: Names of the columns that a row has, comma-separated; the others take their defaults.
        make: Makes the rows.
    """

    columns: str
    make: Maker


class Tables(dict[str, Table]):
    """Row makers by ``database.table``."""

    def of(self, name: str, columns: str) -> Callable[[Maker], Maker]:
        """Register the decorated function as the maker of table *name*, which fills *columns*."""

        def register(make: Maker) -> Maker:
            self[name] = Table(columns=columns, make=make)
            return make

        return register


def insertion(connection: sqlite3.Connection, table: str, given: Mapping[str, str] | Sequence[str]) -> str:
    """Return an INSERT into *table* of the columns *given*, whose values are parameters.

    A column whose default is the current time gets the fixed present of specimens.

    Args:
        connection: The table's database.
        table: Its name.
        given: Columns, or columns and expressions with their parameters.
    """
    marks = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, "?")
    clocks = connection.execute(
        "SELECT name FROM pragma_table_info(?) WHERE dflt_value = 'CURRENT_TIMESTAMP'", (table,)
    ).fetchall()
    marks.update({name: f"'{spaced(NOW)}'" for (name,) in clocks if name not in marks})
    columns = ", ".join(connections.quoted(name) for name in marks)
    return f"INSERT INTO {connections.quoted(table)} ({columns}) VALUES ({', '.join(marks.values())})"
