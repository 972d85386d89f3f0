"""What becomes of rows of the core and of the cache, one decision at a time, with literal values.

The bench asserts for each of them that every legacy row is accounted for and rebuilt cell by cell.
"""

# ruff: noqa: S106 - a token's mint is no password

import json
import random
from unittest import mock

import pytest

from contracts.oracle import tax as oracle_tax
from contracts.oracle.cross_table import Sold
from migrator.schema import specified

#: A double that the JSON functions of newer SQLites (3.51) miss when they read its shortest decimal.
HARD_TO_READ = 4.267721431503425e-251


def position(bench, **cells):
    sound = {"symbol": "BONK", "token_mint": "Bonk1", "status": "open", "opened_at": "2026-01-17T05:11:22+00:00"}
    bench.add("jarvis.positions", **{**sound, **cells})


def trade(bench, **cells):
    sound = {"symbol": "BONK", "token_mint": "Bonk1", "side": "buy", "timestamp": "2026-01-17T05:11:22+00:00"}
    bench.add("jarvis.trades", **{**sound, **cells})


def lot(bench, id_, **cells):
    """Add a lot with a trade of its own, whose signature is its transaction."""
    sound = {"symbol": "BONK", "quantity": 8.0, "remaining_quantity": 8.0, "total_cost": 20.0, "tx_id": f"tx{id_}"}
    trade(bench, id=f"buy_{id_}", tx_signature=f"tx{id_}")
    bench.add("tax.tax_lots", id=id_, **{**sound, **cells})


def sale(bench, *used, **cells):
    sound = {"quantity": sum(quantity for _, quantity in used), "proceeds": 30.0}
    bench.add("tax.sales", lots_used_json=json.dumps(used), **{**sound, **cells})


# ------------------------------------------------------------------------------------------------- positions


def test_of_one_tokens_history_the_open_position_stays(bench):
    position(bench, id="aaaaaaaa", status="closed_tp", opened_at="2026-01-19T00:00:00+00:00")
    position(bench, id="bbbbbbbb", status="open", opened_at="2026-01-17T00:00:00+00:00")
    position(bench, id="cccccccc", status="closed_sl", opened_at="2026-01-18T00:00:00+00:00")

    core = bench.load("core", wallet_address="W")

    assert [("open", "2026-01-17 00:00:00", "W")] == core.rows(
        "SELECT status, entry_time, wallet_address FROM core.positions"
    )
    assert [("aaaaaaaa", "UNIQUE token_address"), ("cccccccc", "UNIQUE token_address")] == core.quarantined("positions")


def test_with_position_history_each_position_of_a_token_is_in_but_for_a_second_open_one(bench):
    position(bench, id="aaaaaaaa", status="closed_tp", opened_at="2026-01-19T00:00:00+00:00")
    position(bench, id="bbbbbbbb", status="open", opened_at="2026-01-17T00:00:00+00:00")
    position(bench, id="cccccccc", status="closed_sl", opened_at="2026-01-18T00:00:00+00:00")
    position(bench, id="dddddddd", status="open", opened_at="2026-01-16T00:00:00+00:00")
    for number, parent in enumerate(("aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd")):
        trade(bench, id=f"t{number}", position_id=parent, tx_signature=f"sig{number}")

    core = bench.load("core", specification=specified.chosen(["position_history"]), wallet_address="W")

    assert [("dddddddd", "UNIQUE token_address WHERE status = 'open'")] == core.quarantined("positions")
    assert [("bbbbbbbb", "open"), ("cccccccc", "closed"), ("aaaaaaaa", "closed")] == core.rows(
        "SELECT l.legacy_key, t.status FROM core.positions AS t JOIN core.lineage AS l ON l.target = 'positions'"
        " AND l.target_id = t.id ORDER BY t.id"
    )
    # A trade has the position that it had; that of the refused one has none.
    assert [("t0", "aaaaaaaa"), ("t1", "bbbbbbbb"), ("t2", "cccccccc"), ("t3", None)] == core.rows(
        "SELECT l.legacy_key, p.legacy_key FROM core.trades AS t JOIN core.lineage AS l ON l.target = 'trades' AND"
        " l.target_id = t.id LEFT JOIN core.lineage AS p ON p.target = 'positions' AND p.target_id = t.position_id"
        " ORDER BY 1"
    )


