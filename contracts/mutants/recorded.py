"""What the last recorded run of the sabotage found: faults planted in copies, and which contract caught each.

``python -m contracts.mutants --record`` makes the record; docs/reference/sabotage.md shows it.  It speaks of the contracts and mappings
whose digests it names.
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
    """One kind of fault, over all places it was planted in.

    Attributes:
        family: ``by hand``, ``declarations``, ``rows``, ``files`` or ``mappings``.
        kind: What is done, such as ``NOT NULL removed``.
        planted: How many were planted.
        caught: By a contract.
        stopped: By the tool itself, before a contract could be asked.
        same: That make no difference to any specimen: the set is the right one, and there is nothing to catch.
        equivalent: That are no faults, for a reason that stands in contracts/mutants/equivalent.toml.
        survived: That nobody noticed.
        by: How many each contract caught, and each door of the tool, the most first.
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
        caught: How many faults it caught.
        fault: The fault that the fewest others catch; '' where it caught none.
        others: How many others caught that one.
        stays: Why it stays though others catch all that it does; '' where that needs no reason.
    """

    contract: str
    caught: int
    fault: str
    others: int
    stays: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotaged:
    """What one run of the sabotage found.

    Attributes:
        made: When it ended, in UTC.
        command: What was run.
        versions: Of SQLite, sqlglot, Faker and Python.
        suite: Digest of the contracts at that time.
        mappings: Digest of the mappings at that time.
        seconds: How long the mutants took, each by itself, in all.
        kinds: The kinds of fault, by family and name.
        needs: Each contract that asks something of a set, by name.
        equivalents: The reasons why mutants are no faults, with how many each is about.
        same: The mutants that make no difference to any specimen.
        survivors: The faults that nobody caught.
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
        """Every mutant, those that are no faults or make no difference included."""
        return sum(kind.planted for kind in self.kinds)

    @property
    def caught(self) -> int:
        """Those that a contract or a door of the tool caught."""
        return sum(kind.caught + kind.stopped for kind in self.kinds)

    @property
    def faults(self) -> int:
        """Those that are faults, and make a difference."""
        return self.planted - sum(kind.equivalent + kind.same for kind in self.kinds)

    @property
    def score(self) -> str:
        """Caught of the faults, in per cent; never rounded up to 100."""
        return f"{10_000 * self.caught // self.faults / 100:g} %" if self.faults else "nothing was planted"


@cache
def recorded() -> Sabotaged:
    """Return the record of the package."""
    return read(RECORDED.read_text(encoding="utf-8"))


def read(text: str) -> Sabotaged:
    """Return the record that *text* is.

    Raises:
        ValueError: It is no JSON, or a field is missing or unknown.
    """
    return serialize.record(json.loads(text), Sabotaged)
