"""Reads ``examples.json``: of each mapped legacy table a row of a specimen, and the row that became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

#: A cell as JSON has it; a BLOB is shown as SQL writes it.
Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A legacy row and the row that became of it, or some of their cells.

    Attributes:
        legacy: Legacy column -> cell.
        target: Target column -> cell.
    """

    legacy: Mapping[str, Cell]
    target: Mapping[str, Cell]

    def of_column(self, name: str, targets: Iterable[str]) -> Example:
        """Return the cells of one legacy column and of the target columns that take it."""
        return Example(legacy={name: self.legacy[name]}, target={target: self.target[target] for target in targets})


@cache
def _all() -> Mapping[str, Any]:
    text = (files("migrator.mapping") / "examples.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]  # an object, as its test checks


def of(source: str) -> Example | None:
    """Return the example of a legacy table; None if a specimen has no row of it that is mapped."""
    found = _all().get(source)
    return None if found is None else Example(legacy=found["legacy"], target=found["target"])
