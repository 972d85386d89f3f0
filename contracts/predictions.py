"""How many legacy rows a correct migration quarantines, and why: a second opinion that shares no code with it.

Each function reads rows of one legacy table in plain Python and returns the ``rowid`` of every row that the target
table has to refuse.  It is deliberately naive: nothing is pushed down to SQL, nothing is shared with mappings.  A row
counts once, however many reasons there are to refuse it, and even if only a part of it is refused (a wash sale of
which one lot has no home).

Tables that refuse nothing have no function here: telegram_users, ai_facts, ai_reflections, metrics, llm_costs and
scorecard.  Their keys cannot be NULL, a fact without an entity gets one, a provider that is not listed is ``other``, a
time that says nothing is NULL, and so is an empty link.

Readings of the rules where they leave room:

* A verdict that is none of the three words gives a call without a type, not a refused one: an outcome without a
  result is foreseen for exactly such calls.  A role, a label or a direction that is none of the known words refuses
  the row, except that a direction of '' is none at all.
* An order takes its symbol from the position that names it even if that position is refused: the name is known, and
  the link may be NULL.
* A tax lot finds its token through its symbol alone, never through its trade.
* '' or NULL where the target wants a token's address is looked up by symbol, in every table alike.
* A score that is no number is refused: nothing can be derived from it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import chain
from typing import Any

#: A cell as SQLite gives it.
Cell = Any
Row = tuple[Cell, ...]
#: Symbol in lower case -> the mints that go by it.
Mints = Mapping[str, AbstractSet[str]]

_WRAPPED_SOL = "So11111111111111111111111111111111111111112"
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_USER = re.compile(r"user:-?[0-9]{1,18}")
_ORDER_TYPES = frozenset({"market", "limit", "stop_loss", "take_profit"})
_ORDER_STATES = frozenset({"active", "executing", "completed", "failed", "cancelled", "pending", "filled", "expired"})
_ROLES = frozenset({"user", "assistant", "command", "query", "response", "notification", None})
_LABELS = frozenset({"very_bullish", "bullish", "neutral", "bearish", "very_bearish", None})
_DIRECTIONS = frozenset({"BUY", "SELL", "IN", "OUT", "in", "out", "", None})


def is_instant(text: Cell) -> bool:
    """Tell whether *text* spells an instant that exists: 30 February, 24:00 and second 60 do not."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return False
    try:
        datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return False
    return True


def mints(rows: Iterable[tuple[Cell, Cell]]) -> Mints:
    """Return which mints go by which symbol, from (symbol, mint) of all four tables that know both.

    '' and what is not text are no evidence; rows that are quarantined are.
    """
    known: defaultdict[str, set[str]] = defaultdict(set)
    for symbol, mint in rows:
        if isinstance(symbol, str) and isinstance(mint, str) and symbol and mint:
            known[symbol.lower()].add(mint)
    return known


def token(symbol: Cell, mint: Cell, known: Mints) -> Cell:
    """Return *mint*, or where it is empty the only mint that goes by *symbol*, or None."""
    if mint is not None and mint != "":
        return mint
    answers = known.get(symbol.lower(), frozenset()) if isinstance(symbol, str) else frozenset()
    return next(iter(answers)) if len(answers) == 1 else None


