"""Replaces the ``connect`` of sqlite3 in this process, so that legacy names of a switched set are served.

Every interpreter of an environment with our ``.pth`` file imports this module when it starts: it imports neither sqlite3 nor
the rest of migrator until a program needs them.
"""

from __future__ import annotations

import importlib
import os
import sys

#: As for type checkers; typing itself takes longer to import than sqlite3.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

#: ``off``: the ``.pth`` file changes nothing in this process and its children.
SWITCH = "MIGRATOR_COMPAT"
#: The file to which this process and its children record their statements.
RECORD = "MIGRATOR_COMPAT_RECORD"
#: The attribute by which the connect of ours is known.
MARK = "before_migrator"
#: The C module whose names sqlite3 and sqlite3.dbapi2 copy when they are imported, and both.
_SOURCE = "_sqlite3"
_MODULES = (_SOURCE, "sqlite3.dbapi2", "sqlite3")
#: The position of ``uri`` among the parameters of connect.
_URI = 7


class Connect:
    """The function that stands in for connect; no function of Python's, which an attribute of a class would bind.

    Attributes:
        before_migrator: The connect that it replaces.
    """

    def __init__(self, original: Any) -> None:
        self.before_migrator = original
        self.__name__ = self.__qualname__ = "connect"
        self.__doc__ = original.__doc__
        self.__wrapped__ = original

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Open a database: as before, or by migrator if it is a legacy name of a switched set."""
        database = arguments[0] if arguments else named.get("database")
        uri = arguments[_URI] if len(arguments) > _URI else named.get("uri", False)
        path = path_of(database, uri=uri)
        if path and not (RECORD in os.environ or may_be_switched(path)):
            connection = self.before_migrator(*arguments, **named)
            if not (os.path.islink(path) and may_be_switched(path)):
                return connection
            # A cutover came in between, and made the name a link.
            connection.close()
        if not path:
            return self.before_migrator(*arguments, **named)
        return importlib.import_module("migrator.application.programs.serving").connect(
            self.before_migrator, path, arguments, named
        )


def path_of(database: Any, *, uri: Any) -> str:
    """Return the path that *database* names; '' if it is in memory, in a temporary file, or no path."""
    if not isinstance(database, (str, bytes, os.PathLike)):
        return ""
    name = os.fsdecode(database)
    if uri and name.startswith("file:"):
        parse = importlib.import_module("urllib.parse")
        parts = parse.urlsplit(name)
        in_memory = "mode=memory" in parts.query or "vfs=memdb" in parts.query
        name = "" if in_memory else os.fsdecode(parse.unquote_to_bytes(parts.path))
    return "" if name == ":memory:" or "\0" in name else name


def may_be_switched(path: str) -> bool:
    """Return whether *path* is no file itself, and leads to a folder in which migrator has switched a set, or may have."""
    # After a cutover and during a switch a legacy name is a link into the data directory, wherever the name is.
    if os.path.islink(path):
        path = os.path.realpath(path)
    elif os.path.exists(path):
        return False
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        # SQLite resolves .. before it looks whether the folder is there.
        folder = os.path.dirname(os.path.realpath(path))
    below = None
    # The root is its own parent.
    while (here := _identity(folder)) not in (None, below):
        try:
            os.stat(f"{folder}/.migrator/switch.json")
        except PermissionError:
            return True
        except OSError:
            folder, below = f"{folder}/..", here
        else:
            return True
    return False


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def install() -> None:
    """Replace connect in this process, now or when sqlite3 is imported; a second call changes nothing."""
    if _SOURCE in sys.modules:
        replace()
    elif not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def replace() -> None:
    """Replace connect in the modules of sqlite3 that are imported."""
    connect = sys.modules[_SOURCE].connect
    if not isinstance(connect, Connect):
        connect = Connect(connect)
    for module in (sys.modules[name] for name in _MODULES if name in sys.modules):
        # A function that another library put in place stays.
        if getattr(module, "connect", None) is connect.before_migrator:
            module.connect = connect  # type: ignore[attr-defined]  # of the module's


class Finder:
    """Finds the C module of sqlite3 by the other finders, and has connect replaced once it is there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of the C module with a loader of ours; None for every other module."""
        if name != _SOURCE:
            return None
        for finder in [finder for finder in sys.meta_path if not isinstance(finder, Finder)]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # the protocol, by what import calls
                return spec
        return None


class _Loader:
    """Loads the C module of sqlite3 by *loader*, then replaces connect."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        self._loader.exec_module(module)
        replace()
