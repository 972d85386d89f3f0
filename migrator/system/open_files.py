"""Find other processes that have a file open: from /proc as far as this user can see, else from a lease of the kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrator.system import connections
from migrator.system.escaping import escaped
from migrator.system.lock_descriptor import Opened, opened_elsewhere

#: Suffixes of the files that SQLite may have open beside a database.
_BESIDE = ("", "-wal", "-shm", "-journal")


#: The inode of the first PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h).
_FIRST_NAMESPACE = 0xEFFFFFFC


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has a file open.

    Attributes:
        path: The file.
        pid: The process, 0 where it cannot be seen from here.
        command: Its command line, if this user can see it.
    """

    path: Path
    pid: int = 0
    command: str = ""

    def __str__(self) -> str:
        return f"{self.logged} ({escaped(self.command)})" if self.pid else self.logged

    @property
    def logged(self) -> str:
        """The sentence without the command line, which may hold a secret of another program."""
        name = escaped(self.path.name)
        if not self.pid:
            return f"{name} is open in a process that cannot be seen from here (another user's, or in a container)"
        return f"{name} is open in process {self.pid}"


def holders(paths: Iterable[Path]) -> list[Holder]:
    """Return the other processes that have one of the databases *paths*, or a file beside it, open.

    A process that has a connection to one of them must not call this: see :func:`migrator.system.lock_descriptor.opened_elsewhere`.
    """
    processes = seen(paths := tuple(paths))
    named = {holder.path for holder in processes}
    return processes + [Holder(path=path) for path in paths if path not in named and _opened(path) is Opened.YES]


def seen(paths: Iterable[Path]) -> list[Holder]:
    """Return those of :func:`holders` that this user can see: only root sees the open files of other users' processes."""
    wanted = {}
    for path in paths:
        for suffix in _BESIDE:
            with suppress(FileNotFoundError):
                status = connections.beside(path, suffix).stat()
                wanted[status.st_dev, status.st_ino] = path
    return having(wanted)


def having(wanted: Mapping[tuple[int, int], Path]) -> list[Holder]:
    """Return the other processes that have a file of *wanted* (device and inode -> path) open, as far as this user can see."""
    opened = dict.fromkeys(_open_files(wanted))  # a process may have a file open twice
    return [Holder(pid=pid, command=_command(pid), path=path) for pid, path in opened]


def unknown(paths: Iterable[Path]) -> list[Path]:
    """Return the *paths* of which neither /proc nor the kernel says whether a process has them open."""
    if os.geteuid() == 0 and _in_the_first_namespace():
        return []
    # A file that is open is known to be; only UNKNOWN counts here.
    return [path for path in paths if _opened(path, 0.0) is Opened.UNKNOWN]


def _in_the_first_namespace() -> bool:
    # A kernel without PID namespaces has no such file.
    with suppress(FileNotFoundError):
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_NAMESPACE
    return False


def _opened(path: Path, *patience_s: float) -> Opened:
    try:
        return opened_elsewhere(path.resolve(), *patience_s)
    except FileNotFoundError:
        return Opened.NO


def _open_files(wanted: Mapping[tuple[int, int], Path]) -> Iterator[tuple[int, Path]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        # A process may have ended, or belong to another user.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for entry in os.scandir(folder / "fd"):
                # A file on a dead network or FUSE mount cannot be read; it is not one of *wanted*.
                with suppress(OSError):
                    status = entry.stat()
                    if (path := wanted.get((status.st_dev, status.st_ino))) is not None:
                        yield int(folder.name), path


def _command(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return "ended"
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace") or "no command line"


def numbers(pid: int) -> frozenset[int]:
    """Return the numbers of the process *pid*: its own, and those in the containers in which it runs."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return frozenset((pid,))
    inside = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return frozenset((pid, *map(int, inside.split()[1:])))
