"""Hazards of the databases that become the analytics and the cache."""

from __future__ import annotations

from datetime import timedelta

from contracts.specimen.planting import Hazards, Plant
from contracts.specimen.values import NOW, aware, hex8_numeric, looks_numeric

HAZARDS = Hazards()

_MESSAGES, _TWEETS, _ENTITIES = "analytics.telegram_messages", "analytics.tweets", "analytics.ai_entities"
_READINGS, _CALLS, _OUTCOMES = "analytics.sentiment_readings", "analytics.calls", "analytics.call_outcomes"
_WALLETS, _MOVEMENTS = "analytics.whale_wallets", "analytics.whale_movements"
_CACHE, _LOGS = "cache.cache_entries", "cache.rate_limiter_logs"


@HAZARDS.of("M1", "telegram_memory.messages", "roles and prefixes: a command, a role of nobody, no role")
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


@HAZARDS.of("M3", "telegram_memory.messages", "a message of nobody, or without content")
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


@HAZARDS.of("U4", "telegram_memory.messages", "somebody whom moderation does not know")
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


@HAZARDS.of("E3", "jarvis_x_memory.tweets", "a category nobody listed, none, and tags")
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
    plant.add("jarvis_memory.facts", entity="Nobody entered this")
    plant.add("jarvis_memory.facts", entity="Nobody entered this")
    other = plant.beside("jarvis_memory.entities")
    plant.add("jarvis_memory.facts", entity="Jarvis", entity_id=other)
    lost = plant.databases["jarvis_memory"].execute("SELECT max(id) FROM entities WHERE name = 'Jarvis'").fetchone()[0]
    plant.add("jarvis_memory.facts", entity="Jarvis", entity_id=lost)


@HAZARDS.of("A4", "jarvis_memory.reflections", "marked as applied, for which there is no column")
def _a4(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", applied=1, applied_count=12)


@HAZARDS.of("A5", "jarvis_memory.reflections", "words that the other tokenizer takes for one another")
def _a5(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", trigger="trading traders traded", lesson="a trade in 2026 is a trade")


@HAZARDS.of(
    "A8", "jarvis_memory.reflections", "words that are stored and were never searchable; parts that are missing"
)
def _a8(plant: Plant) -> None:
    plant.add("jarvis_memory.reflections", what_happened="zzunsearchable", why_failed="zzneither")
    plant.add("jarvis_memory.reflections", new_approach=None)
    plant.add("jarvis_memory.reflections", lesson="", new_approach="")
    plant.add("jarvis_memory.reflections", lesson="one\n\ntwo", new_approach="\n\n")


@HAZARDS.of("A7", "jarvis_memory.reflections", "edited after it was indexed: the index still has the old text")
def _a7(plant: Plant) -> None:
    id_ = plant.beside("jarvis_memory.reflections", lesson="zzbefore the edit")
    plant.change("jarvis_memory", "UPDATE reflections SET lesson = 'zzafter the edit' WHERE id = ?", id_)


@HAZARDS.of("N1", "sentiment.sentiment_readings", "a score at or beyond the ends of the scale, or no number")
def _n1(plant: Plant) -> None:
    symbol, _ = plant.known()
    for score in (-100.0, 100.0, 0.0, 33.3):
        plant.add("sentiment.sentiment_readings", symbol=symbol, score=score)
    for wrong in (100.5, -101.0, float("inf"), "n/a"):
        plant.add("sentiment.sentiment_readings", symbol=symbol, score=wrong, refused=_READINGS)


@HAZARDS.of("N2", "sentiment.sentiment_readings", "five labels where three are specified, none, and another")
def _n2(plant: Plant) -> None:
    symbol, _ = plant.known()
    for label in ("very_bullish", "very_bearish", None):
        plant.add("sentiment.sentiment_readings", symbol=symbol, label=label)
    plant.add("sentiment.sentiment_readings", symbol=symbol, label="euphoric", refused=_READINGS)


@HAZARDS.of("N3", "sentiment.sentiment_readings", "a symbol of no mint, of two, or known from one place alone")
def _n3(plant: Plant) -> None:
    plant.add("sentiment.sentiment_readings", symbol="HZNOBODY", refused=_READINGS)
    twice, _ = plant.known()
    plant.beside("jarvis.positions", symbol=twice)
    plant.add("sentiment.sentiment_readings", symbol=twice, refused=_READINGS)
    for table in ("jarvis.positions", "jarvis.trades", "call_tracking.calls", "jarvis_x_memory.token_mentions"):
        symbol, mint = plant.token()
        column = {"call_tracking.calls": "contract", "jarvis_x_memory.token_mentions": "contract_address"}
        plant.beside(table, symbol=symbol.lower(), **{column.get(table, "token_mint"): mint})
        plant.add("sentiment.sentiment_readings", symbol=symbol)
    symbol, mint = plant.token()
    plant.beside("jarvis.positions", symbol=symbol, token_mint=mint, status="sunk", refused="core.positions")
    plant.add("sentiment.sentiment_readings", symbol=symbol)


@HAZARDS.of("N3", "jarvis_x_memory.token_mentions", "a mint that is '' or no text is no evidence")
def _n3_evidence(plant: Plant) -> None:
    symbol, _ = plant.known()
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address="")
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=b"\x01\x02")
    plant.add("jarvis_x_memory.token_mentions", symbol=symbol, contract_address=None)
    plant.beside("sentiment.sentiment_readings", symbol=symbol)


