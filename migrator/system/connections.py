"""Opens every connection of the project, with a reason for every pragma.

Connections never begin a transaction by themselves (``isolation_level=None``): the standard library would otherwise
open one before an INSERT and commit it inside ``executescript``.  Names of files reach SQLite as ``file:`` URIs with
a mode, because a plain connect creates an empty database where a file is missing or a link dangles.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import string
import sys
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from migrator.errors import MigratorError, SourceError
from migrator.system import durable_files

#: The first sixteen bytes of every SQLite 3 file (sqlite.org/fileformat.html, section 1.3.1).
MAGIC = b"SQLite format 3\x00"
#: Suffixes of files that hold a part of a database.  Not ``-shm``: it is an index over ``-wal`` that SQLite rebuilds.
COMPANIONS = ("-wal", "-journal")
#: The pragmas that read and set the application's own numbers in the header of a file.
MARKS = ("user_version", "application_id")

#: Beginning of the reason of a file that may be undamaged, but that SQLite cannot read here.
NOT_HERE = "cannot be read here"
#: What follows it for a file in the format of a later SQLite.
OF_ITS_FORMAT = " because of the format of the file"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@lru_cache(maxsize=4_096)
def quoted(name: str) -> str:
    """Return *name*, which may hold any characters, as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """Return *name* in lower case as SQLite compares names: letters beyond ASCII have no case."""
    return name.translate(_LOWER)


def _connect(name: str, **options: Any) -> sqlite3.Connection:
    """Open *name* by SQLite itself, also where sqlite3.connect serves legacy names (:mod:`migrator.application.programs`)."""
    connection: sqlite3.Connection = getattr(sqlite3.connect, "before_migrator", sqlite3.connect)(name, **options)
    return connection


def memory() -> sqlite3.Connection:
    """Open an empty database in memory; every page of what is attached to it is checked."""
    return _wary(_connect(":memory:", isolation_level=None))


