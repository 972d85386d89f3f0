"""A legacy set of files that the specification does not name, so that each of their tables is carried: made, and gone through."""

import json
import sqlite3
from contextlib import closing

import small_set


def make(home, files, decisions=""):
    """Make a legacy set of *files* (name -> SQL script) below the new folder *home*, and build it as *decisions* has it."""
    data = home / "data"
    data.mkdir(parents=True)
    for name, script in files.items():
        write(data / name, script)
    fates = "".join(f'{json.dumps(name, ensure_ascii=False)} = "carry:core"\n' for name in files)
    (data / "migrator.toml").write_text(f"[files]\n{fates}{decisions}")
    small_set.build(home)
    return home


def write(path, script):
    """Run *script* on the database at *path*, as its application would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("app_only", 1, lambda value: value, deterministic=True)
        connection.create_collation("app_only", lambda one, other: (one > other) - (one < other))
        connection.executescript(script)


def round_trip(home, script):
    """Cut over, run *script* on the consolidated core, and roll back; return the rollback's message."""
    small_set.cut_over(home)
    write(home / "data" / "jarvis_core.db", script)
    return small_set.roll_back(home)


def rows(path, select):
    """Return what *select* finds, TEXT as its bytes, with the storage class of each cell."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return [tuple((type(cell).__name__, cell) for cell in row) for row in connection.execute(select)]


def residue(home, select):
    """Return what *select* finds in the residue of the last rollback."""
    with closing(sqlite3.connect(small_set.last_switch(home).left_behind / "residue.db")) as kept:
        return kept.execute(select).fetchall()
