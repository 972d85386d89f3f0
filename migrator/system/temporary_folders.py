"""Private folders below TMPDIR for copies of the application's data; they are removed however the run ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import MigratorError
from migrator.system import paths

#: Wait between two attempts [s], and attempts, to remove a folder into which a dying process still writes.
_PAUSE_S, _TRIES = 0.05, 20
#: The folders that exist now.
_THERE: set[Path] = set()


@contextmanager
def private_folder(prefix: str = "migrator-") -> Iterator[Path]:
    """Yield a new folder that only this user can read; remove it afterwards.

    Raises:
        MigratorError: It cannot be made.
    """
    try:
        folder = paths.resolved(Path(tempfile.mkdtemp(prefix=prefix)))
    except OSError as error:
        raise MigratorError(
            f"no folder for private copies: {error.strerror}", hint="set TMPDIR to a folder with room"
        ) from None
    _THERE.add(folder)
    try:
        yield folder
    finally:
        _remove(folder)


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
