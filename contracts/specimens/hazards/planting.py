"""Planting hazards: rows that look like their neighbours except for what is wrong with them.

A hazard is a function that adds its rows through a :class:`Plant`, which counts them and notes which ones a correct
migration has to refuse.  Planted rows have tokens, ids and signatures of their own, so that one hazard does not
change what becomes of another, or of the rows that were there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import insertion
from contracts.specimens.values import hex8, hex8_numeric, mint, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A hazard, planted.

    Attributes:
        id: Its name in the list of hazards.
        what: What is wrong, in a sentence.
        where: The legacy table, ``jarvis.positions``.
        count: How many rows have it.
        quarantined: How many of them, and of sound rows that they needed beside them, a correct migration quarantines,
            by target table.
    """

    id: str
    what: str
    where: str
    count: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes to be stored as TEXT, whether or not they are text."""

    raw: bytes


class Plant:
    """Adds rows to the open databases of a set and keeps count for the hazard at hand."""

    def __init__(self, world: World, databases: Mapping[str, sqlite3.Connection], sound: Mapping[str, Sound]) -> None:
        self.world = world
        self.sound = sound
        self.databases = databases
        self.rng = world.rng("hazards")
        self.count = 0
        self.refused: Counter[str] = Counter()
        self._serial = 0

    def serial(self) -> int:
        """Return the next number that no planted row has had."""
        self._serial += 1
        return self._serial

    def hex8(self, table: str) -> str:
        """Return an id that no row of *table* has."""
        return hex8(_PLANTED + self.serial(), self.world.salt_of(table))

    def hex8_like(self, table: str, kind: Callable[[str], bool]) -> str:
        """Return an id that no row of *table* has and for which *kind* holds."""
        return hex8_numeric(kind, 2 * _PLANTED + (self.serial() << 18), self.world.salt_of(table))

    def token(self) -> tuple[str, str]:
        """Return symbol and mint of a token that nobody has heard of."""
        return f"HZ{self.serial()}", self.mint()

    def known(self) -> tuple[str, str]:
        """Return symbol and mint of a new token that is on record once, among the tokens mentioned."""
        symbol, address = self.token()
        self.beside("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=address)
        return symbol, address

    def mint(self) -> str:
        """Return a new address."""
        return mint(self.rng)

    def signature(self) -> str:
        """Return a new signature."""
        return signature(self.rng)

    def add(self, table: str, *, refused: str = "", **changes: Any) -> int:
        """Add a row of the hazard to *table*, like its neighbours but for *changes*; return its rowid.

        Args:
            table: The legacy table, ``jarvis.positions``.
            refused: The target table that has to refuse it, if any.
            changes: Values by column.
        """
        self.count += 1
        return self.beside(table, refused=refused, **changes)

    def beside(self, table: str, *, refused: str = "", **changes: Any) -> int:
        """Add a sound row that the hazard needs: it is not counted, but it may have to be *refused* all the same."""
        if refused:
            self.refused[refused] += 1
        values = {**self.sound[table](self), **changes}
        database, _, name = table.partition(".")
        connection = self.databases[database]
        marks = {name: "CAST(? AS TEXT)" if isinstance(value, Text) else "?" for name, value in values.items()}
        cursor = connection.execute(
            insertion(connection, name, marks),
            [value.raw if isinstance(value, Text) else value for value in values.values()],
        )
        return cursor.lastrowid or 0

    def change(self, database: str, statement: str, *values: Any) -> None:
        """Run *statement* on *database* and count the rows that it changed."""
        self.count += self.databases[database].execute(statement, values).rowcount


#: Makes a sound row, by column.
Sound = Callable[[Plant], dict[str, Any]]
#: Ids of planted rows begin here: generated rows are never so many.
_PLANTED = 1 << 30


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard that can be planted: its id, the table it is in, what is wrong, and how to plant it."""

    id: str
    where: str
    what: str
    add: Callable[[Plant], None]


class Hazards(list[Hazard]):
    """Hazards in the order in which they are planted."""

    def of(self, id_: str, where: str, what: str) -> Callable[[Callable[[Plant], None]], Callable[[Plant], None]]:
        """Register the decorated function as planting hazard *id_* in table *where*."""

        def register(add: Callable[[Plant], None]) -> Callable[[Plant], None]:
            self.append(Hazard(id_, where, what, add))
            return add

        return register


def plant(hazard: Hazard, into: Plant) -> Planted:
    """Plant *hazard* and say what came of it."""
    into.count, into.refused = 0, Counter()
    hazard.add(into)
    return Planted(
        id=hazard.id,
        what=hazard.what,
        where=hazard.where,
        count=into.count,
        quarantined=dict(sorted(into.refused.items())),
    )
