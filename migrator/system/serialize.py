"""Converts records to plain values for JSON and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from migrator.system.escaping import escaped

_T = TypeVar("_T")


def plain(value: object) -> Any:
    """Return a record, or a collection of records, as plain JSON values.

    Raises:
        TypeError: It holds a value of a type that records do not have.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | PurePath | dt.date):
        return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, set | frozenset) else items
    raise TypeError(f"{type(value).__name__} cannot be part of a record")


def record(values: object, of: type[_T], path: Callable[[str], Path] = Path) -> _T:
    """Return the record of type *of* with these *values*, as JSON has them; *path* reads a path.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """

    def custom(kind: type, value: Any) -> Any:
        return value if isinstance(value, kind) else (path if kind is Path else kind)(value)

    try:
        made = msgspec.convert(values, of, dec_hook=custom)
        _refuse_unknown(values, msgspec.to_builtins(made, enc_hook=str))
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(escaped(error)) from error
    return made


def _refuse_unknown(values: object, known: object) -> None:
    """Raise ValueError where an object of *values* has a field that *known* lacks: msgspec ignores those of a dataclass."""
    if isinstance(values, dict) and isinstance(known, dict):
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"Object contains unknown field `{name}`")
            _refuse_unknown(value, known[name])
    elif isinstance(values, list) and isinstance(known, list | tuple):
        for value, item in zip(values, known, strict=False):
            _refuse_unknown(value, item)
