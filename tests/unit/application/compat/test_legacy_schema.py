"""Legacy code on the consolidated set: the same rows, effects and errors as on the legacy file."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from unittest import mock

import cut_over_set
import pytest
import small_set
from legacy_model import Model, content, read_anything

import migrator
from migrator.application.compat import connection as compat_connection
from migrator.application.compat.errors import Unsupported
from migrator.application.compat.put import Put
from migrator.errors import UsageError

POSITION = (
    "INSERT OR REPLACE INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status,"
    " opened_at) VALUES (?, ?, ?, 1.5, 2.0, 3.0, ?, '2026-02-01T00:00:00+00:00')"
)


@pytest.fixture(name="jarvis")
def _jarvis(data):
    with closing(cut_over_set.compat(data, "jarvis")) as connection:
        yield connection


def core(data):
    return closing(sqlite3.connect(data / "jarvis_core.db"))


@pytest.mark.parametrize(
    "database",
    [
        "jarvis",
        "jarvis_memory",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("tax", "call_tracking", "metrics", "whales", "file_cache", "jarvis_x_memory", "sentiment")
        ),
    ],
)
def test_random_statements_do_the_same_as_on_the_legacy_file(data, tmp_path, database):
    with Model(data, database, tmp_path / "legacy.db", seed=database) as model:
        for _ in range(4):
            model.run(60)

        # What a connection that begins now reads comes from the consolidated set alone.
        compat_connection.POOL.clear()
        with closing(cut_over_set.compat(data, database)) as begun:
            begun.text_factory = read_anything
            assert content(model.aside, model.tables) == content(begun, model.tables)
    for path in data.glob("jarvis_*.db"):
        with closing(sqlite3.connect(path)) as connection:
            assert [] == connection.execute("PRAGMA foreign_key_check").fetchall()
            assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


def test_a_write_is_a_row_of_the_specification(data, jarvis):
    with jarvis:
        jarvis.execute(POSITION, ("0badcafe", "NEW", "NewMint", "open"))

    with core(data) as connection:
        written = "SELECT symbol, token_address, amount_sol, entry_time, status FROM positions WHERE symbol = 'NEW'"
        assert [("NEW", "NewMint", 2.0, "2026-02-01 00:00:00", "open")] == connection.execute(written).fetchall()


def test_a_refused_row_is_kept_whole_and_shown_until_it_fits(data, jarvis):
    with jarvis:
        jarvis.execute(POSITION, ("0badcafe", "NEW", "NewMint", "no such state"))
    quarantined = "SELECT broken FROM quarantine WHERE legacy_key = '0badcafe'"

    assert [("no such state",)] == jarvis.execute("SELECT status FROM positions WHERE id = '0badcafe'").fetchall()
    with core(data) as connection:
        assert [("CHECK status IN ('open', 'closed', 'partial')",)] == connection.execute(quarantined).fetchall()

    with jarvis:
        jarvis.execute("UPDATE positions SET status = 'open' WHERE id = '0badcafe'")
    with core(data) as connection:
        assert [] == connection.execute(quarantined).fetchall()
        assert [("NEW",)] == connection.execute(
            "SELECT symbol FROM positions WHERE token_address = 'NewMint'"
        ).fetchall()


def test_rows_that_are_deleted_and_inserted_again_keep_ids_and_links(data, jarvis):
    with core(data) as connection:
        before = (
            connection.execute("SELECT * FROM positions").fetchall(),
            connection.execute("SELECT * FROM trades").fetchall(),
        )
    rows = jarvis.execute("SELECT * FROM positions").fetchall()
    with jarvis:
        jarvis.execute("DELETE FROM positions")
        jarvis.executemany(f"INSERT INTO positions VALUES ({', '.join('?' for _ in rows[0])})", rows)

    with core(data) as connection:
        after = (
            connection.execute("SELECT * FROM positions").fetchall(),
            connection.execute("SELECT * FROM trades").fetchall(),
        )
        assert before == after


def test_what_new_code_wrote_stays_where_legacy_code_writes_other_columns(data, jarvis):
    (key,) = jarvis.execute("SELECT id FROM positions WHERE status = 'open'").fetchone()
    with core(data) as connection, connection:
        id_of = "(SELECT target_id FROM lineage WHERE source = 'jarvis.positions' AND legacy_key = ?)"
        new = "UPDATE positions SET notes = 'hold', metadata = json_set(metadata, '$.mine', 1) WHERE id = "
        connection.execute(new + id_of, (key,))
    with jarvis:
        jarvis.execute("UPDATE positions SET exit_price = 7.5 WHERE id = ?", (key,))

    with core(data) as connection:
        asked = "SELECT notes, metadata ->> '$.mine', metadata ->> '$.exit_price' FROM positions WHERE id = "
        assert ("hold", 1, 7.5) == connection.execute(asked + id_of, (key,)).fetchone()


def test_a_commit_of_another_connection_is_seen_and_other_tables_are_not_loaded_again(data, jarvis):
    with closing(cut_over_set.compat(data, "jarvis")) as other:
        jarvis.execute("SELECT count(*) FROM positions").fetchone()
        other.execute("SELECT count(*) FROM error_logs").fetchone()
        with jarvis:
            # The first write makes the counters.
            jarvis.execute("UPDATE scorecard SET total_trades = 1")
        other.execute("SELECT count(*) FROM positions").fetchone()
        loads = []
        other.mirror.set_trace_callback(lambda sql: loads.append(sql) if sql.startswith('DELETE FROM main."') else None)
        with jarvis:
            jarvis.execute(
                "INSERT INTO error_logs (error_type, component, message, created_at) VALUES ('e', 'c', 'm', '')"
            )

        assert [("m",)] == other.execute("SELECT message FROM error_logs WHERE error_type = 'e'").fetchall()
        other.execute("SELECT count(*) FROM positions").fetchone()
        assert ['DELETE FROM main."error_logs"'] == loads


def test_a_commit_of_any_other_program_is_seen(data, jarvis):
    with jarvis:
        jarvis.execute("UPDATE scorecard SET total_trades = 1")
    with core(data) as connection, connection:
        connection.execute("UPDATE scorecard SET total_trades = 4711")

    assert (4711,) == jarvis.execute("SELECT total_trades FROM scorecard").fetchone()


COUNT_UP = """
import sys
from contextlib import closing

