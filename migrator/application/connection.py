"""``migrator.connect("jarvis.db")``: the application's connection to the set in use, safe and counted.

It ends an interrupted switch, refuses to connect if the flag and the names disagree, never creates a file,
sets the pragmas that belong to a connection, and counts for the monitor which statements succeeded and which failed.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from migrator.application import counted_connection
from migrator.application.event_log import Counter
from migrator.errors import Refused, UsageError
from migrator.schema import catalogue
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
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
        data_dir: The data directory.  Default: ``MIGRATOR_DATA_DIR``, else ``~/.lifeos/data``.
        synchronous: ``FULL`` or ``NORMAL``.  Default: FULL for core, since in WAL mode NORMAL loses the last commits when
            power fails, else NORMAL.
        options: Other options of :func:`sqlite3.connect`: ``autocommit``, from Python 3.12 on.

    Raises:
        UsageError: *synchronous* is neither.
        Refused: The database is not there or this user may not use its folder, the flag and the names disagree, or a
            switch does not come to its end.
        sqlite3.Error: It cannot be opened.
    """
    if synchronous not in (None, "FULL", "NORMAL"):
        raise UsageError(f"synchronous={synchronous!r}: expected 'FULL' or 'NORMAL'", where=os.fsdecode(name))
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
    named = paths.beside_itself(Path(data_dir or os.environ.get("MIGRATOR_DATA_DIR") or _HOME))
    try:
        return _settled(_workspace(paths.resolved(named), named), path, query, synchronous, options)
    except PermissionError as error:
        what = f"user {permissions.user(os.geteuid())} may not use it"
        raise Refused(what, where=error.filename, hint="give that user the x permission on the folder") from error


def _asked(name: str, *, uri: bool) -> tuple[str, str]:
    """Return the path and the query of *name*; the query never lets SQLite create the file."""
    if not (uri and name.startswith("file:")):
        return name, "mode=rw"
    parts = urlsplit(name)
    named = {unquote(parameter.partition("=")[0]): parameter for parameter in parts.query.split("&") if parameter}
    mode = named.pop("mode", "")
    kept = mode if mode in ("mode=ro", "mode=memory") else "mode=rw"
    return os.fsdecode(unquote_to_bytes(parts.path)), "&".join((*named.values(), kept))


def _settled(
    workspace: Workspace, name: str, query: str, synchronous: str | None, options: Mapping[str, Any]
) -> sqlite3.Connection:
    """Open *name* in *workspace* once no switch is under way; open it again if one began meanwhile."""
    home = workspace.data_dir
    while True:
        _wait_for_switch(workspace, options["timeout"])
        settled = _stamp(home)
        try:
            connection = _opened(home, home / name, query, synchronous, options)
        except Refused:
            if settled == _stamp(home):
                raise
        else:
            # A switch refuses while this process has the file open; if it came before that, the other set is in use now.
            if settled == _stamp(home):
                return connection
            connection.close()


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
    if not root.exists() or os.geteuid() in (0, root.stat().st_uid):
        recovery.settle(home, workspace, patience_s)
        return
    give_up = time.monotonic() + patience_s
    while (last := _last(home)[0]) is not None and not last.finished:
        if time.monotonic() > give_up:
            raise Refused(
                f"another user's switch is at work; else {recovery.cut_short(home)}",
                where=home,
                hint=f"as its owner, by {permissions.sudo(root.stat())}",
            )
        time.sleep(_POLL_S)


def _last(home: Path) -> tuple[Switch | None, bool]:
    """Return the switch under way or the last one, or None, and whether this user may read its record."""
    try:
        (home / ".migrator" / "switch.json").lstat()
        return switch_state.read(home), True
    except FileNotFoundError:
        return None, True
    except PermissionError:
        return None, False


def _stamp(home: Path) -> tuple[int, int] | None:
    """Return what changes when a switch begins or ends."""
    try:
        status = (home / ".migrator" / "switch.json").stat()
    except (FileNotFoundError, PermissionError):
        return None
    return status.st_ino, status.st_mtime_ns


def _opened(
    home: Path, path: Path, query: str, synchronous: str | None, options: Mapping[str, Any]
) -> sqlite3.Connection:
    """Open *path* with the settings of the set in use."""
    last, readable = _last(home)
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
        return connections.as_it_was(path, query, **options)
    durable = synchronous or ("FULL" if target == "core" else "NORMAL")
    counting = counted_connection.factory(options["factory"], _counter(home.resolve() / EVENTS))
    return connections.application(path, query, synchronous=durable, **{**options, "factory": counting})


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
