"""Private folders below TMPDIR for copies of the application's data; they are removed however the run ends.

A process that was killed (SIGKILL, a power cut) cannot remove its folder.  So each folder has a marker file that its process
holds locked while the folder is in use; the kernel releases the lock when the process dies, and the next command removes the
folders whose marker is not locked.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import MigratorError
from migrator.system import paths

#: Wait between two attempts [s], and attempts, to remove a folder into which a dying process still writes.
_PAUSE_S, _TRIES = 0.05, 20
#: Beginning of the names of all private folders.
_PREFIX = "migrator-"
#: Name of the marker of a private folder.
_MARKER = ".migrator-private"
#: Errors of a file system without such locks: a folder there has no marker, and no other process removes it.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
#: The folders that exist now.
_THERE: set[Path] = set()


@contextmanager
def private_folder(kind: str = "") -> Iterator[Path]:
    """Yield a new folder that only this user can read; remove it afterwards.

    Args:
        kind: A word for its name, such as ``rehearsal``.

    Raises:
        MigratorError: It cannot be made.
        OSError: This process, or the system, has too many files open.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = paths.resolved(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-" if kind else _PREFIX)))
            _THERE.add(folder)
            stack.callback(_remove, folder)
            if (marker := _marked(folder)) is not None:
                # Closed, and so unlocked, before the folder is removed by this process itself.
                stack.callback(os.close, marker)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            raise MigratorError(
                f"no folder for private copies: {error.strerror}", hint="set TMPDIR to a folder with room"
            ) from None
        yield folder


def _marked(folder: Path) -> int | None:
    """Put the marker into *folder*; return the descriptor that holds its lock, None where no file can be locked.

    Raises:
        OSError: It cannot be written.
    """
    draft = folder / f"{_MARKER}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _content())
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Under its name the marker is locked from the start: an unlocked one is that of a dead process.
        draft.rename(folder / _MARKER)
    except OSError as error:
        os.close(descriptor)
        draft.unlink()
        if error.errno in _NO_LOCKS:
            return None
        raise
    return descriptor


def _content() -> bytes:
    """Return the content of a marker, with the host: a lock in a shared folder may be known to its own host only."""
    return f"private copies of migrator on {os.uname().nodename}; removed once their process has ended\n".encode()


def remove_abandoned() -> None:
    """Remove the private folders of this user in TMPDIR whose process is dead.

    Only a folder with a marker that can be locked is removed.  No link is followed, and nothing of another user is touched.
    A folder that cannot be removed stays for the next command.
    """
    with contextlib.suppress(OSError):
        above = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(above) as entries:
                names = [entry.name for entry in entries if entry.name.startswith(_PREFIX)]
            for name in names:
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(above, name)
        finally:
            os.close(above)


def _remove_if_abandoned(above: int, name: str) -> None:
    """Remove the folder *name* in the open folder *above* if it is a private one of this user whose process is dead.

    Raises:
        OSError: It is none, or its process lives, or something in it cannot be removed.
    """
    with contextlib.ExitStack() as stack:

        def opened(path: str, flags: int, within: int) -> int:
            descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=within)
            stack.callback(os.close, descriptor)
            return descriptor

        folder = opened(name, os.O_RDONLY | os.O_DIRECTORY, above)
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            return
        marker = opened(_MARKER, os.O_RDONLY, folder)
        status = os.fstat(marker)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or os.read(marker, 1000) != _content():
            return
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Through the descriptor: another folder may have been given the name meanwhile.
        with os.scandir(folder) as entries:
            inside = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if entry.name != _MARKER]
        for path, is_folder in inside:
            if is_folder:
                shutil.rmtree(path, dir_fd=folder)
            else:
                os.unlink(path, dir_fd=folder)
        # Last: a removal that was cut short is taken up by the next command.
        os.unlink(_MARKER, dir_fd=folder)
        os.rmdir(name, dir_fd=above)


def tidy() -> None:
    """Remove folders that remain because a signal interrupted their creation or removal."""
    for folder in tuple(_THERE):
        _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_PAUSE_S)
    _THERE.discard(folder)
