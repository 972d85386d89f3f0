"""Hints for errors of the system and of SQLite: one for each kind, with a command to run."""

from __future__ import annotations

import errno
import os
import pwd
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from migrator.errors import MigratorError
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

_NO_ROOM = "make room; to see how full each disk is run: df -h {folders}"
_NOT_ALLOWED = "run this as {owner}, or give this user access; to see the permissions run: namei -l {path}"
_READ_ONLY = "mount it for writing; to see the mount options run: findmnt --target {path}"
_IN_THE_WAY = "move away the file of this name; to see it run: ls -ld {path}"
_OTHER_DEVICE = "keep both on one file system; to compare them run: df {folders}"
_IN_USE = "stop the process that uses it; to find it run: ls -l /proc/[0-9]*/fd | grep {path}"
_DISK_FAILS = "do not go on with this disk; to read what it reports run: dmesg --level=err"
_MEMORY = "end what needs the memory; to see what is free run: head -3 /proc/meminfo"

#: errno -> hint.
_OF_SYSTEM = {
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: "free some of this user's quota; to see what is used run: du -sh {folders}",
    errno.EFBIG: "allow larger files in this shell: ulimit -f unlimited",
    errno.EROFS: _READ_ONLY,
    errno.ENOENT: "name a path that exists; to see where this one ends run: namei -l {path}",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.ELOOP: "remove the link that leads to itself; to find it run: namei -l {path}",
    errno.ENAMETOOLONG: "move the databases to a folder with a shorter path",
    errno.EMFILE: "allow more open files in this shell: ulimit -n 4096",
    errno.ENFILE: "allow more open files on this host: sysctl -w fs.file-max=1000000",
    errno.EXDEV: _OTHER_DEVICE,
    errno.EMLINK: "remove some of its other names (hard links); to count them run: stat {path}",
    errno.EBUSY: _IN_USE,
    errno.ETXTBSY: _IN_USE,
    errno.EAGAIN: _IN_USE,
    errno.EIO: _DISK_FAILS,
    errno.ENODEV: _DISK_FAILS,
    errno.ENOMEM: _MEMORY,
    errno.ENOLCK: "use a file system that supports locks, not a network share; to see this one run: findmnt --target {path}",
    errno.EOPNOTSUPP: "use another file system, such as ext4 or XFS; to see this one run: findmnt --target {path}",
    errno.ESTALE: "mount the network share anew; to see it run: findmnt --target {path}",
}
#: Beginning of the name of an SQLite error -> hint; the longest beginning wins.
_OF_SQLITE = {
    "SQLITE_FULL": _NO_ROOM,
    "SQLITE_IOERR_SHMSIZE": _NO_ROOM,
    "SQLITE_IOERR_NOMEM": _MEMORY,
    "SQLITE_IOERR": _DISK_FAILS,
    "SQLITE_CANTOPEN": "let this user read and write the folder and the file; to see the permissions run: ls -la {folders}",
    "SQLITE_PERM": _NOT_ALLOWED,
    "SQLITE_AUTH": _NOT_ALLOWED,
    "SQLITE_READONLY": _NOT_ALLOWED,
    "SQLITE_BUSY": _IN_USE,
    "SQLITE_LOCKED": _IN_USE,
    "SQLITE_NOMEM": _MEMORY,
    "SQLITE_CORRUPT": "restore the file from a snapshot; to see the newest snapshot run: migrator status",
    "SQLITE_NOTADB": "restore the file from a snapshot; to see the newest snapshot run: migrator status",
    "SQLITE_TOOBIG": "no value or statement may have more than 1,000,000,000 bytes",
    "SQLITE_NOLFS": "use a file system that supports files of this size; to see this one run: findmnt --target {path}",
}
_UNKNOWN = "to see what the system allows run: ls -la {folders}"


def reason(error: OSError) -> str:
    """Return why the system refused, in lower case: ``permission denied``."""
    return (error.strerror or str(error)).lower()


def told(error: OSError | sqlite3.Error, folders: Sequence[Path] = ()) -> MigratorError:
    """Return *error* as a MigratorError with its hint; the run writes to *folders* and to TMPDIR."""
    written = (*folders, Path(os.environ.get("TMPDIR") or "/tmp"))  # noqa: S108 - where SQLite and Python go
    if isinstance(error, OSError):
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        hint = _OF_SYSTEM.get(error.errno or 0, _UNKNOWN)
        what = reason(error)
        return MigratorError(what, where=escaped(named or ""), hint=_filled(hint, named, written))
    name = getattr(error, "sqlite_errorname", "")
    begins = max((beginning for beginning in _OF_SQLITE if name.startswith(beginning)), key=len, default="")
    return MigratorError(str(error), hint=_filled(_OF_SQLITE.get(begins, _UNKNOWN), None, written))


def _filled(hint: str, named: Path | None, folders: Sequence[Path]) -> str:
    path = named or folders[0]
    return hint.format(
        path=quoted(path),
        owner=owner(path),
        folders=" ".join(dict.fromkeys(map(quoted, filter(Path.exists, folders)))),
    )


def owner(path: Path) -> str:
    """Return who owns *path*, or the nearest folder above it that this user can see."""
    for candidate in (path, *path.absolute().parents):
        try:
            uid = candidate.stat().st_uid
        except OSError:
            continue
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"user {uid}"
    return "root"
