"""Readings of the legacy tables that go to the core database."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from contracts.second_reader.cells import Cell, Row, parsed
from contracts.second_reader.reading import (
    Near,
    Raw,
    Reading,
    always,
    cell,
    filled,
    member,
    only,
    or_else,
    raw_member,
    said_time,
    time,
    word,
)
from contracts.second_reader.times import instant, is_long_held, spelled
from contracts.second_reader.world import Sold, World

_NEVER_STORED = always(None)
_ORDER_STATES = {"executing": "active", "completed": "filled", "failed": "cancelled"}
_FILLED = {"completed", "filled"}
#: What is known of a lot, in its place in :attr:`World.lots`.
_SYMBOL, _ACQUIRED, _TRADE = range(3)


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _positions(world)
    yield _trades(world)
    yield _orders(world)
    yield _scorecard()
    yield _lots(world)
    yield _wash_sales(world)


def _is_closed(status: Cell) -> bool:
    return isinstance(status, str) and (status == "failed" or status.startswith("closed_"))


def _ratio(price: Cell, entry: Cell) -> float | None:
    """Return price / entry where both are known; a price of 0 is none."""
    if not isinstance(price, float) or not isinstance(entry, float) or not price or entry <= 0:
        return None
    return price / entry


def _percent(row: Row, price: str, *, gain: bool) -> float | None:
    ratio = _ratio(row[price], row["entry_price"])
    if ratio is None:
        return None
    percent = (ratio - 1) * 100 if gain else (1 - ratio) * 100
    return None if math.isnan(percent) else percent


def _limit(row: Row, name: str, percent: str, *, gain: bool) -> float | None:
    """Say the price that was kept while it still is that percentage, else the price that follows from the percentage."""
    kept = row["metadata."].get(name)
    entry, stated = row["entry_price"], row[percent]
    if kept is not None and _percent({"price": kept, "entry_price": entry}, "price", gain=gain) == stated:
        price: float = kept
        return price
    if not isinstance(stated, float) or not isinstance(entry, float):
        return None
    return entry * (1 + stated / 100) if gain else entry * (1 - stated / 100)


def _best_position(row: Row) -> Any:
    """Prefer the open one, of several the later, then the greater id."""
    opened = row["entry_time"] or ""
    return (row["status"] != "open", _Descending(opened), _Descending(row["legacy_key"]))


class _Descending(str):
    """Text that sorts the other way round."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _positions(world: World) -> Reading:
    return Reading(
        source="jarvis.positions",
        target="core.positions",
        key="id",
        assigned="entry_time",
        best=_best_position,
        forward={
            "symbol": cell("symbol"),
            "token_address": lambda row: world.mint(row["token_mint"], row["symbol"]),
            "entry_price": cell("entry_price"),
            "current_price": _NEVER_STORED,
            "amount": cell("entry_amount_tokens"),
            "amount_sol": cell("entry_amount_sol"),
            "status": lambda row: "closed" if _is_closed(row["status"]) else row["status"],
            "entry_time": time("opened_at"),
            "exit_time": time("closed_at"),
            "pnl_usd": _NEVER_STORED,
            "pnl_percent": cell("pnl_pct"),
            "take_profit_percent": lambda row: _percent(row, "take_profit_price", gain=True),
            "stop_loss_percent": lambda row: _percent(row, "stop_loss_price", gain=False),
            "trailing_stop_enabled": _NEVER_STORED,
            "trailing_stop_activation": _NEVER_STORED,
            "trailing_stop_distance": _NEVER_STORED,
            "highest_price": _NEVER_STORED,
            "wallet_address": lambda _: world.constants["wallet_address"],
            "user_id": lambda row: None if row["user_id"] == 0 else row["user_id"],
            "notes": _NEVER_STORED,
        },
        documents={
            "metadata": {
                "legacy_status": lambda row: row["status"] if _is_closed(row["status"]) else None,
                "take_profit_price": only("take_profit_price", float),
                "stop_loss_price": only("stop_loss_price", float),
                "tp_order_id": word("tp_order_id"),
                "sl_order_id": word("sl_order_id"),
                "exit_price": only("exit_price", float, but=0.0),
                "exit_amount_sol": only("exit_amount_sol", float, but=0.0),
                "pnl_sol": only("pnl_sol", float, but=0.0),
                "tx_signature_entry": word("tx_signature_entry"),
                "tx_signature_exit": word("tx_signature_exit"),
            }
        },
        back={
            "id": cell("legacy_key"),
            "symbol": cell("symbol"),
            "token_mint": cell("token_address"),
            "entry_price": cell("entry_price"),
            "entry_amount_sol": cell("amount_sol"),
            "entry_amount_tokens": cell("amount"),
            "take_profit_price": lambda row: _limit(row, "take_profit_price", "take_profit_percent", gain=True),
            "stop_loss_price": lambda row: _limit(row, "stop_loss_price", "stop_loss_percent", gain=False),
            "tp_order_id": member("metadata", "tp_order_id", ""),
            "sl_order_id": member("metadata", "sl_order_id", ""),
            "status": lambda row: (
                row["metadata."].get("legacy_status", "closed_manual") if row["status"] == "closed" else row["status"]
            ),
            "exit_price": member("metadata", "exit_price", 0.0),
            "exit_amount_sol": member("metadata", "exit_amount_sol", 0.0),
            "pnl_sol": member("metadata", "pnl_sol", 0.0),
            "pnl_pct": cell("pnl_percent"),
            "opened_at": said_time("entry_time"),
            "closed_at": said_time("exit_time", ""),
            "tx_signature_entry": member("metadata", "tx_signature_entry", ""),
            "tx_signature_exit": member("metadata", "tx_signature_exit", ""),
            "user_id": or_else("user_id", 0),
        },
    )


