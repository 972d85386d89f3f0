"""Records of a build: the row accounts of each table, and the three databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from migrator.records.plan import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccount:
    """Where the rows of one legacy table went.

    Attributes:
        source: Legacy database and table.
        fate: Its fate in the plan.
        into: The target table, or the carried one; '' where it stays.
        rows: Rows that it had.
        mapped: Rows with at least one lineage.
        carried: Rows copied verbatim.
        quarantined: Rows that a constraint refused.
        standing: Rows of a file that stays as it is, or is ignored.
        columns: Legacy column -> where it went: target columns, ``rest``, ``key``, or the carried table.
    """

    source: str
    fate: Fate
    into: str = ""
    rows: int
    mapped: int = 0
    carried: int = 0
    quarantined: int = 0
    standing: int = 0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def balanced(self) -> bool:
        """Whether every row is accounted for, exactly once."""
        return self.rows == self.mapped + self.carried + self.quarantined + self.standing


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAccount:
    """Where the rows of one target table came from.

    Attributes:
        table: Consolidated database and table.
        rows: Rows that it has.
        from_legacy: Rows whose lineage names a legacy row.
        stubs: Rows that migrator added: a parent that was never recorded, a specified default.
        quarantined: Legacy rows that it refused, by the constraint they break.
        seconds: Time it took to fill.
    """

    table: str
    rows: int
    from_legacy: int
    stubs: int
    quarantined: Mapping[str, int]
    seconds: float

    @property
    def balanced(self) -> bool:
        """Whether every row has a lineage."""
        return self.rows == self.from_legacy + self.stubs


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The three databases: from ``build`` to ``verify``.

    Attributes:
        run: The run of the snapshot they were built from.
        stage: The folder that holds them.
        digests: SHA-256 of the content of each: ``core`` -> hex.
        sources: The account of every legacy table.
        targets: The account of every target table.
        mismatches: Legacy rows that are not rebuilt cell by cell: source -> at most five keys.
        seconds: Time it took in all.
        unsettled: Reasons against the owners' decisions about rows, one sentence each.
    """

    run: str
    stage: Path
    digests: Mapping[str, str]
    sources: tuple[SourceAccount, ...]
    targets: tuple[TargetAccount, ...]
    mismatches: Mapping[str, tuple[str, ...]]
    seconds: float
    unsettled: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for, and every legacy row is rebuilt."""
        return (
            all(account.balanced for account in self.sources)
            and all(account.balanced for account in self.targets)
            and not self.mismatches
        )

    @property
    def quarantined(self) -> int:
        """Rows in quarantine, over the three databases."""
        return sum(sum(target.quarantined.values()) for target in self.targets)
