"""What a reading of one legacy table looks like, and the words in which the statements are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from contracts.oracle.cells import Cell, Row, parsed
from contracts.oracle.times import instant, spelled

#: What a row says about one cell.
Say = Callable[[Row], Cell]


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON that has to stand in a document letter by letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """A number that is right within *within*: a share of an amount, which may be rounded in more than one way."""

    value: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the rows of one legacy table are read in one target table, and back.

    Attributes:
        source: Legacy database and table: ``jarvis.trades``.
        variant: The shape of the legacy table.
        target: Consolidated database and table: ``core.trades``.
        key: Legacy column that names a row.
        forward: Target column -> what it must be for a legacy row.
        documents: Target column of JSON -> member -> what it must be; None where it must not be there.
        verbatim: Those of them in which a member has to stand letter by letter.
        back: Legacy column -> what the target row says; of a row that became several, the list of them.
        homeless: Legacy column without a column or member of its own -> what it is where ``rest`` keeps nothing.
        parts: The pieces that a legacy row becomes, each laid over the row for ``forward``; None for one row.
        match: Target column that tells the parts of one legacy row apart.
        assigned: Target column by which ids were numbered; '' where they are kept.
        order: Rank among the readings of one target table, for the numbering.
        rounds: Target columns that are worked out in doubles: worked out again, the last digits may be others.
        best: Of rows that a UNIQUE lets in once, the one with the least of this, asked of what ``forward`` says.
    """

    source: str
    variant: str = "found"
    target: str
    key: str
    forward: Mapping[str, Say]
    documents: Mapping[str, Mapping[str, Say]] = field(default_factory=dict)
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
        """The legacy columns, all of which must be rebuilt."""
        return (*self.back, *self.homeless)


def cell(name: str) -> Say:
    """Say the cell *name* as it is."""
    return itemgetter(name)


@dataclass(frozen=True, slots=True)
class Always:
    """Says *value* of every row."""

    value: Cell

    def __call__(self, _: Any) -> Cell:
        """Say it."""
        return self.value


def always(value: Cell) -> Callable[[Any], Cell]:
    """Say *value* of every row."""
    return Always(value)


@dataclass(frozen=True, slots=True)
class Time:
    """Says the time that the cell *name* spells, in the one form; one without an offset is at *local*."""

    name: str
    local: str = "+00:00"

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return instant(row[self.name], self.local)


def time(name: str, local: str = "+00:00") -> Say:
    """Say the time that the cell *name* spells, in the one form."""
    return Time(name, local)


@dataclass(frozen=True, slots=True)
class SaidTime:
    """Says the time *name* as the bot spells it, or *otherwise* where there is none."""

    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return self.otherwise if row[self.name] is None else spelled(row[self.name])


def said_time(name: str, otherwise: Cell = None) -> Say:
    """Say the time *name* as the bot spells it, or *otherwise* where there is none."""
    return SaidTime(name, otherwise)


@dataclass(frozen=True, slots=True)
class Filled:
    """Says the cell *name*; '' is NULL."""

    name: str

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return None if row[self.name] == "" else row[self.name]


def filled(name: str) -> Say:
    """Say the cell *name*; '' is NULL."""
    return Filled(name)


def taken_from(say: Say) -> str:
    """Return the name of the cell that *say* says as it is, or '' is NULL; '' where it says anything else."""
    if isinstance(say, Filled):
        return say.name
    # What itemgetter was made of is what it would be made of again.
    return str(say.__reduce__()[1][0]) if isinstance(say, itemgetter) else ""


@dataclass(frozen=True, slots=True)
class OrElse:
    """Says the cell *name*, or *otherwise* where it is NULL."""

    name: str
    otherwise: Cell

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return self.otherwise if row[self.name] is None else row[self.name]


def or_else(name: str, otherwise: Cell) -> Say:
    """Say the cell *name*, or *otherwise* where it is NULL."""
    return OrElse(name, otherwise)


@dataclass(frozen=True, slots=True)
class Only:
    """Says the cell *name* where it is of this kind and is not *but*."""

    name: str
    kind: type
    but: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        value = row[self.name]
        return value if type(value) is self.kind and value != self.but else None


def only(name: str, kind: type, *, but: Cell = None) -> Say:
    """Say the cell *name* where it is of this kind and is not *but*."""
    return Only(name, kind, but)


@dataclass(frozen=True, slots=True)
class Of:
    """Says what *say* makes of the cell *name* alone."""

    name: str
    say: Callable[[Cell], Cell]

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return self.say(row[self.name])


def of(name: str, say: Callable[[Cell], Cell]) -> Say:
    """Say what *say* makes of the cell *name* alone."""
    return Of(name, say)


def as_word(value: Cell) -> Cell:
    """Return the text of a cell, the bytes of a BLOB as text; '' is nothing."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return None if value is None or value == "" else str(value)


def word(name: str) -> Say:
    """Say the text of the cell *name*, the bytes of a BLOB as text; '' is nothing."""
    return of(name, as_word)


@dataclass(frozen=True, slots=True)
class Member:
    """Says the member *name* of the JSON in the column *document*, or *otherwise* where there is none."""

    document: str
    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        found = row[f"{self.document}."].get(self.name)
        return self.otherwise if found is None else found


def member(document: str, name: str, otherwise: Cell = None) -> Callable[[Any], Cell]:
    """Say the member *name* of the JSON in the column *document*, or *otherwise* where there is none."""
    return Member(document, name, otherwise)


@dataclass(frozen=True, slots=True)
class RawMember:
    """Says the text that stands in the JSON of the column *document* as the member *name*, or *otherwise*."""

    document: str
    name: str
    otherwise: Cell = None

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        found: str | None = row[f"{self.document}:"].get(self.name)
        return self.otherwise if found is None else found


def raw_member(document: str, name: str, otherwise: Cell = None) -> Callable[[Any], Cell]:
    """Say the text that stands in the JSON of the column *document* as the member *name*."""
    return RawMember(document, name, otherwise)


@dataclass(frozen=True, slots=True)
class JsonOf:
    """Says the JSON text of the cell *name*, letter by letter, where it is sound JSON of this kind."""

    name: str
    kind: type

    def __call__(self, row: Row) -> Cell:
        """Say it."""
        return Raw(row[self.name]) if isinstance(parsed(row[self.name]), self.kind) else None


def json_of(name: str, kind: type) -> Say:
    """Say the JSON text of the cell *name*, letter by letter, where it is sound JSON of this kind."""
    return JsonOf(name, kind)


def earliest(time_column: str, key: str) -> Callable[[Row], Any]:
    """Prefer the earliest, then the least id; what has no time comes last."""
    return lambda row: (row[time_column] is None, row[time_column] or "", row[key])
