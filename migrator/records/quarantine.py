"""Records of the quarantine: groups of rows with one cause, one row explained, an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The quarantined rows of one legacy table that break one constraint.

    Attributes:
        source: The legacy table with its database.
        target: The target table that refuses them.
        broken: The constraint, as the quarantine names it.
        cause: Why they are refused, in words.
        money: What is at stake in some of them: ``open position``, ``active order``, ``unsold lot``; '' for none.
        at_stake: Number of rows with that.
        rows: Number of rows.
        keys: Their legacy keys, those at stake first; ``#`` and the first digits of a row's digest where no key names it.
    """

    source: str
    target: str
    broken: str
    cause: str
    money: str
    at_stake: int
    rows: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The quarantined rows of a consolidated set.

    Attributes:
        rows: Number of rows.
        at_stake: Number of open positions, active orders and unsold lots among them.
        groups: The rows by cause: first what has money at stake, then by number of rows.
        settled: Number of other rows, which the owners decided to leave there.
    """

    rows: int
    at_stake: int
    groups: tuple[Group, ...]
    settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """Decisions that were read from an edited export.

    Attributes:
        path: The configuration.
        written: Whether they were added to it.
        text: What was added, or would be.
        decisions: The decisions in words.
    """

    path: Path
    written: bool
    text: str
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRow:
    """Why one row is in quarantine.

    Attributes:
        source: Its legacy table with its database.
        key: Its legacy key.
        target: The target table that refuses it.
        broken: The constraint, as the quarantine names it.
        cause: Why it is refused, in words.
        because: The cells and rows that this follows from, one sentence each.
        remedies: What would let it in, one sentence each.
        leaving_out: The decision that leaves it in quarantine; '' after a cutover.
        money: What is at stake: ``open position``, ``active order``, ``unsold lot``; '' for nothing.
        row: The whole legacy row: column -> cell as the quarantine keeps it.
    """

    source: str
    key: str
    target: str
    broken: str
    cause: str
    because: tuple[str, ...]
    remedies: tuple[str, ...]
    money: str
    row: Mapping[str, Any]
    leaving_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The quarantined rows that have one legacy key, each explained.

    Attributes:
        rows: The rows, by legacy table.
    """

    rows: tuple[ExplainedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRow:
    """A quarantined row that the owners accept, without its cells.

    Attributes:
        source: Its legacy table with its database.
        key: Its legacy key as text; ``#`` and the first digits of *content* for a row without a key.
        broken: The constraint that it breaks.
        money: What is at stake: ``open position``, ``active order``, ``unsold lot``; '' for nothing.
        content: The SHA-256, in hex, of the whole row.
    """

    source: str
    key: str
    broken: str
    money: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the quarantined rows differ from the accepted ones; in each list those with money at stake come first.

    Attributes:
        came: Rows in quarantine that are not accepted.
        changed: Rows in quarantine that were accepted with other content, or under another constraint.
        went: Accepted rows that are not in quarantine any more.
    """

    came: tuple[AcceptedRow, ...]
    changed: tuple[AcceptedRow, ...]
    went: tuple[AcceptedRow, ...]

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.came or self.changed or self.went)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepting:
    """What ``migrator quarantine accept`` did.

    Attributes:
        path: The record of the accepted rows.
        rows: Number of rows in quarantine.
        accepted: Number of these that are accepted now.
        needed: Rows with money at stake that are not accepted: each needs its key.
        difference: How the rows in quarantine differed from those that were accepted before.
    """

    path: Path
    rows: int
    accepted: int
    needed: tuple[AcceptedRow, ...]
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A row that was moved out of quarantine into its table.

    Attributes:
        source: Its legacy table with its database.
        key: Its legacy key.
        target: The target table with its database.
        ids: The keys of the rows that it became there.
        cells: The legacy columns whose cells were set.
        also: Other quarantined rows that were let in with it, since they needed it: ``jarvis.treasury_orders:7f21``.
    """

    source: str
    key: str
    target: str
    ids: tuple[str, ...]
    cells: tuple[str, ...]
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file with all quarantined rows.

    Attributes:
        path: The file.
        rows: Number of rows in it.
    """

    path: Path
    rows: int
