"""The write-back of rows of mapped tables: defaults, parts, kept cells, new ids, times, lookups, quarantine, uniqueness."""

import sqlite3
import time
from contextlib import closing

import carried_set
import pytest
import small_set
import written_since
from written_since import After, opened

from contracts.checks import finished_rollback
from migrator.system import connections

pytestmark = pytest.mark.slow


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    return written_since.planted(tmp_path_factory.mktemp("found") / "home", "found")


@pytest.fixture(name="fresh")
def _fresh(built, tmp_path):
    """A legacy set as found that a test may change before it is built again."""
    return small_set.copied(built, tmp_path / "home")


@pytest.fixture(name="home")
def _home(fresh):
    """A set as found, that was cut over."""
    small_set.cut_over(fresh)
    return fresh


def write(home, target, *statements):
    with opened(home, target) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement


def roll_back(home):
    return After(home, small_set.roll_back(home))


def in_legacy(home, place, asked):
    with closing(sqlite3.connect(home / "data" / place)) as legacy:
        return legacy.execute(asked).fetchall()


def before(home, place, *statements):
    """Write to the legacy set, and build again."""
    with closing(sqlite3.connect(home / "data" / place, isolation_level=None)) as legacy:
        for statement in statements:
            legacy.execute(statement)
    small_set.build(home)


def test_a_closed_position_is_closed_and_nothing_is_lost(home):
    write(
        home,
        "core",
        "UPDATE positions SET status = 'closed', exit_time = '2026-02-03 04:05:06', pnl_percent = 12.5,"
        " metadata = json_set(metadata, '$.exit_price', 2.25) WHERE id = 1",
        "UPDATE treasury_orders SET status = 'filled', filled_at = '2026-02-03 04:05:06', filled_price = 3.0,"
        " updated_at = '2026-02-03 04:05:06' WHERE id = 1",
    )

    after = roll_back(home)

    assert {} == dict(after.done.residue)
    assert [("closed_manual", "2026-02-03T04:05:06+00:00", 12.5, 2.25)] == in_legacy(
        home, "jarvis.db", "SELECT status, closed_at, pnl_pct, exit_price FROM positions WHERE id = 'p1'"
    )


def test_a_position_that_was_closed_beside_an_open_rival_in_quarantine_is_closed(fresh):
    """Migrated by itself the legacy table would prefer the rival, which is open."""
    columns = "symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, user_id"
    before(
        fresh,
        "jarvis.db",
        "UPDATE positions SET status = 'open' WHERE id = 'p3'",
        f"INSERT INTO positions (id, opened_at, {columns}) SELECT 'rival', '2020-01-01T00:00:00+00:00', {columns}"
        " FROM positions WHERE id = 'p3'",
    )
    small_set.cut_over(fresh)
    rival = in_legacy(fresh, "jarvis_core.db", "SELECT row FROM quarantine WHERE legacy_key = 'rival'")
    write(
        fresh,
        "core",
        "UPDATE positions SET status = 'closed', exit_time = '2026-02-03 04:05:06', pnl_percent = 3.5 WHERE symbol = 'SYM3'",
    )

    after = roll_back(fresh)

    assert ({}, {"jarvis.positions": {"updated": 1}}) == (dict(after.done.residue), dict(after.done.written))
    of_both = "SELECT id, status, pnl_pct FROM positions WHERE symbol = 'SYM3' ORDER BY id"
    assert [("p3", "closed_manual", 3.5), ("rival", "open", None)] == in_legacy(fresh, "jarvis.db", of_both)
    assert [] == faults(fresh)
    # The next migration decides between the two as the mapping does, and loses neither.
    small_set.build(fresh)
    stage = ".migrator/stage/jarvis_core.db"
    assert [("open",)] == in_legacy(fresh, stage, "SELECT status FROM positions WHERE symbol = 'SYM3'")
    assert [("p3",)] == in_legacy(fresh, stage, "SELECT legacy_key FROM quarantine WHERE source = 'jarvis.positions'")
    assert len(rival) == 1
    # A rollback that left the sold position open would be wrong.
    carried_set.write(
        fresh / "data" / "jarvis.db",
        "UPDATE positions SET status = 'open', closed_at = '', pnl_pct = 0.0 WHERE id = 'p3'",
    )
    assert any("core.positions 3: is in no legacy table" in fault for fault in faults(fresh))


