"""The book of a specimen: positions, and the trades that opened and closed them.

A position that the bot opened has its buy, a closed position its sell.  A position that was taken over from the trader's
own file has no buy, and no offset in its time.  A token is traded several times, but never twice at once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from contracts.specimens.records import Person, Token
from contracts.specimens.values import NOW, aware, moment, naive, price, signature, steps

#: Of the 33 positions of production, 14 were closed; five of these were trials with SOL itself.
_CLOSED_OF_33 = 14
_TRIALS = 5


class Surroundings(Protocol):
    """The parts of a population that a trade history needs."""

    def rng(self, name: str) -> random.Random:
        """Return the generator of random numbers for *name*."""

    def count(self, table: str) -> int:
        """Return the number of rows of *table*."""

    def id8(self, table: str, index: int) -> str:
        """Return the id of a row of *table*."""

    @property
    def tokens(self) -> Sequence[Token]:
        """The tokens that are traded."""

    @property
    def people(self) -> Sequence[Person]:
        """The people on Telegram."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position.

    Attributes:
        id: Eight hex digits.
        token: The token that it holds.
        status: Its status in the legacy spelling.
        opened: When it was opened.
        closed: When it was closed; None while open.
        entry_price: USD per token.
        exit_price: USD per token; 0.0 while open.
        sol: SOL paid.
        sol_out: SOL that closing brought; 0.0 while open.
        tokens: Tokens bought.
        take_profit: USD per token.
        stop_loss: USD per token.
        orders: Ids of the orders to take profit and to stop the loss; '' for none.
        signatures: Signatures of entry and exit; '' if unknown.
        user: Telegram id, 0 for none.
        bought: Whether a trade records its opening.
        sold: Whether a trade records its closing.
    """

    id: str
    token: Token
    status: str
    opened: datetime
    closed: datetime | None
    entry_price: float
    exit_price: float
    sol: float
    sol_out: float
    tokens: float
    take_profit: float
    stop_loss: float
    orders: tuple[str, str]
    signatures: tuple[str, str]
    user: int
    bought: bool
    sold: bool

    def row(self) -> tuple[object, ...]:
        """Return the row of jarvis.positions."""
        pnl = self.sol_out - self.sol if self.closed else 0.0
        return (
            self.id,
            self.token.symbol,
            self.token.mint,
            self.entry_price,
            self.sol,
            self.tokens,
            self.take_profit,
            self.stop_loss,
            *self.orders,
            self.status,
            self.exit_price,
            self.sol_out,
            pnl,
            pnl / self.sol * 100 if self.sol else 0.0,
            aware(self.opened) if self.bought else naive(self.opened),
            aware(self.closed) if self.closed else "",
            *self.signatures,
            self.user,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One leg of a position.

    Attributes:
        id: The side and the id of the position.
        token: The traded token.
        side: ``buy`` or ``sell``.
        sol: SOL paid or received.
        tokens: Tokens bought; a sell repeats what was bought.
        price: USD per token.
        at: When it was made.
        signature: Signature of the transaction; '' if unknown.
        position: Id of the position; '' for none.
        user: Telegram id, 0 for none.
    """

    id: str
    token: Token
    side: str
    sol: float
    tokens: float
    price: float
    at: datetime
    signature: str
    position: str
    user: int

    def row(self) -> tuple[object, ...]:
        """Return the row of jarvis.trades."""
        return (
            self.id,
            self.token.symbol,
            self.token.mint,
            self.side,
            self.sol,
            self.tokens,
            self.price,
            aware(self.at),
            self.signature,
            self.position,
            self.user,
        )


@dataclass(frozen=True, slots=True)
class Book:
    """Positions by time of opening, and trades by time."""

    positions: list[Position]
    trades: list[Trade]

    def traded_once(self) -> list[Position]:
        """Return the positions that UNIQUE(token_address) accepts."""
        often = Counter(position.token.mint for position in self.positions)
        return [position for position in self.positions if position.closed is None or often[position.token.mint] == 1]


