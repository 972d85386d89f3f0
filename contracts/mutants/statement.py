"""What is run on a finished database to spoil it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Statement(NamedTuple):
    """SQL, and what stands in its places."""

    sql: str
    values: tuple[Any, ...] = ()


#: A kind, a place, and the statements, each of which changes something.
Mutation = tuple[str, str, tuple[Statement, ...]]
