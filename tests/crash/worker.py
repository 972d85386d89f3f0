"""The process under the shim: does each requested deed in a child process, and reports the result."""

import ctypes
import json
import os
import sqlite3
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[level] / name) for level, name in ((0, ""), (1, "support"), (2, "")))

import deeds
import mistakes
import small_set

from migrator.errors import MigratorError

_SHIM = ctypes.CDLL(None)


def told(text):
    """Log *text* as a report."""
    _SHIM.lab_mark(text.encode())


def answer(asked, say):
    """Do what was *asked*; report its error. Returns the exit code."""
    kind, error, at, which = asked.get("fault", (0, 0, -1, ""))
    with mistakes.planted(asked["mistake"]):
        _SHIM.lab_begin(asked["home"].encode(), asked["log"].encode(), kind, error, ctypes.c_long(at), which.encode())
        try:
            name, *arguments = asked["deed"].split(":")
            did = getattr(deeds, name)(*arguments, Path(asked["home"]), told)
        except (MigratorError, OSError, sqlite3.Error) as failed:
            # What the command line makes a sentence of.
            say({"error": str(failed), "kind": type(failed).__name__})
            return 1
        except Exception:  # noqa: BLE001 - it is judged by who asked
            say({"error": traceback.format_exc(), "kind": "Traceback"})
            return 1
    # Who finds nothing to do promises nothing: what was found may not have been durable, and is then done again.
    if did != "":
        told("success")
    return 0


def child(asked):
    """Do it in a child; return its exit code and its report."""
    reading, writing = os.pipe()
    forked = os.fork()
    if forked == 0:
        code = 3
        try:
            os.close(reading)
            code = answer(asked, lambda said: os.write(writing, json.dumps(said).encode()[:60_000]))
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    _, status = os.waitpid(forked, 0)
    return {"error": "", "kind": ""} | (json.loads(text) if text else {}) | {"exit": os.waitstatus_to_exitcode(status)}


def warm():
    """Do each deed once: what is imported and parsed at its first time would else be so in each child."""
    with tempfile.TemporaryDirectory() as folder:
        home = small_set.make(Path(folder) / "home")
        small_set.cut_over(home)
        small_set.roll_back(home)


def main():
    warm()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(child(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
