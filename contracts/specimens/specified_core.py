"""Rows of the variant ``specified`` of the core database.

The specification describes the sources like this; production never was.  Constraints hold inside each file.  A parent in
another file is not checked, and these rows are written with foreign keys off.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import Tables
from contracts.specimens.values import NOW, moment, price, signature, spaced, specified, steps
from migrator.schema import catalogue

Rows = Iterator[tuple[Any, ...]]

SPECIFIED = Tables()

_CREATE = re.compile(r"CREATE (?:VIRTUAL )?TABLE (\w+)|CREATE INDEX \w+ ON (\w+)")


def ddl(database: str, *, journal_of: str) -> str:
    """Return the DDL of *database* in this variant.

    The journal mode is that of *journal_of*, the DDL of the same database as found.
    """
    target, tables = catalogue.SPECIFIED[database]
    kept = [line for line in journal_of.splitlines() if line.startswith("PRAGMA journal_mode")]
    for statement in _statements(catalogue.target_ddl(target)):
        match = _CREATE.search(statement)
        if match and (match[1] or match[2]) in tables:
            kept.append(statement)
    return "\n".join(kept)


def tables(database: str) -> Sequence[str]:
    """Return the names of the tables of *database* in this variant."""
    return catalogue.SPECIFIED[database][1]


def _statements(text: str) -> Iterator[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@SPECIFIED.of(
    "jarvis.positions",
    "id, symbol, token_address, entry_price, current_price, amount, amount_sol, status, entry_time, exit_time, pnl_usd, "
    "pnl_percent, take_profit_percent, stop_loss_percent, wallet_address, user_id, notes, metadata",
)
def _positions(world: World, count: int) -> Rows:
    rng = world.rng("specified.positions")
    for index, (token, at) in enumerate(zip(world.tokens[1:], steps(count, rng), strict=False)):
        status = ("open", "closed", "closed", "partial")[index % 4]
        entry = price(rng)
        end = specified(min(at + timedelta(hours=rng.expovariate(1 / 9)), NOW)) if status == "closed" else None
        yield (
            *(index + 1, token.symbol, token.mint, entry, entry * rng.uniform(0.5, 2), rng.uniform(1e3, 1e6)),
            *(round(rng.uniform(0.05, 2), 9), status, specified(at), end, round(rng.gauss(0, 20), 4)),
            *(
                round(rng.gauss(0, 60), 4),
                50.0,
                20.0,
                world.treasury,
                rng.choice(world.people).id if index % 3 else None,
            ),
            *(None, json.dumps({"source": "bot", "n": index}) if index % 2 else None),
        )


@SPECIFIED.of(
    "jarvis.trades",
    "id, position_id, direction, symbol, token_address, amount, amount_sol, price, slippage_bps, signature, status, via, "
    "fee_sol, timestamp, confirmation_time, error_message",
)
def _trades(world: World, count: int) -> Rows:
    rng = world.rng("specified.trades")
    positions = world.count("jarvis.positions")
    for index, at in enumerate(steps(count, rng)):
        at_position = rng.randrange(positions) if positions and index % 9 else None
        token = world.tokens[1 + (at_position or 0)]
        failed = index % 14 == 13
        yield (
            *(index + 1, at_position + 1 if at_position is not None else None, rng.choice(("buy", "sell"))),
            *(token.symbol, token.mint, rng.uniform(1e3, 1e6), round(rng.uniform(0.05, 2), 9), price(rng), 100),
            *(None if failed else signature(rng), "failed" if failed else "confirmed"),
            *(rng.choice(("bags_fm", "jupiter", "manual", None)), 0.000_005, specified(at)),
            *(None if failed else specified(at + timedelta(seconds=2)), "slippage" if failed else None),
        )


@SPECIFIED.of(
    "jarvis.scorecard", "id, timestamp, total_trades, winning_trades, losing_trades, total_pnl_sol, win_rate, period"
)
def _scorecard(_world: World, count: int) -> Rows:
    return ((index + 1, specified(NOW), 27, 5, 9, -0.731_25, 35.714_285_714, "all_time") for index in range(count))


@SPECIFIED.of(
    "treasury_trades.treasury_orders",
    "id, order_type, side, symbol, token_address, amount_sol, limit_price, trigger_price, status, position_id, "
    "created_at, updated_at, filled_at, filled_price, filled_amount, fills_count, metadata",
)
def _orders(world: World, count: int) -> Rows:
    rng = world.rng("specified.orders")
    positions = world.count("jarvis.positions")
    for index, at in enumerate(steps(count, rng)):
        at_position = rng.randrange(positions) if positions and index % 5 else None
        token = world.tokens[1 + (at_position or 0)]
        status = ("pending", "active", "filled", "cancelled", "expired")[index % 5]
        filled = status == "filled"
        yield (
            *(index + 1, ("market", "limit", "stop_loss", "take_profit")[index % 4], ("buy", "sell")[index % 2]),
            *(token.symbol, token.mint, round(rng.uniform(0.05, 2), 9), None, price(rng), status),
            *(at_position + 1 if at_position is not None else None, specified(at), spaced(at)),
            *(
                specified(at) if filled else None,
                price(rng) if filled else None,
                1.5 if filled else None,
                int(filled),
                None,
            ),
        )


@SPECIFIED.of(
    "tax.tax_lots",
    "id, trade_id, token_address, symbol, quantity, cost_basis_usd, acquisition_date, disposal_date, "
    "disposal_proceeds_usd, short_term, wash_sale",
)
def _lots(world: World, count: int) -> Rows:
    rng = world.rng("specified.lots")
    trades = max(1, world.count("jarvis.trades"))
    for index, at in enumerate(steps(count, rng)):
        token = rng.choice(world.tokens[:40])
        sold = index % 3 == 0
        yield (
            *(index + 1, 1 + rng.randrange(trades), token.mint, token.symbol, rng.uniform(1, 1e4), rng.uniform(1, 500)),
            *(specified(at), specified(NOW) if sold else None, rng.uniform(1, 500) if sold else None, 1, index % 3 % 2),
        )


@SPECIFIED.of("tax.wash_sales", "id, sold_lot_id, replacement_lot_id, disallowed_loss_usd, wash_sale_date")
def _wash_sales(world: World, count: int) -> Rows:
    rng = world.rng("specified.wash")
    lots = max(1, world.count("tax.tax_lots"))
    for index in range(count):
        lot = rng.randrange(lots)
        yield index + 1, lot + 1, (lot + 1) % lots + 1, round(rng.uniform(1, 40), 6), specified(moment(rng))
