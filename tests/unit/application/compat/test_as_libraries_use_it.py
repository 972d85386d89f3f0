"""What libraries do with a connection of sqlite3 beside running statements, they may do with a legacy schema."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import cut_over_set
import pytest
import small_set

from migrator.application.compat import connection as compat_connection


@pytest.fixture(scope="module", name="moved")
def _moved(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("moved") / "set")
    small_set.cut_over(home)
    yield home
    compat_connection.POOL.clear()


def seen(connection):
    """Return what another thread reads and sets, and what is refused there."""
    connection.execute("UPDATE scorecard SET total_trades = total_trades")

    def elsewhere():
        found = [
            connection.total_changes,
            connection.in_transaction,
            connection.isolation_level,
            connection.row_factory,
        ]
        connection.text_factory, connection.row_factory = bytes, sqlite3.Row
        found += [connection.text_factory, connection.row_factory]
        for method in (connection.commit, connection.cursor, connection.close):
            try:
                method()
            except sqlite3.ProgrammingError as error:
                found.append(str(error).partition("The object")[0])
        return found

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(elsewhere).result()


def test_another_thread_reads_and_sets_what_it_may_of_a_connection_of_sqlite(moved, tmp_path):
    with (
        closing(cut_over_set.legacy_copy(moved / "data", "jarvis", tmp_path / "legacy.db")) as legacy,
        closing(cut_over_set.compat(moved / "data", "jarvis")) as compat,
    ):
        assert seen(legacy) == seen(compat)


def test_a_closed_connection_is_refused(moved):
    connection = cut_over_set.compat(moved / "data", "jarvis")
    connection.close()

    with pytest.raises(sqlite3.ProgrammingError, match="Cannot operate on a closed database"):
        _ = connection.total_changes


@pytest.mark.parametrize("level", ["", "IMMEDIATE", None])
def test_a_pragma_of_foreign_keys_has_no_result_and_begins_no_transaction(moved, tmp_path, level):
    told = []
    with (
        closing(cut_over_set.legacy_copy(moved / "data", "jarvis", tmp_path / "legacy.db")) as legacy,
        closing(cut_over_set.compat(moved / "data", "jarvis")) as compat,
    ):
        for connection in (legacy, compat):
            connection.isolation_level = level
            seen = []
            for pragma in (
                "foreign_keys = ON",
                "synchronous = NORMAL",
                "foreign_keys",
                "foreign_keys(0)",
                "foreign_keys",
            ):
                cursor = connection.execute(f"PRAGMA {pragma}")
                seen.append(
                    (cursor.description, cursor.fetchall(), connection.in_transaction, connection.isolation_level)
                )
            told.append(seen)

    assert told[0] == told[1]
