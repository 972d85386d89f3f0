"""Reads and compares cells as SQLite stores them: text, storage class, JSON."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import lru_cache
from operator import methodcaller
from typing import Any

from migrator.system import connections
from migrator.system.connections import quoted

#: A cell: None, int, float, str (odd bytes as lone surrogates) or bytes.
Cell = Any
Row = dict[str, Cell]

_CLASSES = {type(None): "NULL", int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}
_BLANKS = re.compile(r"[ \t\n\r]*")
#: Deepest nesting of JSON that counts as JSON [levels]: Python's parser fails at about 1,000.
_DEEPEST = 500
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def text_of(raw: bytes) -> str:
    """Return TEXT from any bytes; equal texts come from equal bytes only."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes of TEXT."""
    return text.encode("utf-8", "surrogateescape")


#: The same as :func:`text_of`, without a Python frame for each cell: SQLite calls it for every TEXT that is read.
_TEXT_OF = methodcaller("decode", "utf-8", "surrogateescape")


def same(first: Cell, second: Cell) -> bool:
    """Return whether two cells have the same storage class and the same bits."""
    if first is second:
        return True
    if type(first) is not type(second) or first != second:
        return False
    return type(first) is not float or first != 0.0 or math.copysign(1.0, first) == math.copysign(1.0, second)


def shown(cell: Cell, *, values: bool) -> str:
    """Return *cell* for a report: storage class, and a digest or the value."""
    kind = _CLASSES.get(type(cell), type(cell).__name__)
    if cell is None:
        return kind
    if values:
        return f"{kind} {cell!r}"
    raw = cell if isinstance(cell, bytes) else bytes_of(cell) if isinstance(cell, str) else repr(cell).encode()
    return f"{kind} #{hashlib.sha256(raw).hexdigest()[:8]}"


class Affinity:
    """Computes what a column of a declared type stores for a value."""

    def stored(self, value: Cell, declared: str) -> Cell:
        """Return what a column declared as *declared* stores for *value*."""
        if value is None or isinstance(value, bytes) or not declared:
            return value
        if isinstance(value, str):
            if declared == "TEXT" or (declared == "TIMESTAMP" and _DAY.match(value)):
                return value
        elif isinstance(value, float):
            # A REAL column has no negative zero: it stores whole numbers as integers.
            if declared == "REAL":
                return value + 0.0
        elif declared == "INTEGER":
            return value
        elif declared == "REAL":
            return float(value)
        return self._by_sqlite(value, declared)

    def _by_sqlite(self, value: Cell, declared: str) -> Cell:
        raw = bytes_of(value) if isinstance(value, str) else value
        with closing(connections.memory()) as connection:
            connection.text_factory = text_of
            connection.execute(f"CREATE TABLE cell (a {declared})")
            connection.execute(f"INSERT INTO cell VALUES ({'CAST(? AS TEXT)' if raw is not value else '?'})", (raw,))
            stored: Cell = connection.execute("SELECT a FROM cell").fetchone()[0]
        return stored


def bound(value: Cell) -> tuple[str, Cell]:
    """Return a placeholder and its value for a cell, also for TEXT with invalid UTF-8."""
    return ("CAST(? AS TEXT)", bytes_of(value)) if isinstance(value, str) else ("?", value)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


