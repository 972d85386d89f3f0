"""Walks a code base and yields the files that can name a database."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.application.census.findings import Unread
from migrator.errors import UsageError

#: Folders that hold no code of the owners.
SKIPPED = frozenset(
    {".git", ".hg", ".svn", "venv", ".venv", "node_modules", "__pycache__", "site-packages", ".tox", ".nox"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".eggs"}
)
#: Largest file that is read [bytes]: code is smaller; what is larger is data.
LARGEST = 4 * 1024 * 1024
#: Start of a file that decides whether it is binary [bytes].
_HEAD = 8192

PYTHON = frozenset({".py", ".pyw", ".pyi"})
SQL = frozenset({".sql"})
SHELL = frozenset({".sh", ".bash", ".zsh", ".fish"})
#: Programs in languages whose connections migrator does not serve.
FOREIGN = frozenset(
    {".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".go", ".rs", ".rb", ".php", ".pl", ".java", ".kt", ".cs", ".c"}
    | {".h", ".cc", ".cpp", ".hpp", ".lua", ".swift", ".ex", ".exs", ".r", ".jl"}
)
#: Text that configures programs.
SETTINGS = frozenset(
    {".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".env", ".service", ".timer", ".properties", ".ipynb"}
)
_SETTINGS_NAMES = ("Dockerfile", "Makefile", "Procfile", "crontab", ".env", "docker-compose")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """A file to be read.

    Attributes:
        path: Where it is.
        shown: Its path for a reader: relative to the current folder where it lies below it.
        language: ``python``, ``sql``, ``shell``, ``foreign`` or ``settings``.
        content: Its bytes.
    """

    path: Path
    shown: str
    language: str
    content: bytes


def walk(paths: Iterable[Path]) -> Iterator[CodeFile | Unread]:
    """Yield each file of *paths* once, in order of names; a folder's link to another folder is not followed.

    Raises:
        UsageError: A path does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise UsageError("no such file or folder", where=path, hint="name a file or folder of the code base")
        for found in [path] if not path.is_dir() else _below(path):
            if isinstance(found, Unread):
                yield found
                continue
            yield from _read(found, seen, named=found == path)


def _below(folder: Path) -> Iterator[Path | Unread]:
    failed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=failed.append):
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED and not os.path.lexists(Path(parent, name, "pyvenv.cfg"))
        )
        yield from (Path(parent, name) for name in sorted(names))
    yield from (Unread(file=shown(Path(error.filename)), why=str(error.strerror)) for error in failed)


def _read(path: Path, seen: set[tuple[int, int]], *, named: bool) -> Iterator[CodeFile | Unread]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        language = _language(path)
        if not language and not named and (path.suffix or not status.st_mode & stat.S_IXUSR):
            return
        if status.st_size > LARGEST:
            if language:
                yield Unread(file=shown(path), why=f"larger than {LARGEST // 1024**2} MiB")
            return
        content = path.read_bytes()
    except OSError as error:
        yield Unread(file=shown(path), why=error.strerror or str(error))
        return
    if b"\0" in content[:_HEAD]:
        return
    language = language or _by_first_line(content)
    if language:
        yield CodeFile(path=path, shown=shown(path), language=language, content=content)


def shown(path: Path) -> str:
    """Return *path* relative to the current folder if it lies below it."""
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.as_posix()


def _language(path: Path) -> str:
    suffix = path.suffix.lower()
    kinds = {"python": PYTHON, "sql": SQL, "shell": SHELL, "foreign": FOREIGN, "settings": SETTINGS}
    for language, suffixes in kinds.items():
        if suffix in suffixes:
            return language
    return "settings" if path.name.startswith(_SETTINGS_NAMES) else ""


def _by_first_line(content: bytes) -> str:
    """Return the language that the first line of a script without a suffix names; '' if it names none."""
    line = content.partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return ""
    return "python" if b"python" in line else "shell" if line.rstrip().endswith(b"sh") else "foreign"
