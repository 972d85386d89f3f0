"""The content of a target row without its assigned id, to match rows by value.

A face is name -> cell: the columns of a reading, and each member of its JSON documents under ``column.member``.  A
reference is compared by value: equal rows of the parent count as one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping

from contracts.oracle.cells import Affinity, Cell, Row, bytes_of, member_values, members, same
from contracts.oracle.rules import Near, Raw, Reading
from contracts.oracle.table_judge import column_types

#: Value of a reference to a lost row, or to a row that no legacy row explains.
LOST = "\0lost"
#: Returns for the id of a parent row the id that stands for all rows equal to it.
Follow = Callable[[Cell], Cell]

_TAGS = {type(None): b"n", int: b"i", float: b"r", str: b"t", bytes: b"b", Raw: b"j"}


class Faces:
    """The faces of the rows of one reading.

    Attributes:
        reading: The reading.
        columns: The target columns that are read.
        raw: Members whose text must be the same, letter by letter; complete after the legacy rows were read.
        near: Columns whose number may be rounded in more than one way; complete likewise, and not in the digest.
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
        """Equal for two readings of one table if their faces can be compared."""
        named = tuple((name, tuple(sorted(self.reading.documents[name]))) for name in sorted(self.reading.documents))
        return tuple(sorted(self.columns)), named, frozenset(self.raw), frozenset(self.near)

    def expected(self, laid: Row) -> Row:
        """Return the face that a legacy row must have."""
        face: Row = {}
        for name, rule in self.reading.forward.items():
            value = rule(laid)
            if isinstance(value, Near):
                self.near.add(name)
                face[name] = value
            else:
                face[name] = LOST if value == LOST else self._affinity.stored(value, self._types.get(name, ""))
        for name, document in self.reading.documents.items():
            for member, rule in document.items():
                value = rule(laid)
                if isinstance(value, Raw):
                    self.raw.add(f"{name}.{member}")
                if value is not None:
                    face[f"{name}.{member}"] = _to_nul(value)
        return face

    def found(self, target: Row) -> Row:
        """Return the face of a target row."""
        face: Row = {}
        for name in self.reading.forward:
            follow = self._follow.get(name)
            face[name] = target[name] if follow is None or target[name] is None else follow(target[name])
        for name in self.reading.documents:
            document = self._members(name, target[name])
            if document is None:
                face[name] = target[name]
            else:
                face.update(document)
        return face

    def _members(self, name: str, text: Cell) -> Row | None:
        if text is None:
            return {}
        raw = {member for member in self.raw if member.startswith(f"{name}.")}
        if not raw:
            values = member_values(text)
            return None if values is None else {f"{name}.{member}": _to_nul(value) for member, value in values.items()}
        both = members(text)
        if both is None:
            return None
        return {
            f"{name}.{member}": Raw(written) if f"{name}.{member}" in raw else _to_nul(value)
            for member, (value, written) in both.items()
            if value is not None
        }

    def digest(self, face: Row) -> bytes:
        """Return a digest that is equal for faces with the same storage classes and bits."""
        hashed = hashlib.blake2b(digest_size=16)
        for name in sorted(face.keys() - self.near):
            value = face[name]
            written = _written(value)
            hashed.update(b"%s%s%d:" % (bytes_of(name), _TAGS.get(type(value), b"?"), len(written)))
            hashed.update(written)
        return hashed.digest()


def _to_nul(value: Cell) -> Cell:
    """Return *value*, a text only up to NUL, where it ends for SQLite's JSON functions."""
    return value.partition("\0")[0] if isinstance(value, str) else value


def _written(value: Cell) -> bytes:
    if isinstance(value, Raw):
        return bytes_of(value.text)
    if isinstance(value, str):
        return bytes_of(value)
    return value if isinstance(value, bytes) else repr(value).encode()


def is_near(wanted: Cell, seen: Cell) -> bool:
    """Return whether *seen* equals *wanted* or is within its tolerance."""
    if isinstance(wanted, Near):
        return isinstance(seen, float) and math.isfinite(seen) and abs(seen - wanted.value) <= wanted.within
    return wanted == seen if isinstance(wanted, Raw) else same(wanted, seen)


def unlike(wanted: Row, seen: Row) -> list[str]:
    """Return the names under which two faces differ."""
    return [name for name in dict.fromkeys((*wanted, *seen)) if not is_near(wanted.get(name), seen.get(name))]
