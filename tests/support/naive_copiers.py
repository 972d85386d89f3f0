"""Consolidated sets as other tools make them, each with its own fault, without lineage and quarantine."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from contracts.sets import consolidated as consolidated_set
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections

HOMES = {database.name: database.home for database in catalogue.legacy_databases() if not database.standalone}


def databases(legacy):
    """Yield name, home and path of each legacy database that is to be consolidated."""
    for database in catalogue.legacy_databases():
        if not database.standalone and (legacy / database.place).is_file():
            yield database.name, HOMES[database.name], legacy / database.place


def of_main_file_alone(legacy, scratch):
    """Copy the files as cp does: rows that are still in a WAL stay behind."""
    for name, home, path in databases(legacy):
        alone = scratch / f"{name}.db"
        shutil.copyfile(path, alone)
        with closing(connections.scratch(alone)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        yield name, home, alone


def columns(connection, schema, table):
    asked = connection.execute("SELECT name FROM pragma_table_info(?, ?)", (table, schema))
    return [name for (name,) in asked]


def naive(legacy, folder, scratch, *, shadows=False):
    """INSERT OR IGNORE where table and column names match; *shadows* takes the tables of full-text indexes along."""
    consolidated_set.make_empty_set(folder)
    for name, home, path in of_main_file_alone(legacy, scratch):
        with closing(connections.scratch(folder / catalogue.TARGETS[home])) as connection:
            connections.attach(connection, path, "legacy")
            tables = connection.execute("SELECT name, sql FROM legacy.sqlite_schema WHERE type = 'table'").fetchall()
            for table, sql in tables:
                shadow = table.endswith(("_data", "_idx", "_content", "_docsize", "_config")) and "_" in table
                if shadow and shadows and not columns(connection, "main", table) and name == "jarvis_memory":
                    connection.execute(sql)
                there = columns(connection, "main", table)
                both = [one for one in columns(connection, "legacy", table) if one in there]
                if both and not table.startswith("sqlite_") and (shadows or not shadow):
                    listed = ", ".join(map(connections.quoted, both))
                    verb = "INSERT OR REPLACE" if shadow else "INSERT OR IGNORE"
                    # A text in place of an integer key stops the statement, and such a tool goes on with the next table.
                    with suppress(sqlite3.Error):
                        connection.execute(
                            f"{verb} INTO main.{connections.quoted(table)} ({listed})"
                            f" SELECT {listed} FROM legacy.{connections.quoted(table)}"
                        )


def dumped(legacy, folder, scratch):
    """``sqlite3 .dump`` of every file into one of three, as one does it by hand: what is refused is skipped."""
    for name in catalogue.TARGETS.values():
        connections.create(folder / name).close()
    for _, home, path in of_main_file_alone(legacy, scratch):
        with (
            closing(connections.scratch(path)) as source,
            closing(connections.scratch(folder / catalogue.TARGETS[home])) as into,
        ):
            for statement in lines_of(source):
                try:
                    into.execute(statement)
                except sqlite3.Error:
                    continue
            if into.in_transaction:
                into.execute("COMMIT")


def lines_of(source):
    """Yield a dump until it cannot go on."""
    source.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        yield from source.iterdump()
    except sqlite3.Error:
        return


def without_lineage(migrated, folder, *statements):
    """What our own migration makes, lineage and quarantine dropped; *statements* is run on each database that can."""
    for name in catalogue.TARGETS.values():
        shutil.copyfile(migrated / name, folder / name)
        with closing(connections.scratch(folder / name)) as connection:
            connection.execute("DROP TABLE lineage")
            connection.execute("DROP TABLE quarantine")
            tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for table, statement in statements:
                if table in tables:
                    connection.execute(statement)


def swapped(migrated, folder):
    """Copy all, with two columns of trades exchanged."""
    without_lineage(migrated, folder, ("trades", "UPDATE trades SET amount = amount_sol, amount_sol = amount"))


def cut(migrated, folder):
    """Copy all, and every time to the second."""
    times = [
        (table.name, f"UPDATE {table.name} SET {column.name} = substr({column.name}, 1, 19)")
        for target in catalogue.TARGETS
        for table in schema_reader.target(target).tables
        for column in table.columns
        if column.type == "TIMESTAMP"
    ]
    without_lineage(migrated, folder, *times)


def hostile(migrated, folder):
    """A set whose names, views and values break careless readers."""
    without_lineage(migrated, folder)
    with closing(connections.scratch(folder / catalogue.TARGETS["core"])) as core:
        core.execute('CREATE TABLE "a ""quoted\'\n\ntable" (a)')
        core.execute(f'CREATE TABLE wide ("{"c" * 1_000_000}")')
        core.execute("UPDATE trades SET symbol = '<script>alert(1)</script>'")
        core.execute("DROP TABLE scorecard")
        endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n"
        core.execute(f"CREATE VIEW scorecard AS {endless}")
        core.execute(f"CREATE VIEW endless AS {endless}")
    with closing(connections.scratch(folder / catalogue.TARGETS["cache"])) as cache:
        cache.execute("CREATE TABLE odd (abcdef)")
        forever = "SELECT sum(i) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT i FROM n)"
        cache.execute(f"CREATE TRIGGER forever AFTER INSERT ON sessions BEGIN {forever}; END")
    spoil(folder / catalogue.TARGETS["cache"], b"odd (abcdef)", b"odd (abc\xff\xfef)")


def spoil(path: Path, was: bytes, now: bytes):
    """Change bytes of a file: SQLite itself writes no such schema."""
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, now))
