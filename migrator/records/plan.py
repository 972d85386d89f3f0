"""Records of the plan: the fate of each table, and the reasons against a migration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from migrator.records import decisions as records_decisions
from migrator.records.decisions import DecidedRow, DecisionEffect, Decisions
from migrator.records.inventory import Inventory


class Fate(StrEnum):
    """Where the rows of a legacy table go; each table has exactly one."""

    MAPPED = "mapped"
    CARRIED = "carried"
    STANDALONE = "standalone"
    DERIVED = "derived"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """One legacy table and its fate.

    Attributes:
        source: Legacy database and table: ``jarvis.trades``.
        fate: Mapped, carried, standalone, derived (a virtual table that stays in the backup) or ignored (by the configuration).
        into: Its target: ``core.trades``, ``core.legacy_jarvis_items``; '' if it stays or is left behind.
        variant: The known shape that it has; '' if that does not matter.
        rows: Its rows when it was planned; None for an index.
    """

    source: str
    fate: Fate
    into: str = ""
    variant: str = ""
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentEffect:
    """What an amendment of the specification changes in the quarantine.

    Attributes:
        chosen: Whether the owners chose it.
        rows_without: Rows in quarantine without it, over the three databases.
        rows_with: Rows in quarantine with it.
    """

    chosen: bool
    rows_without: int
    rows_with: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan: from ``plan`` to ``backup`` and ``build``.

    Attributes:
        inventory: The files that the plan is for.
        order: Target tables, parents before children: ``core.positions``, ``core.trades``, ...
        tables: The fate of every legacy table, in the order of their names.
        constants: What mappings are given: name -> value.
        needed_bytes: Free disk that backup and build need, at most.
        free_bytes: Free disk where they write.
        refusals: The reasons against it, one sentence each.
        findings: What a person should know, one sentence each.
        quarantine: Target table -> rows that its constraints refuse; None if they were not counted.
        amendment_effects: Amendment -> its effect on the quarantine, chosen or not; None if rows were not counted.
        left_out: Files that the configuration ignores: they are in no snapshot.
        amendments: The names of the amendments of the specification.
        extra_indexes: Statements of the indexes beyond the specification, in the order in which they are made.
        file_mode: The most that the permissions of the three may be, as decided; None where they follow the sources.
        decisions: What the owners decided about rows.
        decided: The rows of the snapshot that the decisions are about; empty before there is one.
        decision_effects: What each decision changes; None if rows were not counted.
        let_in: Number of rows that all decisions together let in, those that wait for such a row included.
    """

    inventory: Inventory
    order: tuple[str, ...]
    tables: tuple[PlannedTable, ...]
    constants: Mapping[str, str]
    needed_bytes: int
    free_bytes: int
    refusals: tuple[str, ...]
    findings: tuple[str, ...]
    quarantine: Mapping[str, int] | None = None
    amendment_effects: Mapping[str, AmendmentEffect] | None = None
    left_out: frozenset[PurePosixPath] = frozenset()
    amendments: tuple[str, ...] = ()
    extra_indexes: tuple[str, ...] = ()
    file_mode: int | None = None
    decisions: Decisions = records_decisions.NONE
    decided: tuple[DecidedRow, ...] = ()
    decision_effects: tuple[DecisionEffect, ...] | None = None
    let_in: int = 0

    def with_fate(self, fate: Fate) -> tuple[PlannedTable, ...]:
        """Return the tables of one fate."""
        return tuple(table for table in self.tables if table.fate is fate)
