"""Databases that nobody else may write: taken over one by one, let go of together.

While they are held this process must not open or close the same files in any other way: POSIX drops a process's locks
on a file when it closes any descriptor of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from migrator import digest, sqlite
from migrator.errors import Refused
from migrator.holders import holders
from migrator.plain import escaped

#: Seconds for which we wait for somebody's transaction to end.
PATIENCE_S = 5.0


@contextlib.contextmanager
def held(
    expected: Mapping[Path, str], begin: Callable[[], None] = lambda: None, undone: Callable[[], None] = lambda: None
) -> Iterator[float]:
    """Hold the databases *expected* (path -> digest of its content, '' where any will do), in rollback-journal mode.

    Yields the moment of the monotonic clock from which writers were held up.  *begin* is called right after it, before
    anything is changed: what it writes down tells a recovery that journal modes may have to be set again.  Where they
    cannot be held after all, *undone* is called once the modes are as they were; on a disk that fails it is not.

    Raises:
        Refused: A process has one of them open, somebody keeps it locked, or it does not hold what is expected; each is
            in the journal mode that it was in.
    """
    refuse_holders(expected)
    with contextlib.ExitStack() as stack:
        taken = []
        for path, wanted in expected.items():
            with naming(path):
                connection = stack.enter_context(contextlib.closing(sqlite.take_over(path, PATIENCE_S)))
                # Hashed before anybody is held up; the version tells whether it has to be done again.
                _compare(connection, path, wanted)
                taken.append((path, wanted, connection, _version(connection)))
        begun = time.monotonic()
        modes: list[tuple[sqlite3.Connection, str]] = []
        try:
            begin()
            for path, wanted, connection, version in taken:
                with naming(path):
                    modes.append((connection, connection.execute("PRAGMA journal_mode").fetchone()[0]))
                    sqlite.shut(connection)
                    if _version(connection) != version:
                        _compare(connection, path, wanted)
            refuse_holders(expected)
        except BaseException:
            let_go = [_let_go(connection, mode) for connection, mode in modes]
            if all(let_go):
                undone()
            raise
        yield begun


def _let_go(connection: sqlite3.Connection, mode: str) -> bool:
    """Let others write again, in the journal mode that was; tell whether the disk let us."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        (found,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    except sqlite3.OperationalError as error:
        # Who is at work in it now, for longer than our patience, asks for a mode of his own when he opens it again.
        return _is_lock(error)
    return bool(found == mode)


def _is_lock(error: sqlite3.OperationalError) -> bool:
    """Tell whether somebody else is in the way, and not the disk."""
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def refuse_holders(paths: Mapping[Path, str]) -> None:
    """See that no other process has one of *paths* open.

    Raises:
        Refused: One has: the first five are named.
    """
    if found := holders(paths):
        more = f", and {len(found) - 5} more" if len(found) > 5 else ""
        raise Refused("; ".join(map(str, found[:5])) + more, hint="stop what uses the databases, then run this again")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _compare(connection: sqlite3.Connection, path: Path, wanted: str) -> None:
    if wanted and digest.digest(connection) != wanted:
        raise Refused(
            "has changed since the snapshot", where=escaped(path), hint="run migrator migrate again, then the cutover"
        )


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a lock into a sentence that names the file.

    Raises:
        Refused: Somebody kept it locked.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_lock(error):
            raise Refused(
                f"somebody kept it locked for {PATIENCE_S:.0f} s", where=escaped(path), hint="stop what uses it"
            ) from error
        raise
