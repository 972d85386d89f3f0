"""Planting hazards: rows that look like their neighbours except for what is wrong with them.

A hazard is a function that adds its rows through a :class:`Plant`, which counts them and notes which ones a correct
migration has to refuse.  Planted rows have tokens, ids and signatures of their own, so that one hazard does not
change what becomes of another, or of the rows that were there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.specimen.values import (
    NOW,
    aware,
    hex8,
    hex8_numeric,
    mint,
    naive,
    signature,
    spaced,
    specified,
)
from contracts.specimen.world import World
from migrator import sqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A hazard, planted.

    Attributes:
        id: Its name in the list of hazards.
        what: What is wrong, in a sentence.
        where: The legacy table, ``jarvis.positions``.
        count: How many rows have it.
        quarantined: How many of them a correct migration quarantines, by target table.
    """

    id: str
    what: str
    where: str
    count: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes to be stored as TEXT, whether or not they are text."""

    raw: bytes


class Plant:
    """Adds rows to the open databases of a set and keeps count for the hazard at hand."""

    def __init__(self, world: World, databases: Mapping[str, sqlite3.Connection]) -> None:
        self.world = world
        self.databases = databases
        self.rng = world.rng("hazards")
        self.count = 0
        self.refused: Counter[str] = Counter()
        self._serial = 0

    def serial(self) -> int:
        """Return the next number that no planted row has had."""
        self._serial += 1
        return self._serial

    def hex8(self, table: str) -> str:
        """Return an id that no row of *table* has."""
        return hex8(_PLANTED + self.serial(), self.world.salt_of(table))

    def hex8_like(self, table: str, kind: Callable[[str], bool]) -> str:
        """Return an id that no row of *table* has and for which *kind* holds."""
        return hex8_numeric(kind, 2 * _PLANTED + (self.serial() << 18), self.world.salt_of(table))

    def token(self) -> tuple[str, str]:
        """Return symbol and mint of a token that nobody has heard of."""
        return f"HZ{self.serial()}", self.mint()

    def known(self) -> tuple[str, str]:
        """Return symbol and mint of a new token that is on record once, among the tokens mentioned."""
        symbol, address = self.token()
        self.beside("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=address)
        return symbol, address

    def mint(self) -> str:
        """Return a new address."""
        return mint(self.rng)

    def signature(self) -> str:
        """Return a new signature."""
        return signature(self.rng)

    def add(self, table: str, *, refused: str = "", **changes: Any) -> int:
        """Add a row of the hazard to *table*, like its neighbours but for *changes*; return its rowid.

        Args:
            table: The legacy table, ``jarvis.positions``.
            refused: The target table that has to refuse it, if any.
            changes: Values by column.
        """
        self.count += 1
        if refused:
            self.refused[refused] += 1
        return self.beside(table, **changes)

    def beside(self, table: str, *, refused: str = "", **changes: Any) -> int:
        """Add a sound row that the hazard needs: it is not counted, but it may have to be *refused* all the same."""
        if refused and refused not in self.refused:
            self.refused[refused] = 0
        if refused:
            self.refused[refused] += 1
        values = {**_SOUND[table](self), **changes}
        database, _, name = table.partition(".")
        marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, Text) else "?" for value in values.values())
        columns = ", ".join(sqlite.quoted(column) for column in values)
        cursor = self.databases[database].execute(
            f"INSERT INTO {sqlite.quoted(name)} ({columns}) VALUES ({marks})",
            [value.raw if isinstance(value, Text) else value for value in values.values()],
        )
        return cursor.lastrowid or 0

    def change(self, database: str, statement: str, *values: Any) -> None:
        """Run *statement* on *database* and count the rows that it changed."""
        self.count += self.databases[database].execute(statement, values).rowcount


#: Ids of planted rows begin here: generated rows are never so many.
_PLANTED = 1 << 30


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard that can be planted: its id, the table it is in, what is wrong, and how to plant it."""

    id: str
    where: str
    what: str
    add: Callable[[Plant], None]


class Hazards(list[Hazard]):
    """Hazards in the order in which they are planted."""

    def of(self, id_: str, where: str, what: str) -> Callable[[Callable[[Plant], None]], Callable[[Plant], None]]:
        """Register the decorated function as planting hazard *id_* in table *where*."""

        def register(add: Callable[[Plant], None]) -> Callable[[Plant], None]:
            self.append(Hazard(id_, where, what, add))
            return add

        return register


def plant(hazard: Hazard, into: Plant) -> Planted:
    """Plant *hazard* and say what came of it."""
    into.count, into.refused = 0, Counter()
    hazard.add(into)
    return Planted(
        id=hazard.id,
        what=hazard.what,
        where=hazard.where,
        count=into.count,
        quarantined=dict(sorted(into.refused.items())),
    )


_AT = NOW - timedelta(days=2, microseconds=123_457)


