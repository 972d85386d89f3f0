"""The run lock: one migrator at a time, and one monitor.  It is a lock on a file; the kernel releases it when its process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from migrator.errors import Refused
from migrator.system import durable_files, permissions
from migrator.system.ownership import guard

#: Names of the lock files: of a migrator that changes something, and of a monitor.
RUN, WATCH = "lock", "watch.lock"
_AT_WORK = {RUN: "another migrator is at work here", WATCH: "another monitor watches here"}


def path_of(data_dir: Path, name: str = RUN) -> Path:
    """Return the lock file of *data_dir*."""
    return data_dir / ".migrator" / name


@contextmanager
def locked(data_dir: Path, patience_s: float = 0.0, *, name: str = RUN) -> Iterator[None]:
    """Hold the lock *name* of *data_dir*.

    Raises:
        Refused: Another migrator holds it for longer than *patience_s* seconds, what lies under our names is not ours, or
            this user is neither the owner of the databases nor root.
    """
    guard(data_dir)
    path = path_of(data_dir, name)
    permissions.refuse_strangers(data_dir)
    durable_files.make_private_folder(path.parent)
    held = FileLock(path, timeout=patience_s, mode=0o600)
    try:
        held.acquire()
    except Timeout as error:
        raise Refused(_AT_WORK[name], where=data_dir, hint="wait until it has ended") from error
    except PermissionError as error:
        what = f"user {permissions.user(os.geteuid())} may not use it"
        raise Refused(what, where=path, hint=permissions.run_as(path.parent.stat())) from error
    durable_files.give_to_owner_of(data_dir, path)
    try:
        yield
    finally:
        held.release()


def is_held(data_dir: Path, name: str = RUN) -> bool:
    """Return whether another migrator holds the lock *name* of *data_dir*, as far as this user can see; writes nothing.

    A process that holds the lock itself must not call this.
    """
    try:
        descriptor = os.open(path_of(data_dir, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
