"""What a mutant is: one fault of a kind, in one place, planted in one specimen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from contracts.mutants.by_hand import declared as by_hand_declared
from contracts.mutants.by_hand import rows as by_hand_rows
from contracts.mutants.by_hand.declared import Fault
from contracts.mutants.by_hand.rows import DataFault
from contracts.mutants.fixtures import Stand


class NotPlanted(Exception):
    """There is nothing to spoil, or SQLite itself refuses the fault: no mutant came of it."""


class Stopped(Exception):
    """The tool refused the fault before a set was made.

    Attributes:
        door: What refused it: ``mapping checks``, ``plan``, ``build`` or ``proof``.
    """

    def __init__(self, door: str, says: str) -> None:
        super().__init__(says)
        self.door = door


class NoDifference(Exception):
    """The set with the fault is the set without it, cell by cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A set with a fault in it, as the suite is to judge it.

    Attributes:
        consolidated: The folder of the three.
        legacy: The legacy set beside it; None where there is none.
        door: What of the tool itself has noticed, and gone on; '' for nothing.
    """

    consolidated: Path
    legacy: Path | None
    door: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(ABC):
    """A fault of a kind in one place.

    Attributes:
        kind: What is done, such as ``NOT NULL removed``.
        where: To what, such as ``core.trades.symbol``.
        specimen: The specimen of :mod:`contracts.mutants.fixtures` that it is planted in.
    """

    kind: str
    where: str
    specimen: str

    #: The family, which a table of kinds is divided by.
    family = ""

    @property
    def id(self) -> str:
        """A name of its own."""
        return f"{self.kind}: {self.where} [{self.specimen}]"

    @property
    def table(self) -> str:
        """The table that it is in, or what else the place begins with."""
        return ".".join(self.where.split(".")[:2])

    @property
    def group(self) -> tuple[str, ...]:
        """What it is one of several for: those of one kind in one table."""
        return self.kind, self.table

    @abstractmethod
    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Make a set with the fault in the empty *folder*.

        Raises:
            NotPlanted: There is nothing to spoil.
            Stopped: The tool refuses to make it.
            NoDifference: The fault makes no difference here.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand(Mutant):
    """A fault of :mod:`contracts.mutants.by_hand.declared`, in a set without rows, or of :mod:`contracts.mutants.by_hand.rows`, in a dirty one."""

    fault: Fault | DataFault

    family = "by hand"

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Plant it as its own module does."""
        if isinstance(self.fault, Fault):
            by_hand_declared.plant(self.fault, folder)
        else:
            by_hand_rows.plant(self.fault, stand.migrated(self.specimen), folder)
        return Planted(consolidated=folder, legacy=stand.legacy(self.specimen))


def by_hand() -> list[Mutant]:
    """Return the faults that were written by hand."""
    found: list[Mutant] = [
        ByHand(kind=fault.name, where=fault.target, specimen="empty", fault=fault) for fault in by_hand_declared.FAULTS
    ]
    found += [
        ByHand(kind=fault.name, where=fault.target, specimen="found dirty", fault=fault)
        for fault in by_hand_rows.FAULTS
    ]
    return found
