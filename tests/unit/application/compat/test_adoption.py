"""Rows of new code have legacy keys at once: a reader writes nothing, and the next writer records the keys that were shown."""

import json
import sqlite3
from contextlib import closing

import cut_over_set
import pytest
import small_set

import migrator
from migrator.application.compat import connection as compat_connection
from migrator.schema import catalogue
from migrator.switch import state as switch_state

POSITION = (
    "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
    " VALUES ('NEW', 'M', 1, 2, 3, 'open', 'w')"
)
TRADE = (
    "INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)"
    " SELECT max(id), 'buy', 'NEW', 'Mint', 1, 2, 3, 'confirmed' FROM positions"
)
MEASURE = (
    "INSERT INTO metrics (metric_name, metric_value, timestamp, tags) VALUES ('total_requests', 7, '2031-01-01 00:00:00',"
    """ '{"component":"api","resolution":"1m"}')"""
)
READING = "INSERT INTO sentiment_readings (symbol, token_address, score, timestamp) VALUES ('NEW', 'M', 50, '2031-01-01 00:00:00')"
#: Kind of key -> legacy database and table, what its new rows have, and the statements of new code.
NEW_ROWS = {
    "text": ("jarvis", "positions", "symbol = 'NEW'", [POSITION, POSITION.replace("'M'", "'M2'")]),
    "kept": ("sentiment", "sentiment_readings", "symbol = 'NEW'", [READING, READING]),
    "of several rows": (
        "metrics",
        "metrics_1m",
        "timestamp LIKE '2031%'",
        [MEASURE, MEASURE.replace("total_requests', 7", "error_rate', 0.5")],
    ),
}


def native(data, database):
    target = next(name.target for name in switch_state.read(data).names if name.database == database)
    return closing(sqlite3.connect(data / catalogue.TARGETS[target], isolation_level=None))


def read_only(data, database):
    (name,) = (name for name in switch_state.read(data).names if name.database == database)
    return closing(migrator.connect(f"file:{name.path}?mode=ro", uri=True, timeout=0, isolation_level=None))


def lineage(native):
    return native.execute("SELECT * FROM lineage ORDER BY rowid").fetchall()


@pytest.mark.parametrize("kind", NEW_ROWS)
@pytest.mark.parametrize("writes", [False, True], ids=["never written", "written before"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "another writes"])
def test_readers_show_the_keys_that_the_next_writer_records(data, kind, writes, busy):
    database, table, new, statements = NEW_ROWS[kind]
    asked = f"SELECT * FROM {table} WHERE {new} ORDER BY 1"
    touched = f"UPDATE {table} SET rowid = rowid WHERE rowid = (SELECT min(rowid) FROM {table})"
    with native(data, database) as core, native(data, database) as watching, read_only(data, database) as reader:
        if writes:
            with closing(cut_over_set.compat(data, database, isolation_level=None)) as before:
                before.execute(touched)
        assert [] == reader.execute(asked).fetchall()
        for statement in statements:
            core.execute(statement)
        before, version = lineage(core), watching.execute("PRAGMA data_version").fetchone()
        if busy:
            core.execute("BEGIN IMMEDIATE")
        shown = reader.execute(asked).fetchall()
        with closing(cut_over_set.compat(data, database, timeout=0, isolation_level=None)) as another:
            assert shown == another.execute(asked).fetchall()
        if busy:
            core.execute("ROLLBACK")
        assert shown
        assert (before, version) == (lineage(core), watching.execute("PRAGMA data_version").fetchone())

        with closing(cut_over_set.compat(data, database, isolation_level=None)) as writer:
            writer.execute(touched)
            assert shown == writer.execute(asked).fetchall()
        assert {row[0] for row in shown} <= {row[1] for row in lineage(core)[len(before) :]}
        assert shown == reader.execute(asked).fetchall()


@pytest.mark.parametrize("kind", NEW_ROWS)
def test_a_rollback_gives_the_keys_that_readers_showed(data, kind):
    database, table, new, statements = NEW_ROWS[kind]
    asked = f"SELECT * FROM {table} WHERE {new} ORDER BY 1"
    with native(data, database) as core, read_only(data, database) as reader:
        for statement in statements:
            core.execute(statement)
        shown = reader.execute(asked).fetchall()
    compat_connection.POOL.clear()

    small_set.roll_back(data.parent)

    (name,) = (name for name in switch_state.read(data).names if name.database == database)
    with closing(sqlite3.connect(data / name.place)) as legacy:
        assert shown == legacy.execute(asked).fetchall()


