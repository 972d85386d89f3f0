"""Fails a contract with a message: claim, place, expected and found, counterexamples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import pytest

#: Counterexamples in the message of a broken contract [rows]: enough to see a pattern.
SHOWN = 5
#: Length of one text in a message [letters]: a name may be as long as its database.
_LETTERS = 1_000


def same(where: str, what: str, *, expected: object, found: object) -> None:
    """Fail with *where* and *what* unless *found* equals *expected*."""
    if expected != found:
        broken(f"{where}: {what}", expected=expected, found=found)


def none(where: str, what: str, counterexamples: Iterable[object]) -> None:
    """Fail with the first *counterexamples*, if there are any."""
    if examples := list(counterexamples):
        more = f"\n  and {len(examples) - SHOWN:,} more" if len(examples) > SHOWN else ""
        shown = "".join(f"\n  counterexample: {plain(str(example))}" for example in examples[:SHOWN])
        fail(f"{plain(where)}: {plain(what)}{shown}{more}")


def broken(what: str, *, expected: object, found: object) -> NoReturn:
    """Fail with what was expected and what was found."""
    fail(f"{plain(what)}\n  expected: {plain(str(expected))}\n  found:    {plain(str(found))}")


def fail(message: str) -> NoReturn:
    """Fail with this message alone, without a traceback."""
    raise pytest.fail.Exception(message, pytrace=False) from None


def plain(text: str) -> str:
    """Return *text* on one line, shortened, with unprintable letters escaped."""
    cut = text[:_LETTERS]
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)
    return shown if cut == text else f"{shown}... ({len(text):,} letters)"
