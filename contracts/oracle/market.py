"""Readings of the legacy tables of sentiment, calls and whales."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import (
    Reading,
    always,
    cell,
    earliest,
    filled,
    json_of,
    legacy_time,
    member,
    of,
    only,
    or_else,
    raw_member,
    time,
)

_NEVER_STORED = always(None)
WRAPPED_SOL = "So11111111111111111111111111111111111111112"
_LABELS = {"very_bullish": "bullish", "very_bearish": "bearish"}
_CALLS = {"BULLISH": "buy", "BEARISH": "sell", "NEUTRAL": "hold"}
_VERDICTS = {call: verdict for verdict, call in _CALLS.items()}
_DIRECTIONS = {"BUY": "in", "IN": "in", "SELL": "out", "OUT": "out", "": None}


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _sentiment(world)
    yield _calls(world)
    yield _outcomes(world)
    yield _wallets()
    yield _movements(world)


def _rescaled(score: Cell) -> float | None:
    return (score + 100.0) / 2 if isinstance(score, float | int) else None


def _sentiment(world: World) -> Reading:
    def score(row: Row) -> Cell:
        kept = row["metadata."].get("score")
        stated = row["score"]
        return kept if kept is not None and _rescaled(kept) == stated else stated * 2 - 100

    def label(row: Row) -> Cell:
        kept = row["metadata."].get("label")
        return kept if kept is not None and _LABELS.get(kept) == row["sentiment"] else row["sentiment"]

    copied = ("symbol", "confidence", "source")
    return Reading(
        source="sentiment.sentiment_readings",
        target="analytics.sentiment_readings",
        key="id",
        rounds=frozenset({"score"}),
        forward={
            "id": cell("id"),
            **{name: cell(name) for name in copied},
            "token_address": lambda row: world.mint(None, row["symbol"]),
            "score": lambda row: _rescaled(row["score"]),
            "sentiment": lambda row: _LABELS.get(row["label"], row["label"]),
            "timestamp": time("timestamp"),
        },
        documents={
            "metadata": {
                "score": only("score", float),
                "label": of("label", lambda label: label if label in _LABELS else None),
                "data_points": only("data_points", int),
                "metadata_json": json_of("metadata_json", dict),
            }
        },
        verbatim=frozenset({"metadata"}),
        back={
            "id": cell("legacy_key"),
            **{name: cell(name) for name in copied},
            "score": score,
            "label": label,
            "timestamp": legacy_time("timestamp"),
            "data_points": member("metadata", "data_points"),
            "metadata_json": raw_member("metadata", "metadata_json"),
        },
    )


_MEASURED = ("score", "change_24h_at_call", "buy_sell_ratio", "volume_24h", "market_cap", "liquidity")


def _calls(world: World) -> Reading:
    def verdict(row: Row) -> Cell:
        kept = row["metadata."].get("verdict")
        if row["call_type"] in _VERDICTS:
            return _VERDICTS[row["call_type"]]
        return kept if kept is not None and kept not in _CALLS else ""

    return Reading(
        source="call_tracking.calls",
        target="analytics.calls",
        key="id",
        assigned="timestamp",
        forward={
            "symbol": cell("symbol"),
            "token_address": lambda row: world.mint(row["contract"], row["symbol"]),
            "call_type": lambda row: _CALLS.get(row["verdict"]),
            "entry_price": lambda row: None if row["price_at_call"] == 0 else row["price_at_call"],
            "target_price": _NEVER_STORED,
            "stop_loss_price": _NEVER_STORED,
            "reasoning": cell("reasoning"),
            "timestamp": time("timestamp"),
            "caller": cell("source"),
        },
        documents={
            "metadata": {
                "verdict": only("verdict", str),
                **{name: only(name, float) for name in _MEASURED},
                "holders": only("holders", int),
                "market_regime": only("market_regime", str),
            }
        },
        back={
            "id": cell("legacy_key"),
            "timestamp": legacy_time("timestamp"),
            "source": cell("caller"),
            "symbol": cell("symbol"),
            "contract": cell("token_address"),
            "verdict": verdict,
            **{name: member("metadata", name) for name in (*_MEASURED, "holders", "market_regime")},
            "price_at_call": or_else("entry_price", 0.0),
            "reasoning": cell("reasoning"),
        },
    )


def _outcomes(world: World) -> Reading:
    def outcome(row: Row) -> str | None:
        verdict: Cell = world.verdicts.get(row["call_id"])
        change, call = row["change_pct"], _CALLS.get(verdict)
        if not isinstance(change, float) or call not in {"buy", "sell"}:
            return None
        if change == 0:
            return "break_even"
        return "win" if (change > 0) == (call == "buy") else "loss"

    return Reading(
        source="call_tracking.outcomes",
        target="analytics.call_outcomes",
        key="id",
        assigned="closed_at",
        forward={
            "call_id": lambda row: world.became("call_tracking.calls", row["call_id"]),
            "outcome": outcome,
            "pnl_percent": cell("change_pct"),
            "closed_at": time("measured_at"),
            "notes": cell("timeframe"),
        },
        back={
            "id": cell("legacy_key"),
            "call_id": lambda row: world.came_from("analytics.calls", row["call_id"]),
            "timeframe": cell("notes"),
            "change_pct": cell("pnl_percent"),
            "measured_at": legacy_time("closed_at"),
        },
        homeless={"price_after": always(None)},
    )


def _wallets() -> Reading:
    return Reading(
        source="whales.whale_wallets",
        target="analytics.whale_wallets",
        key="address",
        forward={
            "address": cell("address"),
            "label": cell("label"),
            "total_sol_moved": _NEVER_STORED,
            "first_seen": time("first_seen"),
            "last_active": time("last_activity"),
            "is_active": cell("is_active"),
        },
        back={
            "address": cell("legacy_key"),
            "label": cell("label"),
            "is_active": cell("is_active"),
            "first_seen": legacy_time("first_seen"),
            "last_activity": legacy_time("last_active"),
        },
        homeless={
            "category": always("unknown"),
            **dict.fromkeys(("total_value_usd", "sol_balance", "win_rate", "avg_trade_size"), always(0.0)),
            **dict.fromkeys(("notes", "tags_json"), always(None)),
        },
    )


def _movements(world: World) -> Reading:
    def mint(row: Row) -> Cell:
        return world.mint(row["token_mint"], row["token_symbol"])

    return Reading(
        source="whales.whale_movements",
        target="analytics.whale_movements",
        key="id",
        best=earliest("timestamp", "id"),
        forward={
            "id": cell("id"),
            "wallet_address": filled("wallet_address"),
            "token_address": mint,
            "token_symbol": cell("token_symbol"),
            "amount_sol": lambda row: row["amount"] if mint(row) == WRAPPED_SOL else None,
            "direction": lambda row: _DIRECTIONS.get(row["direction"], row["direction"]),
            "signature": filled("tx_signature"),
            "timestamp": time("timestamp"),
        },
        back={
            "id": cell("legacy_key"),
            "wallet_address": cell("wallet_address"),
            "timestamp": legacy_time("timestamp"),
            "token_symbol": cell("token_symbol"),
            "token_mint": cell("token_address"),
            "amount": cell("amount_sol"),
            "direction": lambda row: {"in": "BUY", "out": "SELL"}.get(row["direction"], ""),
            "tx_signature": or_else("signature", ""),
        },
        homeless={
            **dict.fromkeys(("wallet_label", "counterparty"), always("")),
            **dict.fromkeys(("movement_type", "value_usd"), always(None)),
            "is_significant": always(0),
        },
    )