def test_a_trade_names_a_position_whose_key_is_only_in_memory(data):
    with native(data, "jarvis") as core, read_only(data, "jarvis") as reader:
        core.execute(POSITION)
        core.execute(TRADE)
        named = reader.execute("SELECT position_id FROM trades WHERE symbol = 'NEW'").fetchall()
        assert named == reader.execute("SELECT id FROM positions WHERE symbol = 'NEW'").fetchall()
        assert 8 == len(named[0][0])


def test_legacy_code_gives_the_next_number(data):
    database, table, new, (measure, _) = NEW_ROWS["of several rows"]
    asked = f"SELECT id FROM {table} WHERE {new} ORDER BY 1"
    with native(data, database) as analytics, closing(cut_over_set.compat(data, database)) as metrics:
        analytics.execute(measure)
        ((shown,),) = metrics.execute(asked).fetchall()
        with metrics:
            added = f"INSERT INTO {table} (component, timestamp, total_requests) VALUES ('other', '2031-01-01T00:01:00+00:00', 1)"
            assert shown + 1 == metrics.execute(added).lastrowid
        with read_only(data, database) as reader:
            assert [(shown,), (shown + 1,)] == reader.execute(asked).fetchall()


@pytest.mark.parametrize("end", ["ROLLBACK", "ROLLBACK TO s"])
def test_a_record_that_was_undone_is_made_by_the_next_writer(data, end):
    asked = "SELECT target_id FROM lineage WHERE source = 'jarvis.positions' AND legacy_key = ?"
    with native(data, "jarvis") as core, closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as jarvis:
        core.execute(POSITION)
        identity = core.execute("SELECT max(id) FROM positions").fetchone()
        key = jarvis.execute("SELECT id FROM positions WHERE symbol = 'NEW'").fetchone()
        for statement in (
            "BEGIN",
            "SAVEPOINT s",
            "UPDATE positions SET status = 'closed_tp' WHERE symbol = 'NEW'",
            end,
        ):
            jarvis.execute(statement)
        jarvis.execute("UPDATE positions SET exit_price = 7.5 WHERE id = ?", key)
        if jarvis.in_transaction:
            jarvis.execute("COMMIT")

        assert [identity] == core.execute(asked, key).fetchall()
        assert (1, "open") == core.execute(
            "SELECT count(*), max(status) FROM positions WHERE symbol = 'NEW'"
        ).fetchone()
        with closing(cut_over_set.compat(data, "jarvis", cached_statements=77)) as begun:
            assert [(*key, 7.5)] == begun.execute(
                "SELECT id, exit_price FROM positions WHERE symbol = 'NEW'"
            ).fetchall()


def test_rows_under_way_stay_while_new_rows_are_recognized_in_quarantine(data):
    with native(data, "jarvis") as core, closing(cut_over_set.compat(data, "jarvis")) as jarvis:
        core.execute(POSITION)
        asked = "SELECT order_id, n FROM treasury_orders, (SELECT 1 AS n UNION SELECT 2)"
        rows = jarvis.execute(asked)
        first = rows.fetchone()

        assert (1,) == jarvis.execute("SELECT count(*) FROM positions WHERE symbol = 'NEW'").fetchone()
        assert jarvis.execute(asked).fetchall() == [first, *rows.fetchall()]


def test_a_quarantined_row_without_a_key_that_a_new_row_is_is_shown_once(data):
    """Also by a connection that had loaded the quarantined row."""
    asked = "SELECT count(*) FROM positions WHERE token_mint = ?"
    with native(data, "jarvis") as core, closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as jarvis:
        # Only a set that a connection with a legacy schema has written to counts its changes.
        jarvis.execute("UPDATE scorecard SET total_trades = 1")
        rows = core.execute("SELECT row FROM quarantine WHERE source = 'jarvis.positions' AND legacy_key IS NULL")
        row = next(cells for cells in map(json.loads, *zip(*rows, strict=True)) if cells["id"] is None)
        assert (1,) == jarvis.execute(asked, (row["token_mint"],)).fetchone()
        core.execute(
            "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, entry_time, status, wallet_address)"
            " VALUES (?, ?, ?, ?, ?, ?, 'open', 'w')",
            (row["symbol"], row["token_mint"], row["entry_price"], row["entry_amount_tokens"], row["entry_amount_sol"],
             row["opened_at"][:19].replace("T", " ")),
        )  # fmt: skip
        with read_only(data, "jarvis") as begun:
            assert (1,) == begun.execute(asked, (row["token_mint"],)).fetchone()
        assert (1,) == jarvis.execute(asked, (row["token_mint"],)).fetchone()
