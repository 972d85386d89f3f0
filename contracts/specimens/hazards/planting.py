"""Plants hazards: rows like their neighbours, each with one fault.

A hazard is a function that adds its rows through a :class:`Plant`, which counts them and records which of them a correct
migration must refuse.  Planted rows have tokens, ids and signatures of their own, so that a hazard does not change
the migration of another hazard, or of the other rows.
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
    """A planted hazard.

    Attributes:
        id: Its name in the list of hazards.
        what: The fault, in a sentence.
        where: The legacy table, such as ``jarvis.positions``.
        count: Number of rows with the fault.
        quarantined: Number of rows that a correct migration quarantines because of the hazard, its helper rows included,
            by target table.
    """

    id: str
    what: str
    where: str
    count: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes to be stored as TEXT; they may be invalid UTF-8."""

    raw: bytes


class Plant:
    """Adds the rows of one hazard to the open databases of a set, and counts them."""

    def __init__(self, world: World, databases: Mapping[str, sqlite3.Connection], sound: Mapping[str, Sound]) -> None:
        self.world = world
        self.sound = sound
        self.databases = databases
        self.rng = world.rng("hazards")
        self.count = 0
        self.refused: Counter[str] = Counter()
        self._serial = 0

    def serial(self) -> int:
        """Return a number that no planted row has yet."""
        self._serial += 1
        return self._serial

    def hex8(self, table: str) -> str:
        """Return an id that no row of *table* has."""
        return hex8(_PLANTED + self.serial(), self.world.salt_of(table))

    def hex8_like(self, table: str, kind: Callable[[str], bool]) -> str:
        """Return an id that no row of *table* has and for which *kind* holds."""
        return hex8_numeric(kind, 2 * _PLANTED + (self.serial() << 18), self.world.salt_of(table))

    def token(self) -> tuple[str, str]:
        """Return symbol and mint of a new token that no table mentions."""
        return f"HZ{self.serial()}", self.mint()

    def known(self) -> tuple[str, str]:
        """Return symbol and mint of a new token that only the table of mentioned tokens has."""
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
        """Add a row of the hazard to *table*, valid except for *changes*; return its rowid.

        Args:
            table: The legacy table, such as ``jarvis.positions``.
            refused: The target table that must refuse the row, if any.
            changes: Values by column.
        """
        self.count += 1
        return self.beside(table, refused=refused, **changes)

    def beside(self, table: str, *, refused: str = "", **changes: Any) -> int:
        """Add a valid row that the hazard needs, uncounted; *refused* may refuse it."""
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


#: Makes the cells of a valid row, by column.
Sound = Callable[[Plant], dict[str, Any]]
#: First id of planted rows: above the number of generated rows.
_PLANTED = 1 << 30


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard: its id, its table, the fault, and the function that plants it."""

    id: str
    where: str
    what: str
    add: Callable[[Plant], None]


class Hazards(list[Hazard]):
    """Hazards in the order in which they are planted."""

    def of(self, id_: str, where: str, what: str) -> Callable[[Callable[[Plant], None]], Callable[[Plant], None]]:
        """Register the decorated function, which plants the hazard *id_* in the table *where*."""

        def register(add: Callable[[Plant], None]) -> Callable[[Plant], None]:
            self.append(Hazard(id_, where, what, add))
            return add

        return register


def plant(hazard: Hazard, into: Plant) -> Planted:
    """Plant *hazard* and return its counts."""
    into.count, into.refused = 0, Counter()
    hazard.add(into)
    return Planted(
        id=hazard.id,
        what=hazard.what,
        where=hazard.where,
        count=into.count,
        quarantined=dict(sorted(into.refused.items())),
    )
