"""Readings of the legacy tables of two caches and of the log of requests."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import Reading, always, cell, legacy_time, time
from contracts.oracle.times import of_epoch, on_a_clock, to_epoch

_USER = re.compile(r"user:(0|-?[1-9]\d*)", re.ASCII)
_INT64 = 2**63


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings."""
    yield _file_cache()
    yield _cache(world)
    yield _requests()


def _file_cache() -> Reading:
    return Reading(
        source="file_cache.cache_entries",
        target="cache.cache_entries",
        key="key",
        order=1,
        best=_youngest,
        forward={
            "key": cell("key"),
            "value": cell("value"),
            "expires_at": lambda row: of_epoch(row["expires_at"]),
            "created_at": lambda row: of_epoch(row["created_at"]),
        },
        back={
            "key": cell("legacy_key"),
            "value": cell("value"),
            "created_at": lambda row: to_epoch(row["created_at"]),
            # The legacy column is NOT NULL: infinity stands for an entry that never expires.
            "expires_at": lambda row: math.inf if row["expires_at"] is None else to_epoch(row["expires_at"]),
        },
        homeless={"namespace": always("default"), "tags": always("")},
    )


def _youngest(row: Row) -> tuple[bool, float]:
    at = to_epoch(row["created_at"])
    return (at is None, -(at if at is not None and math.isfinite(at) else 0.0))


def _cache(world: World) -> Reading:
    stated = world.constants.get("local_utc_offset")
    local = stated or "+00:00"

    def shown(name: str) -> Callable[[Row], Cell]:
        return lambda row: on_a_clock(row[name], stated)

    def size(row: Row) -> int | None:
        value = row["value"]
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        return len(raw) if isinstance(raw, bytes) else None

    return Reading(
        source="cache_db.cache",
        target="cache.cache_entries",
        key="key",
        best=_youngest,
        forward={
            "key": cell("key"),
            "value": cell("value"),
            "expires_at": time("expires_at", local),
            "created_at": time("created_at", local),
        },
        back={
            "key": cell("legacy_key"),
            "value": cell("value"),
            "created_at": shown("created_at"),
            "expires_at": shown("expires_at"),
        },
        homeless={
            "accessed_at": shown("created_at"),
            "access_count": always(1),
            "size_bytes": size,
            "metadata": always(None),
        },
    )


def _requests() -> Reading:
    def user(row: Row) -> int | None:
        match = _USER.fullmatch(row["scope_key"]) if isinstance(row["scope_key"], str) else None
        return int(match[1]) if match and -_INT64 <= int(match[1]) < _INT64 else None

    return Reading(
        source="rate_limiter.request_log",
        target="cache.rate_limiter_logs",
        key="request_id",
        assigned="timestamp",
        forward={
            "user_id": user,
            "endpoint": cell("endpoint"),
            "timestamp": time("timestamp"),
            "allowed": cell("allowed"),
        },
        back={
            "request_id": cell("legacy_key"),
            "endpoint": cell("endpoint"),
            "scope_key": lambda row: f"user:{row['user_id']}",
            "timestamp": legacy_time("timestamp"),
            "allowed": cell("allowed"),
        },
        homeless={"wait_time_ms": always(0.0), "limit_name": always(None)},
    )
