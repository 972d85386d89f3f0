"""What is mounted where: a file cannot be linked or moved from one mount to another, not even on one file system."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from migrator.system.serialize import escaped

_TABLE = Path("/proc/self/mountinfo")
#: Blanks, line ends and backslashes are written in octal; see proc(5).
_OCTAL = re.compile(rb"\\([0-7]{3})")


def mount_of(path: Path) -> Path:
    """Return the mount point in which *path* lies, which has no links in it and need not be there; it may be one itself."""
    return max(
        (point for point in _points() if path == point or point in path.parents), key=lambda point: len(point.parts)
    )


def apart(folder: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each of *paths* between which and *folder* nothing can be linked or moved."""
    home = mount_of(folder)
    for path in paths:
        if (mount := mount_of(path)) != home:
            where = "is mounted by itself" if mount == path else f"lies in the mount {escaped(mount)}"
            yield f"{escaped(path)}: {where}, and nothing can be moved between there and {escaped(home)}; mount both as one"


def is_mounted(path: Path) -> bool:
    """Tell whether *path* is a mount of its own, as containers make of a single file: a rename over it is refused."""
    return path in _points()


def _points() -> set[Path]:
    if not _TABLE.exists():
        return {Path("/")}
    fields = (line.split(b" ")[4] for line in _TABLE.read_bytes().splitlines())
    # In a chroot the root need not be a mount.
    return {Path("/")} | {
        Path(os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), field))) for field in fields
    }
