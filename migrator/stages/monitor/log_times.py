"""Converts times in logs to the monotonic clock, on which the monitor's window slides."""

from __future__ import annotations

import datetime as dt
import math
import re

#: Earliest possible time of a log [s since 1970]: 2000-01-01.
EARLIEST_S = 946_684_800.0
#: Time by which another host's clock may be ahead [s].
AHEAD_S = 86_400.0
#: From this number on the unit is milli-, micro- or nanoseconds: the year 5138 in the unit before.
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
#: A fraction of a second with a comma or of any length, as loggers write it; Python 3.11 reads only some.
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)")


def monotonic(written: object, *, now: float, wall: float) -> float | None:
    """Return a *written* time as seconds on the monotonic clock; None if it is not a time of a log.

    Numbers are seconds since 1970, or milliseconds, microseconds or nanoseconds, by their size; text is such a number or an
    ISO 8601 date and time.  Without an offset that is UTC or this host's own time, whichever is nearer to the present.

    Args:
        written: The time in the log.
        now: The monotonic clock.
        wall: The same moment in seconds since 1970.
    """
    seconds = _seconds(written, wall)
    if seconds is None or not EARLIEST_S <= seconds <= wall + AHEAD_S:
        return None
    return now - (wall - seconds)


def _seconds(written: object, wall: float) -> float | None:
    if isinstance(written, bool):
        return None
    if isinstance(written, str):
        written = written.strip()
        if not _NUMBER.fullmatch(written):
            return _of_iso(written, wall)
        written = float(written)
    if not isinstance(written, int | float) or not 0 <= written < _UNITS[-1][0]:
        # NaN fails this comparison too.
        return None
    return next(written / per_second for below, per_second in _UNITS if written < below)


def _of_iso(text: str, wall: float) -> float | None:
    try:
        moment = dt.datetime.fromisoformat(_FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", text))
        if moment.tzinfo is not None:
            return moment.timestamp()
        readings = (moment.replace(tzinfo=dt.UTC).timestamp(), moment.timestamp())
    except (ValueError, OverflowError, OSError):
        return None
    return min(readings, key=lambda seconds: math.fabs(wall - seconds))
