"""Shortens what is printed: lists of sentences, so that the verdict above them stays on the screen, sizes and times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: Sentences of one kind that are listed without ``--all``: with a verdict above them they fit on a terminal of 24 lines.
LISTED = 8


def first(sentences: Sequence[str], *, every: bool = False) -> Iterator[str]:
    """Yield the first of *sentences*, and how many more there are; with *every* all."""
    shown = len(sentences) if every else LISTED
    yield from sentences[:shown]
    if len(sentences) > shown:
        yield f"{len(sentences) - shown:,} more; --all lists them"


def readable_bytes(size_bytes: int) -> str:
    """Return a number of bytes in a unit that a person reads: ``12 MiB``."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    number = size_bytes / 1024
    for unit in ("KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def readable_age(age_s: float) -> str:
    """Return a time since something in a unit that a person reads: ``3 min``."""
    for unit, seconds in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"
