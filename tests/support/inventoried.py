"""What the tests of the inventory have in common: files that are made, and what is read off of what was found."""

import io
import random
import sqlite3
import stat
from contextlib import closing

from rich.console import Console

from migrator.reports import terminal
from migrator.schema import catalogue

NOISE = random.Random(1).randbytes(4096)  # noqa: S311 - a seed is what is wanted
#: A table with two rows.
TABLE = "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);"


def made(path, script=TABLE, *, before=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(before + script)
    return path


def ddl(name, variant="found"):
    return next(d.ddl for d in catalogue.legacy_databases() if (d.name, d.variant) == (name, variant))


def state(folder):
    """Everything about the folder that an inventory could change."""
    listed = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        listed[path] = (content, status.st_mode, status.st_mtime_ns, status.st_ino, status.st_nlink)
    return listed


def only(found):
    assert 1 == len(found.databases), found.databases
    return found.databases[0]


def by_place(found):
    places = [str(database.place) for database in found.databases]
    assert len(places) == len(set(places)), "one verdict a file"
    return {str(database.place): database for database in found.databases}


def mentions(found, *words):
    return any(all(word in finding for word in words) for finding in found.findings)


def printed(found, width=100):
    """Return the report as plain text."""
    console = Console(width=width, file=io.StringIO())
    console.print(terminal.inventory_table(found))
    return console.file.getvalue()
