"""The SQL statements that plant a fault in a finished database."""

from __future__ import annotations

from typing import Any, NamedTuple


class Statement(NamedTuple):
    """SQL, and the values of its placeholders."""

    sql: str
    values: tuple[Any, ...] = ()


#: A kind, a place, and the statements; each must change something.
Mutation = tuple[str, str, tuple[Statement, ...]]
