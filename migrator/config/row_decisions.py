"""Reads the decisions about quarantined rows: ``[[decisions.rows]]`` and ``[decisions.vocabulary]``.

Only the text of the configuration is checked here, against the known legacy tables; :mod:`migrator.quarantine.decisions`
checks the decisions against the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.config import values
from migrator.errors import UsageError
from migrator.records.decisions import Decisions, Kind, RowDecision, Word
from migrator.schema import catalogue

#: Key of an entry of ``[[decisions.rows]]`` -> what it holds.
_KEYS = {
    "table": "the legacy table, such as jarvis.positions",
    "key": "the legacy key of a row, or a list of keys",
    "set": "a table of legacy columns and the values to read instead",
    "was": "a table of legacy columns and the values that the row must have, with each column of set",
    "keep": "true",
    "make": "a table of legacy columns and values of the row to make",
    "drop": "the reason, as text",
    "why": "the reason, as text",
}
#: What may be written of NULL, bytes and text that TOML cannot hold.
_NULL, _OCTETS = {"null": True}, ("b", "t")


def read(rows: list[Any], vocabulary: Mapping[str, Any], path: Path) -> Decisions:
    """Return the decisions *rows* and *vocabulary* of the configuration at *path*.

    Raises:
        UsageError: One names an unknown table or column, or is not of the form of a decision.
    """
    return Decisions(
        rows=tuple(_row(entry, f"decisions.rows, entry {number}", path) for number, entry in enumerate(rows, start=1)),
        words=tuple(_words(vocabulary, path)),
    )


def _row(entry: Any, where: str, path: Path) -> RowDecision:
    kind = _kind(entry, where, path)
    source = _table(entry["table"], where, path)
    columns = entry[kind] if kind in (Kind.SET, Kind.MAKE) else {}
    if not isinstance(columns, dict) or (kind is Kind.SET and not columns):
        raise _wrong(path, where, f"{kind} must be {_KEYS[kind]}", "")
    if kind is Kind.KEEP and entry["keep"] is not True:
        raise _wrong(path, where, "keep must be true", "to keep another row, name that row")
    cells = _cells(columns, source, f"{where}, {kind}", path)
    was = entry.get("was", {})
    if not isinstance(was, dict) or (was and kind is Kind.MAKE):
        raise _wrong(path, where, f"was must be {_KEYS['was']}", "leave it out of a row that is made")
    keys = entry["key"] if isinstance(entry["key"], list) else [entry["key"]]
    if not keys:
        raise _wrong(path, where, "key is an empty list", f"write key = {_KEYS['key']}")
    return RowDecision(
        source=source,
        keys=tuple(_cell(key, f"{where}, key", path) for key in keys),
        kind=kind,
        cells=cells,
        was=_cells(was, source, f"{where}, was", path, infinite=True),
        why=_reason(entry, kind, where, path),
    )


def _kind(entry: Any, where: str, path: Path) -> Kind:
    """Return the kind of the decision *entry*, of which the keys are checked."""
    if not isinstance(entry, dict):
        raise _wrong(path, where, "must be a table", "write it as [[decisions.rows]]")
    for name in entry:
        if name not in _KEYS:
            hint = values.near(name, _KEYS).removeprefix("; ") or f"known keys: {', '.join(_KEYS)}"
            raise _wrong(path, where, f"unknown key {name}", hint)
    kinds = [kind for kind in Kind if kind in entry]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise _wrong(path, where, f"expected one of {', '.join(Kind)}; found {found}", "write one entry a decision")
    for name in ("table", "key"):
        if name not in entry:
            raise _wrong(path, where, f"lacks {name}", f"write {name} = {_KEYS[name]}")
    return kinds[0]


def _reason(entry: Mapping[str, Any], kind: Kind, where: str, path: Path) -> str:
    name = kind if kind is Kind.DROP else "why"
    reason = entry.get(name, "")
    if not isinstance(reason, str) or (kind is Kind.DROP and not reason.strip()):
        raise _wrong(path, where, f"{name} must be {_KEYS[name]}", f'write {name} = "..."')
    return reason


def _words(vocabulary: Mapping[str, Any], path: Path) -> Iterator[Word]:
    """Yield the entries of ``[decisions.vocabulary]``: database, table, column, word = value."""
    for database, tables in vocabulary.items():
        for table, columns in _deeper(tables, f"decisions.vocabulary.{database}", path):
            where = f"decisions.vocabulary.{database}.{table}"
            source = _table(f"{database}.{table}", where, path)
            for column, words in _deeper(columns, where, path):
                _column(column, source, where, path)
                for word, value in _deeper(words, f"{where}.{column}", path):
                    yield Word(
                        source=source, column=column, word=word, cell=_cell(value, f"{where}.{column}.{word}", path)
                    )


def _deeper(value: Any, where: str, path: Path) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise _wrong(path, where, "is no word", 'write database.table.column."WORD" = "value"')
    yield from value.items()


def _table(name: Any, where: str, path: Path) -> str:
    known = [f"{database}.{shape.table}" for database in _databases() for shape in catalogue.shapes_of(database)]
    if not isinstance(name, str):
        raise _wrong(path, where, f"table must be {_KEYS['table']}", "")
    if wrong := values.of_table(name, known):
        raise UsageError(f"{where}: {wrong}", where=path)
    return name


def _databases() -> list[str]:
    return list(dict.fromkeys(database.name for database in catalogue.legacy_databases()))


def _column(name: str, source: str, where: str, path: Path) -> None:
    database, _, table = source.partition(".")
    known = dict.fromkeys(
        column for shape in catalogue.shapes_of(database) if shape.table == table for column in shape.names
    )
    if name not in known:
        hint = values.near(name, known).removeprefix("; ") or f"its columns: {', '.join(known)}"
        raise _wrong(path, where, f"{source} has no column {name!r}", hint)


def _cells(
    written: Mapping[str, Any], source: str, where: str, path: Path, *, infinite: bool = False
) -> Mapping[str, Any]:
    for column in written:
        _column(column, source, where, path)
    return MappingProxyType(
        {column: _cell(value, f"{where}.{column}", path, infinite=infinite) for column, value in written.items()}
    )


def _cell(value: Any, where: str, path: Path, *, infinite: bool = False) -> Any:
    """Return the cell that *value* stands for, as the quarantine writes it; *infinite* is whether it may be infinity.

    Raises:
        UsageError: It is not a value that SQLite stores.
    """
    if value == _NULL:
        return None
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _OCTETS and _is_hex(*value.values()):
        return {kind: bytes.fromhex(octets).hex() for kind, octets in value.items()}
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        expected = "expected a text, a number, { null = true } or { b = hex }"
        raise _wrong(
            path, where, f"{expected}; found {value!r}", "SQLite has no truth values and dates: write 1, or a text"
        )
    if isinstance(value, str):
        return {"t": value.encode().hex()} if "\0" in value else value
    if isinstance(value, int):
        stored = -(2**63) <= value < 2**63
    else:
        stored = math.isfinite(value) or (infinite and math.isinf(value))
    if not stored:
        raise _wrong(
            path, where, f"expected a number that SQLite stores; found {value!r}", "write a text, or { null = true }"
        )
    return value


def _is_hex(text: Any) -> bool:
    try:
        bytes.fromhex(text)
    except (TypeError, ValueError):
        return False
    return True


def _wrong(path: Path, where: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{where}: {what}", where=path, hint=hint)
