"""Copies all files as they are at one instant, through SQLite's backup API, while the bot goes on writing.

Method: every source is opened read-only and read once, then opened again for writing and locked (``BEGIN IMMEDIATE``).
While all are locked no process can commit, and each read-only connection begins its read: that is the one
instant.  A source in WAL mode is unlocked right then, since its readers keep their snapshot; the others once they are
copied.  Where a WAL holds rows the writing connection closes first: the last to close would otherwise checkpoint the WAL
and delete it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType

from migrator.errors import Refused, SourceBusy, SourceError
from migrator.records.backup import Snapshot
from migrator.records.inventory import Database, Inventory, Verdict
from migrator.records.plan import Plan
from migrator.system import (
    connections,
    content_digest,
    durable_files,
    error_hints,
    own_files,
    permissions,
    private_copy,
)
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder

#: Wait for the write lock of each source, and for a moment without writes [s].
PATIENCE_S = 10.0
#: SQLite's errors on a full disk; the second if the index beside a WAL does not fit.
DISK_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
#: Hint for a damaged snapshot.
_ANEW = "take a new one: migrator backup"


@dataclass(slots=True)
class _Held:
    """A source, read by one connection and locked by another.

    Attributes:
        crashed: Whether its journal is hot, so that a private copy is read.
    """

    database: Database
    reader: sqlite3.Connection
    lock: sqlite3.Connection | None
    crashed: bool


def wanted(plan: Plan) -> list[Database]:
    """Return every file of *plan* that is not left out."""
    return [
        database
        for database in plan.inventory.with_verdict(Verdict.SOURCE, Verdict.STANDALONE, Verdict.UNKNOWN)
        if database.place not in plan.left_out
    ]


def backup(databases: Sequence[Database], into: Path, *, read_back: Callable[[Path], Inventory]) -> Snapshot:
    """Copy *databases*, as they are at one instant, to a new run below *into*.

    The copies are read back by *read_back*, each under the path of its original, in rollback-journal mode, 0600.  The
    sources keep every byte; beside one in WAL mode SQLite may leave a ``-shm``, an index that it makes again at will.

    Raises:
        Refused: This user cannot lock a source, or not without leaving files beside it that shut others out.
        SourceBusy: A source stayed locked for :data:`PATIENCE_S` seconds.
        SourceError: A source cannot be read, or its copy does not read back whole.
        OSError: The disk is full.
    """
    _refuse_obstacles(databases)
    durable_files.make_private_folder(into)
    run = _next_run(into)
    draft = into / f"{run}{own_files.UNFINISHED}"
    durable_files.remove_folder(draft)
    durable_files.make_private_folder(draft)
    # First, so that an unfinished snapshot is recognised as migrator's own.
    durable_files.write(draft / own_files.MANIFEST, json.dumps({"run": run}) + "\n")
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        held = _hold_all(databases, stack)
        for source in held:
            _copy(source, draft / source.database.path_in_snapshot)
            _release(source)
        blocked_s = time.monotonic() - begun
    # After the locks are released: a sync is slow.
    copies = [draft / database.path_in_snapshot for database in databases]
    for copy in copies:
        durable_files.sync_file(copy)
    for folder in sorted({copy.parent for copy in copies}):
        durable_files.sync_folder(folder)
    inventory = read_back(draft)
    _check_read_back(databases, inventory)
    journal_modes = {str(database.path_in_snapshot): database.journal_mode for database in databases}
    manifest = {
        "schema": 2,
        "run": run,
        "journal_modes": journal_modes,
        "digests": _digests(inventory),
        "blocked_s": blocked_s,
    }
    durable_files.write(draft / own_files.MANIFEST, json.dumps(manifest, indent=2) + "\n")
    durable_files.replace(draft, into / run)
    return Snapshot(
        run=run,
        folder=into / run,
        inventory=_moved(inventory, into / run),
        journal_modes=MappingProxyType(journal_modes),
        blocked_s=blocked_s,
    )


def newest(into: Path) -> Path | None:
    """Return the folder of the newest finished snapshot below *into*, or None."""
    return max(_finished(into), default=None, key=_number)


def latest(into: Path, *, read_back: Callable[[Path], Inventory]) -> Snapshot | None:
    """Return the newest finished snapshot below *into*, read back, or None.

    Raises:
        Refused: A file of it is missing, added or changed.
    """
    folder = newest(into)
    return None if folder is None else read(folder, read_back=read_back)


def read(folder: Path, *, read_back: Callable[[Path], Inventory]) -> Snapshot:
    """Return the finished snapshot in *folder*, read back.

    Raises:
        Refused: A file of it is missing, added or changed.
    """
    manifest = folder / own_files.MANIFEST
    try:
        with connections.open_source(manifest) as file:
            written = json.load(file)
        digests = dict(written["digests"])
        snapshot = Snapshot(
            run=written["run"],
            folder=folder,
            inventory=read_back(folder),
            journal_modes=MappingProxyType(dict(written["journal_modes"])),
            blocked_s=written["blocked_s"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("is not what a backup wrote", where=manifest, hint=_ANEW) from error
    now = _digests(snapshot.inventory)
    changed = sorted(
        path
        for path in digests | now
        if digests.get(path) != now.get(path) and not (now.get(path) and _is(folder / path, digests.get(path, "")))
    )
    unread = [
        database for database in snapshot.inventory.with_verdict(Verdict.UNREADABLE) if str(database.place) in changed
    ]
    if unread:
        raise Refused(f"cannot be read back: {unread[0].reason}", where=folder / escaped(unread[0].place))
    if changed:
        raise Refused("is not what it was when the snapshot was taken", where=folder / escaped(changed[0]), hint=_ANEW)
    return snapshot


def _is(copy: Path, recorded: str) -> bool:
    """Return whether *recorded* is the digest of the *copy* in an older format."""
    with contextlib.closing(connections.lenient(connections.read(copy))) as connection:
        return content_digest.as_recorded(connection, recorded) == recorded


def _digests(inventory: Inventory) -> dict[str, str]:
    return {str(database.place): database.digest for database in inventory.databases}


def private(plan: Plan, folder: Path, *, read_back: Callable[[Path], Inventory]) -> Snapshot:
    """Copy every file of *plan* to *folder* without a lock: each is of one instant, but not all of the same.

    Enough to count what a build would do; a build itself reads a :func:`backup`.

    Raises:
        SourceBusy: A source keeps changing.
    """
    for database in wanted(plan):
        target = folder / database.path_in_snapshot
        durable_files.make_private_folder(target.parent)
        with contextlib.closing(connections.scratch(private_copy.private_copy(database.path, target))) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
    return Snapshot(
        run="", folder=folder, inventory=read_back(folder), journal_modes=MappingProxyType({}), blocked_s=0.0
    )


def _moved(inventory: Inventory, folder: Path) -> Inventory:
    """Return *inventory* with the paths that its files have in *folder*."""
    return replace(
        inventory,
        data_dir=folder,
        databases=tuple(replace(database, path=folder / database.place) for database in inventory.databases),
    )


def _next_run(into: Path) -> str:
    """Return the number after the last run's, skipping names that the owner uses; a counter, since clocks jump."""
    last = max(map(_number, _finished(into)), default=0)
    return next(name for number in count(last + 1) if _is_free(into / (name := f"{number:04d}")))