def test_new_rows_with_the_defaults_of_the_specification_lose_nothing(home):
    wallet = small_set.workspace_of(home)[1].constants["wallet_address"]
    write(
        home,
        "core",
        "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
        f" VALUES ('S', 'M', 1, 1, 1, 'open', '{wallet}')",
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status)"
        " VALUES ('buy', 'S', 'M', 1, 1, 1, 'confirmed')",
    )
    write(
        home,
        "analytics",
        "INSERT INTO telegram_messages (user_id, message) VALUES (1, 'hello')",
        "INSERT INTO telegram_users (user_id) VALUES (999)",
        "INSERT INTO tweets (content) VALUES ('hello')",
        "INSERT INTO ai_entities (entity_type, name) VALUES ('token', 'hello')",
        "INSERT INTO ai_facts (entity_id, fact) SELECT id, 'hello' FROM ai_entities WHERE name = 'hello'",
        "INSERT INTO ai_reflections (content, timestamp) VALUES ('hello', '2026-02-03 04:05:06')",
        "INSERT INTO sentiment_readings (symbol, token_address, score) VALUES ('SYM1', 'Mint1', 55.5)",
        "INSERT INTO calls (symbol, token_address, call_type) VALUES ('S', 'M', 'buy')",
        "INSERT INTO call_outcomes (call_id, outcome, pnl_percent, closed_at, notes)"
        " SELECT max(id), 'win', 5.0, '2026-02-03 04:05:06', '1h' FROM calls",
        "INSERT INTO whale_wallets (address) VALUES ('hello')",
        "INSERT INTO whale_movements (wallet_address, token_address, amount_sol, direction)"
        " VALUES ('hello', 'So11111111111111111111111111111111111111112', 5, 'in')",
        "INSERT INTO llm_costs (provider, model, cost_usd) VALUES ('xai', 'm', 0.5)",
    )
    write(
        home,
        "cache",
        "INSERT INTO cache_entries (key, value) VALUES ('hello', 'there')",
        "INSERT INTO rate_limiter_logs (user_id, endpoint) VALUES (1, '/quote')",
    )

    after = roll_back(home)

    assert {} == dict(after.done.residue), [after.kept(*one.split(".")) for one in after.done.residue]
    assert {"inserted": 1} == dict(after.done.written["jarvis.trades"])


def test_a_part_that_its_legacy_row_cannot_say_leaves_the_others_as_they_are(home):
    """Of two measures one gets another time; a third row gets another value, which its legacy row can hold."""
    with opened(home, "analytics") as analytics:
        parts = analytics.execute(
            "SELECT target_id FROM lineage WHERE target = 'metrics' ORDER BY target_id"
        ).fetchall()
    (one,), (other,), (third,) = parts[:3]
    write(
        home,
        "analytics",
        f"UPDATE metrics SET timestamp = '2026-02-03 04:05:06' WHERE id = {one}",
        f"UPDATE metrics SET metric_value = 9 WHERE id = {third}",
    )

    after = roll_back(home)

    assert [one] == [row["id"] for row in after.kept("analytics", "metrics")]
    now, was = after.legacy("analytics", "metrics", one)
    assert now == was
    assert {"updated": 1} == dict(after.done.written["metrics.metrics_1m"])
    assert after.installed("analytics", "metrics", other)["timestamp"] in {
        row["timestamp"] for row in after.again("analytics", "metrics", other)
    }


SALE = (
    "INSERT INTO sales (symbol, quantity, sale_price, sale_date, proceeds, cost_basis, gain_loss, is_long_term,"
    " holding_period_days, lots_used_json, tx_id) VALUES ('S', 20, 1, '2026-01-04T10:00:00+00:00', 30, 40, -10, 0, 2,"
    " '[[1, 10.0], [2, 10.0]]', 'the sale')"
)
WASH = (
    "INSERT INTO wash_sales (id, symbol, sale_date, sale_tx_id, replacement_date, disallowed_loss, replacement_lot_id)"
    " VALUES (70, 'S', '2026-01-04T10:00:00+00:00', 'the sale', '2026-01-05T10:00:00+00:00', 8.0, 3)"
)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("UPDATE wash_sales SET wash_sale_date = '2026-02-03 04:05:06' WHERE id = {0}", 1),
        ("UPDATE wash_sales SET replacement_lot_id = 9 WHERE id = {0}", 1),
        ("UPDATE wash_sales SET disallowed_loss_usd = 1.5 WHERE id = {0}", 1),
        ("DELETE FROM wash_sales WHERE id = {0}", 1),
        ("UPDATE wash_sales SET replacement_lot_id = 9 WHERE id IN ({0}, {1})", 0),
        ("DELETE FROM wash_sales WHERE id IN ({0}, {1})", 0),
    ],
)
def test_a_wash_sale_over_two_lots_stays_whole(fresh, written, kept):
    before(fresh, "tax.db", "DELETE FROM sales", "DELETE FROM wash_sales", SALE, WASH)
    small_set.cut_over(fresh)
    with opened(fresh, "core") as core:
        ids = [
            one for (one,) in core.execute("SELECT target_id FROM lineage WHERE source = 'tax.wash_sales' ORDER BY 1")
        ]
    assert 2 == len(ids)
    was = in_legacy(fresh, "backup/0002/tax.db", "SELECT * FROM wash_sales")
    write(fresh, "core", written.format(*ids))

    after = roll_back(fresh)

    now = in_legacy(fresh, "tax.db", "SELECT * FROM wash_sales")
    assert kept == len(after.kept("core", "wash_sales"))
    if kept:
        assert was == now
    else:
        assert [] == now if "DELETE" in written else [(*was[0][:-1], 9)] == now