@HAZARDS.of("C1", "call_tracking.calls", "an id that INTEGER affinity takes for a number")
def _c1(plant: Plant) -> None:
    salt = plant.world.salt_of("call_tracking.calls")
    plant.add("call_tracking.calls", id=hex8_numeric(str.isdigit, 5 << 29, salt))
    plant.add("call_tracking.calls", id=hex8_numeric(lambda text: looks_numeric(text) and "e" in text, 5 << 29, salt))


@HAZARDS.of("C2", "call_tracking.calls", "a verdict in a word of its own")
def _c2(plant: Plant) -> None:
    for verdict in ("MOON", "CAUTIOUSLY BULLISH", "bullish"):
        plant.add("call_tracking.calls", verdict=verdict)


@HAZARDS.of("C3", "call_tracking.calls", "no contract: found by symbol, or not")
def _c3(plant: Plant) -> None:
    symbol, _ = plant.known()
    plant.add("call_tracking.calls", symbol=symbol, contract="")
    plant.add("call_tracking.calls", symbol=symbol.lower(), contract=None)
    plant.add("call_tracking.calls", symbol="HZNOBODY", contract="", refused=_CALLS)
    plant.add("call_tracking.calls", symbol="HZNOBODY", contract=None, refused=_CALLS)


@HAZARDS.of("C4", "call_tracking.calls", "0 for a price that was not known; everything else NULL")
def _c4(plant: Plant) -> None:
    plant.add("call_tracking.calls", price_at_call=0.0)
    plant.add("call_tracking.calls", price_at_call=None, score=None, reasoning=None, market_regime=None)


