"""Find migrator's own files below a data directory or a snapshot, by what migrator writes into its folders.

The owner may keep a folder ``backup`` too, and migrator then puts its runs beside what is in it.  A run is a folder with
a number for its name and a manifest in it; anything else in ``backup`` is the owner's, and is examined as any other
file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

#: The file that makes a folder a snapshot, and describes it; written first.
MANIFEST = "snapshot.json"
#: Suffix of a snapshot that is not finished.
UNFINISHED = ".partial"
#: Names of the folders that a cutover and a rollback make in a snapshot's folder.
_KEPT_BY_SWITCH = re.compile(r"consolidated|originals|(?:rolled-back|replaced)(?:-\d+)?")
#: Names in ``.migrator``: migrator's own, and the owner's ``hold``.
_STATE = frozenset({
    "accepted.json", "active", "baseline", "baseline.partial", "broken.json", "contracts.xml", "events.jsonl", "evidence.json", "hold", "legacy", "lock", "log",
    "monitor.json", "new", "report.html", "rollback", "rolled-back", "stage", "switch.json", "watch.json", "watch.lock",
})  # fmt: skip
_DRAFT = re.compile(r"\..+\.draft")


def paths(root: Path) -> frozenset[Path]:
    """Return every file and folder that migrator wrote below *root*, a data directory or a snapshot."""
    return frozenset(
        (*_in_snapshot(root), *_state(root), *runs(root / "backup"), *runs(root / "backup" / "consolidated"))
    )


def runs(backups: Path) -> list[Path]:
    """Return the snapshots in the folder *backups*, unfinished ones too."""
    return sorted((path for path in _entries(backups) if is_run(path)), key=lambda path: path.name)


def is_run(folder: Path) -> bool:
    """Tell whether migrator wrote *folder* as a snapshot of a data directory; no link is followed."""
    number = folder.name.removesuffix(UNFINISHED)
    return number.isascii() and number.isdecimal() and not folder.is_symlink() and is_snapshot(folder)


def is_snapshot(folder: Path) -> bool:
    """Tell whether a snapshot lies in *folder*, under any name."""
    try:
        return stat.S_ISREG((folder / MANIFEST).lstat().st_mode)
    except OSError:
        return False


def is_kept_by_switch(folder: str) -> bool:
    """Return whether a cutover or a rollback keeps a folder of this name in a snapshot."""
    return _KEPT_BY_SWITCH.fullmatch(folder) is not None


def _in_snapshot(root: Path) -> Iterator[Path]:
    if is_snapshot(root):
        yield from (path for path in _entries(root) if is_kept_by_switch(path.name))


def _state(root: Path) -> Iterator[Path]:
    for path in _entries(root / ".migrator"):
        if path.name in _STATE or _DRAFT.fullmatch(path.name):
            yield path


def _entries(folder: Path) -> list[Path]:
    """Return the entries of *folder*; none if it cannot be listed, which the scan of the data directory reports."""
    try:
        if folder.is_symlink():
            return []
        with os.scandir(folder) as scan:
            return [folder / entry.name for entry in scan]
    except OSError:
        return []
