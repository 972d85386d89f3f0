"""Every connection trusts or distrusts the schema according to its name."""

import sqlite3
from contextlib import closing

import pytest

from migrator.errors import MigratorError
from migrator.system import connections


def made(path, script="CREATE TABLE t (x); INSERT INTO t VALUES ('old')"):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(script)
    return path


def test_a_missing_file_is_not_created(tmp_path):
    for connect in (connections.read, connections.scratch, connections.application):
        with pytest.raises(sqlite3.OperationalError):
            connect(tmp_path / "a.db")

    assert [] == list(tmp_path.iterdir())


def test_names_may_hold_what_a_uri_may_not(tmp_path):
    path = made(tmp_path / "a ?mode=memory&b#%20.db")

    with closing(connections.read(path)) as connection:
        assert [("old",)] == connection.execute("SELECT x FROM t").fetchall()


def test_a_database_of_our_own_is_new_and_private(tmp_path):
    connections.create(tmp_path / "a.db").close()

    assert 0o600 == (tmp_path / "a.db").stat().st_mode & 0o777
    with pytest.raises(FileExistsError):
        connections.create(tmp_path / "a.db")


def test_reading_cannot_write_and_loads_no_code(tmp_path):
    made(tmp_path / "a.db", "CREATE TABLE t (x); CREATE VIEW v AS SELECT load_extension('x') AS y")

    with closing(connections.read(tmp_path / "a.db")) as connection:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM t")
        with pytest.raises(sqlite3.OperationalError, match=r"unsafe use of load_extension|not authorized"):
            connection.execute("SELECT * FROM v")


def test_the_application_has_its_constraints_alive(tmp_path):
    made(tmp_path / "a.db")

    with closing(connections.application(tmp_path / "a.db")) as connection:
        assert (1,) == connection.execute("PRAGMA foreign_keys").fetchone()
        assert (1,) == connection.execute("PRAGMA synchronous").fetchone()


def test_attaching_reads_only_unless_told_otherwise(tmp_path):
    made(tmp_path / "a.db")
    name = 'odd "name"'

    with closing(connections.memory()) as connection:
        connections.attach(connection, tmp_path / "a.db", name)
        assert [("old",)] == connection.execute(f"SELECT x FROM {connections.quoted(name)}.t").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute(f"DELETE FROM {connections.quoted(name)}.t")


def test_a_journal_mode_that_sqlite_silently_does_not_take_is_an_error():
    """So it answers where it cannot remove its journal; a database in memory has no other mode at any time."""
    with (
        closing(connections.memory()) as connection,
        pytest.raises(MigratorError, match="stays in journal mode memory"),
    ):
        connections.set_journal_mode(connection, "wal")
