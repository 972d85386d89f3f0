"""Judges the rows of one legacy table by its reading, and whether they can be rebuilt."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Protocol

from contracts.oracle.cells import (
    Affinity,
    Cell,
    Row,
    bytes_of,
    kept_rest,
    member_values,
    members,
    rows,
    same,
    shown,
    with_rowid,
)
from contracts.oracle.cross_table import Sets
from contracts.oracle.rules import Near, Raw, Reading
from contracts.oracle.spilling_map import Places
from migrator.schema import reader as schema_reader
from migrator.system.connections import quoted

#: Rows that the oracle judges in all [rows]: every row of a smaller set; of a larger set a sample of the largest tables.
EVERY_ROW_UP_TO = 200_000
#: Findings of one kind that are kept [findings]: the rest adds nothing to a report.
_ENOUGH = 1_000

#: SQL for a sample that contains every row.
_EVERY_ROW = "true"

#: More sources in lineage, if the owners made rows of a legacy table.
_MADE = ", 'stub:decided'"

#: Rebuilt value of a legacy cell whose target row cannot be read.
UNREADABLE = "(unreadable)"

#: Errors that reading such a target row raises.
UNREADABLE_ROWS = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError)


class OracleSets(Sets, Protocol):
    """The sets that the oracle reads, with the owners' constants."""

    @property
    def constants(self) -> Mapping[str, str]:
        """The constants of the owners' configuration."""

    @property
    def show_values(self) -> bool:
        """Whether reports may show the values of cells."""

    def beside(self, *names: str) -> Any:
        """Open a connection that reads these databases, each attached under its name."""

    def decided_cells(self, source: str, key: Cell) -> Mapping[str, tuple[Cell, Cell]]:
        """Return the decided cells of a legacy row: column -> the cell as it is, and as it is read."""

    def keys_decided(self, source: str, kind: str) -> Collection[Cell]:
        """Return the keys of the rows of a legacy table with a decision of one *kind*."""


@dataclass(slots=True, kw_only=True)
class Judged:
    """The judgement of one target table.

    Attributes:
        rows: Number of legacy rows that were judged.
        of: Number of legacy rows.
        values: Cells that differ from what the decisions make of their legacy row, one sentence each.
        rebuilt: Cells that are not rebuilt, one sentence each.
        places: The assigned ids, sorted by the cells that decide their order.
    """

    rows: int = 0
    of: int = 0
    values: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    places: Places[Cell] = field(default_factory=Places)


def most_of_each(counts: Iterable[int]) -> int:
    """Return how many rows of each table to judge: about :data:`EVERY_ROW_UP_TO` in all.

    Small tables are judged whole; the larger ones share the remaining rows.
    """
    left, rising = EVERY_ROW_UP_TO, sorted(counts)
    for at, count in enumerate(rising):
        share = left // (len(rising) - at)
        if count > share:
            return max(share, 1)
        left -= count
    return EVERY_ROW_UP_TO


def column_types(target: str) -> Mapping[str, str]:
    """Return the declared types of a target table; empty for a full-text table."""
    shape = schema_reader.specified_table(target)
    return {column.name: column.type for column in shape.columns} if shape else {}


def target_key(target: str) -> str:
    """Return the key column of a target table; ``rowid`` for a full-text table."""
    shape = schema_reader.specified_table(target)
    return next((column.name for column in (shape.columns if shape else ()) if column.primary_key), "rowid")


def parts_of(reading: Reading, legacy: Row) -> list[Row]:
    """Return for each part that a legacy row becomes the row with the part's cells."""
    return [legacy] if reading.parts is None else [{**legacy, **part} for part in reading.parts(legacy)]


