"""Values as the bot writes them: Solana's base58, ids of eight hex digits, five spellings of an instant.

Nothing here looks at a clock: the present of every specimen is :data:`NOW`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import base58
from faker.providers import BaseProvider

#: The present of every specimen: nothing in it is later, except what a hazard plants.
NOW = datetime(2026, 1, 25, 12, 0, 0, tzinfo=UTC)
#: When the bot began to keep records.
START = datetime(2025, 11, 20, 8, 0, 0, tzinfo=UTC)
#: Seconds of recorded history.
HISTORY_S = (NOW - START).total_seconds()
#: The zone of the host on which naive local times were written.
LOCAL = timezone(timedelta(hours=-6))
#: The mint of wrapped SOL: what swaps between SOL and a token name as SOL's address.
WRAPPED_SOL = "So11111111111111111111111111111111111111112"
#: The mint of USDC, into which orders sell.
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
#: Lamports in one SOL.
LAMPORTS = 1_000_000_000


def words(text: str) -> tuple[str, ...]:
    """Return the words of *text*: a table of words reads better in lines than one by one."""
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
    """Return a number of 32 bits for *index*: a bijection, so that distinct indices never meet (murmur3's finalizer)."""
    value = (index + salt) & 0xFFFFFFFF
    value ^= value >> 16
    value = value * 0x85EBCA6B & 0xFFFFFFFF
    value ^= value >> 13
    value = value * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def hex8(index: int, salt: int) -> str:
    """Return the *index*-th id of eight lower-case hex digits under *salt*; no two are equal."""
    return f"{mixed(index, salt):08x}"


def looks_numeric(text: str) -> bool:
    """Tell whether INTEGER affinity would take *text* for a number: digits alone, or digits, an e, digits."""
    head, e, tail = text.partition("e")
    return text.isdigit() or (e == "e" and head.isdigit() and tail.isdigit())


def hex8_numeric(kind: Callable[[str], bool], after: int, salt: int) -> str:
    """Return the first id of :func:`hex8` from index *after* on for which *kind* holds."""
    while not kind(found := hex8(after, salt)):
        after += 1
    return found


def aware(instant: datetime) -> str:
    """Spell *instant* as most writers do: 2026-01-17T05:11:22.123456+00:00."""
    return instant.isoformat()


def naive(instant: datetime) -> str:
    """Spell *instant* as ``utcnow().isoformat()`` does: UTC without saying so."""
    return instant.replace(tzinfo=None).isoformat()


def local(instant: datetime) -> str:
    """Spell *instant* as ``now().isoformat()`` does on the host: local time without saying so."""
    return instant.astimezone(LOCAL).replace(tzinfo=None).isoformat()


def spaced(instant: datetime) -> str:
    """Spell *instant* as SQLite's CURRENT_TIMESTAMP does: UTC, a space, no fraction."""
    return instant.strftime("%Y-%m-%d %H:%M:%S")


def specified(instant: datetime) -> str:
    """Spell *instant* as the consolidated databases do: UTC, a space, six digits where there is a fraction."""
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
    """Return a price in USD as tokens have it: mostly far below a cent, seldom hundreds."""
    return float(f"{10 ** rng.uniform(-6.5, 2.8):.{rng.randint(3, 8)}g}")
