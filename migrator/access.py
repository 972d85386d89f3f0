"""Who may use a database: the users and groups of a file, and of what SQLite makes beside it.

A database in WAL mode needs ``-wal`` and ``-shm``.  SQLite makes them with the permissions of the database, for the user
who opens it first (root gives them to the owner of the database).  Made by the wrong user they shut the application out, so
that user has to be refused before the database is opened.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from migrator import sqlite
from migrator.errors import Refused
from migrator.plain import escaped

#: To read and to write, of the three digits of a mode.
_USE = 0o6


def run_as(status: os.stat_result) -> str:
    """Return what to put before the command to run it as the owner and the group of the file with this *status*."""
    return f"run this again with: sudo -u {shlex.quote(user(status.st_uid))} -g {shlex.quote(_group(status.st_gid))}"


def user(uid: int) -> str:
    """Return the name of a user, ``#1001`` for one without an account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"


def may_write(path: Path) -> bool:
    """Tell whether this process may write to the file *path*."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def obstacle(path: Path, journal_mode: str) -> str:
    """Return why this process must not open the database *path* in its place to lock it, '' if it may.

    In a rollback-journal mode nothing is made beside a database that is only locked, and the lock of a reader keeps every
    writer from committing.  In WAL mode only the lock of a writer does.
    """
    if journal_mode != "wal":
        return ""
    if not may_write(path):
        return f"this user ({user(os.geteuid())}) may not write to it, and so cannot lock it"
    beside = [sqlite.beside(path, suffix) for suffix in ("-wal", "-shm")]
    for companion in beside:
        if companion.exists() and not may_write(companion):
            return f"this user ({user(os.geteuid())}) may not write to {escaped(companion.name)}, and so cannot lock it"
    missing = [companion for companion in beside if not companion.exists()]
    if not missing or os.geteuid() == 0 or _serves_the_same(path.stat(), path.parent.stat()):
        return ""
    return (
        f"to lock it SQLite would make {escaped(missing[0].name)} for user {user(os.geteuid())} and group"
        f" {_group(_group_of_new(path.parent.stat()))}, and others who use the database could not use that file"
    )


def _serves_the_same(database: os.stat_result, folder: os.stat_result) -> bool:
    """Tell whether a file that this process makes in *folder*, in the mode of *database*, lets the same users in."""
    group = _group_of_new(folder)
    everyone = database.st_mode & _USE
    members = database.st_mode >> 3 & _USE
    return (os.geteuid() == database.st_uid or everyone == _USE) and (group == database.st_gid or everyone == members)


def _group_of_new(folder: os.stat_result) -> int:
    """Return the group of a file that this process makes in *folder*."""
    return folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()


def refuse_strangers(data_dir: Path) -> None:
    """Check that what this process makes in *data_dir* will belong to the owner of the folder, or of its databases.

    Raises:
        Refused: This user is neither of them, nor root.
    """
    status = data_dir.stat()
    if os.geteuid() in (0, status.st_uid):
        return
    foreign = next((one for one in sorted(data_dir.glob("*.db")) if one.stat().st_uid != os.geteuid()), None)
    if foreign is not None:
        owner = foreign.stat()
        what = f"belongs to user {user(owner.st_uid)}, and this is {user(os.geteuid())}"
        raise Refused(what, where=escaped(foreign), hint=run_as(owner))


def refusals(databases: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Yield one sentence if this process must not lock one of *databases* (path, journal mode), or does not own one."""
    against = [
        (path, what)
        for path, journal_mode in databases
        if (what := obstacle(path, journal_mode) or _foreign(path.stat()))
    ]
    if against:
        path, what = against[0]
        more = f" (and {len(against) - 1} more)" if len(against) > 1 else ""
        yield f"{escaped(path)}: {what}{more}; {run_as(path.stat())}"


def _foreign(status: os.stat_result) -> str:
    """Return why this process must not work beside the file with this *status*: what it makes would not be its owner's."""
    if os.geteuid() in (0, status.st_uid):
        return ""
    return (
        f"belongs to user {user(status.st_uid)}, and this is {user(os.geteuid())}: a cutover needs its owner, or root"
    )
