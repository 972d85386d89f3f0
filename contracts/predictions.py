"""How many legacy rows of a set a correct migration quarantines: the rules of refusals.py, applied to open databases."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from contracts.specimen import refusals
from contracts.specimen.evidence import Row, mints


def predict(databases: Mapping[str, sqlite3.Connection], *, variant: str = "found") -> dict[str, int]:
    """Return how many legacy rows are quarantined, by target table; tables without any are left out.

    Args:
        databases: Open legacy databases by name: all of a set.
        variant: ``found`` or ``specified``, of the whole set.
    """
    factories = {name: connection.text_factory for name, connection in databases.items()}

    def read(table: str, columns: str) -> Iterator[Row]:
        name, _, table = table.partition(".")
        return databases[name].execute(f"SELECT {columns} FROM {table}")

    try:
        for connection in databases.values():
            # Text of any bytes: equal bytes stay equal, and nothing is replaced.
            connection.text_factory = _any_text
        refused = (_found if variant == "found" else _specified)(read)
    finally:
        for name, connection in databases.items():
            connection.text_factory = factories[name]
    return {target: len(rows) for target, rows in sorted(refused.items()) if rows}


def _any_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


_Read = Callable[[str, str], Iterator[Row]]


def _found(read: _Read) -> dict[str, set[int]]:
    known = mints(
        chain(
            read("jarvis.positions", "symbol, token_mint"),
            read("jarvis.trades", "symbol, token_mint"),
            read("call_tracking.calls", "symbol, contract"),
            read("jarvis_x_memory.token_mentions", "symbol, contract_address"),
        )
    )
    out: dict[str, set[int]] = {}
    out["core.positions"] = refusals.positions(read("jarvis.positions", "rowid, id, symbol, token_mint, status"), known)
    out["core.trades"] = refusals.trades(
        read("jarvis.trades", "rowid, id, symbol, token_mint, side, tx_signature"), known
    )
    out["core.treasury_orders"] = refusals.treasury_orders(
        read("jarvis.treasury_orders", "rowid, order_id, order_json"),
        read("jarvis.positions", "symbol, tp_order_id, sl_order_id"),
        known,
    )
    signed = read("jarvis.trades", "rowid, tx_signature")
    signatures = {text for rowid, text in signed if rowid not in out["core.trades"] and text not in {None, ""}}
    out["core.tax_lots"] = refusals.tax_lots(
        read("tax.tax_lots", "rowid, symbol, purchase_date, tx_id"), signatures, known
    )
    lots = {rowid for (rowid,) in read("tax.tax_lots", "rowid")} - out["core.tax_lots"]
    out["core.wash_sales"] = refusals.wash_sales(
        read("tax.wash_sales", "rowid, sale_tx_id, replacement_lot_id"),
        read("tax.sales", "tx_id, lots_used_json"),
        lots,
    )
    out["analytics.telegram_messages"] = refusals.telegram_messages(
        read("telegram_memory.messages", "rowid, user_id, content, role")
    )
    out["analytics.tweets"] = refusals.tweets(read("jarvis_x_memory.tweets", "rowid, content"))
    out["analytics.ai_entities"] = refusals.ai_entities(read("jarvis_memory.entities", "rowid, name"))
    out["analytics.sentiment_readings"] = refusals.sentiment_readings(
        read("sentiment.sentiment_readings", "rowid, symbol, score, label"), known
    )
    out["analytics.calls"] = refusals.calls(read("call_tracking.calls", "rowid, id, symbol, contract"), known)
    alive = {key for rowid, key in read("call_tracking.calls", "rowid, id") if rowid not in out["analytics.calls"]}
    out["analytics.call_outcomes"] = refusals.call_outcomes(read("call_tracking.outcomes", "rowid, id, call_id"), alive)
    out["analytics.whale_wallets"] = refusals.null_keys(read("whales.whale_wallets", "rowid, address"))
    out["analytics.whale_movements"] = refusals.whale_movements(
        read("whales.whale_movements", "rowid, wallet_address, token_symbol, token_mint, amount, direction"), known
    )
    out["cache.cache_entries"] = refusals.null_keys(read("file_cache.cache_entries", "rowid, key"))
    out["cache.rate_limiter_logs"] = refusals.rate_limiter_logs(
        read("rate_limiter.request_log", "rowid, request_id, scope_key")
    )
    return out


def _specified(read: _Read) -> dict[str, set[int]]:
    """Apply what is left to refuse once SQLite has enforced the target's own constraints inside each file."""
    out: dict[str, set[int]] = {}
    traded = {key for (key,) in read("jarvis.trades", "id")}
    out["core.tax_lots"] = refusals.missing(read("tax.tax_lots", "id, trade_id"), traded)
    lots = {key for (key,) in read("tax.tax_lots", "id")} - out["core.tax_lots"]
    out["core.wash_sales"] = refusals.missing(read("tax.wash_sales", "id, sold_lot_id, replacement_lot_id"), lots, lots)
    called = {key for (key,) in read("call_tracking.calls", "id")}
    out["analytics.call_outcomes"] = refusals.missing(read("call_tracking.call_outcomes", "id, call_id"), called)
    out["analytics.whale_wallets"] = refusals.null_keys(read("whales.whale_wallets", "rowid, address"))
    out["cache.cache_entries"] = refusals.null_keys(read("cache_db.cache_entries", "rowid, key"))
    out["cache.sessions"] = refusals.null_keys(read("cache_db.sessions", "rowid, session_id"))
    return out


def total(quarantine: Mapping[str, int]) -> int:
    """Return the rows of all targets together, as ``accept_quarantine`` counts them."""
    return Counter(quarantine).total()
