"""Matches the rows of one target table with the rows that the oracle expects, by value.

Assigned ids are ignored, and references are compared by the row that they lead to.  Equal rows are matched as a
multiset: three equal legacy rows need three rows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from contracts.checks import references
from contracts.checks.admission import Admission
from contracts.oracle.cells import Cell, Row, rows, shown
from contracts.oracle.judge import every_reading
from contracts.oracle.row_signature import LOST, Faces, Follow, is_near, unlike
from contracts.oracle.rules import Near, Reading
from contracts.oracle.table_judge import parts_of, target_key
from contracts.sets.case import Case
from migrator.system.connections import quoted

#: Limits of the nearest-row search [rows]: lost rows per table, and candidates per lost row.
_EXAMPLES, _CANDIDATES = 20, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A legacy row without a row in the target table.

    Attributes:
        source: Its database and table.
        key: Its key.
        refused: The constraint of the specification that refuses it; '' if none does.
        nearest: The most similar unexplained row and its differing columns; '' without such a row.
    """

    source: str
    key: Cell
    refused: str = ""
    nearest: str = ""


@dataclass(slots=True, kw_only=True)
class Wanted:
    """The rows that one reading expects: place and key of the legacy row, digest of the face."""

    faces: Faces
    rows: list[tuple[int, Cell, bytes, tuple[Cell, ...]]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)


#: A row of the target table: its place in the table, its id, and its cells that may be rounded in more than one way.
_Here = tuple[int, Cell, list[Cell]]


