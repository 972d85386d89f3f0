"""What a correct migration refuses, table by table: a second opinion that shares no code with it.

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
  the link may be NULL.  Of several positions that name it each answer counts where all agree.  What the order itself
  says of its side counts; without it a take-profit or a stop-loss sells, and any other order says nothing.
* A tax lot finds its token through its symbol alone, never through its trade.
* '' or NULL where the target wants a token's address is looked up by symbol, in every table alike.
* A status counts as it is spelled, so that ``OPEN``, the word of another writer, is unknown; a side counts in any
  letter case.
* An amount in SOL is a JSON number, not text that looks like one; JSON is text, not a BLOB of the same bytes.
* A user is an integer as it is written: to the limiter ``user:007`` is somebody else than ``user:7``.
* A score that is no number is refused: nothing can be derived from it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from contracts.specimen.evidence import Cell, Mints, Row, is_instant, lot_list, parsed, token

_WRAPPED_SOL = "So11111111111111111111111111111111111111112"
_USER = re.compile(r"user:(0|-?[1-9][0-9]*)")
_INT64 = range(-(2**63), 2**63)
_ORDER_TYPES = frozenset({"market", "limit", "stop_loss", "take_profit"})
_SELLING = frozenset({"stop_loss", "take_profit"})
_ORDER_STATES = frozenset({"active", "executing", "completed", "failed", "cancelled", "pending", "filled", "expired"})
_ROLES = frozenset({"user", "assistant", "command", "query", "response", "notification", None})
_LABELS = frozenset({"very_bullish", "bullish", "neutral", "bearish", "very_bearish", None})
_DIRECTIONS = frozenset({"BUY", "SELL", "IN", "OUT", "in", "out", "", None})


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
    """Refuse a NULL key, JSON that is no object, an unknown type, side or state, no amount in SOL, and no name or two.

    Args:
        rows: rowid, order_id, order_json.
        named: symbol, token_mint, tp_order_id and sl_order_id of each position.
        known: Mints by symbol.
    """
    symbols: defaultdict[Cell, set[Cell]] = defaultdict(set)
    mints: defaultdict[Cell, set[Cell]] = defaultdict(set)
    for symbol, mint, *orders in named:
        for order in orders:
            symbols[order].add(symbol)
            mints[order].add(mint)
    return {
        rowid
        for rowid, key, text in rows
        if key in {None, ""} or not _is_order(parsed(text), _agreed(symbols[key]), _agreed(mints[key]), known)
    }


def _agreed(answers: AbstractSet[Cell]) -> Cell:
    """Return the one answer that all give who give any, or None."""
    given = answers - {None}
    return next(iter(given)) if len(given) == 1 else None


def _is_order(body: Any, symbol: Cell, mint: Cell, known: Mints) -> bool:
    if not isinstance(body, dict) or symbol is None:
        return False
    kind, side, amount, own = (body.get(name) for name in ("type", "side", "amount_sol", "token_mint"))
    sells = str(side).lower() in {"buy", "sell"} if isinstance(side, str) else str(kind).lower() in _SELLING
    address = own if isinstance(own, str) and own else mint if isinstance(mint, str) else None
    return (
        str(kind).lower() in _ORDER_TYPES
        and sells
        and str(body.get("status")).lower() in _ORDER_STATES
        and isinstance(amount, int | float)
        and not isinstance(amount, bool)
        and token(symbol, address, known) is not None
    )


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
    used = {tx_id: parsed(text) for tx_id, text in sales if tx_id is not None}
    refused = set()
    for rowid, sale, replacement in rows:
        sold = lot_list(used.get(sale))
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
    said = {
        rowid: _USER.fullmatch(scope) if isinstance(scope, str) and key is not None else None
        for rowid, key, scope in rows
    }
    return {rowid for rowid, user in said.items() if user is None or int(user[1]) not in _INT64}


def caches(*tables: Iterable[Row]) -> set[tuple[int, int]]:
    """Refuse NULL keys, and of the entries of several caches with one key all but one: number of the cache and rowid.

    Args:
        tables: rowid and key of each cache.
    """
    seen: set[Cell] = set()
    refused = set()
    for number, rows in enumerate(tables):
        for rowid, key in rows:
            if key is None or key in seen:
                refused.add((number, rowid))
            seen.add(key)
    return refused


def null_keys(rows: Iterable[Row]) -> set[int]:
    """Refuse NULL keys: whale_wallets, sessions, and cache_entries as specified.

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
