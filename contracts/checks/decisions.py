"""Checks that the set records the owners' decisions about rows, and that each has its effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.checks.row_accounting import Typed, typed
from contracts.oracle.cells import Cell, kept_rest, rows
from contracts.oracle.rules import Reading
from contracts.sets.case import Case
from contracts.sets.decided import MADE

#: Columns of the table that records the decisions.
DECISIONS = ("source", "legacy_key", "decision", "cells", "why")
#: What identifies a decision: the legacy table, the key with its storage class, the kind, and column, legacy cell and cell
#: that is read, sorted.
_Decision = tuple[str, Typed, str, tuple[tuple[str, Typed, Typed], ...]]


def faults(case: Case, target: str) -> Iterator[str]:
    """Yield each decision about rows of *target* that is not recorded or has no effect, and each that the owners did not write."""
    readings = [reading for reading in case.reader.all_readings if reading.target.startswith(f"{target}.")]
    wanted = {
        _named(reading.source, row.key, row.kind, row.cells): row.why
        for reading in readings
        for row in case.decided.get(reading.source, ())
    }
    if problem := case.judged.unreadable(f"{target}.decisions", DECISIONS):
        # A set of an older version has no such table.
        yield from (f"{_shown(decision)}: is not recorded: {problem}" for decision in wanted)
        return
    with case.judged.read(target) as connection:
        found = [
            (_named(source, key, kind, _cells(cells)), why)
            for source, key, kind, cells, why in rows(connection, f"SELECT {', '.join(DECISIONS)} FROM decisions")
        ]
    recorded = dict(found)
    times = Counter(decision for decision, _ in found)
    yield from sorted(f"{_shown(decision)}: is recorded {n} times" for decision, n in times.items() if n > 1)
    yield from sorted(f"{_shown(decision)}: is not recorded" for decision in wanted.keys() - recorded.keys())
    yield from sorted(
        f"{_shown(decision)}: is recorded, and the owners did not decide it" for decision in recorded.keys() - wanted
    )
    for decision, why in wanted.items():
        if recorded.get(decision, why) != why:
            yield f"{_shown(decision)}: is recorded with another reason"
    for reading in readings:
        yield from _without_effect(case, reading)


def _named(source: str, key: Cell, kind: str, cells: object) -> _Decision:
    pairs = cells.items() if isinstance(cells, dict) else [("no JSON", (None, None))]
    return source, typed(key), kind, tuple(sorted((name, typed(was), typed(now)) for name, (was, now) in pairs))


def _cells(text: Cell) -> object:
    try:
        return kept_rest(text)
    except ValueError:
        return None


def _shown(decision: _Decision) -> str:
    source, (_, key), kind, _ = decision
    return f"{source} {key!r}: {kind}"


def _without_effect(case: Case, reading: Reading) -> Iterator[str]:
    """Yield each decision about rows of a legacy table that has no effect: only dropped rows stay in quarantine."""
    target, _, table = reading.target.partition(".")
    of_table = {"source": reading.source, "target": table}
    made = {typed(key) for (key,) in case.target_rows(f"{target}.lineage", "legacy_key", source=MADE, target=table)}
    for _, key in made - {
        typed(key) for other in case.reader.readings(reading.target) for key in case.keys_decided(other.source, "make")
    }:
        yield f"{reading.target}: {key!r} is a row that the owners did not have made"
    if not case.decided.get(reading.source):
        return
    refused = {typed(key) for (key,) in case.target_rows(f"{target}.quarantine", "legacy_key", **of_table)}
    mapped = {typed(key) for (key,) in case.target_rows(f"{target}.lineage", "legacy_key", **of_table)}
    for kind, place in (("keep", mapped), ("make", made), ("drop", refused)):
        for key in case.keys_decided(reading.source, kind):
            if typed(key) not in place:
                yield f"{reading.source} {key!r}: {kind}: has no effect"
