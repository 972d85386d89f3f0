"""The application's connection, ``migrator.connect("jarvis.db")``: to the set that is in use, safe, and counted.

It brings a switch that was cut short to its end, refuses to write where the flag and the names disagree, never creates
a file, sets what SQLite keeps per connection, and counts for the monitor which statements held and which failed.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from migrator import catalogue, envfile, paths, recovery, sqlite, switch
from migrator.errors import Refused, UsageError
from migrator.events import PLACE, Counter
from migrator.place import Place
from migrator.shell import quoted

#: Seconds for which a connection waits for somebody else's transaction, or for a switch under way.
PATIENCE_S = 5.0
_HOME = "~/.lifeos/data"
#: What no row is.
_NO_ROW = object()


def connect(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    synchronous: str | None = None,
    timeout: float = PATIENCE_S,
    **options: Any,
) -> sqlite3.Connection:
    """Open a database of the set that is in use, by its legacy name or by its new one.

    In the consolidated set ``foreign_keys`` is ON, and what each statement came to is counted for the monitor; a legacy
    database is opened as its code has always had it.

    Args:
        name: ``jarvis.db``, ``cache/file_cache.db`` or ``jarvis_core.db``, below the data directory; or an absolute path.
        data_dir: The data directory.  Default: ``MIGRATOR_DATA_DIR``, else ``~/.lifeos/data``.
        synchronous: ``FULL`` or ``NORMAL``.  Default: FULL for core, since in WAL mode NORMAL loses the last commits when
            power fails, else NORMAL.
        timeout: Seconds for which somebody else's transaction, or a switch under way, is waited for.
        options: What :func:`sqlite3.connect` takes besides: ``isolation_level``, ``detect_types``, ...

    Raises:
        UsageError: *synchronous* is neither.
        Refused: The database is not there, the flag and the names disagree, or a switch does not come to its end.
        sqlite3.Error: It cannot be opened.
    """
    if synchronous not in (None, "FULL", "NORMAL"):
        raise UsageError(f"synchronous={synchronous!r}: say 'FULL' or 'NORMAL'", where=name)
    named = paths.beside_itself(Path(data_dir or os.environ.get("MIGRATOR_DATA_DIR") or _HOME))
    home = paths.resolved(named)
    while True:
        recovery.settle(home, _place(home, named), timeout)
        settled = _stamp(home)
        try:
            connection = _opened(home, home / name, synchronous, timeout, options)
        except Refused:
            if settled == _stamp(home):
                raise
        else:
            # Whoever has it open is named by a switch, or came after it: then the other set was meant.
            if settled == _stamp(home):
                return connection
            connection.close()


def _place(home: Path, named: Path) -> Place:
    """Return what the environment names, as the command line reads it; the .env lies beside the folder as it is *named*."""
    env_file, include = os.environ.get("MIGRATOR_ENV_FILE"), os.environ.get("MIGRATOR_INCLUDE", "")
    included = tuple(Path(path) for path in include.split(os.pathsep) if path)
    return Place(home, included, Path(env_file) if env_file else envfile.beside(named))


def _stamp(home: Path) -> tuple[int, int] | None:
    """Return what changes when a switch begins or ends."""
    try:
        status = (home / ".migrator" / "switch.json").stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _opened(
    home: Path, path: Path, synchronous: str | None, timeout: float, options: Mapping[str, Any]
) -> sqlite3.Connection:
    """Open *path* as the set that is in use wants it."""
    last = switch.read(home)
    consolidated = last is not None and last.consolidated
    if last is not None and envfile.flag(last.env_file) != consolidated:
        says, names = ("true", "legacy") if not consolidated else ("false", "consolidated")
        raise Refused(
            f"{envfile.FLAG} is {says} and the names lead to the {names} set",
            where=last.env_file,
            hint=f"to go back run migrator rollback --data-dir {quoted(home)} --execute; else set the flag as it was",
        )
    if not path.is_file():
        raise Refused(
            "there is no such database",
            where=path,
            hint=f"to see which set is in use run migrator status --data-dir {quoted(home)}",
        )
    target = _target(path.resolve(), home.resolve()) if consolidated else None
    if target is None:
        return sqlite.as_it_was(path, timeout=timeout, **options)
    durable = synchronous or ("FULL" if target == "core" else "NORMAL")
    # Transactions begin as the standard library begins them, unless the caller has asked for another way.
    options = {"isolation_level": ""} | dict(options)
    connection = sqlite.application(path, synchronous=durable, timeout=timeout, factory=_Connection, **options)
    cast("_Connection", connection).counter = _counter(home.resolve() / PLACE)
    return connection


def _target(path: Path, home: Path) -> str | None:
    """Return which of the three consolidated databases lies at *path*, None if none does."""
    return next((target for target, name in catalogue.TARGETS.items() if path == home / name), None)


@functools.cache
def _counter(path: Path) -> Counter:
    return Counter(path)


def _counted(method: Callable[..., Any], *, event: bool) -> Callable[..., Any]:
    """Return *method* of a cursor or a connection so that its failure is counted, and with *event* its success too."""

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
    """A cursor whose statements are counted: each that ran, and each error, at once or while rows are fetched."""

    counter: Counter

    execute = _counted(sqlite3.Cursor.execute, event=True)
    executemany = _counted(sqlite3.Cursor.executemany, event=True)
    executescript = _counted(sqlite3.Cursor.executescript, event=True)
    fetchone = _counted(sqlite3.Cursor.fetchone, event=False)
    fetchmany = _counted(sqlite3.Cursor.fetchmany, event=False)
    fetchall = _counted(sqlite3.Cursor.fetchall, event=False)
    __next__ = _counted(sqlite3.Cursor.__next__, event=False)

    def __iter__(self) -> Any:
        """Yield the rows that are left, without a call of Python's for each of them."""
        try:
            yield from iter(functools.partial(sqlite3.Cursor.__next__, self), _NO_ROW)
        except sqlite3.Error:
            self.counter.failed()
            raise


class _Connection(sqlite3.Connection):
    """A connection whose statements are counted; its shortcuts would go by plain cursors."""

    counter: Counter

    def cursor(self, factory: Any = _Cursor) -> Any:
        """Return a cursor that counts, unless another kind is asked for."""
        made = super().cursor(factory)
        if isinstance(made, _Cursor):
            made.counter = self.counter
        return made

    def execute(self, *arguments: Any) -> Any:
        """Run a statement on a cursor of its own."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement for each of many parameters, on a cursor of its own."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Run a script on a cursor of its own."""
        return self.cursor().executescript(*arguments)

    commit = _counted(sqlite3.Connection.commit, event=False)
    __exit__ = _counted(sqlite3.Connection.__exit__, event=False)