def test_what_a_legacy_row_keeps_beside_its_columns_stays(fresh):
    """A lot that was sold in several sales, and one that carries a fee; a fact, a trade and a wallet with what has no column."""
    before(
        fresh,
        "tax.db",
        "DELETE FROM sales",
        "UPDATE tax_lots SET remaining_quantity = 0.0, fee = 0.5, adjusted_cost_basis = 2.5 WHERE id = 5",
        "UPDATE tax_lots SET remaining_quantity = 4.0, wash_sale_adjustment = 1.0 WHERE id = 6",
    )
    before(fresh, "jarvis.db", "UPDATE trades SET position_id = 'a lost one' WHERE id = 't7'")
    small_set.cut_over(fresh)
    write(
        fresh,
        "core",
        "UPDATE tax_lots SET quantity = quantity + 1 WHERE id IN (5, 6)",
        "UPDATE trades SET price = 9.5 WHERE signature = 'sig7'",
    )
    write(fresh, "analytics", "UPDATE whale_wallets SET label = 'another' WHERE address = 'address 3'")

    after = roll_back(fresh)

    assert {} == dict(after.done.residue)
    assert [(11.0, 0.0, 0.5, 2.5, 0.0), (11.0, 4.0, 0.0, 20.0 / 11, 1.0)] == in_legacy(
        fresh,
        "tax.db",
        "SELECT quantity, remaining_quantity, fee, adjusted_cost_basis, wash_sale_adjustment FROM tax_lots WHERE id IN (5, 6)",
    )
    assert [(9.5, "a lost one")] == in_legacy(
        fresh, "jarvis.db", "SELECT price, position_id FROM trades WHERE id = 't7'"
    )
    assert [("another", 0.5)] == in_legacy(
        fresh, "whales.db", "SELECT label, win_rate FROM whale_wallets WHERE address = 'address 3'"
    )


def test_a_lot_whose_correction_would_undo_its_sale_stays_as_it_was(fresh):
    """One sale disposed of all of it: with another quantity the next migration would take it for unsold."""
    before(
        fresh,
        "tax.db",
        "DELETE FROM sales",
        SALE.replace("20, 1,", "10, 1,").replace("[1, 10.0], [2, 10.0]", "[1, 10.0]"),
        "UPDATE tax_lots SET remaining_quantity = 0.0 WHERE id = 1",
    )
    small_set.cut_over(fresh)
    was = in_legacy(fresh, "backup/0002/originals/tax.db", "SELECT * FROM tax_lots")
    write(fresh, "core", "UPDATE tax_lots SET quantity = quantity + 1 WHERE id = 1 AND disposal_date IS NOT NULL")

    after = roll_back(fresh)

    assert 1 == len(after.kept("core", "tax_lots"))
    assert was == in_legacy(fresh, "tax.db", "SELECT * FROM tax_lots")


def test_a_number_that_was_given_anew_has_nothing_of_the_dead_row(home):
    """A full-text table gives the number of the last row to the next."""
    with opened(home, "analytics") as analytics:
        (last,) = analytics.execute("SELECT max(rowid) FROM ai_reflections").fetchone()
        analytics.execute("DELETE FROM ai_reflections WHERE rowid = ?", (last,))
        analytics.execute("INSERT INTO ai_reflections (content, timestamp) VALUES ('a new one', '2026-02-03 04:05:06')")
        assert (last,) == analytics.execute("SELECT max(rowid) FROM ai_reflections").fetchone()
        analytics.execute(
            "UPDATE ai_reflections SET content = 'edited' || char(10, 10) || 'lesson' WHERE rowid = ?", (last - 1,)
        )

    after = roll_back(home)

    assert {} == dict(after.done.residue)
    assert [(last - 1, "edited", "it happened 47"), (last, "a new one", None)] == in_legacy(
        home, "jarvis_memory.db", f'SELECT id, "trigger", what_happened FROM reflections WHERE id >= {last - 1}'
    )


SPELLINGS = {
    "2026-02-01T10:00:00+00:00": "2026-02-01T10:00:00+00:00",
    "2026-02-01T10:00:00Z": "2026-02-01T10:00:00+00:00",
    "2026-02-01T12:00:00.250000+02:00": "2026-02-01T10:00:00.250000+00:00",
    "2026-02-01 10:00:00+00:00": "2026-02-01T10:00:00+00:00",
    "2026-02-01T10:00": "2026-02-01T10:00:00+00:00",
    "2026-02-01": "2026-02-01T00:00:00+00:00",
    "": "",
    1769940000: None,
    1769940000.5: None,
    "1769940000123": None,
    "2026-02-30T10:00:00": None,
    "soon": None,
}


