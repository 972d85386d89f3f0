"""Delta debugging: the fewest of many things that still make something fail.

Method: ddmin of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.  What a thing needs comes
along: every subset is closed before it is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


def ddmin(
    things: Sequence[Thing], fails: Callable[[Sequence[Thing]], bool], closed: Callable[[Iterable[Thing]], list[Thing]]
) -> list[Thing]:
    """Return a subset of *things* that fails, and none of its closed parts that leave out one thing does.

    Args:
        things: They fail together, and are closed.
        fails: Whether a closed subset fails; asked once of each.
        closed: A subset with what it needs, in one order.
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
            [one for at, chunk in enumerate(chunks) if at != gone for one in chunk] for gone in range(len(chunks))
        )
        if found := next(filter(None, (smaller(chunk, left) for chunk in chunks)), None):
            left, parts = found, 2
        elif found := next(filter(None, (smaller(other, left) for other in others)), None):
            left, parts = found, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(len(left), 2 * parts)
    return left
