"""What is known by a key, and what was seen in which place: both move to the disk where they get large."""

from __future__ import annotations

import pickle
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar, cast, overload

from contracts.oracle.cells import Cell, bytes_of
from migrator.system import connections

Value = TypeVar("Value")

#: So many keys are kept in memory.
IN_MEMORY = 20_000
#: So many places are moved to the disk at once.
AT_ONCE = 1_000
_LEAST, _MOST = -(2**63), 2**63 - 1


class Known(Generic[Value]):
    """What is known of each key; of two answers for one key the first counts.

    Up to :data:`IN_MEMORY` answers lie in a dictionary.  More of them lie in a nameless database of SQLite, whose
    memory does not grow: there, as in a dictionary, 1 and 1.0 are one key, and text and bytes are never equal.
    """

    def __init__(self, answers: Iterable[tuple[Cell, Value]]) -> None:
        left = iter(answers)
        self._few: dict[Cell, Value] = {}
        for key, value in islice(left, IN_MEMORY):
            self._few.setdefault(key, value)
        first = next(left, None)
        if first is None:
            self._many = None
            return
        self._many = _nameless(self)
        self._many.execute("CREATE TABLE known (key PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._many.execute("BEGIN")
        for some in (self._few.items(), (first,), left):
            self._many.executemany(
                "INSERT OR IGNORE INTO known VALUES (?, ?)", ((_named(key), pickle.dumps(value)) for key, value in some)
            )
        self._many.execute("COMMIT")
        self._few.clear()

    @overload
    def get(self, key: Cell) -> Value | None: ...
    @overload
    def get(self, key: Cell, default: Value) -> Value: ...
    def get(self, key: Cell, default: Value | None = None) -> Value | None:
        """Return what is known of *key*, else *default*.

        Raises:
            TypeError: *key* is no cell.
        """
        if self._many is None:
            return self._few.get(key, default)
        if isinstance(key, int) and not _LEAST <= key <= _MOST:
            return default
        found = self._many.execute("SELECT value FROM known WHERE key = ?", (_named(key),)).fetchone()
        return default if found is None else cast("Value", _unpickled(found[0]))


class Places(Generic[Value]):
    """What was seen in which place; a place is cells, and sorts as SQLite sorts them: NULL, numbers, text by its bytes, bytes."""

    def __init__(self) -> None:
        self._seen: sqlite3.Connection | None = None
        self._latest: list[tuple[bytes | int | float | None, ...]] = []

    def add(self, seen: Value, first: Cell, second: Cell = None, third: Cell = None, last: Cell = None) -> None:
        """Note what is *seen* in a place of up to four cells."""
        self._latest.append((pickle.dumps(seen), *map(_coded, (first, second, third, last))))
        if len(self._latest) >= AT_ONCE:
            self._store()

    def taken(self) -> Iterator[Value]:
        """Yield what was seen, in the order of the places, and forget it."""
        if self._seen is None and not self._latest:
            return
        seen = self._store()
        for (what,) in seen.execute("SELECT what FROM seen ORDER BY a, b, c, d, rowid"):
            yield _unpickled(what)
        seen.close()
        self._seen = None

    def _store(self) -> sqlite3.Connection:
        """Move the latest to the database."""
        if self._seen is None:
            self._seen = _nameless(self)
            self._seen.execute("CREATE TABLE seen (what, a, b, c, d)")
            self._seen.execute("BEGIN")
        self._seen.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", self._latest)
        self._latest.clear()
        return self._seen


def _nameless(owner: object) -> sqlite3.Connection:
    """Open a database that is closed when nobody holds its *owner* any more."""
    connection = connections.temporary()
    weakref.finalize(owner, connection.close)
    return connection


def _unpickled(answer: bytes) -> Any:
    return pickle.loads(answer)  # noqa: S301 - nobody else can write to a database without a name


def _named(key: Cell) -> int | float | bytes:
    coded = _coded(key)
    return b"" if coded is None else coded


def _coded(cell: Any) -> int | float | bytes | None:
    """Return *cell* as something that SQLite takes, compares as Python does, and sorts as the cell.

    Raises:
        TypeError: It is no cell.
    """
    if cell is None or isinstance(cell, int | float):
        return cell
    if isinstance(cell, str):
        return b"t" + bytes_of(cell)
    if isinstance(cell, bytes):
        return b"x" + cell
    raise TypeError(f"{type(cell).__name__} is no cell")