def test_of_two_open_positions_of_one_token_the_later_stays_then_the_greater_id(bench):
    position(bench, id="aaaaaaaa", token_mint="One", opened_at="2026-01-17T00:00:00.000001+00:00")
    position(bench, id="bbbbbbbb", token_mint="One", opened_at="2026-01-17T00:00:00+00:00")
    position(bench, id="cccccccc", token_mint="Two")
    position(bench, id="dddddddd", token_mint="Two")

    core = bench.load("core", wallet_address="W")

    assert ["bbbbbbbb", "cccccccc"] == [key for key, _ in core.quarantined("positions")]


def test_a_position_that_is_refused_for_its_status_does_not_compete(bench):
    position(bench, id="aaaaaaaa", status="closed_tp", opened_at="2026-01-17T00:00:00+00:00")
    position(bench, id="bbbbbbbb", status="OPEN", opened_at="2026-01-18T00:00:00+00:00")

    core = bench.load("core", wallet_address="W")

    assert [("closed",)] == core.rows("SELECT status FROM core.positions")
    assert [("bbbbbbbb", "CHECK status IN ('open', 'closed', 'partial')")] == core.quarantined("positions")


def test_ids_that_look_like_one_number_stay_two_and_trades_follow_them(bench):
    for id_, mint in (("1234e002", "One"), ("123400", "Two"), ("00123400", "Three")):
        position(bench, id=id_, token_mint=mint)
        trade(bench, id=f"buy_{id_}", token_mint=mint, position_id=id_)

    core = bench.load("core", wallet_address="W")

    linked = (
        "SELECT t.token_address, p.token_address FROM core.trades AS t JOIN core.positions AS p ON p.id = t.position_id"
    )
    assert [("One", "One"), ("Three", "Three"), ("Two", "Two")] == sorted(core.rows(linked))
    assert "1234e002" == core.rebuilt("jarvis.positions", "1234e002")["id"]
    assert "123400" == core.rebuilt("jarvis.trades", "buy_123400")["position_id"]


@pytest.mark.parametrize(
    ("legacy", "utc"),
    [
        ("2026-01-17T05:11:22.999999+00:00", "2026-01-17 05:11:22.999999"),
        ("2026-01-17T05:11:22.9999999+00:00", "2026-01-17 05:11:22.999999"),
        ("2026-01-13T06:22:36.780828", "2026-01-13 06:22:36.780828"),
        ("2026-01-16T23:11:22-06:00", "2026-01-17 05:11:22"),
        ("2026-01-17", "2026-01-17 00:00:00"),
        ("2026-02-30T00:00:00+00:00", None),
        ("2026-01-17T24:00:00+00:00", None),
        ("2026-01-17T05:11:60+00:00", None),
        ("", None),
    ],
)
def test_a_time_becomes_utc_to_the_microsecond_and_its_spelling_comes_back(bench, legacy, utc):
    position(bench, id="aaaaaaaa", opened_at=legacy)

    core = bench.load("core", wallet_address="W")

    assert utc == core.cell("SELECT entry_time FROM core.positions")
    assert legacy == core.rebuilt("jarvis.positions", "aaaaaaaa")["opened_at"]


def test_percentages_come_from_prices_and_the_exact_prices_stay(bench):
    position(bench, id="aaaaaaaa", entry_price=2.0, take_profit_price=3.0, stop_loss_price=1.5)
    position(bench, id="bbbbbbbb", token_mint="Two", entry_price=0.0, take_profit_price=3.0, stop_loss_price=1.5)

    core = bench.load("core", wallet_address="W")

    percent = "SELECT take_profit_percent, stop_loss_percent, pnl_usd FROM core.positions WHERE token_address = ?"
    assert (50.0, 25.0, None) == core.row(percent, "Bonk1")
    assert (None, None, None) == core.row(percent, "Two")
    assert 3.0 == core.rebuilt("jarvis.positions", "bbbbbbbb")["take_profit_price"]


def test_rows_without_a_key_are_quarantined_each(bench):
    position(bench, id=None)
    position(bench, id=None)
    trade(bench, id=None)

    core = bench.load("core", wallet_address="W")

    assert [(None, "NOT NULL id"), (None, "NOT NULL id")] == core.quarantined("positions")
    assert [(None, "NOT NULL id")] == core.quarantined("trades")


# ---------------------------------------------------------------------------------------------------- trades


def test_a_trade_of_a_position_that_is_gone_stays_without_it_and_keeps_the_link(bench):
    trade(bench, id="buy_dead0000", position_id="dead0000", tx_signature="")

    core = bench.load("core")

    assert [(None, "confirmed")] == core.rows("SELECT position_id, status FROM core.trades")
    assert '{"position_id":["dead0000",""]}' == core.rest("jarvis.trades", "buy_dead0000")


