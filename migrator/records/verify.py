"""Records of a verdict: broken contracts, and the whole run up to the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenContract:
    """A contract that does not hold.

    Attributes:
        name: Its name, with what it was asked of.
        says: The claim, where, what was expected and what was found.
    """

    name: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the contracts say of a pair of sets.

    Attributes:
        held: Number of contracts that hold.
        skipped: Number of those that could not be asked.
        waived: Those that are broken and that the owners let be broken for a while.
        waivers: What lets them be, one sentence each.
        complaints: What else keeps the verdict from GO, one sentence each, such as a waiver that has run out.
        broken: Those that do not hold.
        evidence: The file that was written; None if the caller asked for none.
        report: The page that was written about it; None for any pair.
        sampled: Target tables of which some rows were not worked out anew -> rows that were, legacy rows.
        seconds: Time it took.
    """

    held: int
    skipped: int
    waived: tuple[str, ...] = ()
    waivers: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    broken: tuple[BrokenContract, ...]
    evidence: Path | None = None
    report: Path | None = None
    sampled: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether none is broken and nothing else is wrong."""
        return not self.broken and not self.complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """A run from inventory to verify.

    Attributes:
        plan: What was planned for the live files.
        snapshot: The snapshot that was taken.
        built: What was built from it.
        verified: What the contracts say.
        seconds: Time it took in all.
    """

    plan: Plan
    snapshot: Snapshot
    built: Built
    verified: Verified
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for and every contract holds."""
        return self.built.holds and self.verified.holds