def write_book(world: Surroundings) -> Book:
    """Write the book of *world*, with its numbers of positions and trades."""
    rng = world.rng("book")
    wanted, legs = world.count("jarvis.positions"), world.count("jarvis.trades")
    closings = round(wanted * _CLOSED_OF_33 / 33)
    sells = min(closings, legs)
    buys = min(legs - sells, wanted)
    closing = sorted(rng.sample(range(wanted), closings))
    trials, closed = frozenset(closing[:_TRIALS]), frozenset(closing)
    sold = frozenset(rng.sample(closing, sells))
    bought = frozenset(rng.sample(range(wanted), buys)) if buys < wanted else frozenset(range(wanted))
    fresh = iter(world.tokens[1:])
    done: list[tuple[datetime, Token]] = []
    positions: list[Position] = []
    for index, opened in enumerate(steps(wanted, rng)):
        token = world.tokens[0] if index in trials else _chosen(rng, done, opened, fresh)
        draft = _Draft(world, rng, index, token, opened)
        position = draft.position(
            trial=index in trials, closed=index in closed, bought=index in bought, sold=index in sold
        )
        if position.closed and index not in trials:
            done.append((position.closed, token))
        positions.append(position)
    trades = [trade for position in positions for trade in _legs(position)]
    trades += [_loose(world, rng, wanted + index) for index in range(legs - len(trades))]
    return Book(positions, sorted(trades, key=lambda trade: (trade.at, trade.id)))


def _chosen(rng: random.Random, done: list[tuple[datetime, Token]], opened: datetime, fresh: Iterator[Token]) -> Token:
    """Choose a token that is not held at *opened*; 1 in 5 was held before."""
    if done and rng.random() < 0.2:
        at = rng.randrange(len(done))
        if done[at][0] < opened:
            return done.pop(at)[1]
    return next(fresh)


class _Draft:
    """The common part of drawing one position."""

    def __init__(self, world: Surroundings, rng: random.Random, index: int, token: Token, opened: datetime) -> None:
        self.world, self.rng, self.index, self.token, self.opened = world, rng, index, token, opened

    def position(self, *, trial: bool, closed: bool, bought: bool, sold: bool) -> Position:
        rng = self.rng
        entry = 100.0 if trial else price(rng)
        usd = rng.choice((5.0, 10.0, 25.0, 50.0, 100.0))
        sol = 0.01 if trial else (round(usd / rng.uniform(120, 240), 9) if bought else usd / 100)
        take, stop = entry * rng.choice((1.2, 1.5, 2.0, 3.0)), entry * rng.choice((0.8, 0.85, 0.9))
        if self.token.symbol == "TSLAX":
            # As in production: the price of a share in place of the price of its token.
            entry, take, stop = 0.1666, 114.99, 95.0
        status, end, exit_price, out = "open", None, 0.0, 0.0
        if closed:
            status = rng.choices(("closed_tp", "closed_sl", "closed_manual"), (4, 3, 7))[0]
            hours = 0.0 if trial else rng.expovariate(1 / 9)
            end = min(self.opened + timedelta(seconds=round(hours * 3600, 6)), NOW)
            exit_price = (
                entry if trial else {"closed_tp": take, "closed_sl": stop}.get(status, entry * rng.uniform(0.6, 1.7))
            )
            back = sol * exit_price / entry
            # As in production: a position closed by hand has the profit in the place of the proceeds.
            out = back - sol if status == "closed_manual" else back
        planned = bought and rng.random() < 0.8
        return Position(
            id=self.world.id8("jarvis.positions", self.index),
            token=self.token,
            status=status,
            opened=self.opened,
            closed=end,
            entry_price=entry,
            exit_price=exit_price,
            sol=sol,
            sol_out=out,
            tokens=usd / entry,
            take_profit=take,
            stop_loss=stop,
            orders=self._orders() if planned else ("", ""),
            signatures=(
                signature(rng) if bought and rng.random() < 0.9 else "",
                signature(rng) if sold and rng.random() < 0.9 else "",
            ),
            user=rng.choice(self.world.people).id if rng.random() < 0.4 else 0,
            bought=bought,
            sold=sold,
        )

    def _orders(self) -> tuple[str, str]:
        world, index = self.world, self.index
        return world.id8("jarvis.treasury_orders", 2 * index), world.id8("jarvis.treasury_orders", 2 * index + 1)


def _legs(position: Position) -> Iterator[Trade]:
    legs = (
        ("buy", position.bought, position.opened, position.sol, position.entry_price, position.signatures[0]),
        ("sell", position.sold, position.closed, position.sol_out, position.exit_price, position.signatures[1]),
    )
    for side, recorded, at, sol, usd, signed in legs:
        if recorded and at is not None:
            yield Trade(
                id=f"{side}_{position.id}",
                token=position.token,
                side=side,
                sol=sol,
                tokens=position.tokens,
                price=usd,
                at=at,
                signature=signed,
                position=position.id,
                user=position.user,
            )


def _loose(world: Surroundings, rng: random.Random, index: int) -> Trade:
    """Return a trade without a position, which only very small sets need."""
    return Trade(
        id=f"buy_{world.id8('jarvis.positions', index)}",
        token=rng.choice(world.tokens[1:10]),
        side="buy",
        sol=0.1,
        tokens=1_000.0,
        price=price(rng),
        at=moment(rng),
        signature=signature(rng),
        position="",
        user=0,
    )