@HAZARDS.of("C5", "call_tracking.calls", "one call loaded twice under two ids")
def _c5(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("call_tracking.calls", symbol=symbol, contract=mint)
    plant.add("call_tracking.calls", symbol=symbol, contract=mint)


@HAZARDS.of(
    "C6", "call_tracking.outcomes", "several per call, no change, none measured, calls without a side or refused"
)
def _c6(plant: Plant) -> None:
    for verdict in ("BULLISH", "BEARISH", "NEUTRAL", "MOON"):
        call = plant.hex8("call_tracking.calls")
        plant.beside("call_tracking.calls", id=call, verdict=verdict)
        for frame, change in (("1h", 2.5), ("4h", -2.5), ("24h", 0.0), ("7d", None)):
            plant.add("call_tracking.outcomes", call_id=call, timeframe=frame, change_pct=change)
    lost = plant.hex8("call_tracking.calls")
    plant.beside("call_tracking.calls", id=lost, symbol="HZNOBODY", contract="", refused=_CALLS)
    for call in (lost, plant.hex8("call_tracking.calls"), ""):
        plant.add("call_tracking.outcomes", call_id=call, refused=_OUTCOMES)


@HAZARDS.of("C7", "call_tracking.trades", "a round trip that knows nothing of what was traded")
def _c7(plant: Plant) -> None:
    plant.add("call_tracking.trades", contract="", entry_time="", exit_time="", exit_reason="", pnl_pct=12.5)


@HAZARDS.of("H1", "whales.whale_movements", "every direction, none, and another")
def _h1(plant: Plant) -> None:
    for direction in ("BUY", "SELL", "IN", "OUT", "", None):
        plant.add("whales.whale_movements", direction=direction)
    plant.add("whales.whale_movements", direction="STAKE", refused=_MOVEMENTS)


@HAZARDS.of("H2", "whales.whale_movements", "an amount of another token, or none, or of a token that nobody knows")
def _h2(plant: Plant) -> None:
    symbol, mint = plant.token()
    plant.add("whales.whale_movements", token_symbol=symbol, token_mint=mint, refused=_MOVEMENTS)
    plant.add("whales.whale_movements", amount=None, refused=_MOVEMENTS)
    for nothing in ("", None):
        unknown = {"token_symbol": "HZNOBODY", "token_mint": nothing}
        plant.add("whales.whale_movements", **unknown, refused=_MOVEMENTS)


@HAZARDS.of("H3", "whales.whale_movements", "a wallet that nobody entered, twice, or no wallet")
def _h3(plant: Plant) -> None:
    stranger = plant.mint()
    plant.add("whales.whale_movements", wallet_address=stranger)
    plant.add("whales.whale_movements", wallet_address=stranger)
    plant.add("whales.whale_movements", wallet_address=None, refused=_MOVEMENTS)


@HAZARDS.of("H4", "whales.whale_movements", "no signature")
def _h4(plant: Plant) -> None:
    for nothing in ("", None, None):
        plant.add("whales.whale_movements", tx_signature=nothing)


@HAZARDS.of("H5", "whales.whale_wallets", "a balance that is no flow; a category, notes and tags without a column")
def _h5(plant: Plant) -> None:
    plant.add(
        "whales.whale_wallets", sol_balance=12_345.678_901_234, category="fund", notes="", tags_json='["a" , "b"]'
    )
    plant.add("whales.whale_wallets", is_active=0, first_seen="", last_activity=None)


@HAZARDS.of("K1", "metrics.metrics_1m", "rows of which some or all values are NULL")
def _k1(plant: Plant) -> None:
    plant.add("metrics.metrics_1m")
    plant.add("metrics.metrics_1m", total_requests=3, latency_p50=12.5)
    plant.add("metrics.metrics_1m", total_requests=0, failed_requests=0, error_rate=0.0)


@HAZARDS.of("K2", "metrics.metrics_1h", "the component and instant of a row per minute")
def _k2(plant: Plant) -> None:
    plant.beside("metrics.metrics_1m", component="planted twin", total_requests=1)
    plant.add("metrics.metrics_1h", component="planted twin", total_requests=60)


@HAZARDS.of("K3", "metrics.alert_history", "alerts, which have no home")
def _k3(plant: Plant) -> None:
    plant.add("metrics.alert_history", value=0.25, threshold=0.05, severity="warning")


@HAZARDS.of("L1", "llm_costs.llm_usage", "a provider that is not listed")
def _l1(plant: Plant) -> None:
    for provider in ("groq", "openrouter", "ollama", "mistral"):
        plant.add("llm_costs.llm_usage", provider=provider)


@HAZARDS.of("L2", "llm_costs.llm_usage", "a failure at no cost, with its error")
def _l2(plant: Plant) -> None:
    plant.add("llm_costs.llm_usage", success=0, cost_usd=0.0, output_tokens=0, error="429: slow down", latency_ms=None)


@HAZARDS.of("L4", "llm_costs.llm_daily_stats", "sums of a day with a running mean, which have no home")
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


@HAZARDS.of("R1", "rate_limiter.request_log", "a scope that is no user")
def _r1(plant: Plant) -> None:
    for scope in ("wallet:abc", "user:abc", "ip:10.0.0.1", "global", ""):
        plant.add("rate_limiter.request_log", scope_key=scope, refused=_LOGS)
    plant.add("rate_limiter.request_log", scope_key="user:7123456789")


@HAZARDS.of("R2", "rate_limiter.request_log", "a wait and the name of a limit, for which there is no column")
def _r2(plant: Plant) -> None:
    plant.add("rate_limiter.request_log", wait_time_ms=812.375, limit_name="jupiter_api", allowed=0)


@HAZARDS.of("Z1", "call_tracking.calls", "a NULL key")
def _z1_calls(plant: Plant) -> None:
    plant.add("call_tracking.calls", id=None, refused=_CALLS)


@HAZARDS.of("Z1", "call_tracking.outcomes", "a NULL key")
def _z1_outcomes(plant: Plant) -> None:
    plant.add("call_tracking.outcomes", id=None, refused=_OUTCOMES)


@HAZARDS.of("Z1", "whales.whale_wallets", "a NULL key")
def _z1_wallets(plant: Plant) -> None:
    plant.add("whales.whale_wallets", address=None, refused=_WALLETS)


@HAZARDS.of("Z1", "file_cache.cache_entries", "a NULL key")
def _z1_cache(plant: Plant) -> None:
    plant.add("file_cache.cache_entries", key=None, refused=_CACHE)


@HAZARDS.of("Z1", "rate_limiter.request_log", "a NULL key")
def _z1_requests(plant: Plant) -> None:
    plant.add("rate_limiter.request_log", request_id=None, refused=_LOGS)