def _position(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "id": plant.hex8("jarvis.positions"),
        "symbol": symbol,
        "token_mint": address,
        "entry_price": 0.000_312_5,
        "entry_amount_sol": 0.1,
        "entry_amount_tokens": 48_000.0,
        "take_profit_price": 0.000_625,
        "stop_loss_price": 0.000_25,
        "tp_order_id": "",
        "sl_order_id": "",
        "status": "open",
        "exit_price": 0.0,
        "exit_amount_sol": 0.0,
        "pnl_sol": 0.0,
        "pnl_pct": 0.0,
        "opened_at": aware(_AT),
        "closed_at": "",
        "tx_signature_entry": plant.signature(),
        "tx_signature_exit": "",
        "user_id": 0,
    }


def _trade(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "id": f"buy_{plant.hex8('jarvis.positions')}",
        "symbol": symbol,
        "token_mint": address,
        "side": "buy",
        "amount_sol": 0.1,
        "amount_tokens": 48_000.0,
        "price": 0.000_312_5,
        "timestamp": aware(_AT),
        "tx_signature": plant.signature(),
        "position_id": "",
        "user_id": 0,
    }


def _lot(plant: Plant) -> dict[str, Any]:
    """Return a lot that hangs on a trade of its own."""
    symbol, address = plant.token()
    signed = plant.signature()
    plant.beside("jarvis.trades", symbol=symbol, token_mint=address, tx_signature=signed)
    return {
        "symbol": symbol,
        "quantity": 8.0,
        "remaining_quantity": 8.0,
        "cost_per_unit": 1.5,
        "total_cost": 12.0,
        "fee": 0.25,
        "purchase_date": aware(_AT),
        "tx_id": signed,
        "adjusted_cost_basis": 1.5,
    }


def _sale(plant: Plant) -> dict[str, Any]:
    return {
        "symbol": "HZ",
        "quantity": 8.0,
        "sale_price": 1.0,
        "sale_date": aware(_AT),
        "proceeds": 8.0,
        "cost_basis": 12.0,
        "gain_loss": -4.0,
        "is_long_term": 0,
        "holding_period_days": 2,
        "lots_used_json": "[]",
        "tx_id": f"planted-sale-{plant.serial()}",
    }


def _wash_sale(_plant: Plant) -> dict[str, Any]:
    return {"symbol": "HZ", "sale_date": aware(_AT), "replacement_date": aware(_AT), "disallowed_loss": 4.0}


def _treasury_trade(plant: Plant) -> dict[str, Any]:
    return {
        "timestamp": aware(_AT),
        "token_mint": plant.mint(),
        "side": "buy",
        "amount_in": 100_000_000,
        "amount_out": 48_000_000_000,
        "signature": plant.signature(),
        "created_at": spaced(_AT),
    }


def _message(_plant: Plant) -> dict[str, Any]:
    return {
        "user_id": 5_000_000_019,
        "username": "planted",
        "role": "user",
        "content": "what do we hold",
        "timestamp": aware(_AT),
        "chat_id": -1_001_234_567_890,
    }


def _call(plant: Plant) -> dict[str, Any]:
    symbol, address = plant.token()
    return {
        "id": plant.hex8("call_tracking.calls"),
        "timestamp": aware(_AT),
        "source": "predictions",
        "symbol": symbol,
        "contract": address,
        "verdict": "BULLISH",
        "score": 0.5,
        "price_at_call": 0.01,
        "reasoning": "volume",
        "market_regime": "UNKNOWN",
    }


def _outcome(plant: Plant) -> dict[str, Any]:
    """Return the outcome of a call of its own."""
    call = plant.hex8("call_tracking.calls")
    plant.beside("call_tracking.calls", id=call)
    return {
        "id": plant.hex8("call_tracking.outcomes"),
        "call_id": call,
        "timeframe": "24h",
        "price_after": 0.02,
        "change_pct": 100.0,
        "measured_at": aware(_AT),
    }


def _reading(_plant: Plant) -> dict[str, Any]:
    return {
        "source": "grok",
        "symbol": "HZ",
        "score": 12.5,
        "label": "neutral",
        "confidence": 0.75,
        "timestamp": aware(_AT),
        "data_points": 3,
        "metadata_json": "{}",
    }


def _movement(plant: Plant) -> dict[str, Any]:
    return {
        "wallet_address": plant.world.wallets[0],
        "timestamp": aware(_AT),
        "movement_type": "transfer",
        "token_symbol": "SOL",
        "token_mint": plant.world.tokens[0].mint,
        "amount": 1_250.5,
        "value_usd": 160_000.0,
        "direction": "IN",
        "tx_signature": plant.signature(),
    }


def _fixed(**values: Any) -> Callable[[Plant], dict[str, Any]]:
    return lambda _plant: dict(values)


