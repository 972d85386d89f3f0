"""Checks the lab against what SQLite's modes promise at a power cut (sqlite.org/pragma.html#pragma_synchronous)."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import deeds
import pytest
import replay

pytestmark = pytest.mark.faults

#: Mode -> (whether a state may be broken, how many acknowledged commits may be lost, whether that has to be seen).
PROMISED = {
    # Durable with its folder only: what EXTRA does.
    "delete EXTRA": (False, 0),
    # The journal's removal may be lost, and with it the last commit.
    "delete FULL": (False, 1),
    "wal FULL": (False, 0),
    # Commits may be lost, as many as were made since the last checkpoint.
    "wal NORMAL": (False, deeds.TRANSACTIONS),
    "delete OFF": (True, deeds.TRANSACTIONS),
}


def looked_at(home):
    """Return the number of the transaction whose work the database in *home* holds; None if it is not whole."""
    try:
        with closing(sqlite3.connect(home / "file.db", isolation_level=None)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return None
            found = connection.execute("SELECT DISTINCT number FROM work").fetchall()
            return found[0][0] if len(found) == 1 else None
    except sqlite3.DatabaseError:
        return None


@pytest.mark.parametrize("mode", PROMISED)
def test_the_lab_finds_what_sqlite_says_of_itself(lab, record_property, mode):
    may_break, may_lose = PROMISED[mode]
    broken, lost, most, states = 0, 0, 0, 0
    with tempfile.TemporaryDirectory(dir=lab.scratch) as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        deeds.prepare(home, mode)
        tree = replay.Tree.found(home)
        done = lab.recorder.run(f"transactions:{mode}", home)
        assert "" == done.error
        for _, state, told in replay.crash_states(tree, done.operations, demand=len):
            states += 1
            found = looked_at(state.write(home))
            acknowledged = sum(text.startswith("transaction") for text in told)
            broken += found is None
            if found is not None and found < acknowledged:
                lost += 1
                most = max(most, acknowledged - found)
    line = f"SQLite, {mode}: {len(done.steps)} operations, {states:,} states, {broken:,} broken, {lost:,} lost acknowledged commits"
    record_property("lab", line)

    assert (broken > 0) == may_break, line
    assert most <= may_lose, line
    assert (lost > 0) == (may_lose > 0), line
