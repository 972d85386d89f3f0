"""Rows of the databases that become the core: positions, trades, orders, score, swaps, tax."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.trade_history import Book, Position, Trade
from contracts.specimens.values import LAMPORTS, NOW, USDC, aware, moment, naive, price, signature, spaced

Rows = Iterator[tuple[Any, ...]]

FOUND = Tables()


@FOUND.of(
    "jarvis.positions",
    "id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, take_profit_price, stop_loss_price, "
    "tp_order_id, sl_order_id, status, exit_price, exit_amount_sol, pnl_sol, pnl_pct, opened_at, closed_at, "
    "tx_signature_entry, tx_signature_exit, user_id",
)
def _positions(world: World, _count: int) -> Rows:
    return (position.row() for position in world.book.positions)


@FOUND.of(
    "jarvis.trades",
    "id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, tx_signature, position_id, user_id",
)
def _trades(world: World, _count: int) -> Rows:
    return (trade.row() for trade in world.book.trades)


@FOUND.of(
    "jarvis.scorecard",
    "id, total_trades, winning_trades, losing_trades, total_pnl_sol, largest_win_sol, largest_loss_sol, "
    "current_streak, best_streak, worst_streak, win_rate, last_updated",
)
def _scorecard(world: World, count: int) -> Rows:
    closed = [position.row()[13] for position in world.book.positions if position.closed]
    gains = [gain for gain in closed if isinstance(gain, float)]
    won = [gain for gain in gains if gain > 0]
    lost = [gain for gain in gains if gain <= 0]
    if count:
        rate = 100 * len(won) / len(gains) if gains else 0.0
        yield (
            *(1, len(world.book.trades), len(won), len(lost), sum(gains), max(won, default=0.0)),
            *(min(lost, default=0.0), -2, 3, -4, rate, aware(NOW - timedelta(hours=3, microseconds=881_337))),
        )


@FOUND.of("jarvis.treasury_orders", "order_id, order_json")
def _treasury_orders(world: World, count: int) -> Rows:
    rng = world.rng("jarvis.treasury_orders")
    named = (
        (order, position, side)
        for position in world.book.traded_once()
        if position.orders[0]
        for side, order in zip(("TAKE_PROFIT", "STOP_LOSS"), position.orders, strict=True)
    )
    for index in range(count):
        order, position, kind = next(named, (world.id8("jarvis.treasury_orders", 1_000_000 + index), None, "STOP_LOSS"))
        body = order_body(position, kind) if position else orphan_body(world, price(rng))
        if rng.random() < 0.7:
            body["amount_sol"] = round(rng.uniform(0.01, 1.5), 9)
        yield order, json.dumps(body)


def order_body(position: Position, kind: str) -> dict[str, Any]:
    """Return the JSON of an order of *position*; it names neither symbol nor position."""
    hit = {"closed_tp": "TAKE_PROFIT", "closed_sl": "STOP_LOSS"}.get(position.status)
    status = "ACTIVE" if position.closed is None else "COMPLETED" if hit == kind else "CANCELLED"
    body: dict[str, Any] = {
        "type": kind,
        "token_mint": position.token.mint,
        "amount": int(position.tokens * 10**position.token.decimals),
        "target_price": position.take_profit if kind == "TAKE_PROFIT" else position.stop_loss,
        "output_mint": USDC,
        "created_at": naive(position.opened),
        "status": status,
        "triggered_at": None,
        "result": None,
    }
    if status == "COMPLETED" and position.closed is not None:
        body["triggered_at"] = naive(position.closed)
        body["triggered_price"] = position.exit_price
        body["result"] = {"success": True, "signature": position.signatures[1], "output_amount": position.sol_out}
    return body


def orphan_body(world: World, target: float) -> dict[str, Any]:
    """Return an order that no position names."""
    return {
        "type": "STOP_LOSS",
        "token_mint": world.tokens[1].mint,
        "amount": 1_000_000,
        "target_price": target,
        "output_mint": USDC,
        "created_at": naive(NOW - timedelta(days=9, microseconds=17)),
        "status": "CANCELLED",
        "triggered_at": None,
        "result": None,
    }


@FOUND.of(
    "treasury_trades.treasury_trades",
    "timestamp, token_mint, side, amount_in, amount_out, pnl, success, signature, created_at",
)
def _treasury_trades(world: World, count: int) -> Rows:
    """Yield swaps in smallest units; 4 in 10 are in the book, 1 in 14 failed."""
    rng = world.rng("treasury_trades.treasury_trades")
    known = iter([trade for trade in world.book.trades if trade.signature])
    for index in range(count):
        trade = next(known, None) if index % 5 < 2 else None
        if trade is not None:
            at, token, side, signed = trade.at, trade.token, trade.side, trade.signature
            lamports, units = int(abs(trade.sol) * LAMPORTS), int(trade.tokens * 10**token.decimals)
        else:
            at, token, side, signed = moment(rng), rng.choice(world.tokens), rng.choice(("buy", "sell")), signature(rng)
            lamports, units = rng.randrange(10**6, 2 * 10**9), rng.randrange(10**6, 10**15)
        failed = trade is None and index % 14 == 13
        into, out = (lamports, units) if side == "buy" else (units, lamports)
        gain = 0 if side == "buy" else out - into
        spelled = aware(at.replace(microsecond=700_000))[:21] + "+00:00" if index % 6 == 5 else aware(at)
        yield spelled, token.mint, side, into, out, gain, int(not failed), None if failed else signed, spaced(at)


def lots(book: Book, count: int) -> Sequence[tuple[str, float, float, Trade | None]]:
    """Return symbol, quantity, total cost and trade of each tax lot.

    Lots refer to buys with a signature and a symbol that only one token has; tokens that were bought twice come
    first, so that a sale has a replacement.  When such buys run out, the rest refer to an unknown transaction.
    """
    by_symbol: dict[str, list[Trade]] = defaultdict(list)
    for trade in book.trades:
        if trade.side == "buy" and trade.signature and trade.token.sole:
            by_symbol[trade.token.symbol].append(trade)
    groups = sorted(by_symbol.values(), key=lambda group: (-len(group), group[0].at, group[0].id))
    bought = [trade for group in groups for trade in group][:count]
    if len(bought) < count:
        # In groups of three: the lots of a group share a sale, so all of them have a trade, or none.
        bought = bought[: len(bought) // 3 * 3]
    known = [(trade.token.symbol.upper(), trade.tokens, trade.tokens * trade.price + 0.25, trade) for trade in bought]
    return [*known, *((f"LOT{index}", 10.0, 12.5, None) for index in range(count - len(known)))]


def parts(index: int, lot_count: int) -> list[tuple[int, float]]:
    """Return which shares of which lots sale *index* sold, all counted from 0.

    Of three lots the first goes in one sale, the second in two, and the last half, in one sale with the second.
    """
    first = index // 3 * 3
    sold = (((first, 1.0),), ((first + 1, 0.5),), ((first + 1, 0.5), (first + 2, 0.5)))[index % 3]
    return [(lot, share) for lot, share in sold if lot < lot_count]


@FOUND.of(
    "tax.tax_lots",
    "id, symbol, quantity, remaining_quantity, cost_per_unit, total_cost, fee, purchase_date, tx_id, "
    "adjusted_cost_basis, wash_sale_adjustment",
)
def _tax_lots(world: World, count: int) -> Rows:
    rng = world.rng("tax.tax_lots")
    sold: dict[int, float] = defaultdict(float)
    for sale in range(world.count("tax.sales")):
        for lot, share in parts(sale, count):
            sold[lot] += share
    for index, (symbol, quantity, cost, trade) in enumerate(lots(world.book, count)):
        unit = cost / quantity
        raised = 0.125 * unit if index % 3 == 1 and world.count("tax.wash_sales") else 0.0
        yield (
            *(index + 1, symbol, quantity, quantity - quantity * sold[index], unit, cost, 0.25),
            *(aware(trade.at if trade else moment(rng)), trade.signature if trade else f"tx{index + 1}"),
            *(unit + raised, raised),
        )


@FOUND.of(
    "tax.sales",
    "id, symbol, quantity, sale_price, sale_date, proceeds, cost_basis, gain_loss, fee, is_long_term, "
    "holding_period_days, short_term_gain_loss, lots_used_json, tx_id",
)
def _sales(world: World, count: int) -> Rows:
    rng = world.rng("tax.sales")
    everything = lots(world.book, world.count("tax.tax_lots"))
    for index in range(count):
        used = [(everything[lot], lot, share) for lot, share in parts(index, len(everything))]
        quantity = sum(share * lot[1] for lot, _, share in used) or 1.0
        basis = sum(share * lot[2] for lot, _, share in used)
        symbol, _, _, trade = used[0][0] if used else ("BONK", 0, 0, None)
        proceeds = basis * rng.uniform(0.4, 0.95)
        at = min((trade.at if trade else moment(rng)) + timedelta(days=rng.randint(1, 12)), NOW)
        listed = json.dumps([[lot + 1, share * row[1]] for row, lot, share in used])
        yield (
            *(index + 1, symbol, quantity, proceeds / quantity, aware(at), proceeds, basis, proceeds - basis, 0.1),
            *(0, 5, proceeds - basis, listed, f"sale{index + 1}"),
        )


@FOUND.of(
    "tax.wash_sales",
    "symbol, sale_date, sale_tx_id, replacement_date, replacement_tx_id, disallowed_loss, replacement_lot_id",
)
def _wash_sales(world: World, count: int) -> Rows:
    """Yield wash sales of sales of one lot and of two, each replaced by the lot after."""
    rng = world.rng("tax.wash_sales")
    everything = lots(world.book, world.count("tax.tax_lots"))
    sales = world.count("tax.sales")
    for _ in range(count):
        sale = rng.randrange(max(sales, 1))
        lot = (sale + 1) % max(len(everything), 1)
        symbol, _, _, trade = everything[lot] if everything else ("BONK", 0, 0, None)
        at = moment(rng)
        yield (
            *(symbol, aware(at), f"sale{sale + 1}", aware(at + timedelta(days=4))),
            *(trade.signature if trade else None, round(rng.uniform(1, 40), 6), lot + 1),
        )
