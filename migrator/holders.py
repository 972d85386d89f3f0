"""Who else has a file open: Linux tells it in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrator import sqlite
from migrator.plain import escaped

#: What SQLite may have open beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has a file open.

    Attributes:
        pid: Its number.
        command: Its command line, as far as it may be seen.
        path: The file.
    """

    pid: int
    command: str
    path: Path

    def __str__(self) -> str:
        return f"{escaped(self.path.name)} is open in process {self.pid} ({escaped(self.command)})"


def holders(paths: Iterable[Path]) -> list[Holder]:
    """Return the other processes that have one of the databases *paths*, or a file beside it, open.

    Only root sees the files of other people's processes.
    """
    wanted = {}
    for path in paths:
        for suffix in _BESIDE:
            with suppress(FileNotFoundError):
                status = sqlite.beside(path, suffix).stat()
                wanted[status.st_dev, status.st_ino] = path
    found = dict.fromkeys(_open_files(wanted))  # a process may have a file open twice
    return [Holder(pid=pid, command=_command(pid), path=path) for pid, path in found]


def _open_files(wanted: dict[tuple[int, int], Path]) -> Iterator[tuple[int, Path]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        # A process may end, or be somebody else's, while we look.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for entry in os.scandir(folder / "fd"):
                with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                    status = entry.stat()
                    if (path := wanted.get((status.st_dev, status.st_ino))) is not None:
                        yield int(folder.name), path


def _command(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return "ended"
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace") or "no command line"
