"""Records of what serves whole programs: the file that an interpreter reads when it starts, and exported legacy files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """The file by which every program of an environment is served.

    Attributes:
        python: The interpreter of the environment.
        path: The file.
        active: Whether it is there now.
        changed: Whether this command wrote or removed it.
    """

    python: Path
    path: Path
    active: bool
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A legacy database as other programs can read it.

    Attributes:
        database: The legacy database.
        path: The file.
        size_bytes: Its size.
    """

    database: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSet:
    """The legacy databases as they were exported.

    Attributes:
        folder: The folder with the files.
        consolidated: Whether the rows come from the consolidated set.
        files: The files, in the order of the switch.
    """

    folder: Path
    consolidated: bool
    files: tuple[ExportedFile, ...]
