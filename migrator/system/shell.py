"""Words as a shell reads them, for the commands that we print."""

from __future__ import annotations

import shlex


def quoted(word: object) -> str:
    """Return *word* as a shell reads it; bytes that are no text stand as escapes, as bash, zsh and ksh read them."""
    text = str(word)
    if text.isprintable() and text.isascii():
        return shlex.quote(text)
    if text.isprintable():
        return "'" + text.replace("'", "'\"'\"'") + "'"
    special = text.encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"\\'" else f"\\x{b:02x}" for b in special) + "'"