def test_times_are_taken_in_every_spelling_that_forward_takes(home):
    with opened(home, "core") as core:
        for number, spelling in enumerate(SPELLINGS, start=1):
            core.execute("UPDATE positions SET exit_time = ?, status = 'closed' WHERE id = ?", (spelling, number))
            core.execute(
                "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
                " VALUES ('buy', 'new', 'M', 1, 1, ?, 'confirmed', ?)",
                (number, spelling),
            )

    after = roll_back(home)

    for number, expected in enumerate(SPELLINGS.values(), start=1):
        wanted = ("closed_manual", expected or "")
        assert [wanted] == in_legacy(
            home, "jarvis.db", f"SELECT status, closed_at FROM positions WHERE id = 'p{number}'"
        )
        assert (expected is None) == bool(after.kept("core", "positions", number)), number
        taken = in_legacy(home, "jarvis.db", f"SELECT timestamp FROM trades WHERE symbol = 'new' AND price = {number}")
        assert ([(expected,)] if expected else []) == taken
        lost = [row["timestamp"] for row in after.kept("core", "trades") if row["price"] == number]
        assert ([] if expected else [row for row in SPELLINGS if row == lost[0]]) == lost or lost == [
            int("1769940000123")
        ]


def test_a_witness_that_changes_does_not_silently_change_what_it_bore_out(fresh):
    """A reading has the mint that its symbol names in other tables; a call without a contract has it too, and can be given it."""
    before(fresh, "call_tracking.db", "UPDATE calls SET contract = '' WHERE id = 'c3'")
    small_set.cut_over(fresh)
    write(fresh, "core", "UPDATE positions SET token_address = 'Elsewhere ' || id WHERE symbol IN ('SYM2', 'SYM3')")

    after = roll_back(fresh)

    assert [("SYM2", "Mint2"), ("SYM3", "Mint3")] == [
        (row["symbol"], row["token_address"]) for row in after.kept("analytics", "sentiment_readings")
    ]
    assert [("Mint3",)] == in_legacy(fresh, "call_tracking.db", "SELECT contract FROM calls WHERE id = 'c3'")
    assert [] == after.kept("analytics", "calls")


def test_a_row_that_was_mended_and_taken_out_of_quarantine_is_not_doubled(fresh):
    """Of a number of its own, of a kept one, and one that no key names."""
    before(
        fresh,
        "jarvis.db",
        "UPDATE positions SET status = 'odd' WHERE id = 'p4'",
        "UPDATE trades SET side = 'swap', user_id = 8 WHERE id = 't5'",
        "UPDATE trades SET id = NULL WHERE id = 't6'",
    )
    small_set.cut_over(fresh)
    wallet = small_set.workspace_of(fresh)[1].constants["wallet_address"]
    write(
        fresh,
        "core",
        "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, entry_time, wallet_address, user_id)"
        f" VALUES ('SYM4', 'Mint4', 2.0, 10.0, 1.0, 'open', '2026-01-01 10:04:00', '{wallet}', 5)",
        "DELETE FROM quarantine WHERE legacy_key = 'p4'",
        *(
            "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, signature, status, timestamp)"
            f" VALUES ('sell', 'SYM{number}', 'Mint{number}', 10.0, 1.0, 0.5, 'sig{number}', 'confirmed', '2026-01-02 10:0{number}:00')"
            for number in (5, 6)
        ),
        # Another trade of that token is no mended one.
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
        " VALUES ('sell', 'SYM5', 'Mint5', 10.0, 1.0, 0.5, 'confirmed', '2026-02-02 10:05:00')",
    )

    after = roll_back(fresh)

    assert {} == dict(after.done.residue)
    assert [("p4", "open", "o4")] == in_legacy(
        fresh, "jarvis.db", "SELECT id, status, tp_order_id FROM positions WHERE symbol = 'SYM4'"
    )
    assert [("t5", "sell", 8)] == in_legacy(
        fresh, "jarvis.db", "SELECT id, side, user_id FROM trades WHERE symbol = 'SYM5' AND timestamp < '2026-02'"
    )
    assert [("sell",)] == in_legacy(fresh, "jarvis.db", "SELECT side FROM trades WHERE symbol = 'SYM6'")
    assert 2 == len(in_legacy(fresh, "jarvis.db", "SELECT 1 FROM trades WHERE symbol = 'SYM5'"))
    assert [] == faults(fresh)
    # The judge accepts only what the quarantined row had.
    carried_set.write(fresh / "data" / "jarvis.db", "UPDATE positions SET tp_order_id = 'other' WHERE id = 'p4'")
    assert any("'p4': changed, but it becomes no row that was in use" in fault for fault in faults(fresh))


