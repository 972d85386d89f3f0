"""Records as plain values: for JSON, and for a terminal that must not be led astray by a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

#: As much of a name or a sentence is shown, and so much of that from its end, where it says what to do.
LONGEST, _TAIL = 1_500, 500


def escaped(name: object) -> str:
    """Return *name* as a terminal may show it: odd bytes, control and invisible characters as escapes, all on one line.

    Of more than :data:`LONGEST` characters the middle is left out: a name may have a million.
    """
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if len(text) > LONGEST:
        text = f"{text[: -_TAIL + LONGEST]} [{len(text) - LONGEST:,} characters] {text[-_TAIL:]}"
    return "".join(
        character if character == " " or unicodedata.category(character)[0] not in "CZ" else _escape(character)
        for character in text
    )


def plain(value: object) -> Any:
    """Return a record, or anything made of records, as values that JSON knows.

    Raises:
        TypeError: There is something in it that a record should not hold.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | PurePath):
        return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, set | frozenset) else items
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
