"""Rows of messages, posts, memory, metrics, costs, limits and the file cache."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.values import NOW, aware, epoch, price, spaced, steps, words

Rows = Iterator[tuple[Any, ...]]

FOUND = Tables()

CATEGORIES = words(
    "market_update trending_token roast_polite agentic_tech hourly_update social_sentiment news_sentiment engagement "
    "comprehensive_market grok_interaction bitcoin_only stocks_macro morning_briefing evening_wrap alpha_drop quote_tweet"
)
COMMANDS = ("/status", "/positions", "/balance", "/trending", "/help", "code: fix the chart", "cli: git status")
COMPONENTS = ("telegram", "twitter", "treasury", "grok", "jupiter", "helius", "birdeye", "dexscreener")
MODELS = (
    ("groq", "llama-3.3-70b-versatile"),
    ("groq", "llama-3.1-8b-instant"),
    ("xai", "grok-3-mini"),
    ("anthropic", "claude-sonnet-4"),
    ("openai", "gpt-4o-mini"),
    ("openrouter", "deepseek/deepseek-chat"),
    ("ollama", "qwen2.5:7b"),
)


@FOUND.of("telegram_memory.messages", "user_id, username, role, content, timestamp, chat_id")
def _messages(world: World, count: int) -> Rows:
    """Yield questions and answers in turn; an answer carries the id of the human who asked."""
    rng = world.rng("telegram_memory.messages")
    people, groups, phrases = world.people[:200], world.groups, world.phrases
    person, chat = people[0], groups[0]
    for index, at in enumerate(steps(count, rng)):
        if index % 2 == 0:
            person = people[int(rng.random() ** 2 * len(people))]
            luck = rng.random()
            chat = person.id if luck < 0.5 else groups[int(luck * 50) % 5] if luck < 0.97 else 0
            text = COMMANDS[index % 7] if luck * 1000 % 10 < 1 else phrases[int(rng.random() * 2000)]
            known = luck * 777 % 1 > 0.02
            yield person.id if known else 0, person.handle if known else "anon", "user", text, at.isoformat(), chat
        else:
            text = phrases[int(rng.random() * 2000)]
            if index % 16 == 1:
                text = f"[CLI Result] {text}\n{phrases[index % 2000]}"
            yield person.id, "jarvis", "assistant", text, at.isoformat(), chat


@FOUND.of(
    "jarvis_admin.users",
    "user_id, username, first_seen, message_count, warning_count, is_banned, is_trusted, spam_score, last_message_at, notes",
)
def _users(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_admin.users")
    for index, (person, at) in enumerate(zip(world.people[:count], steps(count, rng), strict=False)):
        seen = min(at + timedelta(hours=rng.expovariate(1 / 200)), NOW)
        banned = index % 23 == 7
        yield (
            *(person.id, person.handle if index % 9 else "unknown", aware(at), rng.randint(1, 400), int(banned)),
            *(int(banned), int(index % 11 == 0), round(rng.random() ** 4, 4), aware(seen)),
            "spam links" if banned else None,
        )


@FOUND.of(
    "jarvis_x_memory.tweets",
    "tweet_id, content, category, cashtags, posted_at, engagement_likes, engagement_retweets, engagement_replies",
)
def _tweets(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_x_memory.tweets")
    for index, at in enumerate(steps(count, rng)):
        tags = [f"${rng.choice(world.tokens[:40]).symbol}"] if index % 3 else []
        likes = int(rng.expovariate(0.2))
        yield (
            *(tweet_id(index), rng.choice(world.phrases), rng.choice(CATEGORIES), json.dumps(tags)),
            *(aware(at) if index % 50 != 20 else "", likes, likes // 4, likes // 6),
        )


def tweet_id(index: int) -> str:
    """Return the *index*-th id of a post: 19 digits, more than a float can hold."""
    return str(1_991_000_000_000_000_003 + index * 3_000_000_017_011)


@FOUND.of("jarvis_memory.entities", "name, entity_type, attributes, created_at, updated_at")
def _entities(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_memory.entities")
    for index, ((name, kind), at) in enumerate(zip(world.entities[:count], steps(count, rng), strict=False)):
        known = {"chain": "solana", "seen": index} if index % 3 == 0 else {}
        yield (
            name,
            kind,
            json.dumps(known),
            aware(at),
            aware(min(at + timedelta(days=2), NOW)) if index % 2 else spaced(at),
        )


@FOUND.of("jarvis_memory.facts", "entity, entity_id, fact, confidence, source, learned_at")
def _facts(world: World, count: int) -> Rows:
    """Yield facts by their entity's name; 1 in 8 has the id too, 1 in 10 no entity."""
    rng = world.rng("jarvis_memory.facts")
    known = world.count("jarvis_memory.entities")
    for index, at in enumerate(steps(count, rng)):
        at_entity = rng.randrange(known) if known and index % 10 != 9 else None
        name = world.entities[at_entity][0] if at_entity is not None else f"{world.handles[index % 400]} project"
        yield (
            *(name, at_entity + 1 if at_entity is not None and index % 8 == 0 else None),
            *(f"{rng.choice(world.phrases)} ({index})", round(rng.uniform(0.5, 1), 2)),
            *(rng.choice(("conversation", "conversation", "correction")), aware(at)),
        )


