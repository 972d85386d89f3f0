"""Maps and sorted lists that move from memory to a temporary database when they get large."""

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

#: Largest map in memory [keys].
IN_MEMORY = 20_000
#: Entries of a sorted list that are written to the database together [entries].
AT_ONCE = 1_000
_LEAST, _MOST = -(2**63), 2**63 - 1


class Known(Generic[Value]):
    """A read-only map; of two values for one key the first counts.

    Up to :data:`IN_MEMORY` keys are in a dictionary, more in a temporary SQLite database, whose memory does not
    grow.  In both, 1 and 1.0 are the same key, and text never equals bytes.
    """

    def __init__(self, pairs: Iterable[tuple[Cell, Value]]) -> None:
        left = iter(pairs)
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
        """Return the value of *key*, else *default*.

        Raises:
            TypeError: *key* is not a cell.
        """
        if self._many is None:
            return self._few.get(key, default)
        if isinstance(key, int) and not _LEAST <= key <= _MOST:
            return default
        row = self._many.execute("SELECT value FROM known WHERE key = ?", (_named(key),)).fetchone()
        return default if row is None else cast("Value", _unpickled(row[0]))


class Places(Generic[Value]):
    """Values sorted by up to four cells, in SQLite's order."""

    def __init__(self) -> None:
        self._seen: sqlite3.Connection | None = None
        self._latest: list[tuple[bytes | int | float | None, ...]] = []

    def add(self, seen: Value, first: Cell, second: Cell = None, third: Cell = None, last: Cell = None) -> None:
        """Add the value *seen* with its sort key of up to four cells."""
        self._latest.append((pickle.dumps(seen), *map(_coded, (first, second, third, last))))
        if len(self._latest) >= AT_ONCE:
            self._store()

    def taken(self) -> Iterator[Value]:
        """Yield the values in the order of their keys, and remove them."""
        if self._seen is None and not self._latest:
            return
        seen = self._store()
        for (what,) in seen.execute("SELECT what FROM seen ORDER BY a, b, c, d, rowid"):
            yield _unpickled(what)
        seen.close()
        self._seen = None

    def _store(self) -> sqlite3.Connection:
        """Move the newest entries to the database."""
        if self._seen is None:
            self._seen = _nameless(self)
            self._seen.execute("CREATE TABLE seen (what, a, b, c, d)")
            self._seen.execute("BEGIN")
        self._seen.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", self._latest)
        self._latest.clear()
        return self._seen


def _nameless(owner: object) -> sqlite3.Connection:
    """Open a temporary database that is closed when its *owner* is garbage-collected."""
    connection = connections.temporary()
    weakref.finalize(owner, connection.close)
    return connection


def _unpickled(answer: bytes) -> Any:
    return pickle.loads(answer)  # noqa: S301 - no other process can write to a temporary database


def _named(key: Cell) -> int | float | bytes:
    coded = _coded(key)
    return b"" if coded is None else coded


def _coded(cell: Any) -> int | float | bytes | None:
    """Return *cell* in a form that SQLite stores, and sorts like the cell.

    Raises:
        TypeError: *cell* is not a cell.
    """
    if cell is None or isinstance(cell, int | float):
        return cell
    if isinstance(cell, str):
        return b"t" + bytes_of(cell)
    if isinstance(cell, bytes):
        return b"x" + cell
    raise TypeError(f"{type(cell).__name__} is not a cell")
