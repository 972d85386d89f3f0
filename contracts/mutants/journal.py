"""Stores the results of a run one by one, so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.mutants.matrix import Fate, Result
from contracts.mutants.mutant import Mutant


class Journal:
    """A file with one line for the run, and one for each judged mutant.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, of: str) -> None:
        """Begin a journal for a run *of* these contracts and options, or go on with it."""
        self.path = path
        self._known: dict[str, dict[str, Any]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if lines[:1] == [json.dumps(of)]:
            # The last line may be incomplete, if the run was interrupted.
            whole = [line for line in lines[1:] if line.endswith("}")]
            self._known = {entry["id"]: entry for entry in map(json.loads, whole)}
        else:
            path.write_text(json.dumps(of) + "\n", encoding="utf-8")

    def known(self, mutants: Sequence[Mutant]) -> list[Result]:
        """Return the results of the *mutants* that were judged already."""
        return [_told(mutant, self._known[mutant.id]) for mutant in mutants if mutant.id in self._known]

    def add(self, result: Result) -> None:
        """Append *result*."""
        entry = {
            "id": result.mutant.id,
            "fate": result.fate.value,
            "caught_by": sorted(result.caught_by),
            "crashed": sorted(result.crashed),
            "door": result.door,
            "says": result.says,
            "seconds": round(result.seconds, 2),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")


def _told(mutant: Mutant, entry: Mapping[str, Any]) -> Result:
    return Result(
        mutant=mutant,
        fate=Fate(entry["fate"]),
        caught_by=frozenset(entry["caught_by"]),
        crashed=frozenset(entry["crashed"]),
        door=entry["door"],
        says=entry["says"],
        seconds=entry["seconds"],
    )
