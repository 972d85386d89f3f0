"""Records of a verdict: broken contracts, and a whole migration."""

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
        name: Its name, with its case in brackets.
        says: Its message: the claim, where, expected, found.
    """

    name: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The verdict of the contracts on a pair of sets.

    Attributes:
        held: Number of contracts that hold.
        skipped: Number of contracts that did not apply.
        waived: Names of the broken contracts that a waiver covers.
        waivers: The waivers that cover them, one sentence each.
        complaints: Other reasons for NO-GO, one sentence each, such as an expired waiver.
        broken: The contracts that do not hold.
        evidence: The file that was written; None if the caller asked for none.
        report: The page that was written about it; None for any pair.
        sampled: Target table of which the oracle judged a sample -> rows judged, legacy rows.
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

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for NO-GO, one sentence each: the first line of each message."""
        first = (f"{contract.name}: {contract.says.partition(chr(10))[0]}" for contract in self.broken)
        return (*self.complaints, *first)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedInUse:
    """The verdict on the consolidated set that is in use after a cutover.

    Attributes:
        run: The run of the cutover.
        judged: What was judged, one sentence each.
        broken: What is wrong, one sentence each.
        written: Legacy table -> what the application did to its rows since the cutover: ``inserted``, ``updated``, ``deleted``
            -> number, as a rollback would carry it back.
        residue: Consolidated table -> rows that no legacy table could hold.
        seconds: Time it took.
    """

    run: str
    judged: tuple[str, ...]
    broken: tuple[str, ...]
    written: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    residue: Mapping[str, int] = field(default_factory=dict)
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken
