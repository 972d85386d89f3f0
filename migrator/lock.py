"""One migrator at a time: a lock on a file, which the kernel lets go of when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from migrator import files
from migrator.errors import Refused


@contextmanager
def locked(data_dir: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of *data_dir*.

    Raises:
        Refused: Another migrator holds it for longer than *patience_s* seconds.
    """
    path = data_dir / ".migrator" / "lock"
    files.make_private_folder(path.parent)
    held = FileLock(path, timeout=patience_s, mode=0o600)
    try:
        held.acquire()
    except Timeout as error:
        raise Refused("another migrator is at work here", where=data_dir, hint="wait until it has ended") from error
    try:
        yield
    finally:
        held.release()