#: A sound row of each table in which hazards are planted, by column; what is left out takes its default.
_SOUND: Mapping[str, Callable[[Plant], dict[str, Any]]] = {
    "jarvis.positions": _position,
    "jarvis.trades": _trade,
    "jarvis.treasury_orders": lambda plant: {"order_id": plant.hex8("jarvis.treasury_orders"), "order_json": "{}"},
    "jarvis.users": lambda plant: {"name": f"user_{plant.serial()}", "email": "user@example.com"},
    "jarvis.pick_performance": _fixed(pick_date=aware(_AT), symbol="HZPICK", asset_class="token"),
    "tax.tax_lots": _lot,
    "tax.sales": _sale,
    "tax.wash_sales": _wash_sale,
    "treasury_trades.treasury_trades": _treasury_trade,
    "treasury_trades.daily_snapshots": _fixed(date="2026-01-16", starting_balance=9_007_199_254_740_993),
    "telegram_memory.messages": _message,
    "jarvis_admin.users": lambda plant: {
        "user_id": 8_000_000_000 + plant.serial(),
        "username": "planted",
        "first_seen": aware(_AT),
        "last_message_at": aware(_AT),
    },
    "jarvis_admin.messages": _fixed(message_id=1, user_id=5_000_000_019, text="hi", timestamp=aware(_AT), chat_id=-1),
    "jarvis_x_memory.tweets": lambda plant: {
        "tweet_id": f"17{plant.serial():017}",
        "content": "gm",
        "category": "market_update",
        "cashtags": "[]",
        "posted_at": aware(_AT),
    },
    "jarvis_x_memory.token_mentions": _fixed(
        sentiment="neutral", first_mentioned=aware(_AT), last_mentioned=aware(_AT)
    ),
    "jarvis_memory.entities": lambda plant: {
        "name": f"planted {plant.serial()}",
        "entity_type": "concept",
        "created_at": aware(_AT),
        "updated_at": aware(_AT),
    },
    "jarvis_memory.facts": lambda plant: {
        "entity": "planted",
        "fact": f"fact {plant.serial()}",
        "learned_at": aware(_AT),
    },
    "jarvis_memory.reflections": _fixed(trigger="loss", lesson="wait", new_approach="smaller", created_at=spaced(_AT)),
    "sentiment.sentiment_readings": _reading,
    "call_tracking.calls": _call,
    "call_tracking.outcomes": _outcome,
    "call_tracking.trades": lambda plant: {"id": plant.hex8("call_tracking.trades"), "symbol": "", "status": "CLOSED"},
    "call_tracking.factor_stats": lambda plant: {
        "id": plant.hex8("call_tracking.factor_stats"),
        "factor_name": "pump_level",
        "factor_level": "early",
    },
    "database.calls": _call,
    "whales.whale_wallets": lambda plant: {"address": plant.mint(), "label": "planted", "first_seen": aware(_AT)},
    "whales.whale_movements": _movement,
    "metrics.metrics_1m": lambda plant: {"timestamp": aware(_AT), "component": f"planted {plant.serial()}"},
    "metrics.metrics_1h": lambda plant: {"timestamp": aware(_AT), "component": f"planted {plant.serial()}"},
    "metrics.alert_history": _fixed(
        timestamp=aware(_AT), threshold_name="errors", component="grok", metric="error_rate"
    ),
    "llm_costs.llm_usage": _fixed(
        timestamp=aware(_AT),
        provider="groq",
        model="llama-3.3-70b-versatile",
        input_tokens=10,
        output_tokens=5,
        cost_usd=1e-06,
        success=1,
        created_at=spaced(_AT),
    ),
    "llm_costs.llm_daily_stats": _fixed(
        date="2026-01-20",
        provider="xai",
        model="grok-3-mini",
        total_requests=2,
        successful_requests=2,
        total_input_tokens=9,
        total_output_tokens=9,
        total_cost_usd=0.01,
    ),
    "file_cache.cache_entries": lambda plant: {
        "key": f"planted:{plant.serial()}",
        "value": b"\x80\x04N.",
        "created_at": 1_769_000_000.5,
        "expires_at": 1_769_003_600.5,
    },
    "rate_limiter.request_log": lambda plant: {
        "request_id": f"planted-{plant.serial()}",
        "endpoint": "/quote",
        "scope_key": "user:5000000019",
        "timestamp": aware(_AT),
        "allowed": 1,
        "wait_time_ms": 0.0,
    },
    "alerts.alerts": lambda plant: {
        "id": f"{plant.serial():016x}",
        "title": "errors",
        "message": "error rate is high",
        "severity": "warning",
        "source": "monitor",
        "status": "active",
        "created_at": aware(_AT),
    },
    "engagement.metrics_history": _fixed(tweet_id="1", timestamp=aware(_AT), likes=1),
    "raid_bot.raid_participations": lambda plant: {"raid_id": 900 + plant.serial(), "user_id": 1},
    "raid_bot.weekly_winners": _fixed(week_start="2026-01-12", week_end="2026-01-18", user_id=999, rank=1, points=7),
    "backtests.backtest_trades": _fixed(backtest_id="nowhere", timestamp=aware(_AT), side="buy"),
    "long_term.memory_relations": _fixed(source_id="a", target_id="b", relation_type="near", created_at=naive(_AT)),
    "distributions.distributions": _fixed(
        timestamp=aware(_AT), total_amount=4, staking_amount=2, operations_amount=1, development_amount=1
    ),
}

#: Spelled as the target spells time, for rows of the variant ``specified``.
AT_SPECIFIED = specified(_AT)
