"""Values as the bot writes them: base58, hex ids, spellings of an instant.

No value depends on the clock: the present of every specimen is :data:`NOW`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import base58
from faker.providers import BaseProvider

#: The present of every specimen: only planted rows are later.
NOW = datetime(2026, 1, 25, 12, 0, 0, tzinfo=UTC)
#: When the bot began to keep records.
START = datetime(2025, 11, 20, 8, 0, 0, tzinfo=UTC)
#: Seconds of recorded history.
HISTORY_S = (NOW - START).total_seconds()
#: The offset of the host that wrote naive local times.
LOCAL = timezone(timedelta(hours=-6))
#: The mint of wrapped SOL: SOL's address in swaps between SOL and a token.
WRAPPED_SOL = "So11111111111111111111111111111111111111112"
#: The mint of USDC, into which orders sell.
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
#: Lamports in one SOL.
LAMPORTS = 1_000_000_000


def words(text: str) -> tuple[str, ...]:
    """Return the words of *text*, so that lists of words can be written as lines."""
    return tuple(text.split())


def mint(rng: random.Random) -> str:
    """Return the base58 address of a new mint or wallet: 32 bytes, 43 or 44 characters."""
    return base58.b58encode(rng.randbytes(32)).decode("ascii")


def signature(rng: random.Random) -> str:
    """Return the base58 signature of a new transaction: 64 bytes, 87 or 88 characters."""
    return base58.b58encode(rng.randbytes(64)).decode("ascii")


class Solana(BaseProvider):
    """Faker's provider of Solana's addresses and signatures."""

    def mint(self) -> str:
        """Return the address of a new mint."""
        return mint(self.generator.random)

    def wallet(self) -> str:
        """Return the address of a new wallet."""
        return mint(self.generator.random)

    def signature(self) -> str:
        """Return the signature of a new transaction."""
        return signature(self.generator.random)


def mixed(index: int, salt: int) -> int:
    """Return a number of 32 bits, distinct for each *index* (murmur3's finalizer)."""
    value = (index + salt) & 0xFFFFFFFF
    value ^= value >> 16
    value = value * 0x85EBCA6B & 0xFFFFFFFF
    value ^= value >> 13
    value = value * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def hex8(index: int, salt: int) -> str:
    """Return the *index*-th id of eight hex digits under *salt*; all are distinct."""
    return f"{mixed(index, salt):08x}"


def looks_numeric(text: str) -> bool:
    """Return whether INTEGER affinity converts *text* to a number."""
    head, e, tail = text.partition("e")
    return text.isdigit() or (e == "e" and head.isdigit() and tail.isdigit())


def hex8_numeric(kind: Callable[[str], bool], after: int, salt: int) -> str:
    """Return the first id of :func:`hex8` from index *after* on for which *kind* holds."""
    while not kind(candidate := hex8(after, salt)):
        after += 1
    return candidate


def aware(instant: datetime) -> str:
    """Spell *instant* as most writers do: 2026-01-17T05:11:22.123456+00:00."""
    return instant.isoformat()


def naive(instant: datetime) -> str:
    """Spell *instant* as ``utcnow().isoformat()`` does: UTC without an offset."""
    return instant.replace(tzinfo=None).isoformat()


def local(instant: datetime) -> str:
    """Spell *instant* as ``now().isoformat()`` does: local time without an offset."""
    return instant.astimezone(LOCAL).replace(tzinfo=None).isoformat()


def spaced(instant: datetime) -> str:
    """Spell *instant* as SQLite's CURRENT_TIMESTAMP does: UTC, a space, no fraction."""
    return instant.strftime("%Y-%m-%d %H:%M:%S")


def specified(instant: datetime) -> str:
    """Spell *instant* in the target format: UTC, a space, six digits if needed."""
    return instant.replace(tzinfo=None).isoformat(sep=" ")


def epoch(instant: datetime) -> float:
    """Spell *instant* as ``time.time()`` does."""
    return instant.timestamp()


def moment(rng: random.Random) -> datetime:
    """Return an instant of the recorded history, to the microsecond."""
    return START + timedelta(microseconds=rng.randrange(int(HISTORY_S * 1e6)))


def steps(count: int, rng: random.Random) -> Iterator[datetime]:
    """Yield *count* rising instants that fill the recorded history."""
    gap_us = int(HISTORY_S * 1e6) // max(count, 1)
    for index in range(count):
        yield START + timedelta(microseconds=index * gap_us + int(rng.random() * gap_us))


def price(rng: random.Random) -> float:
    """Return a token's price in USD: mostly far below a cent, rarely hundreds."""
    return float(f"{10 ** rng.uniform(-6.5, 2.8):.{rng.randint(3, 8)}g}")