def test_trades_without_a_signature_are_no_duplicates(bench):
    for number in range(3):
        trade(bench, id=f"buy_{number}", tx_signature="")
    trade(bench, id="buy_3", tx_signature=None)

    core = bench.load("core")

    assert [(None,)] * 4 == core.rows("SELECT signature FROM core.trades")
    assert "" == core.rebuilt("jarvis.trades", "buy_0")["tx_signature"]
    assert core.rebuilt("jarvis.trades", "buy_3")["tx_signature"] is None


def test_of_two_trades_with_one_signature_the_earlier_stays(bench):
    trade(bench, id="buy_a", tx_signature="5ign", timestamp="2026-01-17T05:11:22.000002+00:00")
    trade(bench, id="buy_b", tx_signature="5ign", timestamp="2026-01-17T05:11:22.000001+00:00")

    core = bench.load("core")

    assert [("2026-01-17 05:11:22.000001", "5ign")] == core.rows("SELECT timestamp, signature FROM core.trades")
    assert [("buy_a", "UNIQUE signature")] == core.quarantined("trades")


def test_integers_beyond_a_float_reach_the_metadata_exactly(bench):
    trade(bench, id="buy_a", tx_signature="5ign")
    bench.add("treasury_trades.treasury_trades", signature="5ign", amount_in=9007199254740993, amount_out=2**63 - 1)
    bench.add("treasury_trades.treasury_trades", signature="5ign", amount_in=1, amount_out=1)

    core = bench.load("core")

    assert '{"swap_amount_in":9007199254740993,"swap_amount_out":9223372036854775807}' == core.cell(
        "SELECT metadata FROM core.trades"
    )


# ---------------------------------------------------------------------------------------------------- orders

ORDER = {
    "type": "TAKE_PROFIT",
    "token_mint": "Bonk1",
    "amount": 9007199254740993,
    "target_price": 0.00025,
    "created_at": "2026-01-17T05:11:22.123456",
    "status": "ACTIVE",
    "triggered_at": None,
    "result": None,
}


def order(bench, id_="0rder001", **changes):
    bench.add("jarvis.treasury_orders", order_id=id_, order_json=json.dumps({**ORDER, **changes}))


def test_an_order_takes_symbol_and_position_from_the_position_that_names_it(bench):
    position(bench, id="aaaaaaaa", symbol="BONK", tp_order_id="0rder001", sl_order_id="0rder002")
    order(bench, amount_sol=0.1)

    core = bench.load("core", wallet_address="W")

    assert ("take_profit", "sell", "BONK", "Bonk1", 0.1, 0.00025, "active") == core.row(
        "SELECT order_type, side, symbol, token_address, amount_sol, trigger_price, status FROM core.treasury_orders"
    )
    assert (core.new_key("jarvis.positions", "aaaaaaaa"), "2026-01-17 05:11:22.123456", None, None) == core.row(
        "SELECT position_id, created_at, updated_at, fills_count FROM core.treasury_orders"
    )


def test_an_order_without_an_amount_in_sol_is_quarantined_unless_the_owners_decide_for_the_positions(bench):
    position(bench, id="aaaaaaaa", entry_amount_sol=0.75, tp_order_id="0rder001")
    order(bench)

    core = bench.load("core", wallet_address="W")

    assert [("0rder001", "NOT NULL amount_sol")] == core.quarantined("treasury_orders")


def test_an_order_without_an_amount_in_sol_takes_the_positions_if_the_owners_decide_so(bench):
    position(bench, id="aaaaaaaa", entry_amount_sol=0.75, tp_order_id="0rder001")
    order(bench)

    core = bench.load("core", wallet_address="W", order_amount_sol="position")

    assert [(0.75,)] == core.rows("SELECT amount_sol FROM core.treasury_orders")


def test_an_order_that_no_position_names_is_quarantined(bench):
    order(bench, amount_sol=0.1)

    core = bench.load("core")

    assert [("0rder001", "NOT NULL symbol")] == core.quarantined("treasury_orders")


def test_an_order_of_a_refused_position_has_its_symbol_and_no_position(bench):
    position(bench, id="aaaaaaaa", status="lost", tp_order_id="0rder001")
    order(bench, amount_sol=0.1)

    core = bench.load("core", wallet_address="W")

    assert [("BONK", None)] == core.rows("SELECT symbol, position_id FROM core.treasury_orders")


