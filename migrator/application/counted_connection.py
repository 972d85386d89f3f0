"""Connections that count their statements for the monitor, also below an application's own classes.

The counting class lies between the application's class and the standard library's: overridden methods still
run, and each statement that reaches SQLite is counted once.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from migrator.application.event_log import Counter

#: Sentinel for the end of the rows; equal to no row.
_NO_ROW = object()


def factory(asked: Any, counter: Counter) -> Any:
    """Return a factory like *asked* whose connections count their statements with *counter*.

    Connections of a factory that is a function are not counted.
    """
    is_class = isinstance(asked, type) and issubclass(asked, sqlite3.Connection)
    return _subclass(asked, _Connection, counter) if is_class else asked


@functools.cache
def _subclass(asked: Any, counting: type, counter: Counter) -> type:
    """Return the class *asked* with *counting* below it."""
    bases = (counting,) if asked in counting.__bases__ else (asked, counting)
    return type(asked.__name__, bases, {"counter": counter})


def _counted(method: Callable[..., Any], *, event: bool) -> Callable[..., Any]:
    """Wrap *method* of a cursor or a connection: count its failure, and with *event* its success."""

    @functools.wraps(method)
    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            result = method(self, *arguments, **named)
        except sqlite3.Error:
            self.counter.failed()
            raise
        if event:
            self.counter.held()
        return result

    return counted


class _Cursor(sqlite3.Cursor):
    """A cursor that counts each statement that ran, and each error, also one while rows are fetched."""

    counter: Counter

    execute = _counted(sqlite3.Cursor.execute, event=True)
    executemany = _counted(sqlite3.Cursor.executemany, event=True)
    executescript = _counted(sqlite3.Cursor.executescript, event=True)
    fetchone = _counted(sqlite3.Cursor.fetchone, event=False)
    fetchmany = _counted(sqlite3.Cursor.fetchmany, event=False)
    fetchall = _counted(sqlite3.Cursor.fetchall, event=False)
    __next__ = _counted(sqlite3.Cursor.__next__, event=False)

    def __iter__(self) -> Any:
        """Yield the remaining rows, without a Python call for each."""
        try:
            yield from iter(functools.partial(sqlite3.Cursor.__next__, self), _NO_ROW)
        except sqlite3.Error:
            self.counter.failed()
            raise


class _Connection(sqlite3.Connection):
    """A connection that counts its statements; its shortcuts use its cursors."""

    counter: Counter

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Return a counting cursor of the requested class."""
        if isinstance(factory, type) and issubclass(factory, sqlite3.Cursor):
            factory = _subclass(factory, _Cursor, self.counter)
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        """Run a statement on a cursor of its own."""
        return _Connection.cursor(self).execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement for each of many parameters, on a cursor of its own."""
        return _Connection.cursor(self).executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Run a script on a cursor of its own."""
        return _Connection.cursor(self).executescript(*arguments)

    commit = _counted(sqlite3.Connection.commit, event=False)
    __exit__ = _counted(sqlite3.Connection.__exit__, event=False)
