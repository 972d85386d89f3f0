"""The connection that an application gets: the interface of :mod:`sqlite3`, on a mirror.

Mirrors outlive connections: to make one takes longer than to open a file.  ``close`` rolls back and gives the mirror to a pool,
which closes its file when it is idle, so that no idle program is in the way of a rollback.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Literal

from migrator.application.compat.errors import Unsupported
from migrator.application.compat.mirror import Cursor as MirrorCursor
from migrator.application.compat.mirror import Mirror, Served
from migrator.system import connections
from migrator.system.connections import folded

#: Mirrors of one kind that are kept for the next connection.
_MOST_IDLE = 4
#: Statements of its own that a mirror prepares, so that it keeps them.
_FEWEST_STATEMENTS = 1_000
#: Time after which an idle mirror closes its file [s].
IDLE_S = 1.0


class Pool:
    """The idle mirrors of this process."""

    def __init__(self) -> None:
        """Begin empty; a child process begins empty again, since SQLite's files may not cross a fork."""
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        #: Mirrors by kind; for each whether its file is open, and since when it is idle [s].
        self._idle: dict[tuple[Any, ...], list[Mirror]] = {}
        self._since: dict[Mirror, float] = {}
        #: Mirrors of connections that were never closed.  Its put is safe wherever garbage is collected.
        self._dropped: queue.SimpleQueue[Mirror] = queue.SimpleQueue()
        self._janitor: threading.Thread | None = None

    def take(self, served: Served, detect_types: int, cached_statements: int) -> Mirror:
        """Return an idle mirror, or make one."""
        kind = (served, detect_types, cached_statements)
        with self._lock:
            self._take_dropped()
            idle = self._idle.get(kind)
            mirror = idle.pop() if idle else None
            attached = mirror is not None and self._since.pop(mirror, None) is not None
            if self._janitor is None:
                self._janitor = threading.Thread(target=self._detach_idle, name="migrator: idle files", daemon=True)
                self._janitor.start()
        if mirror is None:
            return _new_mirror(served, kind)
        if not attached:
            mirror.attach()
        return mirror

    def give(self, mirror: Mirror) -> None:
        """Keep *mirror*, reset, for the next connection; or close it."""
        if mirror.tainted:
            mirror.close()
            return
        mirror.reset()
        with self._lock:
            self._keep(mirror)

    def drop(self, mirror: Mirror) -> None:
        """Keep the mirror of a connection that was not closed, for the next connection."""
        if mirror.tainted or sys.is_finalizing():
            mirror.close()
        else:
            mirror.reset()
            self._dropped.put(mirror)

    def clear(self) -> None:
        """Close every idle mirror."""
        with self._lock:
            self._take_dropped()
            for idle in self._idle.values():
                for mirror in idle:
                    mirror.close()
            self._idle.clear()
            self._since.clear()

    def _keep(self, mirror: Mirror) -> None:
        idle = self._idle.setdefault(mirror.kind, [])
        if len(idle) < _MOST_IDLE:
            idle.append(mirror)
            self._since[mirror] = time.monotonic()
        else:
            mirror.close()

    def _take_dropped(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._keep(self._dropped.get_nowait())

    def _detach_idle(self) -> None:
        """Close the files of mirrors that are idle for a while, as long as the process runs."""
        while True:
            time.sleep(IDLE_S)
            with self._lock:
                self._take_dropped()
                now = time.monotonic()
                for mirror in [one for one, since in self._since.items() if now - since >= IDLE_S]:
                    del self._since[mirror]
                    try:
                        mirror.detach()
                    except sqlite3.Error:
                        # A statement that the caller still holds keeps the file open: no other caller gets this one.
                        self._idle[mirror.kind].remove(mirror)
                        mirror.close()


def _new_mirror(served: Served, kind: tuple[Any, ...]) -> Mirror:
    _, detect_types, cached_statements = kind
    mirror: sqlite3.Connection = connections.without_file(
        ":memory:",
        factory=Mirror,
        check_same_thread=False,
        detect_types=detect_types,
        cached_statements=cached_statements,
        uri=True,
    )
    assert isinstance(mirror, Mirror)
    mirror.open(served)
    mirror.kind = kind
    return mirror


POOL = Pool()


class Cursor(MirrorCursor):
    """A cursor on a legacy schema."""

    def __init__(self, connection: Connection) -> None:
        """Make a cursor of *connection*."""
        super().__init__(connection.mirror)
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The connection that made it."""
        return self._connection

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Run a statement; see :meth:`sqlite3.Cursor.execute`."""
        self._connection.mirror.run(self, sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        """Run a statement once for each of *parameters*."""
        self._connection.mirror.run(self, sql, list(parameters), many=True)
        return self

    def executescript(self, script: str, /) -> Cursor:
        """Run each statement of *script*, after a commit."""
        self._connection.commit()
        buffer = ""
        *pieces, rest = script.split(";")
        for piece in pieces:
            buffer += piece + ";"
            if sqlite3.complete_statement(buffer):
                self._connection.mirror.run(self, buffer, (), alone=True)
                buffer = ""
        if (buffer + rest).strip():
            self._connection.mirror.run(self, buffer + rest, (), alone=True)
        return self

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement changed."""
        changed: int = sqlite3.Cursor.rowcount.__get__(self)
        return changed if self.count is None else self.count

    @property
    def lastrowid(self) -> int | None:
        """The rowid of the last row that an INSERT of the connection inserted."""
        return self.last

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        if self.rows is None:
            return super().fetchone()
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next *size* rows."""
        size = self.arraysize if size is None else size
        if self.rows is None:
            return super().fetchmany(size)
        rows, self.rows = self.rows[:size], self.rows[size:]
        return rows

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""
        if self.rows is None:
            return super().fetchall()
        rows, self.rows = self.rows, []
        return rows

    def __next__(self) -> Any:
        """Return the next row."""
        if self.rows is None:
            return super().__next__()
        if not self.rows:
            raise StopIteration
        return self.rows.pop(0)


class Connection(sqlite3.Connection):
    """A connection to a legacy database whose rows are in the consolidated set.

    Below it is an empty database in memory, which a call that goes round this class reaches instead of the mirror.  It is in a
    transaction and denies everything, so that such a call fails: a commit that does nothing would lose what it should keep.
    """

    _mirror: Mirror | None = None
    #: The legacy database, of a subclass that is made for it.
    served: Served

    def __init__(
        self,
        database: str,
        timeout: float = 5.0,
        detect_types: int = 0,
        isolation_level: Any = "",
        check_same_thread: bool = True,
        factory: Any = None,
        cached_statements: int = 128,
        uri: bool = False,
        **options: Any,
    ) -> None:
        """Take a mirror of :attr:`served`; the parameters are those of :func:`sqlite3.connect`.

        Raises:
            sqlite3.Error: The consolidated database cannot be opened.
        """
        # By name: from Python 3.13 on a warning comes with more than one parameter by position.
        super().__init__(
            database,
            timeout=timeout,
            detect_types=detect_types,
            isolation_level=isolation_level,
            check_same_thread=check_same_thread,
            factory=factory,
            cached_statements=cached_statements,
            uri=uri,
            **options,
        )
        if not super().in_transaction:
            sqlite3.Cursor(self).execute("BEGIN")
        super().set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        mirror = POOL.take(self.served, detect_types, max(cached_statements, _FEWEST_STATEMENTS))
        mirror.wait(timeout)
        mirror.isolation_level = super().isolation_level
        if sys.version_info >= (3, 12):
            mirror.autocommit = super().autocommit
        self._thread = threading.get_ident() if check_same_thread else 0
        self._changes_before = mirror.written
        self._mirror = mirror

    @property
    def mirror(self) -> Mirror:
        """The mirror, for a cursor of this connection.

        Raises:
            sqlite3.ProgrammingError: The connection is closed, or another thread made it.
        """
        mirror = self._open_mirror
        if self._thread not in (0, threading.get_ident()):
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread. The object was created in"
                f" thread id {self._thread} and this is thread id {threading.get_ident()}."
            )
        return mirror

    @property
    def _open_mirror(self) -> Mirror:
        """The mirror, for what any thread may read and set, as of a connection of sqlite3.

        Raises:
            sqlite3.ProgrammingError: The connection is closed.
        """
        if self._mirror is None:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return self._mirror

    def __del__(self) -> None:
        """Give the mirror back, as a connection that nothing refers to is closed."""
        if self._mirror is not None:
            mirror, self._mirror = self._mirror, None
            POOL.drop(mirror)

    # Statements and transactions.

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Return a cursor."""
        return super().cursor(_cursor_class(factory))

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement on a new cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run a statement once for each of *parameters*, on a new cursor."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, script: str, /) -> Any:
        """Run a script on a new cursor."""
        return self.cursor().executescript(script)

    def commit(self) -> None:
        """Put what was changed into the consolidated set, and commit."""
        try:
            self.mirror.save()
        except sqlite3.Error:
            # The monitor counts it, where this connection counts for the monitor.
            if (counter := getattr(self, "counter", None)) is not None:
                counter.failed()
            raise

    def rollback(self) -> None:
        """Undo the transaction."""
        self.mirror.undo()

    def close(self) -> None:
        """Undo the transaction, and give the mirror back."""
        if self._mirror is not None:
            mirror, self._mirror = self.mirror, None
            POOL.give(mirror)
            super().set_authorizer(None)
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        """Commit, or roll back after an error."""
        if kind is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._mirror is not None and self._mirror.in_transaction

    @property
    def isolation_level(self) -> Any:
        """As :attr:`sqlite3.Connection.isolation_level`."""
        return super().isolation_level if self._mirror is None else self._mirror.isolation_level

    @isolation_level.setter
    def isolation_level(self, level: Any) -> None:
        if level is None:
            self.commit()
        self.mirror.isolation_level = level

    if sys.version_info >= (3, 12):

        @property
        def autocommit(self) -> Any:
            """As :attr:`sqlite3.Connection.autocommit`."""
            return self.mirror.autocommit

        @autocommit.setter
        def autocommit(self, value: Any) -> None:
            if value is True:
                self.commit()
            self.mirror.autocommit = value

    @property
    def text_factory(self) -> Any:
        """As :attr:`sqlite3.Connection.text_factory`."""
        return self._open_mirror.text_factory

    @text_factory.setter
    def text_factory(self, factory: Any) -> None:
        self._open_mirror.text_factory = factory

    @property
    def total_changes(self) -> int:
        """The number of rows that statements of this connection changed."""
        return self._open_mirror.written - self._changes_before

    # What acts on the database as a whole.

    def backup(self, target: sqlite3.Connection, **options: Any) -> None:
        """Copy the legacy database, every table loaded, to *target*."""
        self.mirror.fresh()
        self.mirror.backup(target, **options)

    def iterdump(self, **options: Any) -> Generator[str, None, None]:
        """Yield the SQL of the legacy database, every table loaded."""
        self.mirror.fresh()
        return self.mirror.iterdump(**options)

    def serialize(self, *, name: str = "main") -> bytes:
        """Return the legacy database, every table loaded, as bytes."""
        self.mirror.fresh()
        return self.mirror.serialize(name=name)

    def deserialize(self, *_: Any, **__: Any) -> None:
        """Refuse: it would replace the database in memory, not the consolidated set."""
        raise Unsupported("deserialize: the legacy schema on the consolidated set cannot be replaced as a whole")

    def blobopen(
        self, table: str, column: str, row: int, /, *, readonly: bool = False, name: str = "main"
    ) -> sqlite3.Blob:
        """Open a cell for reading; writing would pass the consolidated set by."""
        if not readonly:
            raise Unsupported("blobopen: only readonly=True is served on the consolidated set; write by UPDATE")
        self.mirror.fresh([folded(table)])
        return self.mirror.blobopen(table, column, row, readonly=True, name=name)

    def set_authorizer(self, callback: Callable[..., int | None] | None) -> None:
        """Consult *callback* too, about statements of the caller."""
        self.mirror.consult(callback)

    def interrupt(self) -> None:
        """Stop the statement under way; any thread may."""
        if self._mirror is not None:
            self._mirror.interrupt()


def _on_mirror(name: str) -> Callable[..., Any]:
    """Return the method *name*, called on the mirror, which no other connection gets then."""

    def method(self: Connection, *arguments: Any, **named: Any) -> Any:
        self.mirror.tainted = True
        return getattr(self.mirror, name)(*arguments, **named)

    method.__name__ = name
    method.__doc__ = f"As :meth:`sqlite3.Connection.{name}`."
    return method


for _name in (
    "create_aggregate",
    "create_collation",
    "create_function",
    "create_window_function",
    "enable_load_extension",
    "load_extension",
    "getconfig",
    "setconfig",
    "getlimit",
    "setlimit",
    "set_progress_handler",
    "set_trace_callback",
):
    if hasattr(sqlite3.Connection, _name):
        setattr(Connection, _name, _on_mirror(_name))


@functools.cache
def _cursor_class(asked: type[sqlite3.Cursor]) -> type[sqlite3.Cursor]:
    """Return *asked* as a class of cursors of ours."""
    if asked is sqlite3.Cursor:
        return Cursor
    return asked if issubclass(asked, Cursor) else type(asked.__name__, (asked, Cursor), {})
