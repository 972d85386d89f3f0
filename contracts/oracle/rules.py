"""The reading of one legacy table, and the functions of which readings are composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from contracts.oracle.cells import Cell, Row, parsed
from contracts.oracle.times import instant, spelled

#: Returns one cell, computed from a row.
Rule = Callable[[Row], Cell]


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON text that a document must contain letter by letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """A number with the tolerance *within*: a share that may be rounded in more than one way."""

    value: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How rows of a legacy table become rows of a target table, and are rebuilt.

    Attributes:
        source: Legacy database and table, such as ``jarvis.trades``.
        variant: The shape of the legacy table.
        target: Consolidated database and table, such as ``core.trades``.
        key: Legacy column that names a row.
        forward: Target column -> function of the legacy row that returns its cell.
        documents: Target column of JSON -> member -> function that returns its value; None for no member.
        verbatim: The documents with a member whose text must be the same, letter by letter.
        back: Legacy column -> function that rebuilds its cell from the target row, or from the list of several rows.
        homeless: Legacy column without a target column or member -> function that returns its cell if ``rest`` has none.
        parts: Returns the parts that a legacy row becomes, each with cells that replace those of the row; None for one row.
        match: Target column that distinguishes the parts of one legacy row.
        assigned: Target column whose order decides the assigned ids; '' if ids are kept.
        order: Rank among the readings of one target table, for the order of ids.
        rounds: Target columns computed in floating point: computed again, their last digits may differ.
        best: Sort key of target rows that share a UNIQUE value: the row with the least key stays.
    """

    source: str
    variant: str = "found"
    target: str
    key: str
    forward: Mapping[str, Rule]
    documents: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    verbatim: frozenset[str] = frozenset()
    back: Mapping[str, Callable[[Any], Cell]] = field(default_factory=dict)
    homeless: Mapping[str, Callable[[Any], Cell]] = field(default_factory=dict)
    parts: Callable[[Row], Sequence[Row]] | None = None
    match: str = ""
    assigned: str = ""
    order: int = 0
    rounds: frozenset[str] = frozenset()
    best: Callable[[Row], Any] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The legacy columns; each must be rebuilt."""
        return (*self.back, *self.homeless)


def cell(name: str) -> Rule:
    """Return the cell *name* unchanged."""
    return itemgetter(name)


@dataclass(frozen=True, slots=True)
class Always:
    """Returns *value* for every row."""

    value: Cell

    def __call__(self, _: Any) -> Cell:
        """Return the value."""
        return self.value


def always(value: Cell) -> Callable[[Any], Cell]:
    """Return *value* for every row."""
    return Always(value)


@dataclass(frozen=True, slots=True)
class Time:
    """Returns the time of the cell *name* in the target format; *local* is the default offset."""

    name: str
    local: str = "+00:00"

    def __call__(self, row: Row) -> Cell:
        """Return the time; None if the cell is not a time."""
        return instant(row[self.name], self.local)


def time(name: str, local: str = "+00:00") -> Rule:
    """Return the time of the cell *name* in the target format; *local* is the default offset."""
    return Time(name, local)


@dataclass(frozen=True, slots=True)
class LegacyTime:
    """Returns the time *name* as the bot spells it; *otherwise* for NULL."""

    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Return the time."""
        return self.otherwise if row[self.name] is None else spelled(row[self.name])


def legacy_time(name: str, otherwise: Cell = None) -> Rule:
    """Return the time *name* as the bot spells it; *otherwise* for NULL."""
    return LegacyTime(name, otherwise)


@dataclass(frozen=True, slots=True)
class Filled:
    """Returns the cell *name*; NULL for ''."""

    name: str

    def __call__(self, row: Row) -> Cell:
        """Return the cell."""
        return None if row[self.name] == "" else row[self.name]


def filled(name: str) -> Rule:
    """Return the cell *name*; NULL for ''."""
    return Filled(name)


def taken_from(rule: Rule) -> str:
    """Return the name of the cell that *rule* copies; '' if it computes its cell."""
    if isinstance(rule, Filled):
        return rule.name
    # An itemgetter has no attribute for its item; pickling exposes it.
    return str(rule.__reduce__()[1][0]) if isinstance(rule, itemgetter) else ""


@dataclass(frozen=True, slots=True)
class OrElse:
    """Returns the cell *name*; *otherwise* for NULL."""

    name: str
    otherwise: Cell

    def __call__(self, row: Row) -> Cell:
        """Return the cell."""
        return self.otherwise if row[self.name] is None else row[self.name]


def or_else(name: str, otherwise: Cell) -> Rule:
    """Return the cell *name*; *otherwise* for NULL."""
    return OrElse(name, otherwise)


@dataclass(frozen=True, slots=True)
class Only:
    """Returns the cell *name* if it has this type and differs from *but*; else None."""

    name: str
    kind: type
    but: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Return the cell."""
        value = row[self.name]
        return value if type(value) is self.kind and value != self.but else None


def only(name: str, kind: type, *, but: Cell = None) -> Rule:
    """Return the cell *name* if it has this type and differs from *but*; else None."""
    return Only(name, kind, but)


@dataclass(frozen=True, slots=True)
class Of:
    """Returns *rule* of the cell *name*."""

    name: str
    rule: Callable[[Cell], Cell]

    def __call__(self, row: Row) -> Cell:
        """Return the computed cell."""
        return self.rule(row[self.name])


def of(name: str, rule: Callable[[Cell], Cell]) -> Rule:
    """Return *rule* of the cell *name*."""
    return Of(name, rule)


def as_word(value: Cell) -> Cell:
    """Return the text of a cell, a BLOB's bytes as text; None for ''."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return None if value is None or value == "" else str(value)


def word(name: str) -> Rule:
    """Return the text of the cell *name*, a BLOB's bytes as text; None for ''."""
    return of(name, as_word)


@dataclass(frozen=True, slots=True)
class Member:
    """Returns the member *name* of the JSON in the column *document*, or *otherwise*."""

    document: str
    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Return the member."""
        value = row[f"{self.document}."].get(self.name)
        return self.otherwise if value is None else value


def member(document: str, name: str, otherwise: Cell = None) -> Callable[[Any], Cell]:
    """Return the member *name* of the JSON in the column *document*, or *otherwise*."""
    return Member(document, name, otherwise)


@dataclass(frozen=True, slots=True)
class RawMember:
    """Returns the JSON text of the member *name* in the column *document*, or *otherwise*."""

    document: str
    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Return the text."""
        text: str | None = row[f"{self.document}:"].get(self.name)
        return self.otherwise if text is None else text


def raw_member(document: str, name: str, otherwise: Cell = None) -> Callable[[Any], Cell]:
    """Return the JSON text of the member *name* in the column *document*, or *otherwise*."""
    return RawMember(document, name, otherwise)


@dataclass(frozen=True, slots=True)
class JsonOf:
    """Returns the JSON text of the cell *name* if it is of this type, letter by letter."""

    name: str
    kind: type

    def __call__(self, row: Row) -> Cell:
        """Return the text."""
        return Raw(row[self.name]) if isinstance(parsed(row[self.name]), self.kind) else None


def json_of(name: str, kind: type) -> Rule:
    """Return the JSON text of the cell *name* if it is of this type, letter by letter."""
    return JsonOf(name, kind)


def earliest(time_column: str, key: str) -> Callable[[Row], Any]:
    """Return a sort key of rows: the earliest, then the least id; no time comes last."""
    return lambda row: (row[time_column] is None, row[time_column] or "", row[key])
