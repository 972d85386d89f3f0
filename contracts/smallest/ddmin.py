"""Delta debugging: finds a small subset of things that still fails.

Method: ddmin of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.  Things that another
thing needs are added: every subset is closed before it is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


def ddmin(
    things: Sequence[Thing], fails: Callable[[Sequence[Thing]], bool], closed: Callable[[Iterable[Thing]], list[Thing]]
) -> list[Thing]:
    """Return a subset of *things* that fails, but not with one thing less.

    Args:
        things: All things; together they fail and are closed.
        fails: Returns whether a closed subset fails; called once per subset.
        closed: Returns a subset with the things that it needs, in a fixed order.
    """
    known: dict[tuple[Thing, ...], bool] = {}

    def smaller(part: Iterable[Thing], than: list[Thing]) -> list[Thing] | None:
        candidate = closed(part)
        if len(candidate) >= len(than):
            return None
        key = tuple(candidate)
        if key not in known:
            known[key] = fails(candidate)
        return candidate if known[key] else None

    left, parts = list(things), 2
    while len(left) >= 2:
        size = -(-len(left) // parts)
        chunks = [left[at : at + size] for at in range(0, len(left), size)]
        others = (
            [thing for at, chunk in enumerate(chunks) if at != gone for thing in chunk] for gone in range(len(chunks))
        )
        if failing := next(filter(None, (smaller(chunk, left) for chunk in chunks)), None):
            left, parts = failing, 2
        elif failing := next(filter(None, (smaller(other, left) for other in others)), None):
            left, parts = failing, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(len(left), 2 * parts)
    return left