@FOUND.of(
    "jarvis_memory.reflections",
    "trigger, what_happened, why_failed, lesson, new_approach, applied, applied_count, created_at",
)
def _reflections(world: World, count: int) -> Rows:
    rng = world.rng("jarvis_memory.reflections")
    for index, at in enumerate(steps(count, rng)):
        texts = rng.sample(world.phrases, 5)
        applied = index % 3
        yield (
            *(texts[0], texts[1], texts[2], texts[3], texts[4] if index % 4 else None, int(applied > 0), applied),
            aware(at) if index % 5 else spaced(at),
        )


_METRIC = (
    "timestamp, component, total_requests, failed_requests, error_rate, latency_p50, latency_p95, latency_p99, "
    "latency_min, latency_max, latency_mean"
)


def _metrics(world: World, count: int, table: str, width: timedelta) -> Rows:
    """Yield a row per component and period; one without requests has no latencies."""
    rng = world.rng(table)
    for index in range(count):
        at = NOW - width * (index // len(COMPONENTS))
        total = rng.randrange(40) if index % 9 else 0
        failed = rng.randrange(total) // 4 if total else 0
        low = rng.uniform(5, 80)
        latencies = [round(low * factor, 3) for factor in (2, 5, 9, 1, 12, 2.4)] if total else [None] * 6
        yield aware(at), COMPONENTS[index % 8], total, failed, failed / total if total else 0.0, *latencies


@FOUND.of("metrics.metrics_1m", _METRIC)
def _metrics_1m(world: World, count: int) -> Rows:
    return _metrics(world, count, "metrics.metrics_1m", timedelta(minutes=1))


@FOUND.of("metrics.metrics_1h", _METRIC)
def _metrics_1h(world: World, count: int) -> Rows:
    return _metrics(world, count, "metrics.metrics_1h", timedelta(hours=1))


@FOUND.of(
    "llm_costs.llm_usage",
    "timestamp, provider, model, input_tokens, output_tokens, cost_usd, latency_ms, success, error, metadata, created_at",
)
def _llm_usage(world: World, count: int) -> Rows:
    rng = world.rng("llm_costs.llm_usage")
    for index, at in enumerate(steps(count, rng)):
        provider, model = MODELS[0] if index == 0 else rng.choice(MODELS)
        good = index % 9 != 8
        cost = 9.9e-05 if index == 0 else round(rng.uniform(1e-6, 0.02), 6) if good else 0.0
        yield (
            *(aware(at), provider, model, rng.randint(50, 4000), rng.randint(1, 900) if good else 0, cost),
            *(round(rng.uniform(150, 4000), 3), int(good), None if good else "rate limited"),
            *(None if index % 2 else json.dumps({"purpose": "reply"}), spaced(at)),
        )


@FOUND.of("rate_limiter.request_log", "request_id, endpoint, scope_key, timestamp, allowed, wait_time_ms, limit_name")
def _request_log(world: World, count: int) -> Rows:
    """Yield requests of users; 1 in 6 is of a scope that is not a user."""
    rng = world.rng("rate_limiter.request_log")
    for index, at in enumerate(steps(count, rng)):
        scope = f"user:{rng.choice(world.people).id}"
        if index % 6 == 5:
            scope = (f"wallet:{world.wallets[0]}", f"ip:{rng.choice(world.addresses)}", "global")[index // 6 % 3]
        name = rng.choice(("jupiter_api", "solana_rpc", "birdeye_api"))
        wait = 0.0 if index % 4 else round(rng.uniform(1, 900), 3)
        yield (
            f"req-{world.id8('rate_limiter.request_log', index)}",
            f"/{name}",
            scope,
            aware(at),
            int(index % 8 > 0),
            wait,
            name,
        )


@FOUND.of("file_cache.cache_entries", "key, value, created_at, expires_at, namespace, tags")
def _cache_entries(world: World, count: int) -> Rows:
    """Yield pickled results, as the cache keeps them; some have expired."""
    rng = world.rng("file_cache.cache_entries")
    for index in range(count):
        made = epoch(NOW) - rng.randrange(100_000) + 0.5
        value = pickle.dumps({"symbol": rng.choice(world.tokens).symbol, "price": price(rng)}, protocol=4)
        yield (
            f"price:{index:06}",
            value,
            made,
            made + rng.choice((300, 3600, 200_000)),
            "default",
            "" if index % 2 else "price",
        )
