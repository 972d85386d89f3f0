"""Converts times between the bot's spellings and the target format."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache

from contracts.oracle.cells import Cell, text_of

_SPELLING = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ]((?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(?:\.(\d+))?)?(Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d(?::[0-5]\d)?)?)?",
    re.ASCII,
)
#: The target format: UTC, with a fraction of six digits only if it is not zero.
ONE_FORM = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.(?!000000)\d{6})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=10_000)
def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def instant(cell: Cell, local: str = "+00:00") -> str | None:
    """Return the time of *cell* in the target format; None if *cell* is not a time.

    *local* is the offset of a time without one.  30 February, hour 24 and second 60 do not exist.  Digits beyond
    microseconds are cut.
    """
    if isinstance(cell, bytes):
        cell = text_of(cell)
    match = _SPELLING.fullmatch(cell) if isinstance(cell, str) else None
    if match is None or not _exists(match[1]):
        return None
    day, clock, second, fraction, zone = match.groups()
    moment = f"{day} {clock or '00:00'}:{second or '00'}"
    zone = zone or local
    if zone not in {"Z", "+00:00"}:
        shifted = _at_utc(moment, zone)
        if shifted is None:
            return None
        moment = shifted
    micro = f"{fraction[:6]:0<6}" if fraction else "000000"
    return moment if micro == "000000" else f"{moment}.{micro}"


def _at_utc(moment: str, zone: str) -> str | None:
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:] or 0))
    try:
        clock = datetime.fromisoformat(f"{moment}+00:00")
        return str((clock - away if zone[0] == "+" else clock + away).replace(tzinfo=None))
    except OverflowError:
        return None


def of_epoch(cell: Cell) -> str | None:
    """Return seconds since 1970, a REAL, in the target format; None for any other cell."""
    if not isinstance(cell, float) or not math.isfinite(cell):
        return None
    try:
        return str((_EPOCH + timedelta(microseconds=math.floor(Fraction(cell) * 10**6))).replace(tzinfo=None))
    except OverflowError:
        return None


def to_epoch(cell: Cell) -> float | None:
    """Return a time in the target format as seconds since 1970, the nearest double."""
    if instant(cell) is None:
        return None
    return (datetime.fromisoformat(f"{cell}+00:00") - _EPOCH) // timedelta(microseconds=1) / 10**6


def spelled(cell: Cell) -> str | None:
    """Return a time in the bot's usual spelling: ``2026-01-17T05:11:22.123456+00:00``."""
    return None if cell is None else f"{cell}".replace(" ", "T") + "+00:00"


def on_a_clock(cell: Cell, local: str | None) -> str | None:
    """Return a time as local time at the offset *local*; without an offset as UTC, marked so."""
    if cell is None or local is None:
        return spelled(cell)
    opposite = f"{'+' if local[0] == '-' else '-'}{local[1:]}"
    shifted = _at_utc(str(cell), opposite)
    return str(cell) if shifted is None else shifted.replace(" ", "T")


def is_long_held(bought: str, sold: str) -> bool:
    """Return whether more than 365 whole days lie between two times in the target format."""
    held = datetime.fromisoformat(f"{sold}+00:00") - datetime.fromisoformat(f"{bought}+00:00")
    return held.days > 365
