"""Records of the owners' decisions about quarantined rows: as they are written, and as they apply to a snapshot.

A cell is a JSON value as in the quarantine: a number, a text, None for NULL, ``{"b": hex}`` for bytes and ``{"t": hex}`` for
text that JSON cannot hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Kind(StrEnum):
    """What a decision does with a row."""

    SET = "set"
    KEEP = "keep"
    MAKE = "make"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDecision:
    """A decision about rows of one legacy table, as the owners wrote it.

    Attributes:
        source: The legacy table with its database.
        keys: The legacy keys of the rows.
        kind: What becomes of them.
        cells: Legacy column -> the cell that the mapping reads instead; of a row that is made, its cells.
        was: Legacy column -> the cell that the row must have, with each column of ``set``; none of a row that is made.
        why: The owners' reason; '' for none.
    """

    source: str
    keys: tuple[Any, ...]
    kind: Kind
    cells: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    was: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A decision about every row of a legacy table with one text in one column.

    Attributes:
        source: The legacy table with its database.
        column: The legacy column.
        word: The text there.
        cell: What the mapping reads instead.
    """

    source: str
    column: str
    word: str
    cell: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """All decisions about rows, as the owners wrote them."""

    rows: tuple[RowDecision, ...] = ()
    words: tuple[Word, ...] = ()

    def __iter__(self) -> Iterator[RowDecision | Word]:
        """Yield each decision."""
        yield from self.rows
        yield from self.words

    def digest(self) -> str:
        """Return the SHA-256 of the decisions in hex; '' without any."""
        written = [{name: _plain(getattr(one, name)) for name in one.__slots__} for one in self]
        return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest() if written else ""


#: No decision.
NONE = Decisions()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRow:
    """What is decided about one row of a snapshot.

    Attributes:
        source: The legacy table with its database.
        key: Its legacy key.
        kind: What becomes of it.
        cells: Legacy column -> the cell of the legacy row, and the one that the mapping reads; of a row that is made, None and
            its cell; of a row that is kept or dropped, the cells that it must have, unchanged.
        why: The owners' reason; '' for none.
    """

    source: str
    key: Any
    kind: Kind
    cells: Mapping[str, tuple[Any, Any]] = field(default_factory=lambda: MappingProxyType({}))
    why: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """What identifies the row: its table, and its key with the storage class."""
        return row_name(self.source, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEffect:
    """What a decision changes.

    Attributes:
        decision: The decision in words.
        kind: What it does with its rows.
        rows: Number of rows that it is about.
        let_in: Number of these that would be in quarantine without any decision, and are not.
    """

    decision: str
    kind: Kind
    rows: int
    let_in: int


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def row_name(source: str, key: Any) -> tuple[str, str]:
    """Return what identifies the row *key*, a cell, of a legacy table: 1, 1.0 and '1' are three keys."""
    return source, json.dumps(key, sort_keys=True)
