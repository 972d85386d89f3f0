"""The error of a statement that cannot be served."""

from __future__ import annotations

import sqlite3


class Unsupported(sqlite3.OperationalError):
    """A statement that the legacy schema on the consolidated set cannot serve."""