def test_an_order_that_two_positions_name_has_neither_and_takes_what_both_agree_on(bench):
    position(bench, id="aaaaaaa0", sl_order_id="0rder001", entry_amount_sol=0.75)
    position(bench, id="aaaaaaa1", sl_order_id="0rder001", entry_amount_sol=0.75, status="closed_tp")
    order(bench, amount_sol=0.1, token_mint="")

    core = bench.load("core", wallet_address="W")

    assert [("BONK", "Bonk1", None)] == core.rows("SELECT symbol, token_address, position_id FROM core.treasury_orders")


def test_an_order_that_two_positions_name_is_quarantined_for_what_they_contradict_each_other_in(bench):
    for number, status in enumerate(("open", "closed_tp")):
        named = {"tp_order_id": "0rder001", "sl_order_id": "0rder002", "status": status}
        position(bench, id=f"aaaaaaa{number}", token_mint=f"Mint{number}", **named)
    position(bench, id="bbbbbbbb", symbol="WIF", token_mint="Wif1", tp_order_id="0rder003")
    position(bench, id="bbbbbbbc", symbol="SOL", token_mint="Sol1", tp_order_id="0rder003")
    order(bench, "0rder001", amount_sol=0.1, token_mint="")
    order(bench, "0rder002")
    order(bench, "0rder003", amount_sol=0.1)

    core = bench.load("core", wallet_address="W", order_amount_sol="position")

    assert [
        ("0rder001", "NOT NULL token_address"),
        ("0rder002", "NOT NULL amount_sol"),
        ("0rder003", "NOT NULL symbol"),
    ] == core.quarantined("treasury_orders")


@pytest.mark.parametrize(
    ("legacy", "status"),
    [("EXECUTING", "active"), ("COMPLETED", "filled"), ("FAILED", "cancelled"), ("CANCELLED", "cancelled")],
)
def test_an_orders_state_is_translated_and_its_word_comes_back(bench, legacy, status):
    position(bench, id="aaaaaaaa", tp_order_id="0rder001")
    order(bench, amount_sol=0.1, status=legacy, triggered_at="2026-01-18T00:00:00", triggered_price=HARD_TO_READ)

    core = bench.load("core", wallet_address="W")

    filled = ("2026-01-18 00:00:00", HARD_TO_READ) if status == "filled" else (None, None)
    assert (status, *filled) == core.row("SELECT status, filled_at, filled_price FROM core.treasury_orders")
    assert legacy == json.loads(core.rebuilt("jarvis.treasury_orders", "0rder001")["order_json"])["status"]
    assert core.rest("jarvis.treasury_orders", "0rder001") is None


def test_an_orders_text_stays_letter_by_letter(bench):
    position(bench, id="aaaaaaaa", tp_order_id="0rder001")
    text = ' {"type" : "STOP_LOSS",\r\n\t"status":"ACTIVE", "status":"FAILED", "amount_sol":0.10, "n":1e999,"x":{}}\n'
    bench.add("jarvis.treasury_orders", order_id="0rder001", order_json=text)

    core = bench.load("core", wallet_address="W")

    # Of twin keys the first counts.
    assert ("active", '{"order":' + text + "}") == core.row("SELECT status, metadata FROM core.treasury_orders")
    assert text == core.rebuilt("jarvis.treasury_orders", "0rder001")["order_json"]


@pytest.mark.parametrize(
    "changed",
    [
        lambda _: "",
        lambda text: text[:-1],
        lambda text: f"[{text}]",
        lambda text: text + ',"more":{}',
        lambda text: text + "\0",
        lambda text: text.encode(),
        lambda _: 7,
    ],
    ids=["nothing", "cut short", "an array", "two members", "a NUL behind", "a BLOB", "a number"],
)
def test_an_order_that_is_no_json_object_is_quarantined(bench, changed):
    position(bench, id="aaaaaaaa", tp_order_id="0rder001")
    text = json.dumps({**ORDER, "amount_sol": 0.1})
    bench.add("jarvis.treasury_orders", order_id="0rder001", order_json=changed(text))

    core = bench.load("core", wallet_address="W")

    assert [("0rder001", "NOT NULL order_type")] == core.quarantined("treasury_orders")


