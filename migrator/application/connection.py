"""``migrator.connect("jarvis.db")``: the application's connection to the set in use, safe and counted.

A legacy name gives the legacy schema, also on the consolidated set (:mod:`migrator.application.compat`), a new name the
consolidated one.  It ends an interrupted switch, refuses to connect if the flag and the names disagree, never creates a file,
sets the pragmas that belong to a connection, and counts for the monitor which statements succeeded and which failed.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from migrator.application import counted_connection
from migrator.application.compat import opening
from migrator.application.compat.connection import Connection as MirroredConnection
from migrator.application.event_log import Counter
from migrator.application.watched_files import WatchedFiles
from migrator.errors import Refused, UsageError
from migrator.schema import catalogue
from migrator.switch import env_flag
from migrator.switch import state as switch_state
from migrator.switch.state import Name, Switch
from migrator.switch.workspace import EVENTS, Workspace
from migrator.system import connections, paths, permissions
from migrator.system.shell import quoted

#: Wait for another process's transaction, or for a switch under way [s].
PATIENCE_S = 5.0
_HOME = "~/.lifeos/data"
#: Wait between two checks whether another user's switch has ended [s].
_POLL_S = 0.05


def connect(
    name: str | bytes | os.PathLike[str],
    timeout: float = PATIENCE_S,
    detect_types: int = 0,
    isolation_level: str | None = "",
    check_same_thread: bool = True,
    factory: Any = sqlite3.Connection,
    cached_statements: int = 128,
    uri: bool = False,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    synchronous: str | None = None,
    schema: str | None = None,
    **options: Any,
) -> sqlite3.Connection:
    """Open a database of the set in use, by its legacy or its new name; called like sqlite3.connect.

    In the consolidated set ``foreign_keys`` is ON, and statements are counted for the monitor.  A legacy database is opened
    with the caller's own settings.

    Args:
        name: ``jarvis.db``, ``cache/file_cache.db`` or ``jarvis_core.db``, below the data directory; or an absolute path.
            With *uri* it may be ``file:jarvis.db?mode=ro``.  ``:memory:`` and '' mean what they mean to SQLite.
        timeout: Seconds to wait for another process's transaction, or for a switch under way.
        detect_types: As for :func:`sqlite3.connect`.
        isolation_level: Likewise.
        check_same_thread: Likewise.
        factory: The class of the connection; statements are counted below it.  A function makes connections that are
            not counted.
        cached_statements: As for :func:`sqlite3.connect`.
        uri: Whether *name* may be a URI.
        data_dir: The data directory.  Default: for an absolute path the nearest folder above it that migrator has
            switched, else that of ``MIGRATOR_DATA_DIR``, else ``~/.lifeos/data``.
        schema: For a legacy name on the consolidated set ``legacy``, the default, or ``consolidated``: which tables it shows.
        synchronous: ``FULL`` or ``NORMAL``.  Default: FULL for core, since in WAL mode NORMAL loses the last commits when
            power fails, else NORMAL.
        options: Other options of :func:`sqlite3.connect`: ``autocommit``, from Python 3.12 on.

    Raises:
        UsageError: *synchronous* or *schema* is neither, or a new name is asked for with a legacy schema.
        Refused: The database is not there or this user may not use its folder, the flag and the names disagree, or a
            switch does not come to its end.
        sqlite3.Error: It cannot be opened.
    """
    if synchronous not in (None, "FULL", "NORMAL"):
        raise UsageError(f"synchronous={synchronous!r}: expected 'FULL' or 'NORMAL'", where=os.fsdecode(name))
    if schema not in (None, "legacy", "consolidated"):
        raise UsageError(f"schema={schema!r}: expected 'legacy' or 'consolidated'", where=os.fsdecode(name))
    options |= {
        "timeout": timeout,
        "detect_types": detect_types,
        "isolation_level": isolation_level,
        "check_same_thread": check_same_thread,
        "factory": factory,
        "cached_statements": cached_statements,
    }
    path, query = _asked(os.fsdecode(name), uri=uri)
    if not path or path == ":memory:" or "mode=memory" in query:
        return connections.without_file(os.fsdecode(name), uri=uri, **options)
    asked = _Asked(path, query, synchronous, schema, os.fsdecode(data_dir or ""))
    if (connection := _opened_as_before(asked, options)) is not None:
        return connection
    home = Path(data_dir) if data_dir else _data_dir_of(Path(path))
    try:
        if home is None:
            return _of_no_set(Path(path), query, options)
        named = paths.beside_itself(home)
        return _settled(_workspace(paths.resolved(named), named), asked, options)
    except PermissionError as error:
        what = f"user {permissions.user(os.geteuid())} may not use it"
        raise Refused(what, where=error.filename, hint="give that user the x permission on the folder") from error


class _Asked(NamedTuple):
    """What the caller asks for.

    Attributes:
        path: The database, below the data directory or absolute.
        query: The query of its URI.
        synchronous: ``FULL``, ``NORMAL`` or None.
        schema: ``legacy``, ``consolidated`` or None.
        data_dir: The data directory that the caller names, or ''.
    """

    path: str
    query: str
    synchronous: str | None
    schema: str | None
    data_dir: str


class _Way(NamedTuple):
    """How a database is opened in the set that is in use.

    Attributes:
        path: The database.
        query: The query of its URI.
        synchronous: ``FULL`` or ``NORMAL``; '' for a legacy file, which is opened as it is.
        counter: Counts the statements, except those on a legacy file.
        name: The legacy database whose schema is served; None for another schema.
        switch: The cutover that made the consolidated set.
    """

    path: Path
    query: str
    synchronous: str = ""
    counter: Counter | None = None
    name: Name | None = None
    switch: Switch | None = None


class _Known(NamedTuple):
    """A way that was found, and what it depends on.

    Attributes:
        way: The way.
        files: The record of the switch, the flag, the database and its folders.
    """

    way: _Way
    files: WatchedFiles


#: Ways that were found in this process.
_KNOWN: dict[tuple[object, ...], _Known] = {}
#: Ways that are kept; beyond it all are found anew.
_MOST_KNOWN = 256


def _data_dir_of(path: Path) -> Path | None:
    """Return the data directory of the database at *path*, if the caller names none; None for a database of no set."""
    default = default_data_dir()
    if not path.is_absolute():
        return default
    itself = paths.beside_itself(path)
    for folder in itself.parents:
        if is_trusted(folder):
            return folder
    return default if itself.is_relative_to(paths.resolved(default)) else None


def default_data_dir() -> Path:
    """Return the data directory where a caller names none."""
    return Path(os.environ.get("MIGRATOR_DATA_DIR") or _HOME)


def is_trusted(folder: Path) -> bool:
    """Return whether migrator has switched *folder*: its record is of the folder's owner or of root.

    A record that another user planted in a shared folder does not count.
    """
    try:
        return (folder / ".migrator" / "switch.json").lstat().st_uid in (0, folder.stat().st_uid)
    except OSError:
        return False


def _of_no_set(path: Path, query: str, options: Mapping[str, Any]) -> sqlite3.Connection:
    """Open a database that is in no data directory.

    Raises:
        Refused: It is not there, or looks like a consolidated database.
    """
    if path.name in catalogue.TARGETS.values():
        raise Refused(
            "is a consolidated database in a folder that migrator has not switched", where=path, hint="pass data_dir="
        )
    if not path.is_file():
        raise Refused("there is no such database", where=path, hint="to make one use sqlite3.connect")
    return connections.as_it_was(path, query, **options)


def _asked(name: str, *, uri: bool) -> tuple[str, str]:
    """Return the path and the query of *name*; the query never lets SQLite create the file."""
    if not (uri and name.startswith("file:")):
        return name, "mode=rw"
    parts = urlsplit(name)
    named = {unquote(parameter.partition("=")[0]): parameter for parameter in parts.query.split("&") if parameter}
    mode = named.pop("mode", "")
    kept = mode if mode in ("mode=ro", "mode=memory") else "mode=rw"
    return os.fsdecode(unquote_to_bytes(parts.path)), "&".join((*named.values(), kept))


def _settled(workspace: Workspace, asked: _Asked, options: Mapping[str, Any]) -> sqlite3.Connection:
    """Open what is *asked* for in *workspace* once no switch is under way; open it again if one began meanwhile."""
    home = workspace.data_dir
    while True:
        _wait_for_switch(workspace, options["timeout"])
        settled, files = stamp(home), _depended_on(home, asked)
        try:
            way = _way(home, home / asked.path, asked)
            connection = _opened(way, options)
        except Refused:
            if settled == stamp(home):
                raise
        else:
            # A switch refuses while this process has the file open; if it came before that, the other set is in use now.
            if settled == stamp(home):
                if files is not None and files.are_settled():
                    if len(_KNOWN) >= _MOST_KNOWN:
                        _KNOWN.clear()
                    _KNOWN[_key(asked)] = _Known(way, files)
                return connection
            connection.close()


def _opened_as_before(asked: _Asked, options: Mapping[str, Any]) -> sqlite3.Connection | None:
    """Open what is *asked* for as an earlier call did; None where no file that this depends on may have changed since."""
    known = _KNOWN.get(_key(asked))
    if known is None or not known.files.are_unchanged():
        return None
    connection = _opened(known.way, options)
    # As in _settled: a switch may have begun meanwhile.
    if known.files.are_unchanged():
        return connection
    connection.close()
    return None


def _key(asked: _Asked) -> tuple[object, ...]:
    """Return *asked* with what else of the process decides where it is: the user and the environment."""
    return asked, os.geteuid(), os.environ.get("MIGRATOR_DATA_DIR"), os.environ.get("HOME")


def _depended_on(home: Path, asked: _Asked) -> WatchedFiles | None:
    """Return the files on which it depends how *asked* is opened in the data directory *home*; None if that is not known."""
    last, readable = last_switch(home)
    named = Path(asked.data_dir or default_data_dir()).expanduser() / asked.path
    if not readable or not named.is_absolute():
        return None
    # A data directory may come to be in a folder that is nearer to the database, and above it before a first cutover.
    above = [folder for folder in paths.beside_itself(named).parents if last is None or folder.is_relative_to(home)]
    records = [folder / ".migrator" / "switch.json" for folder in dict.fromkeys((home, *above))]
    return WatchedFiles((*records, *((last.env_file,) if last else ())), (named, home))


def _workspace(home: Path, named: Path) -> Workspace:
    """Return the workspace from the environment, as the command line reads it; the .env lies beside the *named* folder."""
    env_file, include = os.environ.get("MIGRATOR_ENV_FILE"), os.environ.get("MIGRATOR_INCLUDE", "")
    included = tuple(Path(path) for path in include.split(os.pathsep) if path)
    return Workspace(home, included, Path(env_file) if env_file else env_flag.beside(named))


def _wait_for_switch(workspace: Workspace, patience_s: float) -> None:
    """Wait for a switch under way; end an interrupted one, if this user may.

    Raises:
        Refused: It does not end.
    """
    home, root = workspace.data_dir, workspace.data_dir / ".migrator"
    last, readable = last_switch(home)
    if readable and (last is None or last.finished):
        return
    from migrator.switch import recovery  # noqa: PLC0415 - a connect that waits for nothing does without it

    if not root.exists() or os.geteuid() in (0, root.stat().st_uid):
        recovery.settle(home, workspace, patience_s)
        return
    give_up = time.monotonic() + patience_s
    while (last := last_switch(home)[0]) is not None and not last.finished:
        if time.monotonic() > give_up:
            raise Refused(
                f"another user's switch is at work; else {recovery.cut_short(home)}",
                where=home,
                hint=f"as its owner, by {permissions.sudo(root.stat())}",
            )
        time.sleep(_POLL_S)


def last_switch(home: Path) -> tuple[Switch | None, bool]:
    """Return the switch under way or the last one, or None, and whether this user may read its record."""
    try:
        status = (home / ".migrator" / "switch.json").lstat()
        return _read(home, (status.st_ino, status.st_mtime_ns, status.st_size)), True
    except FileNotFoundError:
        return None, True
    except PermissionError:
        return None, False


@functools.lru_cache(maxsize=8)
def _read(home: Path, stamp: tuple[int, int, int]) -> Switch | None:
    """Return the record of the last switch; it is replaced as a whole, so that *stamp* tells one from the next."""
    del stamp
    return switch_state.read(home)


def stamp(home: Path) -> tuple[int, int] | None:
    """Return what changes when a switch begins or ends."""
    try:
        status = (home / ".migrator" / "switch.json").stat()
    except (FileNotFoundError, PermissionError):
        return None
    return status.st_ino, status.st_mtime_ns


def _way(home: Path, path: Path, asked: _Asked) -> _Way:
    """Return how *path* is opened in the set in use.

    Raises:
        Refused: The flag and the names disagree, there is no such database, or this user may not read what is there.
        UsageError: It has no legacy schema.
    """
    last, readable = last_switch(home)
    # A user who may not read the record relies on the names alone.
    consolidated = not readable or (last is not None and last.consolidated)
    if last is not None and _flag(last.env_file, otherwise=consolidated) != consolidated:
        says, names = ("true", "legacy") if not consolidated else ("false", "consolidated")
        raise Refused(
            f"{env_flag.FLAG} is {says} and the names lead to the {names} set",
            where=last.env_file,
            hint=f"to go back run migrator rollback --data-dir {quoted(home)} --execute; else set the flag as it was",
        )
    if not path.is_file():
        raise Refused(
            "there is no such database",
            where=path,
            hint=f"to see which set is in use run migrator status --data-dir {quoted(home)}",
        )
    target = _target(path.resolve(), home.resolve()) if consolidated else None
    if target is None:
        return _Way(path, asked.query)
    durable = asked.synchronous or ("FULL" if target == "core" else "NORMAL")
    counter = _counter(home.resolve() / EVENTS)
    if asked.schema == "consolidated" or (asked.schema is None and path.name == path.resolve().name):
        return _Way(path, asked.query, durable, counter)
    if last is None:
        raise Refused(
            f"user {permissions.user(os.geteuid())} may not read which legacy databases there are",
            where=home / ".migrator" / "switch.json",
            hint="let that user read it, or call connect with schema='consolidated'",
        )
    return _Way(path, asked.query, durable, counter, _legacy_name(last, path, home), last)


def _opened(way: _Way, options: Mapping[str, Any]) -> sqlite3.Connection:
    """Open a database *way*, with the *options* of :func:`sqlite3.connect`."""
    if way.counter is None:
        return connections.as_it_was(way.path, way.query, **options)
    asked, settings = options["factory"], {"query": way.query, "synchronous": way.synchronous}
    if way.name is None or way.switch is None:
        counting = counted_connection.factory(asked, way.counter)
        return connections.application(way.path, **settings, **{**options, "factory": counting})
    counting = counted_connection.factory(_mirrored(asked), way.counter)
    return opening.connect(way.switch, way.name, **settings, **{**options, "factory": counting})


def _legacy_name(last: Switch, path: Path, home: Path) -> Name:
    """Return the legacy database at *path* of the cutover *last*.

    Raises:
        UsageError: It is a consolidated database, or no name of the cutover.
    """
    itself = paths.beside_itself(path)
    for name in last.names:
        if name.path == itself:
            return name
    raise UsageError(
        "has no legacy schema: it is not a legacy name of the set",
        where=path,
        hint=f"to see the names run migrator status --data-dir {quoted(home)}",
    )


@functools.cache
def _mirrored(asked: Any) -> Any:
    """Return the class *asked* above the class of connections with a legacy schema."""
    if asked is sqlite3.Connection:
        return MirroredConnection
    if isinstance(asked, type) and issubclass(asked, sqlite3.Connection):
        return type(asked.__name__, (asked, MirroredConnection), {})
    return asked


def _flag(env_file: Path, *, otherwise: bool) -> bool:
    """Return the flag in *env_file*, or *otherwise* if this user, and so the application, may not read it."""
    try:
        env_file.stat()
    except PermissionError:
        return otherwise
    except FileNotFoundError:
        return False
    return env_flag.flag(env_file) if permissions.may(os.R_OK, env_file) else otherwise


def _target(path: Path, home: Path) -> str | None:
    """Return the consolidated database at *path*: ``core``; None if it is another file."""
    return next((target for target, name in catalogue.TARGETS.items() if path == home / name), None)


@functools.cache
def _counter(path: Path) -> Counter:
    return Counter(path)
