"""What a rehearsal writes through the application's eyes between there and back, and what must have come of it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from migrator.application import connection as application_connection
from migrator.records.inventory import Database, Inventory
from migrator.records.monitor import Watched
from migrator.records.plan import Fate
from migrator.records.switch import Switched
from migrator.records.verify import Migrated
from migrator.system import connections

#: One statement in so many fails: 6.25 %, more than the 5 % that an application may have.
_EVERY = 16
_STATEMENTS = 512
#: The token that marks what is written.
_MARK = "RehearsalMint"
#: Rows that are written, one for each of these tables.
_WRITTEN = ("core.positions", "core.trades")

_POSITION = """
INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, entry_time, wallet_address,
                       pnl_usd, trailing_stop_enabled)
VALUES ('REHEARSAL', ?, 1.5, 10.0, 15.0, 'open', '2026-01-02 03:04:05', ?, NULL, NULL)
"""
_TRADE = """
INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, signature, status,
                    timestamp, fee_sol, partner_fee_sol)
SELECT id, 'buy', symbol, token_address, amount, amount_sol, entry_price, 'RehearsalSignature', 'confirmed',
       '2026-01-02 03:04:05.250000', NULL, NULL
FROM positions WHERE token_address = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A rehearsal: from the legacy set to the consolidated one and back.

    Attributes:
        migrated: The run from inventory to verify.
        there: The cutover; None if it did not come to it.
        watched: What the monitor saw and did; None if it did not come to it.
        code: The exit code of the owners' own tests, 0 without them.
        differences: What the legacy set holds afterwards and should not, or should and does not; one sentence each.
    """

    migrated: Migrated
    there: Switched | None = None
    watched: Watched | None = None
    code: int = 0
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether all of it went as it must."""
        back = self.watched.rolled_back if self.watched else None
        return back is not None and not (back.residue or self.code or self.differences)


def write(data_dir: Path, wallet: str) -> None:
    """Write a position and its trade as the application does."""
    with contextlib.closing(application_connection.connect("jarvis_core.db", data_dir=data_dir)) as core:
        known = core.execute("SELECT wallet_address FROM positions LIMIT 1").fetchone()
        with core:
            core.execute(_POSITION, (_MARK, known[0] if known else wallet))
            core.execute(_TRADE, (_MARK,))
            # What came and went again leaves no trace.
            core.execute(_POSITION, (f"{_MARK}2", "nobody"))
            core.execute("DELETE FROM positions WHERE token_address = ?", (f"{_MARK}2",))


def fail(data_dir: Path) -> None:
    """Run statements of which one in sixteen fails, so that the monitor has something to see."""
    with contextlib.closing(application_connection.connect("jarvis_core.db", data_dir=data_dir)) as core:
        for number in range(_STATEMENTS):
            with contextlib.suppress(sqlite3.OperationalError):
                core.execute("SELECT no_such_column FROM positions" if number % _EVERY == 0 else "SELECT 1")


def differences(migrated: Migrated, now: Inventory) -> tuple[str, ...]:
    """Return where the legacy set is not what it was and what was written, one sentence each."""
    grown = {one.source for one in migrated.plan.tables if one.into in _WRITTEN and one.fate is Fate.MAPPED}
    before = {one.known_as: one for one in migrated.snapshot.inventory.databases}
    after = {one.known_as: one for one in now.databases if one.known_as in before}
    found = [f"{name} is gone" for name in before if name not in after]
    for name, database in after.items():
        digests = {table.name: table.digest for table in before[name].tables}
        found += [
            f"{name}.{table.name} is not what it was"
            for table in database.tables
            if table.digest != digests.get(table.name) and f"{name}.{table.name}" not in grown
        ]
    for source in sorted(grown):
        name, _, called = source.partition(".")
        was, new = _rows(before[name], called), _rows(after[name], called)
        came = list((new - was).elements())
        if was - new or len(came) != 1 or not any(_MARK in cell for cell in came[0]):
            found.append(f"{source} is not what it was and the one row that was written")
    return tuple(found)


def _rows(database: Database, table: str) -> Counter[tuple[str, ...]]:
    """Return the rows of a table as a multiset; 1, 1.0 and '1' are spelt so that they differ."""
    with contextlib.closing(connections.read(database.path)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        rows = connection.execute(f"SELECT * FROM {connections.quoted(table)}")
        return Counter(tuple(map(repr, row)) for row in rows)
