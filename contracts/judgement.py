"""How a contract says that it is broken: the claim, where, what was expected, what was found, at most five examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import pytest

#: How many counterexamples a broken contract shows.
SHOWN = 5


def same(where: str, what: str, *, expected: object, found: object) -> None:
    """Fail, naming *where* and *what*, unless *found* is *expected*."""
    if expected != found:
        broken(f"{where}: {what}", expected=expected, found=found)


def none(where: str, what: str, counterexamples: Iterable[object]) -> None:
    """Fail, showing the first of them, if there are *counterexamples*."""
    if examples := list(counterexamples):
        more = f"\n  and {len(examples) - SHOWN} more" if len(examples) > SHOWN else ""
        shown = "".join(f"\n  counterexample: {example}" for example in examples[:SHOWN])
        pytest.fail(f"{where}: {what}{shown}{more}", pytrace=False)


def broken(what: str, *, expected: object, found: object) -> NoReturn:
    """Fail with what was expected and what was found."""
    pytest.fail(f"{what}\n  expected: {expected}\n  found:    {found}", pytrace=False)