def _earliest(time_column: str) -> Any:
    """Prefer the earliest, then the least key; what has no time comes last."""
    return lambda row: (row[time_column] is None, row[time_column] or "", row["legacy_key"])


def _trades(world: World) -> Reading:
    def swapped(place: int) -> Any:
        def say(row: Row) -> Cell:
            amount = world.swaps.get(row["tx_signature"], (None, None))[place]
            return amount if isinstance(amount, int) else None

        return say

    return Reading(
        source="jarvis.trades",
        target="core.trades",
        key="id",
        assigned="timestamp",
        best=_earliest("timestamp"),
        forward={
            "position_id": lambda row: world.became("jarvis.positions", row["position_id"]),
            "direction": lambda row: row["side"].lower() if isinstance(row["side"], str) else row["side"],
            "symbol": cell("symbol"),
            "token_address": lambda row: world.mint(row["token_mint"], row["symbol"]),
            "amount": cell("amount_tokens"),
            "amount_sol": cell("amount_sol"),
            "price": cell("price"),
            "slippage_bps": _NEVER_STORED,
            "signature": filled("tx_signature"),
            "status": always("confirmed"),
            "via": _NEVER_STORED,
            "fee_sol": _NEVER_STORED,
            "partner_fee_sol": _NEVER_STORED,
            "timestamp": time("timestamp"),
            "confirmation_time": _NEVER_STORED,
            "error_message": _NEVER_STORED,
        },
        documents={
            "metadata": {
                "user_id": only("user_id", int, but=0),
                "swap_amount_in": swapped(0),
                "swap_amount_out": swapped(1),
            }
        },
        back={
            "id": cell("legacy_key"),
            "symbol": cell("symbol"),
            "token_mint": cell("token_address"),
            "side": cell("direction"),
            "amount_sol": cell("amount_sol"),
            "amount_tokens": cell("amount"),
            "price": cell("price"),
            "timestamp": said_time("timestamp"),
            "tx_signature": or_else("signature", ""),
            "position_id": lambda row: (
                "" if row["position_id"] is None else world.came_from("core.positions", row["position_id"])
            ),
            "user_id": member("metadata", "user_id", 0),
        },
    )


def _lowered(value: Any) -> Cell:
    """Return a JSON value as SQLite's lower() would say it."""
    if isinstance(value, str):
        return value.lower()
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else json.dumps(value)


def _number(value: Any) -> Cell:
    return value if type(value) in (int, float) else None