class TableByValue:
    """The matched rows of *target*; *parents* has those of its references, by column.

    Attributes:
        rows: Number of legacy rows that go to the table.
        wanted: Number of rows that they must become.
        here: Number of rows in the table.
        stubs: Number of stubs in the table.
        missing: Legacy rows without a row in the table.
        extra: Rows that no legacy row explains: place in the table -> id.
        problem: Why the table cannot be read; '' if it can.
    """

    def __init__(self, case: Case, target: str, parents: Mapping[str, TableByValue]) -> None:
        self.case = case
        self.target = target
        self.parents = parents
        self.rows = self.wanted = self.here = self.stubs = 0
        self.missing: list[Missing] = []
        self.extra: dict[int, Cell] = {}
        self._key = target_key(target)
        self._taken: set[int] = set()
        # Ids are used for references only: another tool's table may lack them, or repeat one.
        self._explained: set[Cell] = set()
        self._lost: set[Cell] = set()
        self._twins: dict[Cell, Cell] = {}
        self._became: dict[str, dict[Cell, Cell]] = {}
        readings = case.reader.readings(target)
        self.assigned = any(reading.assigned for reading in readings)
        columns = [self._key, *(name for reading in readings for name in (*reading.forward, *reading.documents))]
        self.problem = case.judged.unreadable(target, columns)
        self._match(readings)

    def became(self, source: str) -> Mapping[Cell, Cell]:
        """Return legacy key -> id of the row that it became, or of the first equal row."""
        return self._became.get(source, {})

    def follow(self, id_: Cell) -> Cell:
        """Return the value to which a reference to the row *id_* is compared."""
        alike = self._twins.get(id_, id_)
        if self.assigned:
            return alike if alike in self._explained else LOST
        # NULL and the number of a row that never existed are both references to no row.
        return alike if self.knows(alike) else None

    def knows(self, id_: Cell) -> bool:
        """Return whether the table has a row *id_*, or must have it."""
        return id_ == LOST or id_ in self._explained or id_ in self._unexplained or id_ in self._lost

    def _match(self, readings: list[Reading]) -> None:
        follow: Mapping[str, Follow] = {column: parent.follow for column, parent in self.parents.items()}
        wanted = [self._wanted(Faces(reading, self.case.reader.affinity, follow)) for reading in readings]
        pools: dict[Any, dict[bytes, list[_Here]]] = {}
        for of_reading in wanted:
            pool = pools.get(of_reading.faces.shape)
            if pool is None:
                pool = pools[of_reading.faces.shape] = self._pool(of_reading.faces)
            self._pair_off(of_reading, pool)
        for place in self._taken:
            del self.extra[place]
        self._leave_out_stubs(readings)
        self._unexplained = set(self.extra.values())
        for of_reading in wanted:
            self._explain(of_reading)

    def _wanted(self, faces: Faces) -> Wanted:
        """Read the legacy rows; again if another column turned out to be rounded."""
        while True:
            near, wanted, whole = frozenset(faces.near), Wanted(faces=faces), 0
            for place, legacy in enumerate(self._legacy(faces.reading)):
                whole += 1
                for laid in parts_of(faces.reading, legacy):
                    face = faces.expected(laid)
                    wide = tuple(face.get(name) for name in sorted(faces.near))
                    wanted.rows.append((place, legacy[faces.reading.key], faces.digest(face), wide))
            if near == faces.near:
                self.rows += whole
                self.wanted += len(wanted.rows)
                return wanted

    def _legacy(self, reading: Reading) -> Iterator[Row]:
        names = tuple(dict.fromkeys((*reading.columns, reading.key)))
        for cells in self.case.legacy_rows(reading.source, *names):
            yield dict(zip(names, cells, strict=True))

    def _pool(self, faces: Faces) -> dict[bytes, list[_Here]]:
        """Return digest -> rows of the table with that face."""
        pool: dict[bytes, list[_Here]] = {}
        for place, id_, face in self._found(faces):
            alike = pool.setdefault(faces.digest(face), [])
            alike.append((place, id_, [face[name] for name in sorted(faces.near)]))
            self.extra[place] = id_
            if len(alike) > 1:
                self._twins.setdefault(id_, alike[0][1])
        self.here = len(self.extra)
        return pool

    def _found(self, faces: Faces, only: Container[int] | None = None) -> Iterator[tuple[int, Cell, Row]]:
        """Yield place, id and face of every row of the table, or of those in *only*."""
        if self.problem:
            return
        database, _, table = self.target.partition(".")
        names = list(dict.fromkeys((self._key, *faces.columns)))
        question = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table)}"
        with self.case.judged.read(database) as connection:
            try:
                for place, cells in enumerate(rows(connection, question)):
                    if only is None or place in only:
                        yield place, cells[0], faces.found(dict(zip(names, cells, strict=True)))
            except sqlite3.Error as error:
                self.problem = f"cannot be read ({error})"

    def _pair_off(self, wanted: Wanted, pool: dict[bytes, list[_Here]]) -> None:
        became = self._became.setdefault(wanted.faces.reading.source, {})
        for place, key, digest, near in wanted.rows:
            alike = pool.get(digest, [])
            while alike and alike[-1][0] in self._taken:
                alike.pop()
            fits = (at for at in reversed(range(len(alike))) if all(map(is_near, near, alike[at][2])))
            if (at := next(fits, None)) is None:
                wanted.missing.add(place)
                continue
            taken, id_, _ = alike.pop(at)
            self._taken.add(taken)
            stands = self._twins.get(id_, id_)
            self._explained.add(stands)
            became.setdefault(key, stands)

    def _leave_out_stubs(self, readings: list[Reading]) -> None:
        table = self.target.partition(".")[2]
        made = next(((claims, name) for home, claims, name in references.STUBS.values() if home == table), None)
        if made is None:
            return
        claims, name = made
        # The legacy table may be missing while other tables refer to its rows.
        shapes = readings or [
            reading for reading in every_reading(self.case.reader.world) if reading.target == self.target
        ]
        faces = Faces(shapes[0], self.case.reader.affinity, {})
        if not readings:
            self._pool(faces)
        if not self.extra:
            return
        hanging = references.hanging_on(self.case, table)
        for place, id_, face in self._found(faces, self.extra.copy()):
            filled = {column: value for column, value in face.items() if value is not None and column != "id"}
            if name in filled and filled[name] in hanging and filled == {name: filled[name], **claims}:
                del self.extra[place]
                self._explained.add(id_)
                self.stubs += 1

    def _explain(self, wanted: Wanted) -> None:
        """Add each lost legacy row to :attr:`missing`, with its refusing constraint or nearest row."""
        if not wanted.missing:
            return
        reading, faces = wanted.faces.reading, wanted.faces
        admission = Admission(
            self.case.judged.specification,
            self.target,
            {column: parent.knows for column, parent in self.parents.items()},
        )
        for _, _, face in self._found(faces, self._taken):
            admission.let_in(face)
        places = set(islice(self.extra, _CANDIDATES))
        unexplained = [(id_, face) for _, id_, face in self._found(faces, places)] if places else []
        became = self._became[reading.source]
        # Rows with the same key cannot be told apart, so none of them is accepted.
        counts = Counter(legacy[reading.key] for legacy in self._legacy(reading))
        twins = {key for key, count in counts.items() if count > 1}
        for place, legacy in enumerate(self._legacy(reading)):
            if place not in wanted.missing:
                continue
            key, nearest = legacy[reading.key], ""
            expected = [faces.expected(laid) for laid in parts_of(reading, legacy)]
            refused = f"NOT NULL {reading.key}" if key is None else ""
            refused = refused or (f"UNIQUE {reading.key}" if key in twins else "")
            refused = refused or next(filter(None, map(admission.refuses, expected)), "")
            if not refused:
                # Of two lost rows with the same unique value the table could accept only one.
                admission.let_in(expected[0])
                became.setdefault(key, LOST if self.assigned else key)
                self._lost.add(key)
                if len(self.missing) < _EXAMPLES:
                    nearest = self._nearest(expected[0], unexplained)
            self.missing.append(Missing(source=reading.source, key=key, refused=refused, nearest=nearest))

    def _nearest(self, wanted: Row, candidates: list[tuple[Cell, Row]]) -> str:
        """Return the nearest candidate and its differing columns; '' if none has half of the cells."""
        if not candidates:
            return ""
        id_, face = min(candidates, key=lambda candidate: len(unlike(wanted, candidate[1])))
        names = unlike(wanted, face)
        if 2 * len(names) > len(wanted.keys() | face.keys()):
            return ""
        values = self.case.show_values
        differences = [
            f"{name}: expected {_shown(wanted.get(name), values=values)}, found {_shown(face.get(name), values=values)}"
            for name in names
        ]
        return f"{self.target} {id_!r} has {'; '.join(differences)}"


def _shown(value: Cell, *, values: bool) -> str:
    if value == LOST:
        return "a row that is lost or differs"
    if isinstance(value, Near):
        return f"about {shown(value.value, values=values)}"
    return shown(getattr(value, "text", value), values=values)
