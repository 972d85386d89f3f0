"""Quotes words for a shell, in commands that are printed."""

from __future__ import annotations

import shlex


def quoted(word: object) -> str:
    """Return *word* quoted for a shell; undecodable bytes become escapes that bash, zsh and ksh read."""
    text = str(word)
    if text.isprintable() and text.isascii():
        return shlex.quote(text)
    if text.isprintable():
        return "'" + text.replace("'", "'\"'\"'") + "'"
    special = text.encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"\\'" else f"\\x{b:02x}" for b in special) + "'"
