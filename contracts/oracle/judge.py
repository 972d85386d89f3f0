"""The oracle on a pair of sets: chooses the readings and judges each target table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property

from contracts.oracle import analytics as oracle_analytics
from contracts.oracle import cache as oracle_cache
from contracts.oracle import core as oracle_core
from contracts.oracle import market as oracle_market
from contracts.oracle import memory as oracle_memory
from contracts.oracle import same_shape
from contracts.oracle import tax as oracle_tax
from contracts.oracle.cells import Affinity, Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import Near, Reading
from contracts.oracle.table_judge import (
    Judged,
    OneTable,
    OracleSets,
    check_numbers,
    column_types,
    most_of_each,
    parts_of,
)
from migrator.system.connections import quoted


class Reader:
    """The oracle on one pair of sets."""

    def __init__(self, sets: OracleSets) -> None:
        self.sets = sets
        self.world = World(sets, sets.constants)
        self.affinity = Affinity()
        self._judged: dict[str, Judged] = {}

    def readings(self, target: str) -> list[Reading]:
        """Return the readings of the existing legacy tables that go to *target*."""
        return [reading for reading in self.all_readings if reading.target == target]

    @cached_property
    def all_readings(self) -> list[Reading]:
        """The readings of every existing mapped legacy table."""
        return [
            reading for reading in every_reading(self.world) if self.sets.variant(reading.source) == reading.variant
        ]

    def reading_of(self, source: str) -> Reading | None:
        """Return the reading of a legacy table; None if the table is missing or not mapped."""
        return next((reading for reading in self.all_readings if reading.source == source), None)

    @cached_property
    def at_most(self) -> int:
        """Number of rows of one legacy table to judge."""
        counts = []
        for reading in self.all_readings:
            database, _, table = reading.source.partition(".")
            with self.sets.beside(database) as connection:
                (count,) = connection.execute(f"SELECT count(*) FROM {quoted(database)}.{quoted(table)}").fetchone()
                counts.append(count)
        return most_of_each(counts)

    def table(self, reading: Reading, judged: Judged) -> OneTable:
        """Return the judge of the legacy table of *reading*, which adds to *judged*.

        Tables whose rows become several are judged whole, not by a sample: no SQL contract rebuilds those rows.
        """
        at_most = self.at_most if reading.parts is None else sys.maxsize
        return OneTable(self.sets, self.affinity, reading, judged, at_most=at_most)

    def judge(self, target: str) -> Judged:
        """Judge the rows of the legacy tables that go to *target*, all or a sample by key; once."""
        if target not in self._judged:
            judged = self._judged[target] = Judged()
            for reading in self.readings(target):
                self.table(reading, judged).judge()
            check_numbers(target, judged)
        return self._judged[target]

    def forward(self, reading: Reading, legacy: Row) -> list[Row]:
        """Return each target row that a legacy row becomes, as stored, without JSON columns."""
        types = column_types(reading.target)
        return [
            {name: self._stored(rule(laid), types.get(name, "")) for name, rule in reading.forward.items()}
            for laid in parts_of(reading, legacy)
        ]

    def _stored(self, value: Cell, declared: str) -> Cell:
        return self.affinity.stored(value.value if isinstance(value, Near) else value, declared)


def every_reading(world: World) -> Iterator[Reading]:
    """Yield the readings of every mapped table, in both variants."""
    for module in (oracle_core, oracle_tax, oracle_analytics, oracle_memory, oracle_market, oracle_cache, same_shape):
        yield from module.readings(world)
