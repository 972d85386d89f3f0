"""Check migrator's own folders in the data directory before anything in them is read, followed or written.

A user who may write to the data directory could put a link, a FIFO or a file of another user where ours lie: what we write
would land elsewhere, what we read would be theirs, or we would wait for ever.  So nothing of ours may be a link (but the
pointer of a switch), every entry is a file or a folder, belongs to those whom the data directory belongs to, and may be
changed by no other user.  A group that may change the data directory itself may change ``.migrator`` too: it could replace
the databases as well.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from migrator.errors import Refused
from migrator.system import durable_files, own_files
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

#: The one link among our entries, and its draft; :mod:`migrator.switch.state` reads it as text.
POINTERS = ("active", ".active.draft")
#: Trees of a switch: their entries were checked when they were made.
_TREES = ("legacy", "new", "rolled-back")
#: Kinds of entries in an access list, as the system keeps it (linux/posix_acl.h).
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK = 0x01, 0x02, 0x04, 0x08, 0x10


def guard(data_dir: Path) -> None:
    """Check that each entry under our names in *data_dir* can be ours; follows, opens and changes nothing.

    Raises:
        Refused: An entry is a link, a device or the like, belongs to another user, or others may change it.
    """
    for path, what in complaints(data_dir):
        raise Refused(what, where=escaped(path), hint=_hint(data_dir, path))


def complaints(data_dir: Path) -> Iterator[tuple[Path, str]]:
    """Yield each entry of ours that cannot be ours, and why."""
    try:
        home = data_dir.stat()
    except OSError:
        # The caller reports what is wrong with the folder.
        return
    owners = {home.st_uid, os.geteuid(), 0} | _user_of(data_dir, home)
    group = home.st_gid if home.st_mode & stat.S_IWGRP else None
    for path, status, what in _below(data_dir / ".migrator", owners, depth=2):
        if what or (status.st_mode & stat.S_IWGRP and status.st_gid != group):
            yield path, what or "may be changed by its group, which may not change the data directory"
    # Other entries in the folder for backups are the owner's.
    backups = [_below(data_dir / "backup", owners, depth=0)]
    backups += [_below(run, owners, depth=1) for run in own_files.runs(data_dir / "backup")]
    yield from ((path, what) for path, _, what in chain.from_iterable(backups) if what)


def _user_of(data_dir: Path, home: os.stat_result) -> set[int]:
    """Return the owner of the databases in a folder of root's, if no other unprivileged user could be behind them.

    Another user U could have root believe a state that U made in two ways.  U makes ``.migrator`` under its own name: then
    U has to own the databases too, or it is refused.  Or U moves the databases away and puts its own in their place, so
    that U is their one owner.  Either takes the right to write to the folder.  So their owner is believed only where no
    third user has that right: it belongs to root alone, or to the owner by an entry of the access list or by its private
    group.  A process is in that group only if the user database says so, root put it there, or a member made a setgid
    program; only members can make one.  Of a group with more members none is believed, though all its files have one
    owner: any member could have made them.  Rights that were taken away before count as never given: a user who gives the
    folder to root has to know what is in it.
    """
    if home.st_uid != 0:
        return set()
    owners = {
        status.st_uid
        for path in data_dir.iterdir()
        if path.suffix == ".db" and stat.S_ISREG((status := path.lstat()).st_mode)
    }
    writers = _writers(data_dir)
    return owners if len(owners) == 1 and writers is not None and writers <= owners else set()


def _writers(data_dir: Path) -> set[int] | None:
    """Return the users beside root who may write to *data_dir*, a folder of root's; None where they cannot be told."""
    access = durable_files.access_of(data_dir)
    entries = list(struct.iter_unpack("<HHI", access.acl[4:])) or [(_GROUP, access.mode >> 3 & 7, 0)]
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    writers = set()
    for tag, permissions, number in entries:
        if not permissions & mask & 2 or tag in (_OWNER, _MASK):
            continue
        group = access.group if tag == _GROUP else number
        user: int | None = number if tag == _USER else _alone_in(group) if tag in (_GROUP, _NAMED_GROUP) else None
        if user is None:
            return None
        writers.add(user)
    return None if access.mode & stat.S_IWOTH else writers - {0}


def _alone_in(group: int) -> int | None:
    """Return the user whose private *group* this is, by its name; None if another user may be in it."""
    try:
        known = grp.getgrgid(group)
        user = pwd.getpwnam(known.gr_name)
    except KeyError:
        return None
    primary = {account.pw_uid for account in pwd.getpwall() if account.pw_gid == group}
    return user.pw_uid if primary == {user.pw_uid} and {*known.gr_mem} <= {user.pw_name} else None


def _hint(data_dir: Path, path: Path) -> str:
    """Return the hint for *path*, which is not ours; in a folder of root's also how to give it to the bot's user."""
    look = f"to see whose it is run: ls -la {quoted(path.parent)}; unless you made it, move it away"
    owner = path.lstat().st_uid
    if data_dir.stat().st_uid == 0 != owner and stat.S_ISDIR(path.lstat().st_mode):
        return f"{look}; if the bot runs as user {owner}, run: chown {owner} {quoted(data_dir)}"
    return look


def _below(path: Path, owners: set[int], depth: int) -> Iterator[tuple[Path, os.stat_result, str]]:
    """Yield *path* and each entry below it, with the reason why it cannot be ours, or ''."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    what = _unlike_ours(status, owners)
    yield path, status, what
    # The plan reports a file that replaces a folder.
    if what or not depth or not stat.S_ISDIR(status.st_mode):
        return
    try:
        names = sorted((entry.name for entry in path.iterdir()), key=os.fsencode)
    except PermissionError:
        # It cannot be written to either; the attempt is reported.
        return
    for name in names:
        if path.name != ".migrator" or name not in (*POINTERS, *_TREES):
            yield from _below(path / name, owners, depth - 1)


def _unlike_ours(status: os.stat_result, owners: set[int]) -> str:
    """Return why an entry with this *status* cannot be ours, or ''."""
    if stat.S_ISLNK(status.st_mode):
        return "is a link, and no file of migrator's own is one"
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return "is neither a file nor a folder, and lies where migrator keeps its own files"
    if status.st_uid not in owners:
        return "belongs to another user than the data directory, and lies where migrator keeps its own files"
    if status.st_mode & stat.S_IWOTH and not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return "may be changed by every user, and lies where migrator keeps its own files"
    return ""
