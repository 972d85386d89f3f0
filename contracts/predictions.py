"""How many legacy rows of a set a correct migration quarantines: the rules of refusals.py, applied to open databases.

Each table is judged in the shape it has, as found or as specified; a set may mix them.  A table of the variant
``specified`` has the target's own constraints, which SQLite has enforced inside its file, so that only what crosses files
is left to refuse.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

from contracts.specimen import refusals
from contracts.specimen.evidence import Cell, Mints, Row, mints

#: A legacy table that tells a token's mint by its symbol -> the column of the mint, as found and as specified.
_EVIDENCE = (
    ("jarvis.positions", ("token_mint", "token_address")),
    ("jarvis.trades", ("token_mint", "token_address")),
    ("call_tracking.calls", ("contract", "token_address")),
    ("jarvis_x_memory.token_mentions", ("contract_address",)),
)

#: What names a refused row: its rowid, or the number of its table and that.
_Refused = set[int] | set[tuple[int, int]]


def predict(databases: Mapping[str, sqlite3.Connection]) -> dict[str, int]:
    """Return how many legacy rows are quarantined, by target table; tables without any are left out.

    Args:
        databases: Open legacy databases by name: all of a set.
    """
    factories = {name: connection.text_factory for name, connection in databases.items()}
    try:
        for connection in databases.values():
            # Text of any bytes: equal bytes stay equal, and nothing is replaced.
            connection.text_factory = _any_text
        refused = _refused(_Set(databases))
    finally:
        for name, connection in databases.items():
            connection.text_factory = factories[name]
    return {target: len(rows) for target, rows in sorted(refused.items()) if rows}


def total(quarantine: Mapping[str, int]) -> int:
    """Return the rows of all targets together, as ``accept_quarantine`` counts them."""
    return Counter(quarantine).total()


def _any_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Set:
    """The tables of a legacy set; one that is not there, or has the other shape, is as if it were empty."""

    def __init__(self, databases: Mapping[str, sqlite3.Connection]) -> None:
        self._databases = databases

    def read(self, table: str, columns: str) -> Iterator[Row]:
        """Yield the cells *columns* of each row, if the table has them all: the two shapes differ in one at least."""
        database, _, name = table.partition(".")
        if database in self._databases:
            asked = self._databases[database].execute("SELECT name FROM pragma_table_info(?)", (name,))
            if set(columns.split(", ")) <= {"rowid"}.union(column for (column,) in asked):
                yield from self._databases[database].execute(f"SELECT {columns} FROM {name}")

    def known_mints(self) -> Mints:
        """Return which mints go by which symbol."""
        return mints(
            chain.from_iterable(
                self.read(table, f"symbol, {column}") for table, columns in _EVIDENCE for column in columns
            )
        )

    def keys(self, table: str, key: str, refused: _Refused) -> set[Cell]:
        """Return the keys of the rows that are not refused."""
        return {key for rowid, key in self.read(table, f"rowid, {key}") if rowid not in refused}


def _refused(legacy: _Set) -> dict[str, _Refused]:
    known = legacy.known_mints()
    return _core(legacy, known) | _analytics(legacy, known) | _cache(legacy)


def _core(legacy: _Set, known: Mints) -> dict[str, _Refused]:
    read = legacy.read
    trades = refusals.trades(read("jarvis.trades", "rowid, id, symbol, token_mint, side, tx_signature"), known)
    signed = chain(read("jarvis.trades", "rowid, tx_signature"), read("jarvis.trades", "rowid, signature"))
    signatures = {text for rowid, text in signed if rowid not in trades and text not in {None, ""}}
    lots = refusals.tax_lots(
        read("tax.tax_lots", "rowid, symbol, purchase_date, tx_id"), signatures, known
    ) | refusals.missing(read("tax.tax_lots", "id, trade_id"), legacy.keys("jarvis.trades", "id", trades))
    there = legacy.keys("tax.tax_lots", "id", lots)
    return {
        "core.positions": refusals.positions(read("jarvis.positions", "rowid, id, symbol, token_mint, status"), known),
        "core.trades": trades,
        "core.treasury_orders": refusals.treasury_orders(
            read("jarvis.treasury_orders", "rowid, order_id, order_json"),
            read("jarvis.positions", "symbol, token_mint, tp_order_id, sl_order_id"),
            known,
        ),
        "core.tax_lots": lots,
        "core.wash_sales": refusals.wash_sales(
            read("tax.wash_sales", "rowid, sale_tx_id, replacement_lot_id"),
            read("tax.sales", "tx_id, lots_used_json"),
            there,
        )
        | refusals.missing(read("tax.wash_sales", "id, sold_lot_id, replacement_lot_id"), there, there),
    }


def _analytics(legacy: _Set, known: Mints) -> dict[str, _Refused]:
    read = legacy.read
    calls = refusals.calls(read("call_tracking.calls", "rowid, id, symbol, contract"), known)
    called = legacy.keys("call_tracking.calls", "id", calls)
    return {
        "analytics.telegram_messages": refusals.telegram_messages(
            read("telegram_memory.messages", "rowid, user_id, content, role")
        ),
        "analytics.tweets": refusals.tweets(read("jarvis_x_memory.tweets", "rowid, content")),
        "analytics.ai_entities": refusals.ai_entities(read("jarvis_memory.entities", "rowid, name")),
        "analytics.sentiment_readings": refusals.sentiment_readings(
            read("sentiment.sentiment_readings", "rowid, symbol, score, label"), known
        ),
        "analytics.calls": calls,
        "analytics.call_outcomes": refusals.call_outcomes(read("call_tracking.outcomes", "rowid, id, call_id"), called)
        | refusals.missing(read("call_tracking.call_outcomes", "id, call_id"), called),
        "analytics.whale_wallets": refusals.null_keys(read("whales.whale_wallets", "rowid, address")),
        "analytics.whale_movements": refusals.whale_movements(
            read("whales.whale_movements", "rowid, wallet_address, token_symbol, token_mint, amount, direction"), known
        ),
    }


def _cache(legacy: _Set) -> dict[str, _Refused]:
    read = legacy.read
    caches = ("file_cache.cache_entries", "cache_db.cache", "cache_db.cache_entries")
    return {
        "cache.cache_entries": refusals.caches(*(read(table, "rowid, key") for table in caches)),
        "cache.sessions": refusals.null_keys(read("cache_db.sessions", "rowid, session_id")),
        "cache.rate_limiter_logs": refusals.rate_limiter_logs(
            read("rate_limiter.request_log", "rowid, request_id, scope_key")
        ),
    }
