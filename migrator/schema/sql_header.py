"""Reads the header of an SQL file: lines ``-- key: value`` before the first statement."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from migrator.errors import MappingError


def read(text: str, keys: Mapping[str, str | None], file: str) -> tuple[dict[str, str], str]:
    """Return the value of each of *keys* in the header of *text*, and the text below the header.

    A value continues on lines that begin with ``--  ``.  A key whose default in *keys* is None must be there.

    Raises:
        MappingError: A line has none of *keys*, a key is there twice, or one is missing.
    """
    values: dict[str, str] = {}
    lines = text.splitlines(keepends=True)
    header = list(takewhile(lambda line: line.startswith("--"), lines))
    for number, line in enumerate(header, start=1):
        key, colon, value = line.removeprefix("-- ").partition(":")
        where = f"{file}:{number}:1"
        if colon and key in values:
            raise MappingError(f"'{key}' is there twice", where=where, hint="keep one of them")
        if colon and key in keys:
            values[key] = value.strip()
        elif values and line.startswith("--  "):
            last = next(reversed(values))
            values[last] = f"{values[last]} {line[2:].strip()}".strip()
        else:
            raise MappingError("unknown line in the header", where=where, hint=f"known are: {', '.join(keys)}")
    for key in keys.keys() - values.keys():
        if keys[key] is None:
            raise MappingError(f"lacks the line '-- {key}:'", where=f"{file}:1:1", hint="add it to the header")
    return {key: values.get(key, default or "") for key, default in keys.items()}, "".join(lines[len(header) :])
