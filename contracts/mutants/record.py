"""Sums up the results of a run, by kind and by contract, and stores the sums for the page."""

from __future__ import annotations

import datetime as dt
import json
import platform
import re
import sqlite3
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from contracts.mutants import recorded
from contracts.mutants.matrix import Fate, Result
from contracts.mutants.mutant import Mutant
from contracts.mutants.recorded import Kind, Need, Sabotaged
from migrator.stages.verify import freshness
from migrator.system.serialize import plain

#: Mutants that are not faults, each with its reason, and contracts that stay although others catch the same faults.
EQUIVALENT, STAYS = Path(__file__).parent / "equivalent.toml", Path(__file__).parent / "stays.toml"
#: Most other contracts that may catch the fault for which a contract is needed [contracts].
OTHERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """Mutants that are not faults.

    Attributes:
        kind: Their kind.
        where: A regular expression that matches the whole name of their place.
        reason: Why no contract has to catch them.
    """

    kind: str
    where: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Return whether *mutant* is one of them."""
        return mutant.kind == self.kind and re.fullmatch(self.where, mutant.where, re.DOTALL) is not None


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """Return the entries of equivalent.toml."""
    written = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return tuple(Equivalent(**entry) for entry in written.get("equivalent", []))


@cache
def staying() -> dict[str, str]:
    """Return contract -> why it stays, from stays.toml."""
    return dict(tomllib.loads(STAYS.read_text(encoding="utf-8")))


def reason(result: Result) -> str:
    """Return why the uncaught mutant of *result* is not a fault; '' if it is a fault."""
    return next((entry.reason for entry in equivalents() if entry.covers(result.mutant)), "")


def summed(results: Sequence[Result], contracts: Iterable[str], command: str) -> Sabotaged:
    """Return the sums of the *results* of a run of *command* with these *contracts*."""
    planted = [result for result in results if result.fate is not Fate.UNPLANTED]
    kinds = sorted({(result.mutant.family, result.mutant.kind) for result in planted})
    uncaught = [result for result in planted if result.fate is Fate.SURVIVED]
    return Sabotaged(
        made=dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
        versions={
            "sqlite": sqlite3.sqlite_version,
            "sqlglot": version("sqlglot"),
            "faker": version("faker"),
            "python": platform.python_version(),
        },
        suite=freshness.suite_digest(),
        mappings=freshness.mappings_digest(),
        seconds=round(sum(result.seconds for result in results)),
        kinds=tuple(
            _kind(
                family,
                kind,
                [result for result in planted if (result.mutant.family, result.mutant.kind) == (family, kind)],
            )
            for family, kind in kinds
        ),
        needs=tuple(_need(contract, planted) for contract in sorted(contracts)),
        equivalents=dict(Counter(why for result in uncaught if (why := reason(result))).most_common()),
        same=tuple(result.mutant.id for result in planted if result.fate is Fate.SAME),
        survivors=tuple(result.mutant.id for result in uncaught if not reason(result)),
    )


def _kind(family: str, kind: str, results: Sequence[Result]) -> Kind:
    fates = Counter(result.fate for result in results)
    explained = sum(bool(reason(result)) for result in results if result.fate is Fate.SURVIVED)
    by = Counter(name for result in results for name in result.caught_by)
    by.update(f"the {result.door}" for result in results if result.door)
    return Kind(
        family=family,
        kind=kind,
        planted=len(results),
        caught=fates[Fate.CAUGHT],
        stopped=fates[Fate.STOPPED],
        same=fates[Fate.SAME],
        equivalent=explained,
        survived=fates[Fate.SURVIVED] - explained,
        by=dict(by),
    )


def _need(contract: str, results: Sequence[Result]) -> Need:
    caught = sorted((len(result.caught_by) - 1, result.mutant.id) for result in results if contract in result.caught_by)
    others, fault = caught[0] if caught else (0, "")
    alone = bool(caught) and others <= OTHERS
    return Need(
        contract=contract,
        caught=len(caught),
        fault=fault,
        others=others,
        stays="" if alone else staying().get(contract, ""),
    )


def write(sabotaged: Sabotaged) -> Sabotaged:
    """Write *sabotaged* to recorded.json; return it as read again."""
    fields = [f"{json.dumps(name)}: {_in_lines(value)}" for name, value in sorted(plain(sabotaged).items())]
    text = "{\n" + ",\n".join(fields) + "\n}\n"
    recorded.RECORDED.write_text(text, encoding="utf-8")
    return recorded.read(text)


def _in_lines(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, sort_keys=True)
    return "[\n" + ",\n".join(json.dumps(item, sort_keys=True) for item in value) + "\n]"