def lenient(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let *connection* read every readable table, even if other parts of a schema are invalid.

    Only for private copies whose triggers and views are gone, and for statements that evaluate nothing of a schema, such
    as a change of the journal mode.  An object may be in a newer syntax: without this one such object keeps SQLite from
    opening the whole database.
    """
    # SQLite leaves objects that it cannot parse out of the schema in memory, instead of failing.
    connection.execute("PRAGMA writable_schema = ON")
    return connection


def temporary() -> sqlite3.Connection:
    """Open an empty temporary database: content beyond the cache is in a file that vanishes with the connection."""
    # Its owner may be garbage-collected, and so closed, in any thread.
    connection = _connect("", isolation_level=None, check_same_thread=False)
    # Faster: the file is never read after a crash.
    connection.execute("PRAGMA journal_mode = OFF")
    return connection


def create(path: Path) -> sqlite3.Connection:
    """Open a new database of our own at *path*, readable by its owner alone: as root, the owner of the folder.

    Raises:
        FileExistsError: There is a file already.
    """
    os.close(durable_files.create(path))
    return _open(path, "rw")


def read(path: Path) -> sqlite3.Connection:
    """Open a database that we own or a private copy, for reading only, trusting nothing in it.

    A WAL database gets a ``-shm`` beside it even so: never call this on a legacy file itself.
    """
    connection = _distrusting(_open(path, "ro"))
    # A second guard against writing.
    connection.execute("PRAGMA query_only = ON")
    return connection


def marks(path: Path) -> tuple[int, ...]:
    """Return the application's own numbers in the header of a private copy, in the order of :data:`MARKS`."""
    with closing(lenient(read(path))) as connection:
        return tuple(int(connection.execute(f"PRAGMA {mark}").fetchone()[0]) for mark in MARKS)


def scratch(path: Path) -> sqlite3.Connection:
    """Open a private copy for reading and writing, trusting nothing in it.

    This is where a hot journal is rolled back and a WAL recovered: on the copy, never on the source.
    """
    return _distrusting(_open(path, "rw"))


def lock(path: Path, patience_s: float) -> sqlite3.Connection:
    """Take the write lock of a legacy file itself; nothing is written, and the caller rolls back.

    Only :mod:`migrator.stages.backup` may call this, while another connection reads: the last connection to close a database
    in WAL mode would checkpoint it.

    Raises:
        sqlite3.OperationalError: It is locked for longer than *patience_s* seconds.
        SourceError: SQLite opens it for reading only.
    """
    connection = _opened_itself(path, patience_s)
    try:
        connection.execute("BEGIN IMMEDIATE")
        _prove_lock(path)
    except (sqlite3.Error, SourceError):
        connection.close()
        raise
    return connection


def _prove_lock(path: Path) -> None:
    """Check that the write lock of *path* is held: a second connection must not get it.

    If SQLite may not write to a file it opens it for reading in spite of ``mode=rw``, and BEGIN IMMEDIATE only reads.

    Raises:
        SourceError: The second connection got it.
    """
    second = _opened_itself(path, 0)
    try:
        second.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return
        raise
    finally:
        second.close()
    raise SourceError("cannot be locked: SQLite opens it for reading only", where=path, hint="make it writable")


def take_over(path: Path, patience_s: float) -> sqlite3.Connection:
    """Open a database file itself, which the caller is about to move, trusting nothing in it.

    Only cutover, rollback and recovery may call this.  A hot journal is rolled back and a WAL is recovered.
    """
    return _opened_itself(path, patience_s, leniently=True)


def exclude(connection: sqlite3.Connection) -> None:
    """Begin a transaction that keeps every other process from reading and writing, in any journal mode.

    The lock stays when the transaction ends, so that a WAL cannot grow between a check of it and :func:`leave_wal`.

    Raises:
        sqlite3.OperationalError: Another process has the database open in WAL mode, or is at work in it.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")


def leave_wal(connection: sqlite3.Connection) -> None:
    """End the transaction of :func:`exclude` and fold the WAL into the file; no other process gets in between."""
    connection.execute("COMMIT")
    set_journal_mode(connection, "delete")


def share(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """Reduce the lock of :func:`exclude` to a reader's, which stays until the returned cursor is closed."""
    connection.execute("PRAGMA locking_mode = NORMAL")
    reading = connection.execute("PRAGMA user_version")
    # At the end of a transaction SQLite reduces its lock to the one that the open cursor needs.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")
    return reading


def set_journal_mode(connection: sqlite3.Connection, mode: str) -> None:
    """Put the database of *connection* into the journal *mode*, ``wal`` or ``delete``.

    Raises:
        MigratorError: It stays in another mode: if the system fails, SQLite does not raise, but returns the old mode.
        sqlite3.OperationalError: Another connection has it open.
    """
    (now,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    if now != mode:
        path = connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
        raise MigratorError(
            f"stays in journal mode {now} and has to be in {mode}",
            where=path,
            hint="to read what the disk reports run: dmesg --level=err",
        )


def application(
    path: Path, query: str = "mode=rw", *, synchronous: str = "NORMAL", **options: Any
) -> sqlite3.Connection:
    """Open a consolidated database for the application: with foreign keys checked, and commits durable enough.

    ``foreign_keys`` and ``synchronous`` belong to a connection, not to the file; a plain connect has foreign keys off.
    """
    options = {"isolation_level": None} | options
    # Within a transaction SQLite ignores both pragmas; autocommit=False (Python 3.12) begins one at once.
    later = {"autocommit": options.pop("autocommit")} if "autocommit" in options else {}
    connection = as_it_was(path, query, **options)
    # Not by the connection's own execute, which may count statements.
    cursor = sqlite3.Cursor(connection)
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA synchronous = {synchronous}")
    cursor.close()
    for name, value in later.items():
        setattr(connection, name, value)
    return connection


def as_it_was(path: Path, query: str = "mode=rw", **options: Any) -> sqlite3.Connection:
    """Open a legacy database for the application with its own settings; never create it.

    *query* is the query of the URI (sqlite.org/uri.html).
    """
    return _connect(f"{path.absolute().as_uri()}?{query}", uri=True, **options)


def without_file(name: str, **options: Any) -> sqlite3.Connection:
    """Open a database in memory or in a temporary file for the application: ``:memory:``, '' or a URI of such."""
    return _connect(name, **options)


def attach(connection: sqlite3.Connection, path: Path, name: str, *, mode: str = "ro") -> None:
    """Attach the database at *path* under *name*.  SQLite allows ten at once."""
    connection.execute(f"ATTACH ? AS {quoted(name)}", (_uri(path, mode),))


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return _connect(_uri(path, mode), uri=True, isolation_level=None)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _wary(connection: sqlite3.Connection) -> sqlite3.Connection:
    # trusted_schema stays on: without it SQLite refuses its own JSON functions in a CHECK, an index or a
    # generated column, and cannot even open the file.  SQLite refuses dangerous functions (load_extension) in a schema in any
    # case, views are not queried, triggers do not fire, and the functions that we add have no side effects.
    # Check the cells of every page, so that a broken page is an error and not a wrong answer.
    connection.execute("PRAGMA cell_size_check = ON")
    # A file that shrinks under a memory map kills the process; an ordinary read only fails.
    connection.execute("PRAGMA mmap_size = 0")
    return connection


def _opened_itself(path: Path, patience_s: float, *, leniently: bool = False) -> sqlite3.Connection:
    connection = _connect(_uri(path, "rw"), uri=True, isolation_level=None, timeout=patience_s)
    _distrusting(connection)
    if leniently:
        # Before the next setting, which forbids this one.  Pragmas and the digest evaluate nothing of the schema.
        lenient(connection)
    if sys.version_info >= (3, 12):
        # No SQL may write to the schema itself or to shadow tables; older Pythons cannot set this.
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    return connection


def _distrusting(connection: sqlite3.Connection) -> sqlite3.Connection:
    _wary(connection)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 10)
    return connection


def closing_scratch(path: Path) -> closing[sqlite3.Connection]:
    """Open a private copy with :func:`scratch` for a ``with`` block."""
    return closing(scratch(path))


def beside(path: Path, suffix: str) -> Path:
    """Return the path of the companion *suffix*, such as ``-wal``, of the database at *path*."""
    return path.with_name(path.name + suffix)


def is_spent(path: Path) -> bool:
    """Return whether *path* is a rollback journal without content, as journal_mode PERSIST and TRUNCATE leave it."""
    if not path.name.endswith("-journal"):
        return False
    with open_source(path) as file:
        return file.read(1) in (b"", b"\0")


def is_one(path: Path) -> bool:
    """Return whether the file *path* begins with SQLite's magic bytes."""
    with open_source(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def open_source(path: Path) -> BinaryIO:
    """Open another user's file for reading; changes nothing, follows no link and never waits.

    Raises:
        SourceError: It is not a regular file.
        OSError: It cannot be opened; ``ELOOP`` if it is a symbolic link.
    """
    # O_NOFOLLOW: a link planted in place of a database must not lead us elsewhere.  O_NONBLOCK: nor may a FIFO hang us.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # O_NOATIME keeps the time of the last access; only the owner of a file may use it.
        descriptor = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError("not a regular file", where=path)
    return os.fdopen(descriptor, "rb")


def itself(path: Path) -> tuple[int, int]:
    """Return device and inode of the regular file *path*, which show before and after an open whether it was replaced.

    SQLite follows a link to the file that it opens, and has no option against that.

    Raises:
        SourceError: It does not exist, or is a link, a FIFO or the like.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise SourceError("no such file", where=path) from None
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("not a regular file", where=path)
    return status.st_dev, status.st_ino


def allocated_bytes(path: Path) -> int:
    """Return the bytes that the file *path* uses on the disk, fewer than its size if it has holes; 0 if it does not exist."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return min(status.st_size, 512 * getattr(status, "st_blocks", status.st_size))