def test_a_clause_of_a_legacy_constraint_deletes_no_other_row(fresh):
    """``ON CONFLICT REPLACE`` and ``IGNORE`` are the owners' for their own statements, not for what comes back."""
    for clause, table in (("REPLACE", "trades"), ("IGNORE", "positions")):
        (sql,) = in_legacy(fresh, "jarvis.db", f"SELECT sql FROM sqlite_schema WHERE name = '{table}'")[0]
        columns = {"trades": "tx_signature", "positions": "symbol"}[table]
        made = f"{sql.rstrip()[:-1]}, UNIQUE ({columns}) ON CONFLICT {clause})"
        before(
            fresh,
            "jarvis.db",
            f"ALTER TABLE {table} RENAME TO former",
            made,
            f"INSERT INTO {table} SELECT * FROM former",
            "DROP TABLE former",
        )
    small_set.cut_over(fresh)
    write(
        fresh,
        "core",
        "UPDATE positions SET symbol = 'SYM2', amount = 77 WHERE id = 3",
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status)"
        " VALUES ('buy', 'S', 'M', 1, 1, 1, 'confirmed'), ('buy', 'S', 'M', 2, 2, 2, 'confirmed')",
    )

    after = roll_back(fresh)

    assert [3] == [row["id"] for row in after.kept("core", "positions")]
    now, was = after.legacy("core", "positions", 3)
    assert now == was
    assert written_since.ROWS == len(in_legacy(fresh, "jarvis.db", "SELECT 1 FROM positions"))
    # Both have no signature, '' in the legacy table: one of them is refused.
    assert 1 == len(after.kept("core", "trades"))
    assert written_since.ROWS + 1 == len(in_legacy(fresh, "jarvis.db", "SELECT 1 FROM trades"))


def test_a_reference_that_is_lost_is_residue(fresh):
    """A trade that was moved to a position which its legacy table refuses: the trade's own cells come back, the link does not."""
    before(fresh, "jarvis.db", "CREATE UNIQUE INDEX one_symbol ON positions(symbol)")
    small_set.cut_over(fresh)
    wallet = small_set.workspace_of(fresh)[1].constants["wallet_address"]
    write(
        fresh,
        "core",
        "INSERT INTO positions (id, symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
        f" VALUES (900, 'SYM1', 'M', 1, 1, 1, 'open', '{wallet}')",
        "UPDATE trades SET position_id = 900 WHERE id = 4",
        "UPDATE trades SET position_id = 9 WHERE id = 5",
    )

    after = roll_back(fresh)

    assert ([900], [4]) == tuple([row["id"] for row in after.kept("core", table)] for table in ("positions", "trades"))
    assert [("p4",), ("p9",)] == in_legacy(
        fresh, "jarvis.db", "SELECT position_id FROM trades WHERE id IN ('t4', 't5') ORDER BY id"
    )


def test_parents_whose_names_differ_in_case_only_are_two(fresh):
    before(
        fresh,
        "jarvis_memory.db",
        "INSERT INTO facts (entity, fact) VALUES ('Sol', 'one'), ('SOL', 'two')",
    )
    small_set.cut_over(fresh)
    with opened(fresh, "analytics") as analytics:
        names = analytics.execute("SELECT name FROM ai_entities WHERE lower(name) = 'sol' ORDER BY 1").fetchall()
        analytics.execute("UPDATE ai_entities SET entity_type = 'token' WHERE name = 'Sol'")
        analytics.execute("UPDATE ai_facts SET confidence = 0.25 WHERE fact IN ('one', 'two')")

    after = roll_back(fresh)

    assert [("SOL",), ("Sol",)] == names
    assert {} == dict(after.done.residue)
    assert [("Sol", "token")] == in_legacy(
        fresh, "jarvis_memory.db", "SELECT name, entity_type FROM entities WHERE lower(name) = 'sol'"
    )
    assert [("Sol", "one", 0.25), ("SOL", "two", 0.25)] == in_legacy(
        fresh, "jarvis_memory.db", "SELECT entity, fact, confidence FROM facts WHERE lower(entity) = 'sol' ORDER BY id"
    )


def test_unique_values_that_each_move_on_to_the_next_row(home):
    """All at once, in any order; a row that cannot be inserted keeps back only the rows that need its place."""
    with opened(home, "analytics") as analytics:
        rows = analytics.execute("SELECT id, tweet_id FROM tweets ORDER BY id").fetchall()
        ids, values = [one for one, _ in rows], [value for _, value in rows]
        for one in ids:
            analytics.execute("UPDATE tweets SET tweet_id = 'moving ' || id WHERE id = ?", (one,))
        for one, value in zip(ids, [*values[1:], values[0]], strict=True):
            analytics.execute("UPDATE tweets SET tweet_id = ? WHERE id = ?", (value, one))

    after = roll_back(home)

    assert ({}, {"updated": len(ids)}) == (dict(after.done.residue), dict(after.done.written["jarvis_x_memory.tweets"]))
    assert [(value,) for value in (*values[1:], values[0])] == in_legacy(
        home, "jarvis_x_memory.db", "SELECT tweet_id FROM tweets ORDER BY id"
    )


