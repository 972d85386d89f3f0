"""Cells as SQLite stores them: their text, their storage class, their JSON."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import lru_cache
from typing import Any

from migrator.system import connections
from migrator.system.connections import quoted

#: A cell: None, int, float, str (odd bytes as lone surrogates) or bytes.
Cell = Any
Row = dict[str, Cell]

_CLASSES = {type(None): "NULL", int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}
_BLANKS = re.compile(r"[ \t\n\r]*")
#: JSON that is nested deeper is left where it was: Python's parser gives up at about 1,000 levels.
_DEEPEST = 500
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def text_of(raw: bytes) -> str:
    """Return TEXT from its bytes, whatever they are; equal bytes give equal text and only they do."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes of TEXT."""
    return text.encode("utf-8", "surrogateescape")


def same(one: Cell, other: Cell) -> bool:
    """Tell whether two cells are of one storage class and of the same bits."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    return type(one) is not float or one != 0.0 or math.copysign(1.0, one) == math.copysign(1.0, other)


def shown(cell: Cell, *, values: bool) -> str:
    """Return *cell* for a report: its storage class and a digest, or the value itself if *values* may be shown."""
    kind = _CLASSES.get(type(cell), type(cell).__name__)
    if cell is None:
        return kind
    if values:
        return f"{kind} {cell!r}"
    raw = cell if isinstance(cell, bytes) else bytes_of(cell) if isinstance(cell, str) else repr(cell).encode()
    return f"{kind} #{hashlib.sha256(raw).hexdigest()[:8]}"


class Affinity:
    """What a column of a declared type stores of a value; SQLite is asked wherever that is not plain to see."""

    def stored(self, value: Cell, declared: str) -> Cell:
        """Return what a column declared as *declared* stores of *value*."""
        if value is None or isinstance(value, bytes) or not declared:
            return value
        if isinstance(value, str):
            if declared == "TEXT" or (declared == "TIMESTAMP" and _DAY.match(value)):
                return value
        elif isinstance(value, float):
            # A REAL column has no negative zero: it stores integers where it can.
            if declared == "REAL":
                return value + 0.0
        elif declared == "INTEGER":
            return value
        elif declared == "REAL":
            return float(value)
        return self._asked(value, declared)

    def _asked(self, value: Cell, declared: str) -> Cell:
        raw = bytes_of(value) if isinstance(value, str) else value
        with closing(connections.memory()) as connection:
            connection.text_factory = text_of
            connection.execute(f"CREATE TABLE cell (a {declared})")
            connection.execute(f"INSERT INTO cell VALUES ({'CAST(? AS TEXT)' if raw is not value else '?'})", (raw,))
            stored: Cell = connection.execute("SELECT a FROM cell").fetchone()[0]
        return stored


def bound(value: Cell) -> tuple[str, Cell]:
    """Return a placeholder and its value for a cell; Python cannot bind TEXT of odd bytes directly."""
    return ("CAST(? AS TEXT)", bytes_of(value)) if isinstance(value, str) else ("?", value)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


#: Stands among the members of an object in which two have one name; no reading decides on a member of this name.
TWINS = "(two members of one name)"


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the first member of each name, as SQLite reads JSON, and a mark where one name stands twice."""
    said = dict(pairs)
    return said if len(said) == len(pairs) else {**_first(pairs), TWINS: True}


_decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_marked)
#: Reads JSON; of twin keys the first counts.  Made once: json.loads makes a decoder for each call.
_loads: Callable[[str], Any] = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_first).decode


def parsed(text: Cell) -> Any:
    """Return what JSON text says, or None where it is none.

    NUL and bytes that are no UTF-8 are in no JSON; what is nested too deep for most parsers counts as none.
    """
    if not isinstance(text, str) or "\0" in text or (not text.isprintable() and _odd(text)):
        return None
    try:
        said = _loads(text)
    except (ValueError, RecursionError):
        return None
    return None if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST else said


def _depth(text: str) -> int:
    """Return how deep sound JSON is nested; a number or a text is 0 deep."""
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
    """Return the members of a JSON object, each with what it says and the text that says it, or None if it is none."""
    found: dict[str, tuple[Any, str]] = {}
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
            # To SQLite's JSON functions a text ends at NUL, so that is what the row says.
            said = value.partition("\0")[0] if isinstance(value, str) else kept(value)
            if name in found:
                found[TWINS] = (True, "")
            else:
                found[name] = (said, text[place + 1 : end])
            place = _after_blanks(text, end + 1) if text[end] == "," else end
    except (IndexError, TypeError, ValueError, RecursionError):
        return None
    return found if not text[place + 1 :].strip(" \t\n\r") else None


def with_rowid(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL for the rows of a table, each with a ``rowid``: a table may have been made without."""
    name = f"{quoted(schema)}.{quoted(table)}"
    asked = "SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE"
    found = connection.execute(asked, (schema, table)).fetchone()
    if not found or not found[0]:
        return name
    keys = connection.execute(
        "SELECT name FROM pragma_table_info(?, ?) WHERE pk ORDER BY pk", (table, schema)
    ).fetchall()
    return f"(SELECT row_number() OVER (ORDER BY {', '.join(quoted(key) for (key,) in keys)}) AS rowid, * FROM {name})"


@lru_cache(maxsize=256)
def said_members(text: Cell) -> Mapping[str, Any] | None:
    """Return the members of a JSON object that are not null, as :func:`members` does; faster, and remembered."""
    try:
        said = _decoder.decode(text)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    for name, value in list(said.items()):
        if value is None:
            del said[name]
        elif isinstance(value, dict):
            said[name] = kept(value)
        elif isinstance(value, str) and "\0" in value:
            said[name] = value.partition("\0")[0]
    return said


def _after_blanks(text: str, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place


def kept(value: Any) -> Cell:
    """Return the cell that parsed JSON keeps: ``{"b": hex}`` is a BLOB, ``{"t": hex}`` TEXT of odd bytes."""
    if isinstance(value, dict) and value.keys() == {"b"}:
        return bytes.fromhex(value["b"])
    if isinstance(value, dict) and value.keys() == {"t"}:
        return text_of(bytes.fromhex(value["t"]))
    return value


def kept_row(text: Cell) -> Row:
    """Return the cells of a whole row in JSON; empty where it is none."""
    try:
        said = _loads(text) if isinstance(text, str) else {}
        return {name: kept(value) for name, value in said.items()} if isinstance(said, dict) else {}
    except (ValueError, TypeError, RecursionError):
        # Then it is no legacy row either, and whoever compares says so.
        return {}


def kept_rest(text: Cell) -> dict[str, tuple[Cell, Cell]]:
    """Return column -> (legacy cell, what back said) of ``lineage.rest``; empty where there is none.

    Raises:
        ValueError: It is no JSON object of pairs.
    """
    if text is None:
        return {}
    said = _loads(text)
    if not isinstance(said, dict) or not all(isinstance(pair, list) and len(pair) == 2 for pair in said.values()):
        raise ValueError("rest is no object of pairs")
    return {name: (kept(pair[0]), kept(pair[1])) for name, pair in said.items()}


def rows(connection: sqlite3.Connection, question: str, *values: Cell) -> sqlite3.Cursor:
    """Ask *question*; text of any bytes is read."""
    connection.text_factory = text_of
    return connection.execute(question, values)
