"""Every connection of the project is opened here, and every pragma has its reason.

Connections never begin a transaction by themselves (``isolation_level=None``): the standard library would otherwise
open one before an INSERT and commit it inside ``executescript``.  Names of files reach SQLite as ``file:`` URIs with
a mode, because a plain connect creates an empty database where a file is missing or a link dangles.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import SourceBusy, SourceError

#: The first sixteen bytes of every SQLite 3 file (sqlite.org/fileformat.html, section 1.3.1).
MAGIC = b"SQLite format 3\x00"
#: Files that hold a part of a database beside it.  ``-shm`` is left out: it is an index over ``-wal`` that SQLite rebuilds.
COMPANIONS = ("-wal", "-journal")
#: How often a file that changes under our hands is copied again before we give up.
COPY_ATTEMPTS = 20
#: Seconds for which a file must have been left alone before its time stamp can vouch for a copy: the kernel's clock
#: for time stamps ticks every 4 ms (10 ms at most), and two writes within one tick look like one.
SETTLED_S = 0.02


def quoted(name: str) -> str:
    """Return *name* as an SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def memory() -> sqlite3.Connection:
    """Open an empty database in memory."""
    return sqlite3.connect(":memory:", isolation_level=None)


def create(path: Path) -> sqlite3.Connection:
    """Open a new database of our own at *path*, readable by its owner alone.

    Raises:
        FileExistsError: There is a file already.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return _open(path, "rw")


def read(path: Path) -> sqlite3.Connection:
    """Open a database that we own or a private copy, for reading only, trusting nothing in it.

    A WAL database gets a ``-shm`` beside it even so: never call this on a legacy file in its place.
    """
    connection = _open(path, "ro")
    _distrust(connection)
    # Even a statement that slipped through could not write.
    connection.execute("PRAGMA query_only = ON")
    return connection


def scratch(path: Path) -> sqlite3.Connection:
    """Open a private copy for reading and writing, trusting nothing in it.

    This is where a hot journal is rolled back and a WAL recovered: on the copy, never on the source.
    """
    connection = _open(path, "rw")
    _distrust(connection)
    return connection


def application(path: Path, *, synchronous: str = "NORMAL") -> sqlite3.Connection:
    """Open a consolidated database as the application has to: constraints alive, commits durable enough.

    ``foreign_keys`` and ``synchronous`` belong to a connection, not to the file; a plain connect has foreign keys off.
    """
    connection = _open(path, "rw")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


def attach(connection: sqlite3.Connection, path: Path, name: str, *, mode: str = "ro") -> None:
    """Attach the database at *path* under *name*.  SQLite allows ten at once."""
    connection.execute(f"ATTACH ? AS {quoted(name)}", (_uri(path, mode),))


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, mode), uri=True, isolation_level=None)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _distrust(connection: sqlite3.Connection) -> None:
    # Views, triggers and defaults of a file we did not write may not call functions with side effects.
    connection.execute("PRAGMA trusted_schema = OFF")
    # Look at the cells of every page, so that a broken page is an error and not a wrong answer.
    connection.execute("PRAGMA cell_size_check = ON")
    # A file that shrinks under a memory map kills the process; an ordinary read only fails.
    connection.execute("PRAGMA mmap_size = 0")
    # Deeply nested SQL in a stored schema could exhaust the stack (sqlite.org/security.html).
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 10)


@contextmanager
def closing_scratch(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a private copy with :func:`scratch` and close it again."""
    connection = scratch(path)
    try:
        yield connection
    finally:
        connection.close()


def private_copy(source: Path, into: Path) -> Path:
    """Copy the database *source*, with its WAL or journal, to the path *into* without changing or locking anything.

    The copy is of one instant: it is taken again when a time stamp or size moved meanwhile.  Opening the source
    itself, even read-only, would leave a ``-shm`` beside a WAL database and cannot roll back a hot journal.

    Raises:
        SourceBusy: The source did not hold still for :data:`COPY_ATTEMPTS` attempts.
        SourceError: The source is not a regular file or cannot be read.
    """
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(source)
        if 0 <= time.time_ns() - max(stamp[1] for stamp in before.values()) < SETTLED_S * 1e9:
            time.sleep(SETTLED_S)
            continue
        for suffix in ("", *COMPANIONS):
            target = into.with_name(into.name + suffix)
            target.unlink(missing_ok=True)
            if suffix in before:
                _copy_file(source.with_name(source.name + suffix), target)
        if _stamps(source) == before:
            return into
    raise SourceBusy("kept changing while it was copied", where=source, hint="stop its writer, then run this again")


def _stamps(source: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, time of change (ns) and inode of the database and of each companion that exists."""
    stamps = {}
    for suffix in ("", *COMPANIONS):
        try:
            status = source.with_name(source.name + suffix).lstat()
        except FileNotFoundError:
            if not suffix:
                raise SourceError("no such file", where=source) from None
            continue
        stamps[suffix] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return stamps


def _copy_file(source: Path, target: Path) -> None:
    # O_NOFOLLOW: a link planted in place of a database must not lead us elsewhere.  O_NONBLOCK: nor may a FIFO hang us.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as reading, target.open("xb") as writing:
        target.chmod(0o600)
        shutil.copyfileobj(reading, writing, 1024 * 1024)
