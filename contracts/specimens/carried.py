"""Rows of tables without a target table, and of standalone files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from contracts.specimens.analytics import tweet_id
from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.values import NOW, START, aware, moment, naive, price, spaced, steps

Rows = Iterator[tuple[Any, ...]]

FOUND = Tables()


@FOUND.of(
    "jarvis.pick_performance",
    "pick_date, symbol, asset_class, contract, conviction_score, entry_price, target_price, stop_loss, timeframe, "
    "current_price, max_price, min_price, pnl_pct, max_gain_pct, hit_target, hit_stop, outcome, reasoning, days_held, "
    "last_updated",
)
def _picks(world: World, count: int) -> Rows:
    """Yield picks of two writers, with instants and with dates."""
    rng = world.rng("jarvis.pick_performance")
    for index, at in enumerate(steps(count, rng)):
        token = rng.choice(world.tokens[:40])
        entry = price(rng)
        dated = index % 40 == 39
        outcome = rng.choice(("PENDING", "WIN", "LOSS") if dated else ("open", "open", "win_tp", "loss_sl", "expired"))
        change = rng.uniform(-0.9, 3)
        yield (
            *(aware(at)[:10] if dated else aware(at), token.symbol, "token", token.mint if index % 3 else ""),
            *(rng.choice((50, 70, rng.randint(1, 100))), entry, entry * 1.5, entry * 0.9),
            *(
                rng.choice(("short", "medium", "long")),
                entry * (1 + change),
                entry * 3,
                entry * 0.5,
                change * 100,
                200.0,
            ),
            *(
                int(outcome == "win_tp"),
                int(outcome == "loss_sl"),
                outcome,
                "X mention (bullish)",
                index % 30,
                spaced(at),
            ),
        )


@FOUND.of("jarvis.error_logs", "error_type, component, message, context, stack_trace, created_at")
def _error_logs(world: World, count: int) -> Rows:
    for at in steps(count, world.rng("jarvis.error_logs")):
        yield "PRICE_FETCH", "treasury", "no price for mint", '{"attempt": 3}', "", aware(at)


@FOUND.of("jarvis.items", "id, value")
def _items(_world: World, count: int) -> Rows:
    return ((index + 1, f"item_{index}") for index in range(count))


@FOUND.of("jarvis.test", "id")
def _test(_world: World, count: int) -> Rows:
    return ((index + 1,) for index in range(count))


@FOUND.of(
    "jarvis.trade_learnings", "trade_id, token_symbol, token_type, learning_type, insight, confidence, created_at"
)
def _learnings(world: World, count: int) -> Rows:
    for at in steps(count, world.rng("jarvis.trade_learnings")):
        yield world.id8("jarvis.positions", 0), "BONK", "MEME", "LOSS_PATTERN", "entered after the pump", 0.6, aware(at)


@FOUND.of("jarvis.treasury_stats", "id, total_trades, total_wins, total_losses, all_time_pnl_sol, updated_at")
def _treasury_stats(_world: World, count: int) -> Rows:
    return ((1, 14, 5, 9, -0.731_25, aware(NOW)) for _ in range(count))


@FOUND.of("jarvis_admin.engagement", "user_id, action_type, timestamp, chat_id, details")
def _engagement(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_admin.engagement")
    for at in steps(count, rng):
        kind = rng.choice(("message", "message", "reply", "question"))
        yield (
            rng.choice(world.people[:70]).id,
            kind,
            aware(at),
            rng.choice(world.groups),
            rng.choice(world.phrases)[:100],
        )


@FOUND.of("jarvis_admin.messages", "message_id, user_id, username, text, timestamp, chat_id")
def _messages(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_admin.messages")
    for index, at in enumerate(steps(count, rng)):
        person = rng.choice(world.people[:70])
        yield 40_000 + index, person.id, person.handle, rng.choice(world.phrases), aware(at), rng.choice(world.groups)


@FOUND.of("jarvis_admin.mod_actions", "action_type, user_id, message_id, reason, timestamp")
def _mod_actions(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_admin.mod_actions")
    for index, at in enumerate(steps(count, rng)):
        until = aware(at + timedelta(hours=1))
        reason = ("spam links", f"flood|unmute_at:{until}", f"reported by @{world.handles[3]}: scam")[index % 3]
        yield ("ban", "mute", "user_report")[index % 3], world.people[index % 40].id, 40_100 + index, reason, aware(at)


@FOUND.of("jarvis_admin.upgrade_ideas", "idea, source_user_id, source_message, detected_at")
def _ideas(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_admin.upgrade_ideas")
    for at in steps(count, rng):
        yield rng.choice(world.phrases), rng.choice(world.people[:40]).id, rng.choice(world.phrases), aware(at)


@FOUND.of(
    "jarvis_x_memory.token_mentions",
    "symbol, contract_address, sentiment, first_mentioned, last_mentioned, mention_count",
)
def _mentions(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_x_memory.token_mentions")
    for index, at in enumerate(steps(count, rng)):
        token = world.tokens[index % len(world.tokens)]
        mood = rng.choice(("bullish", "neutral", "cautious", "bearish", "analyzed", "alpha"))
        yield token.symbol, token.mint if index % 4 else "", mood, aware(at), aware(NOW), rng.randint(1, 9)


@FOUND.of("jarvis_x_memory.mention_replies", "tweet_id, author_handle, our_reply, replied_at")
def _replies(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_x_memory.mention_replies")
    for index, at in enumerate(steps(count, rng)):
        yield tweet_id(-index - 1), rng.choice(world.handles), rng.choice(world.phrases), aware(at)


@FOUND.of(
    "jarvis_x_memory.content_fingerprints",
    "fingerprint, tokens, prices, topic_hash, semantic_hash, created_at, tweet_id",
)
def _fingerprints(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_x_memory.content_fingerprints")
    for index, at in enumerate(steps(count, rng)):
        digest = hashlib.sha256(f"{world.seed}:{index}".encode()).hexdigest()
        late = digest[36:48] if index * 3 > count else None
        yield (
            digest[:24],
            rng.choice(world.tokens[:40]).symbol,
            f"{price(rng)}",
            digest[24:36],
            late,
            aware(at),
            tweet_id(index),
        )


@FOUND.of("jarvis_memory.schema_version", "version, applied_at")
def _schema_version(_world: World, count: int) -> Rows:
    return ((index + 1, spaced(START)) for index in range(count))


@FOUND.of("telegram_memory.learnings", "topic, content, source_type, source_id, created_at, confidence")
def _coding(world: World, count: int) -> Rows:
    rng = world.rng("telegram_memory.learnings")
    for index, at in enumerate(steps(count, rng)):
        done = rng.choice(("created", "fixed", "modified"))
        yield "coding", f"{done}: {rng.choice(world.phrases)}", "coding_result", f"task-{index}", aware(at), 0.7


@FOUND.of("telegram_memory.memories", "user_id, key, value, created_at, updated_at")
def _memories(world: World, count: int) -> Rows:
    for index, at in enumerate(steps(count, world.rng("telegram_memory.memories"))):
        yield world.people[index % 40].id, f"preference {index}", "short answers", aware(at), aware(at)


@FOUND.of(
    "sentiment.predictions",
    "id, symbol, timestamp, components, sentiment_score, sentiment_grade, weights_used, predicted_direction",
)
def _predictions(world: World, count: int) -> Rows:
    rng = world.rng("sentiment.predictions")
    names = ("price_momentum", "volume", "social_sentiment", "whale_activity", "technical_analysis")
    for index, at in enumerate(steps(count, rng)):
        parts = json.dumps({name: round(rng.uniform(-1, 1), 4) for name in names})
        weights = json.dumps(dict.fromkeys(names, 0.2))
        id_ = f"{world.id8('sentiment.predictions', index)}-4c1e-4b2a-9d3f-5a6b7c8d9e0f"
        yield id_, "SOL", naive(at), parts, 0.4183, "B", weights, "UP"


@FOUND.of(
    "call_tracking.trades",
    "id, symbol, contract, entry_time, exit_time, entry_price, exit_price, pnl_pct, status, exit_reason",
)
def _round_trips(world: World, count: int) -> Rows:
    """Yield round trips as the loader made them, with '' for unknown keys."""
    rng = world.rng("call_tracking.trades")
    for index in range(count):
        trial = index < 5
        entry = 100.0 if trial else price(rng)
        change = 0.0 if trial else rng.uniform(-0.5, 1)
        yield (
            world.id8("call_tracking.trades", index),
            "",
            "",
            "",
            "",
            entry,
            entry * (1 + change),
            change * 100,
            "CLOSED",
            "",
        )


@FOUND.of(
    "llm_costs.llm_daily_stats",
    "date, provider, model, total_requests, successful_requests, total_input_tokens, total_output_tokens, "
    "total_cost_usd, avg_latency_ms",
)
def _daily(_world: World, count: int) -> Rows:
    for index in range(count):
        date = aware(NOW - timedelta(days=count - index))[:10]
        yield date, "groq", "llama-3.3-70b-versatile", 19, 17, 21_344, 3_102, 0.001_881, 642.75


@FOUND.of(
    "rate_limiter.rate_configs", "name, requests_per_second, burst_size, strategy, scope, retry_after_seconds, metadata"
)
def _rate_configs(_world: World, count: int) -> Rows:
    names = ("solana_rpc", "jupiter_api", "birdeye_api", "helius_api", "dexscreener_api")
    kinds = ("token_bucket", "sliding_window", "adaptive")
    return ((names[i], 10.0 - i, 20, kinds[i % 3], "global", 1.0, "{}") for i in range(min(count, 5)))


@FOUND.of("custom.products", "id, name, price")
def _products(_world: World, count: int) -> Rows:
    return ((index + 1, f"product_{index}", 9.99 * (index + 1)) for index in range(count))


@FOUND.of("jarvis_spam_protection.jarvis_tweets", "tweet_id, posted_at, last_scanned")
def _scanned_tweets(world: World, count: int) -> Rows:
    for index, at in enumerate(steps(count, world.rng("jarvis_spam_protection.jarvis_tweets"))):
        yield tweet_id(index), aware(at), aware(NOW) if index % 3 else None


@FOUND.of("jarvis_spam_protection.scanned_quotes", "tweet_id, author_id, is_spam, scanned_at")
def _scanned_quotes(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_spam_protection.scanned_quotes")
    for index in range(count):
        yield tweet_id(-1_000 - index), str(rng.randrange(10**18)), 0, aware(moment(rng))


@FOUND.of("raid_bot.raid_config", "key, value, updated_at")
def _raid_config(_world: World, count: int) -> Rows:
    known = (
        *(("points_like", "1"), ("points_retweet", "2"), ("points_comment", "3"), ("blue_bonus", "1")),
        *(("weekly_reward_amount", "0.5"), ("weekly_reward_token", "SOL")),
    )
    return ((*pair, spaced(START)) for pair in known[:count])