def test_an_order_changed_since_says_so_in_its_json_and_nothing_else_changes(bench):
    position(bench, id="aaaaaaaa", tp_order_id="0rder001")
    order(bench, amount_sol=0.1, status="EXECUTING")
    core = bench.load("core", wallet_address="W")

    core.rows("UPDATE core.treasury_orders SET trigger_price = 0.5")
    changed = json.loads(core.rebuilt("jarvis.treasury_orders", "0rder001")["order_json"])
    assert {**ORDER, "amount_sol": 0.1, "status": "EXECUTING", "target_price": 0.5} == changed

    core.rows(
        "UPDATE core.treasury_orders SET status = 'filled', filled_at = '2026-01-18 00:00:00', filled_price = 0.6"
    )
    changed = json.loads(core.rebuilt("jarvis.treasury_orders", "0rder001")["order_json"])
    assert ("COMPLETED", "2026-01-18T00:00:00", 0.6, 9007199254740993) == (
        *(changed["status"], changed["triggered_at"], changed["triggered_price"], changed["amount"]),
    )


# ----------------------------------------------------------------------------------------------------- score


def test_the_score_is_the_entry_for_all_time_and_what_was_never_kept_is_null(bench):
    bench.add("jarvis.scorecard", id=1, total_trades=27, total_pnl_sol=-0.25, worst_streak=-7, last_updated="")

    core = bench.load("core")

    assert (1, "all_time", 27, -0.25, None, None, None, None) == core.row(
        "SELECT id, period, total_trades, total_pnl_sol, timestamp, total_volume_sol, total_fees_paid_sol,"
        " jupiter_trade_count FROM core.scorecard"
    )
    assert '{"worst_streak":[-7,0]}' == core.rest("jarvis.scorecard", 1)


# ------------------------------------------------------------------------------------------------------- tax


def test_a_lot_hangs_on_the_trade_with_its_transaction_and_the_mint_of_its_symbol(bench):
    trade(bench, id="buy_a", symbol="Bonk", token_mint="Bonk1", tx_signature="5ign")
    bench.add(
        "tax.tax_lots", id=7, symbol="BONK", quantity=8.0, total_cost=20.25, tx_id="5ign", wash_sale_adjustment=0.5
    )

    core = bench.load("core")

    assert (7, core.new_key("jarvis.trades", "buy_a"), "Bonk1", "BONK", 8.0, 20.25, None, None, None, None) == core.row(
        "SELECT id, trade_id, token_address, symbol, quantity, cost_basis_usd, disposal_date, disposal_proceeds_usd,"
        " short_term, wash_sale FROM core.tax_lots"
    )
    assert 0.5 == core.rebuilt("tax.tax_lots", 7)["wash_sale_adjustment"]


@pytest.mark.parametrize("tx_id", ["nobody knows", "", None])
def test_a_lot_whose_trade_is_missing_is_quarantined(bench, tx_id):
    trade(bench, id="buy_a", symbol="BONK", tx_signature="")
    bench.add("tax.tax_lots", id=7, symbol="BONK", tx_id=tx_id)

    core = bench.load("core")

    assert [(7, "NOT NULL trade_id")] == core.quarantined("tax_lots")


def test_a_lot_whose_symbol_names_two_mints_is_quarantined(bench):
    lot(bench, 7)
    trade(bench, id="buy_b", symbol="bonk", token_mint="Another1")

    core = bench.load("core")

    assert [(7, "NOT NULL token_address")] == core.quarantined("tax_lots")


@pytest.mark.parametrize(
    ("sold_at", "short_term"),
    [("2027-01-18T09:59:59.999999+00:00", 1), ("2027-01-18T10:00:00+00:00", 0), ("2026-01-16T10:00:00+00:00", 1)],
)
def test_a_lot_that_one_sale_used_up_is_disposed_of_with_its_share(bench, sold_at, short_term):
    lot(bench, 7, remaining_quantity=0.0, purchase_date="2026-01-17T10:00:00+00:00")
    lot(bench, 8, quantity=4.0, remaining_quantity=2.0)
    sale(bench, (7, 8.0), (8, 2.0), sale_date=sold_at)

    core = bench.load("core")

    sold = "SELECT disposal_proceeds_usd, short_term FROM core.tax_lots WHERE id = ?"
    assert (24.0, short_term) == core.row(sold, 7)
    assert (None, None) == core.row(sold, 8)


def test_a_sale_of_one_lot_gives_it_exactly_its_proceeds(bench):
    lot(bench, 7, quantity=3.0, remaining_quantity=0.0)
    sale(bench, (7, 3.0), proceeds=0.1)

    core = bench.load("core")

    assert [("2026-01-17 10:00:00", 0.1)] == core.rows("SELECT disposal_date, disposal_proceeds_usd FROM core.tax_lots")


