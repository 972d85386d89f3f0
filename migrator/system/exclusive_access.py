"""Exclusive access to databases: taken one by one, given up together.

What was compared is what is held.  A commit of another process while a database is read, or after it, shows in
``PRAGMA data_version``, which is read before the content and again under a lock that keeps every other process out.  In
WAL mode that second look has to come before the mode is left: SQLite does not notice afterwards that its cache is of
an earlier commit.  Only then do the locks pass to a descriptor of our own, see :mod:`migrator.system.lock_descriptor`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from migrator.errors import Refused
from migrator.system import connections, content_digest, durable_files
from migrator.system.escaping import escaped
from migrator.system.lock_descriptor import Grip, Opened
from migrator.system.open_files import Holder, having, holders, seen, unknown

#: Wait for another process's transaction to end [s].
PATIENCE_S = 5.0


class Hold:
    """Databases that no other process may write.

    Attributes:
        begun: Time on the monotonic clock since which writers wait.
        unchanged: Whether no process has committed to one of them since *look* of :func:`held` was called.
        late: After the end, one sentence for each process that has a moved file open, although access was exclusive, or that
            opened a database after :meth:`seal`.
    """

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.unchanged = True
        self.late: tuple[str, ...] = ()
        self._grips: dict[Path, Grip] = {}

    def add(self, path: Path, connection: sqlite3.Connection, opened: os.stat_result) -> None:
        """Hold the database *path*, from which *connection* keeps every other process out, and close *connection*."""
        with contextlib.closing(connections.share(connection)):
            grip = self._grips[path] = Grip(path)
            if grip.inode != (opened.st_dev, opened.st_ino):
                raise Refused("was replaced while it was opened", where=escaped(path), hint="stop what replaces it")
            if not grip.take():
                raise Refused("another process is writing to it", where=escaped(path), hint="stop what uses it")
        connection.close()
        # SQLite has rolled back a hot journal; one that still exists holds nothing.
        durable_files.remove_if_there(connections.beside(path.resolve(), "-journal"))

    def seal(self) -> None:
        """Keep readers out too: a process that opens one of the databases from now on waits, and is reported in ``late``.

        Raises:
            Refused: A process has one of them open.
        """
        opened = [path for path, grip in self._grips.items() if grip.seal() is Opened.YES]
        processes = seen(self._grips)
        named = {holder.path for holder in processes}
        _refuse(processes + [Holder(path=path) for path in opened if path not in named])

    def close(self) -> None:
        """Give up the locks, so that other processes can write."""
        inodes = {grip.inode: path for path, grip in self._grips.items()}
        processes = dict.fromkeys(having(inodes))
        asked = [path for path, grip in self._grips.items() if grip.close()]
        if asked:
            # These processes waited for the file, and have it open now.
            processes |= dict.fromkeys(having(inodes))
            named = {holder.path for holder in processes}
            processes |= dict.fromkeys(Holder(path=path) for path in asked if path not in named)
        self.late = tuple(f"{holder}, but the file was moved away: restart it" for holder in processes)
        self._grips.clear()


@contextlib.contextmanager
def held(
    expected: Mapping[Path, str],
    begin: Callable[[], None] = lambda: None,
    undone: Callable[[], None] = lambda: None,
    *,
    look: Callable[[], None] = lambda: None,
    stopped: bool = False,
) -> Iterator[Hold]:
    """Hold the databases *expected* in rollback-journal mode, so that no other process can write to them.

    Args:
        expected: Path -> digest that its content must have; '' for any content.
        begin: Called when writers wait, before anything is changed.  It writes the record from which a recovery restores
            the journal modes.
        undone: Called if the databases cannot be held after all and their journal modes are restored.  Not called if the
            disk fails.
        look: Called before any process is held up; reads the databases for as long as it likes.
        stopped: The owner asserts that no process that this user cannot see has them open.

    Raises:
        Refused: A process has one of them open, or may have, or keeps it locked, or it does not hold what is expected;
            each is in the journal mode that it was in.
    """
    refuse_holders(expected, stopped=stopped)
    with contextlib.ExitStack() as stack:
        taken = []
        for path, wanted in expected.items():
            with naming(path):
                status = path.stat()
                connection = stack.enter_context(contextlib.closing(connections.take_over(path, PATIENCE_S)))
                # Read before the content is: a commit that comes in meanwhile changes it.
                version = _version(connection)
                # Compared before any process is held up.
                _compare(connection, path, wanted)
                taken.append((path, wanted, connection, version, status))
        look()
        hold = Hold()
        stack.callback(hold.close)
        modes: dict[Path, str] = {}
        try:
            begin()
            for path, wanted, connection, version, status in taken:
                with naming(path):
                    (modes[path],) = connection.execute("PRAGMA journal_mode").fetchone()
                    connections.exclude(connection)
                    if _version(connection) != version:
                        hold.unchanged = False
                        _compare(connection, path, wanted)
                    connections.leave_wal(connection)
                    hold.add(path, connection, status)
            _refuse(seen(expected))
        except BaseException:
            stack.close()
            let_go = [_let_go(path, mode) for path, mode in modes.items()]
            if all(let_go):
                undone()
            raise
        yield hold


@contextlib.contextmanager
def unwritten(
    expected: Mapping[Path, tuple[object, ...]], read: Callable[[sqlite3.Connection], tuple[object, ...]]
) -> Iterator[None]:
    """Keep other processes from writing to the databases *expected*, which stay as they are, in their journal mode.

    Args:
        expected: Path -> what *read* must return of it.
        read: Reads what counts of the content.

    Raises:
        Refused: A process keeps one of them locked, or it does not hold what is expected.
    """
    with contextlib.ExitStack() as stack:
        for path, wanted in expected.items():
            with naming(path):
                connection = stack.enter_context(contextlib.closing(connections.take_over(path, PATIENCE_S)))
                connection.execute("BEGIN IMMEDIATE")
                if read(connection) != wanted:
                    raise Refused("has changed since it was read", where=escaped(path), hint="run the command again")
        yield


def _let_go(path: Path, mode: str) -> bool:
    """Put the database *path* back into its former journal *mode*; return False if the disk failed."""
    if mode != "wal":
        return True
    try:
        with contextlib.closing(connections.take_over(path, PATIENCE_S)) as connection:
            (now,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    except sqlite3.OperationalError as error:
        # A process that works in it for longer than PATIENCE_S sets a mode of its own when it opens it again.
        return _is_lock(error)
    return bool(now == mode)


def _is_lock(error: sqlite3.OperationalError) -> bool:
    """Tell whether another process is in the way, and not the disk."""
    return error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def refuse_holders(paths: Iterable[Path], *, stopped: bool = True) -> None:
    """Check that no other process has one of *paths* open; without *stopped*, also that this user can see each that has.

    Raises:
        Refused: One has: the first five are named.
    """
    paths = tuple(paths)
    _refuse(holders(paths))
    for sentence in blind(paths, stopped=stopped):
        raise Refused(sentence)


def blind(paths: Iterable[Path], *, stopped: bool) -> Iterator[str]:
    """Yield a sentence if this user cannot see each process that may have one of *paths* open, unless the bot is *stopped*."""
    if not stopped and (unseen := unknown(paths)):
        yield (
            f"{escaped(unseen[0])}: this user cannot see every process that may have it open, and its file system "
            "grants no leases; see that the bot is stopped during the switch, and run the command again with --bot-is-stopped"
        )


def _refuse(in_the_way: list[Holder]) -> None:
    if in_the_way:
        more = f", and {len(in_the_way) - 5} more" if len(in_the_way) > 5 else ""
        raise Refused(
            "; ".join(map(str, in_the_way[:5])) + more,
            hint="stop what uses the databases, then run this again",
            logged="; ".join(holder.logged for holder in in_the_way[:5]) + more,
        )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _compare(connection: sqlite3.Connection, path: Path, wanted: str) -> None:
    if wanted and content_digest.digest(connection) != wanted:
        raise Refused(
            "has changed since the snapshot", where=escaped(path), hint="run migrator migrate again, then the cutover"
        )


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Convert SQLite's error about a lock into a refusal that names the file.

    Raises:
        Refused: Another process kept it locked.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_lock(error):
            raise Refused(
                f"another process kept it locked for {PATIENCE_S:.0f} s", where=escaped(path), hint="stop what uses it"
            ) from error
        raise
