"""How a contract says that it is broken: the claim, where, what was expected, what was found, at most five examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import pytest

#: How many counterexamples a broken contract shows.
SHOWN = 5
#: Letters of one thing that are shown: a name may be as long as its database.
_LETTERS = 1_000


def same(where: str, what: str, *, expected: object, found: object) -> None:
    """Fail, naming *where* and *what*, unless *found* is *expected*."""
    if expected != found:
        broken(f"{where}: {what}", expected=expected, found=found)


def none(where: str, what: str, counterexamples: Iterable[object]) -> None:
    """Fail, showing the first of them, if there are *counterexamples*."""
    if examples := list(counterexamples):
        more = f"\n  and {len(examples) - SHOWN:,} more" if len(examples) > SHOWN else ""
        shown = "".join(f"\n  counterexample: {plain(str(example))}" for example in examples[:SHOWN])
        fail(f"{plain(where)}: {plain(what)}{shown}{more}")


def broken(what: str, *, expected: object, found: object) -> NoReturn:
    """Fail with what was expected and what was found."""
    fail(f"{plain(what)}\n  expected: {plain(str(expected))}\n  found:    {plain(str(found))}")


def fail(said: str) -> NoReturn:
    """Fail with these words alone, whatever led to them."""
    raise pytest.fail.Exception(said, pytrace=False) from None


def plain(text: str) -> str:
    """Return *text* on one line, short enough to be read, with letters that any terminal and any file can take."""
    cut = text[:_LETTERS]
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)
    return shown if cut == text else f"{shown}... ({len(text):,} letters)"
