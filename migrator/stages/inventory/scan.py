"""Finds files that are databases, or have a database's name, by lstat and the first bytes, without SQLite."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from migrator.errors import SourceError
from migrator.records.inventory import Database, Verdict
from migrator.schema import catalogue
from migrator.system import connections, error_hints, own_files
from migrator.system.escaping import escaped

_CONSOLIDATED = frozenset(catalogue.TARGETS.values())
_NAMES = (".db", ".sqlite", ".sqlite3")
_COMPANIONS = ("-wal", "-shm", "-journal")
#: Magic numbers of a WAL; the last bit is the byte order of its checksums.
_WAL_MAGICS = (bytes.fromhex("377f0682"), bytes.fromhex("377f0683"))
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of a scan.

    Attributes:
        databases: With their final verdict, or ``unknown`` if their content has to be read.
        passed_over: Number of other files.
        findings: Sentences.
    """

    databases: tuple[Database, ...]
    passed_over: int
    findings: tuple[str, ...]


def walk(root: Path, include: Iterable[Path] = ()) -> Found:
    """Scan every file below *root*, links not followed, and the files *include*; all paths are absolute."""
    walker = _Walk(root)
    waiting = [root]
    while waiting:
        waiting += walker.folder(waiting.pop())
    for path in include:
        walker.included(path)
    return Found(
        databases=tuple(sorted(walker.databases.values(), key=lambda database: os.fsencode(str(database.place)))),
        passed_over=walker.passed_over,
        findings=tuple(walker.findings),
    )


def is_database_name(name: str) -> bool:
    """Return whether this name is that of a database."""
    return name.lower().endswith(_NAMES)


def has_database(root: Path) -> bool:
    """Return whether a file below *root* begins as a database, or has a database's name; ends at the first."""
    return any(
        is_database_name(name) or _begin(Path(folder) / name)[0] == connections.MAGIC
        for folder, _, names in os.walk(root)
        for name in names
    )


class _Walk:
    """The result of a scan until now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = own_files.paths(root)
        self.databases: dict[Path, Database] = {}
        self.passed_over = 0
        self.findings: list[str] = []

    def included(self, path: Path) -> None:
        """Add a file that the user named."""
        # It counts as a database under any name.
        self._file(path, path.lstat(), named=True)

    def folder(self, folder: Path) -> Iterator[Path]:
        """Add the files of one *folder*; yield the folders in it."""
        try:
            with os.scandir(folder) as scan:
                names = sorted((entry.name for entry in scan), key=os.fsencode)
        except FileNotFoundError:
            return
        except OSError as error:
            self._unread(folder, error)
            return
        # Sorted: companions come after their database.
        for name in sorted(names, key=lambda name: name.endswith(_COMPANIONS)):
            path = folder / name
            if path in self.own:
                if folder != self.root:
                    # One entry represents all of migrator's own files in this folder.
                    self._add(folder, folder.lstat(), Verdict.OURS, "what the tool keeps here")
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            except OSError as error:
                if is_database_name(name):
                    self._add(path, None, Verdict.UNREADABLE, error_hints.reason(error))
                continue
            if stat.S_ISDIR(status.st_mode):
                yield path
            else:
                self._entry(path, status)

    def _unread(self, folder: Path, error: OSError) -> None:
        """Record that *folder* cannot be read: databases in it would be left behind."""
        if folder == self.root / "lost+found":
            # mkfs makes it for root alone: no application keeps a database there.
            self.findings.append(
                f"lost+found: {error_hints.reason(error)}; what a check of the file system puts there is not looked at"
            )
        else:
            self._add(
                folder,
                folder.lstat(),
                Verdict.UNREADABLE,
                f"{error_hints.reason(error)}; what is below was not looked at",
            )

    def _entry(self, path: Path, status: os.stat_result) -> None:
        base, _, suffix = path.name.rpartition("-")
        companion = path.name.endswith(_COMPANIONS)
        if (companion and path.with_name(base) in self.databases) or self._file(path, status):
            return
        self.passed_over += 1
        shown = escaped(self._below(path))
        if companion and suffix != "shm" and status.st_size:
            if is_database_name(base) or _begin(path)[0][:4] in _WAL_MAGICS:
                self.findings.append(f"{shown}: lies without its database; what it holds is out of reach")
        elif stat.S_ISLNK(status.st_mode) and path.is_dir():
            self.findings.append(
                f"{shown}: a link to the folder {escaped(path.readlink())}, not followed;"
                " name databases there with --include"
            )

    def _file(self, path: Path, status: os.stat_result, *, named: bool = False) -> bool:
        """Add the file with the verdict of its first bytes; return False if it is not related to databases."""
        named = named or is_database_name(path.name)
        verdict, reason = Verdict.UNKNOWN, ""
        if stat.S_ISLNK(status.st_mode):
            verdict, reason = self._link(path)
        elif not stat.S_ISREG(status.st_mode):
            verdict = Verdict.UNREADABLE
            reason = f"not a regular file: {_KINDS.get(stat.S_IFMT(status.st_mode), 'of a kind that is not known')}"
        elif path.parent == self.root and path.name in _CONSOLIDATED:
            verdict, reason = Verdict.OURS, "a consolidated database"
        elif status.st_size == 0:
            verdict, reason = Verdict.EMPTY, "0 bytes"
        else:
            head, reason = _begin(path)
            verdict = Verdict.UNREADABLE if reason else Verdict.UNKNOWN
            if reason and not named:
                self.findings.append(f"{escaped(self._below(path))}: {reason}; it may be a database")
            named = named or head == connections.MAGIC
        if named:
            self._add(path, status, verdict, reason)
        return named

    def _link(self, path: Path) -> tuple[Verdict, str]:
        target = path.readlink()
        # Read as text, one step: the target is not opened, and may be gone.
        aims = Path(os.path.normpath(path.parent / target))
        if (aims.parent == self.root and aims.name in _CONSOLIDATED) or aims.is_relative_to(self.root / ".migrator"):
            return Verdict.OURS, f"a link to {escaped(target)}"
        return Verdict.UNREADABLE, f"a link to {escaped(target)}, not followed"

    def _add(self, path: Path, status: os.stat_result | None, verdict: Verdict, reason: str) -> None:
        regular = status is not None and stat.S_ISREG(status.st_mode)
        self.databases[path] = Database(
            path=path,
            place=self._below(path),
            verdict=verdict,
            reason=reason,
            size_bytes=status.st_size if status is not None and regular else None,
            mode=stat.S_IMODE(status.st_mode) if status is not None else None,
        )

    def _below(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def _begin(path: Path) -> tuple[bytes, str]:
    """Return the first bytes of a file, or why they cannot be read."""
    try:
        with connections.open_source(path) as file:
            return file.read(len(connections.MAGIC)), ""
    except OSError as error:
        return b"", error_hints.reason(error)
    except SourceError as error:
        return b"", error.what
