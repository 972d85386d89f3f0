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
    found: dict[str, str] = {}
    lines = text.splitlines(keepends=True)
    header = list(takewhile(lambda line: line.startswith("--"), lines))
    for number, line in enumerate(header, start=1):
        key, colon, value = line.removeprefix("-- ").partition(":")
        where = f"{file}:{number}:1"
        if colon and key in found:
            raise MappingError(f"'{key}' is there twice", where=where, hint="keep one of them")
        if colon and key in keys:
            found[key] = value.strip()
        elif found and line.startswith("--  "):
            last = next(reversed(found))
            found[last] = f"{found[last]} {line[2:].strip()}".strip()
        else:
            raise MappingError("unknown line in the header", where=where, hint=f"known are: {', '.join(keys)}")
    for key in keys.keys() - found.keys():
        if keys[key] is None:
            raise MappingError(f"lacks the line '-- {key}:'", where=f"{file}:1:1", hint="add it to the header")
    return {key: found.get(key, default or "") for key, default in keys.items()}, "".join(lines[len(header) :])
