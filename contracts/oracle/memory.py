"""Readings of the legacy tables of the assistant's memory: entities, facts, reflections."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.oracle.cells import Cell, Row
from contracts.oracle.cross_table import World
from contracts.oracle.rules import Reading, Rule, always, cell, earliest, legacy_time, time, word

_NEVER_STORED = always(None)


def readings(world: World) -> Iterator[Reading]:
    """Yield the readings, parents before children."""
    yield _entities()
    yield _facts(world)
    yield _reflections()


def _entities() -> Reading:
    return Reading(
        source="jarvis_memory.entities",
        target="analytics.ai_entities",
        key="id",
        best=earliest("created_at", "id"),
        forward={
            "id": cell("id"),
            "entity_type": cell("entity_type"),
            "name": cell("name"),
            "description": _NEVER_STORED,
            "created_at": time("created_at"),
            "last_referenced": time("updated_at"),
            "reference_count": _NEVER_STORED,
        },
        back={
            "id": cell("legacy_key"),
            "name": cell("name"),
            "entity_type": cell("entity_type"),
            "created_at": legacy_time("created_at"),
            "updated_at": legacy_time("last_referenced"),
        },
        homeless={"attributes": always("{}")},
    )


def _facts(world: World) -> Reading:
    copied = ("fact", "confidence", "source")
    return Reading(
        source="jarvis_memory.facts",
        target="analytics.ai_facts",
        key="id",
        forward={
            "id": cell("id"),
            # '' refers to no entity, unless an entity has the name ''.
            "entity_id": lambda row: world.entities.get(row["entity"]),
            **{name: cell(name) for name in copied},
            "created_at": time("learned_at"),
            "updated_at": time("learned_at"),
            "is_active": always(1),
        },
        back={
            "id": cell("legacy_key"),
            "entity": lambda row: world.entity_names.get(row["entity_id"], ""),
            **{name: cell(name) for name in copied},
            "learned_at": legacy_time("updated_at"),
        },
        homeless={"entity_id": always(None)},
    )


def _joined(row: Row) -> str:
    """Join the searchable columns with blank lines, without the parts that are NULL."""
    first, lesson, last = (word(name)(row) or "" for name in ("trigger", "lesson", "new_approach"))
    begin = "" if row["trigger"] is None else f"{first}\n\n"
    return f"{begin}{lesson}" + ("" if row["new_approach"] is None else f"\n\n{last}")


def _part(place: int) -> Rule:
    def rule(row: Row) -> Cell:
        parts = row["content"].split("\n\n", 2) if isinstance(row["content"], str) else []
        missing = "" if place == 1 else None
        return parts[place] if place < len(parts) else missing

    return rule


def _reflections() -> Reading:
    return Reading(
        source="jarvis_memory.reflections",
        target="analytics.ai_reflections",
        key="id",
        forward={
            "rowid": cell("id"),
            "content": _joined,
            "timestamp": time("created_at"),
            "tags": _NEVER_STORED,
        },
        back={
            "id": cell("legacy_key"),
            "trigger": _part(0),
            "lesson": _part(1),
            "new_approach": _part(2),
            "created_at": legacy_time("timestamp"),
        },
        homeless={
            **dict.fromkeys(("what_happened", "why_failed"), always(None)),
            **dict.fromkeys(("applied", "applied_count"), always(0)),
        },
    )
