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
#: Types of file systems without hard links and symbolic links.
_WITHOUT_LINKS = frozenset({"exfat", "msdos", "vfat"})


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


def without_links(path: Path) -> str:
    """Return the type of the file system of *path* if that is known to have no links, else ''."""
    kind = _points()[mount_of(path)]
    return kind if kind in _WITHOUT_LINKS else ""


def _points() -> dict[Path, str]:
    """Return each mount point -> the type of its file system, '' if that cannot be told."""
    # In a chroot the root need not be a mount.
    points = {Path("/"): ""}
    for line in _TABLE.read_bytes().splitlines() if _TABLE.exists() else ():
        mount, _, system = line.partition(b" - ")
        point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), mount.split(b" ")[4])
        points[Path(os.fsdecode(point))] = os.fsdecode(system.split(b" ")[0])
    return points
