"""Rows of the variant ``specified`` of the analytics and the cache database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from contracts.specimens.analytics import CATEGORIES, COMPONENTS, MODELS, tweet_id
from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.values import HISTORY_S, NOW, START, mint, moment, price, signature, spaced, specified, steps

Rows = Iterator[tuple[Any, ...]]

SPECIFIED = Tables()


@SPECIFIED.of("telegram_memory.telegram_messages", "id, user_id, username, message, timestamp, message_type, context")
def _messages(world: World, count: int) -> Rows:
    rng = world.rng("specified.messages")
    people, phrases = world.people[:200], world.phrases
    for index, at in enumerate(steps(count, rng)):
        person = people[int(rng.random() ** 2 * len(people))]
        kind = ("query", "response", "command", "notification")[index % 8 if index % 8 < 4 else index % 2]
        yield (
            *(index + 1, person.id, person.handle, phrases[int(rng.random() * 2000)], specified(at), kind),
            json.dumps({"chat_id": person.id}) if index % 2 else None,
        )


@SPECIFIED.of(
    "jarvis_admin.telegram_users",
    "user_id, username, first_name, last_name, is_admin, is_banned, first_seen, last_seen, message_count, preferences",
)
def _users(world: World, count: int) -> Rows:
    rng = world.rng("specified.users")
    for index, (person, at) in enumerate(zip(world.people[:count], steps(count, rng), strict=False)):
        first, _, last = rng.choice(world.names).partition(" ")
        yield (
            *(
                person.id,
                person.handle,
                first,
                last,
                int(index == 3),
                int(index % 23 == 7),
                specified(at),
                specified(NOW),
            ),
            *(rng.randint(1, 400), None if index % 4 else '{"lang": "en"}'),
        )


@SPECIFIED.of(
    "jarvis_x_memory.tweets", "id, tweet_id, content, timestamp, likes, retweets, replies, impressions, url, metadata"
)
def _tweets(world: World, count: int) -> Rows:
    rng = world.rng("specified.tweets")
    for index, at in enumerate(steps(count, rng)):
        likes = int(rng.expovariate(0.2))
        yield (
            *(index + 1, tweet_id(index), rng.choice(world.phrases), specified(at), likes, likes // 4, likes // 6),
            *(
                likes * 40,
                f"https://x.com/i/status/{tweet_id(index)}",
                json.dumps({"category": rng.choice(CATEGORIES)}),
            ),
        )


@SPECIFIED.of(
    "jarvis_memory.ai_entities", "id, entity_type, name, description, created_at, last_referenced, reference_count"
)
def _entities(world: World, count: int) -> Rows:
    rng = world.rng("specified.entities")
    for index, ((name, kind), at) in enumerate(zip(world.entities[:count], steps(count, rng), strict=False)):
        yield (
            index + 1,
            kind,
            name,
            rng.choice(world.phrases) if index % 2 else None,
            specified(at),
            specified(NOW),
            1 + index % 7,
        )


@SPECIFIED.of("jarvis_memory.ai_facts", "id, entity_id, fact, confidence, source, created_at, updated_at, is_active")
def _facts(world: World, count: int) -> Rows:
    rng = world.rng("specified.facts")
    entities = world.count("jarvis_memory.ai_entities")
    for index, at in enumerate(steps(count, rng)):
        entity = 1 + rng.randrange(entities) if entities and index % 10 else None
        yield (
            *(index + 1, entity, rng.choice(world.phrases), round(rng.random(), 3), "conversation", specified(at)),
            *(spaced(at), int(index % 6 > 0)),
        )


@SPECIFIED.of("jarvis_memory.ai_reflections", "rowid, content, timestamp, tags")
def _reflections(world: World, count: int) -> Rows:
    rng = world.rng("specified.reflections")
    for index, at in enumerate(steps(count, rng)):
        texts = rng.sample(world.phrases, 3)
        yield 2 * index + 1, "\n\n".join(texts), specified(at), "trading,loss" if index % 2 else None


@SPECIFIED.of(
    "sentiment.sentiment_readings",
    "id, symbol, token_address, score, sentiment, confidence, source, timestamp, metadata",
)
def _readings(world: World, count: int) -> Rows:
    rng = world.rng("specified.readings")
    for index, at in enumerate(steps(count, rng)):
        token = rng.choice(world.tokens[:40])
        score = round(rng.uniform(0, 100), 2)
        label = "bullish" if score > 60 else "bearish" if score < 40 else "neutral"
        yield index + 1, token.symbol, token.mint, score, label, round(rng.random(), 3), "grok", specified(at), "{}"


@SPECIFIED.of(
    "call_tracking.calls",
    "id, symbol, token_address, call_type, entry_price, target_price, stop_loss_price, reasoning, timestamp, caller, "
    "metadata",
)
def _calls(world: World, count: int) -> Rows:
    rng = world.rng("specified.calls")
    for index, at in enumerate(steps(count, rng)):
        token = rng.choice(world.tokens[:60])
        entry = price(rng)
        yield (
            *(index + 1, token.symbol, token.mint, ("buy", "sell", "hold", None)[index % 4], entry, entry * 2),
            *(
                entry / 2,
                rng.choice(world.phrases),
                specified(at),
                "predictions",
                None if index % 3 else '{"score": 0.5}',
            ),
        )


@SPECIFIED.of("call_tracking.call_outcomes", "id, call_id, outcome, pnl_percent, closed_at, notes")
def _outcomes(world: World, count: int) -> Rows:
    rng = world.rng("specified.outcomes")
    calls = max(1, world.count("call_tracking.calls"))
    results = ("win", "loss", "break_even", "pending", None)
    for index, at in enumerate(steps(count, rng)):
        yield index + 1, 1 + rng.randrange(calls), results[index % 5], round(rng.gauss(0, 25), 4), specified(at), "24h"


@SPECIFIED.of("whales.whale_wallets", "address, label, total_sol_moved, first_seen, last_active, is_active")
def _wallets(world: World, count: int) -> Rows:
    rng = world.rng("specified.wallets")
    for index, address in enumerate(world.wallets[:count]):
        yield (
            address,
            f"whale {index}",
            round(rng.uniform(1, 1e5), 9),
            specified(moment(rng)),
            specified(NOW),
            index % 2,
        )


@SPECIFIED.of(
    "whales.whale_movements",
    "id, wallet_address, token_address, token_symbol, amount_sol, direction, signature, timestamp",
)
def _movements(world: World, count: int) -> Rows:
    rng = world.rng("specified.movements")
    wallets = world.wallets[: world.count("whales.whale_wallets")] or [world.wallets[0]]
    for index, at in enumerate(steps(count, rng)):
        token = rng.choice(world.tokens[:40])
        yield (
            *(index + 1, rng.choice(wallets), token.mint, token.symbol, round(rng.uniform(1, 5_000), 9)),
            *(("in", "out", None)[index % 3], signature(rng) if index % 8 else None, specified(at)),
        )


@SPECIFIED.of("metrics.metrics", "id, metric_name, metric_value, timestamp, tags, metadata")
def _metrics(world: World, count: int) -> Rows:
    rng = world.rng("specified.metrics")
    names = ("total_requests", "failed_requests", "error_rate", "latency_p50", "latency_p95")
    for index, at in enumerate(steps(count, rng)):
        tags = json.dumps({"component": COMPONENTS[index % 8], "resolution": "1m"})
        yield index + 1, names[index % 5], round(rng.uniform(0, 900), 3), spaced(at), tags, None


@SPECIFIED.of(
    "llm_costs.llm_costs",
    "id, provider, model, input_tokens, output_tokens, cost_usd, purpose, timestamp, metadata",
)
def _costs(world: World, count: int) -> Rows:
    rng = world.rng("specified.costs")
    for index, at in enumerate(steps(count, rng)):
        provider, model = rng.choice(MODELS)
        listed = provider if provider in {"anthropic", "xai", "openai"} else "other"
        yield (
            *(index + 1, listed, model, rng.randint(50, 4000), rng.randint(1, 900), round(rng.uniform(1e-6, 0.02), 6)),
            *("reply", specified(at), json.dumps({"provider": provider})),
        )


@SPECIFIED.of("rate_limiter.rate_limiter_logs", "id, user_id, endpoint, timestamp, allowed")
def _logs(world: World, count: int) -> Rows:
    rng = world.rng("specified.logs")
    for index, at in enumerate(steps(count, rng)):
        yield index + 1, rng.choice(world.people).id, "/quote", specified(at), int(index % 8 > 0)


@SPECIFIED.of("cache_db.cache_entries", "key, value, expires_at, created_at")
def _cache(world: World, count: int) -> Rows:
    rng = world.rng("specified.cache")
    for index in range(count):
        made = NOW - timedelta(seconds=rng.randrange(100_000))
        ends = specified(made + timedelta(hours=index % 50)) if index % 5 else None
        yield f"price:{index:06}", json.dumps({"price": price(rng)}), ends, specified(made)


@SPECIFIED.of("cache_db.sessions", "session_id, user_id, data, created_at, last_accessed, expires_at")
def _sessions(world: World, count: int) -> Rows:
    rng = world.rng("specified.sessions")
    for index in range(count):
        begun = START + timedelta(seconds=rng.random() * HISTORY_S)
        ends = None if index % 3 else specified(NOW + timedelta(days=1))
        yield mint(rng), rng.choice(world.people).id, '{"step": 2}', specified(begun), specified(NOW), ends
