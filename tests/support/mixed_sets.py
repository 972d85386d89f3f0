"""Legacy sets of which half of the tables are as found and half as specified, made of two specimens of one seed."""

import contextlib
import random
import shutil
import sqlite3

from contracts.specimens import generator
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue

#: Full-text indexes over a table as found: they go with it.
INDEXES = {"facts": "facts_fts", "reflections": "reflections_fts"}


def make(folder, *, seed):
    """Make a dirty set in *folder*/data; return the tables as specified."""
    generator.make(folder / "specified", seed=seed, variant=catalogue.SPECIFIED_VARIANT, dirty=True)
    generator.make(folder / "data", seed=seed, dirty=True)
    whole = [(name, table) for name, (_, tables) in sorted(catalogue.SPECIFIED.items()) for table in tables]
    chosen = random.Random(seed).sample(whole, len(whole) // 2)  # noqa: S311 - a seed has to choose the same
    for database, table in chosen:
        _replace(folder, database, table)
    return chosen


def _replace(folder, database, table):
    """Put *table* as specified where the tables as found are that become it."""
    target, _ = catalogue.SPECIFIED[database]
    places = {one.name: one.place for one in catalogue.legacy_databases()}
    path, other = folder / "data" / places[database], folder / "specified" / places[database]
    if not path.exists():
        shutil.copy(other, path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                if not name.startswith("sqlite_"):
                    connection.execute(f"DROP TABLE {name}")
    for one in mapping_reader.mappings():
        # Of the caches both may be there: they have no numbers for their keys.
        if (one.target, one.table) == (target, table) and not one.stub and table != "cache_entries":
            _drop(folder / "data" / places[one.database], one.source_table)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS other", (str(other),))
        ((create,),) = connection.execute("SELECT sql FROM other.sqlite_schema WHERE name = ?", (table,)).fetchall()
        connection.execute(create)
        names = [name for _, name, *_ in connection.execute(f"PRAGMA other.table_info({table})")]
        listed = ", ".join([*(["rowid"] if "VIRTUAL" in create else []), *names])
        connection.execute(f"INSERT INTO main.{table} ({listed}) SELECT {listed} FROM other.{table}")


def _drop(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        if table in INDEXES:
            connection.execute(f"DROP TABLE {INDEXES[table]}")
        connection.execute(f"DROP TABLE IF EXISTS {table}")
