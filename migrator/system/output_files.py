"""Writes the files that a user names as outputs: never replaces a link, a device or a FIFO by a file.

A regular file is replaced whole or not at all.  A link stays, and the file that it leads to is replaced.  A file that is mounted by
itself, as containers mount a single file, cannot be replaced: it is written in place.  A character device and a FIFO are written to, as is the file that is this process's stdout or stderr; a folder, a block device and a socket are refused.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Collection
from pathlib import Path

from migrator.errors import UsageError
from migrator.system import durable_files, mounts, user_files
from migrator.system.escaping import escaped

#: What an output may be beside a regular file.
DEVICE, FIFO = "is a device", "is a FIFO"
MOUNTED = "is mounted by itself, and can only be written piece by piece"
ANY = frozenset({DEVICE, FIFO, MOUNTED})
_KINDS = ((stat.S_ISCHR, DEVICE), (stat.S_ISFIFO, FIFO))
_REFUSED = ((stat.S_ISDIR, "is a folder"), (stat.S_ISSOCK, "is a socket"), (stat.S_ISBLK, "is a block device"))


def refuse(path: Path, *, beside: Collection[str] = ANY) -> None:
    """Check that *path* can be an output: free, a regular file, or one of the kinds *beside*; changes and opens nothing.

    Raises:
        UsageError: It is something else, or a link that another user made to a file of a third.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _unfit(path, "is a link that leads to itself") from error
    if what := user_files.astray(path):
        raise _unfit(path, what)
    if status is None or _standard(status) is not None:
        return
    if stat.S_ISREG(status.st_mode):
        if MOUNTED not in beside and mounts.is_mounted(Path(os.path.realpath(path))):
            raise _unfit(path, MOUNTED, "mount its folder, or name another file")
        return
    kind = next((what for test, what in (*_KINDS, *_REFUSED) if test(status.st_mode)), "is not a regular file")
    if kind not in beside:
        raise _unfit(path, kind)


def write(path: Path, text: str, *, beside: Collection[str] = ANY) -> bool:
    """Write *text* to *path*; return whether it is a file now that has only this text.

    Raises:
        UsageError: As :func:`refuse`; or it is a FIFO that no process reads.
        OSError: It may not be written, or the disk is full.
    """
    refuse(path, beside=beside)
    real = Path(os.path.realpath(path))
    try:
        status = path.stat()
    except FileNotFoundError:
        durable_files.write(real, text)
        return True
    descriptor = _standard(status)
    if descriptor is None and stat.S_ISREG(status.st_mode) and _is_of(real, status):
        if not mounts.is_mounted(real):
            durable_files.write(real, text)
            return True
        with os.fdopen(_opened(path, status), "w", encoding="utf-8") as file:
            file.write(text)
        durable_files.sync_file(real)
        return True
    with os.fdopen(_opened(path, status) if descriptor is None else os.dup(descriptor), "w", encoding="utf-8") as file:
        file.write(text)
    return False


def _unfit(path: Path, what: str, hint: str = "name another file") -> UsageError:
    return UsageError(f"cannot be written ({escaped(what)})", where=escaped(path), hint=hint)


def _standard(status: os.stat_result) -> int | None:
    """Return the descriptor of stdout or stderr if the file with this *status* is that; else None.

    /dev/stdout may be a socket, which cannot be opened, or a file that the shell appends to.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed and os.path.samestat(os.fstat(stream.fileno()), status):
            stream.flush()
            return stream.fileno()
    return None


def _is_of(real: Path, status: os.stat_result) -> bool:
    """Return whether *real* is the name of the file with this *status*: /dev/fd/N may lead to a file without a name."""
    return real.exists() and os.path.samestat(real.stat(), status)


def _opened(path: Path, status: os.stat_result) -> int:
    """Open the existing file *path* with this *status* for writing; does not wait for the reader of a FIFO.

    Raises:
        UsageError: It is a FIFO that no process reads, or another file took its place.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(status.st_mode):
            raise
        raise UsageError(
            "is a FIFO that no process reads", where=escaped(path), hint="start its reader before"
        ) from error
    if not os.path.samestat(os.fstat(descriptor), status):
        os.close(descriptor)
        raise _unfit(path, "another file took its place")
    os.set_blocking(descriptor, True)
    return descriptor
