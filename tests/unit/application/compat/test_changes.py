"""A connection with a legacy schema sees what others wrote, without loading whole tables again."""

import random
import resource
import signal
import sqlite3
from collections import Counter
from contextlib import closing

import cut_over_set
import pytest

from migrator.application.compat import changes
from migrator.application.compat.tables import Tables
from migrator.schema import catalogue
from migrator.system.connections import quoted

#: Legacy databases of each consolidated one that are looked at, and writes in one draw.
DATABASES, WRITES = ("jarvis", "tax", "whales"), 40


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory):
    return cut_over_set.make(tmp_path_factory.mktemp("made"), rows=1_500)


@pytest.fixture(name="loads")
def _loads(monkeypatch):
    """How many tables were loaded whole, and how many by the rows that were written."""
    counted = Counter()
    whole, some = Tables._load, Tables._load_written

    def load(self, table):
        counted["whole"] += 1
        whole(self, table)

    def load_written(self, table, was, now):
        enough = some(self, table, was, now)
        counted["written"] += enough
        return enough

    monkeypatch.setattr(Tables, "_load", load)
    monkeypatch.setattr(Tables, "_load_written", load_written)
    return counted


def native(data, target):
    connection = sqlite3.connect(data / catalogue.TARGETS[target], isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def compat(data, database):
    return cut_over_set.compat(data, database, isolation_level=None)


def served(connection):
    return [table for table in connection.mirror.tables.values() if table.kind in ("mapped", "carried")]


def seen(connection):
    """Return the rows of each table, each with how often it is there."""
    return {
        table.name: Counter(connection.execute(f"SELECT * FROM {quoted(table.name)}").fetchall())
        for table in served(connection)
    }


def write(connection, table, draw):
    """Do something to *table* that a program might, with an OR of its own; a refusal is as good."""
    name = quoted(table)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
    one, others = quoted(draw.choice(columns)), ", ".join(map(quoted, columns[1:]))
    rows = [rowid for (rowid,) in connection.execute(f"SELECT rowid FROM {name} ORDER BY rowid")] or [0]
    row, other = draw.choice(rows), draw.choice(rows)
    kind = draw.choice(("REPLACE", "REPLACE", "IGNORE", "ABORT"))
    statement = draw.choice(
        (
            f"UPDATE OR {kind} {name} SET {one} = (SELECT {one} FROM {name} WHERE rowid = {other}) WHERE rowid = {row}",
            f"DELETE FROM {name} WHERE rowid = {row}",
            f"INSERT OR {kind} INTO {name} ({others}) SELECT {others} FROM {name} WHERE rowid = {row}",
            f"UPDATE OR {kind} {name} SET rowid = rowid + 100000 WHERE rowid = {row}",
            f"INSERT OR {kind} INTO {name} SELECT * FROM {name} WHERE rowid IN ({row}, {other})",
        )
    )
    try:
        connection.execute(statement)
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("database", DATABASES)
def test_what_others_wrote_is_seen_as_by_a_connection_that_begins_now(data, loads, database, seed):
    draw = random.Random(f"{database} {seed}")  # noqa: S311 - a sample
    with closing(compat(data, database)) as watching, closing(compat(data, database)) as legacy:
        new = native(data, watching.mirror.plan.target)
        # Only a set that a connection with a legacy schema has written to counts its changes.
        first = served(legacy)[0]
        legacy.execute(f"UPDATE {quoted(first.name)} SET rowid = rowid")
        seen(watching)
        for _ in range(WRITES):
            table = draw.choice([table for table in served(watching) if table.into])
            if draw.random() < 0.5:
                write(legacy, table.name, draw)
            else:
                write(new, table.into, draw)
            if draw.random() < 0.3:
                continue
            now = seen(watching)
            with closing(cut_over_set.compat(data, database, isolation_level=None, cached_statements=77)) as begun:
                assert seen(begun) == now
                begun.mirror.tainted = True
        new.close()

    assert loads["written"]


def prices(connection):
    """Return the price of each trade."""
    return [price for (price,) in connection.execute("SELECT price FROM trades").fetchall()]


@pytest.fixture(name="pair")
def _pair(data, loads):
    """A connection with the legacy schema that has read the trades, and one of new code; the set counts its changes."""
    with closing(compat(data, "jarvis")) as watching, closing(native(data, "core")) as new:
        watching.execute("UPDATE trades SET price = price")
        prices(watching)
        loads.clear()
        yield watching, new


def test_only_written_rows_are_loaded(pair, loads):
    watching, new = pair
    new.execute("UPDATE trades SET price = 77.5 WHERE id = (SELECT max(id) FROM trades)")

    assert 1 == prices(watching).count(77.5)
    assert {"written": 1} == loads


def test_a_row_keeps_its_rowid(pair):
    watching, new = pair
    before = watching.execute("SELECT id, rowid FROM trades").fetchall()
    new.execute("UPDATE trades SET price = 77.5 WHERE id % 2")

    assert before == watching.execute("SELECT id, rowid FROM trades").fetchall()


def test_after_more_rows_than_are_noted_the_table_is_loaded_whole(pair, loads):
    watching, new = pair
    for _ in range(changes.KEPT // new.execute("SELECT count(*) FROM trades").fetchone()[0] + 1):
        new.execute("UPDATE trades SET price = 77.5")

    # The legacy schema has those that are in quarantine too.
    assert [77.5] * len(prices(new)) == [price for price in prices(watching) if price == 77.5]
    assert {"whole": 1} == {name: count for name, count in loads.items() if count}
    (noted,) = new.execute("SELECT count(*) FROM compat_written WHERE name = 'trades'").fetchone()
    assert changes.KEPT == noted


def test_what_an_index_that_was_made_since_lets_replace_is_seen(pair, loads):
    watching, new = pair
    new.execute("UPDATE trades SET price = id")
    new.execute("CREATE UNIQUE INDEX one_price ON trades(price)")
    before = len(prices(watching))
    loads.clear()
    new.execute("PRAGMA foreign_keys = OFF")
    new.execute(
        "UPDATE OR REPLACE trades SET price = (SELECT min(price) FROM trades) WHERE id = (SELECT max(id) FROM trades)"
    )

    assert before - 1 == len(prices(watching))
    assert {"whole": 1} == {name: count for name, count in loads.items() if count}


def test_a_set_whose_triggers_only_counted_begins_to_note_rows(pair, loads):
    watching, new = pair
    triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'compat%'"
    for (trigger,) in new.execute(triggers).fetchall():
        new.execute(f"DROP TRIGGER {quoted(trigger)}")
    new.execute("DROP TABLE compat_written")
    counts = "UPDATE compat_changes SET changes = changes + 1 WHERE name = 'trades'"
    new.execute(f'CREATE TRIGGER "compat_changes update trades" AFTER UPDATE ON trades BEGIN {counts}; END')
    new.execute("UPDATE trades SET price = 77.5")
    # The legacy schema has those that are in quarantine too.
    assert [77.5] * len(prices(new)) == [price for price in prices(watching) if price == 77.5]
    watching.execute("UPDATE trades SET price = 78.5")
    loads.clear()

    new.execute("UPDATE trades SET price = 79.5 WHERE id = (SELECT max(id) FROM trades)")

    assert 1 == prices(watching).count(79.5)
    assert {"written": 1} == loads


def test_what_an_undone_transaction_counted_is_not_taken_for_what_another_wrote(pair):
    watching, new = pair
    (one,) = watching.execute("SELECT id FROM trades WHERE id IS NOT NULL LIMIT 1").fetchone()
    watching.execute("BEGIN")
    watching.execute("UPDATE trades SET price = 77.5 WHERE id = ?", (one,))
    watching.mirror.put_now()
    counted = watching.mirror.ours("SELECT changes FROM core.compat_changes WHERE name = 'trades'").fetchone()
    watching.execute("ROLLBACK")

    while new.execute("SELECT changes FROM compat_changes WHERE name = 'trades'").fetchone() < counted:
        new.execute("UPDATE trades SET price = 78.5 WHERE id = (SELECT max(id) FROM trades)")

    assert counted == new.execute("SELECT changes FROM compat_changes WHERE name = 'trades'").fetchone()
    assert 1 == prices(watching).count(78.5)


def as_begun(data, database, watching, table):
    """Return the rows that *watching* sees, if they are those of a connection that begins now."""
    asked = f"SELECT * FROM {table}"
    rows = sorted(map(repr, watching.execute(asked).fetchall()))
    with closing(compat(data, database)) as begun:
        # Not one out of the pool, which may know as little.
        begun.mirror.fresh()
        begun.mirror._tables.loaded.clear()
        assert sorted(map(repr, begun.execute(asked).fetchall())) == rows
    return rows


@pytest.fixture(name="watched")
def _watched(data):
    """Open a legacy database that has read *table*, and its consolidated database by new code."""
    opened = []

    def watch(database, table):
        watching = compat(data, database)
        new = native(data, watching.mirror.plan.target)
        opened.extend((watching, new))
        first = served(watching)[0]
        watching.execute(f"UPDATE {quoted(first.name)} SET rowid = rowid")
        watching.execute(f"SELECT * FROM {table}").fetchall()
        return watching, new

    yield watch
    for connection in opened:
        connection.close()


def test_a_row_that_replace_removed_by_a_key_of_text_stays_removed(data, watched):
    watching, new = watched("jarvis_memory", "settings")
    new.execute("INSERT INTO legacy_jarvis_memory_settings (key, value) VALUES ('k1', 'v1')")
    as_begun(data, "jarvis_memory", watching, "settings")

    new.execute("REPLACE INTO legacy_jarvis_memory_settings (key, value) VALUES ('k1', 'v2')")
    new.execute("DELETE FROM legacy_jarvis_memory_settings WHERE key = 'k1'")

    as_begun(data, "jarvis_memory", watching, "settings")
    assert 0 == watching.execute("UPDATE settings SET value = 'x' WHERE key = 'k1'").rowcount


def test_a_row_that_a_unique_column_hid_is_seen_once_the_other_is_gone(data, watched):
    watching, new = watched("tax", "tax_lots")
    columns = "trade_id, token_address, symbol, quantity, cost_basis_usd, acquisition_date"
    (trade,) = new.execute("SELECT max(id) FROM trades WHERE id NOT IN (SELECT trade_id FROM tax_lots)").fetchone()
    for quantity in (5, 6):
        new.execute(
            f"INSERT INTO tax_lots ({columns}) SELECT ?, token_address, symbol, ?, 1, acquisition_date FROM tax_lots LIMIT 1",
            (trade, quantity),
        )
    before = as_begun(data, "tax", watching, "tax_lots")
    new.execute("DELETE FROM tax_lots WHERE trade_id = ? AND quantity = 5", (trade,))

    assert len(before) == len(as_begun(data, "tax", watching, "tax_lots"))


def test_what_an_index_let_replace_that_is_gone_again_is_seen(data, watched):
    watching, new = watched("jarvis", "trades")
    new.execute("PRAGMA foreign_keys = OFF")
    new.execute("UPDATE trades SET price = id")
    before = as_begun(data, "jarvis", watching, "trades")
    new.execute("CREATE UNIQUE INDEX one_price ON trades(price)")
    new.execute(
        "UPDATE OR REPLACE trades SET price = (SELECT min(price) FROM trades) WHERE id = (SELECT max(id) FROM trades)"
    )
    new.execute("DROP INDEX one_price")

    assert len(before) - 1 == len(as_begun(data, "jarvis", watching, "trades"))


def test_after_vacuum_the_right_rows_of_a_table_without_a_key_are_written(data, watched):
    watching, new = watched("sentiment", "component_correlations")
    carried = "legacy_sentiment_component_correlations"
    new.execute(f"DELETE FROM {carried}")
    new.executemany(f"INSERT INTO {carried} VALUES ('t', ?, 1.0, 1)", [("a",), ("b",), ("c",), ("d",)])
    new.execute(f"DELETE FROM {carried} WHERE component = 'a'")
    as_begun(data, "sentiment", watching, "component_correlations")

    new.execute("VACUUM")
    watching.execute("UPDATE component_correlations SET correlation = 7 WHERE component = 'b'")

    as_begun(data, "sentiment", watching, "component_correlations")
    found = new.execute(f"SELECT component, correlation FROM {carried} ORDER BY component").fetchall()
    assert [("b", 7.0), ("c", 1.0), ("d", 1.0)] == found


def test_a_table_that_a_program_made_anew_is_followed_again(data, watched):
    watching, new = watched("jarvis_memory", "settings")
    carried = "legacy_jarvis_memory_settings"
    (sql,) = new.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (carried,)).fetchone()
    new.executescript(
        f"BEGIN; CREATE TABLE kept AS SELECT * FROM {carried}; DROP TABLE {carried}; {sql};"
        f" INSERT INTO {carried} SELECT * FROM kept; DROP TABLE kept; COMMIT"
    )
    as_begun(data, "jarvis_memory", watching, "settings")
    new.execute(f"INSERT INTO {carried} (key, value) VALUES ('n', '0')")
    as_begun(data, "jarvis_memory", watching, "settings")

    with closing(compat(data, "jarvis_memory")) as other:
        for connection in (watching, other) * 10:
            connection.execute("UPDATE settings SET value = value + 1 WHERE key = 'n'")

    assert (20,) == new.execute(f"SELECT CAST(value AS INTEGER) FROM {carried} WHERE key = 'n'").fetchone()


def test_a_trade_names_its_position_also_before_that_is_read(data, watched):
    watching, new = watched("jarvis", "positions")
    watching.execute("SELECT * FROM trades").fetchall()
    new.execute(
        "INSERT INTO positions (id, symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
        " VALUES (9001, 'N', 'another', 1, 2, 3, 'open', 'w')"
    )
    new.execute(
        "INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, status, signature)"
        " VALUES (9001, 'buy', 'N', 'another', 1, 2, 3, 'confirmed', 'another')"
    )
    asked = "SELECT position_id FROM trades WHERE tx_signature = 'another'"
    named = watching.execute(asked).fetchall()
    (identity,) = watching.execute("SELECT id FROM positions WHERE token_mint = 'another'").fetchone()

    assert [(identity,)] == named == watching.execute(asked).fetchall()
    as_begun(data, "jarvis", watching, "trades")


def test_two_tables_are_read_as_of_one_moment(watched, monkeypatch):
    watching, new = watched("tax", "tax_lots")
    check, done = Tables.check, []

    def another_commits_after_the_look(self):
        changed = check(self)
        if not done:
            done.append(True)
            new.executescript(
                "BEGIN IMMEDIATE; UPDATE tax_lots SET symbol = 'BOTH'; UPDATE legacy_tax_sales SET symbol = 'BOTH'; COMMIT"
            )
        return changed

    monkeypatch.setattr(Tables, "check", another_commits_after_the_look)

    found = watching.execute(
        "SELECT EXISTS (SELECT 1 FROM tax_lots WHERE symbol = 'BOTH'), EXISTS (SELECT 1 FROM sales WHERE symbol = 'BOTH')"
    ).fetchone()
    assert found in ((0, 0), (1, 1))


def test_after_a_commit_that_the_disk_refused_the_rows_are_as_before(data, watched):
    watching, new = watched("jarvis", "trades")
    before = watching.execute("SELECT count(*) FROM positions").fetchone()
    watching.mirror._tables.loaded.pop("positions")
    watching.isolation_level = ""
    watching.execute("UPDATE positions SET entry_price = 7.5")
    size = (data / "jarvis_core.db-wal").stat().st_size
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk"):
            watching.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert not watching.in_transaction
    assert before == watching.execute("SELECT count(*) FROM positions").fetchone()
    assert (0,) == new.execute("SELECT count(*) FROM positions WHERE entry_price = 7.5").fetchone()
    as_begun(data, "jarvis", watching, "positions")


@pytest.mark.parametrize("way", ["commit", "rollback", "executescript", "cursor"])
def test_a_way_round_the_connection_fails(data, way):
    with closing(cut_over_set.compat(data, "jarvis")) as jarvis:
        jarvis.execute("UPDATE trades SET price = 7.5")
        ways = {
            "commit": lambda: sqlite3.Connection.commit(jarvis),
            "rollback": lambda: sqlite3.Connection.rollback(jarvis),
            "executescript": lambda: sqlite3.Connection.executescript(jarvis, "CREATE TABLE IF NOT EXISTS trades (a)"),
            "cursor": lambda: sqlite3.Cursor(jarvis).execute("SELECT 1"),
        }
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            ways[way]()
        jarvis.commit()
        assert (7.5,) == jarvis.execute("SELECT max(price) FROM trades").fetchone()
