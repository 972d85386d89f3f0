"""Records of a population: tokens and people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that is traded.

    Attributes:
        symbol: Its ticker, in mixed case; two tokens may share one.
        mint: Its address.
        decimals: Digits of its smallest unit.
        sole: True if no other token has this symbol in any letter case.
    """

    symbol: str
    mint: str
    decimals: int
    sole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of Telegram.

    Attributes:
        id: The Telegram id; the younger ones do not fit 32 bits.
        handle: The user name, without @.
    """

    id: int
    handle: str