import migrator

for _ in range(int(sys.argv[2])):
    with closing(migrator.connect(sys.argv[1], timeout=60)) as connection, connection:
        connection.execute("UPDATE scorecard SET total_trades = total_trades + 1")
"""


@pytest.mark.parametrize(("number", "times"), [(2, 20), pytest.param(4, 1_000, marks=pytest.mark.slow)])
def test_no_increment_of_several_processes_is_lost(data, jarvis, number, times):
    with jarvis:
        jarvis.execute("UPDATE scorecard SET total_trades = 0")
    program = [sys.executable, "-c", COUNT_UP, data / "jarvis.db", str(times)]
    processes = [subprocess.Popen(program) for _ in range(number)]
    assert [0] * number == [process.wait() for process in processes]

    assert (number * times,) == jarvis.execute("SELECT total_trades FROM scorecard").fetchone()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE brand_new (a)", "makes the table 'brand_new', which the legacy database did not have"),
        ("ALTER TABLE positions ADD COLUMN extra", "alters 'positions'"),
        ("DROP TABLE scorecard", "drops 'scorecard'"),
        ("PRAGMA user_version = 99", "user_version cannot be changed"),
        ("DELETE FROM sqlite_sequence", "changes sqlite_sequence"),
    ],
)
def test_what_would_be_lost_is_refused_in_one_sentence(jarvis, statement, what):
    with pytest.raises(Unsupported, match=what):
        jarvis.execute(statement)


def test_what_is_there_already_may_be_made_if_it_is_not_there(jarvis):
    jarvis.execute("CREATE TABLE IF NOT EXISTS positions (id)")
    with pytest.raises(sqlite3.OperationalError, match="table positions already exists"):
        jarvis.execute("CREATE TABLE positions (id)")


def test_tables_of_the_consolidated_database_are_not_there(jarvis):
    for table in ("config", "lineage", "quarantine"):
        with pytest.raises(sqlite3.OperationalError, match=f"no such table: {table}"):
            jarvis.execute(f"SELECT * FROM {table}")


def test_no_way_to_commit_loses_a_write(data, jarvis):
    def total():
        with core(data) as connection:
            return connection.execute("SELECT total_trades FROM scorecard").fetchone()[0]

    jarvis.execute("UPDATE scorecard SET total_trades = 1001")
    jarvis.isolation_level = None
    assert 1001 == total()
    jarvis.execute("UPDATE scorecard SET total_trades = 1002")
    assert 1002 == total()
    jarvis.executescript("UPDATE scorecard SET total_trades = 1003;")
    assert 1003 == total()
    jarvis.execute("SAVEPOINT s")
    jarvis.execute("UPDATE scorecard SET total_trades = 1004")
    jarvis.execute("RELEASE s")
    assert 1004 == total()
    with pytest.raises(sqlite3.Error):
        sqlite3.Cursor(jarvis.mirror).execute("UPDATE scorecard SET total_trades = 1005")
    jarvis.execute("BEGIN")
    jarvis.execute("UPDATE scorecard SET total_trades = 1006")
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.Connection.commit(jarvis.mirror)
    jarvis.rollback()
    assert 1004 == total()


def test_a_rollback_takes_everything_back(data, jarvis):
    before = jarvis.execute("SELECT * FROM positions").fetchall()
    jarvis.execute("DELETE FROM positions")
    jarvis.rollback()

    assert before == jarvis.execute("SELECT * FROM positions").fetchall()
    with core(data) as connection:
        assert connection.execute("SELECT count(*) FROM positions").fetchone()[0] > 0


def test_rows_under_way_are_those_of_the_statement(data, jarvis):
    rows = jarvis.execute("SELECT id FROM positions WHERE id IS NOT NULL ORDER BY id")
    first = rows.fetchone()
    with closing(cut_over_set.compat(data, "jarvis")) as other, other:
        other.execute("DELETE FROM positions")
    jarvis.execute("SELECT count(*) FROM positions").fetchone()

    assert first[0] < rows.fetchone()[0]


def test_foreign_keys_are_checked_where_the_caller_asks(data):
    with closing(cut_over_set.compat(data, "jarvis_memory", isolation_level=None)) as memory:
        orphan = "INSERT INTO facts (entity, entity_id, fact) VALUES ('x', 987654, 'f')"
        memory.execute(orphan)
        memory.execute("PRAGMA foreign_keys = ON")
        assert (1,) == memory.execute("PRAGMA foreign_keys").fetchone()
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY constraint failed"):
            memory.execute(orphan.replace("'f'", "'g'"))


def test_full_text_finds_what_was_written(data):
    with closing(cut_over_set.compat(data, "jarvis_memory")) as memory:
        with memory:
            memory.execute("INSERT INTO facts (entity, fact) VALUES ('x', 'a quagga was seen')")
        found = (
            "SELECT facts.entity FROM facts_fts JOIN facts ON facts.id = facts_fts.rowid WHERE facts_fts MATCH 'quagga'"
        )
        assert [("x",)] == memory.execute(found).fetchall()
    with closing(cut_over_set.compat(data, "jarvis_memory")) as memory:
        assert [("x",)] == memory.execute(found).fetchall()


def test_the_interface_is_that_of_sqlite3(jarvis, tmp_path):
    jarvis.row_factory = sqlite3.Row
    row = jarvis.execute("SELECT * FROM scorecard").fetchone()
    assert "total_trades" in row.keys()  # noqa: SIM118 - a Row has no keys by itself
    assert ["id", "symbol"] == [column[0] for column in jarvis.execute("SELECT id, symbol FROM positions").description]
    jarvis.row_factory = None
    jarvis.text_factory = bytes
    assert isinstance(jarvis.execute("SELECT max(id) FROM positions").fetchone()[0], bytes)
    jarvis.text_factory = str
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        jarvis.backup(copy)
        counted = "SELECT count(*) FROM trades"
        assert copy.execute(counted).fetchone() == jarvis.execute(counted).fetchone()
    assert any("CREATE TABLE positions" in line for line in jarvis.iterdump())
    before = jarvis.total_changes
    jarvis.execute("UPDATE scorecard SET total_trades = 5")
    assert (1, True) == (jarvis.total_changes - before, jarvis.in_transaction)
    assert (1,) == jarvis.execute("SELECT changes()").fetchone()


def test_a_closed_connection_stays_closed_and_another_thread_is_told(data):
    connection = cut_over_set.compat(data, "jarvis")
    errors = []

    def use():
        try:
            connection.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            errors.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    connection.close()
    connection.close()

    assert "can only be used in that same thread" in errors[0]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_the_next_connection_is_as_new(data):
    with closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as first:
        first.execute("BEGIN")
        first.execute("DELETE FROM scorecard")
        first.row_factory = sqlite3.Row
        first.text_factory = bytes
        mirror = first.mirror
    with closing(cut_over_set.compat(data, "jarvis")) as second:
        assert mirror is second.mirror
        assert ("", False) == (second.isolation_level, second.in_transaction)
        assert 1 == second.execute("SELECT count(*) FROM scorecard").fetchone()[0]
        second.create_function("mine", 0, lambda: 1)
    with closing(cut_over_set.compat(data, "jarvis")) as third:
        assert mirror is not third.mirror


def test_an_idle_connection_closes_its_file(data, monkeypatch):
    monkeypatch.setattr(compat_connection, "IDLE_S", 0.05)
    with closing(cut_over_set.compat(data, "jarvis")) as connection:
        connection.execute("SELECT count(*) FROM positions").fetchone()
        mirror = connection.mirror
        attached = mirror.execute("SELECT name FROM main.pragma_database_list").fetchall()
        assert ("core",) in attached
    for _ in range(100):
        time.sleep(0.05)
        if ("core",) not in mirror.execute("SELECT name FROM main.pragma_database_list").fetchall():
            break
    else:
        pytest.fail("the file is open after 5 s")
    with closing(cut_over_set.compat(data, "jarvis")) as connection:
        assert connection.execute("SELECT count(*) FROM positions").fetchone()[0] > 0


def test_the_schema_may_be_chosen(data):
    with closing(migrator.connect(data / "jarvis.db", schema="consolidated")) as connection:
        connection.execute("SELECT token_address FROM positions")
    with closing(migrator.connect(data / "jarvis_core.db")) as connection:
        connection.execute("SELECT token_address FROM positions")
    with pytest.raises(UsageError, match="has no legacy schema"):
        migrator.connect(data / "jarvis_core.db", schema="legacy")
    with pytest.raises(UsageError, match="expected 'legacy' or 'consolidated'"):
        migrator.connect(data / "jarvis.db", schema="old")


def test_statements_are_counted_for_the_monitor(data, jarvis):
    jarvis.execute("SELECT 1 FROM positions").fetchone()
    with pytest.raises(sqlite3.OperationalError):
        jarvis.execute("SELECT nothing FROM positions")
    jarvis.counter.write()

    assert '"failed": 1' in (data / ".migrator" / "events.jsonl").read_text()


def test_rows_of_new_code_have_legacy_keys_and_keep_them(data, jarvis):
    with core(data) as connection, connection:
        connection.execute(
            "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
            " VALUES ('NEW', 'NewMint', 1, 2, 3, 'open', 'w')"
        )
        connection.execute(
            "INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status)"
            " VALUES (last_insert_rowid(), 'buy', 'NEW', 'NewMint', 1, 2, 3, 'confirmed')"
        )
    ((key, closed_at),) = jarvis.execute("SELECT id, closed_at FROM positions WHERE symbol = 'NEW'").fetchall()
    assert 8 == len(key)
    assert "" == closed_at
    assert [(key,)] == jarvis.execute("SELECT position_id FROM trades WHERE symbol = 'NEW'").fetchall()
    with jarvis:
        jarvis.execute("UPDATE positions SET status = 'closed_tp' WHERE id = ?", (key,))
    with core(data) as connection, connection:
        assert [("closed",)] == connection.execute("SELECT status FROM positions WHERE symbol = 'NEW'").fetchall()
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM positions WHERE symbol = 'NEW'")
    assert [] == jarvis.execute("SELECT id FROM positions WHERE symbol = 'NEW'").fetchall()
    assert [("",)] == jarvis.execute("SELECT position_id FROM trades WHERE symbol = 'NEW'").fetchall()


def test_new_measures_that_belong_together_are_one_legacy_row(data):
    tags = '{"component":"api","resolution":"1m"}'
    with closing(sqlite3.connect(data / "jarvis_analytics.db")) as analytics, analytics:
        analytics.executemany(
            "INSERT INTO metrics (metric_name, metric_value, timestamp, tags) VALUES (?, ?, '2031-01-01 00:00:00', ?)",
            [("total_requests", 7, tags), ("error_rate", 0.5, tags)],
        )
    with closing(cut_over_set.compat(data, "metrics")) as metrics:
        asked = "SELECT component, total_requests, error_rate FROM metrics_1m WHERE timestamp LIKE '2031%'"
        assert [("api", 7, 0.5)] == metrics.execute(asked).fetchall()


def test_a_key_may_come_back_after_new_code_deleted_its_row(data):
    with closing(cut_over_set.compat(data, "telegram_memory")) as telegram:
        (key,) = telegram.execute("SELECT max(id) FROM messages WHERE content <> ''").fetchone()
        with closing(sqlite3.connect(data / "jarvis_analytics.db")) as analytics, analytics:
            analytics.execute("DELETE FROM telegram_messages WHERE id = ?", (key,))
        with telegram:
            telegram.execute(
                "INSERT INTO messages (id, user_id, role, content, timestamp) VALUES (?, 5, 'user', 'again', '2026-02-01')",
                (key,),
            )
        with closing(sqlite3.connect(data / "jarvis_analytics.db")) as analytics:
            asked = "SELECT message FROM telegram_messages WHERE id = ?"
            assert [("again",)] == analytics.execute(asked, (key,)).fetchall()


def test_a_commit_that_fails_leaves_nothing_half_done_in_its_transaction(data, jarvis):
    jarvis.execute(POSITION, ("0badcafe", "NEW", "NewMint", "open"))
    failing = mock.patch.object(Put, "_write_rest", side_effect=sqlite3.OperationalError("disk I/O error"))
    with failing, pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        jarvis.commit()
    assert jarvis.in_transaction
    jarvis.execute("DELETE FROM positions WHERE id = '0badcafe'")
    jarvis.execute(POSITION, ("0badbeef", "NEWER", "NewerMint", "open"))
    jarvis.commit()

    with core(data) as connection:
        assert [("NEWER",)] == connection.execute("SELECT symbol FROM positions WHERE symbol LIKE 'NEW%'").fetchall()
        assert [] == connection.execute("SELECT * FROM lineage WHERE legacy_key = '0badcafe'").fetchall()


def test_rows_before_an_error_of_executemany_stay_where_each_is_a_transaction(data, tmp_path):
    written = "INSERT INTO error_logs (id, error_type, component, message, created_at) VALUES (?, 'e', 'c', 'm', '')"
    with (
        closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as legacy,
        closing(cut_over_set.compat(data, "jarvis")) as compat,
    ):
        found = []
        for connection in (legacy, compat):
            connection.isolation_level = None
            with pytest.raises(sqlite3.IntegrityError):
                connection.executemany(written, [(9001,), (9002,), (9001,), (9003,)])
            assert not connection.in_transaction
            count = connection.executemany(written, [(9004,), (9005,)]).rowcount
            found.append((count, connection.execute("SELECT id FROM error_logs WHERE id > 9000 ORDER BY 1").fetchall()))
    assert found[0] == found[1]
    assert (2, [(9001,), (9002,), (9004,), (9005,)]) == found[1]


def test_a_number_that_an_ignored_row_took_is_not_given_again(data, tmp_path):
    """As AUTOINCREMENT does it, which other connections have to know of though no row was written."""
    ignored = (
        "INSERT OR IGNORE INTO error_logs (error_type, component, message, created_at) VALUES (NULL, 'c', 'm', '')"
    )
    written = ignored.replace("NULL", "'e'")
    with closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as legacy:
        expected = [legacy.execute(one).lastrowid for one in (written, ignored, written)][::2]
    with (
        closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as one,
        closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as other,
    ):
        found = [one.execute(written).lastrowid]
        other.execute("SELECT max(id) FROM error_logs").fetchone()
        one.execute(ignored)
        assert expected == [*found, other.execute(written).lastrowid]
        sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'error_logs'"
        assert expected[1:] == [*one.execute(sequence).fetchone()]


def test_a_number_of_ones_own_stays_after_a_rollback_to_a_savepoint(data, tmp_path):
    ignored = (
        "INSERT OR IGNORE INTO error_logs (error_type, component, message, created_at) VALUES (NULL, 'c', 'm', '')"
    )
    written = ignored.replace("NULL", "'e'")
    found = []
    with (
        closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as legacy,
        closing(cut_over_set.compat(data, "jarvis")) as compat,
    ):
        for connection in (legacy, compat):
            for statement in (ignored, "SAVEPOINT s", "ROLLBACK TO s"):
                connection.execute(statement)
            found.append(connection.execute(written).lastrowid)
    assert found[0] == found[1]


def test_the_last_id_is_that_of_the_rows_before_a_failed_one(data, tmp_path):
    written = "INSERT INTO error_logs (error_type, component, message, created_at) VALUES (?, 'c', 'm', '')"
    found = []
    with (
        closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as legacy,
        closing(cut_over_set.compat(data, "jarvis")) as compat,
    ):
        for connection in (legacy, compat):
            with pytest.raises(sqlite3.IntegrityError):
                connection.executemany(written, [("e",), (None,)])
            found.append(connection.execute("SELECT last_insert_rowid()").fetchone())
    assert found[0] == found[1]


def test_a_key_that_is_no_utf_8_can_be_written(data, jarvis):
    """What decides about the row reads its key; the caller's own ``text_factory`` is for the caller's rows."""
    with jarvis:
        jarvis.execute(
            "UPDATE treasury_orders SET order_id = CAST(x'6fff' AS TEXT) WHERE order_id = (SELECT min(order_id) FROM treasury_orders)"
        )
        jarvis.execute(
            "UPDATE positions SET id = CAST(x'6ffe' AS TEXT), status = 'weird' WHERE id = (SELECT min(id) FROM positions)"
        )
    compat_connection.POOL.clear()
    with closing(cut_over_set.compat(data, "jarvis")) as begun:
        asked = "SELECT hex(order_id) FROM treasury_orders WHERE hex(order_id) = '6FFF' UNION SELECT hex(id) FROM positions WHERE hex(id) = '6FFE'"
        assert [("6FFE",), ("6FFF",)] == begun.execute(asked).fetchall()


def test_a_rollback_survives_a_parent_whose_key_is_no_utf_8(data):
    """A commit through the legacy schema adds a parent that only its row names."""
    with closing(cut_over_set.compat(data, "whales")) as whales, whales:
        whales.execute(
            "UPDATE whale_movements SET wallet_address = CAST(x'6fff' AS TEXT) WHERE id = (SELECT min(id) FROM whale_movements)"
        )
    compat_connection.POOL.clear()

    small_set.roll_back(data.parent)

    with closing(sqlite3.connect(data / "whales.db")) as legacy:
        asked = "SELECT count(*) FROM whale_movements WHERE hex(wallet_address) = '6FFF'"
        assert (1,) == legacy.execute(asked).fetchone()


def test_a_commit_that_writes_no_row_keeps_no_reader_from_writing(data):
    """SQLite refuses the write of a transaction that read before another wrote a page."""
    nothing = ("DELETE FROM error_logs WHERE id = -7", "UPDATE OR IGNORE error_logs SET message = NULL",
               "UPDATE OR IGNORE positions SET symbol = NULL WHERE id IS NULL",
               "INSERT OR IGNORE INTO daily_stats (date) SELECT date FROM daily_stats LIMIT 1")  # fmt: skip
    with (
        closing(cut_over_set.compat(data, "jarvis", timeout=0, isolation_level=None)) as one,
        closing(cut_over_set.compat(data, "jarvis", timeout=0, isolation_level=None)) as other,
    ):
        one.execute("INSERT INTO error_logs (error_type, component, message, created_at) VALUES ('e', 'c', 'm', '')")
        for statement in nothing:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM positions").fetchone()
            one.execute("BEGIN")
            one.execute(statement)
            with pytest.raises(sqlite3.IntegrityError):
                one.execute(
                    "INSERT INTO error_logs (error_type, component, message, created_at) VALUES (NULL, 'c', 'm', '')"
                )
            one.execute("COMMIT")
            other.execute("UPDATE scorecard SET total_trades = total_trades + 1")
            other.execute("COMMIT")
