"""What the stages hand to each other: frozen records, one per arrow of the pipeline.

Sizes are in bytes, names of fields carry their unit.  Names from files are kept as found, odd bytes as lone surrogates;
sentences (``reason``, ``findings``) are ready to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType

#: Names that are in use on a connection that builds: SQLite's own, the three, and the work tables.
_ATTACHED = frozenset({"main", "temp", "core", "analytics", "cache", "ids"})


class Verdict(StrEnum):
    """What inventory takes a file for; each file has exactly one."""

    SOURCE = "source"
    STANDALONE = "standalone"
    UNKNOWN = "unknown"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of a database, as found.

    Attributes:
        name: Its name.
        module: The module of a virtual table, such as ``fts5``; '' for an ordinary one.
        rows: Number of rows; None for a virtual table that keeps none of its own or of a module unknown here.
        digest: SHA-256 of its rows, in hex; '' for a virtual table, whose rows count with the database.
        variant: The known shape that it has; '' if none.
        differs: Which columns keep a table of a known name from the nearest known shape; else ''.
        unexpected: True for a table of a name that is not known in this database.
        indexes: Names of its indexes that CREATE INDEX made.
        problem: Why it can neither be carried nor be left behind without a loss; else ''.
        about: What a virtual table is that can be left behind; else ''.
    """

    name: str
    module: str = ""
    rows: int | None
    digest: str
    variant: str = ""
    differs: str = ""
    unexpected: bool = False
    indexes: tuple[str, ...] = ()
    problem: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file that is a database, should be one, or is one of ours.

    What was found out before a reason came up is kept, the rest is None or empty.

    Attributes:
        path: Absolute path.
        place: Where it lies below the data directory; the absolute path if it was included from outside.
        verdict: What it is.
        name: The legacy database that it is or stands in the place of; '' if none.
        alias: What tells it from other files with the same stem: its place; '' where the stem is enough.
        reason: Why it is unreadable, unknown or ours; else ''.
        size_bytes: The main file.
        wal_bytes: The WAL beside it; None without one.
        journal_bytes: The rollback journal beside it; None without one.
        hot_journal: True if a transaction was cut short that the journal undoes; all facts are after that.
        journal_mode: ``wal`` or ``delete``, as the file's header says.
        page_size_bytes: One page.
        encoding: Of text, as SQLite names it.
        user_version: The application's own number.
        application_id: The application's own mark.
        mode: Permission bits.
        digest: SHA-256 of the content of a consistent copy, in hex (:mod:`migrator.system.content_digest`).
        integrity: ``ok``, or the first messages of SQLite's integrity check.
        rows: Rows of all tables; None if they could not be read.
        tables: Its tables, by name; SQLite's own and the shadow tables of full-text indexes are left out.
        missing: Tables that its variant has and it lacks.
        views: Names of its views; none was queried.
        triggers: Names of its triggers; none was fired.
    """

    path: Path
    place: PurePosixPath
    verdict: Verdict
    name: str = ""
    alias: str = ""
    reason: str = ""
    size_bytes: int | None = None
    wal_bytes: int | None = None
    journal_bytes: int | None = None
    hot_journal: bool = False
    journal_mode: str = ""
    page_size_bytes: int | None = None
    encoding: str = ""
    user_version: int | None = None
    application_id: int | None = None
    mode: int | None = None
    digest: str = ""
    integrity: tuple[str, ...] = ()
    rows: int | None = None
    tables: tuple[Table, ...] = ()
    missing: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """The name under which it is attached and its tables are carried: its own, else the stem of its file.

        ``name.table`` has one point, and some names are taken on every connection.
        """
        stem = self.place.stem.replace(".", "_")
        return self.name or self.alias or (f"{stem}_db" if stem.lower() in _ATTACHED else stem)

    @property
    def variants(self) -> tuple[str, ...]:
        """The known shapes that its tables have, each once."""
        return tuple(sorted({table.variant for table in self.tables if table.variant}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lies in a data directory: from ``inventory`` to ``plan``.

    Attributes:
        data_dir: Absolute path of the data directory.
        databases: Every file with a verdict, in the order of their places.
        passed_over: Number of other files.
        findings: One sentence each on what a person should know and no verdict says.
    """

    data_dir: Path
    databases: tuple[Database, ...]
    passed_over: int
    findings: tuple[str, ...]

    def with_verdict(self, *verdicts: Verdict) -> tuple[Database, ...]:
        """Return the databases of these verdicts."""
        return tuple(database for database in self.databases if database.verdict in verdicts)


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
        quarantine: Rows that constraints refuse, as counted: target table -> rows; None before anybody counted.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All files of one instant: from ``backup`` to ``build`` and ``verify``.

    Attributes:
        run: The run's number, such as ``0001``.
        folder: Where the copies lie, each in the place of its original.
        inventory: What was read back from the copies.
        journal_modes: Place -> journal mode of the original, which its copy does not have.
        blocked_s: Seconds for which writers were held up.
    """

    run: str
    folder: Path
    inventory: Inventory
    journal_modes: Mapping[str, str]
    blocked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccount:
    """Where the rows of one legacy table went.

    Attributes:
        source: Legacy database and table.
        fate: What was planned for it.
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
        from_legacy: Rows with a lineage to a legacy row.
        stubs: Rows with a lineage to a reason: a parent that nobody recorded, a specified default.
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
        stage: The folder they lie in.
        digests: SHA-256 of the content of each: ``core`` -> hex.
        sources: The account of every legacy table.
        targets: The account of every target table.
        mismatches: Mapped or quarantined rows that are not rebuilt cell by cell: source -> keys, at most five.
        seconds: Time it took in all.
    """

    run: str
    stage: Path
    digests: Mapping[str, str]
    sources: tuple[SourceAccount, ...]
    targets: tuple[TargetAccount, ...]
    mismatches: Mapping[str, tuple[str, ...]]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for and every legacy row is rebuilt."""
        return (
            all(account.balanced for account in self.sources)
            and all(account.balanced for account in self.targets)
            and not self.mismatches
        )

    @property
    def quarantined(self) -> int:
        """Rows in quarantine, over the three databases."""
        return sum(sum(target.quarantined.values()) for target in self.targets)


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
        evidence: The file that was written; None if nobody asked for one.
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
