"""What single cells say: whether a time exists, which mint a symbol means, what JSON holds."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

#: A cell as SQLite gives it.
Cell = Any
Row = tuple[Cell, ...]
#: Symbol in lower case -> the mints that go by it.
Mints = Mapping[str, AbstractSet[str]]

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)


def is_instant(text: Cell) -> bool:
    """Tell whether *text* spells an instant that exists: 30 February, 24:00 and second 60 do not."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return False
    try:
        datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return False
    return True


def mints(rows: Iterable[tuple[Cell, Cell]]) -> Mints:
    """Return which mints go by which symbol, from (symbol, mint) of all four tables that know both.

    '' and what is not text are no evidence; rows that are quarantined are.
    """
    known: defaultdict[str, set[str]] = defaultdict(set)
    for symbol, mint in rows:
        if isinstance(symbol, str) and isinstance(mint, str) and symbol and mint:
            known[symbol.lower()].add(mint)
    return known


def token(symbol: Cell, mint: Cell, known: Mints) -> Cell:
    """Return *mint*, or where it is empty the only mint that goes by *symbol*, or None."""
    if mint is not None and mint != "":
        return mint
    answers = known.get(symbol.lower(), frozenset()) if isinstance(symbol, str) else frozenset()
    return next(iter(answers)) if len(answers) == 1 else None


def parsed(text: Cell) -> Any:
    """Return what *text* says as SQLite reads it: of twin keys the first counts, and NaN is no JSON.

    A BLOB is no text, and what is nested so deep that the reader gives up says nothing.
    """
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text, object_pairs_hook=_first, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def lot_list(used: Any) -> list[Cell]:
    """Return the ids of [[lot, quantity], ...], or nothing if it is anything else."""
    if not isinstance(used, list):
        return []
    pairs = [pair for pair in used if isinstance(pair, list) and len(pair) == 2]
    whole = [lot for lot, quantity in pairs if isinstance(lot, int) and isinstance(quantity, int | float)]
    return whole if len(whole) == len(used) else []
