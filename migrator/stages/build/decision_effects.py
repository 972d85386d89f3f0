"""Counts which rows each decision lets in: the tables that it is about are loaded once more, without any decision."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from migrator.mapping import reverse_sql, sql_functions
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.backup import Snapshot
from migrator.records.decisions import DecidedRow, DecisionEffect, Kind, RowDecision, Word, row_name
from migrator.records.plan import Plan
from migrator.schema import catalogue
from migrator.stages.build import amendment_effects
from migrator.stages.build import stage as build_stage
from migrator.system import connections, durable_files


def effects(plan: Plan, snapshot: Snapshot, folder: Path, stage: Path) -> tuple[tuple[DecisionEffect, ...], int]:
    """Return what each decision of *plan* changes, and the number of rows that all together let in.

    Args:
        plan: What a build executed.
        snapshot: The files that it was built from.
        folder: A scratch folder.
        stage: The three databases of the build.

    Raises:
        sqlite3.Error: The disk is full.
    """
    sources = {decision.source for decision in plan.decisions}
    tables = amendment_effects.with_children({table.into for table in plan.tables if table.source in sources})
    if not tables:
        return (), 0
    work = folder / "undecided"
    durable_files.make_private_folder(work)
    loaded = build_stage.loaded_alone(
        replace(plan, decided=()), snapshot, work, amendment_effects.with_what_they_read(tables)
    )
    before = {name for target_db in loaded for name in _quarantined(target_db.connection, target_db.target)}
    durable_files.remove_folder(work)
    after: set[tuple[str, str]] = set()
    for name in catalogue.TARGETS.values():
        with closing(connections.read(stage / name)) as connection:
            sql_functions.register(connection)
            after |= set(_quarantined(connection, "main"))
    let_in = before - after
    return tuple(_effect(decision, plan.decided, let_in) for decision in plan.decisions), len(let_in)


def _effect(
    decision: RowDecision | Word, decided: Collection[DecidedRow], let_in: Collection[tuple[str, str]]
) -> DecisionEffect:
    if isinstance(decision, Word):
        rows = [
            row.name
            for row in decided
            if row.source == decision.source and row.cells.get(decision.column) == (decision.word, decision.cell)
        ]
    else:
        rows = [row_name(decision.source, key) for key in decision.keys]
    return DecisionEffect(
        decision=quarantine_decisions.in_words(decision),
        kind=Kind.SET if isinstance(decision, Word) else decision.kind,
        rows=len(rows),
        let_in=sum(row in let_in for row in rows),
    )


def _quarantined(connection: sqlite3.Connection, schema: str) -> Iterator[tuple[str, str]]:
    """Yield each row in quarantine that has a key of its own."""
    for source, key in connection.execute(
        f"SELECT source, {reverse_sql.cell_sql('legacy_key')} FROM {schema}.quarantine WHERE legacy_key IS NOT NULL"
    ):
        yield row_name(source, json.loads(key))
