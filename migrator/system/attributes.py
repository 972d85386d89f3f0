"""Reads the attributes by which a file system keeps even root from renaming or removing a file: ``chattr +i`` and ``chattr +a``.

By statx(2), which opens nothing: closing a descriptor of a database would drop SQLite's locks on it.  Python 3.15 is the first that
has it, so it is called in the C library; a system without it has no such attributes for us.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from migrator.system.escaping import escaped
from migrator.system.shell import quoted

#: Bits of ``stx_attributes`` -> what chattr calls the attribute.
_KINDS = ((0x10, "immutable", "i"), (0x20, "append-only", "a"))
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW = -100, 0x100
#: Size of ``struct statx`` and place of ``stx_attributes`` in it [bytes].
_SIZE, _ATTRIBUTES = 256, slice(8, 16)


def protected(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each of *paths* that exists and is immutable or append-only; links are not followed."""
    for path in paths:
        if named := of(path):
            kind, letter = named
            yield (
                f"{escaped(path)}: is {kind}, so that {'no entry of it can' if path.is_dir() else 'it cannot'} be renamed or removed; "
                f"to allow it run: chattr -{letter} {quoted(path)}"
            )


def of(path: Path) -> tuple[str, str] | None:
    """Return the name and the letter of the attribute that keeps *path* from being renamed or removed, or None."""
    buffer = ctypes.create_string_buffer(_SIZE)
    statx = _statx()
    if statx is None or statx(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, 0, buffer):
        return None
    bits = int.from_bytes(buffer.raw[_ATTRIBUTES], sys.byteorder)
    return next(((kind, letter) for bit, kind, letter in _KINDS if bits & bit), None)


@cache
def _statx() -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), "statx", None)
