"""``python -m contracts.performance.legacy_schema``: measures what the legacy schema costs beside the legacy file itself.

A specimen of production's size, dirty, is migrated and switched.  Each deed is then done by turns on the legacy file as it was
found, on the same file in WAL mode, and through the legacy schema on the consolidated set, with both degrees of durability.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import click

import migrator
from contracts.performance import gate
from contracts.specimens import generator
from migrator.application.compat import opening
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.observer import Observer
from migrator.stages import cutover as cutover_stage
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import connections

Connection = sqlite3.Connection

#: Rows of the table that is read again after another connection wrote to it [rows].
MANY = 5_000
#: Rounds, of which the least time counts.
ROUNDS = 9

#: Numbers of new rows; each is used once.
_NUMBERS = itertools.count(1)
_TRADE = "INSERT INTO trades VALUES (?, 'S', 'M', 'buy', 1, 1, 1, '2026-02-01T00:00:00', ?, '', 0)"
_LOG = "INSERT INTO error_logs (error_type, component, message, created_at) VALUES ('e', 'c', 'm', '')"
_PRICE = (
    "UPDATE positions SET exit_price = exit_price + 1 WHERE id = (SELECT max(id) FROM positions WHERE status = 'open')"
)
_LATEST = "SELECT * FROM trades ORDER BY timestamp DESC LIMIT 20"
_BY_KEY = "SELECT * FROM trades WHERE id = 'none'"
#: A whole program: it imports what it needs, connects, reads and ends.
_PROGRAMS = ("import sqlite3; connect = sqlite3.connect", "import migrator; connect = migrator.connect")
_FIRST_READ = "import sys; connect(sys.argv[1]).execute('SELECT count(*) FROM positions').fetchone()"


class Deed(NamedTuple):
    """What an application does through one connection.

    Attributes:
        name: What it is.
        do: Does it.
        times: How often it is done in one round.
        foreign: What another connection commits each time before; None for nothing.
        beside: What the gate compares its time with, on the legacy file; None for the same.  A commit to a WAL is a few calls of
            the system, and a read by key a few microseconds in C: both differ between machines from what Python does.
    """

    name: str
    do: Callable[[Connection], object]
    times: int
    foreign: Callable[[Connection], object] | None = None
    beside: Callable[[Connection], object] | None = None


def _trade(connection: Connection) -> None:
    number = next(_NUMBERS)
    connection.execute(_TRADE, (f"{number:08x}", f"signature {number}"))


def _price(connection: Connection) -> None:
    connection.execute(_PRICE)


def _log(connection: Connection) -> None:
    connection.execute(_LOG)


def _by_key(connection: Connection) -> None:
    connection.execute(_BY_KEY).fetchall()


def _positions(connection: Connection) -> None:
    connection.execute("SELECT * FROM positions").fetchall()


def _save_everything(connection: Connection) -> None:
    """Save as the bot does: delete every position and order, insert them again, and change one price."""
    connection.execute("BEGIN")
    for table in ("positions", "treasury_orders"):
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        connection.execute(f"DELETE FROM {table}")
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.execute(_PRICE)
    connection.execute("COMMIT")


DEEDS = (
    Deed("read by key", _by_key, 300, beside=_positions),
    Deed("read the last 20 trades", lambda connection: connection.execute(_LATEST).fetchall(), 100),
    Deed("read every position", _positions, 30),
    Deed("read by key after another connection wrote to another table", _by_key, 20, _log, _positions),
    Deed(
        f"read by key after another connection wrote to the same table of {MANY:,} rows", _by_key, 3, _trade, _positions
    ),
    Deed("commit a log line", _log, 20, beside=_positions),
    Deed("commit a position's price", _price, 20, beside=_positions),
    Deed("commit a trade", _trade, 20, beside=_positions),
    Deed("delete every position and order and insert them again", _save_everything, 3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A database that deeds are done on.

    Attributes:
        name: What it is called in the table.
        connect: Opens it.
        program: A program that opens it and reads.
        path: Its path.
    """

    name: str
    connect: Callable[[], Connection]
    program: str
    path: Path

    def again(self) -> None:
        """Connect, read and close."""
        with closing(self.connect()) as connection:
            connection.execute("SELECT count(*) FROM positions").fetchone()

    def first(self) -> None:
        """Run a program that connects and reads, with its modules compiled before."""
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(self.path.parent / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", f"{self.program}; {_FIRST_READ}", str(self.path)]
        subprocess.run(command, check=True, env=environment)  # noqa: S603 - a program of our own


@contextmanager
def sides(folder: Path, *, rows: int | None = None) -> Iterator[tuple[Side, Side, Side, Side]]:
    """Make a set below the new folder *folder*, switch it, and yield the legacy file as found and in WAL mode, and both served.

    A table of each has :data:`MANY` rows.
    """
    data = _switched(folder, rows)
    switch = switch_state.read(data)
    assert switch is not None
    opening.write_plans(switch)
    found, wal, served = folder / "found.db", folder / "wal.db", data / "jarvis.db"
    for path in (found, wal):
        shutil.copyfile(switch.originals / "jarvis.db", path)
    with closing(connections.scratch(wal)) as connection:
        connections.set_journal_mode(connection, "wal")

    def in_wal() -> Connection:
        connection = connections.as_it_was(wal, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    made = (
        Side(
            name="legacy as found",
            connect=lambda: connections.as_it_was(found, isolation_level=None),
            program=_PROGRAMS[0],
            path=found,
        ),
        Side(name="legacy in WAL, NORMAL", connect=in_wal, program=_PROGRAMS[0], path=wal),
        Side(
            name="legacy schema",
            connect=lambda: migrator.connect(served, isolation_level=None),
            program=_PROGRAMS[1],
            path=served,
        ),
        Side(
            name="legacy schema, NORMAL",
            connect=lambda: migrator.connect(served, isolation_level=None, synchronous="NORMAL"),
            program=_PROGRAMS[1],
            path=served,
        ),
    )
    numbers = [next(_NUMBERS) for _ in range(MANY)]
    for side in made[:3]:
        with closing(side.connect()) as connection:
            connection.execute("BEGIN")
            connection.executemany(_TRADE, [(f"{number:08x}", f"signature {number}") for number in numbers])
            connection.execute("COMMIT")
    try:
        yield made
    finally:
        opening.forget()


def _switched(folder: Path, rows: int | None) -> Path:
    """Make a specimen below *folder*, build its consolidated set and cut over; return the data directory."""
    data = folder / "data"
    generator.make(data, rows=rows, seed=1, dirty=True, wal=True)
    workspace, config = Workspace(data), config_file.load(config_file.beside(data))
    snapshot = pipeline_migrate.backup(pipeline_migrate.plan(workspace, config), workspace)
    built = pipeline_migrate.build(workspace, config, snapshot)
    wanted = cutover_stage.prepare(pipeline_migrate.plan(workspace, config), snapshot, folder / ".env")
    cutover_stage.cutover(replace(wanted, digests=built.digests), snapshot, observer=Observer())
    return data


def least(
    every: tuple[Side, ...], deed: Deed, clock: Callable[[], float], *, rounds: int = ROUNDS
) -> tuple[float, ...]:
    """Return the least time of *deed* on each side [s], in turns."""
    opened = [(side.connect(), side.connect()) for side in every]
    try:
        times = [[_round(*pair, deed, clock) for pair in opened] for _ in range(rounds)]
    finally:
        for pair in opened:
            for connection in pair:
                connection.close()
    return tuple(min(column) for column in zip(*times, strict=True))


def _round(connection: Connection, other: Connection, deed: Deed, clock: Callable[[], float]) -> float:
    deed.do(connection)
    took = 0.0
    for _ in range(deed.times):
        if deed.foreign is not None:
            deed.foreign(other)
        begun = clock()
        deed.do(connection)
        took += clock() - begun
    return took / deed.times


def least_of_calls(
    calls: tuple[Callable[[], object], ...], times: int, clock: Callable[[], float], *, rounds: int = ROUNDS
) -> tuple[float, ...]:
    """Return the least time of each of *calls* [s], in turns; each is made *times* in a round, and once before."""
    best = [float("inf")] * len(calls)
    for call in calls:
        call()
    for _ in range(rounds):
        for number, call in enumerate(calls):
            begun = clock()
            for _ in range(times):
                call()
            best[number] = min(best[number], (clock() - begun) / times)
    return tuple(best)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure on the disk below TMPDIR, and print a table in Markdown."""
    with tempfile.TemporaryDirectory() as folder, sides(Path(folder) / "set") as every:
        click.echo(f"| deed | {' | '.join(side.name for side in every)} |\n|---|---:|---:|---:|---:|")
        # How a name is opened is remembered once the record of the switch is old enough.
        time.sleep(2.1)

        def show(name: str, times: tuple[float, ...]) -> None:
            click.echo(f"| {name} | {' | '.join(f'{time_s * 1e6:,.0f}' for time_s in times)} |")

        clock = time.perf_counter
        # Processor time: on a busy machine no run of a tenth of a second is left alone.
        programs = least_of_calls(tuple(side.first for side in every), 1, gate.cpu_s)
        show("a program: start, connect, read, end (processor time)", programs)
        show("connect again, read, close", least_of_calls(tuple(side.again for side in every), 50, clock))
        for deed in DEEDS:
            show(deed.name, least(every, deed, clock))
    click.echo(
        f"\nmicroseconds, the least of {ROUNDS} rounds, {gate.processor()}, Python {sys.version.split()[0]},"
        f" SQLite {sqlite3.sqlite_version}"
    )


if __name__ == "__main__":
    main()
