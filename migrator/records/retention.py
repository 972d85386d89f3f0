"""Records of old runs: which are kept and why, which are removed, and what that frees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run below ``backup``: a snapshot with what switches kept in it, or a backup of the three.

    Attributes:
        path: Its folder.
        what: What it is: ``snapshot 0001``, ``backup 0001 of the three``, ``unfinished snapshot 0002``.
        size_bytes: What its files allocate on the disk.
        kept_because: Why it is kept; '' if it is removed.
    """

    path: Path
    what: str
    size_bytes: int
    kept_because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Old runs, removed or planned to be.

    Attributes:
        executed: Whether the runs were removed; else this is what would be done.
        removed: The runs that are removed, oldest first.
        kept: The runs that are kept, oldest first.
        freed_bytes: What the removed runs allocate on the disk.
        refusals: The reasons against it, one sentence each.
    """

    executed: bool
    removed: tuple[Run, ...]
    kept: tuple[Run, ...]
    freed_bytes: int
    refusals: tuple[str, ...] = ()
