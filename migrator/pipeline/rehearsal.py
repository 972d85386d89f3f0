"""Rehearses migration, cutover, watch and rollback on a scratch copy, and compares the result with the legacy set."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from migrator.application import connection as application_connection
from migrator.config.config_file import load
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import switchover, watch
from migrator.records.inventory import Database, Inventory
from migrator.records.observer import Observer
from migrator.records.plan import Fate
from migrator.records.rehearsal import Rehearsed
from migrator.records.verify import Migrated
from migrator.stages.inventory import stage as inventory_stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.verify import stage as verify_stage
from migrator.switch import env_flag
from migrator.switch.workspace import Workspace
from migrator.system import connections
from migrator.system.temporary_folders import private_folder

#: Every such statement fails: 6.25 %, above the limit of 5 %.
_EVERY = 16
_STATEMENTS = 512
#: Time after which the monitor has counted every statement of the rehearsal [s].
_SETTLED_S = 5.0
#: Token address that marks the written rows.
_MARK = "RehearsalMint"
#: Tables to which the rehearsal writes one row each.
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


def write(data_dir: Path, wallet: str) -> None:
    """Write a position and its trade as the application does."""
    with contextlib.closing(application_connection.connect("jarvis_core.db", data_dir=data_dir)) as core:
        known = core.execute("SELECT wallet_address FROM positions LIMIT 1").fetchone()
        with core:
            core.execute(_POSITION, (_MARK, known[0] if known else wallet))
            core.execute(_TRADE, (_MARK,))
            # A row that is inserted and deleted must leave no trace.
            core.execute(_POSITION, (f"{_MARK}2", "no-wallet"))
            core.execute("DELETE FROM positions WHERE token_address = ?", (f"{_MARK}2",))


def fail(data_dir: Path) -> None:
    """Run statements of which one in sixteen fails, the last too, so that all are counted and the monitor fires."""
    with contextlib.closing(application_connection.connect("jarvis_core.db", data_dir=data_dir)) as core:
        for number in range(_STATEMENTS):
            with contextlib.suppress(sqlite3.OperationalError):
                core.execute("SELECT no_such_column FROM positions" if number % _EVERY == _EVERY - 1 else "SELECT 1")


def differences(migrated: Migrated, now: Inventory) -> tuple[str, ...]:
    """Return how the legacy set differs from the snapshot plus the rows written since, one sentence each."""
    grown = {table.source for table in migrated.plan.tables if table.into in _WRITTEN and table.fate is Fate.MAPPED}
    before = {database.known_as: database for database in migrated.snapshot.inventory.databases}
    after = {database.known_as: database for database in now.databases if database.known_as in before}
    sentences = [f"{name} is gone" for name in before if name not in after]
    for name, database in after.items():
        digests = {table.name: table.digest for table in before[name].tables}
        sentences += [
            f"{name}.{table.name} has changed"
            for table in database.tables
            if table.digest != digests.get(table.name) and f"{name}.{table.name}" not in grown
        ]
    for source in sorted(grown):
        name, _, called = source.partition(".")
        old, new = _rows(before[name], called), _rows(after[name], called)
        came = list((new - old).elements())
        if old - new or len(came) != 1 or not any(_MARK in cell for cell in came[0]):
            sentences.append(f"{source} is not its former rows and the one row that was written")
    return tuple(sentences)


def _rows(database: Database, table: str) -> Counter[tuple[str, ...]]:
    """Return the rows of a table as a multiset of ``repr``, which differs for 1, 1.0 and '1'."""
    with contextlib.closing(connections.read(database.path)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        rows = connection.execute(f"SELECT * FROM {connections.quoted(table)}")
        return Counter(tuple(map(repr, row)) for row in rows)


def rehearse(
    data_dir: Path | None,
    include: Sequence[Path],
    config_path: Path | None,
    *,
    run: Sequence[str] = (),
    observer: Observer | None = None,
) -> Rehearsed:
    """Migrate, switch and roll back a scratch copy of *data_dir*, or a dirty specimen if it is None.

    Migrate, cut over, write as the application does, let one statement in sixteen fail so that the monitor rolls back,
    compare.  Nothing else is changed: no hook runs, and the .env is the scratch copy's own.  Assumes that the owners accept
    the quarantined rows, and that their code is ready.

    Args:
        data_dir: The legacy set.
        include: Databases outside of it.
        config_path: What the owners decided.
        run: The owners' own tests, run on the consolidated scratch set; they find it by DATA_DIR.
        observer: Receives the parts of the migration that are done.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed.
    """
    verify_stage.need_contracts("migrator rehearse")
    with private_folder("rehearsal") as folder:
        scratch = folder / "data"
        if data_dir is None:
            made = [str(scratch), "--seed", "7", "--dirty", "--wal"]
            command = [sys.executable, "-P", "-m", "contracts.specimens", *made]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own module
            config_path = scratch / "migrator.toml"
        else:
            pipeline_migrate.scratch_copy(data_dir, include, load(config_path), scratch)
        workspace, config = Workspace(scratch, env_file=folder / ".env"), load(config_path)
        watching = observer or Observer()
        migrated = pipeline_migrate.migrate(workspace, config, config_path, watching)
        # Both lie in the scratch folder, which is removed.
        migrated = replace(migrated, verified=replace(migrated.verified, evidence=None, report=None))
        if not migrated.holds:
            return Rehearsed(migrated=migrated)
        pipeline_quarantine.accept(
            workspace, [f"{row.source}:{row.handle}" for row in pipeline_quarantine.rows(workspace)]
        )
        ready = replace(config, code_is_ready=True, hooks=None)
        watching.stage("cutover")
        switched = switchover.cutover(workspace, ready, execute=True)
        if not switched.executed:
            return Rehearsed(migrated=migrated, there=switched)
        write(scratch, config.constants.get("wallet_address", ""))
        own = {"DATA_DIR": str(scratch), "MIGRATOR_DATA_DIR": str(scratch), env_flag.FLAG: "true"}
        code = subprocess.run(list(run), env=os.environ | own, stdout=2, check=False).returncode if run else 0  # noqa: S603
        watching.stage("monitor")
        fail(scratch)
        watched = watch.monitor(workspace, ready, Limits(), until=lambda gone: gone > _SETTLED_S)
        return Rehearsed(
            migrated=migrated,
            there=switched,
            watched=watched,
            code=code,
            differences=()
            if run or watched.rolled_back is None
            else differences(migrated, inventory_stage.inventory(scratch)),
        )
