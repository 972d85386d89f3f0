"""SQL functions for mappings beside SQLite's own, and the form of a cell inside JSON.

Each is deterministic.  They do what SQLite 3.40 cannot: read a time exactly to the microsecond (``datetime`` accepts
the 30th of February and rounds fractions), and write a number or a text inside JSON so that its bits come back.

Text is passed as a BLOB (``utc(CAST(t.opened_at AS BLOB))``): Python gets TEXT only if it is valid UTF-8,
and a legacy database may hold any bytes.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

_TIME = re.compile(
    rb"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d)(?::([0-5]\d))?)?)?"
)
#: The most common format: 2026-01-17T05:11:22.123456+00:00.
_USUAL = re.compile(rb"\d{4}-\d\d-\d\dT[01]\d:\d\d:\d\d\.\d{6}\+00:00|\d{4}-\d\d-\d\dT2[0-3]:\d\d:\d\d\.\d{6}\+00:00")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - every time here is UTC without saying so
_MICROSECOND = timedelta(microseconds=1)
#: Made once: json.dumps makes a new encoder for each call with other than default options.
_TEXT = json.JSONEncoder(ensure_ascii=False).encode
#: Deepest nesting of JSON inside a target's JSON: parsers fail beyond some depth, Python's at about 1,000.
DEEPEST = 500
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
#: Default offset: the time is UTC.
UTC = "+00:00"


def register(connection: sqlite3.Connection) -> None:
    """Register the functions on *connection*."""
    functions: tuple[tuple[str, int, Callable[..., str | bytes | int | float | None]], ...] = (
        ("utc", 1, utc),
        ("utc", 2, utc),
        ("utc_of_epoch", 1, utc_of_epoch),
        ("epoch_of_utc", 1, epoch_of_utc),
        ("local_time", 2, local_time),
        ("cell", 1, cell),
        ("text_cell", 1, text_cell),
        ("cell_of", 2, cell_of),
        ("plain_json", 1, plain_json),
    )
    for name, arguments, function in functions:
        connection.create_function(name, arguments, function, deterministic=True)


def utc(text: object, offset: str = UTC) -> str | None:
    """Return the time *text* as ``YYYY-MM-DD HH:MM:SS[.ffffff]`` in UTC, or None where it is no time.

    A time without an offset is taken to be at *offset* (``+HH:MM``).  A date alone is 00:00:00.  Digits beyond six
    are cut, a fraction of zero is dropped.  Hour 24, second 60, days that no calendar
    has and offsets that no clock has are no times.
    """
    if not isinstance(text, bytes):
        return None
    try:
        if _USUAL.fullmatch(text):
            usual = text.decode("ascii")
            datetime.fromisoformat(usual)
            return f"{usual[:10]} {usual[11:19]}" + ("" if usual[20:26] == "000000" else usual[19:26])
        if (match := _TIME.fullmatch(text)) is None:
            return None
        date, clock, second, fraction, sign, hours, minutes, seconds = (
            part and part.decode("ascii") for part in match.groups()
        )
        # Python 3.13 reads hour 24 as the next day; a time that two versions read differently is invalid.
        if clock and clock.startswith("24"):
            return None
        moment = datetime.fromisoformat(f"{date} {clock or '00:00'}:{second or '00'}")
        if sign is None and not text.endswith(b"Z"):
            sign, hours, minutes = offset[0], offset[1:3], offset[4:6]
        away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0))
        moment = moment + away if sign == "-" else moment - away
    except (ValueError, OverflowError):
        return None
    micro = f"{fraction[:6]:0<6}" if fraction else "000000"
    return moment.isoformat(" ") + ("" if micro == "000000" else f".{micro}")


def utc_of_epoch(seconds: object) -> str | None:
    """Return *seconds* since 1970 as UTC text, cut to the microsecond, or None where it is no number or no time."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    try:
        moment = _EPOCH + (Fraction(seconds) * 1_000_000 // 1) * _MICROSECOND
    except OverflowError:
        return None
    return moment.isoformat(" ")


def epoch_of_utc(text: object) -> float | None:
    """Return UTC text (as a BLOB) as seconds since 1970, the nearest double, or None where it is no such text."""
    whole = utc(text)
    return None if whole is None else ((datetime.fromisoformat(whole) - _EPOCH) // _MICROSECOND) / 1_000_000


def local_time(text: object, offset: str | None) -> str | None:
    """Return the time *text* (as a BLOB) as a clock at *offset* showed it, ``YYYY-MM-DDTHH:MM:SS[.ffffff]``.

    Without a configured offset it is written in UTC, with ``+00:00``.  None if it is not a time.
    """
    whole = utc(text)
    if whole is None or offset is None:
        return whole and f"{whole.replace(' ', 'T')}{UTC}"
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    moment = datetime.fromisoformat(whole)
    try:
        return (moment - away if offset[0] == "-" else moment + away).isoformat()
    except OverflowError:
        return None


def cell(value: object) -> str:
    """Return *value*, which is not a text, as JSON from which :func:`value_of` reads the same storage class and bits.

    NULL, integers and finite reals are JSON numbers (a real always has a point or an exponent), infinity is 9e999, a
    BLOB is ``{"b": hex}``.
    """
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ("9e999" if value > 0 else "-9e999")
    if isinstance(value, bytes):
        return f'{{"b":"{value.hex()}"}}'
    return "null" if value is None else str(value)


def text_cell(text: bytes) -> str:
    """Return a TEXT, given as its bytes, as a JSON string, or as ``{"t": hex}`` where it holds NUL or is not UTF-8."""
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = "\0"
    return f'{{"t":"{text.hex()}"}}' if "\0" in decoded else _TEXT(decoded)


def plain_json(octets: object) -> int:
    """Return 1 if valid JSON, given as its bytes, may be copied verbatim into other JSON, else 0.

    It must be UTF-8 without NUL, and nested at most :data:`DEEPEST` levels, so that every parser reads it.
    """
    if not isinstance(octets, bytes) or b"\0" in octets:
        return 0
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return 0
    if octets.count(b"[") + octets.count(b"{") <= DEEPEST:
        return 1
    depth = 0
    for match in _BRACKETS.finditer(octets):
        depth += (match[0] in b"[{") - (match[0] in b"]}")
        if depth > DEEPEST:
            return 0
    return 1


def cell_of(row: str, path: str) -> str | bytes | int | float | None:
    """Return the cell at *path* (``column`` or ``column/0``) of JSON made of cells; TEXT that is not UTF-8 as a BLOB."""
    name, _, number = path.partition("/")
    parsed = _parsed(row)[name]
    return value_of(parsed[int(number)] if number else parsed)


@lru_cache(maxsize=4)
def _parsed(row: str) -> Any:
    """Return the parsed JSON *row*, cached: a statement reads its cells one after the other."""
    return json.loads(row)


def value_of(parsed: Any) -> str | bytes | int | float | None:
    """Return the value of a cell from parsed JSON; TEXT that is not UTF-8 as its bytes."""
    if isinstance(parsed, dict):
        return bytes.fromhex(parsed["b"] if "b" in parsed else parsed["t"])
    value: str | int | float | None = parsed
    return value
