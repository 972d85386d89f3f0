"""A process that writes to a database during a switch, on command, and reports the result."""

import json
import select
import subprocess
import sys

JOURNAL_MODES = ("delete", "truncate", "persist", "memory", "off", "wal")
#: How a process writes: a journal mode, and after it locking_mode=EXCLUSIVE, which keeps the locks after a commit.
MODES = (*JOURNAL_MODES, "delete exclusive", "wal exclusive")
#: A program of its own, because a process does not see its own files among those of others.
_PROGRAM = """
import json, sqlite3, sys
held = None
def opened(path, mode):
    global held
    held = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=0, isolation_level=None)
    journal, _, locking = mode.partition(" ")
    if locking:
        held.execute(f"PRAGMA locking_mode = {locking}").fetchone()
    held.execute(f"PRAGMA journal_mode = {journal}").fetchone()
    held.execute("SELECT count(*) FROM sqlite_schema").fetchone()
for line in sys.stdin:
    verb, *given = json.loads(line)
    said = ""
    try:
        if verb == "open":
            opened(*given)
        elif verb == "write":
            held.execute(*given)
        elif verb == "tables":
            said = [name for (name,) in held.execute("SELECT name FROM sqlite_schema")]
        elif verb == "close":
            held.close()
        elif verb == "commit":
            try:
                opened(*given[:2])
                held.execute(*given[2:])
            finally:
                held.close()
    except sqlite3.Error as error:
        said = str(error)
    print(json.dumps(said), flush=True)
"""


class Intruder:
    """A process that opens, writes and closes on command."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._waits = 0

    def __call__(self, *told, patience_s=10.0):
        """Do the command *told*; return '' or SQLite's error, None if it takes longer than *patience_s* seconds."""
        self.process.stdin.write(json.dumps([str(one) for one in told]).encode() + b"\n")
        self._waits += 1
        return self.answer(patience_s)

    def answer(self, patience_s=10.0):
        """Return the result of the last command, None if it is not done yet."""
        said = None
        while self._waits and select.select([self.process.stdout], [], [], patience_s)[0]:
            said = json.loads(self.process.stdout.readline())
            self._waits -= 1
        return None if self._waits else said

    def end(self):
        self.process.kill()
        self.process.communicate()
