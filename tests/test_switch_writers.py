"""Somebody starts to write in the middle of a switch, by a legacy path: before it, refused, or kept; never lost."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import generated
import pytest
import small_set

from migrator import recovery
from migrator.errors import Refused

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("MIGRATOR_FAULT_STRIDE", "53"))
#: Whoever writes does so to whichever table answers: the legacy one, or the one that carries it.
TABLES = ("alerts", "legacy_alerts_alerts")
#: A program of its own, because a process does not see its own files among those of others.
WRITER = """
import json, sqlite3, sys
held = None
for line in sys.stdin:
    verb, *given = json.loads(line)
    said = ""
    try:
        if verb == "open":
            held = sqlite3.connect(f"file:{given[0]}?mode=rw", uri=True, timeout=0, isolation_level=None)
            if given[1]:
                held.execute("PRAGMA journal_mode = WAL")
            held.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        elif verb == "write":
            found = {name for (name,) in held.execute("SELECT name FROM sqlite_schema")}
            (table,) = found & {"alerts", "legacy_alerts_alerts"}
            held.execute(f"INSERT INTO {table} (id, name, alert_type, symbol) VALUES (?, 'n', 't', 's')", given)
        elif verb == "close":
            held.close()
    except sqlite3.Error as error:
        said = str(error)
    print(json.dumps(said), flush=True)
"""


class Writer:
    """A process that opens, writes and closes when it is told to."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *told):
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(name="writer")
def _writer():
    one = Writer()
    yield one
    one.process.kill()
    one.process.communicate()


@pytest.fixture(name="starts", scope="module")
def _starts():
    """The set before a cutover, and before a rollback."""
    with generated.scratch() as folder:
        built = small_set.make(folder / "built")
        small_set.cut_over(small_set.copied(built, folder / "switched"))
        yield {small_set.cut_over: built, small_set.roll_back: folder / "switched"}


def rows_of(home):
    """Return the ids of all alerts, by the legacy name."""
    with closing(sqlite3.connect(f"file:{home}/data/alerts.db?mode=rw", uri=True)) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        (table,) = found & set(TABLES)
        return [key for (key,) in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


@pytest.mark.parametrize("wal", [False, True])
@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("deed", [small_set.cut_over, small_set.roll_back])
def test_whoever_starts_to_write_at_any_step_is_before_it_or_refused(starts, writer, tmp_path, deed, stays, wal):
    """Each write that was acknowledged is there once, by the legacy name, when all is over; nobody else's row goes."""
    folder = starts[deed].parent / tmp_path.name
    before = rows_of(starts[deed])
    total = small_set.steps_of(deed, small_set.copied(starts[deed], folder))
    outcomes = set()

    for at in range(1, total + 1, max(STRIDE // 10, 1)):
        home = small_set.copied(starts[deed], folder)
        acknowledged = set()

        def write(key, acknowledged=acknowledged):
            if not (said := writer("write", key)):
                acknowledged.add(key)
            return said

        def intrude(number, _, at=at, home=home, write=write):
            if number == at:
                writer("open", f"{home}/data/alerts.db", wal)
                outcomes.add(write("during"))
                if not stays:
                    writer("close")

        with small_set.after_each_step(intrude):
            try:
                deed(home)
                outcomes.add("done")
            except Refused:
                outcomes.add("refused")
        if stays:
            outcomes.add(write("after"))
            writer("close")

        assert sorted([*before, *acknowledged]) == rows_of(home), (at, total)
        assert not small_set.last_switch(home) or small_set.last_switch(home).finished, at

    assert "done" in outcomes
    assert outcomes & {"database is locked", "attempt to write a readonly database"}, "nobody was ever held up"


@pytest.mark.parametrize("deed", [small_set.cut_over, small_set.roll_back])
def test_who_writes_by_a_legacy_path_after_a_death_is_named_and_keeps_what_was_written(starts, writer, tmp_path, deed):
    folder = starts[deed].parent / tmp_path.name
    before = rows_of(starts[deed])
    last, named = 0, 0

    while True:
        last += max(STRIDE // 5, 1)
        home = small_set.copied(starts[deed], folder)
        if not small_set.die_after(deed, home, last):
            break
        writer("open", f"{home}/data/alerts.db", True)
        assert "" == writer("write", "between"), last
        try:
            recovery.recover(home / "data")
        except Refused as error:
            named += f"is open in process {writer.process.pid}" in str(error)
        # Dies without closing: the WAL holds the row.
        writer.process.kill()
        writer.process.communicate()
        writer.__init__()

        recovery.recover(home / "data")

        assert "between" in rows_of(home), last
        assert sorted([*before, "between"]) == rows_of(home), last
        assert not small_set.last_switch(home) or small_set.last_switch(home).finished, last

    assert named
