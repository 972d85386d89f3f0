"""Keys for rows that new code made: what a legacy table that names its rows by text would have given."""

from __future__ import annotations

import re
import uuid
from collections.abc import Set as AbstractSet
from hashlib import sha256

_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def text_key(seed: str, used: AbstractSet[bytes]) -> str:
    """Return an unused key in the form of the *used* ones: 8 hex digits or a UUID; the same for the same seed."""
    like_uuid = bool(used) and all(_UUID.fullmatch(key or b"") for key in used)
    for attempt in range(1_000_000):
        drawn = sha256(f"{seed}:{attempt}".encode()).digest()
        key = str(uuid.UUID(bytes=drawn[:16], version=4)) if like_uuid else drawn.hex()[:8]
        if key.encode() not in used:
            return key
    raise RuntimeError("a million keys are taken")  # 8 hex digits make four thousand times as many