@pytest.mark.parametrize(
    ("remaining", "sales"),
    [
        (0.0, ["[[7, 5.0]]", "[[7, 3.0]]"]),
        (0.0, ["[[7, 8.0]]", "[[7, 1.0]]"]),
        (0.0, ["[[7, 7.0]]"]),
        (0.5, ["[[7, 8.0]]"]),
        (0.0, ["[[7, 8.0], [7]]"]),
        (0.0, ['[[7, 8.0], ["a", 1.0]]']),
        (0.0, ["[[7, 8.0]"]),
        (0.0, ["[[7, 8.0]]\0"]),
        (0.0, ['{"lot": [7, 8.0]}']),
        (0.0, [b"[[7, 8.0]]"]),
        (0.0, []),
    ],
    ids=[
        "two sales",
        "too much",
        "too little",
        "some remains",
        "half a pair",
        "no id",
        "no JSON",
        "NUL",
        "object",
        "BLOB",
        "no sale",
    ],
)
def test_a_lot_is_not_disposed_of_unless_exactly_one_sale_used_it_up(bench, remaining, sales):
    lot(bench, 7, remaining_quantity=remaining)
    for used in sales:
        bench.add("tax.sales", lots_used_json=used, quantity=8.0)

    core = bench.load("core")

    assert [(None, None, None)] == core.rows(
        "SELECT disposal_date, disposal_proceeds_usd, short_term FROM core.tax_lots"
    )
    assert remaining == core.rebuilt("tax.tax_lots", 7)["remaining_quantity"]


def test_a_lot_that_one_sale_lists_in_two_portions_is_used_up_by_it(bench):
    lot(bench, 7, remaining_quantity=0.0)
    bench.add("tax.sales", lots_used_json="[[7, 5], [7, 3.0]]", quantity=8.0, proceeds=30.0)

    core = bench.load("core")

    assert [(30.0,)] == core.rows("SELECT disposal_proceeds_usd FROM core.tax_lots")


def test_a_wash_sale_of_two_lots_becomes_two_whose_losses_add_up_to_the_last_bit(bench):
    for id_ in (7, 8, 9):
        lot(bench, id_)
    sale(bench, (8, 8.0), (7, 3.0), tx_id="s1")
    bench.add(
        "tax.wash_sales", id=5, sale_tx_id="s1", disallowed_loss=10.1, replacement_lot_id=9,
        sale_date="2026-01-18T00:00:00+00:00",
    )  # fmt: skip

    core = bench.load("core")

    first, last = core.rows("SELECT * FROM core.wash_sales ORDER BY id")
    assert (8, 9, "2026-01-18 00:00:00") == (first[1], first[2], first[4])
    assert (7, 9, "2026-01-18 00:00:00") == (last[1], last[2], last[4])
    assert first[3] == pytest.approx(10.1 * 8 / 11)
    assert 10.1 == first[3] + last[3]
    assert 10.1 == core.rebuilt("tax.wash_sales", 5)["disallowed_loss"]
    # Ids are assigned above the legacy sequence.
    assert [6, 7] == [first[0], last[0]]


@pytest.mark.parametrize("loss", [10.0, 0.1, 1 / 3, 33.333333333333336, 5e-324, -7.7, 1e15 / 7])
def test_whatever_the_loss_the_parts_of_three_add_up_in_any_order(bench, loss):
    for id_ in (6, 7, 8, 9):
        lot(bench, id_)
    sale(bench, (6, 0.1), (7, 1 / 3), (8, 123.456), tx_id="s1")
    bench.add("tax.wash_sales", sale_tx_id="s1", disallowed_loss=loss, replacement_lot_id=9)

    core = bench.load("core")

    a, b, c = (part for (part,) in core.rows("SELECT disallowed_loss_usd FROM core.wash_sales ORDER BY id"))
    assert {loss} == {a + b + c, b + c + a, c + a + b}


