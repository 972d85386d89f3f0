"""The flag in the application's .env: one value is changed, every other byte stays."""

from __future__ import annotations

import re
from pathlib import Path

from migrator import files
from migrator.errors import Refused

FLAG = "USE_CONSOLIDATED_DBS"

#: A line that sets the flag, as python-dotenv and shells read it: ``export``, blanks and quotes are allowed.
_LINE = re.compile(
    rb"^(?P<before>[ \t]*(?:export[ \t]+)?" + FLAG.encode() + rb"[ \t]*=[ \t]*)"
    rb"(?P<quote>['\"]?)(?P<value>[^'\"\r\n#]*?)(?P=quote)(?P<after>[ \t]*(?:#[^\r\n]*)?)(?=\r?$)",
    re.MULTILINE,
)


def flag(path: Path) -> bool:
    """Return whether the .env at *path* says that the consolidated databases are used; the last line that says it counts."""
    if not path.is_file():
        # A FIFO in its place must not make anybody wait.
        return False
    said = [match["value"].strip().lower() for match in _LINE.finditer(path.read_bytes())]
    return bool(said) and said[-1] in (b"true", b"1", b"yes", b"on")


def with_flag(content: bytes, *, on: bool) -> bytes:
    """Return the .env *content* with the flag set; every other byte, line ends and quotes included, as it was."""
    value = b"true" if on else b"false"
    changed, times = _LINE.subn(
        lambda match: match["before"] + match["quote"] + value + match["quote"] + match["after"], content
    )
    if times:
        return changed
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    separator = newline if content and not content.endswith(b"\n") else b""
    return content + separator + FLAG.encode() + b"=" + value + newline


def set_flag(path: Path, *, on: bool) -> None:
    """Set the flag in the .env at *path*, in one instant and durably; its mode and owner stay.

    A file that says so already is left as it is; without a file, or without a line, the flag is false.  A link is
    followed: the file it names changes.

    Raises:
        Refused: *path* is no regular file.
    """
    real = path.resolve()
    if not real.exists():
        if on:
            files.write(real, f"{FLAG}=true\n")
        return
    if not real.is_file():
        raise Refused("is no regular file", where=path, hint="name the application's .env with --env-file")
    if flag(real) != on:
        files.rewrite(real, with_flag(real.read_bytes(), on=on))