def _orders(world: World) -> Reading:
    def laid_out(row: Row) -> Sequence[Row]:
        body = parsed(row["order_json"])
        sound = isinstance(body, dict)
        order = body if sound else {}
        known = world.orders.get(row["order_id"], {})
        kind, state = _lowered(order.get("type")), _lowered(order.get("status"))
        side = order.get("side")
        given = order.get("token_mint")
        amount = _number(order.get("amount_sol"))
        if amount is None and world.constants.get("order_amount_sol") == "position":
            amount = known.get("amount_sol")
        mint = given if isinstance(given, str) and given else known.get("mint")
        default_side = None if kind in {"market", "limit"} else "sell"
        return [
            {
                "order_type": kind,
                "side": side.lower() if isinstance(side, str) else default_side,
                "symbol": known.get("symbol"),
                "token_address": world.mint(mint if isinstance(mint, str) else None, known.get("symbol")),
                "amount_sol": amount,
                "trigger_price": _number(order.get("target_price")),
                "status": _ORDER_STATES.get(state, state),
                "position_id": world.became("jarvis.positions", known.get("position_id")) if known else None,
                "created_at": instant(order.get("created_at")),
                "filled_at": instant(order.get("triggered_at")) if state in _FILLED else None,
                "filled_price": _number(order.get("triggered_price")) if state in _FILLED else None,
                "order": Raw(row["order_json"]) if sound else None,
            }
        ]

    said = ("order_type", "side", "symbol", "token_address", "amount_sol", "trigger_price", "status")
    linked = ("position_id", "created_at", "filled_at", "filled_price")
    return Reading(
        source="jarvis.treasury_orders",
        target="core.treasury_orders",
        key="order_id",
        assigned="created_at",
        parts=laid_out,
        forward={
            **{name: cell(name) for name in (*said, *linked)},
            "limit_price": _NEVER_STORED,
            "updated_at": _NEVER_STORED,
            "filled_amount": _NEVER_STORED,
            "fills_count": _NEVER_STORED,
        },
        documents={"metadata": {"order": cell("order")}},
        verbatim=frozenset({"metadata"}),
        back={
            "order_id": lambda rows: rows[0]["legacy_key"],
            "order_json": lambda rows: raw_member("metadata", "order")(rows[0]),
        },
    )


def _scorecard() -> Reading:
    copied = {"total_trades", "winning_trades", "losing_trades", "total_pnl_sol", "total_pnl_usd", "win_rate"}
    renamed = {"avg_win_percent": "avg_win_pct", "avg_loss_percent": "avg_loss_pct"}
    unknown = (
        *("total_volume_sol", "sharpe_ratio", "max_drawdown_percent", "total_fees_paid_sol"),
        *("total_partner_fees_sol", "bags_fm_trade_count", "jupiter_trade_count"),
    )
    return Reading(
        source="jarvis.scorecard",
        target="core.scorecard",
        key="id",
        forward={
            "id": cell("id"),
            "timestamp": time("last_updated"),
            **{name: cell(name) for name in copied},
            **{name: cell(legacy) for name, legacy in renamed.items()},
            **dict.fromkeys(unknown, _NEVER_STORED),
            "period": always("all_time"),
        },
        back={
            "id": cell("legacy_key"),
            **{name: cell(name) for name in copied},
            **{legacy: cell(name) for name, legacy in renamed.items()},
            "last_updated": said_time("timestamp", ""),
        },
        homeless={
            **dict.fromkeys(("largest_win_sol", "largest_loss_sol"), always(0.0)),
            **dict.fromkeys(("current_streak", "best_streak", "worst_streak"), always(0)),
        },
    )