def test_a_row_whose_key_was_changed_keeps_what_its_legacy_row_has_beside(fresh):
    """The key alone, of a row with a kept number, of one with an assigned number, and of one that is known by an address."""
    before(fresh, "tax.db", "DELETE FROM sales", "UPDATE tax_lots SET remaining_quantity = 0.0, fee = 0.5 WHERE id = 5")
    small_set.cut_over(fresh)
    write(
        fresh,
        "core",
        "UPDATE tax_lots SET id = 905 WHERE id = 5",
        "UPDATE positions SET id = 907 WHERE id = 7",
        "UPDATE trades SET position_id = 907 WHERE position_id = 7",
        "UPDATE treasury_orders SET position_id = 907 WHERE position_id = 7",
    )
    write(
        fresh,
        "analytics",
        "UPDATE whale_movements SET wallet_address = 'moved' WHERE wallet_address = 'address 3'",
        "UPDATE whale_wallets SET address = 'moved' WHERE address = 'address 3'",
    )

    after = roll_back(fresh)

    assert {} == dict(after.done.residue)
    assert [(10.0, 0.0, 0.5)] == in_legacy(
        fresh, "tax.db", "SELECT quantity, remaining_quantity, fee FROM tax_lots WHERE id = 905"
    )
    assert [] == in_legacy(fresh, "tax.db", "SELECT 1 FROM tax_lots WHERE id = 5")
    assert [("p7",)] == in_legacy(fresh, "jarvis.db", "SELECT position_id FROM trades WHERE id = 't7'")
    assert [("p7", "o7")] == in_legacy(
        fresh, "jarvis.db", "SELECT id, tp_order_id FROM positions WHERE symbol = 'SYM7'"
    )
    assert [("moved", "label 3", 0.5)] == in_legacy(
        fresh, "whales.db", "SELECT address, label, win_rate FROM whale_wallets WHERE label = 'label 3'"
    )
    assert [] == faults(fresh)


def test_a_row_of_which_only_the_assigned_id_changed_is_the_same_legacy_row(home):
    write(
        home,
        "core",
        "UPDATE trades SET id = id + 100000 WHERE id = 3",
        "UPDATE tax_lots SET trade_id = trade_id + 100000 WHERE trade_id = 3",
    )
    write(
        home,
        "analytics",
        "UPDATE calls SET id = id + 100000 WHERE id = 2",
        "UPDATE call_outcomes SET call_id = call_id + 100000 WHERE call_id = 2",
    )

    after = roll_back(home)

    assert ({}, {}) == (dict(after.done.residue), dict(after.done.written))
    assert [] == faults(home)
    # The judge accepts no other row under that key.
    carried_set.write(home / "data" / "jarvis.db", "UPDATE trades SET user_id = 77 WHERE id = 't3'")
    assert any("'t3': user_id changed" in fault for fault in faults(home))
    carried_set.write(home / "data" / "jarvis.db", "DELETE FROM trades WHERE id = 't3'")
    assert any("'t3': is missing" in fault for fault in faults(home))


@pytest.mark.parametrize(
    "refuses",
    [
        "CREATE INDEX refusing ON tax_lots (json_extract(iif(id = 905, 'no JSON', '[]'), '$'))",
        "CREATE UNIQUE INDEX refusing ON tax_lots (iif(id = 905, abs(-9223372036854775807 - 1), id))",
    ],
)
def test_a_changed_key_that_the_legacy_table_refuses_is_residue_beside_the_old_row_and_another_goes_back(
    fresh, refuses
):
    before(fresh, "tax.db", "DELETE FROM sales", "UPDATE tax_lots SET fee = 0.5 WHERE id = 6", refuses)
    small_set.cut_over(fresh)
    write(fresh, "core", "UPDATE tax_lots SET id = 905 WHERE id = 5", "UPDATE tax_lots SET id = 906 WHERE id = 6")

    after = roll_back(fresh)

    assert {"core.tax_lots": 1} == dict(after.done.residue)
    assert [(905,)] == carried_set.residue(fresh, "SELECT id FROM core_tax_lots")
    assert [(5, 0.0), (906, 0.5)] == in_legacy(
        fresh, "tax.db", "SELECT id, fee FROM tax_lots WHERE id IN (5, 6, 905, 906)"
    )
    assert [] == faults(fresh)


#: Of addresses that differ in the case of letters only, the legacy table holds one.
ONE_CASE = "CREATE UNIQUE INDEX one_case ON whale_wallets (lower(address))"


def faults(home):
    """Return the faults that the contracts' judge finds."""
    return list(finished_rollback.faults(small_set.last_switch(home), home))


def rename(home, renamed):
    """Give whales other addresses, in the movements that name them too."""
    with opened(home, "analytics") as connection:
        for table, column in (("whale_movements", "wallet_address"), ("whale_wallets", "address")):
            change = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
            connection.executemany(change, [(now, was) for was, now in renamed.items()])


