"""Runs a deed in a process whose file operations are recorded, and one of which may be made to fail: see shim.c.

One process is started with the shim, imports everything once, and forks a child for each deed: see worker.py.
"""

import functools
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: What a fault does, as shim.c numbers it.
KILL, ONCE, FOREVER, SHORT = 1, 2, 3, 4
#: The letters of the operations, and what they are.
LETTERS = {
    "o": "open to read", "O": "open to write", "c": "create", "w": "write", "t": "truncate", "s": "fsync of a file",
    "S": "fsync of a folder", "r": "rename", "l": "link", "y": "symlink", "u": "unlink", "m": "mkdir", "x": "rmdir",
    "h": "chmod", "g": "chown",
}  # fmt: skip
#: Those that change what lies on the disk.
CHANGES = frozenset("cwtrlyumxhg")

_RECORD = struct.Struct("<BBHHQQQQQ")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, a report of success (``!``), or a fault that fired (``X``).

    Attributes:
        what: Its letter.
        failed: Whether it changed nothing.
        inode: The file or folder it is about; of a rename or link the one that gets a name.
        folder: The folder of the name that it is about; of a rename or link of the new one.
        name: The name that it is about.
        old_folder: Of a rename.
        old_name: Of a rename.
        at: Where a write begins, what a truncate leaves, what mode is given.
        data: What is written, or where a link leads.
    """

    what: str
    failed: bool
    inode: int
    folder: int
    name: str
    old_folder: int
    old_name: str
    at: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong: operation number *at* (of all, from 0), if it is one of the letters *which*.

    With FOREVER every later one of these letters fails, too.
    """

    kind: int
    at: int
    which: str = "".join(LETTERS)
    error: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a deed.

    Attributes:
        killed: Whether it was killed.
        error: The error with which it ended, as on the command line; '' if none.
        kind: The error's class; ``Traceback`` if the command line would not catch it.
        operations: Its operations and reports.
        fired: How often the fault fired.
    """

    killed: bool
    error: str
    kind: str
    operations: tuple[Operation, ...]
    fired: int

    @property
    def steps(self):
        """The operations that have a number, in order."""
        return [one for one in self.operations if one.what in LETTERS]


def read_log(path):
    """Return the operations in the log at *path*; a record that a kill has torn ends it."""
    content = path.read_bytes() if path.exists() else b""
    found, at = [], 0
    while at + _RECORD.size <= len(content):
        what, failed, one, other, inode, into, old, where, size = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        name, old_name = content[at : at + one], content[at + one : at + one + other]
        at += one + other
        data = content[at : at + size]
        at += size
        names = os.fsdecode(name), old, os.fsdecode(old_name)
        found.append(Operation(chr(what), bool(failed), inode, into, *names, where, data))
    return tuple(found)


@functools.cache
def compiler():
    """Return the C compiler, '' if there is none."""
    return shutil.which("gcc") or shutil.which("cc") or ""


@functools.cache
def shim():
    """Return the compiled shim; made once for each text of it."""
    source = HERE / "shim.c"
    name = f"crash-lab-{os.getuid()}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder / "shim.so"
    if not made.exists():
        draft = folder / f"{os.getpid()}.so"
        command = [compiler(), "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-pthread", "-o", draft, source]
        subprocess.run(command, check=True)
        draft.rename(made)
    return made


class Recorder:
    """A process that does what it is asked to, under the shim."""

    def __init__(self):
        self._process = None
        self._folder = tempfile.TemporaryDirectory(prefix="crash-lab-", dir=None)

    def __enter__(self):
        environment = os.environ | {"LD_PRELOAD": str(shim()), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, HERE / "worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        assert 0 == self._process.wait()
        self._folder.cleanup()

    def run(self, deed, home, *, fault=None, mistake="", before=()):
        """Do *deed* in *home*; *before* is what an earlier process had done there, and goes before its operations."""
        log = Path(self._folder.name) / "log"
        log.unlink(missing_ok=True)
        asked = {"deed": deed, "home": str(home), "log": str(log), "mistake": mistake}
        if fault is not None:
            asked["fault"] = [fault.kind, fault.error, fault.at, fault.which]
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["exit"] in (0, 1, -signal.SIGKILL), answer
        operations = read_log(log)
        return Done(
            killed=answer["exit"] == -signal.SIGKILL,
            error=answer["error"],
            kind=answer["kind"],
            operations=(*before, *operations),
            fired=sum(one.what == "X" for one in operations),
        )
