"""Checks values of the configuration: an address, an offset, a path, the name of a table.

Each function returns what is wrong with a value, as the second half of a sentence; '' if nothing is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import base58

#: Bytes of a Solana address, an Ed25519 public key, and of a key pair as wallets export it.
_ADDRESS_BYTES, _KEY_PAIR_BYTES = 32, 64
#: Longest text that is decoded [letters]: a key pair has 88.
_LONGEST = 100
_LETTERS = frozenset(base58.BITCOIN_ALPHABET.decode("ascii"))
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")
#: Offsets of the world's local times [minutes].
_WEST, _EAST = -12 * 60, 14 * 60
_TABLE = re.compile(r"[^.]+\.[^.].*")


def of_address(text: str) -> str:
    """Return why *text* is not a Solana address: 32 bytes in base58.  The text is not repeated: it may be a key."""
    expected = "expected 32 bytes in base58, which are 32 to 44 letters and digits"
    if not text:
        return f"is empty; {expected}"
    if foreign := [letter for letter in text if letter not in _LETTERS]:
        return f"is not a Solana address: {expected}; found {foreign[0]!r}, which base58 does not have"
    size = len(base58.b58decode(text)) if len(text) <= _LONGEST else None
    if size == _KEY_PAIR_BYTES:
        return "is a key pair of 64 bytes, which is secret; delete it from the file, and write the address of 32 bytes"
    if size != _ADDRESS_BYTES:
        found = f"{size} bytes" if size is not None else "more"
        return f"is not a Solana address: {expected}; found {len(text):,} letters, which are {found}"
    return ""


def of_offset(text: str) -> str:
    """Return why *text* is not the offset of a local time from UTC."""
    match = _OFFSET.fullmatch(text)
    minutes = int(f"{match[1]}1") * (int(match[2]) * 60 + int(match[3])) if match else None
    if minutes is None or not _WEST <= minutes <= _EAST:
        return f"must be an offset such as -06:00, from -12:00 to +14:00; found {text!r}"
    return ""


def of_place(text: str) -> str:
    """Return why *text* is not the path of a file below the data directory, or of a folder of them."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return "must be a path below the data directory, or included/NAME for a file of --include"
    return ""


def of_table(text: str, known: Iterable[str] = ()) -> str:
    """Return why *text* is not a legacy table, such as ``jarvis.trades``; with *known*, why it is none of these."""
    known = tuple(known)
    if not _TABLE.fullmatch(text):
        return f"{text!r} must name database and table, such as jarvis.scorecard"
    if known and text not in known:
        return f"no known file has a table {text!r}{near(text, known)}"
    return ""


def near(text: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for the one of *known* that is nearest to *text*; '' if none is near."""
    found = difflib.get_close_matches(text, tuple(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""
