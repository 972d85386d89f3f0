"""Databases that nobody else may write: held together, or left as they were."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from migrator import held
from migrator.errors import Refused

READER = """
import sqlite3, sys
reading = sqlite3.connect(sys.argv[1], isolation_level=None)
reading.execute("BEGIN")
reading.execute("SELECT * FROM t").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


def test_who_comes_in_between_is_named_and_each_file_is_in_the_mode_that_it_was_in(tmp_path, monkeypatch):
    """The first file has left WAL mode when the second turns out to be read: it must not stay so."""
    monkeypatch.setattr(held, "PATIENCE_S", 0.1)
    paths = [tmp_path / "one.db", tmp_path / "two.db"]
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
    came = []

    def begin():
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", READER, paths[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        came.append(reader)
        assert b"reading\n" == reader.stdout.readline()

    with pytest.raises(Refused, match=r"two\.db: somebody kept it locked"), held.held(dict.fromkeys(paths, ""), begin):
        pytest.fail("it was held")
    came[0].communicate()

    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
            connection.execute("INSERT INTO t VALUES (1)")
