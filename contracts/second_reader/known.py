"""What is known by a key: a dictionary that moves to the disk where it gets large."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import islice
from typing import Any, Generic, TypeVar, cast, overload

from contracts.second_reader.cells import Cell, bytes_of
from migrator import sqlite

Value = TypeVar("Value")

#: So many keys are kept in memory.
IN_MEMORY = 20_000
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
        self._many = sqlite.temporary()
        self._many.execute("CREATE TABLE known (key PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._many.execute("BEGIN")
        for some in (self._few.items(), (first,), left):
            self._many.executemany(
                "INSERT OR IGNORE INTO known VALUES (?, ?)", ((_coded(key), pickle.dumps(value)) for key, value in some)
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
        found = self._many.execute("SELECT value FROM known WHERE key = ?", (_coded(key),)).fetchone()
        # Nobody else can write what is read here: the database has no name.
        return default if found is None else cast("Value", pickle.loads(found[0]))  # noqa: S301


def _coded(key: Any) -> int | float | bytes:
    """Return *key* as something that SQLite takes and compares as Python does."""
    if isinstance(key, int | float):
        return key
    if key is None:
        return b"n"
    if isinstance(key, str):
        return b"t" + bytes_of(key)
    if isinstance(key, bytes):
        return b"b" + key
    raise TypeError(f"{type(key).__name__} is no cell")
