"""Reads the record of the last sabotage run.

``python -m contracts.mutants --record`` makes the record; docs/reference/sabotage.md shows it.  It holds for the contracts and
mappings whose digests it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from migrator.system import serialize

#: The record, beside this module.
RECORDED = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault, summed over all its places.

    Attributes:
        family: ``by hand``, ``declarations``, ``rows``, ``files`` or ``mappings``.
        kind: Its name, such as ``NOT NULL removed``.
        planted: Number of mutants planted.
        caught: Number that a contract caught.
        stopped: Number that migrator refused before there was a set to judge.
        same: Number that make no difference to any specimen: there is nothing to catch.
        equivalent: Number that are not faults, for a reason in contracts/mutants/equivalent.toml.
        survived: Number that no contract and no door caught.
        by: Number that each contract and each door of migrator caught, the largest first.
    """

    family: str
    kind: str
    planted: int
    caught: int
    stopped: int
    same: int
    equivalent: int
    survived: int
    by: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why a contract is needed: the fault that the fewest others catch.

    Attributes:
        contract: Its name.
        caught: Number of faults that it caught.
        fault: The fault that the fewest others catch; '' if it caught none.
        others: Number of other contracts that caught that fault.
        stays: Why it stays although others catch the same faults; '' if no reason is needed.
    """

    contract: str
    caught: int
    fault: str
    others: int
    stays: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotaged:
    """The results of one sabotage run.

    Attributes:
        made: Time of its end, in UTC.
        command: The command.
        versions: Versions of SQLite, sqlglot, Faker and Python.
        suite: Digest of the contracts at that time.
        mappings: Digest of the mappings at that time.
        seconds: Sum of the durations of all mutants [s].
        kinds: The kinds of fault, by family and name.
        needs: Each contract that judges a set, by name.
        equivalents: Reason why mutants are not faults -> number of mutants.
        same: The mutants that make no difference to any specimen.
        survivors: The faults that were not caught.
    """

    made: str
    command: str
    versions: Mapping[str, str]
    suite: str
    mappings: str
    seconds: int
    kinds: tuple[Kind, ...]
    needs: tuple[Need, ...]
    equivalents: Mapping[str, int]
    same: tuple[str, ...]
    survivors: tuple[str, ...]

    @property
    def planted(self) -> int:
        """Number of all mutants, with those that are not faults or make no difference."""
        return sum(kind.planted for kind in self.kinds)

    @property
    def caught(self) -> int:
        """Number of mutants that a contract or a door caught."""
        return sum(kind.caught + kind.stopped for kind in self.kinds)

    @property
    def faults(self) -> int:
        """Number of mutants that are faults and make a difference."""
        return self.planted - sum(kind.equivalent + kind.same for kind in self.kinds)

    @property
    def score(self) -> str:
        """Share of the faults that were caught, in per cent; never rounded up to 100."""
        return f"{10_000 * self.caught // self.faults / 100:g} %" if self.faults else "nothing was planted"


@cache
def recorded() -> Sabotaged:
    """Return the record of the package."""
    return read(RECORDED.read_text(encoding="utf-8"))


def read(text: str) -> Sabotaged:
    """Return the record in *text*.

    Raises:
        ValueError: *text* is not JSON, or a field is missing or unknown.
    """
    return serialize.record(json.loads(text), Sabotaged)
