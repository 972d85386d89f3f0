"""The flag in the application's .env: changes one value and no other byte."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path

from migrator.errors import MigratorError, Refused
from migrator.system import attributes, durable_files, error_hints, mounts, user_files
from migrator.system.durable_files import Access
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

FLAG = "USE_CONSOLIDATED_DBS"

#: Byte order mark of UTF-16 -> codec.
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SAVE = "save it as UTF-8"
#: A line that sets the flag, as python-dotenv and shells read it: ``export``, blanks and quotes are allowed.  Any other
#: form, such as ``false#x``, is left alone: a line behind it has the last word.
_LINE = re.compile(
    rb"^(?P<before>[ \t]*(?:export[ \t]+)?" + FLAG.encode() + rb"[ \t]*=[ \t]*)"
    rb"(?:(?P<quote>['\"])(?P<quoted>[^'\"\r\n]*)(?P=quote)|(?P<bare>[^\s'\"#;&|]*))"
    rb"(?P<after>[ \t]*(?:[;&|][^\r\n]*)?|[ \t]+#[^\r\n]*)(?=\r?$)",
    re.MULTILINE,
)


def beside(data_dir: Path) -> Path:
    """Return the .env of the application whose databases lie in *data_dir*, where none is named."""
    return data_dir.parent / ".env"


def flag(path: Path) -> bool:
    """Return whether the .env at *path* says that the consolidated databases are used; the last line that says it counts."""
    if not path.is_file():
        # A FIFO of this name must not block the caller.
        return False
    _, content = _in_utf8(user_files.content(path))
    values = [(match["quoted"] or match["bare"] or b"").strip().lower() for match in _LINE.finditer(content)]
    return bool(values) and values[-1] in (b"true", b"1", b"yes", b"on")


def with_flag(content: bytes, *, on: bool) -> bytes:
    """Return the .env *content* with the flag set; every other byte, line ends and quotes included, as it was.

    Content with the byte order mark of UTF-16 stays in UTF-16.
    """
    mark, content = _in_utf8(content)
    changed = _with_flag(content, on=on)
    if not mark:
        return changed
    return mark + changed.decode("utf-8", "surrogatepass").encode(_UTF16[mark], "surrogatepass")


def _in_utf8(content: bytes) -> tuple[bytes, bytes]:
    """Return the byte order mark of UTF-16 and the rest of *content* in UTF-8; without a mark b"" and *content*.

    Raises:
        Refused: It begins with the mark and is not UTF-16.
    """
    mark = content[:2]
    if mark not in _UTF16:
        return b"", content
    try:
        return mark, content[2:].decode(_UTF16[mark], "surrogatepass").encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Refused(
            f"begins with the byte order mark of UTF-16, but is not UTF-16 ({error.reason})", hint=_SAVE
        ) from error


def _with_flag(content: bytes, *, on: bool) -> bytes:
    value = b"true" if on else b"false"
    changed, times = _LINE.subn(
        lambda match: match["before"] + (match["quote"] or b"") + value + (match["quote"] or b"") + match["after"],
        content,
    )
    if times:
        return changed
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    separator = newline if content and not content.endswith(b"\n") else b""
    return content + separator + FLAG.encode() + b"=" + value + newline


def complaint(path: Path) -> str:
    """Return why the flag in the .env at *path* cannot be set, '' if it can; nothing is touched.

    Asked before a switch: after its commit there is no way back but a rollback.
    """
    return next(_complaints(path), "")


def _complaints(path: Path) -> Iterator[str]:
    """Yield each obstacle; a check relies on those before it, so only the first is used."""
    real = Path(os.path.realpath(path))
    if real.is_symlink():
        yield f"is a link that leads to itself; remove it: rm {quoted(path)}"
        return
    folder = real.parent
    yield from filter(None, [user_files.astray(path)])
    if not folder.is_dir():
        yield f"its folder {folder} is not there; make it: mkdir {quoted(folder)}"
    yield from (told.removeprefix(f"{escaped(real)}: ") for told in attributes.protected([folder, real]))
    if not os.access(folder, os.W_OK | os.X_OK):
        yield f"its folder {folder} may not be written to; run this as {error_hints.owner(folder)}"
    if not os.path.lexists(real):
        return
    if not real.is_file():
        yield "is not a regular file; name the application's .env with --env-file"
    if not os.access(real, os.R_OK):
        yield f"may not be read; run this as {error_hints.owner(real)}"
    yield from _unlike_text(real)
    status = real.stat()
    if os.geteuid() not in (0, status.st_uid):
        yield f"belongs to user {status.st_uid}; only that user or root can change it and leave it theirs"
    if os.geteuid() != 0 and status.st_gid not in (os.getegid(), *os.getgroups()):
        yield f"belongs to group {status.st_gid}; only a member or root can change it and leave it theirs"
    if mounts.is_mounted(real):
        yield "is mounted by itself, so that no other file can take its place; mount its folder"


def _unlike_text(path: Path) -> Iterator[str]:
    try:
        _, content = _in_utf8(user_files.content(path))
    except MigratorError as error:
        yield f"{error.what}; {error.hint}"
        return
    if b"\0" in content:
        yield f"holds NUL bytes, perhaps of UTF-16 without a byte order mark; {_SAVE}"


def set_flag(path: Path, *, on: bool, access: Access | None = None) -> None:
    """Set the flag in the .env at *path*, in one instant and durably; its mode and owner stay.

    A file with that value already is not written; without a file, or without a line, the flag is false.  Follows a link.
    A new file gets *access*, since the application, which reads it, may run as another user.

    Raises:
        Refused: *path* is no regular file.
    """
    real = path.resolve()
    if not real.exists():
        if on:
            durable_files.write(real, f"{FLAG}=true\n", access)
        return
    if not real.is_file():
        raise Refused("is not a regular file", where=path, hint="name the application's .env with --env-file")
    if flag(real) != on:
        durable_files.rewrite(real, with_flag(real.read_bytes(), on=on))
