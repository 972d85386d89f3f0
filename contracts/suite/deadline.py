"""Limits the time that a judged set's SQL may run: one of its triggers may never end."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Time limits for trying one row and for planting one fault [s].
ROW_S, FAULT_S = 2.0, 60.0
#: Instructions of SQLite's virtual machine between two checks of the clock: a few milliseconds.
_STEPS = 100_000


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt *connection* after *seconds*; SQLite then raises ``interrupted``."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
