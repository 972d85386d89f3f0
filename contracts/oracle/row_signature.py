"""What a target row says, apart from the id that was given to it, so that rows can be matched without lineage.

A face is name -> cell: the columns that a reading decides on, and each member of its JSON documents under
``column.member``.  A reference is followed by value: rows of the parent that say the same are one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping

from contracts.oracle.cells import Affinity, Cell, Row, bytes_of, members, said_members, same
from contracts.oracle.rules import Near, Raw, Reading
from contracts.oracle.table_judge import column_types

#: Stands for a row that nobody can point at: a legacy row without its row here, or a row here that no legacy row explains.
LOST = "\0lost"
#: Which of the rows of a parent that say the same stands for all of them.
Follow = Callable[[Cell], Cell]

_TAGS = {type(None): b"n", int: b"i", float: b"r", str: b"t", bytes: b"b", Raw: b"j"}


class Faces:
    """The faces of the rows of one reading.

    Attributes:
        reading: The reading.
        columns: The target columns that are read.
        raw: Members that have to stand letter by letter; known once the legacy rows were read.
        near: Columns whose number may be rounded in more than one way; known likewise, and no part of the digest.
    """

    def __init__(self, reading: Reading, affinity: Affinity, follow: Mapping[str, Follow]) -> None:
        self.reading = reading
        self.columns = tuple(dict.fromkeys((*reading.forward, *reading.documents)))
        self.raw: set[str] = set()
        self.near: set[str] = set()
        self._affinity = affinity
        self._types = column_types(reading.target)
        self._follow = follow

    @property
    def shape(self) -> tuple[object, ...]:
        """What two readings of one table share if their faces can be compared."""
        named = tuple((name, tuple(sorted(self.reading.documents[name]))) for name in sorted(self.reading.documents))
        return tuple(sorted(self.columns)), named, frozenset(self.raw), frozenset(self.near)

    def expected(self, laid: Row) -> Row:
        """Return the face that a legacy row has to have."""
        face: Row = {}
        for name, say in self.reading.forward.items():
            value = say(laid)
            if isinstance(value, Near):
                self.near.add(name)
                face[name] = value
            else:
                face[name] = LOST if value == LOST else self._affinity.stored(value, self._types.get(name, ""))
        for name, document in self.reading.documents.items():
            for member, say in document.items():
                value = say(laid)
                if isinstance(value, Raw):
                    self.raw.add(f"{name}.{member}")
                if value is not None:
                    face[f"{name}.{member}"] = _to_nul(value)
        return face

    def found(self, there: Row) -> Row:
        """Return the face of a row that is there."""
        face: Row = {}
        for name in self.reading.forward:
            follow = self._follow.get(name)
            face[name] = there[name] if follow is None or there[name] is None else follow(there[name])
        for name in self.reading.documents:
            said = self._members(name, there[name])
            if said is None:
                face[name] = there[name]
            else:
                face.update(said)
        return face

    def _members(self, name: str, text: Cell) -> Row | None:
        if text is None:
            return {}
        raw = {one for one in self.raw if one.startswith(f"{name}.")}
        if not raw:
            said = said_members(text)
            return None if said is None else {f"{name}.{member}": _to_nul(value) for member, value in said.items()}
        both = members(text)
        if both is None:
            return None
        return {
            f"{name}.{member}": Raw(written) if f"{name}.{member}" in raw else _to_nul(value)
            for member, (value, written) in both.items()
            if value is not None
        }

    def digest(self, face: Row) -> bytes:
        """Return what two faces share if each cell is of one storage class and of the same bits."""
        hashed = hashlib.blake2b(digest_size=16)
        for name in sorted(face.keys() - self.near):
            value = face[name]
            written = _written(value)
            hashed.update(b"%s%s%d:" % (bytes_of(name), _TAGS.get(type(value), b"?"), len(written)))
            hashed.update(written)
        return hashed.digest()


def _to_nul(value: Cell) -> Cell:
    """Return *value*; to SQLite's JSON functions a text ends at NUL."""
    return value.partition("\0")[0] if isinstance(value, str) else value


def _written(value: Cell) -> bytes:
    if isinstance(value, Raw):
        return bytes_of(value.text)
    if isinstance(value, str):
        return bytes_of(value)
    return value if isinstance(value, bytes) else repr(value).encode()


def is_near(wanted: Cell, seen: Cell) -> bool:
    """Tell whether *seen* is what is wanted, or near enough to it."""
    if isinstance(wanted, Near):
        return isinstance(seen, float) and math.isfinite(seen) and abs(seen - wanted.value) <= wanted.within
    return wanted == seen if isinstance(wanted, Raw) else same(wanted, seen)


def unlike(wanted: Row, seen: Row) -> list[str]:
    """Return the names under which two faces differ."""
    return [name for name in dict.fromkeys((*wanted, *seen)) if not is_near(wanted.get(name), seen.get(name))]
