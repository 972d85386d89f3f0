"""Hazards of the variant ``specified``: rows that its own constraints accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from contracts.specimens.hazards.planting import Hazard, Hazards, Plant, Sound, Text
from contracts.specimens.values import NOW, specified

_HAZARDS = Hazards()

_AT = specified(NOW - timedelta(days=2, microseconds=123_457))


@_HAZARDS.of("T2", "jarvis.trades", "a missing position")
def _t2(plant: Plant) -> None:
    plant.add("jarvis.trades", position_id=987_654_321)


@_HAZARDS.of("O4", "treasury_trades.treasury_orders", "a missing position of another file")
def _o4(plant: Plant) -> None:
    plant.add("treasury_trades.treasury_orders", position_id=987_654_321)


@_HAZARDS.of("X1", "tax.tax_lots", "a missing trade of another file")
def _x1(plant: Plant) -> None:
    plant.add("tax.tax_lots", trade_id=987_654_321, refused="core.tax_lots")


@_HAZARDS.of("W2", "tax.wash_sales", "a lot that is missing, or refused")
def _w2(plant: Plant) -> None:
    lot, other = plant.beside("tax.tax_lots"), plant.beside("tax.tax_lots")
    lost = plant.beside("tax.tax_lots", trade_id=987_654_321, refused="core.tax_lots")
    plant.add("tax.wash_sales", sold_lot_id=lot, replacement_lot_id=other)
    for gone in (987_654_321, lost):
        plant.add("tax.wash_sales", sold_lot_id=lot, replacement_lot_id=gone, refused="core.wash_sales")
        plant.add("tax.wash_sales", sold_lot_id=gone, replacement_lot_id=lot, refused="core.wash_sales")


@_HAZARDS.of("C6", "call_tracking.call_outcomes", "a missing call")
def _c6(plant: Plant) -> None:
    plant.add("call_tracking.call_outcomes", call_id=987_654_321, refused="analytics.call_outcomes")


@_HAZARDS.of("H3", "whales.whale_movements", "a wallet without a row, twice")
def _h3(plant: Plant) -> None:
    stranger = plant.mint()
    plant.add("whales.whale_movements", wallet_address=stranger)
    plant.add("whales.whale_movements", wallet_address=stranger)


@_HAZARDS.of("B3", "cache_db.cache_entries", "no expiry; a value of bytes")
def _b3(plant: Plant) -> None:
    plant.add("cache_db.cache_entries", expires_at=None)
    plant.add("cache_db.cache_entries", value=b"\x80\x04K*.")


@_HAZARDS.of("A5", "jarvis_memory.ai_reflections", "words that stemming treats as equal; no time, no tags")
def _a5(plant: Plant) -> None:
    plant.add("jarvis_memory.ai_reflections", content="trading traders traded", timestamp=None, tags=None)
    plant.add("jarvis_memory.ai_reflections", content=None)
    plant.add("jarvis_memory.ai_reflections", rowid=5_000_000_000, content="a gap before the rowid")


@_HAZARDS.of("Z1", "whales.whale_wallets", "a NULL key")
def _z1_wallets(plant: Plant) -> None:
    plant.add("whales.whale_wallets", address=None, refused="analytics.whale_wallets")


@_HAZARDS.of("Z1", "cache_db.cache_entries", "a NULL key")
def _z1_cache(plant: Plant) -> None:
    plant.add("cache_db.cache_entries", key=None, refused="cache.cache_entries")


@_HAZARDS.of("Z1", "cache_db.sessions", "a NULL key")
def _z1_sessions(plant: Plant) -> None:
    plant.add("cache_db.sessions", session_id=None, refused="cache.sessions")


@_HAZARDS.of("G20", "telegram_memory.telegram_messages", "integers beyond a float")
def _g20(plant: Plant) -> None:
    plant.add("telegram_memory.telegram_messages", user_id=2**53 + 1)
    plant.add("telegram_memory.telegram_messages", user_id=2**63 - 1)


@_HAZARDS.of("Z2", "telegram_memory.telegram_messages", "bytes that are not UTF-8, stored as TEXT")
def _z2(plant: Plant) -> None:
    for raw in (b"\xff", b"ab\xed\xa0\x80cd"):
        plant.add("telegram_memory.telegram_messages", message=Text(raw))


@_HAZARDS.of("Z3", "telegram_memory.telegram_messages", "NUL inside text")
def _z3(plant: Plant) -> None:
    plant.add("telegram_memory.telegram_messages", message="a\x00b")


@_HAZARDS.of("Z5", "jarvis.positions", "-0.0 and infinities")
def _z5(plant: Plant) -> None:
    for number in (-0.0, float("inf"), float("-inf"), 0.1 + 0.2):
        plant.add("jarvis.positions", pnl_usd=number, entry_price=number)


@_HAZARDS.of("Z6", "llm_costs.llm_costs", "text in numeric columns")
def _z6(plant: Plant) -> None:
    plant.add("llm_costs.llm_costs", cost_usd="n/a", input_tokens=10.5)


@_HAZARDS.of("Z8", "jarvis_x_memory.tweets", "bytes in text columns")
def _z8(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", content=b"\x00\xff", url=b"")


@_HAZARDS.of("Z9", "jarvis_x_memory.tweets", "JSON oddly spaced, with a key twice, invalid, or no object")
def _z9(plant: Plant) -> None:
    for text in ('{"a" :1.10 ,\t"a": 2}', "{broken", "[]", ""):
        plant.add("jarvis_x_memory.tweets", metadata=text)


@_HAZARDS.of("G19", "sqlite_sequence", "ids that were assigned and deleted: the sequence is ahead of the rows")
def _g19(plant: Plant) -> None:
    plant.change("telegram_memory", "UPDATE sqlite_sequence SET seq = seq + 1000 WHERE name = 'telegram_messages'")
    plant.change("tax", "UPDATE sqlite_sequence SET seq = seq + 1000 WHERE name = 'tax_lots'")


#: All hazards of this variant, in the order of planting.
SPECIFIED: Sequence[Hazard] = _HAZARDS


def _position(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "symbol": symbol,
        "token_address": address,
        "entry_price": 0.5,
        "amount": 100.0,
        "amount_sol": 0.25,
        "status": "open",
        "entry_time": _AT,
        "wallet_address": plant.world.treasury,
    }


def _trade(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "direction": "buy",
        "symbol": symbol,
        "token_address": address,
        "amount": 100.0,
        "amount_sol": 0.25,
        "price": 0.5,
        "signature": plant.signature(),
        "status": "confirmed",
        "timestamp": _AT,
    }


def _order(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "order_type": "limit",
        "side": "sell",
        "symbol": symbol,
        "token_address": address,
        "amount_sol": 0.25,
        "status": "active",
    }


def _lot(plant: Plant) -> dict[str, Any]:
    """Return a lot with a trade of its own."""
    symbol, address = plant.token()
    return {
        "trade_id": plant.beside("jarvis.trades"),
        "token_address": address,
        "symbol": symbol,
        "quantity": 8.0,
        "cost_basis_usd": 12.0,
        "acquisition_date": _AT,
    }


def _outcome(_plant: Plant) -> dict[str, Any]:
    return {"outcome": "win", "pnl_percent": 1.5, "closed_at": _AT}


def _movement(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "token_address": address,
        "token_symbol": symbol,
        "amount_sol": 12.5,
        "direction": "in",
        "signature": plant.signature(),
        "timestamp": _AT,
    }


#: A valid row of each table in which hazards are planted.
SOUND: Mapping[str, Sound] = {
    "jarvis.positions": _position,
    "jarvis.trades": _trade,
    "treasury_trades.treasury_orders": _order,
    "tax.tax_lots": _lot,
    "tax.wash_sales": lambda _plant: {"disallowed_loss_usd": 4.0, "wash_sale_date": _AT},
    "telegram_memory.telegram_messages": lambda _plant: {
        "user_id": 5_000_000_019,
        "message": "what do we hold",
        "timestamp": _AT,
        "message_type": "query",
    },
    "jarvis_x_memory.tweets": lambda plant: {"tweet_id": f"17{plant.serial():017}", "content": "gm"},
    "jarvis_memory.ai_reflections": lambda _plant: {"content": "wait", "timestamp": _AT, "tags": "loss"},
    "call_tracking.call_outcomes": _outcome,
    "whales.whale_wallets": lambda plant: {"address": plant.mint(), "label": "planted"},
    "whales.whale_movements": _movement,
    "llm_costs.llm_costs": lambda _plant: {
        "provider": "other",
        "model": "m",
        "cost_usd": 0.5,
        "timestamp": _AT,
    },
    "cache_db.cache_entries": lambda plant: {
        "key": f"planted:{plant.serial()}",
        "value": "{}",
        "expires_at": _AT,
    },
    "cache_db.sessions": lambda plant: {"session_id": f"planted:{plant.serial()}", "user_id": 1, "data": "{}"},
}
