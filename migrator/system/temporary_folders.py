"""Private folders below TMPDIR, for copies of other people's data: gone once they are used, however the run ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.errors import MigratorError
from migrator.system import paths

#: Seconds between two tries to remove a folder into which a process that is just being killed still writes, and tries.
_PAUSE_S, _TRIES = 0.05, 20
#: Those that are there.
_THERE: set[Path] = set()


@contextmanager
def private_folder(prefix: str = "migrator-") -> Iterator[Path]:
    """Give a folder that is readable by us alone, and gone afterwards.

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
    """Remove the folders that are left where a signal came while they were being made or removed."""
    for folder in tuple(_THERE):
        _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_PAUSE_S)
    _THERE.discard(folder)