def _lots(world: World) -> Reading:
    def disposal(row: Row) -> Sold | None:
        """Return the one sale that used all of a lot of which nothing remains."""
        sales = world.sales_of(row["id"])
        gone = row["remaining_quantity"] == 0 and len(sales) == 1 and sales[0].quantity == row["quantity"]
        return sales[0] if gone else None

    def sold_at(row: Row) -> str | None:
        sale = disposal(row)
        return instant(sale.sold_at) if sale else None

    def short_term(row: Row) -> int | None:
        bought, sold = instant(row["purchase_date"]), sold_at(row)
        return None if bought is None or sold is None else int(not is_long_held(bought, sold))

    def per_unit(row: Row) -> float | None:
        cost, quantity = row["cost_basis_usd"], row["quantity"]
        return cost / quantity if isinstance(cost, float) and isinstance(quantity, float) and quantity else None

    return Reading(
        source="tax.tax_lots",
        target="core.tax_lots",
        key="id",
        forward={
            "id": cell("id"),
            "trade_id": lambda row: world.trade_signed(row["tx_id"]),
            "token_address": lambda row: world.mint(None, row["symbol"]),
            "symbol": cell("symbol"),
            "quantity": cell("quantity"),
            "cost_basis_usd": cell("total_cost"),
            "acquisition_date": time("purchase_date"),
            "disposal_date": sold_at,
            "disposal_proceeds_usd": lambda row: sale.proceeds if (sale := disposal(row)) else None,
            "short_term": short_term,
            "wash_sale": _NEVER_STORED,
        },
        back={
            "id": cell("legacy_key"),
            "symbol": cell("symbol"),
            "quantity": cell("quantity"),
            "total_cost": cell("cost_basis_usd"),
            "purchase_date": said_time("acquisition_date"),
            "tx_id": lambda row: world.signatures.get(row["trade_id"]),
        },
        homeless={
            "remaining_quantity": lambda row: (
                row["quantity"] if row["disposal_date"] is None and row["disposal_proceeds_usd"] is None else 0.0
            ),
            "cost_per_unit": per_unit,
            "adjusted_cost_basis": per_unit,
            "fee": always(0.0),
            "wash_sale_adjustment": always(0.0),
        },
    )


def _wash_sales(world: World) -> Reading:
    def split(row: Row) -> Sequence[Row]:
        loss, sold = row["disallowed_loss"], world.lots_of(row["sale_tx_id"])
        if len(sold) < 2 or not isinstance(loss, float):
            return [{"lot": one.lot, "loss": loss if len(sold) < 2 else None} for one in sold] or [
                {"lot": None, "loss": loss}
            ]
        # A share may be rounded in several ways; that the shares make up the very loss is seen on the way back.
        return [{"lot": one.lot, "loss": Near(loss * one.share, within=2 * math.ulp(loss))} for one in sold]

    def least(lot: str, place: int) -> Any:
        """Say the least of what the lots of a wash sale say."""

        def say(rows: list[Row]) -> Cell:
            known = [world.lots.get(row[lot], (None, None, None))[place] for row in rows]
            told = [world.signatures.get(cell) if place == _TRADE else cell for cell in known]
            return min((cell for cell in told if isinstance(cell, str)), default=None)

        return say

    return Reading(
        source="tax.wash_sales",
        target="core.wash_sales",
        key="id",
        assigned="wash_sale_date",
        parts=split,
        match="sold_lot_id",
        forward={
            "sold_lot_id": lambda row: _kept_id(world.became("tax.tax_lots", row["lot"]), row["lot"]),
            "replacement_lot_id": lambda row: _kept_id(
                world.became("tax.tax_lots", row["replacement_lot_id"]), row["replacement_lot_id"]
            ),
            "disallowed_loss_usd": cell("loss"),
            "wash_sale_date": time("sale_date"),
        },
        back={
            "id": lambda rows: rows[0]["legacy_key"],
            "disallowed_loss": lambda rows: (
                math.fsum(row["disallowed_loss_usd"] for row in rows)
                if len(rows) > 1
                else rows[0]["disallowed_loss_usd"]
            ),
            "sale_date": lambda rows: said_time("wash_sale_date", "")(rows[0]),
            "replacement_lot_id": lambda rows: world.came_from("core.tax_lots", rows[0]["replacement_lot_id"]),
        },
        homeless={
            "symbol": least("sold_lot_id", _SYMBOL),
            "sale_tx_id": always(None),
            "replacement_date": lambda rows: spelled(least("replacement_lot_id", _ACQUIRED)(rows)),
            "replacement_tx_id": least("replacement_lot_id", _TRADE),
        },
    )


def _kept_id(mapped: Cell, legacy: Cell) -> Cell:
    """Return the id of a lot that is here, or the legacy one, so that a reference to nothing breaks as such."""
    return legacy if mapped is None else mapped
