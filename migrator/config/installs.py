"""Reads the file that lists the installs of a fleet: TOML, or a line for each."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from migrator.config import values
from migrator.errors import UsageError
from migrator.records.fleet import Install
from migrator.system import serialize, user_files

_KEYS = ("name", "data_dir", "config", "include", "env_file", "worker")
#: The columns of a line.
_COLUMNS = ("name", "data_dir", "config", "worker")
_LINE = "write: NAME, DATA_DIR, CONFIG, WORKER; the last two may be left out"


def load(path: Path) -> tuple[Install, ...]:
    """Return the installs that the file at *path* lists.

    A file called ``*.toml`` has a table ``[[install]]`` for each; any other file has a line for each: name, data directory,
    configuration, worker.  Lines that are empty or begin with ``#`` are left out.  Paths are the worker's, and absolute.

    Raises:
        UsageError: It cannot be read, lists none, or an install is not described correctly or is listed twice.
    """
    text = user_files.text(path)
    described = _of_toml(text, path) if path.suffix == ".toml" else _of_lines(text, path)
    installs = tuple(_install(values_, where, path) for where, values_ in described)
    if not installs:
        raise UsageError("lists no install", where=path, hint=_LINE)
    _refuse_twins("name", (install.name for install in installs), path)
    _refuse_twins("data directory", (f"{install.data_dir} {install.worker}".strip() for install in installs), path)
    return installs


def _of_toml(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read ({error})", where=path, hint="correct the file there") from error
    tables = written.pop("install", [])
    if written or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        named = ", ".join(written) or "install"
        raise UsageError(f"unexpected: {named}", where=path, hint="write a table [[install]] for each install")
    return [(f"install {number}", table) for number, table in enumerate(tables, start=1)]


def _of_lines(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    described: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
        if not 2 <= len(cells) <= len(_COLUMNS):
            raise UsageError(f"line {number} has {len(cells)} columns, expected 2 to 4", where=path, hint=_LINE)
        described.append((f"line {number}", {key: cell for key, cell in zip(_COLUMNS, cells, strict=False) if cell}))
    return described


def _install(described: Mapping[str, Any], where: str, path: Path) -> Install:
    for key in described:
        if key not in _KEYS:
            near = values.near(key, _KEYS).removeprefix("; ")
            raise UsageError(f"{where}: unknown key {key}", where=path, hint=near or f"known keys: {', '.join(_KEYS)}")
    try:
        install: Install = serialize.record(dict(described), Install)
    except ValueError as error:
        raise UsageError(f"{where}: {error}", where=path, hint=f"known keys: {', '.join(_KEYS)}") from error
    if not install.name:
        raise UsageError(f"{where}: the name is empty", where=path, hint="give each install a name")
    for named in filter(None, (install.data_dir, install.config, install.env_file, *install.include)):
        if not named.is_absolute():
            hint = "write it from / on: a worker has another working directory"
            raise UsageError(f"{where}: {named} is not an absolute path", where=path, hint=hint)
    return install


def _refuse_twins(what: str, found: Iterable[str], path: Path) -> None:
    for value, times in Counter(found).items():
        if times > 1:
            hint = "list each install once: two runs in one directory are in each other's way"
            raise UsageError(f"the {what} {value} is there {times} times", where=path, hint=hint)
