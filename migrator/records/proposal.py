"""Record of a proposed configuration: what a data directory needs from its owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrator.records.plan import AmendmentEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingConstant:
    """A constant that no legacy table holds.

    Attributes:
        name: Its name under ``[constants]``.
        source: A legacy table whose rows need it.
        rows: The rows of that table; 0 if only later ones will need it.
    """

    name: str
    source: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecidedFile:
    """A file that needs a fate, or a folder of such files.

    Attributes:
        key: Its key under ``[files]``.
        files: Number of files; 1 unless it is a folder.
        tables: Their tables.
        rows: Their rows, as far as they can be read.
        why: Why it needs a fate.
        usable: Whether it can be read, so that its rows can be carried.
    """

    key: str
    files: int = 1
    tables: int = 0
    rows: int = 0
    why: str
    usable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What only the owners of a data directory can say.

    Attributes:
        constants: Constants that no legacy table holds.
        files: Files that need a fate.
        absent: Tables that are missing from a file that is there.
        left_behind: Virtual tables that cannot be copied.
    """

    constants: tuple[MissingConstant, ...] = ()
    files: tuple[UndecidedFile, ...] = ()
    absent: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed configuration.

    Attributes:
        path: Where it belongs.
        written: Whether it was written there.
        text: The configuration, commented.
        needs: What only the owners can say.
        quarantine: Target table -> rows that its constraints refuse; None if they could not be counted yet.
        amendment_effects: Amendment -> its effect on the quarantine; None if rows could not be counted yet.
        refusals: Reasons against a migration that no line of the configuration resolves, one sentence each.
    """

    path: Path
    written: bool
    text: str
    needs: Needs
    quarantine: Mapping[str, int] | None = None
    amendment_effects: Mapping[str, AmendmentEffect] | None = None
    refusals: tuple[str, ...] = ()