def test_the_share_of_each_lot_in_a_loss_is_as_near_as_the_oracle_expects(bench):
    """The first wash sale is one of a set of five million rows; the others are drawn."""
    chance = random.Random(1)  # noqa: S311 - the same have to be drawn each time
    drawn = [
        (
            chance.choice([1e-3, 1.0, 1e5]) * chance.random(),
            [chance.choice([1e-3, 1.0, 1e4]) * chance.random() for _ in range(lots)],
        )
        for lots in (2, 3, 5)
        for _ in range(300)
    ]
    sales = [(27.507677, [230.92554960280808, 51.89510546123332]), *drawn]
    for id_ in range(1, 6):
        lot(bench, id_)
    for number, (loss, quantities) in enumerate(sales, 1):
        sale(bench, *enumerate(quantities, 1), tx_id=f"s{number}")
        bench.add("tax.wash_sales", id=number, sale_tx_id=f"s{number}", disallowed_loss=loss, replacement_lot_id=1)

    found = bench.load("core").rows(
        "SELECT l.legacy_key, w.disallowed_loss_usd FROM core.wash_sales AS w JOIN core.lineage AS l"
        " ON l.target = 'wash_sales' AND l.target_id = w.id WHERE l.source = 'tax.wash_sales' ORDER BY 1, w.sold_lot_id"
    )

    expected = [near for loss, quantities in sales for near in _shares(loss, quantities)]
    assert len(expected) == len(found)
    off = [key for (key, seen), near in zip(found, expected, strict=True) if abs(seen - near.value) > near.within]
    assert [] == off


def _shares(loss, quantities):
    """Return what the oracle makes of a *loss* on lots sold in these *quantities*."""
    total = sum(quantities)
    sold = [
        Sold(lot=lot_id, quantity=quantity, share=quantity / total, sold_at=None, proceeds=None)
        for lot_id, quantity in enumerate(quantities, 1)
    ]
    asked = mock.Mock(lots_of=lambda _: sold, constants={})
    (reading,) = [one for one in oracle_tax.readings(asked) if one.source == "tax.wash_sales"]
    return [part["loss"] for part in reading.parts({"disallowed_loss": loss, "sale_tx_id": "s"})]


def test_one_loss_written_down_for_two_replacements_stays_so(bench):
    for id_ in (7, 8, 9):
        lot(bench, id_)
    sale(bench, (7, 8.0), tx_id="s1")
    for replacement in (8, 9):
        bench.add("tax.wash_sales", sale_tx_id="s1", disallowed_loss=10.0, replacement_lot_id=replacement)

    core = bench.load("core")

    assert [(7, 8, 10.0), (7, 9, 10.0)] == core.rows(
        "SELECT sold_lot_id, replacement_lot_id, disallowed_loss_usd FROM core.wash_sales ORDER BY id"
    )


@pytest.mark.parametrize(
    ("wash", "broken"),
    [
        ({"sale_tx_id": "nobody knows"}, "NOT NULL sold_lot_id"),
        ({"sale_tx_id": ""}, "NOT NULL sold_lot_id"),
        ({"sale_tx_id": None}, "NOT NULL sold_lot_id"),
        ({"sale_tx_id": "lost"}, "FOREIGN KEY sold_lot_id"),
        ({"replacement_lot_id": None}, "NOT NULL replacement_lot_id"),
        ({"replacement_lot_id": 99}, "FOREIGN KEY replacement_lot_id"),
    ],
)
def test_a_wash_sale_that_lacks_a_lot_is_quarantined_whole(bench, wash, broken):
    for id_ in (7, 8):
        lot(bench, id_)
    bench.add("tax.tax_lots", id=6, symbol="BONK", tx_id="nobody knows")
    sale(bench, (7, 8.0), tx_id="s1")
    sale(bench, (7, 1.0), (6, 1.0), tx_id="lost")
    bench.add("tax.sales", lots_used_json="[[7, 8.0]]", tx_id="")
    bench.add("tax.wash_sales", id=5, **{"sale_tx_id": "s1", "replacement_lot_id": 8, **wash})

    core = bench.load("core")

    assert [(5, broken)] == core.quarantined("wash_sales")
    assert [] == core.rows("SELECT * FROM core.wash_sales")


# ----------------------------------------------------------------------------------------------------- cache


def test_an_expired_entry_keeps_its_bytes_and_its_time_becomes_utc(bench):
    pickled = b"\x80\x04\x95\x00N."
    bench.add("file_cache.cache_entries", key="k", value=pickled, created_at=1768626682.5, expires_at=0.25, tags="a,b")

    cache = bench.load("cache")

    assert ("k", pickled, "1970-01-01 00:00:00.250000", "2026-01-17 05:11:22.500000") == cache.row(
        "SELECT key, value, expires_at, created_at FROM cache.cache_entries"
    )
    assert '{"tags":["a,b",""]}' == cache.rest("file_cache.cache_entries", "k")


