"""Readings of the legacy tables that go to the core database."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from contracts.oracle.cells import Cell, Row, parsed
from contracts.oracle.cross_table import World
from contracts.oracle.rules import (
    Raw,
    Reading,
    always,
    cell,
    filled,
    legacy_time,
    member,
    of,
    only,
    or_else,
    raw_member,
    time,
)
from contracts.oracle.times import instant

_NEVER_STORED = always(None)
_ORDER_STATES = {"executing": "active", "completed": "filled", "failed": "cancelled"}
_FILLED = {"completed", "filled"}


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _positions(world)
    yield _trades(world)
    yield _orders(world)


def _is_closed(status: Cell) -> bool:
    return isinstance(status, str) and (status == "failed" or status.startswith("closed_"))


def _ratio(price: Cell, entry: Cell) -> float | None:
    """Return price / entry; None if one of them is unknown. A price of 0 means unknown."""
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
    """Return the price in metadata if it still fits, else the computed price."""
    kept = row["metadata."].get(name)
    entry, stated = row["entry_price"], row[percent]
    if kept is not None and _percent({"price": kept, "entry_price": entry}, "price", gain=gain) == stated:
        price: float = kept
        return price
    if not isinstance(stated, float) or not isinstance(entry, float):
        return None
    return entry * (1 + stated / 100) if gain else entry * (1 - stated / 100)


def _best_position(row: Row) -> Any:
    """Sort key of rival positions: an open one, then the later, then the greater id."""
    opened = row["entry_time"] or ""
    return (row["status"] != "open", _Descending(opened), _Descending(row["legacy_key"]))


class _Descending(str):
    """Text that sorts in descending order."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _positions(world: World) -> Reading:
    return Reading(
        source="jarvis.positions",
        target="core.positions",
        key="id",
        assigned="entry_time",
        rounds=frozenset({"take_profit_percent", "stop_loss_percent"}),
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
                "legacy_status": of("status", lambda status: status if _is_closed(status) else None),
                "take_profit_price": only("take_profit_price", float),
                "stop_loss_price": only("stop_loss_price", float),
                "tp_order_id": only("tp_order_id", str, but=""),
                "sl_order_id": only("sl_order_id", str, but=""),
                "exit_price": only("exit_price", float, but=0.0),
                "exit_amount_sol": only("exit_amount_sol", float, but=0.0),
                "pnl_sol": only("pnl_sol", float, but=0.0),
                "tx_signature_entry": only("tx_signature_entry", str, but=""),
                "tx_signature_exit": only("tx_signature_exit", str, but=""),
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
            "opened_at": legacy_time("entry_time"),
            "closed_at": legacy_time("exit_time", ""),
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
        def rule(signature: Cell) -> Cell:
            amount = world.swaps.get(signature, (None, None))[place]
            return amount if isinstance(amount, int) else None

        return of("tx_signature", rule)

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
            "timestamp": legacy_time("timestamp"),
            "tx_signature": or_else("signature", ""),
            "position_id": lambda row: (
                "" if row["position_id"] is None else world.came_from("core.positions", row["position_id"])
            ),
            "user_id": member("metadata", "user_id", 0),
        },
    )


def _lowered(value: Any) -> Cell:
    """Return a JSON value as SQLite's lower() returns it."""
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

    copied = ("order_type", "side", "symbol", "token_address", "amount_sol", "trigger_price", "status")
    linked = ("position_id", "created_at", "filled_at", "filled_price")
    return Reading(
        source="jarvis.treasury_orders",
        target="core.treasury_orders",
        key="order_id",
        assigned="created_at",
        parts=laid_out,
        forward={
            **{name: cell(name) for name in (*copied, *linked)},
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