def _finished(into: Path) -> Iterator[Path]:
    return (folder for folder in own_files.runs(into) if folder.name.isdecimal())


def _number(run: Path) -> int:
    return int(run.name)


def _is_free(run: Path) -> bool:
    """Return whether a run may have this name: it is free, and so is the name of its draft, but for a draft of ours."""
    draft = run.with_name(f"{run.name}{own_files.UNFINISHED}")
    return not os.path.lexists(run) and (own_files.is_run(draft) or not os.path.lexists(draft))


def _hold_all(databases: Sequence[Database], stack: contextlib.ExitStack) -> list[_Held]:
    """Lock every source, then begin to read each: what is read is of one instant."""
    scratch = stack.enter_context(private_folder())
    held = []
    for number, database in enumerate(databases):
        path = database.path
        lock: sqlite3.Connection | None
        identity = connections.itself(path)
        with _naming(database):
            if crashed := _crashed(path):
                # A hot journal can only be rolled back by writing: on a private copy.  Its writer is dead.
                copy = private_copy.private_copy(path, scratch / f"{number}.db")
                reader, lock = stack.enter_context(contextlib.closing(connections.scratch(copy))), None
            elif database.journal_mode == "wal" and not database.wal_bytes:
                # The last connection to close checkpoints the WAL, which is empty here.
                lock = stack.enter_context(contextlib.closing(connections.lock(path, PATIENCE_S)))
                reader = stack.enter_context(contextlib.closing(_reader(path)))
            else:
                reader = stack.enter_context(contextlib.closing(_reader(path)))
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                # A write-protected source is in a rollback-journal mode: the lock of its reader is enough.
                may_write = permissions.may_write(path)
                lock = (
                    stack.enter_context(contextlib.closing(connections.lock(path, PATIENCE_S))) if may_write else None
                )
        if connections.itself(path) != identity:
            raise SourceError("was replaced while it was opened", where=escaped(database.place), hint="stop its writer")
        held.append(_Held(database, reader, lock, crashed))
    for source in held:
        with _naming(source.database):
            source.reader.execute("BEGIN")
            source.reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    _refuse_unlocked(held)
    for source in held:
        if source.database.journal_mode == "wal":
            _release(source)
    return held


