"""Writes and removes the ``.pth`` file by which every Python program of an environment is served.

An interpreter runs the file when it starts (:mod:`site`).  The file waits until a program imports sqlite3, and imports migrator
only then.  An error in it is printed, and the interpreter goes on.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from migrator.application.programs import hook
from migrator.errors import Refused, UsageError
from migrator.records.programs import Startup
from migrator.system import durable_files, installation
from migrator.system.durable_files import Access

#: The name of the file: read after those that make migrator importable, since they are read in order.
NAME = "zz_migrator_compat.pth"
#: Permissions of the file: as those of an installed module.
_MODE = 0o644
#: Time in which an interpreter starts [s].
_PATIENCE_S = 60.0

_CODE = f"""\
import os, sys
def report(error):
    if sys.stderr is not None:
        sys.stderr.write("migrator: legacy databases are not served: %r; install migrator, or remove {NAME}\\n" % (error,))
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "_sqlite3":
            return None
        sys.meta_path.remove(self)
        try:
            from migrator.application.programs import hook
            return hook.Finder().find_spec(name, path, target)
        except Exception as error:
            report(error)
if os.environ.get("{hook.SWITCH}") != "off":
    if "_sqlite3" in sys.modules:
        try:
            from migrator.application.programs import hook
            hook.install()
        except Exception as error:
            report(error)
    else:
        sys.meta_path.insert(0, Finder())
"""
#: The content of the file: a line that begins with ``import`` is run.
TEXT = f"import sys; exec({_CODE!r}, {{}})\n"

#: Without the current folder, in which a checkout of migrator may lie.
_DESCRIBE = """\
import sys
sys.path[:] = [path for path in sys.path if path]
import importlib.util, json, site, sysconfig
importable = all(importlib.util.find_spec(name) for name in ("migrator", "migrator.compat"))
print(json.dumps([sysconfig.get_path("purelib"), site.getsitepackages(), importable]))
"""
_IS_SERVED = f"""\
import sqlite3
print(hasattr(sqlite3.connect, "{hook.MARK}"))
"""


def install(python: Path) -> Startup:
    """Have every program of the environment of *python* served.

    Raises:
        UsageError: *python* does not start, or is no Python.
        Refused: migrator is not installed in that environment, or the interpreter does not read the file.
    """
    folder, importable = _described(python)
    if not importable:
        raise Refused(
            "migrator is not installed there",
            where=python,
            hint=f"run: {installation.command(python)}",
        )
    path = folder / NAME
    changed = not path.is_file() or path.read_text(encoding="utf-8") != TEXT
    if changed:
        durable_files.write(path, TEXT, Access(folder.stat().st_gid, _MODE))
    if _output(python, _IS_SERVED).strip() != "True":
        durable_files.remove(path)
        raise Refused(
            f"this interpreter does not run {path}; it was removed",
            where=python,
            hint=f"unset {hook.SWITCH}, or run each program by python -m migrator.compat",
        )
    return Startup(python=python, path=path, active=True, changed=changed)


def uninstall(python: Path) -> Startup:
    """Have no program of the environment of *python* served any more; those that run are served until they end.

    Raises:
        UsageError: *python* does not start, or is no Python.
    """
    folder, _ = _described(python)
    path = folder / NAME
    changed = path.is_file()
    durable_files.remove_if_there(path)
    return Startup(python=python, path=path, active=False, changed=changed)


def _described(python: Path) -> tuple[Path, bool]:
    """Return the folder of *python* for packages, and whether migrator is among them.

    Raises:
        UsageError: *python* does not start, or is no Python.
        Refused: It reads no ``.pth`` files in that folder.
    """
    try:
        folder, read, importable = json.loads(_output(python, _DESCRIBE))
    except ValueError as error:
        raise UsageError("is no Python interpreter", where=python, hint="name another by --python") from error
    if folder not in read:
        raise Refused(f"does not read .pth files in {folder}", where=python, hint="use a virtual environment")
    return Path(folder), importable


def _output(python: Path, program: str) -> str:
    try:
        # -E: PYTHONPATH is of this shell, and the bot's may differ.
        done = subprocess.run(  # noqa: S603 - the interpreter that the user names
            [python, "-E", "-c", program], capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"does not start: {error}", where=python, hint="name another by --python") from error
    return done.stdout
