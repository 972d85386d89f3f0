"""Private copies of databases that other processes may write to: a legacy file is read unlocked only through one.

A copy is of one instant.  A source that rests is copied without touching it; one with a rollback journal whose writer
never rests is copied under the lock that every reader of it takes, for as long as the copy takes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from migrator.errors import SourceBusy, SourceError
from migrator.system import durable_files
from migrator.system.connections import COMPANIONS, MAGIC, beside, open_source

#: Time for which a file that keeps changing is copied again [s].
COPY_PATIENCE_S = 5.0
#: Seconds for which a file must have been left alone before its time stamp can vouch for a copy: the kernel's clock
#: for time stamps ticks every 4 ms (10 ms at most), and two writes within one tick look like one.
SETTLED_S = 0.02

#: Wait for a moment without writes [s]; after it, writers to a rollback journal are locked out.
REST_S = 0.2

_WAL_HEADER_BYTES = 32
#: The byte of the header that says how it is written (19 says how it is read), and its value for a rollback journal.
_WRITTEN_BY, _ROLLBACK_JOURNAL = 18, 1
#: What a reader locks: for a moment the pending byte, which a writer holds while it waits for readers to leave, then the
#: range of the readers (sqlite.org/lockingv3.html; unixLock in SQLite's os_unix.c).
_PENDING_BYTE, _SHARED_FIRST, _SHARED_BYTES = 0x40000000, 0x40000002, 510
#: How a rollback journal begins, and ends if it names a super-journal (sqlite.org/fileformat.html, section 3).
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")


def private_copy(source: Path, into: Path, *, patience_s: float = COPY_PATIENCE_S, at_rest: bool = False) -> Path:
    """Copy the database *source*, with its WAL or journal, to the path *into* without changing anything.

    The copy is taken again when a time stamp or size moved meanwhile, except that a WAL may grow, because a prefix of it
    is what the database was a moment ago.  Once it has not rested for :data:`REST_S`, writers to a rollback journal are
    held up while it is copied.  A source that is *at_rest* is our own, and no process writes to it: what has changed just now
    has done so for the last time.  Opening the source itself, even read-only, would leave a ``-shm`` beside a WAL database
    and cannot roll back a hot journal.  A process that holds SQLite's locks on *source* must not call this: closing any
    descriptor of a file drops them.

    Raises:
        SourceBusy: The source did not hold still for *patience_s* seconds.
        SourceError: The source is not there or is not a regular file.
        OSError: A file cannot be read, or its copy not be written.
    """
    if into.absolute() == source.absolute():
        raise SourceError("cannot be copied onto itself", where=source)
    begun = time.monotonic()
    while True:
        before = _stamps(source)
        settled = at_rest or all(
            not 0 <= time.time_ns() - stamp.changed_ns < SETTLED_S * 1e9 for stamp in before.values()
        )
        waited_s = time.monotonic() - begun
        if (settled and _copied(source, into, before)) or (waited_s > REST_S and _copied_under_lock(source, into)):
            _forget_super_journal(source, beside(into, "-journal"))
            return into
        if waited_s > patience_s:
            raise SourceBusy(
                "kept changing while it was copied", where=source, hint="stop its writer, then run this again"
            )
        time.sleep(SETTLED_S)


class _Stamp(NamedTuple):
    """Size and times of a file, which change with a write; zero for a WAL, because it may grow."""

    inode: int
    size_bytes: int
    changed_ns: int


def _stamps(source: Path) -> dict[str, _Stamp]:
    """Return the stamp of the database and of each companion that exists."""
    stamps = {}
    for suffix in ("", *COMPANIONS):
        try:
            status = beside(source, suffix).lstat()
        except FileNotFoundError:
            if not suffix:
                raise SourceError("no such file", where=source) from None
            continue
        # ctime beside mtime: a program can set the latter back.
        grows = suffix == "-wal" and status.st_size > 0
        changed_ns = 0 if grows else max(status.st_mtime_ns, status.st_ctime_ns)
        stamps[suffix] = _Stamp(status.st_ino, 0 if grows else status.st_size, changed_ns)
    return stamps


def _copied(source: Path, into: Path, stamps: dict[str, _Stamp]) -> bool:
    """Copy the files that have *stamps*; return whether the copies are of one instant."""
    try:
        for suffix in ("", *COMPANIONS):
            beside(into, suffix).unlink(missing_ok=True)
            if suffix in stamps:
                _copy_file(beside(source, suffix), beside(into, suffix))
        return _stamps(source) == stamps and _same_wal(beside(source, "-wal"), beside(into, "-wal"))
    except FileNotFoundError:
        # A companion vanished: its writer committed or checkpointed.
        return False


def _copied_under_lock(source: Path, into: Path) -> bool:
    """Copy the database and its journal while no process can write to the database; return whether that was possible.

    A process amid a transaction has written to the journal alone: played back in the copy, it changes nothing.
    A WAL is no matter of this lock, since its writers do not ask for it.
    """
    with open_source(source) as reading:
        if not _locked(reading.fileno()) or not _has_rollback_journal(source, reading.fileno()):
            return False
        for suffix in ("", *COMPANIONS):
            beside(into, suffix).unlink(missing_ok=True)
        # By the descriptor that has the lock: closing any other of this file would drop it.
        _copy_open(reading, into)
        journal = beside(source, "-journal")
        try:
            # No check before: it may vanish at any moment, with its transaction.
            _copy_file(journal, beside(into, "-journal"))
        except FileNotFoundError:
            beside(into, "-journal").unlink(missing_ok=True)
        return True


def _locked(descriptor: int) -> bool:
    """Take the lock of a reader, unless a writer has or awaits its own; it goes when the file is closed."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PENDING_BYTE)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
        finally:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _PENDING_BYTE)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        raise
    return True


