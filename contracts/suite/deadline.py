"""An end for what other people's SQL may take: a trigger of a judged set may never end."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that one row may take, and that planting a fault may take.
ROW_S, FAULT_S = 2.0, 60.0
#: Steps of SQLite's machine between two looks at the clock: a few milliseconds.
_STEPS = 100_000


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt what *connection* does after *seconds*; SQLite then says ``interrupted``."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