def positions(rows: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a NULL key, a status that is neither open, partial, failed nor closed in some way, and history.

    Of all positions of one token one stays, whichever it is; those refused for another reason do not compete.

    Args:
        rows: rowid, id, symbol, token_mint, status.
        known: Mints by symbol.
    """
    refused: set[int] = set()
    competing: defaultdict[Cell, list[int]] = defaultdict(list)
    for rowid, key, symbol, mint, status in rows:
        fits = status in {"open", "closed", "partial", "failed"} or str(status).startswith("closed_")
        address = token(symbol, mint, known)
        if key is None or not fits or address is None:
            refused.add(rowid)
        else:
            competing[address].append(rowid)
    return refused.union(*(rivals[1:] for rivals in competing.values()))


def trades(rows: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a NULL key, a side that is neither buy nor sell, and all but one of equal signatures; '' is none.

    Args:
        rows: rowid, id, symbol, token_mint, side, tx_signature.
        known: Mints by symbol.
    """
    refused: set[int] = set()
    competing: defaultdict[Cell, list[int]] = defaultdict(list)
    for rowid, key, symbol, mint, side, signature in rows:
        if key is None or str(side).lower() not in {"buy", "sell"} or token(symbol, mint, known) is None:
            refused.add(rowid)
        elif signature not in {None, ""}:
            competing[signature].append(rowid)
    return refused.union(*(rivals[1:] for rivals in competing.values()))


def treasury_orders(rows: Iterable[Row], named: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a NULL key, JSON that is no object, an unknown type or state, no amount in SOL, and no position to name it.

    Args:
        rows: rowid, order_id, order_json.
        named: symbol, tp_order_id and sl_order_id of each position.
        known: Mints by symbol.
    """
    symbols: dict[Cell, Cell] = {}
    for symbol, *orders in named:
        symbols.update({order: symbol for order in orders if order not in {None, ""}})
    refused = set()
    for rowid, key, text in rows:
        body = _json(text)
        if key is None or key not in symbols or not isinstance(body, dict):
            refused.add(rowid)
            continue
        amount = body.get("amount_sol")
        if (
            str(body.get("type")).lower() not in _ORDER_TYPES
            or str(body.get("status")).lower() not in _ORDER_STATES
            or not isinstance(amount, int | float)
            or isinstance(amount, bool)
            or token(symbols[key], body.get("token_mint"), known) is None
        ):
            refused.add(rowid)
    return refused


def tax_lots(rows: Iterable[Row], signatures: AbstractSet[Cell], known: Mints) -> set[int]:
    """Refuse a lot whose trade is not there or is refused, whose date is none, or whose symbol names not one mint.

    Args:
        rows: rowid, symbol, purchase_date, tx_id.
        signatures: Of the trades that are not refused.
        known: Mints by symbol.
    """
    return {
        rowid
        for rowid, symbol, date, tx_id in rows
        if tx_id not in signatures or not is_instant(date) or token(symbol, None, known) is None
    }


def wash_sales(rows: Iterable[Row], sales: Iterable[Row], lots: AbstractSet[Cell]) -> set[int]:
    """Refuse a wash sale unless its sale is known and all lots of it, and the replacement, are there.

    Args:
        rows: rowid, sale_tx_id, replacement_lot_id.
        sales: tx_id, lots_used_json.
        lots: Ids of the lots that are not refused.
    """
    used = {tx_id: _json(text) for tx_id, text in sales if tx_id is not None}
    refused = set()
    for rowid, sale, replacement in rows:
        sold = _lot_list(used.get(sale))
        if not sold or not lots >= set(sold) or replacement not in lots:
            refused.add(rowid)
    return refused


def telegram_messages(rows: Iterable[Row]) -> set[int]:
    """Refuse a message of nobody or without content ('' is content), and a role that is none of those known.

    Args:
        rows: rowid, user_id, content, role.
    """
    return {rowid for rowid, user, content, role in rows if user is None or content is None or role not in _ROLES}


def tweets(rows: Iterable[Row]) -> set[int]:
    """Refuse a post without content; '' is content.

    Args:
        rows: rowid, content.
    """
    return {rowid for rowid, content in rows if content is None}


def ai_entities(rows: Iterable[Row]) -> set[int]:
    """Refuse all but one of the entities with one name, whatever their types.

    Args:
        rows: rowid, name.
    """
    seen: set[Cell] = set()
    refused = set()
    for rowid, name in rows:
        if name in seen:
            refused.add(rowid)
        seen.add(name)
    return refused


def sentiment_readings(rows: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a symbol that does not name one mint, a score outside -100 to 100, an unknown label.

    Args:
        rows: rowid, symbol, score, label.
        known: Mints by symbol.
    """
    return {
        rowid
        for rowid, symbol, score, label in rows
        if token(symbol, None, known) is None
        or not isinstance(score, int | float)
        or not -100 <= score <= 100
        or label not in _LABELS
    }


def calls(rows: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a NULL key, and a call without a contract whose symbol does not name one mint.

    Args:
        rows: rowid, id, symbol, contract.
        known: Mints by symbol.
    """
    return {rowid for rowid, key, symbol, contract in rows if key is None or token(symbol, contract, known) is None}


def call_outcomes(rows: Iterable[Row], calls: AbstractSet[Cell]) -> set[int]:
    """Refuse a NULL key, and the outcome of a call that is not there or is refused.

    Args:
        rows: rowid, id, call_id.
        calls: Ids of the calls that are not refused.
    """
    return {rowid for rowid, key, call in rows if key is None or call not in calls}


def whale_movements(rows: Iterable[Row], known: Mints) -> set[int]:
    """Refuse a movement of no wallet, of another token than wrapped SOL, of no amount, or in an unknown direction.

    Args:
        rows: rowid, wallet_address, token_symbol, token_mint, amount, direction.
        known: Mints by symbol.
    """
    return {
        rowid
        for rowid, wallet, symbol, mint, amount, direction in rows
        if wallet in {None, ""}
        or token(symbol, mint, known) != _WRAPPED_SOL
        or amount is None
        or direction not in _DIRECTIONS
    }


def rate_limiter_logs(rows: Iterable[Row]) -> set[int]:
    """Refuse a NULL key, and a scope that does not say ``user:`` and an integer.

    Args:
        rows: rowid, request_id, scope_key.
    """
    return {
        rowid for rowid, key, scope in rows if key is None or not isinstance(scope, str) or not _USER.fullmatch(scope)
    }


def null_keys(rows: Iterable[Row]) -> set[int]:
    """Refuse NULL keys: whale_wallets, cache_entries, sessions.

    Args:
        rows: rowid, key.
    """
    return {rowid for rowid, key in rows if key is None}


def missing(rows: Iterable[Row], *parents: AbstractSet[Cell]) -> set[int]:
    """Refuse rows of the variant ``specified`` that name a parent which is not there.

    Args:
        rows: rowid, then one reference for each of *parents*.
        parents: Keys that exist and are not refused.
    """
    return {rowid for rowid, *keys in rows if any(key not in there for key, there in zip(keys, parents, strict=True))}


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
    out["core.positions"] = positions(read("jarvis.positions", "rowid, id, symbol, token_mint, status"), known)
    out["core.trades"] = trades(read("jarvis.trades", "rowid, id, symbol, token_mint, side, tx_signature"), known)
    out["core.treasury_orders"] = treasury_orders(
        read("jarvis.treasury_orders", "rowid, order_id, order_json"),
        read("jarvis.positions", "symbol, tp_order_id, sl_order_id"),
        known,
    )
    signed = read("jarvis.trades", "rowid, tx_signature")
    signatures = {text for rowid, text in signed if rowid not in out["core.trades"] and text not in {None, ""}}
    out["core.tax_lots"] = tax_lots(read("tax.tax_lots", "rowid, symbol, purchase_date, tx_id"), signatures, known)
    lots = {rowid for (rowid,) in read("tax.tax_lots", "rowid")} - out["core.tax_lots"]
    out["core.wash_sales"] = wash_sales(
        read("tax.wash_sales", "rowid, sale_tx_id, replacement_lot_id"),
        read("tax.sales", "tx_id, lots_used_json"),
        lots,
    )
    out["analytics.telegram_messages"] = telegram_messages(
        read("telegram_memory.messages", "rowid, user_id, content, role")
    )
    out["analytics.tweets"] = tweets(read("jarvis_x_memory.tweets", "rowid, content"))
    out["analytics.ai_entities"] = ai_entities(read("jarvis_memory.entities", "rowid, name"))
    out["analytics.sentiment_readings"] = sentiment_readings(
        read("sentiment.sentiment_readings", "rowid, symbol, score, label"), known
    )
    out["analytics.calls"] = calls(read("call_tracking.calls", "rowid, id, symbol, contract"), known)
    alive = {key for rowid, key in read("call_tracking.calls", "rowid, id") if rowid not in out["analytics.calls"]}
    out["analytics.call_outcomes"] = call_outcomes(read("call_tracking.outcomes", "rowid, id, call_id"), alive)
    out["analytics.whale_wallets"] = null_keys(read("whales.whale_wallets", "rowid, address"))
    out["analytics.whale_movements"] = whale_movements(
        read("whales.whale_movements", "rowid, wallet_address, token_symbol, token_mint, amount, direction"), known
    )
    out["cache.cache_entries"] = null_keys(read("file_cache.cache_entries", "rowid, key"))
    out["cache.rate_limiter_logs"] = rate_limiter_logs(read("rate_limiter.request_log", "rowid, request_id, scope_key"))
    return out


def _specified(read: _Read) -> dict[str, set[int]]:
    """Apply what is left to refuse once SQLite has enforced the target's own constraints inside each file."""
    out: dict[str, set[int]] = {}
    traded = {key for (key,) in read("jarvis.trades", "id")}
    out["core.tax_lots"] = missing(read("tax.tax_lots", "id, trade_id"), traded)
    lots = {key for (key,) in read("tax.tax_lots", "id")} - out["core.tax_lots"]
    out["core.wash_sales"] = missing(read("tax.wash_sales", "id, sold_lot_id, replacement_lot_id"), lots, lots)
    called = {key for (key,) in read("call_tracking.calls", "id")}
    out["analytics.call_outcomes"] = missing(read("call_tracking.call_outcomes", "id, call_id"), called)
    out["analytics.whale_wallets"] = null_keys(read("whales.whale_wallets", "rowid, address"))
    out["cache.cache_entries"] = null_keys(read("cache_db.cache_entries", "rowid, key"))
    out["cache.sessions"] = null_keys(read("cache_db.sessions", "rowid, session_id"))
    return out


def _json(text: Cell) -> Any:
    """Return what *text* says as SQLite reads it: of twin keys the first counts, and NaN is no JSON."""
    try:
        return json.loads(text, object_pairs_hook=_first, parse_constant=_no_constant)
    except (TypeError, ValueError):
        return None


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _lot_list(used: Any) -> list[Cell]:
    """Return the ids of [[lot, quantity], ...], or nothing if it is anything else."""
    if not isinstance(used, list):
        return []
    pairs = [pair for pair in used if isinstance(pair, list) and len(pair) == 2]
    whole = [lot for lot, quantity in pairs if isinstance(lot, int) and isinstance(quantity, int | float)]
    return whole if len(whole) == len(used) else []


def total(quarantine: Mapping[str, int]) -> int:
    """Return the rows of all targets together, as ``accept_quarantine`` counts them."""
    return Counter(quarantine).total()
