"""Mount points: a file cannot be linked or renamed from one mount to another, even within one file system."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from migrator.system.escaping import escaped

_TABLE = Path("/proc/self/mountinfo")
#: Blanks, line ends and backslashes are in octal; see proc(5).
_OCTAL = re.compile(rb"\\([0-7]{3})")


def mount_of(path: Path) -> Path:
    """Return the mount point above *path*, or *path* if it is one.  *path* has no links in it and need not exist."""
    return max(
        (point for point in _points() if path == point or point in path.parents), key=lambda point: len(point.parts)
    )


def apart(folder: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each of *paths* that is in another mount than *folder*."""
    home = mount_of(folder)
    for path in paths:
        if (mount := mount_of(path)) != home:
            where = "is mounted by itself" if mount == path else f"lies in the mount {escaped(mount)}"
            yield f"{escaped(path)}: {where}, and nothing can be moved between there and {escaped(home)}; mount both as one"


def is_mounted(path: Path) -> bool:
    """Return whether *path* is a mount point, as containers mount a single file: a rename over it fails."""
    return path in _points()


def _points() -> set[Path]:
    if not _TABLE.exists():
        return {Path("/")}
    fields = (line.split(b" ")[4] for line in _TABLE.read_bytes().splitlines())
    # In a chroot the root need not be a mount.
    return {Path("/")} | {
        Path(os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), field))) for field in fields
    }
