"""Readings of the legacy tables of messages, people, posts, metrics and costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import (
    Reading,
    always,
    as_word,
    cell,
    earliest,
    filled,
    json_of,
    legacy_time,
    member,
    of,
    only,
    raw_member,
    time,
)
from contracts.oracle.times import spelled

_NEVER_STORED = always(None)
_PROVIDERS = {"anthropic", "xai", "openai", "other"}
#: Providers that the amendment llm_providers lists too.
_NAMED_PROVIDERS = {"groq", "openrouter", "ollama"}
_COMMANDS = ("/", "cli:", "code:", "vibe:")
#: Bound of SQLite's integers: each is smaller, and at least the negated bound.
_INTEGERS = 2**63
_COUNTS = ("total_requests", "failed_requests")
_MEASURES = (
    *_COUNTS,
    "error_rate",
    *(f"latency_{name}" for name in ("p50", "p95", "p99", "min", "max", "mean")),
)


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _messages()
    yield _users()
    yield _tweets()
    yield _metrics("1h", order=0)
    yield _metrics("1m", order=1)
    yield _costs(world)


def _message_type(row: Row) -> Cell:
    role, content = row["role"], row["content"]
    if role == "assistant":
        return "response"
    if role != "user":
        return role
    return "command" if isinstance(content, str) and content.startswith(_COMMANDS) else "query"


def _role(row: Row) -> Cell:
    kind = row["message_type"]
    if kind == row["context."].get("role"):
        return kind
    return {"response": "assistant", "command": "user", "query": "user"}.get(kind, kind)


def _messages() -> Reading:
    return Reading(
        source="telegram_memory.messages",
        target="analytics.telegram_messages",
        key="id",
        forward={
            "id": cell("id"),
            "user_id": cell("user_id"),
            "username": cell("username"),
            "message": cell("content"),
            "timestamp": time("timestamp"),
            "message_type": _message_type,
        },
        documents={"context": {"role": of("role", _role_kept), "chat_id": only("chat_id", int)}},
        back={
            "id": cell("legacy_key"),
            "user_id": cell("user_id"),
            "username": cell("username"),
            "role": _role,
            "content": cell("message"),
            "timestamp": legacy_time("timestamp"),
            "chat_id": member("context", "chat_id", 0),
        },
    )


def _role_kept(role: Cell) -> Cell:
    return role if role == "" else as_word(role)


def _users() -> Reading:
    copied = ("username", "is_banned", "message_count")
    return Reading(
        source="jarvis_admin.users",
        target="analytics.telegram_users",
        key="user_id",
        forward={
            "user_id": cell("user_id"),
            **{name: cell(name) for name in copied},
            **dict.fromkeys(("first_name", "last_name", "is_admin"), _NEVER_STORED),
            "first_seen": time("first_seen"),
            "last_seen": time("last_message_at"),
        },
        documents={
            "preferences": {
                "warning_count": only("warning_count", int),
                "is_trusted": only("is_trusted", int),
                "spam_score": only("spam_score", float),
                "notes": only("notes", str),
            }
        },
        back={
            "user_id": cell("legacy_key"),
            **{name: cell(name) for name in copied},
            "first_seen": legacy_time("first_seen"),
            "last_message_at": legacy_time("last_seen"),
            "warning_count": member("preferences", "warning_count", 0),
            "is_trusted": member("preferences", "is_trusted", 0),
            "spam_score": member("preferences", "spam_score", 0.0),
            "notes": member("preferences", "notes"),
        },
    )


def _tweets() -> Reading:
    counts = ("likes", "retweets", "replies")
    return Reading(
        source="jarvis_x_memory.tweets",
        target="analytics.tweets",
        key="id",
        best=earliest("timestamp", "id"),
        forward={
            "id": cell("id"),
            "tweet_id": filled("tweet_id"),
            "content": cell("content"),
            "timestamp": time("posted_at"),
            **{name: cell(f"engagement_{name}") for name in counts},
            "impressions": _NEVER_STORED,
            "url": _NEVER_STORED,
        },
        documents={"metadata": {"category": only("category", str), "cashtags": json_of("cashtags", list)}},
        verbatim=frozenset({"metadata"}),
        back={
            "id": cell("legacy_key"),
            "tweet_id": cell("tweet_id"),
            "content": cell("content"),
            "category": member("metadata", "category"),
            "cashtags": raw_member("metadata", "cashtags", "[]"),
            "posted_at": legacy_time("timestamp", ""),
            **{f"engagement_{name}": cell(name) for name in counts},
        },
    )


def _metrics(resolution: str, *, order: int) -> Reading:
    def measures(row: Row) -> Sequence[Row]:
        return [{"name": name, "value": row[name]} for name in _MEASURES if row[name] is not None]

    def measured(name: str) -> Callable[[list[Row]], Cell]:
        def rule(rows: list[Row]) -> Cell:
            values: list[Cell] = [row["metric_value"] for row in rows if row["metric_name"] == name]
            if not values:
                return None
            # A count was stored as a REAL, like every measure; a value beyond the integers was a REAL before.
            value = values[0]
            whole = (
                name in _COUNTS and isinstance(value, float) and value.is_integer() and -_INTEGERS <= value < _INTEGERS
            )
            return int(value) if whole else value

        return rule

    def first(rule: Callable[[Row], Cell]) -> Callable[[list[Row]], Cell]:
        return lambda rows: rule(rows[0]) if rows[0]["metric_name"] is not None else None

    return Reading(
        source=f"metrics.metrics_{resolution}",
        target="analytics.metrics",
        key="id",
        assigned="timestamp",
        order=order,
        parts=measures,
        match="metric_name",
        forward={
            "metric_name": cell("name"),
            "metric_value": cell("value"),
            "timestamp": time("timestamp"),
            "metadata": _NEVER_STORED,
        },
        documents={"tags": {"component": only("component", str), "resolution": always(resolution)}},
        back={
            "id": lambda rows: rows[0]["legacy_key"],
            "timestamp": first(lambda row: spelled(row["timestamp"])),
            "component": first(member("tags", "component")),
            **{name: measured(name) for name in _MEASURES},
        },
    )


def _costs(world: World) -> Reading:
    copied = ("model", "input_tokens", "output_tokens", "cost_usd")
    listed = _PROVIDERS | (_NAMED_PROVIDERS if world.constants.get("llm_providers") == "named" else set())

    def provider(row: Row) -> Cell:
        kept = row["metadata."].get("provider")
        translated = row["provider"] == "other" and kept is not None and kept not in _PROVIDERS
        return kept if translated else row["provider"]

    return Reading(
        source="llm_costs.llm_usage",
        target="analytics.llm_costs",
        key="id",
        forward={
            "id": cell("id"),
            "provider": lambda row: (
                row["provider"] if row["provider"] is None or row["provider"] in listed else "other"
            ),
            **{name: cell(name) for name in copied},
            "purpose": _NEVER_STORED,
            "timestamp": time("timestamp"),
        },
        documents={
            "metadata": {
                "provider": of("provider", lambda name: name if isinstance(name, str) and name not in listed else None),
                "success": only("success", int),
                "latency_ms": only("latency_ms", float),
                "error": only("error", str),
                "created_at": time("created_at"),
                "metadata": json_of("metadata", dict),
            }
        },
        verbatim=frozenset({"metadata"}),
        back={
            "id": cell("legacy_key"),
            "timestamp": legacy_time("timestamp"),
            "provider": provider,
            **{name: cell(name) for name in copied},
            "latency_ms": member("metadata", "latency_ms"),
            "success": member("metadata", "success", 1),
            "error": member("metadata", "error"),
            "metadata": raw_member("metadata", "metadata"),
            "created_at": member("metadata", "created_at"),
        },
    )
