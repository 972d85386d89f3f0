"""Mutants: each is one fault of a kind, in one place, planted in one specimen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from contracts.mutants.by_hand import amended as by_hand_amended
from contracts.mutants.by_hand import decided as by_hand_decided
from contracts.mutants.by_hand import declared as by_hand_declared
from contracts.mutants.by_hand import rows as by_hand_rows
from contracts.mutants.by_hand.declared import Fault
from contracts.mutants.by_hand.rows import DataFault
from contracts.mutants.fixtures import AMENDED, DECIDED, EMPTY, FOUND, Stand


class NotPlanted(Exception):
    """There is nothing to change, or SQLite refuses the fault: the mutant is not counted."""


class Stopped(Exception):
    """migrator refused the fault before a set was made.

    Attributes:
        door: The part of migrator that refused it: ``mapping checks``, ``plan``, ``build`` or ``proof``.
    """

    def __init__(self, door: str, says: str) -> None:
        super().__init__(says)
        self.door = door


class NoDifference(Exception):
    """The set with the fault is the set without it, cell by cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A set with a planted fault, for the suite to judge.

    Attributes:
        consolidated: The folder of the three databases.
        legacy: Its legacy set; None without one.
        door: The part of migrator that reported the fault and went on; '' for none.
        amendments: The amendments of the specification that the suite is told of.
    """

    consolidated: Path
    legacy: Path | None
    door: str = ""
    amendments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(ABC):
    """A fault of a kind in one place.

    Attributes:
        kind: The kind of fault, such as ``NOT NULL removed``.
        where: Its place, such as ``core.trades.symbol``.
        specimen: Its specimen in :mod:`contracts.mutants.fixtures`.
    """

    kind: str
    where: str
    specimen: str

    #: The family: each has its own table of kinds.
    family = ""

    @property
    def id(self) -> str:
        """The unique name of the mutant."""
        return f"{self.kind}: {self.where} [{self.specimen}]"

    @property
    def table(self) -> str:
        """The beginning of its place, mostly a table."""
        return ".".join(self.where.split(".")[:2])

    @property
    def group(self) -> tuple[str, ...]:
        """The group from which mutants are sampled: one kind in one table."""
        return self.kind, self.table

    @abstractmethod
    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Make a set with the fault in the empty *folder*.

        Raises:
            NotPlanted: There is nothing to change.
            Stopped: migrator refuses to make the set.
            NoDifference: The set is the same as without the fault.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand(Mutant):
    """A fault written by hand, of declarations or of rows."""

    fault: Fault | DataFault

    family = "by hand"

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Plant the fault by its own module."""
        if isinstance(self.fault, Fault):
            by_hand_declared.plant(self.fault, folder)
            return Planted(consolidated=folder, legacy=stand.legacy(self.specimen), amendments=self.fault.told)
        by_hand_rows.plant(self.fault, stand.migrated(self.specimen), folder)
        return Planted(consolidated=folder, legacy=stand.legacy(self.specimen))


def by_hand() -> list[Mutant]:
    """Return the faults that were written by hand."""
    faults: list[Mutant] = [
        ByHand(kind=fault.name, where=fault.target, specimen=EMPTY, fault=fault)
        for fault in (*by_hand_declared.FAULTS, *by_hand_amended.FAULTS)
    ]
    faults += [
        ByHand(kind=fault.name, where=fault.target, specimen=specimen, fault=fault)
        for specimen, of_rows in (
            (FOUND[0], by_hand_rows.FAULTS),
            (AMENDED, by_hand_amended.ROW_FAULTS),
            (DECIDED, by_hand_decided.FAULTS),
        )
        for fault in of_rows
    ]
    return faults
