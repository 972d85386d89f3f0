"""Databases that nobody else may write: taken over one by one, let go of together.

While they are held this process must not open or close the same files in any other way: POSIX drops a process's locks
on a file when it closes any descriptor of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from migrator import digest, sqlite
from migrator.errors import Refused
from migrator.holders import holders
from migrator.plain import escaped

#: Seconds for which we wait for somebody's transaction to end.
PATIENCE_S = 5.0


@contextlib.contextmanager
def held(expected: Mapping[Path, str]) -> Iterator[float]:
    """Hold the databases *expected* (path -> digest of its content, '' where any will do), in rollback-journal mode.

    Yields the moment of the monotonic clock from which writers were held up.

    Raises:
        Refused: A process has one of them open, somebody keeps it locked, or it does not hold what is expected.
    """
    refuse_holders(expected)
    with contextlib.ExitStack() as stack:
        taken = []
        for path, wanted in expected.items():
            with _naming(path):
                connection = stack.enter_context(contextlib.closing(sqlite.take_over(path, PATIENCE_S)))
                # Hashed before anybody is held up; the version tells whether it has to be done again.
                _compare(connection, path, wanted)
                taken.append((path, wanted, connection, _version(connection)))
        begun = time.monotonic()
        for path, wanted, connection, version in taken:
            with _naming(path):
                sqlite.shut(connection)
                if _version(connection) != version:
                    _compare(connection, path, wanted)
        refuse_holders(expected)
        yield begun


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
def _naming(path: Path) -> Iterator[None]:
    """Turn what SQLite says into a sentence that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Refused(
                f"somebody kept it locked for {PATIENCE_S:.0f} s", where=escaped(path), hint="stop what uses it"
            ) from error
        raise
