"""Decides which connection a program gets for a path, whose code calls the ``connect`` of sqlite3."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from migrator.application import connection as application_connection
from migrator.application.programs import recording
from migrator.application.programs.hook import RECORD
from migrator.errors import MigratorError
from migrator.schema import catalogue
from migrator.switch.state import Switch
from migrator.system import paths
from migrator.system.shell import quoted

#: The parameters of connect that may be given by position.
_PARAMETERS = (
    "database",
    "timeout",
    "detect_types",
    "isolation_level",
    "check_same_thread",
    "factory",
    "cached_statements",
    "uri",
)
#: Links that are followed at most, as Linux does.
_MOST_LINKS = 40


class _Legacy(NamedTuple):
    """A legacy name of a set.

    Attributes:
        home: The data directory.
        path: The name.
        database: The legacy database; '' if this user may not read the record.
        native: Whether the legacy set is in use, and no switch is under way.
    """

    home: Path
    path: Path
    database: str
    native: bool


def connect(
    original: Callable[..., sqlite3.Connection], path: str, arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> sqlite3.Connection:
    """Open the database at *path*: as a legacy schema if it is a legacy name of the consolidated set, else by *original*.

    *arguments* and *named* are those of the caller.

    Raises:
        sqlite3.Error: It cannot be opened; also with the sentence of migrator if the switch is in the way.
        TypeError: The arguments are not those of connect.
    """
    if len(arguments) > len(_PARAMETERS) or named.keys() & set(_PARAMETERS[: len(arguments)]):
        return original(*arguments, **named)
    options = dict(zip(_PARAMETERS, arguments, strict=False)) | dict(named)
    record = os.environ.get(RECORD, "")
    while True:
        legacy = _legacy(path)
        settled = legacy and application_connection.stamp(legacy.home)
        asked = options
        if record and (database := legacy.database if legacy else _known(path)):
            factory = recording.factory(options.get("factory", sqlite3.Connection), record, database)
            asked = options | {"factory": factory}
        if legacy is not None and not legacy.native:
            return _served(legacy, dict(asked))
        opened = original(**asked)
        if settled == (legacy and application_connection.stamp(legacy.home)):
            return opened
        # A cutover came in between.
        opened.close()


def _served(legacy: _Legacy, options: dict[str, Any]) -> sqlite3.Connection:
    name = os.fsdecode(options.pop("database"))
    query = urlsplit(name).query if options.get("uri") and name.startswith("file:") else None
    asked = str(legacy.path) if query is None else f"file:{quote(str(legacy.path))}?{query}"
    try:
        return application_connection.connect(asked, data_dir=legacy.home, **options)
    except MigratorError as error:
        # The program knows the errors of sqlite3 only.
        raise sqlite3.OperationalError(str(error)) from error


def _legacy(path: str) -> _Legacy | None:
    """Return what legacy name of a switched set *path* is, by itself or as a link to one; None if it is none.

    Raises:
        sqlite3.OperationalError: It leads to a set whose record this user may not trust, unless it is named.
    """
    names = list(_links(Path(path)))
    target = names[-1]
    for home in _homes(target):
        last, readable = application_connection.last_switch(home)
        if last is not None:
            found = {name.path: name.database for name in last.names}
            for name in names:
                if name in found:
                    return _Legacy(home, name, found[name], native=_is_native(last))
        elif not readable and len(names) > 1 and target.name in catalogue.TARGETS.values() and target.parent == home:
            return _Legacy(home, names[-2], "", native=False)
    if len(names) > 1 and target.name in catalogue.TARGETS.values() and (target.parent / ".migrator").is_dir():
        raise sqlite3.OperationalError(
            f"{path}: leads to a consolidated set that another user switched; to be served set"
            f" MIGRATOR_DATA_DIR={quoted(target.parent)}"
        )
    return None


def _is_native(last: Switch) -> bool:
    return last.finished and not last.consolidated


def _links(path: Path) -> Iterator[Path]:
    """Yield *path* and each file that it leads to, if it is a link."""
    for _ in range(_MOST_LINKS):
        # Not expanded: to SQLite ~ is a name like any other.
        path = Path(os.path.realpath(path.parent)) / path.name
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _homes(target: Path) -> Iterator[Path]:
    """Yield each data directory that the file *target* may belong to."""
    default = paths.resolved(application_connection.default_data_dir())
    for folder in target.parents:
        if folder == default or application_connection.is_trusted(folder):
            yield folder
    if default not in target.parents:
        yield default


def _known(path: str) -> str:
    """Return the legacy database that a file with the name of *path* is, if its rows move; else ''."""
    parts = Path(path).absolute().parts
    places = sorted(
        ((known.place.parts, known.name) for known in catalogue.legacy_databases() if not known.standalone),
        key=lambda place: -len(place[0]),
    )
    return next((name for place, name in places if parts[-len(place) :] == place), "")
