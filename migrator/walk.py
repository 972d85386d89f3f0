"""Which files below a folder are, or should be, databases: by lstat and the first bytes, without SQLite."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from migrator import catalogue, sqlite
from migrator.errors import SourceError
from migrator.records import Database, Verdict, escaped

#: Folders directly below the data directory that the tool itself makes.
OUR_FOLDERS = ("backup", ".migrator")
_CONSOLIDATED = frozenset(catalogue.TARGETS.values())
_NAMES = (".db", ".sqlite", ".sqlite3")
_COMPANIONS = ("-wal", "-shm", "-journal")
#: How a WAL begins; the last bit tells the order of bytes in its checksums.
_WAL_MAGICS = (bytes.fromhex("377f0682"), bytes.fromhex("377f0683"))
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(slots=True, kw_only=True)
class Found:
    """What a walk found; filled on the way.

    Attributes:
        databases: With their final verdict, or ``unknown`` where their content has to be examined.
        passed_over: Number of other files.
        findings: Sentences.
    """

    databases: list[Database] = field(default_factory=list)
    passed_over: int = 0
    findings: list[str] = field(default_factory=list)


def below(root: Path) -> Found:
    """Look at every file below *root*, links not followed, in the order of the bytes of their places."""
    found = Found()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as scan:
                names = sorted((entry.name for entry in scan), key=os.fsencode)
        except OSError as error:
            found.findings.append(f"{escaped(folder.relative_to(root))}/: {_said(error)}; what is below was not seen")
            continue
        waiting += _look(root, folder, names, found)
    found.databases.sort(key=lambda database: os.fsencode(str(database.place)))
    return found


def including(found: Found, root: Path, paths: Iterable[Path]) -> Found:
    """Add the databases at *paths*, which may lie outside *root*."""
    for path in paths:
        if all(database.path != path for database in found.databases):
            # What a person names is meant to be a database, whatever it is called.
            place = path.relative_to(root) if path.is_relative_to(root) else path
            found.databases.append(_file(root, path, PurePosixPath(place), path.lstat(), named=True))  # type: ignore[arg-type]
    return found


def is_database_name(name: str) -> bool:
    """Tell whether a file of this name should be a database."""
    return name.lower().endswith(_NAMES)


def _look(root: Path, folder: Path, names: list[str], found: Found) -> Iterator[Path]:
    """Look at the files of one *folder*, yield the folders in it."""
    here: set[str] = set()
    companions: list[tuple[str, os.stat_result]] = []
    for name in names:
        path = folder / name
        place = PurePosixPath(path.relative_to(root))
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            if is_database_name(name):
                here.add(name)
                found.databases.append(_database(path, place, None, Verdict.UNREADABLE, _said(error)))
            continue
        if stat.S_ISDIR(status.st_mode) and not is_database_name(name):
            if folder == root and name in OUR_FOLDERS:
                found.databases.append(_database(path, place, status, Verdict.OURS, "the tool's own folder"))
            else:
                yield path
            continue
        database = _file(root, path, place, status)
        if database:
            here.add(name)
            found.databases.append(database)
            if stat.S_ISDIR(status.st_mode):
                yield path
        elif name.endswith(_COMPANIONS):
            companions.append((name, status))
        else:
            found.passed_over += 1
            if stat.S_ISLNK(status.st_mode) and path.is_dir():
                found.findings.append(
                    f"{escaped(place)}: a link to the folder {escaped(path.readlink())}, not followed;"
                    " name databases there with --include"
                )
    for name, status in companions:
        base, _, suffix = name.rpartition("-")
        if base in here:
            continue
        found.passed_over += 1
        if suffix != "shm" and status.st_size and (is_database_name(base) or _head(folder / name)[:4] in _WAL_MAGICS):
            place = PurePosixPath((folder / name).relative_to(root))
            found.findings.append(f"{escaped(place)}: lies without its database; what it holds is out of reach")


def _file(
    root: Path, path: Path, place: PurePosixPath, status: os.stat_result, *, named: bool = False
) -> Database | None:
    """Return what the file is as far as its first bytes tell; None if it has nothing to do with databases."""
    named = named or is_database_name(path.name)
    if stat.S_ISLNK(status.st_mode):
        return _link(root, path, place, status) if named else None
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        return _database(path, place, status, Verdict.UNREADABLE, f"not a regular file: {kind}") if named else None
    if path.parent == root and path.name in _CONSOLIDATED:
        return _database(path, place, status, Verdict.OURS, "a consolidated database")
    if status.st_size == 0:
        return _database(path, place, status, Verdict.EMPTY, "0 bytes") if named else None
    try:
        with sqlite.open_source(path) as file:
            head = file.read(len(sqlite.MAGIC))
    except SourceError as error:
        return _database(path, place, status, Verdict.UNREADABLE, error.what) if named else None
    except OSError as error:
        return _database(path, place, status, Verdict.UNREADABLE, _said(error)) if named else None
    if named or head == sqlite.MAGIC:
        return _database(path, place, status, Verdict.UNKNOWN, "")
    return None


def _link(root: Path, path: Path, place: PurePosixPath, status: os.stat_result) -> Database:
    target = path.readlink()
    # One step, read as text: the file it points at is not touched, and may be gone.
    aims = Path(os.path.normpath(path.parent / target))
    ours = (aims.parent == root and aims.name in _CONSOLIDATED) or aims.is_relative_to(root / ".migrator")
    reason = f"a link to {escaped(target)}"
    if ours:
        return _database(path, place, status, Verdict.OURS, reason)
    return _database(path, place, status, Verdict.UNREADABLE, f"{reason}, not followed")


def _database(
    path: Path, place: PurePosixPath, status: os.stat_result | None, verdict: Verdict, reason: str
) -> Database:
    regular = status is not None and stat.S_ISREG(status.st_mode)
    return Database(
        path=path,
        place=place,
        verdict=verdict,
        reason=reason,
        size_bytes=status.st_size if status is not None and regular else None,
        mode=stat.S_IMODE(status.st_mode) if status is not None else None,
    )


def _head(path: Path) -> bytes:
    try:
        with sqlite.open_source(path) as file:
            return file.read(len(sqlite.MAGIC))
    except (OSError, SourceError):
        return b""


def _said(error: OSError) -> str:
    return (error.strerror or "cannot be read").lower()
