"""What an environment with the .pth file costs its programs, in CPU time: ``python tests/tools/program_cost.py``."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from migrator.application.programs import hook, startup

#: Runs of an interpreter, and connections, in one turn.
STARTS, CONNECTIONS = 10, 5_000
PROGRAMS = {"an interpreter starts": "pass", "and imports sqlite3": "import sqlite3"}


def least(deed, turns):
    """Return the least CPU time of *deed*, its processes included [ms]."""
    times = []
    for _ in range(turns):
        begun = sum(os.times()[:4])
        deed()
        times.append(sum(os.times()[:4]) - begun)
    return min(times) * 1e3


def started(program, switch):
    environment = os.environ | {hook.SWITCH: switch}

    # The clock of processes ticks each 10 ms: many starts are one turn.
    def deed():
        for _ in range(STARTS):
            subprocess.run([sys.executable, "-c", program], check=True, env=environment)

    return least(deed, 5) / STARTS


def connected(connect, path):
    def deed():
        for _ in range(CONNECTIONS):
            connect(path).close()

    return least(deed, 5) / CONNECTIONS * 1e3


def main():
    """Measure with the file in place, switched off and on, and print the least of each."""
    before = startup.install(Path(sys.executable))
    try:
        for name, program in PROGRAMS.items():
            off, on = started(program, "off"), started(program, "on")
            sys.stdout.write(f"{name:40} off {off:7.2f} ms  on {on:7.2f} ms\n")
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "other.db")
            original = getattr(sqlite3.connect, hook.MARK, sqlite3.connect)
            off, on = connected(original, path), connected(hook.Connect(original), path)
            sys.stdout.write(f"{'a connection to any other file':40} off {off:7.2f} us  on {on:7.2f} us\n")
    finally:
        if before.changed:
            startup.uninstall(Path(sys.executable))
    sys.stdout.write(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}\n")


if __name__ == "__main__":
    main()
