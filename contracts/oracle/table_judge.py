"""Asks of every row of one legacy table what its reading says: is the target row right, is the legacy row rebuilt?"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Protocol

from contracts.oracle.cells import (
    Affinity,
    Cell,
    Row,
    bytes_of,
    kept_rest,
    members,
    rows,
    said_members,
    same,
    shown,
    with_rowid,
)
from contracts.oracle.cross_table import Sets
from contracts.oracle.rules import Near, Raw, Reading
from contracts.oracle.spilling_map import Places
from migrator.schema import reader as schema_reader
from migrator.schema.model import Table
from migrator.system.connections import quoted

#: Up to so many legacy rows every row is judged; above, about so many in all, drawn by key from the largest tables.
EVERY_ROW_UP_TO = 200_000
#: So many findings of one kind are kept.
_ENOUGH = 1_000

#: What the way back says of a row that it cannot read, whatever is in it.
UNREADABLE = "(unreadable)"

#: What reading raises of such a row.
UNREADABLE_ROWS = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError)


class Pair(Sets, Protocol):
    """A legacy set and a consolidated one, side by side."""

    @property
    def constants(self) -> Mapping[str, str]:
        """The constants of the owners' configuration."""

    @property
    def show_values(self) -> bool:
        """Whether reports may show what cells hold."""

    def beside(self, *names: str) -> Any:
        """Open a connection with these databases attached under their names, for reading."""


@dataclass(slots=True, kw_only=True)
class Judged:
    """What came of one target table.

    Attributes:
        rows: Legacy rows that were judged.
        of: Legacy rows that there are.
        values: Where a target row does not say what the decisions make of its legacy row.
        rebuilt: Where a legacy row is not rebuilt.
        places: The id of each row with an assigned one, in the place that it was numbered by.
    """

    rows: int = 0
    of: int = 0
    values: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    places: Places[Cell] = field(default_factory=Places)


def most_of_each(counts: Iterable[int]) -> int:
    """Return how many rows of each table can be judged so that it is about :data:`EVERY_ROW_UP_TO` in all.

    Small tables are judged whole; what they leave is shared among the larger ones.
    """
    left, rising = EVERY_ROW_UP_TO, sorted(counts)
    for at, count in enumerate(rising):
        share = left // (len(rising) - at)
        if count > share:
            return max(share, 1)
        left -= count
    return EVERY_ROW_UP_TO


def specified_table(target: str) -> Table | None:
    """Return the specified table *target*, such as ``core.trades``; None for a full-text or an unspecified table."""
    database, _, name = target.partition(".")
    return next((table for table in schema_reader.target(database).tables if table.name == name), None)


def column_types(target: str) -> Mapping[str, str]:
    """Return the declared types of a target table; empty for a full-text table."""
    shape = specified_table(target)
    return {column.name: column.type for column in shape.columns} if shape else {}


def target_key(target: str) -> str:
    """Return the key column of a target table; ``rowid`` for a full-text table."""
    shape = specified_table(target)
    return next((column.name for column in (shape.columns if shape else ()) if column.primary_key), "rowid")


def parts_of(reading: Reading, legacy: Row) -> list[Row]:
    """Return the legacy row with each piece that it becomes laid over it."""
    return [legacy] if reading.parts is None else [{**legacy, **part} for part in reading.parts(legacy)]