#: Extra member that marks an object with two members of the same name; no reading has a member of this name.
TWINS = "(two members of one name)"


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the first member of each name, and the mark if a name occurs twice."""
    by_name = dict(pairs)
    return by_name if len(by_name) == len(pairs) else {**_first(pairs), TWINS: True}


_decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_marked)
#: Reads JSON; the first of two members with the same name counts.  Made once: json.loads makes a decoder for each call.
_loads: Callable[[str], Any] = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_first).decode


def parsed(text: Cell) -> Any:
    """Return the value of JSON text; None if the text is not JSON.

    Text with NUL or invalid UTF-8 is not JSON; text nested deeper than :data:`_DEEPEST` counts as not JSON.
    """
    if not isinstance(text, str) or "\0" in text or (not text.isprintable() and _odd(text)):
        return None
    try:
        value = _loads(text)
    except (ValueError, RecursionError):
        return None
    return None if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST else value


def _depth(text: str) -> int:
    """Return how deep valid JSON is nested; a number or a text has depth 0."""
    deepest = depth = 0
    inside = skip = False
    for letter in text:
        if skip:
            skip = False
        elif inside:
            inside, skip = letter != '"', letter == "\\"
        elif letter == '"':
            inside = True
        else:
            depth += (letter in "[{") - (letter in "]}")
            deepest = max(deepest, depth)
    return deepest


def _odd(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def members(text: Cell) -> dict[str, tuple[Any, str]] | None:
    """Return the members of a JSON object, name -> (value, its text), or None."""
    by_name: dict[str, tuple[Any, str]] = {}
    try:
        place = _after_blanks(text, 0)
        if text[place] != "{":
            return None
        place = _after_blanks(text, place + 1)
        while text[place] != "}":
            name, place = _decoder.raw_decode(text, place)
            place = _after_blanks(text, place)
            if not isinstance(name, str) or text[place] != ":":
                return None
            value, end = _decoder.raw_decode(text, _after_blanks(text, place + 1))
            end = _after_blanks(text, end)
            # For SQLite's JSON functions a text ends at NUL.
            read = value.partition("\0")[0] if isinstance(value, str) else kept(value)
            if name in by_name:
                by_name[TWINS] = (True, "")
            else:
                by_name[name] = (read, text[place + 1 : end])
            place = _after_blanks(text, end + 1) if text[end] == "," else end
    except (IndexError, TypeError, ValueError, RecursionError):
        return None
    return by_name if not text[place + 1 :].strip(" \t\n\r") else None


def with_rowid(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL for the rows of a table with a ``rowid``, also if it has none."""
    name = f"{quoted(schema)}.{quoted(table)}"
    question = "SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE"
    listed = connection.execute(question, (schema, table)).fetchone()
    if not listed or not listed[0]:
        return name
    keys = connection.execute(
        "SELECT name FROM pragma_table_info(?, ?) WHERE pk ORDER BY pk", (table, schema)
    ).fetchall()
    return f"(SELECT row_number() OVER (ORDER BY {', '.join(quoted(key) for (key,) in keys)}) AS rowid, * FROM {name})"


@lru_cache(maxsize=256)
def member_values(text: Cell) -> Mapping[str, Any] | None:
    """Return the members of a JSON object that are not null, or None; cached."""
    try:
        by_name = _decoder.decode(text)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(by_name, dict):
        return None
    for name, value in list(by_name.items()):
        if value is None:
            del by_name[name]
        elif isinstance(value, dict):
            by_name[name] = kept(value)
        elif isinstance(value, str) and "\0" in value:
            by_name[name] = value.partition("\0")[0]
    return by_name


def _after_blanks(text: str, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place


def kept(value: Any) -> Cell:
    """Return the cell of parsed JSON: ``{"b": hex}`` is a BLOB, ``{"t": hex}`` TEXT."""
    if isinstance(value, dict) and value.keys() == {"b"}:
        return bytes.fromhex(value["b"])
    if isinstance(value, dict) and value.keys() == {"t"}:
        return text_of(bytes.fromhex(value["t"]))
    return value


def kept_row(text: Cell) -> Row:
    """Return the cells of a whole row in JSON; empty if *text* is not a JSON object."""
    try:
        cells = _loads(text) if isinstance(text, str) else {}
        return {name: kept(value) for name, value in cells.items()} if isinstance(cells, dict) else {}
    except (ValueError, TypeError, RecursionError):
        # An empty row equals no legacy row, so the comparison reports it.
        return {}


def kept_rest(text: Cell) -> dict[str, tuple[Cell, Cell]]:
    """Return column -> (legacy cell, cell rebuilt without rest) of ``lineage.rest``.

    Raises:
        ValueError: *text* is not a JSON object of pairs.
    """
    if text is None:
        return {}
    pairs = _loads(text)
    if not isinstance(pairs, dict) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs.values()):
        raise ValueError("rest is not an object of pairs")
    return {name: (kept(pair[0]), kept(pair[1])) for name, pair in pairs.items()}


def rows(connection: sqlite3.Connection, question: str, *values: Cell) -> sqlite3.Cursor:
    """Run the query *question*; TEXT may hold any bytes."""
    connection.text_factory = _TEXT_OF
    return connection.execute(question, values)
