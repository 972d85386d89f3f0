"""Permissions of a database and of the files that SQLite makes beside it.

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
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import and_, or_
from pathlib import Path

from migrator.errors import Refused
from migrator.system import connections, durable_files
from migrator.system.durable_files import Access
from migrator.system.escaping import escaped

#: Read and write, in one digit of a mode.
_USE = 0o6


def run_as(status: os.stat_result) -> str:
    """Return how to run the same command as the owner and the group of the file with this *status*."""
    return f"run this again with: {sudo(status)}"


def sudo(status: os.stat_result) -> str:
    """Return what to put before a command to run it as the owner and the group of the file with this *status*."""
    return f"sudo -u {shlex.quote(user(status.st_uid))} -g {shlex.quote(group(status.st_gid))}"


def user(uid: int) -> str:
    """Return the name of a user, ``#1001`` for one without an account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def group(gid: int) -> str:
    """Return the name of a group, ``#1001`` for one without an entry."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"


def is_primary(gid: int, uid: int) -> bool:
    """Return whether *gid* is the primary group of *uid*; False for a user without an account."""
    try:
        return pwd.getpwuid(uid).pw_gid == gid
    except KeyError:
        return False


def may_write(path: Path) -> bool:
    """Tell whether this process may write to the file *path*."""
    return may(os.W_OK, path)


def may(do: int, path: Path) -> bool:
    """Tell whether this process may *do* (``os.R_OK``, ``os.W_OK``) with the file *path*."""
    return os.access(path, do, effective_ids=os.access in os.supports_effective_ids)


def obstacle(path: Path, journal_mode: str) -> str:
    """Return why this process must not open the database *path* itself to lock it, or ''.

    In a rollback-journal mode nothing is made beside a database that is only locked, and the lock of a reader keeps every
    writer from committing.  In WAL mode only the lock of a writer does.
    """
    if journal_mode != "wal":
        return ""
    if not may_write(path):
        return f"this user ({user(os.geteuid())}) may not write to it, and so cannot lock it"
    beside = [connections.beside(path, suffix) for suffix in ("-wal", "-shm")]
    for companion in beside:
        if companion.exists() and not may_write(companion):
            return f"this user ({user(os.geteuid())}) may not write to {escaped(companion.name)}, and so cannot lock it"
    missing = [companion for companion in beside if not companion.exists()]
    if not missing or os.geteuid() == 0 or _serves_the_same(path.stat(), path.parent.stat()):
        return ""
    return (
        f"to lock it SQLite would make {escaped(missing[0].name)} for user {user(os.geteuid())} and group"
        f" {group(_group_of_new(path.parent.stat()))}, and others who use the database could not use that file"
    )


def _serves_the_same(database: os.stat_result, folder: os.stat_result) -> bool:
    """Return whether the users of *database* can use a file that this process makes in *folder* with the same mode."""
    made = _group_of_new(folder)
    everyone = database.st_mode & _USE
    members = database.st_mode >> 3 & _USE
    return (os.geteuid() == database.st_uid or everyone == _USE) and (made == database.st_gid or everyone == members)


def _group_of_new(folder: os.stat_result) -> int:
    """Return the group of a file that this process makes in *folder*."""
    return folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()


def refuse_strangers(data_dir: Path) -> None:
    """Check that this process may use what migrator keeps in *data_dir*, and that what it makes will belong to the owner.

    Raises:
        Refused: This user is neither the owner of the folder or of its databases, nor root.
    """
    root = data_dir / ".migrator"
    if root.exists():
        if not may(os.R_OK | os.W_OK | os.X_OK, root):
            what = f"user {user(os.geteuid())} may not use it"
            raise Refused(what, where=escaped(root), hint=run_as(root.stat()))
        return
    if not data_dir.is_dir() or os.geteuid() in (0, data_dir.stat().st_uid):
        # A missing folder is reported when it is read.
        return
    foreign = next((path for path in sorted(data_dir.glob("*.db")) if path.stat().st_uid != os.geteuid()), None)
    if foreign is not None:
        owner = foreign.stat()
        what = f"belongs to user {user(owner.st_uid)}, and this is {user(os.geteuid())}"
        raise Refused(what, where=escaped(foreign), hint=run_as(owner))


def refusals(databases: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Yield one sentence if this process must not lock one of *databases* (path, journal mode), or is not its owner."""
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
    """Return why this process must not write beside the file with this *status*, or '': only its owner or root may."""
    if os.geteuid() in (0, status.st_uid):
        return ""
    return (
        f"belongs to user {user(status.st_uid)}, and this is {user(os.geteuid())}: a cutover needs its owner, or root"
    )


def shared(paths: Sequence[Path], data_dir: Path, most: int = 0o666) -> tuple[Access, bool]:
    """Return the widest access that gives no user more than each file of *paths*, and whether it serves every user of each.

    Args:
        paths: The files; without any, their owner alone.
        data_dir: Where a file of this access will lie: folders between it and a file count as permissions of the file.
        most: The most that is given, as a mode.
    """
    accesses = [reached(path, data_dir) for path in paths]
    if not accesses:
        return Access(data_dir.stat().st_gid, 0o600), True
    if any(access.acl for access in accesses):
        # An access list can only be copied as it is.
        same = len(set(accesses)) == 1 and accesses[0].mode & most == accesses[0].mode
        return (accesses[0], True) if same else (Access(accesses[0].group, 0o600), False)
    wide, serves = max(
        (_of_group(gid, accesses, data_dir.stat()) for gid in sorted({access.group for access in accesses})), key=_width
    )
    return wide._replace(mode=wide.mode & (most | 0o600)), serves


def _width(access: tuple[Access, bool]) -> tuple[bool, int]:
    return access[1], access[0].mode.bit_count()


def reached(path: Path, data_dir: Path) -> Access:
    """Return who may use the file *path*, its owner too, as far as they may pass the folders around it."""
    owned, mode, acl = durable_files.access_of(path)
    mode = 0o600 | mode & 0o066
    for folder in path.parents:
        if folder != data_dir and folder not in data_dir.parents:
            status = folder.stat()
            members, others = status.st_mode & stat.S_IXGRP, status.st_mode & stat.S_IXOTH
            if status.st_gid != owned:
                members = others = members and others
            mode &= 0o600 | (0o060 if members else 0) | (0o006 if others else 0)
    return Access(owned, mode, acl)


def _of_group(gid: int, accesses: Sequence[Access], folder: os.stat_result) -> tuple[Access, bool]:
    """Return the widest access for a group that gives no user more than each of *accesses*, and whether it serves each user.

    A user may be in any of the groups: of a file of another group a member and a non-member are counted alike.  Users who
    may not pass the *folder* use none of the files.
    """
    each = [(access.mode >> 3 & _USE, access.mode & _USE) for access in accesses if access.group == gid]
    foreign = [(access.mode >> 3 & _USE, access.mode & _USE) for access in accesses if access.group != gid]
    least = reduce(and_, (members & others for members, others in foreign), _USE)
    most = reduce(or_, (members | others for members, others in foreign), 0)
    low = [least & reduce(and_, digits) for digits in zip(*each, strict=True)]
    high = [most | reduce(or_, digits) for digits in zip(*each, strict=True)]
    passing = [folder.st_mode & stat.S_IXGRP, folder.st_mode & stat.S_IXOTH]
    if folder.st_gid != gid:
        passing = [max(passing)] * 2
    unserved = any(wanted & ~given and may for wanted, given, may in zip(high, low, passing, strict=True))
    return Access(gid, 0o600 | low[0] << 3 | low[1]), not unserved
