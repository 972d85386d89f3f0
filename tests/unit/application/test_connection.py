"""The application's connection: to the set that is in use, and counted."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import pytest

import migrator
from migrator.application import connection as connection_module
from migrator.application import watched_files
from migrator.errors import MigratorError, Refused, UsageError
from migrator.switch import state as switch_state
from migrator.switch.state import Name, Switch
from migrator.system import connections

#: What is tried here is the consolidated schema, under either name.
connect = partial(migrator.connect, schema="consolidated")


@pytest.fixture(name="data")
def _data(tmp_path):
    """A set after its cutover, with one legacy name for each database."""
    data = tmp_path / "data"
    (data / ".migrator").mkdir(parents=True)
    names = []
    for legacy, target in (("jarvis", "core"), ("whales", "analytics"), ("old_cache", "cache")):
        with closing(sqlite3.connect(data / f"jarvis_{target}.db")) as connection:
            connection.executescript(
                "PRAGMA journal_mode = WAL; CREATE TABLE parents (id INTEGER PRIMARY KEY);"
                " CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES parents, x CHECK (x > 0))"
            )
        (data / f"{legacy}.db").symlink_to(f"jarvis_{target}.db")
        place = PurePosixPath(f"{legacy}.db")
        names.append(
            Name(database=legacy, place=place, path=data / place, target=target, journal_mode="wal"),
        )
    sqlite3.connect(data / "standalone.db").close()
    (tmp_path / ".env").write_text("USE_CONSOLIDATED_DBS=true\n")
    switch_state.write(
        Switch(
            data_dir=data,
            kind=switch_state.CUTOVER,
            run="0001",
            env_file=tmp_path / ".env",
            names=tuple(names),
            tables=(),
            constants={},
            finished=True,
        )
    )
    return data


def counted(data):
    """Return how many statements held and how many failed."""
    path = data / ".migrator" / "events.jsonl"
    found = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return sum(one["ok"] for one in found), sum(one["failed"] for one in found)


@pytest.mark.parametrize(("name", "synchronous"), [("jarvis.db", 2), ("jarvis_core.db", 2), ("whales.db", 1)])
def test_legacy_and_new_names_lead_to_the_database_with_its_pragmas(data, name, synchronous):
    with closing(connect(name, data_dir=data)) as connection:
        assert (1,) == connection.execute("PRAGMA foreign_keys").fetchone()
        assert (synchronous,) == connection.execute("PRAGMA synchronous").fetchone()
        assert "" == connection.isolation_level


def test_the_data_directory_may_stand_in_the_environment_and_the_name_may_be_a_path(data, monkeypatch):
    monkeypatch.setenv("MIGRATOR_DATA_DIR", str(data))

    with closing(connect("jarvis.db", synchronous="NORMAL")) as connection:
        assert (1,) == connection.execute("PRAGMA synchronous").fetchone()
    with closing(connect(data / "jarvis.db")) as connection:
        assert (1,) == connection.execute("PRAGMA foreign_keys").fetchone()


def test_what_statements_come_to_is_counted(data):
    with closing(connect("jarvis.db", data_dir=data)) as connection:
        connection.execute("INSERT INTO parents VALUES (1)")
        with connection:
            connection.executemany("INSERT INTO t VALUES (?, 1, ?)", [(1, 1), (2, 1)])
        cursor = connection.cursor()
        assert [1, 2] == [row[0] for row in cursor.execute("SELECT id FROM t ORDER BY id")]
        for wrong in ("SELECT y FROM t", "INSERT INTO t VALUES (3, 9, 1)", "INSERT INTO t VALUES (4, 1, 0)"):
            with pytest.raises(sqlite3.Error):
                connection.execute(wrong)
        with pytest.raises(sqlite3.OperationalError):
            connection.executescript("SELEC 1")
        failing = connection.execute("SELECT abs(column1) FROM (VALUES (1), (-9223372036854775808))")
        with pytest.raises(sqlite3.OperationalError, match="overflow"):
            failing.fetchall()
        connection.commit()
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("BEGIN")
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO t VALUES (5, 9, 1)")
        with pytest.raises(sqlite3.IntegrityError):
            connection.commit()
        connection.rollback()
        connection.counter.write()

    assert (8, 6) == counted(data)


def test_a_legacy_database_is_opened_as_its_code_has_it_and_nothing_is_counted(data):
    with closing(connect("standalone.db", data_dir=data)) as connection:
        assert (0,) == connection.execute("PRAGMA foreign_keys").fetchone()

    assert (0, 0) == counted(data)


def test_no_file_is_made(data):
    (data / "dangling.db").symlink_to("nowhere.db")
    before = sorted(data.iterdir())

    for name in ("dangling.db", "missing.db"):
        with pytest.raises(Refused, match="there is no such database"):
            connect(name, data_dir=data)

    assert before == sorted(data.iterdir())


def test_a_flag_that_says_otherwise_is_refused(data):
    (data.parent / ".env").write_text("USE_CONSOLIDATED_DBS=false\n")

    with pytest.raises(Refused, match="is false and the names lead to the consolidated set; to go back run migrator"):
        connect("jarvis.db", data_dir=data)


def test_a_durability_that_nobody_knows_is_an_error(data):
    with pytest.raises(UsageError, match="expected 'FULL' or 'NORMAL'"):
        connect("jarvis.db", data_dir=data, synchronous="OFF")


def test_a_switch_that_is_at_work_is_waited_for_and_then_named(data):
    switch_state.write(replace(switch_state.read(data), finished=False))
    script = (
        "import sys, time; from pathlib import Path; from migrator.system.run_lock import locked\n"
        "with locked(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, data], stdout=subprocess.PIPE) as other:
        assert b"locked\n" == other.stdout.readline()
        with pytest.raises(Refused, match="another migrator is at work here"):
            connect("jarvis.db", data_dir=data, timeout=0.2)
        other.kill()

    # The kernel has let go of the lock: the switch was cut short after its commit, and is ended here.
    (data / ".migrator" / "active").symlink_to("new")
    with closing(connect("jarvis.db", data_dir=data)) as connection:
        assert (0,) == connection.execute("SELECT count(*) FROM t").fetchone()
    assert switch_state.read(data).finished


def test_rows_come_as_from_any_cursor(data):
    """By for, next, fetchone, fetchmany and list, in any order; by a generator of parameters; in the types that are asked for."""
    with closing(
        connect("jarvis.db", data_dir=data, isolation_level=None, detect_types=sqlite3.PARSE_COLNAMES)
    ) as core:
        core.executemany("INSERT INTO t (x) VALUES (?)", ((number,) for number in range(1, 9)))
        rows = core.execute("SELECT x FROM t ORDER BY x")
        assert (1,) == next(rows)
        for row in rows:
            assert (2,) == row
            break
        assert (3,) == rows.fetchone()
        assert [(4,), (5,)] == rows.fetchmany(size=2)
        assert [(6,), (7,), (8,)] == list(rows)
        assert [] == list(rows)
        assert (None, []) == (rows.fetchone(), rows.fetchmany())
        with pytest.raises(StopIteration):
            next(rows)
        core.row_factory = sqlite3.Row
        assert [8] == [row["x"] for row in core.cursor().execute("SELECT max(x) AS x FROM t")]
        assert 1 == len([line for line in core.iterdump() if line.startswith("CREATE TABLE t")])
        with closing(sqlite3.connect(":memory:")) as copy:
            core.backup(copy)
            assert (8,) == copy.execute("SELECT count(*) FROM t").fetchone()


@pytest.mark.parametrize("level", ["", None, "IMMEDIATE", "EXCLUSIVE"])
def test_a_block_is_one_transaction_at_every_isolation_level(data, level):
    def insert(core, number):
        if level is None:
            core.execute("BEGIN")
        core.execute("INSERT INTO t (x) VALUES (?)", (number,))
        return 1 // (number - 1)

    with closing(connect("jarvis.db", data_dir=data, isolation_level=level)) as core:
        with pytest.raises(ZeroDivisionError), core:
            insert(core, 1)
        with core:
            insert(core, 2)

        assert (level, False) == (core.isolation_level, core.in_transaction)
        assert [(2,)] == core.execute("SELECT x FROM t").fetchall()


def test_an_error_while_rows_are_read_is_counted_whichever_way_they_are_read(data):
    """The second row cannot be computed."""
    asked = "SELECT abs(x) FROM (SELECT 1 AS x UNION ALL SELECT -9223372036854775808)"
    ways = (
        lambda rows: [row for row in rows],  # noqa: C416 - by a for
        lambda rows: (next(rows), next(rows)),
        lambda rows: rows.fetchall(),
        lambda rows: rows.fetchmany(2),
        lambda rows: (rows.fetchone(), rows.fetchone()),
    )
    with closing(connect("jarvis.db", data_dir=data)) as core:
        for way in ways:
            with pytest.raises(sqlite3.Error, match="integer overflow"):
                way(core.execute(asked))
        core.cursor().counter.write()

    lines = [json.loads(line) for line in (data / ".migrator" / "events.jsonl").read_text().splitlines()]
    assert len(ways) == sum(line["failed"] for line in lines)


@pytest.fixture(name="remembered")
def _remembered(data, monkeypatch):
    """How a name of the set is opened is remembered at once, and each time that it is found out is noted."""
    monkeypatch.setattr(watched_files, "_OLD_ENOUGH_S", -1)
    found, way = [], connection_module._way
    monkeypatch.setattr(connection_module, "_way", lambda *asked: found.append(1) or way(*asked))
    connect("jarvis.db", data_dir=data).close()
    connect(data / "jarvis.db").close()
    return found


def test_how_a_name_is_opened_is_found_out_once(data, remembered):
    for name, named in (("jarvis.db", data), (data / "jarvis.db", None)):
        with closing(connect(name, data_dir=named)) as connection:
            connection.execute("INSERT INTO parents DEFAULT VALUES")
            connection.commit()

    assert 2 == len(remembered)


def test_how_a_name_is_opened_is_found_out_anew_after_a_change(data, remembered, tmp_path):
    assert 2 == len(remembered)
    (tmp_path / ".env").write_text("USE_CONSOLIDATED_DBS=nope\n")
    with pytest.raises(Refused, match="is false and the names lead to the consolidated set"):
        connect("jarvis.db", data_dir=data)

    (tmp_path / ".env").write_text("USE_CONSOLIDATED_DBS=false\n")
    (data / "jarvis.db").unlink()
    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        legacy.execute("CREATE TABLE legacy (x)")
    switch_state.write(replace(switch_state.read(data), kind=switch_state.ROLLBACK))
    for name, named in (("jarvis.db", data), (data / "jarvis.db", None)):
        with closing(connect(name, data_dir=named)) as connection:
            assert [("legacy",)] == connection.execute("SELECT name FROM sqlite_schema").fetchall()

    (data / "jarvis.db").unlink()
    with pytest.raises(Refused, match="no such database"):
        connect("jarvis.db", data_dir=data)


def test_a_data_directory_that_comes_to_be_nearer_is_found(data, remembered):
    inner = data / "cache"
    inner.mkdir()
    (inner / "jarvis.db").symlink_to("../jarvis_core.db")
    connect(inner / "jarvis.db").close()
    connect(inner / "jarvis.db").close()
    assert 3 == len(remembered)

    (inner / ".migrator").mkdir()
    (inner / ".migrator" / "switch.json").write_text("no record")
    with pytest.raises(MigratorError, match="cannot be read"):
        connect(inner / "jarvis.db")


def test_a_switch_that_begins_while_a_known_name_is_opened_is_waited_for(data, remembered, monkeypatch):
    opened = connections.application

    def during_a_switch(*arguments, **options):
        monkeypatch.setattr(connections, "application", opened)
        os.utime(data / ".migrator" / "switch.json")
        return opened(*arguments, **options)

    monkeypatch.setattr(connections, "application", during_a_switch)
    with closing(connect("jarvis.db", data_dir=data)) as connection:
        assert [] == connection.execute("SELECT * FROM t").fetchall()
    assert 3 == len(remembered)
