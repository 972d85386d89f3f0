"""The registry of row makers: which function makes the rows of which legacy table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from contracts.specimen.world import World

#: Makes that many rows of a table.
Maker = Callable[[World, int], Iterator[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How the rows of one legacy table are made.

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
