"""Escapes names and sentences for a terminal."""

from __future__ import annotations

import unicodedata

#: Characters of a name or sentence that are shown, and how many of these are its end, which holds the hint.
LONGEST, _TAIL = 1_500, 500


def escaped(name: object) -> str:
    """Return *name* safe for a terminal: undecodable bytes, control and invisible characters as escapes, on one line.

    The middle of more than :data:`LONGEST` characters is left out: a name may have a million.
    """
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if len(text) > LONGEST:
        text = f"{text[: -_TAIL + LONGEST]} [{len(text) - LONGEST:,} characters] {text[-_TAIL:]}"
    return "".join(
        character if character == " " or unicodedata.category(character)[0] not in "CZ" else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