class OneTable:
    """One reading, asked of the rows of its legacy table."""

    def __init__(self, pair: Pair, affinity: Affinity, reading: Reading, judged: Judged, *, at_most: int) -> None:
        self.pair = pair
        self.at_most = at_most
        self.affinity = affinity
        self.reading = reading
        self.judged = judged
        self.types = column_types(reading.target)
        self.key = target_key(reading.target)
        self.names = list(dict.fromkeys((*reading.columns, reading.key)))
        self.forward = [(name, say, self.types.get(name, "")) for name, say in reading.forward.items()]
        self.back = [*reading.back.items(), *reading.homeless.items()]
        self.documents = [
            (name, f"{name}!", f"{name}.", f"{name}:", name in reading.verbatim) for name in reading.documents
        ]
        self.targets = list(dict.fromkeys((self.key, *reading.forward, *reading.documents)))

    def judge(self) -> None:
        """Judge every row, or a sample by key."""
        database, _, table = self.reading.source.partition(".")
        target, _, _ = self.reading.target.partition(".")
        with self.pair.beside(database, target) as connection:
            (rows_there,) = connection.execute(f"SELECT count(*) FROM {quoted(database)}.{quoted(table)}").fetchone()
            one_in = -(-rows_there // self.at_most)
            self.judged.of += rows_there
            drawn = ""
            if one_in > 1:
                connection.create_function("drawn", 1, lambda key: _hash(key) % one_in == 0, deterministic=True)
                drawn = f"WHERE drawn(s.{quoted(self.reading.key)})"
            self._judge(connection, drawn)

    def judge_where(self, doubt: str, functions: Mapping[str, Callable[..., Cell]]) -> None:
        """Judge each legacy row *s* for which the SQL *doubt* is true of it, a lineage *l* or a target row *t* of it.

        Args:
            doubt: The condition.
            functions: The functions that it calls, by name.
        """
        database, _, _ = self.reading.source.partition(".")
        target, _, _ = self.reading.target.partition(".")
        with self.pair.beside(database, target) as connection:
            for name, function in functions.items():
                connection.create_function(name, -1, function, deterministic=True)
            connection.execute(
                f"CREATE TEMP TABLE doubtful AS SELECT s.rowid AS row {self._from(connection)} WHERE {doubt}", self._of
            )
            self._judge(connection, "WHERE s.rowid IN (SELECT row FROM temp.doubtful)")

    def _judge(self, connection: sqlite3.Connection, where: str) -> None:
        for _, group in groupby(self._joined(connection, where), key=lambda row: row[0]):
            self._row(list(group))

    def _joined(self, connection: sqlite3.Connection, where: str) -> Iterator[tuple[Cell, ...]]:
        """Yield each legacy row with each lineage and target row of it, by rowid."""
        columns = ", ".join(
            [f"s.{quoted(name)}" for name in self.names]
            + ["l.rowid", "l.target_id", "l.rest"]
            + [f"t.{quoted(name)}" for name in self.targets]
        )
        question = f"SELECT s.rowid, {columns} {self._from(connection)} {where} ORDER BY s.rowid"
        return rows(connection, question, *self._of)

    @property
    def _of(self) -> tuple[str, str]:
        """What :meth:`_from` is to be asked with."""
        return self.reading.source, self.reading.target.partition(".")[2]

    def _from(self, connection: sqlite3.Connection) -> str:
        """Return the FROM of legacy rows *s*, each with each lineage *l* and target row *t* of it."""
        database, _, name = self.reading.source.partition(".")
        target, _, table = self.reading.target.partition(".")
        # The unary plus takes affinity away, so that keys are compared as they are and the index is used.
        return (
            f"FROM {with_rowid(connection, database, name)} AS s"
            f" LEFT JOIN {target}.lineage AS l ON l.source = ? AND l.target = ?"
            f" AND l.legacy_key = +s.{quoted(self.reading.key)}"
            f" LEFT JOIN {target}.{quoted(table)} AS t ON t.{quoted(self.key)} = +l.target_id"
        )

    def _row(self, group: list[tuple[Cell, ...]]) -> None:
        width = 1 + len(self.names)
        legacy: Row = dict(zip(self.names, group[0][1:width], strict=True))
        self.judged.rows += 1
        if group[0][width] is None:
            # No lineage: that is for the contracts on accounting and on the quarantine.
            return
        group.sort(key=lambda row: row[width])
        key = legacy[self.reading.key]
        try:
            rest = next((kept_rest(row[width + 2]) for row in group if row[width + 2] is not None), {})
        except ValueError as error:
            self._broken(self.judged.rebuilt, key, "rest", f"expected JSON of pairs, found {error}")
            rest = {}
        found = []
        for row in group:
            there = dict(zip(self.targets, row[width + 3 :], strict=True))
            if there[self.key] is None and row[width + 1] is not None:
                self._broken(self.judged.values, key, self.key, "lineage names a row that is not there")
                return
            there["legacy_key"] = key
            self.read_documents(there)
            found.append(there)
        self._check_values(key, legacy, [there for there in found if there[self.key] is not None])
        self._check_rebuilt(key, legacy, found, rest)

    def read_documents(self, there: Row) -> None:
        """Add to the target row *there* what the JSON in it holds."""
        for name, broken, members_of, texts_of, verbatim in self.documents:
            text = there[name]
            texts: dict[str, str] = {}
            said: Mapping[str, Cell] | None = {}
            if text is not None and verbatim:
                both = members(text)
                said = None if both is None else {one: value for one, (value, _) in both.items() if value is not None}
                texts = {one: raw for one, (_, raw) in (both or {}).items()}
            elif text is not None:
                said = said_members(text)
            there[broken] = said is None
            there[members_of] = said or {}
            there[texts_of] = texts

    def _check_values(self, key: Cell, legacy: Row, found: list[Row]) -> None:
        expected = parts_of(self.reading, legacy)
        if len(expected) != len(found):
            self._broken(
                self.judged.values,
                key,
                self.key,
                f"expected {len(expected)} rows, found {len(found)} of this legacy row",
            )
            return
        if self.reading.match and len(found) > 1:
            say = self.reading.forward[self.reading.match]
            order = [say(laid) for laid in expected]
            found = sorted(found, key=lambda there: _index(order, there[self.reading.match]))
        for part, (laid, there) in enumerate(zip(expected, found, strict=True)):
            for name, say, declared in self.forward:
                wanted, seen = say(laid), there[name]
                # What a column gives back it would store again as it is, so affinity matters only where they differ.
                if same(wanted, seen) or same(wanted := self._stored(wanted, seen, declared), seen):
                    continue
                self._differs(self.judged.values, key, name, wanted, seen)
            self._check_documents(key, laid, there)
            if self.reading.assigned:
                numbered_by = (there[self.reading.assigned], self.reading.order, key, part)
                self.judged.places.add(there[self.key], *numbered_by)

    def _stored(self, wanted: Cell, seen: Cell, declared: str) -> Cell:
        """Return what the column stores of *wanted*; of a share, what is seen if that is near enough."""
        if isinstance(wanted, Near):
            near = isinstance(seen, float) and abs(seen - wanted.value) <= wanted.within
            return seen if near else wanted.value
        return self.affinity.stored(wanted, declared)

    def _check_documents(self, key: Cell, laid: Row, there: Row) -> None:
        for (name, broken, members_of, texts_of, _), document in zip(
            self.documents, self.reading.documents.values(), strict=True
        ):
            if there[broken]:
                self._broken(self.judged.values, key, name, "expected a JSON object")
            said, texts = there[members_of], there[texts_of]
            unseen = len(said)
            for member, say in document.items():
                wanted, found = say(laid), said.get(member)
                unseen -= found is not None
                if isinstance(wanted, Raw):
                    wanted, found = wanted.text, texts.get(member)
                elif isinstance(wanted, str) and isinstance(found, str) and "\0" not in found:
                    # What follows a NUL has to be in rest, which the way back sees.
                    wanted = wanted.partition("\0")[0]
                if not same(wanted, found):
                    self._differs(self.judged.values, key, f"{name}.{member}", wanted, found)
            for member in said.keys() - document.keys() if unseen else ():
                self._broken(self.judged.values, key, f"{name}.{member}", "a member that nobody decided on")

    def _check_rebuilt(self, key: Cell, legacy: Row, found: list[Row], rest: Mapping[str, tuple[Cell, Cell]]) -> None:
        seen: Any = found[0] if self.reading.parts is None else found
        for name, say in self.back:
            try:
                said = say(seen)
            except UNREADABLE_ROWS:
                said = UNREADABLE
            rebuilt = said
            if name in rest:
                rebuilt, back_said = rest[name]
                # What rest keeps counts only while the target row still says what it said then.  Where it is kept for
                # nothing, the way back says something else than the row does, and would of a row that is written later.
                if said != UNREADABLE and not same(back_said, said) and not _is_tagged(back_said, said):
                    self._broken(
                        self.judged.rebuilt, key, name, "rest does not apply: the target row says something else"
                    )
                    continue
            if not same(rebuilt, legacy[name]):
                self._differs(self.judged.rebuilt, key, name, legacy[name], rebuilt, legacy=True)
        for name in rest.keys() - legacy.keys() if rest else ():
            self._broken(self.judged.rebuilt, key, name, "rest keeps a column that the legacy table does not have")

    def _differs(
        self, findings: list[str], key: Cell, name: str, wanted: Cell, found: Cell, *, legacy: bool = False
    ) -> None:
        values = self.pair.show_values
        said = (
            f"expected {shown(wanted, values=values)}, {'rebuilt' if legacy else 'found'} {shown(found, values=values)}"
        )
        self._broken(findings, key, name, said)

    def _broken(self, findings: list[str], key: Cell, name: str, said: str) -> None:
        if len(findings) < _ENOUGH:
            findings.append(f"{self.reading.source} {key!r} -> {self.reading.target}: {name}: {said}")


def _is_tagged(back_said: Cell, said: Cell) -> bool:
    """Tell whether *back_said* is how JSON has the text *said*, which it cannot say otherwise: SQLite gives it back as it stands."""
    return isinstance(said, str) and back_said == f'{{"t":"{bytes_of(said).hex()}"}}'


def _hash(key: Cell) -> int:
    return zlib.crc32(key if isinstance(key, bytes) else bytes_of(str(key)))


def _index(order: list[Cell], value: Cell) -> int:
    return order.index(value) if value in order else len(order)


def check_numbers(target: str, judged: Judged) -> None:
    """Ids that were assigned rise with time, then source, key and part."""
    for before, after in pairwise(judged.places.taken()):
        if not before < after and len(judged.values) < _ENOUGH:
            judged.values.append(f"{target} {after}: id: does not rise with time, then source, key and part")
