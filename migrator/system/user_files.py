"""Reads files that a user names, never waits for a FIFO, and limits the size; judges whose link a name is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from migrator.errors import UsageError
from migrator.system.escaping import escaped

#: Largest text that is read [bytes]: a configuration, an .env, evidence on thousands of contracts.
LARGEST_BYTES = 64 * 1024**2
_KINDS = (
    (stat.S_ISDIR, "is a folder"), (stat.S_ISFIFO, "is a FIFO"), (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"), (stat.S_ISBLK, "is a device"),
)  # fmt: skip


def opened(path: Path) -> BinaryIO:
    """Open the regular file at *path* for reading; follows links, and does not wait for a FIFO.

    Raises:
        UsageError: It is not there, may not be read, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise UsageError(
            f"cannot be read ({why})", where=escaped(path), hint="name a file that this user may read"
        ) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = next((what for test, what in _KINDS if test(mode)), "is not a regular file")
        raise UsageError(f"cannot be read ({what})", where=escaped(path), hint="name a regular file")
    return os.fdopen(descriptor, "rb")


def content(path: Path) -> bytes:
    """Return the content of the file at *path*.

    Raises:
        UsageError: As :func:`opened`; or it is larger than :data:`LARGEST_BYTES`.
    """
    with opened(path) as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise UsageError(
            f"cannot be read (is larger than {LARGEST_BYTES // 1024**2} MiB)",
            where=escaped(path),
            hint="check that this is the file you mean",
        )
    return content


def text(path: Path) -> str:
    """Return the UTF-8 text of the file at *path*, without a byte order mark.

    Raises:
        UsageError: As :func:`content`; or it is not UTF-8.
    """
    try:
        return content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"cannot be read (is not UTF-8 at byte {error.start})", where=escaped(path), hint="save it as UTF-8"
        ) from error


def astray(path: Path) -> str:
    """Return a sentence if *path* is a link of a user who is neither this one, root, nor the owner of its target; else ''."""
    real = Path(os.path.realpath(path))
    if path.is_symlink() and (user := path.lstat().st_uid) not in (0, os.geteuid(), _owner(real)):
        return f"is a link of user {user} to {real}, which belongs to user {_owner(real)}"
    return ""


def _owner(path: Path) -> int:
    """Return the owner of *path*, or of the nearest folder above it that exists."""
    existing = next(candidate for candidate in (path, *path.parents) if candidate.exists())
    return existing.stat().st_uid
