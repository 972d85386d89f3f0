"""Our own folders in the data directory, looked at before anything in them is believed, followed or written.

Whoever may write to the data directory could put a link, a FIFO or a file of another user where ours lie: what we write
would land elsewhere, what we read would be theirs, or we would wait for ever.  So nothing of ours may be a link (but the
pointer of a switch), every entry is a file or a folder, belongs to those whom the data directory belongs to, and may be
changed by nobody else.  A group that may change the data directory itself may change ``.migrator`` too: it could replace
the databases as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from migrator import own
from migrator.errors import Refused
from migrator.plain import escaped

#: The one link among our entries, read as text by :mod:`migrator.switch`; and what a switch that died may leave of it.
POINTERS = ("active", ".active.draft")
#: Trees of a switch: names and links that were looked at when they were made.
_TREES = ("legacy", "new", "rolled-back")


def guard(data_dir: Path) -> None:
    """See that what lies under our names in *data_dir* can be ours; nothing is followed, opened or changed.

    Raises:
        Refused: An entry is a link, a device or the like, belongs to somebody else, or others may change it.
    """
    for path, what in complaints(data_dir):
        raise Refused(what, where=escaped(path), hint="check who made it, then move it away")


def complaints(data_dir: Path) -> Iterator[tuple[Path, str]]:
    """Yield each entry of ours that cannot be ours, and why."""
    try:
        home = data_dir.stat()
    except OSError:
        # Whoever uses the folder says what is wrong with it.
        return
    owners = {home.st_uid, os.geteuid(), 0}
    group = home.st_gid if home.st_mode & stat.S_IWGRP else None
    for path, status, what in _below(data_dir / ".migrator", owners, depth=2):
        if what or (status.st_mode & stat.S_IWGRP and status.st_gid != group):
            yield path, what or "may be changed by its group, which may not change the data directory"
    # What else lies in a folder for backups is the owner's.
    backups = [_below(data_dir / "backup", owners, depth=0)]
    backups += [_below(run, owners, depth=1) for run in own.runs(data_dir / "backup")]
    yield from ((path, what) for path, _, what in chain.from_iterable(backups) if what)


def _below(path: Path, owners: set[int], depth: int) -> Iterator[tuple[Path, os.stat_result, str]]:
    """Yield *path* and what is below it, and why it cannot be ours, '' where it can."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    what = _unlike_ours(status, owners)
    yield path, status, what
    # Where a file was put in the place of a folder, the plan says so.
    if what or not depth or not stat.S_ISDIR(status.st_mode):
        return
    try:
        names = sorted((one.name for one in path.iterdir()), key=os.fsencode)
    except PermissionError:
        # It cannot be written to either, and that is said where it is tried.
        return
    for name in names:
        if path.name != ".migrator" or name not in (*POINTERS, *_TREES):
            yield from _below(path / name, owners, depth - 1)


def _unlike_ours(status: os.stat_result, owners: set[int]) -> str:
    """Return why an entry with this *status* is none of ours, or ''."""
    if stat.S_ISLNK(status.st_mode):
        return "is a link, and what is the tool's own is never one"
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return "is neither a file nor a folder, and lies where the tool keeps its own"
    if status.st_uid not in owners:
        return "belongs to another user than the data directory, and lies where the tool keeps its own"
    if status.st_mode & stat.S_IWOTH and not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return "may be changed by every user, and lies where the tool keeps its own"
    return ""
