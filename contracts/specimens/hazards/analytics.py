"""Hazards of messages, users, posts, memory, metrics, costs, cache and limits."""

from __future__ import annotations

from datetime import timedelta

from contracts.specimens.hazards.planting import Hazards, Plant
from contracts.specimens.values import NOW, aware

HAZARDS = Hazards()

_MESSAGES, _TWEETS, _ENTITIES = "analytics.telegram_messages", "analytics.tweets", "analytics.ai_entities"
_CACHE, _LOGS = "cache.cache_entries", "cache.rate_limiter_logs"


@HAZARDS.of("M1", "telegram_memory.messages", "roles and prefixes: a command, an unknown role, no role")
def _m1(plant: Plant) -> None:
    for text in ("/start", "code: fix it", "cli: ls", "vibe: rewrite", " /late"):
        plant.add("telegram_memory.messages", content=text)
    plant.add("telegram_memory.messages", role="assistant", username="jarvis", content="/not a command")
    plant.add("telegram_memory.messages", role="system", refused=_MESSAGES)
    plant.add("telegram_memory.messages", role=None)


@HAZARDS.of("M2", "telegram_memory.messages", "chats: none, unknown, a group below -2^31")
def _m2(plant: Plant) -> None:
    for chat in (None, 0, -1_009_007_199_254, 2**31):
        plant.add("telegram_memory.messages", chat_id=chat)


@HAZARDS.of("M3", "telegram_memory.messages", "a message without a user, or without content")
def _m3(plant: Plant) -> None:
    plant.add("telegram_memory.messages", user_id=None, refused=_MESSAGES)
    plant.add("telegram_memory.messages", content=None, refused=_MESSAGES)
    plant.add("telegram_memory.messages", content="")
    plant.add("telegram_memory.messages", user_id=0, username="anon")


@HAZARDS.of("M4", "telegram_memory.messages", "an answer under the id of the human who asked")
def _m4(plant: Plant) -> None:
    plant.add("telegram_memory.messages", role="assistant", username="jarvis", user_id=6_000_000_007)


@HAZARDS.of("M5", "telegram_memory.messages", "ids that do not rise with time, and one below zero")
def _m5(plant: Plant) -> None:
    plant.add("telegram_memory.messages", timestamp="2020-01-01T00:00:00+00:00")
    plant.add("telegram_memory.messages", id=-7)


@HAZARDS.of("M6", "jarvis_admin.messages", "a message that the other log has too")
def _m6(plant: Plant) -> None:
    plant.add("jarvis_admin.messages", text="what do we hold")


@HAZARDS.of("U2", "jarvis_admin.users", "warnings, trust and notes, for which there is no column")
def _u2(plant: Plant) -> None:
    plant.add("jarvis_admin.users", warning_count=3, is_trusted=1, spam_score=0.1 + 0.2, notes='said "hi",\nleft')
    plant.add("jarvis_admin.users", username="", last_message_at="", notes="")


@HAZARDS.of("U4", "telegram_memory.messages", "a user who is not in the moderation table")
def _u4(plant: Plant) -> None:
    plant.add("telegram_memory.messages", user_id=77_000_000_001)


