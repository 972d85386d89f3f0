"""Valid rows of the variant ``found``, from which planted rows differ only in their fault."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from contracts.specimens.hazards.planting import Plant, Sound
from contracts.specimens.values import NOW, aware, naive, spaced

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
    """Return a lot with a trade of its own."""
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
    """Return a movement of a wallet of its own."""
    wallet = plant.mint()
    plant.beside("whales.whale_wallets", address=wallet)
    return {
        "wallet_address": wallet,
        "timestamp": aware(_AT),
        "movement_type": "transfer",
        "token_symbol": "SOL",
        "token_mint": plant.world.tokens[0].mint,
        "amount": 1_250.5,
        "value_usd": 160_000.0,
        "direction": "IN",
        "tx_signature": plant.signature(),
    }


def _fixed(**values: Any) -> Sound:
    return lambda _plant: dict(values)


#: A valid row of each table in which hazards are planted, by column; missing columns take their defaults.
SOUND: Mapping[str, Sound] = {
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
