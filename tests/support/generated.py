"""Runs drawn legacy sets through plan, backup and build, and reads what came of them without asking the migrator.

The one shortcut: inventory's child process, which takes longer to start than all the rest, is replaced by the same
examination in this process, of the file itself.  No other process writes to it.
"""

import contextlib
import json
import sqlite3
import struct
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest import mock

from contracts.specimens.drawn import model as drawn_model
from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql, sql_functions
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory import inspect_pool, inspect_worker
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.system import connections, content_digest

#: In memory, if the system has such a folder: a build waits for the disk again and again, an example cannot.
MEMORY = "/dev/shm"  # noqa: S108 - folders are made in it as safely as in the usual place
FAST = MEMORY if Path(MEMORY).is_dir() else None


@contextlib.contextmanager
def scratch():
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="properties-", dir=FAST) as folder:
        yield Path(folder)


def examined_with_reasons(paths, **_):
    """Return the answers of the child, in this process: a file that cannot be read has a reason."""
    answers = {}
    for number, path in enumerate(paths):
        with scratch() as folder:
            answers[path] = inspect_worker.examine(path, copy=folder / f"{number}.db", seconds=60)
    return answers


def rewrite(legacy, written, into):
    """Write the rows that lie in *written* again, tables and rows the other way round, and VACUUM each file."""
    backwards = [
        replace(
            file,
            tables=tuple(
                replace(table, rows=tuple(reversed(_stored(written / file.place, table))))
                for table in reversed(file.tables)
            ),
        )
        for file in legacy.files
    ]
    drawn_model.write(replace(legacy, files=tuple(backwards)), into)
    for file in legacy.files:
        with contextlib.closing(sqlite3.connect(into / file.place)) as connection:
            marks = _marks(written / file.place)
            if marks:
                connection.execute("DELETE FROM sqlite_sequence")
                connection.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", marks)
            connection.commit()
            connection.execute("VACUUM")


def _stored(path, table):
    parts = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(connections.quoted, table.columns)
    )
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {parts} FROM {connections.quoted(table.name)}").fetchall()
    return [
        tuple(
            drawn_model.OddText(cell) if kind == "text" else cell
            for kind, cell in zip(row[::2], row[1::2], strict=True)
        )
        for row in rows
    ]


def _marks(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone()
        return (
            connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name DESC").fetchall() if there else []
        )


def _examined(paths, **_):
    answers = {}
    for path in paths:
        facts = {"reason": ""} | inspect_worker._header(path)
        facts["reason"] = inspect_worker._not_a_database(path)
        if not facts["reason"]:
            inspect_worker._content(path, facts, time.monotonic() + 600)
        answers[path] = facts
    return answers


class Run:
    """A set that was written to *folder*/data, and what became of it."""

    def __init__(self, folder, config):
        self.folder = folder
        self.config = config
        self.stage = folder / "stage"
        with mock.patch.object(inspect_pool, "examine", _examined):
            self.plan = plan_stage.plan(inventory(folder / "data"), config, disk=folder)
            plan_stage.refuse(self.plan)
            self.snapshot = backup_stage.backup(backup_stage.wanted(self.plan), folder / "backup", read_back=inventory)
        self.built = self.build()

    def build(self):
        return build_stage.build(self.plan, self.snapshot, self.stage)

    def check(self):
        """Assert what holds for every set: it is accounted for, whole, and can be rebuilt."""
        built = self.built
        assert {} == dict(built.mismatches)
        assert [] == [account for account in (*built.sources, *built.targets) if not account.balanced]
        assert built.holds
        for name in catalogue.TARGETS.values():
            with contextlib.closing(sqlite3.connect(self.stage / name)) as connection:
                assert [] == connection.execute("PRAGMA foreign_key_check").fetchall()
                assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()

    def check_by_hand(self):
        """Assert in Python that each legacy row is carried, rebuilt or quarantined, cell by cell, as often as it was."""
        for target, name in catalogue.TARGETS.items():
            tables = [table for table in self.plan.tables if table.into.startswith(f"{target}.")]
            for table in tables:
                with contextlib.closing(connections.memory()) as connection:
                    sql_functions.register(connection)
                    connections.attach(connection, self.stage / name, target)
                    connections.attach(connection, self._copy_of(table), self._name_of(table))
                    source, into = table.source.partition(".")[2], table.into.partition(".")[2]
                    before = _rows(connection, self._name_of(table), source)
                    if table.fate is Fate.CARRIED:
                        assert before == _rows(connection, target, into), table
                    else:
                        (one,) = [one for one in mapping_reader.sources_of(table) if not one.stub]
                        rebuilt = self._rebuilt(connection, one) + _quarantined(connection, one)
                        assert _rows(connection, self._name_of(table), source, one.legacy_columns) == rebuilt, table

    def digests_without_rowids(self):
        """Return the digest of each table of the three, in which rowids that are no column do not count."""
        digests = {}
        for target, name in catalogue.TARGETS.items():
            with contextlib.closing(connections.read(self.stage / name)) as connection:
                for table in content_digest.content(connection).tables:
                    counted = content_digest.table_digest(connection, "main", table.name, numbered=False)
                    digests[target, table.name] = counted
        return digests

    def _rebuilt(self, connection, one):
        given = one.given(self.plan.constants)
        return _cells(connection, f"({reverse_sql.rebuilt_sql(one)})", one.legacy_columns, given)

    def _name_of(self, table):
        return table.source.partition(".")[0]

    def _copy_of(self, table):
        (path,) = [
            database.path for database in self.snapshot.inventory.databases if database.known_as == self._name_of(table)
        ]
        return path


def _rows(connection, schema, table, columns=None):
    columns = columns or [
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden IN (0, 3)", (table, schema)
        )
    ]
    return _cells(connection, f"{connections.quoted(schema)}.{connections.quoted(table)}", columns)


def _cells(connection, source, columns, given=()):
    """Return the multiset of rows, each cell with its storage class and its bits."""
    parts = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(connections.quoted, columns)
    )
    return Counter(
        tuple((kind, _bits(value)) for kind, value in zip(row[::2], row[1::2], strict=True))
        for row in connection.execute(f"SELECT {parts} FROM {source}", given)
    )


def _bits(value):
    return struct.pack(">d", value) if isinstance(value, float) else value


def _quarantined(connection, one):
    kept = connection.execute(
        f"SELECT row FROM {one.target}.quarantine WHERE source = ? AND target = ?", (one.source, one.table)
    )
    return Counter(tuple(_kept(json.loads(row)[column]) for column in one.legacy_columns) for (row,) in kept)


def _kept(cell):
    """Read a kept cell as documented."""
    match cell:
        case None:
            return ("null", None)
        case {"b": octets}:
            return ("blob", bytes.fromhex(octets))
        case {"t": octets}:
            return ("text", bytes.fromhex(octets))
        case str():
            return ("text", cell.encode())
        case int():
            return ("integer", cell)
    return ("real", _bits(cell))
