"""A set that never moves, where a program runs as it is, and one that moves there and back, where it runs under compat."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import small_set

from contracts.specimens import generator

#: What happens to the set that moves before each round of a program.
ROUNDS = (None, small_set.migrate, None, small_set.roll_back, small_set.migrate, small_set.roll_back)


def make(home, *, dirty):
    """Make a specimen of every legacy database below the new folder *home*."""
    generator.make(home / "data", seed=7, rows=200, dirty=dirty, wal=True)
    return home


def run(program, data, number, *, compat):
    """Run a round of *program* as it is, or under compat; return what it prints."""
    command = [sys.executable, *(["-m", "migrator.compat"] if compat else []), program, data, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=300)
    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
    return done.stdout.splitlines()


def content(data):
    """Return the rows of each legacy file in *data*, without their order; cells of another type are not equal."""
    found = {}
    for path in sorted(data.rglob("*.db")):
        if path.relative_to(data).parts[0] in ("backup", ".migrator"):
            continue
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = bytes
            tables = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall()
            for table in (name.decode() for name, kind in tables if kind in (b"table", b"virtual")):
                rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                found[str(path.relative_to(data)), table] = sorted(map(repr, rows))
    return found


def compare(program, made, folder):
    """Run each round of *program* on a set that never moves and on one that does; both print and hold the same."""
    stays, moves = (small_set.copied(made, folder / name) for name in ("stays", "moves"))
    for number, before in enumerate(ROUNDS):
        if before is not None:
            assert not before(moves).residue
        expected = run(program, stays / "data", number, compat=False)
        assert expected
        assert expected == run(program, moves / "data", number, compat=True), (number, before)
    assert not (moves / "data" / "jarvis.db").is_symlink()
    expected, got = content(stays / "data"), content(moves / "data")
    assert expected.keys() == got.keys()
    for table, rows in expected.items():
        assert rows == got[table], table