def test_what_refers_to_a_row_whose_new_key_is_refused_stays_with_the_old_row(fresh):
    before(fresh, "whales.db", ONE_CASE)
    small_set.cut_over(fresh)
    of_three = "SELECT address, label FROM whale_wallets WHERE label = 'label 3'"
    moves = "SELECT wallet_address FROM whale_movements WHERE tx_signature = 'move3'"
    rename(fresh, {"address 3": "ADDRESS 4"})

    after = roll_back(fresh)

    assert {"analytics.whale_wallets": 1, "analytics.whale_movements": 1} == dict(after.done.residue)
    ((why,),) = carried_set.residue(fresh, "SELECT why FROM analytics_whale_wallets WHERE address = 'ADDRESS 4'")
    assert "whales.whale_wallets refuses it: UNIQUE" in why
    assert [("address 3", "label 3")] == in_legacy(fresh, "whales.db", of_three)
    assert [("address 3",)] == in_legacy(fresh, "whales.db", moves)
    assert [] == faults(fresh)
    # The judge accepts no more than that: the row whole in the residue, and the legacy row as it was.
    kept = small_set.last_switch(fresh).left_behind / "residue.db"
    carried_set.write(
        kept, "CREATE TABLE aside AS SELECT * FROM analytics_whale_wallets; DELETE FROM analytics_whale_wallets"
    )
    assert any("each row that it became was deleted, but it exists" in fault for fault in faults(fresh))
    carried_set.write(kept, "INSERT INTO analytics_whale_wallets SELECT * FROM aside")
    carried_set.write(
        fresh / "data" / "whales.db", "UPDATE whale_wallets SET win_rate = 0.25 WHERE address = 'address 3'"
    )
    assert any("'address 3'" in fault for fault in faults(fresh))


def test_keys_that_were_swapped_go_back_beside_one_that_is_refused(fresh):
    before(fresh, "whales.db", ONE_CASE)
    small_set.cut_over(fresh)
    rename(fresh, {"address 5": "ADDRESS 6", "address 6": "ADDRESS 5", "address 3": "ADDRESS 4"})

    after = roll_back(fresh)

    assert {"analytics.whale_wallets": 1, "analytics.whale_movements": 1} == dict(after.done.residue)
    assert [("address 3",), ("address 4",), ("ADDRESS 6",), ("ADDRESS 5",)] == in_legacy(
        fresh,
        "whales.db",
        "SELECT address FROM whale_wallets WHERE label IN ('label 3', 'label 4', 'label 5', 'label 6') ORDER BY label",
    )
    assert [] == faults(fresh)


@pytest.mark.parametrize("refused", [False, True])
def test_a_chain_of_a_thousand_keys_goes_back(fresh, refused):
    with closing(sqlite3.connect(fresh / "data" / "whales.db", isolation_level=None)) as legacy:
        legacy.executemany(
            "INSERT INTO whale_wallets (address, label) VALUES (?, ?)",
            [(f"chain {n}", f"of {n}") for n in range(1_000)],
        )
    before(fresh, "whales.db", ONE_CASE)
    small_set.cut_over(fresh)
    moved = {f"chain {n}": f"CHAIN {n + 1}" for n in range(1_000)}
    rename(fresh, moved | ({"address 3": "ADDRESS 4"} if refused else {}))
    begun = time.monotonic()

    after = roll_back(fresh)

    assert ({"analytics.whale_wallets": 1, "analytics.whale_movements": 1} if refused else {}) == dict(
        after.done.residue
    )
    assert [(f"CHAIN {n + 1}",) for n in range(1_000)] == in_legacy(
        fresh,
        "whales.db",
        "SELECT address FROM whale_wallets WHERE address LIKE 'chain %' ORDER BY CAST(substr(label, 4) AS INTEGER)",
    )
    assert time.monotonic() - begun < 60, "as its rows grow, not as their square"


def test_of_twin_keys_the_first_counts_and_another_that_differs_is_kept(home):
    write(
        home,
        "core",
        """UPDATE positions SET metadata = '{"tp_order_id": "o3", "exit_price": 2.5, "exit_price": 9.5}' WHERE id = 3""",
        """UPDATE treasury_orders SET metadata = replace(metadata, '"status": "ACTIVE"', '"status": "ACTIVE", "status": "EXPIRED"')
        WHERE id = 4""",
        "UPDATE treasury_orders SET status = 'cancelled' WHERE id = 4",
    )

    after = roll_back(home)

    assert [(2.5,)] == in_legacy(home, "jarvis.db", "SELECT exit_price FROM positions WHERE id = 'p3'")
    assert [3] == [row["id"] for row in after.kept("core", "positions")]
    # The legacy JSON holds both, as it is spelled.
    assert [] == after.kept("core", "treasury_orders")
    assert ["cancelled"] == [row["status"] for row in after.again("core", "treasury_orders", 4)]


