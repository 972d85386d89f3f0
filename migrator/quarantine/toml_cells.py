"""Writes decisions about rows, and their cells, as the configuration has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.quarantine.rows import QuarantinedRow
from migrator.records.decisions import Decisions, Kind, RowDecision


def entries(decisions: Decisions) -> str:
    """Return the entries of the configuration for the rows that *decisions* name."""
    return "".join(f"\n[[decisions.rows]]\n{''.join(_lines(decision))}" for decision in decisions.rows)


def _lines(decision: RowDecision) -> Iterator[str]:
    keys = ", ".join(map(cell, decision.keys))
    yield f"table = {cell(decision.source)}\n"
    yield f"key = {keys if len(decision.keys) == 1 else f'[{keys}]'}\n"
    does = {Kind.KEEP: "true", Kind.DROP: cell(decision.why)}
    yield f"{decision.kind} = {does.get(decision.kind) or inline_table(decision.cells)}\n"
    if decision.was:
        yield f"was = {inline_table(decision.was)}\n"
    if decision.why and decision.kind is not Kind.DROP:
        yield f"why = {cell(decision.why)}\n"


def inline_table(cells: Mapping[str, Any]) -> str:
    """Return column -> cell as an inline table of TOML."""
    members = (f"{name(column)} = {cell(value)}" for column, value in cells.items())
    return f"{{ {', '.join(members)} }}"


def name(column: str) -> str:
    """Return *column* as a key of TOML."""
    return column if re.fullmatch("[A-Za-z0-9_-]+", column) else cell(column)


def cell(value: Any) -> str:
    """Return a cell as a value of TOML."""
    if value is None:
        return "{ null = true }"
    if isinstance(value, dict):
        return inline_table(value)
    # A basic string of TOML is a string of JSON, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)


def key_of(row: QuarantinedRow) -> Any:
    """Return the key of *row* as a cell."""
    if isinstance(row.key, bytes):
        return {"b": row.key.hex()}
    if isinstance(row.key, str):
        octets = row.key.encode("utf-8", "surrogateescape")
        return row.key if row.key.isprintable() or octets.isascii() else {"t": octets.hex()}
    return row.key