def _has_rollback_journal(source: Path, descriptor: int) -> bool:
    """Return whether the open file is still the one at *source* and has a rollback journal, so that writers take its lock."""
    head = os.pread(descriptor, _WRITTEN_BY + 1, 0)
    return (
        os.path.samestat(source.lstat(), os.fstat(descriptor))
        and head.startswith(MAGIC)
        and head[_WRITTEN_BY:] == bytes([_ROLLBACK_JOURNAL])
        and not os.path.lexists(beside(source, "-wal"))
    )


def _same_wal(wal: Path, copied: Path) -> bool:
    """Return whether the WAL was not restarted during the copy: each restart puts two new random numbers into its header.

    While the header stays, frames are only appended, and a frame that was not yet whole fails its checksum in the copy.
    """
    if not copied.exists():
        return True
    with open_source(wal) as now, copied.open("rb") as then:
        return now.read(_WAL_HEADER_BYTES) == then.read(_WAL_HEADER_BYTES)


def _copy_file(source: Path, target: Path) -> None:
    with open_source(source) as reading:
        _copy_open(reading, target)


def _copy_open(reading: BinaryIO, target: Path) -> None:
    """Copy to the new file *target*, holes as holes: a sparse file of gigabytes must not fill the disk."""
    with os.fdopen(durable_files.create(target), "wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        for begin, end in _parts_with_data(reading.fileno(), size):
            reading.seek(begin)
            writing.seek(begin)
            while data := reading.read(min(end - writing.tell(), 1024 * 1024)):
                writing.write(data)
        writing.truncate(size)


def _parts_with_data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each part of the file that holds data; the whole file if the system reports no holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                # Nothing but a hole up to the end.
                return
            raise
        yield begin, end


def _forget_super_journal(source: Path, journal: Path) -> None:
    """Decide whether the copied *journal* still counts, and remove the name of the super-journal from it.

    A transaction over several databases names one more file at the end of each journal; the journal counts while that
    file exists, and once it is played back SQLite deletes the file by its name.  A copy must not do that to the original.
    """
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 16, 0))
        tail = file.read(16)
        length = int.from_bytes(tail[:4], "big")
        if tail[8:] != _JOURNAL_MAGIC or not 0 < length <= size - 16:
            return
        # Before the name stands the number of a page that no database has (4 bytes).
        file.seek(size - 16 - length)
        name = file.read(length)
        if int.from_bytes(tail[4:8], "big") != sum(byte - 256 * (byte > 127) for byte in name) % 2**32:
            return
        named = Path(os.fsdecode(name.partition(b"\0")[0]))
        # Beside the source, too: a folder may have been copied while the transaction was open.
        counts = os.path.lexists(named) or os.path.lexists(source.with_name(named.name))
        file.truncate(max(size - 20 - length, 0) if counts else 0)