@HAZARDS.of("E1", "jarvis_x_memory.tweets", "no content, empty content, no id")
def _e1(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", content=None, refused=_TWEETS)
    plant.add("jarvis_x_memory.tweets", content="")
    plant.add("jarvis_x_memory.tweets", tweet_id="")
    plant.add("jarvis_x_memory.tweets", tweet_id=None)
    plant.add("jarvis_x_memory.tweets", tweet_id=None)


@HAZARDS.of("E2", "jarvis_x_memory.tweets", "no time of posting")
def _e2(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", posted_at="")
    plant.add("jarvis_x_memory.tweets", posted_at=None)


@HAZARDS.of("E3", "jarvis_x_memory.tweets", "an unlisted category, no category, and tags")
def _e3(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", category="brand_new", cashtags='["$SOL", "$BONK"]')
    plant.add("jarvis_x_memory.tweets", category=None)


@HAZARDS.of("E5", "jarvis_x_memory.tweets", "NULL or broken tags, at which the legacy reader raises")
def _e5(plant: Plant) -> None:
    plant.add("jarvis_x_memory.tweets", cashtags=None)
    plant.add("jarvis_x_memory.tweets", cashtags="$SOL")


@HAZARDS.of("A1", "jarvis_memory.entities", "one name under several types")
def _a1(plant: Plant) -> None:
    for day, kind in enumerate(("person", "project", "company")):
        plant.add(
            "jarvis_memory.entities", name="Jarvis", entity_type=kind, attributes=f'{{"day": {day}}}',
            created_at=aware(NOW - timedelta(days=9 - day)), refused=_ENTITIES if day else "",
        )  # fmt: skip


@HAZARDS.of("A2", "jarvis_memory.facts", "a name without an entity, and an id that contradicts the name")
def _a2(plant: Plant) -> None:
    plant.add("jarvis_memory.facts", entity="Entity without a row")
    plant.add("jarvis_memory.facts", entity="Entity without a row")
    other = plant.beside("jarvis_memory.entities")
    plant.add("jarvis_memory.facts", entity="Jarvis", entity_id=other)
    lost = plant.databases["jarvis_memory"].execute("SELECT max(id) FROM entities WHERE name = 'Jarvis'").fetchone()[0]
    plant.add("jarvis_memory.facts", entity="Jarvis", entity_id=lost)


@HAZARDS.of("A4", "jarvis_memory.reflections", "marked as applied, for which there is no column")
def _a4(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", applied=1, applied_count=12)


@HAZARDS.of("A5", "jarvis_memory.reflections", "words that the other tokenizer treats as equal")
def _a5(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", trigger="trading traders traded", lesson="a trade in 2026 is a trade")


@HAZARDS.of("A8", "jarvis_memory.reflections", "words that are stored but not indexed, and missing parts")
def _a8(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", what_happened="zzunsearchable", why_failed="zzneither")
    plant.add("jarvis_memory.reflections", new_approach=None)
    plant.add("jarvis_memory.reflections", lesson="", new_approach="")
    plant.add("jarvis_memory.reflections", lesson="one\n\ntwo", new_approach="\n\n")


@HAZARDS.of("A7", "jarvis_memory.reflections", "edited after it was indexed: the index still has the old text")
def _a7(plant: Plant) -> None:
    id_ = plant.beside("jarvis_memory.reflections", lesson="zzbefore the edit")
    plant.change("jarvis_memory", "UPDATE reflections SET lesson = 'zzafter the edit' WHERE id = ?", id_)


@HAZARDS.of("K1", "metrics.metrics_1m", "rows of which some or all values are NULL")
def _k1(plant: Plant) -> None:
    plant.add("metrics.metrics_1m")
    plant.add("metrics.metrics_1m", total_requests=3, latency_p50=12.5)
    plant.add("metrics.metrics_1m", total_requests=0, failed_requests=0, error_rate=0.0)


@HAZARDS.of("K2", "metrics.metrics_1h", "the component and instant of a row per minute")
def _k2(plant: Plant) -> None:
    plant.beside("metrics.metrics_1m", component="planted twin", total_requests=1)
    plant.add("metrics.metrics_1h", component="planted twin", total_requests=60)


@HAZARDS.of("K3", "metrics.alert_history", "alerts, which have no target table")
def _k3(plant: Plant) -> None:
    plant.add("metrics.alert_history", value=0.25, threshold=0.05, severity="warning")


@HAZARDS.of("L1", "llm_costs.llm_usage", "a provider that is not listed")
def _l1(plant: Plant) -> None:
    for provider in ("groq", "openrouter", "ollama", "mistral"):
        plant.add("llm_costs.llm_usage", provider=provider)


@HAZARDS.of("L2", "llm_costs.llm_usage", "a failure at no cost, with its error")
def _l2(plant: Plant) -> None:
    plant.add("llm_costs.llm_usage", success=0, cost_usd=0.0, output_tokens=0, error="429: slow down", latency_ms=None)


@HAZARDS.of("L4", "llm_costs.llm_daily_stats", "daily sums with a running mean, which have no target table")
def _l4(plant: Plant) -> None:
    plant.add("llm_costs.llm_daily_stats", avg_latency_ms=411.625)


@HAZARDS.of("B1", "file_cache.cache_entries", "a value of pickled bytes, of other bytes, of text, of a number")
def _b1(plant: Plant) -> None:
    for value in (b"\x80\x04K*.", b"\x00\xff", b"", "text", 42, 0.5):
        plant.add("file_cache.cache_entries", value=value)


@HAZARDS.of("B2", "file_cache.cache_entries", "epoch seconds: long expired, endless, before 1970, as text")
def _b2(plant: Plant) -> None:
    for expires in (1.5, float("inf"), -86_400.0, 253_402_300_799.0, "2026-01-25T12:00:00"):
        plant.add("file_cache.cache_entries", expires_at=expires)


@HAZARDS.of("B4", "file_cache.cache_entries", "a namespace and tags, for which there is no column")
def _b4(plant: Plant) -> None:
    plant.add("file_cache.cache_entries", namespace="prices", tags="sol,bonk")
    plant.add("file_cache.cache_entries", namespace=None, tags=None)


@HAZARDS.of("R1", "rate_limiter.request_log", "a scope that is not a user")
def _r1(plant: Plant) -> None:
    for scope in ("wallet:abc", "user:abc", "user:007", f"user:{2**63}", "ip:10.0.0.1", "global", ""):
        plant.add("rate_limiter.request_log", scope_key=scope, refused=_LOGS)
    plant.add("rate_limiter.request_log", scope_key="user:7123456789")


@HAZARDS.of("R2", "rate_limiter.request_log", "a wait and the name of a limit, for which there is no column")
def _r2(plant: Plant) -> None:
    plant.add("rate_limiter.request_log", wait_time_ms=812.375, limit_name="jupiter_api", allowed=0)


@HAZARDS.of("Z1", "file_cache.cache_entries", "a NULL key")
def _z1_cache(plant: Plant) -> None:
    plant.add("file_cache.cache_entries", key=None, refused=_CACHE)


@HAZARDS.of("Z1", "rate_limiter.request_log", "a NULL key")
def _z1_requests(plant: Plant) -> None:
    plant.add("rate_limiter.request_log", request_id=None, refused=_LOGS)
