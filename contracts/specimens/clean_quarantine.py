"""Counts the rows of a clean specimen that a correct migration quarantines.

Planted hazards count the refused rows themselves; this counts the rest, before hazards are planted.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from contracts.specimens.values import WRAPPED_SOL

#: Each table with symbols and mints, and its mint column.
_MINTS = (
    ("jarvis", "positions", "token_mint"),
    ("jarvis", "trades", "token_mint"),
    ("call_tracking", "calls", "contract"),
    ("jarvis_x_memory", "token_mentions", "contract_address"),
)


def count(databases: Mapping[str, sqlite3.Connection]) -> Counter[str]:
    """Return the number of refused rows by target table, of a set of the variant ``found``.

    Args:
        databases: Open legacy databases by name, filled, without hazards.
    """

    def read(database: str, question: str, *values: str) -> list[tuple[Any, ...]]:
        return databases[database].execute(question, values).fetchall()

    known: defaultdict[str, set[str]] = defaultdict(set)
    for database, table, column in _MINTS:
        for symbol, mint in read(database, f"SELECT symbol, {column} FROM {table} WHERE {column} <> ''"):
            known[symbol.lower()].add(mint)

    def nameless(symbol: str) -> bool:
        return len(known.get(symbol.lower(), ())) != 1

    calls = read("call_tracking", "SELECT id, symbol, ifnull(contract, '') FROM calls")
    called = {id_ for id_, symbol, contract in calls if contract or not nameless(symbol)}
    signed = {signature for (signature,) in read("jarvis", "SELECT tx_signature FROM trades")}
    bought = read("tax", "SELECT id, symbol, tx_id FROM tax_lots")
    lots = {id_ for id_, symbol, signature in bought if signature in signed and not nameless(symbol)}
    sold = read("tax", "SELECT tx_id, lots_used_json FROM sales")
    sales = {sale: {lot for lot, _ in json.loads(used)} for sale, used in sold}
    washed = read("tax", "SELECT sale_tx_id, replacement_lot_id FROM wash_sales")
    return Counter(
        {
            "core.positions": read("jarvis", "SELECT count(*) - count(DISTINCT token_mint) FROM positions")[0][0],
            "core.treasury_orders": read(
                "jarvis",
                "SELECT count(*) FROM treasury_orders WHERE json_extract(order_json, '$.amount_sol') IS NULL"
                " OR order_id NOT IN (SELECT tp_order_id FROM positions UNION SELECT sl_order_id FROM positions)",
            )[0][0],
            "core.tax_lots": len(bought) - len(lots),
            # A wash sale needs each lot of its sale, and the replacement.
            "core.wash_sales": sum(not sales.get(sale) or not lots >= {*sales[sale], lot} for sale, lot in washed),
            "analytics.calls": len(calls) - len(called),
            "analytics.call_outcomes": sum(
                call not in called for (call,) in read("call_tracking", "SELECT call_id FROM outcomes")
            ),
            "analytics.sentiment_readings": sum(
                nameless(symbol) for (symbol,) in read("sentiment", "SELECT symbol FROM sentiment_readings")
            ),
            "analytics.whale_movements": read(
                "whales", "SELECT count(*) FROM whale_movements WHERE token_mint <> ?", WRAPPED_SOL
            )[0][0],
            "cache.rate_limiter_logs": read(
                "rate_limiter", "SELECT count(*) FROM request_log WHERE scope_key NOT LIKE 'user:%'"
            )[0][0],
        }
    )
