"""Records of the plan: what happens to each table of each file, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

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
    """What becomes of one legacy table.

    Attributes:
        source: Legacy database and table: ``jarvis.trades``.
        fate: Mapped, carried, standalone, derived (a virtual table that stays in the backup) or ignored (by the configuration).
        into: Where to: ``core.trades``, ``core.legacy_jarvis_items``; '' where it stays or is left behind.
        variant: The shape it was recognised in; '' where that does not matter.
        rows: Its rows when it was planned; None for an index.
    """

    source: str
    fate: Fate
    into: str = ""
    variant: str = ""
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will happen: from ``plan`` to ``backup`` and ``build``.

    Attributes:
        inventory: What was found, and what the plan is made for.
        order: Target tables, parents before children: ``core.positions``, ``core.trades``, ...
        tables: The fate of every legacy table, in the order of their names.
        constants: What mappings are given: name -> value.
        needed_bytes: Free disk that backup and build need, at most.
        free_bytes: Free disk where they write.
        refusals: Why it cannot be done, one sentence each; empty if it can.
        findings: What a person should know, one sentence each.
        quarantine: Rows that constraints refuse, as counted: target table -> rows; None before they are counted.
        left_out: Files that the configuration ignores: no snapshot has them.
        extra_indexes: Statements of the indexes beyond the specification, in the order in which they are made.
        file_mode: The most that the permissions of the three may be, as decided; None where they follow the sources.
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
    left_out: frozenset[PurePosixPath] = frozenset()
    extra_indexes: tuple[str, ...] = ()
    file_mode: int | None = None

    def with_fate(self, fate: Fate) -> tuple[PlannedTable, ...]:
        """Return the tables of one fate."""
        return tuple(table for table in self.tables if table.fate is fate)
