"""Hazards of positions, trades, orders and the score."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from contracts.specimens.hazards.planting import Hazards, Plant
from contracts.specimens.values import NOW, USDC, WRAPPED_SOL, aware, naive

HAZARDS = Hazards()

_POSITIONS, _TRADES, _ORDERS = "core.positions", "core.trades", "core.treasury_orders"


@HAZARDS.of("G1", "jarvis.positions", "an id that INTEGER affinity converts to a number, or to a smaller one")
def _g1(plant: Plant) -> None:
    for kind in (str.isdigit, lambda text: text.startswith("00") and text.isdigit(), _tiny_exponent):
        plant.add("jarvis.positions", id=plant.hex8_like("jarvis.positions", kind))


def _tiny_exponent(text: str) -> bool:
    head, _, tail = text.partition("e")
    return head.isdigit() and tail.isdigit() and int(tail) < 10


@HAZARDS.of("G12", "jarvis.positions", "the status of another writer, in upper case, which queries of today do not see")
def _g12(plant: Plant) -> None:
    plant.add("jarvis.positions", status="OPEN", refused=_POSITIONS)


@HAZARDS.of("G12", "jarvis.pick_performance", "one pick by two writers: an instant and a date, lower case and upper")
def _g12_picks(plant: Plant) -> None:
    plant.add("jarvis.pick_performance", pick_date="2026-01-19T09:30:00.125000+00:00", outcome="open")
    plant.add("jarvis.pick_performance", pick_date="2026-01-19", outcome="PENDING")


@HAZARDS.of("G17", "jarvis.users", "rows of a demonstration in a production table")
def _g17(plant: Plant) -> None:
    plant.add("jarvis.users")
    plant.add("jarvis.users")


@HAZARDS.of("P1", "jarvis.positions", "one token in several positions, open twice and closed once")
def _p1(plant: Plant) -> None:
    symbol, mint = plant.token()
    token: dict[str, Any] = {"symbol": symbol, "token_mint": mint}
    plant.add("jarvis.positions", **token, opened_at=aware(NOW - timedelta(days=1)))
    plant.add("jarvis.positions", **token, opened_at=aware(NOW - timedelta(days=3)), refused=_POSITIONS)
    plant.add("jarvis.positions", **token, status="closed_tp", closed_at=aware(NOW), refused=_POSITIONS)


@HAZARDS.of("P1", "jarvis.positions", "two open positions of one token with one instant of opening: the id decides")
def _p1_tie(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("jarvis.positions", symbol=symbol, token_mint=mint)
    plant.add("jarvis.positions", symbol=symbol, token_mint=mint, refused=_POSITIONS)


@HAZARDS.of("P1", "jarvis.positions", "one token of which the only other position is refused for its status")
def _p1_alone(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("jarvis.positions", symbol=symbol, token_mint=mint, status="closed_sl", closed_at=aware(NOW))
    plant.add("jarvis.positions", symbol=symbol, token_mint=mint, status="lost", refused=_POSITIONS)


@HAZARDS.of("P1", "jarvis.positions", "one symbol under two mints")
def _p1_symbol(plant: Plant) -> None:
    symbol, _ = plant.token()
    plant.add("jarvis.positions", symbol=symbol)
    plant.add("jarvis.positions", symbol=symbol)


@HAZARDS.of("P2", "jarvis.positions", "a status outside the specified ones")
def _p2(plant: Plant) -> None:
    plant.add("jarvis.positions", status="failed", closed_at=aware(NOW))
    plant.add("jarvis.positions", status="closed_manual", closed_at=aware(NOW))
    for status in ("liquidated", "", None):
        plant.add("jarvis.positions", status=status, refused=_POSITIONS)


@HAZARDS.of("P5", "jarvis.positions", "closed by hand: the profit stands where the proceeds belong")
def _p5(plant: Plant) -> None:
    plant.add(
        "jarvis.positions", status="closed_manual", exit_price=0.000_32, exit_amount_sol=0.0024,
        pnl_sol=0.0024 - 0.1, pnl_pct=(0.0024 - 0.1) / 0.1 * 100, closed_at=aware(NOW),
    )  # fmt: skip


@HAZARDS.of("P6", "jarvis.positions", "prices from which no percentage follows, or a nonsensical one")
def _p6(plant: Plant) -> None:
    plant.add("jarvis.positions", entry_price=0.0)
    plant.add("jarvis.positions", entry_price=0.1666, take_profit_price=114.99, stop_loss_price=95.0)
    plant.add("jarvis.positions", take_profit_price=None, stop_loss_price=0.0)
    plant.add("jarvis.positions", entry_price=0.1 + 0.2, take_profit_price=1 / 3, stop_loss_price=5e-324)


@HAZARDS.of("P7", "jarvis.positions", "taken over from the trader: naive time, guessed SOL, no buy, no signature")
def _p7(plant: Plant) -> None:
    plant.add("jarvis.positions", opened_at="2026-01-13T06:22:36.780828", entry_amount_sol=0.25, tx_signature_entry="")


@HAZARDS.of("P8", "jarvis.positions", "'' or NULL for missing times and prices")
def _p8(plant: Plant) -> None:
    plant.add("jarvis.positions", status="closed_tp", closed_at="", exit_price=0.0)
    plant.add("jarvis.positions", opened_at="")
    plant.add("jarvis.positions", opened_at=None, closed_at=None, exit_price=None, tx_signature_exit=None)


@HAZARDS.of("P9", "jarvis.positions", "0, NULL and an enormous number for the user")
def _p9(plant: Plant) -> None:
    for user in (0, None, 2**63 - 1):
        plant.add("jarvis.positions", user_id=user)


@HAZARDS.of("T1", "jarvis.trades", "an id that is not made of a side and a position")
def _t1(plant: Plant) -> None:
    plant.add("jarvis.trades", id=f"manual-{plant.serial()}")


@HAZARDS.of("T2", "jarvis.trades", "a position that is missing, '' or NULL, or refused")
def _t2(plant: Plant) -> None:
    symbol, mint = plant.token()
    gone = plant.hex8("jarvis.positions")
    plant.beside("jarvis.positions", id=gone, symbol=symbol, token_mint=mint, status="unknown", refused=_POSITIONS)
    for position in (plant.hex8("jarvis.positions"), "", None, gone):
        plant.add("jarvis.trades", position_id=position)


@HAZARDS.of("T3", "jarvis.trades", "one signature in several trades; no signature in several more")
def _t3(plant: Plant) -> None:
    signature = plant.signature()
    for hours in range(3):
        late = _TRADES if hours else ""
        plant.add(
            "jarvis.trades", tx_signature=signature, timestamp=aware(NOW - timedelta(hours=9 - hours)), refused=late
        )
    for nothing in ("", "", None, None):
        plant.add("jarvis.trades", tx_signature=nothing)


@HAZARDS.of("T3", "treasury_trades.treasury_trades", "the swap of a trade, twice; swaps without a signature")
def _t3_swaps(plant: Plant) -> None:
    signature = plant.signature()
    plant.beside("jarvis.trades", tx_signature=signature)
    plant.add("treasury_trades.treasury_trades", signature=signature, amount_out=9_007_199_254_740_993)
    plant.add("treasury_trades.treasury_trades", signature=signature, success=0)
    plant.add("treasury_trades.treasury_trades", signature=None, success=0)
    plant.add("treasury_trades.treasury_trades", signature="")


@HAZARDS.of("T4", "jarvis.trades", "a side that is neither buy nor sell")
def _t4(plant: Plant) -> None:
    plant.add("jarvis.trades", side="", refused=_TRADES)
    plant.add("jarvis.trades", side="swap", refused=_TRADES)


@HAZARDS.of("T6", "jarvis.trades", "a sell of less than nothing: the profit stands where the proceeds belong")
def _t6(plant: Plant) -> None:
    plant.add("jarvis.trades", side="sell", amount_sol=-0.0976)


@HAZARDS.of("T7", "jarvis.trades", "a user, for whom the specified table has no column")
def _t7(plant: Plant) -> None:
    plant.add("jarvis.trades", user_id=7_123_456_789)


@HAZARDS.of("T9", "treasury_trades.treasury_trades", "gains in mixed units, no side, numbers beyond a float")
def _t9(plant: Plant) -> None:
    plant.add(
        "treasury_trades.treasury_trades", side="sell", amount_in=2**53 + 1, amount_out=10**8, pnl=10**8 - 2**53 - 1
    )
    plant.add("treasury_trades.treasury_trades", side="")
    plant.add("treasury_trades.treasury_trades", amount_out=2**63 - 1, pnl=-(2**63))


@HAZARDS.of(
    "O1", "treasury_trades.daily_snapshots", "a table that the specification takes for orders, but that has none"
)
def _o1(plant: Plant) -> None:
    plant.add("treasury_trades.daily_snapshots")


def order(plant: Plant, body: str | bytes, *, refused: str = "", named: bool = True, **position: Any) -> None:
    """Add an order whose JSON is *body*, of a position of its own if it is *named* by one."""
    id_ = plant.hex8("jarvis.treasury_orders")
    if named:
        plant.beside("jarvis.positions", sl_order_id=id_, **position)
    plant.add("jarvis.treasury_orders", order_id=id_, order_json=body, refused=refused)


def body(plant: Plant, **changes: Any) -> dict[str, Any]:
    """Return an order as the order manager keeps it, with an amount in SOL."""
    sound = {
        "type": "STOP_LOSS",
        "token_mint": plant.mint(),
        "amount": 48_000_000_000,
        "target_price": 0.000_25,
        "output_mint": USDC,
        "created_at": naive(NOW - timedelta(days=2)),
        "status": "ACTIVE",
        "triggered_at": None,
        "result": None,
        "amount_sol": 0.1,
    }
    return {**sound, **changes}


@HAZARDS.of("O2", "jarvis.treasury_orders", "every type and state that the order manager writes, and others")
def _o2(plant: Plant) -> None:
    for state in ("ACTIVE", "EXECUTING", "FAILED", "CANCELLED"):
        order(plant, json.dumps(body(plant, status=state)))
    hit = {"status": "COMPLETED", "triggered_at": naive(NOW), "triggered_price": 0.000_249}
    order(plant, json.dumps(body(plant, **hit, type="TAKE_PROFIT")))
    order(plant, json.dumps(body(plant, status="STUCK")), refused=_ORDERS)
    order(plant, json.dumps(body(plant, type="TRAILING")), refused=_ORDERS)
    untyped = body(plant)
    del untyped["type"]
    order(plant, json.dumps(untyped), refused=_ORDERS)


@HAZARDS.of("O3", "jarvis.treasury_orders", "no amount in SOL; an amount of units beyond a float")
def _o3(plant: Plant) -> None:
    silent = body(plant, amount=2**53 + 1)
    del silent["amount_sol"]
    order(plant, json.dumps(silent), refused=_ORDERS)
    order(plant, json.dumps(body(plant, amount=2**63 - 1)))


@HAZARDS.of("O4", "jarvis.treasury_orders", "no position names the order, or one that is refused does")
def _o4(plant: Plant) -> None:
    order(plant, json.dumps(body(plant)), named=False, refused=_ORDERS)
    order(plant, json.dumps(body(plant)), status="vanished")
    plant.refused[_POSITIONS] += 1


@HAZARDS.of("O4", "jarvis.treasury_orders", "two positions name the order, of one token or of two")
def _o4_twice(plant: Plant) -> None:
    first, second = plant.token()[0], plant.token()[0]
    for symbols, refused in (((first, first), ""), ((first, second), _ORDERS)):
        id_ = plant.hex8("jarvis.treasury_orders")
        for symbol, names in zip(symbols, ("sl_order_id", "tp_order_id"), strict=True):
            plant.beside("jarvis.positions", symbol=symbol, **{names: id_})
        plant.add("jarvis.treasury_orders", order_id=id_, order_json=json.dumps(body(plant)), refused=refused)


@HAZARDS.of("O2", "jarvis.treasury_orders", "an order that does not say whether it buys or sells")
def _o2_side(plant: Plant) -> None:
    order(plant, json.dumps(body(plant, type="LIMIT", side="BUY")))
    order(plant, json.dumps(body(plant, type="MARKET")), refused=_ORDERS)
    order(plant, json.dumps(body(plant, side="both")), refused=_ORDERS)


@HAZARDS.of("Z9", "jarvis.treasury_orders", "JSON that is invalid, no object, a BLOB, oddly spaced, or has a key twice")
def _z9_orders(plant: Plant) -> None:
    for text in ("{not json", "", "[]", "7", "null", '"ACTIVE"'):
        order(plant, text, refused=_ORDERS)
    order(plant, json.dumps(body(plant), indent=3).replace("\n", "\r\n\t"))
    order(plant, json.dumps(body(plant)).encode(), refused=_ORDERS)
    order(plant, json.dumps(body(plant)).replace("{", '{"created_at": "2026-01-01T00:00:00", ', 1))
    order(plant, json.dumps(body(plant, note="a\x00b \ud83d\ude80 \u2028")))


@HAZARDS.of("S1", "jarvis.scorecard", "values for which the specified series has no column")
def _s1(plant: Plant) -> None:
    keep_one(plant, "jarvis", "INSERT OR IGNORE INTO scorecard (id) VALUES (1)")
    plant.change("jarvis", "UPDATE scorecard SET largest_win_sol = 1.5, worst_streak = -7, current_streak = -3")


@HAZARDS.of("S2", "jarvis.scorecard", "'' for the time of the last update")
def _s2(plant: Plant) -> None:
    plant.change("jarvis", "UPDATE scorecard SET last_updated = ''")


@HAZARDS.of("S6", "jarvis.treasury_stats", "a second score that contradicts the first")
def _s6(plant: Plant) -> None:
    keep_one(plant, "jarvis", f"INSERT OR IGNORE INTO treasury_stats (id, updated_at) VALUES (1, '{aware(NOW)}')")
    plant.change("jarvis", "UPDATE treasury_stats SET total_trades = 99, largest_win_token = 'BONK'")


def keep_one(plant: Plant, database: str, statement: str) -> None:
    """Run *statement* on *database* without counting: it makes sure that there is a row."""
    plant.databases[database].execute(statement)


@HAZARDS.of("Z1", "jarvis.positions", "a NULL key, which SQLite lets a TEXT primary key be, twice")
def _z1_positions(plant: Plant) -> None:
    plant.add("jarvis.positions", id=None, refused=_POSITIONS)
    plant.add("jarvis.positions", id=None, refused=_POSITIONS)


@HAZARDS.of("Z1", "jarvis.trades", "a NULL key")
def _z1_trades(plant: Plant) -> None:
    plant.add("jarvis.trades", id=None, refused=_TRADES)


@HAZARDS.of("Z1", "jarvis.treasury_orders", "a NULL key")
def _z1_orders(plant: Plant) -> None:
    plant.add("jarvis.treasury_orders", order_id=None, order_json=json.dumps(body(plant)), refused=_ORDERS)


@HAZARDS.of("P1", "jarvis.positions", "wrapped SOL once more")
def _p1_wrapped(plant: Plant) -> None:
    """Plant a closed trial position that loses to the others of wrapped SOL."""
    rows = (
        plant.databases["jarvis"]
        .execute("SELECT count(*) FROM positions WHERE token_mint = ?", (WRAPPED_SOL,))
        .fetchone()[0]
    )
    plant.add(
        "jarvis.positions", symbol="SOL", token_mint=WRAPPED_SOL, status="closed_manual",
        opened_at=aware(NOW - timedelta(days=20)), closed_at=aware(NOW - timedelta(days=20)),
        refused=_POSITIONS if rows else "",
    )  # fmt: skip