def test_twice_as_many_values_that_move_on_take_about_twice_the_steps(fresh, tmp_path):
    """As SQLite's machine counts them: whole sets of rows are exchanged, and none is looked for row by row."""
    most = 2_000
    with closing(sqlite3.connect(fresh / "data" / "jarvis_x_memory.db")) as legacy, legacy:
        legacy.executemany(
            "INSERT INTO tweets (tweet_id, content, posted_at) VALUES (?, ?, '2026-01-05T10:00:00+00:00')",
            [(f"many {number}", str(number)) for number in range(most)],
        )
    small_set.build(fresh)
    small_set.cut_over(fresh)
    steps, took = [], []
    opens = connections.memory

    def counted():
        connection = opens()
        connection.set_progress_handler(lambda: steps.append(1), 1_000)
        return connection

    for last in (most // 4, most // 2, most):
        home = small_set.copied(fresh, tmp_path / f"home{last}")
        with opened(home, "analytics") as analytics:
            analytics.execute("BEGIN")
            for moved in ("'moving ' || content", "'many ' || (content + 1)"):
                analytics.execute(
                    f"UPDATE tweets SET tweet_id = {moved} WHERE content GLOB '[0-9]*' AND CAST(content AS INTEGER) >= {most - last}"
                )
            analytics.execute("COMMIT")
        steps.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(connections, "memory", counted)
            done = small_set.roll_back(home)
        assert ({}, {"updated": last}) == (dict(done.residue), dict(done.written["jarvis_x_memory.tweets"]))
        took.append(len(steps))

    assert took[2] - took[1] < 3 * (took[1] - took[0]), took


def test_a_row_that_is_refused_keeps_back_only_those_that_would_take_what_it_holds(fresh):
    before(fresh, "jarvis_x_memory.db", "CREATE UNIQUE INDEX no_bad ON tweets((CASE WHEN content = 'bad' THEN 1 END))")
    before(
        fresh,
        "jarvis_x_memory.db",
        "INSERT INTO tweets (tweet_id, content, posted_at) VALUES ('b', 'bad', '2026-01-05T10:00:00+00:00')",
    )
    small_set.cut_over(fresh)
    with opened(fresh, "analytics") as analytics:
        analytics.execute("BEGIN")
        analytics.execute("UPDATE tweets SET tweet_id = 'moving ' || id WHERE id BETWEEN 1 AND 40")
        # 1 to 20 move on to the next, and 20, which is refused for its content, to a new one; 31 to 40 go round.
        analytics.execute("UPDATE tweets SET tweet_id = 'tweet' || (id + 1) WHERE id BETWEEN 1 AND 19")
        analytics.execute("UPDATE tweets SET tweet_id = 'beyond', content = 'bad' WHERE id = 20")
        analytics.execute("UPDATE tweets SET tweet_id = 'tweet' || id, likes = 99 WHERE id BETWEEN 21 AND 30")
        analytics.execute("UPDATE tweets SET tweet_id = 'tweet' || iif(id = 40, 31, id + 1) WHERE id BETWEEN 31 AND 40")
        analytics.execute("COMMIT")

    after = roll_back(fresh)

    assert list(range(1, 21)) == [row["id"] for row in after.kept("analytics", "tweets")]
    assert {"updated": 20} == dict(after.done.written["jarvis_x_memory.tweets"])
    now, was = (
        in_legacy(fresh, place, "SELECT id, tweet_id, content FROM tweets WHERE id <= 20")
        for place in ("jarvis_x_memory.db", "backup/0003/jarvis_x_memory.db")
    )
    assert was == now
    assert [("tweet32",), ("tweet31",)] == in_legacy(
        fresh, "jarvis_x_memory.db", "SELECT tweet_id FROM tweets WHERE id IN (31, 40) ORDER BY id"
    )


def test_new_measures_make_legacy_rows_together(home):
    """Those of one time and component; one that no legacy row has a column for is residue, and so is a second of one name."""
    tags = '{"component": "grok", "resolution": "1m"}'
    with opened(home, "analytics") as analytics:
        analytics.executemany(
            "INSERT INTO metrics (metric_name, metric_value, timestamp, tags) VALUES (?, ?, '2026-02-03 04:05:06', ?)",
            [
                ("total_requests", 8, tags), ("latency_p50", 0.5, tags), ("another", 1, tags), ("latency_p50", 0.25, tags),
                ("error_rate", 0.5, tags.replace("1m", "1h")), ("error_rate", 0.75, '{"component": "grok"}'),
            ],
        )  # fmt: skip

    after = roll_back(home)

    assert [("another", 1.0), ("latency_p50", 0.25), ("error_rate", 0.75)] == [
        (row["metric_name"], row["metric_value"]) for row in after.kept("analytics", "metrics")
    ]
    asked = "SELECT component, total_requests, latency_p50, error_rate FROM metrics_{} WHERE timestamp = '2026-02-03T04:05:06+00:00'"
    assert [("grok", 8, 0.5, None)] == in_legacy(home, "metrics.db", asked.format("1m"))
    assert [("grok", None, None, 0.5)] == in_legacy(home, "metrics.db", asked.format("1h"))
