"""Times as logs write them, read as moments of the monotonic clock, on which the monitor's window slides."""

from __future__ import annotations

import datetime as dt
import math
import re

#: Seconds since 1970 of the earliest time that a log of a bot can have: 2000-01-01.  What is below is no clock's.
EARLIEST_S = 946_684_800.0
#: Seconds by which another host's clock may be ahead of ours.
AHEAD_S = 86_400.0
#: Where numbers are no longer seconds, but milli-, micro- or nanoseconds: the year 5138 in the unit before.
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
#: A fraction that Python 3.11 reads, and one with a comma or of another length, as loggers write them.
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)")


def monotonic(written: object, *, now: float, wall: float) -> float | None:
    """Return when a *written* time was on the monotonic clock, None if it can be no time of a log.

    Numbers are seconds since 1970, or milliseconds, microseconds or nanoseconds, by their size; text is such a number or an
    ISO 8601 date and time.  Without an offset that is UTC or this host's own time, whichever is nearer to the present.

    Args:
        written: What the log says.
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
        # Not a number (NaN) is not between any two.
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
