"""The number of rows in each table of a specimen.

The counts of production were taken on 2026-01-25.  A table that is not named was empty, or was not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Production's rows in mapped tables, and in the sales, which mappings read.
MAPPED: Mapping[str, int] = MappingProxyType(
    {
        "jarvis.positions": 33,
        "jarvis.trades": 27,
        "jarvis.scorecard": 1,
        "jarvis.treasury_orders": 0,
        "treasury_trades.treasury_trades": 28,
        "tax.tax_lots": 1,
        "tax.sales": 1,
        "tax.wash_sales": 0,
        "telegram_memory.messages": 1_734,
        "jarvis_admin.users": 70,
        "jarvis_x_memory.tweets": 217,
        "jarvis_memory.entities": 0,
        "jarvis_memory.facts": 0,
        "jarvis_memory.reflections": 0,
        "sentiment.sentiment_readings": 0,
        "call_tracking.calls": 550,
        "call_tracking.outcomes": 0,
        "whales.whale_wallets": 0,
        "whales.whale_movements": 0,
        "metrics.metrics_1m": 0,
        "metrics.metrics_1h": 0,
        "llm_costs.llm_usage": 19,
        "rate_limiter.request_log": 0,
        "file_cache.cache_entries": 4,
    }
)

#: Production's rows in every other table.
OTHERS: Mapping[str, int] = MappingProxyType(
    {
        "jarvis.error_logs": 1,
        "jarvis.items": 10,
        "jarvis.pick_performance": 636,
        "jarvis.test": 1,
        "jarvis.trade_learnings": 1,
        "jarvis.treasury_stats": 1,
        "telegram_memory.learnings": 25,
        "telegram_memory.memories": 1,
        "jarvis_admin.engagement": 325,
        "jarvis_admin.messages": 706,
        "jarvis_admin.mod_actions": 3,
        "jarvis_admin.upgrade_ideas": 5,
        "jarvis_x_memory.content_fingerprints": 41,
        "jarvis_x_memory.mention_replies": 25,
        "jarvis_x_memory.token_mentions": 31,
        "jarvis_memory.schema_version": 1,
        "sentiment.predictions": 1,
        "call_tracking.trades": 14,
        "llm_costs.llm_daily_stats": 1,
        "rate_limiter.rate_configs": 5,
        "custom.products": 3,
        "jarvis_spam_protection.jarvis_tweets": 77,
        "jarvis_spam_protection.scanned_quotes": 1,
        "raid_bot.raid_config": 6,
    }
)

#: Weights of mapped tables that were empty in production, if a total is given, compared with the others'
#: counts: enough that a large set fills them all, and little enough to keep production's proportions.
MODEST: Mapping[str, int] = MappingProxyType(
    {
        "jarvis.treasury_orders": 12,
        "tax.wash_sales": 1,
        "jarvis_memory.entities": 15,
        "jarvis_memory.facts": 50,
        "jarvis_memory.reflections": 20,
        "sentiment.sentiment_readings": 60,
        "call_tracking.outcomes": 150,
        "whales.whale_wallets": 10,
        "whales.whale_movements": 60,
        "metrics.metrics_1m": 100,
        "metrics.metrics_1h": 10,
        "rate_limiter.request_log": 60,
    }
)

#: Rows of the variant ``specified``, which production never had: the counts of the tables mapped into these
#: tables, or the small weight if there are none.
SPECIFIED_MAPPED: Mapping[str, int] = MappingProxyType(
    {
        "jarvis.positions": 33,
        "jarvis.trades": 27,
        "jarvis.scorecard": 1,
        "treasury_trades.treasury_orders": 28,
        "tax.tax_lots": 4,
        "tax.wash_sales": 1,
        "telegram_memory.telegram_messages": 1_734,
        "jarvis_admin.telegram_users": 70,
        "jarvis_x_memory.tweets": 217,
        "jarvis_memory.ai_entities": 15,
        "jarvis_memory.ai_facts": 50,
        "jarvis_memory.ai_reflections": 20,
        "sentiment.sentiment_readings": 60,
        "call_tracking.calls": 550,
        "call_tracking.call_outcomes": 150,
        "whales.whale_wallets": 10,
        "whales.whale_movements": 60,
        "metrics.metrics": 100,
        "llm_costs.llm_costs": 19,
        "rate_limiter.rate_limiter_logs": 60,
        "cache_db.cache_entries": 4,
        "cache_db.sessions": 4,
    }
)

#: Tables with one row in a set of any size.
_SINGLE = frozenset({"jarvis.scorecard"})


def found(rows: int | None) -> dict[str, int]:
    """Return the rows per table of the variant ``found``.

    Without *rows* these are production's.  Otherwise they add up to *rows*.  Above production's total only the mapped
    tables grow; below it, all tables shrink in proportion.
    """
    if rows is None:
        return {**MAPPED, **OTHERS}
    weights = {table: count or MODEST[table] for table, count in MAPPED.items()}
    return _scaled(weights, OTHERS, rows, total=sum(MAPPED.values()) + sum(OTHERS.values()))


def specified(rows: int | None) -> dict[str, int]:
    """Return the rows per table of the variant ``specified``, by the same rule."""
    kept = {name: count for name, count in OTHERS.items() if name.partition(".")[0] in _UNTOUCHED}
    if rows is None:
        return {**SPECIFIED_MAPPED, **kept}
    return _scaled(SPECIFIED_MAPPED, kept, rows, total=sum(SPECIFIED_MAPPED.values()) + sum(kept.values()))


#: Databases with rows that look the same in both variants.
_UNTOUCHED = frozenset({"custom", "jarvis_spam_protection", "raid_bot"})


def _scaled(weights: Mapping[str, int], others: Mapping[str, int], rows: int, *, total: int) -> dict[str, int]:
    fixed = dict(others) if rows >= total else {table: count * rows // total for table, count in others.items()}
    return {**_shared(weights, rows - sum(fixed.values())), **fixed}


def _shared(weights: Mapping[str, int], rows: int) -> dict[str, int]:
    """Share *rows* out by *weights*: one each, the rest by largest remainder."""
    shares = dict.fromkeys(weights, 0)
    for table in sorted(weights, key=lambda table: (table not in _SINGLE, -weights[table], table))[:rows]:
        shares[table] = 1
    left = rows - sum(shares.values())
    growing = {table: weight for table, weight in weights.items() if table not in _SINGLE}
    whole = sum(growing.values())
    quota = {table: divmod(weight * left, whole) for table, weight in growing.items()}
    for table, (share, _) in quota.items():
        shares[table] += share
    short = rows - sum(shares.values())
    for table in sorted(quota, key=lambda table: (-quota[table][1], table))[:short]:
        shares[table] += 1
    return shares