def _refuse_obstacles(databases: Sequence[Database]) -> None:
    """Check that this process can lock each of *databases*, before any of them is opened itself.

    Raises:
        Refused: It cannot, or files that SQLite makes beside one would shut other users out.
    """
    for database in databases:
        if what := permissions.obstacle(database.path, database.journal_mode):
            raise Refused(what, where=escaped(database.place), hint=permissions.run_as(database.path.stat()))


def _refuse_unlocked(held: Sequence[_Held]) -> None:
    """Check that each source without a writer's lock still does not need it.

    Raises:
        SourceBusy: A process has put it into WAL mode, or rolled its journal back, since the inventory.
    """
    for source in held:
        if source.lock is None:
            (mode,) = source.reader.execute("PRAGMA journal_mode").fetchone()
            if mode == "wal" or (source.crashed and not _crashed(source.database.path)):
                raise SourceBusy(
                    "changed while it was opened", where=escaped(source.database.place), hint="stop its writer"
                )


def _crashed(path: Path) -> bool:
    """Return whether a hot journal lies beside *path*.  The journal of a live writer is not hot; this waits for the writer.

    Only SQLite can tell, by its locks, and it refuses to read what it may not roll back.
    """
    if not connections.beside(path, "-journal").exists():
        return False
    with contextlib.closing(_reader(path)) as reader:
        try:
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_READONLY_ROLLBACK":
                return True
            raise
    return False


def _reader(path: Path) -> sqlite3.Connection:
    connection = connections.lenient(connections.read(path))
    connection.execute(f"PRAGMA busy_timeout = {round(PATIENCE_S * 1000)}")
    return connection


def _release(source: _Held) -> None:
    if source.lock is not None and source.lock.in_transaction:
        source.lock.execute("ROLLBACK")


def _copy(source: _Held, target: Path) -> None:
    durable_files.make_private_folder(target.parent)
    with _naming(source.database), contextlib.closing(connections.lenient(connections.create(target))) as copy:
        source.reader.backup(copy)
        # A copy in WAL mode could not be read without a -shm beside it; the original's mode is in the manifest.
        copy.execute("PRAGMA journal_mode = DELETE")
    if source.database.mode is not None:
        target.chmod(0o600 & source.database.mode)


def _check_read_back(databases: Sequence[Database], inventory: Inventory) -> None:
    copies = {database.place: database for database in inventory.databases}
    for database in databases:
        copy = copies.get(database.path_in_snapshot)
        if copy is None or copy.integrity != ("ok",):
            what = copy.reason or ", ".join(copy.integrity) if copy else "it is not there"
            raise SourceError(f"its copy does not read back whole: {what}", where=escaped(database.place))


@contextlib.contextmanager
def _naming(database: Database) -> Iterator[None]:
    """Convert SQLite's error into one that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise SourceBusy(
                f"another process kept it locked for {PATIENCE_S:.0f} s",
                where=escaped(database.place),
                hint="stop its writer",
            ) from error
        raise _uncopied(error, database) from error
    except sqlite3.DatabaseError as error:
        raise _uncopied(error, database) from error


def _uncopied(error: sqlite3.DatabaseError, database: Database) -> SourceError:
    what = "the disk is full" if error.sqlite_errorname in DISK_FULL else f"cannot be copied: {error}"
    return SourceError(what, where=escaped(database.place), hint=error_hints.told(error, [database.path.parent]).hint)