def test_a_naive_time_of_the_other_cache_is_local(bench):
    bench.add("cache_db.cache", key="k", value=b"v", created_at="2026-01-16T23:11:22.000001", expires_at=None)

    cache = bench.load("cache", local_utc_offset="-06:00")

    assert [("2026-01-17 05:11:22.000001", None)] == cache.rows(
        "SELECT created_at, expires_at FROM cache.cache_entries"
    )
    assert "2026-01-16T23:11:22.000001" == cache.rebuilt("cache_db.cache", "k")["created_at"]
    assert "created_at" not in json.loads(cache.rest("cache_db.cache", "k"))


def test_what_the_other_cache_gets_after_the_cutover_goes_back_as_its_clock_shows_it(bench):
    bench.add("cache_db.cache", key="k", value=b"v", created_at="2026-01-16T23:11:22", expires_at=None)
    cache = bench.load("cache", local_utc_offset="-06:00")

    cache.connection.execute(
        "UPDATE cache.cache_entries SET created_at = '2026-03-01 03:00:00', expires_at = '2026-03-01 06:00:00.25'"
    )

    row = cache.rebuilt("cache_db.cache", "k")
    assert ("2026-02-28T21:00:00", "2026-03-01T00:00:00.250000") == (row["created_at"], row["expires_at"])


def test_of_two_caches_with_one_key_the_younger_entry_stays(bench):
    bench.add("file_cache.cache_entries", key="a", value=b"old", created_at=1768626682.0, expires_at=0.0)
    bench.add("file_cache.cache_entries", key="b", value=b"young", created_at=1768626683.0, expires_at=0.0)
    for key, value in (("a", b"young"), ("b", b"old")):
        bench.add("cache_db.cache", key=key, value=value, created_at="2026-01-17T05:11:22.5")

    cache = bench.load("cache", local_utc_offset="+00:00")

    assert [("a", b"young"), ("b", b"young")] == cache.rows("SELECT key, value FROM cache.cache_entries ORDER BY key")
    assert [("a", "PRIMARY KEY key"), ("b", "PRIMARY KEY key")] == cache.quarantined("cache_entries")


def test_a_cached_number_keeps_its_storage_class_on_the_way_back(bench):
    for key, value in (("i", 7), ("r", 0.1), ("t", "7"), ("b", b"7")):
        bench.add("file_cache.cache_entries", key=key, value=value)

    cache = bench.load("cache")

    back = [cache.rebuilt("file_cache.cache_entries", key)["value"] for key in "irtb"]
    assert [(int, 7), (float, 0.1), (str, "7"), (bytes, b"7")] == [(type(value), value) for value in back]


def test_an_entry_without_a_key_is_quarantined(bench):
    bench.add("file_cache.cache_entries", key=None)

    cache = bench.load("cache")

    assert [(None, "NOT NULL key")] == cache.quarantined("cache_entries")


@pytest.mark.parametrize(
    ("scope", "user"),
    [("user:7123456789", 7123456789), ("user:-5", -5), ("user:0", 0), ("user:9223372036854775807", 2**63 - 1)],
)
def test_a_scope_that_names_a_user_gives_its_number(bench, scope, user):
    bench.add("rate_limiter.request_log", request_id="r", scope_key=scope)

    cache = bench.load("cache")

    assert [(user, 1)] == cache.rows("SELECT user_id, allowed FROM cache.rate_limiter_logs")


@pytest.mark.parametrize(
    "scope",
    [
        "wallet:abc",
        "ip:10.0.0.1",
        "global",
        "",
        "user:",
        "user:abc",
        "user:1.5",
        "user:9223372036854775808",
        "user:7\0",
    ],
)
def test_a_scope_that_is_no_user_is_quarantined(bench, scope):
    bench.add("rate_limiter.request_log", request_id="r", scope_key=scope)

    cache = bench.load("cache")

    assert [("r", "NOT NULL user_id")] == cache.quarantined("rate_limiter_logs")


def test_requests_are_numbered_by_time(bench):
    bench.add("rate_limiter.request_log", request_id="a", scope_key="user:1", timestamp="2026-01-18T00:00:00+00:00")
    bench.add("rate_limiter.request_log", request_id="b", scope_key="user:2", timestamp="2026-01-17T00:00:00+00:00")

    cache = bench.load("cache")

    assert [(1, 2), (2, 1)] == cache.rows("SELECT id, user_id FROM cache.rate_limiter_logs ORDER BY id")
