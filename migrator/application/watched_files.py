"""Sees whether files have changed: what was found out from them holds for as long as they have not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

#: Age from which the times of a file tell of each later change [s]: those of a file system may be as coarse as this.
_OLD_ENOUGH_S = 2.0


class WatchedFiles:
    """How some files looked when this was made; each of them may be missing.

    Files whose content matters are known by inode, size and times.  Of entries, such as a database that is written to, it
    matters which file the name leads to, and who owns it.
    """

    def __init__(self, contents: Iterable[Path], entries: Iterable[Path]) -> None:
        """Look at the files *contents* and at the *entries*."""
        self._contents, self._entries = tuple(contents), tuple(entries)
        self._seen = self._look()

    def are_unchanged(self) -> bool:
        """Return whether all of them look as they did."""
        return self._look() == self._seen

    def are_settled(self) -> bool:
        """Return whether each content is old enough that a later change will be seen."""
        youngest = time.time_ns() - int(_OLD_ENOUGH_S * 1e9)
        return all(one is None or max(one[-2:]) < youngest for one in map(_content, self._contents))

    def _look(self) -> list[tuple[int, ...] | None]:
        return [*map(_content, self._contents), *map(_entry, self._entries)]


def _content(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_uid, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _entry(path: Path) -> tuple[int, ...] | None:
    try:
        status, itself = path.stat(), path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mode, status.st_uid, itself.st_dev, itself.st_ino