class OneTable:
    """Judges the rows of one legacy table by its reading."""

    def __init__(self, sets: OracleSets, affinity: Affinity, reading: Reading, judged: Judged, *, at_most: int) -> None:
        self.sets = sets
        self.at_most = at_most
        self.affinity = affinity
        self.reading = reading
        self.judged = judged
        self.types = column_types(reading.target)
        self.key = target_key(reading.target)
        self.names = list(dict.fromkeys((*reading.columns, reading.key)))
        self.forward = [(name, rule, self.types.get(name, "")) for name, rule in reading.forward.items()]
        self.back = [*reading.back.items(), *reading.homeless.items()]
        self.documents = [
            (name, f"{name}!", f"{name}.", f"{name}:", name in reading.verbatim) for name in reading.documents
        ]
        self.made = sets.keys_decided(reading.source, "make")
        self.targets = list(dict.fromkeys((self.key, *reading.forward, *reading.documents)))

    def judge(self) -> None:
        """Judge every row, or a sample by key."""
        with self._beside() as connection:
            self.judged.of += self._rows(connection)
            self._judge(connection, f"WHERE {self._drawn(connection)}")

    def judge_where(self, doubt: str, functions: Mapping[str, Callable[..., Cell]]) -> None:
        """Judge each legacy row outside of the sample for which *doubt* is true.

        Args:
            doubt: The condition on the legacy row *s*, its lineage *l* and its target row *t*.
            functions: The functions that the condition calls, by name.
        """
        with self._beside() as connection:
            if (drawn := self._drawn(connection)) == _EVERY_ROW:
                return
            for name, function in functions.items():
                connection.create_function(name, -1, function, deterministic=True)
            connection.execute(
                f"CREATE TEMP TABLE doubtful AS SELECT s.rowid AS row {self._from(connection)}"
                f" WHERE NOT {drawn} AND ({doubt})",
                self._of,
            )
            self._judge(connection, "WHERE s.rowid IN (SELECT row FROM temp.doubtful)")

    def _beside(self) -> Any:
        """Open a connection with the databases of the legacy table and of the target attached."""
        return self.sets.beside(self.reading.source.partition(".")[0], self.reading.target.partition(".")[0])

    def _rows(self, connection: sqlite3.Connection) -> int:
        """Return the number of legacy rows."""
        database, _, table = self.reading.source.partition(".")
        (count,) = connection.execute(f"SELECT count(*) FROM {quoted(database)}.{quoted(table)}").fetchone()
        return int(count)

    def _drawn(self, connection: sqlite3.Connection) -> str:
        """Return SQL that is true of the legacy rows *s* in the sample."""
        one_in = -(-self._rows(connection) // self.at_most)
        if one_in <= 1:
            return _EVERY_ROW
        source = self.reading.source
        made = set(self.made)
        connection.create_function(
            "drawn",
            1,
            lambda key: bool(_hash(key) % one_in == 0 or self.sets.decided_cells(source, key) or key in made),
            deterministic=True,
        )
        return f"drawn(s.{quoted(self.reading.key)})"

    def _judge(self, connection: sqlite3.Connection, where: str) -> None:
        for _, group in groupby(self._joined(connection, where), key=itemgetter(0)):
            self._row(list(group))

    def _joined(self, connection: sqlite3.Connection, where: str) -> Iterator[tuple[Cell, ...]]:
        """Yield each legacy row with its lineage entries and target rows, by rowid."""
        columns = ", ".join(
            [f"s.{quoted(name)}" for name in self.names]
            + ["l.rowid", "l.target_id", "l.rest"]
            + [f"t.{quoted(name)}" for name in self.targets]
        )
        question = f"SELECT s.rowid, {columns} {self._from(connection)} {where} ORDER BY s.rowid"
        return rows(connection, question, *self._of)

    @property
    def _of(self) -> tuple[str, str]:
        """The values for the placeholders of :meth:`_from`."""
        return self.reading.source, self.reading.target.partition(".")[2]

    def _from(self, connection: sqlite3.Connection) -> str:
        """Return the FROM clause of legacy rows *s*, lineage *l* and target rows *t*."""
        database, _, name = self.reading.source.partition(".")
        target, _, table = self.reading.target.partition(".")
        # The unary plus removes affinity, so that keys are compared as stored and the index is used.
        return (
            f"FROM {with_rowid(connection, database, name)} AS s"
            f" LEFT JOIN {target}.lineage AS l ON l.source IN (?{_MADE if self.made else ''}) AND l.target = ?"
            f" AND l.legacy_key = +s.{quoted(self.reading.key)}"
            f" LEFT JOIN {target}.{quoted(table)} AS t ON t.{quoted(self.key)} = +l.target_id"
        )

    def _row(self, group: list[tuple[Cell, ...]]) -> None:
        width = 1 + len(self.names)
        legacy: Row = dict(zip(self.names, group[0][1:width], strict=True))
        self.judged.rows += 1
        if group[0][width] is None:
            # No lineage: the contracts on accounting and quarantine report it.
            return
        group.sort(key=lambda row: row[width])
        key = legacy[self.reading.key]
        try:
            rest = next((kept_rest(row[width + 2]) for row in group if row[width + 2] is not None), {})
        except ValueError as error:
            self._broken(self.judged.rebuilt, key, "rest", f"expected JSON of pairs, found {error}")
            rest = {}
        targets = []
        for row in group:
            target = dict(zip(self.targets, row[width + 3 :], strict=True))
            if target[self.key] is None and row[width + 1] is not None:
                self._broken(self.judged.values, key, self.key, "lineage names a missing row")
                return
            target["legacy_key"] = key
            self.read_documents(target)
            targets.append(target)
        self._check_values(key, legacy, [target for target in targets if target[self.key] is not None])
        if key in self.made:
            return
        as_it_was = {column: was for column, (was, _) in self.sets.decided_cells(self.reading.source, key).items()}
        self._check_rebuilt(key, {**legacy, **as_it_was}, targets, rest)

    def read_documents(self, target: Row) -> None:
        """Add the members of its JSON documents to a *target* row."""
        for name, broken, members_of, texts_of, verbatim in self.documents:
            text = target[name]
            texts: dict[str, str] = {}
            values: Mapping[str, Cell] | None = {}
            if text is not None and verbatim:
                both = members(text)
                values = (
                    None
                    if both is None
                    else {member: value for member, (value, _) in both.items() if value is not None}
                )
                texts = {member: raw for member, (_, raw) in (both or {}).items()}
            elif text is not None:
                values = member_values(text)
            target[broken] = values is None
            target[members_of] = values or {}
            target[texts_of] = texts

    def _check_values(self, key: Cell, legacy: Row, targets: list[Row]) -> None:
        expected = parts_of(self.reading, legacy)
        if len(expected) != len(targets):
            self._broken(
                self.judged.values,
                key,
                self.key,
                f"expected {len(expected)} rows, found {len(targets)} of this legacy row",
            )
            return
        if self.reading.match and len(targets) > 1:
            rule = self.reading.forward[self.reading.match]
            order = [rule(laid) for laid in expected]
            targets = sorted(targets, key=lambda target: _index(order, target[self.reading.match]))
        for part, (laid, target) in enumerate(zip(expected, targets, strict=True)):
            for name, rule, declared in self.forward:
                wanted, seen = rule(laid), target[name]
                # A column stores again unchanged what it returned, so affinity matters only if the cells differ.
                if same(wanted, seen) or same(wanted := self._stored(wanted, seen, declared), seen):
                    continue
                self._differs(self.judged.values, key, name, wanted, seen)
            self._check_documents(key, laid, target)
            if self.reading.assigned:
                numbered_by = (target[self.reading.assigned], self.reading.order, key, part)
                self.judged.places.add(target[self.key], *numbered_by)

    def _stored(self, wanted: Cell, seen: Cell, declared: str) -> Cell:
        """Return what the column stores for *wanted*; for a number within its tolerance, *seen*."""
        if isinstance(wanted, Near):
            near = isinstance(seen, float) and abs(seen - wanted.value) <= wanted.within
            return seen if near else wanted.value
        return self.affinity.stored(wanted, declared)

    def _check_documents(self, key: Cell, laid: Row, target: Row) -> None:
        for (name, broken, members_of, texts_of, _), document in zip(
            self.documents, self.reading.documents.values(), strict=True
        ):
            if target[broken]:
                self._broken(self.judged.values, key, name, "expected a JSON object")
            values, texts = target[members_of], target[texts_of]
            unseen = len(values)
            for member, rule in document.items():
                wanted, seen = rule(laid), values.get(member)
                unseen -= seen is not None
                if isinstance(wanted, Raw):
                    wanted, seen = wanted.text, texts.get(member)
                elif isinstance(wanted, str) and isinstance(seen, str) and "\0" not in seen:
                    # The text after a NUL must be in rest, which the check of the rebuilt row covers.
                    wanted = wanted.partition("\0")[0]
                if not same(wanted, seen):
                    self._differs(self.judged.values, key, f"{name}.{member}", wanted, seen)
            for member in values.keys() - document.keys() if unseen else ():
                self._broken(self.judged.values, key, f"{name}.{member}", "a member that no decision provides")

    def _check_rebuilt(self, key: Cell, legacy: Row, targets: list[Row], rest: Mapping[str, tuple[Cell, Cell]]) -> None:
        seen: Any = targets[0] if self.reading.parts is None else targets
        for name, rule in self.back:
            try:
                from_row = rule(seen)
            except UNREADABLE_ROWS:
                from_row = UNREADABLE
            rebuilt = from_row
            if name in rest:
                rebuilt, from_row_then = rest[name]
                # A cell in rest counts only while the target row still gives the value recorded with it.  If it is there
                # without need, the mapping's way back differs from the oracle's, also for rows written later.
                if (
                    from_row != UNREADABLE
                    and not same(from_row_then, from_row)
                    and not _is_tagged(from_row_then, from_row)
                ):
                    self._broken(
                        self.judged.rebuilt, key, name, "rest does not apply: the target row gives another value"
                    )
                    continue
            if not same(rebuilt, legacy[name]):
                self._differs(self.judged.rebuilt, key, name, legacy[name], rebuilt, legacy=True)
        for name in rest.keys() - legacy.keys() if rest else ():
            self._broken(self.judged.rebuilt, key, name, "rest keeps a column that the legacy table lacks")

    def _differs(
        self, findings: list[str], key: Cell, name: str, wanted: Cell, seen: Cell, *, legacy: bool = False
    ) -> None:
        values = self.sets.show_values
        difference = (
            f"expected {shown(wanted, values=values)}, {'rebuilt' if legacy else 'found'} {shown(seen, values=values)}"
        )
        self._broken(findings, key, name, difference)

    def _broken(self, findings: list[str], key: Cell, name: str, fault: str) -> None:
        if len(findings) < _ENOUGH:
            findings.append(f"{self.reading.source} {key!r} -> {self.reading.target}: {name}: {fault}")


def _is_tagged(then: Cell, now: Cell) -> bool:
    """Return whether *then* is the JSON form ``{"t": hex}`` of the text *now*."""
    return isinstance(now, str) and then == f'{{"t":"{bytes_of(now).hex()}"}}'


def _hash(key: Cell) -> int:
    return zlib.crc32(key if isinstance(key, bytes) else bytes_of(str(key)))


def _index(order: list[Cell], value: Cell) -> int:
    return order.index(value) if value in order else len(order)


def check_numbers(target: str, judged: Judged) -> None:
    """Add a finding for each assigned id that does not rise with time, source and key."""
    for before, after in pairwise(judged.places.taken()):
        if not before < after and len(judged.values) < _ENOUGH:
            judged.values.append(f"{target} {after}: id: does not rise with time, then source, key and part")
