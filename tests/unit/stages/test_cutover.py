"""The switch there and back: one instant, all or nothing, and nothing lost that was written in between."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from contracts.specimens import generator
from migrator.config import config_file
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory.stage import inventory
from migrator.switch import recovery
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import durable_files

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("MIGRATOR_FAULT_STRIDE", "53"))
#: What a switch does to the disk: each may be the last thing that happens.
STEPS = ("replace", "link", "point", "remove", "rewrite", "write", "remove_folder", "sync_folder")


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    """A dirty set, migrated; its contracts are judged elsewhere."""
    home = tmp_path_factory.mktemp("built")
    generator.make(home / "data", seed=7, rows=300, dirty=True, wal=True)
    workspace, configuration = Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")
    built = pipeline_migrate.build(
        workspace, configuration, pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    )
    assert built.holds
    return home


@pytest.fixture(name="home")
def _home(built, tmp_path):
    """A copy of it to switch."""
    home = shutil.copytree(built, tmp_path / "home", symlinks=True)
    (home / ".env").write_bytes(b"# secrets\r\nTOKEN='a=b'\r\nUSE_CONSOLIDATED_DBS=\"false\" # not yet\r\nLAST=1")
    return home


def prepared(home):
    """Return the switch of *home*, and the snapshot it goes by."""
    workspace, configuration = Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")
    snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
    planned = pipeline_migrate.plan(workspace, configuration)
    return cutover_stage.prepare(planned, snapshot, home / ".env"), snapshot


def switched(home):
    wanted, snapshot = prepared(home)
    assert () == cutover_stage.refusals(wanted)
    return cutover_stage.cutover(wanted, snapshot, observer=Observer())


def rolled_back(home):
    workspace = Workspace(home / "data")
    return switchover.rollback(workspace, config_file.load(home / "data" / "migrator.toml"), execute=True)


def legacy(home):
    """Return digest and journal mode of each legacy file."""
    found = inventory(home / "data").with_verdict("source", "standalone")
    return {str(one.place): (one.digest, one.journal_mode) for one in found}


def answers(home):
    """Return which set each legacy name answers from; a name that answers from neither is an error."""
    found = set()
    last = switch_state.read(home / "data")
    for name in last.names:
        with closing(sqlite3.connect(f"file:{name.path}?mode=ro", uri=True)) as connection:
            tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_schema")}
        found.add("consolidated" if {"lineage", "quarantine"} <= tables else "legacy")
    return found


def test_every_name_is_a_link_and_the_flag_is_set_and_all_else_in_env_stays(home):
    standalone = {place: digest for place, digest in legacy(home).items() if "raid_bot" in place}

    done = switched(home)

    assert {"consolidated"} == answers(home)
    assert Path("jarvis_core.db") == (home / "data" / "jarvis.db").readlink()
    assert Path("../jarvis_cache.db") == (home / "data" / "cache" / "file_cache.db").readlink()
    assert standalone.items() <= legacy(home).items()
    assert (
        b"# secrets\r\nTOKEN='a=b'\r\nUSE_CONSOLIDATED_DBS=\"true\" # not yet\r\nLAST=1" == (home / ".env").read_bytes()
    )
    assert (24, True) == (len(done.names), done.executed)
    for target in catalogue.TARGETS.values():
        with closing(sqlite3.connect(home / "data" / target)) as connection:
            assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()


def test_there_and_back_is_where_it_was(home):
    before = legacy(home)
    switched(home)

    done = rolled_back(home)

    assert ({}, {}) == (done.written, done.residue)
    assert before == legacy(home)
    assert b'USE_CONSOLIDATED_DBS="false"' in (home / ".env").read_bytes()
    assert not list((home / "data").glob("jarvis_core.db*"))
    with pytest.raises(Refused, match="no cutover to roll back"):
        rolled_back(home)


def test_what_was_written_goes_back_and_what_cannot_is_kept(home):
    switched(home)
    data = home / "data"
    with closing(sqlite3.connect(data / "jarvis.db", isolation_level=None)) as core:
        core.execute("PRAGMA foreign_keys = ON")
        core.execute(
            "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address,"
            " entry_time, pnl_usd, trailing_stop_enabled, notes) VALUES"
            " ('NEW', 'NewMint', 1.5, 10.0, 15.0, 'open', 'W', '2026-11-23 10:00:00', NULL, NULL, 'only here')"
        )
        core.execute(
            "INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, signature,"
            " status, timestamp, fee_sol, partner_fee_sol) SELECT id, 'buy', 'NEW', 'NewMint', 10.0, 15.0, 1.5,"
            " 'NewSignature', 'confirmed', '2026-11-23 10:00:01.250000', NULL, NULL FROM positions WHERE symbol = 'NEW'"
        )
        (gone,) = core.execute(
            "DELETE FROM trades WHERE id = (SELECT min(id) FROM trades WHERE id NOT IN (SELECT trade_id FROM tax_lots))"
            " RETURNING id"
        ).fetchone()
        (gone,) = core.execute(
            "SELECT legacy_key FROM lineage WHERE target = 'trades' AND target_id = ?", (gone,)
        ).fetchone()
        core.execute("CREATE TABLE plans (x)")
        core.execute("INSERT INTO plans VALUES (1)")

    done = rolled_back(home)

    with closing(sqlite3.connect(data / "jarvis.db")) as back:
        position, status, opened = back.execute(
            "SELECT id, status, opened_at FROM positions WHERE symbol = 'NEW'"
        ).fetchone()
        assert ("open", "2026-11-23T10:00:00+00:00") == (status, opened)
        assert 8 == len(position)
        assert [(position, "buy", "2026-11-23T10:00:01.250000+00:00")] == back.execute(
            "SELECT position_id, side, timestamp FROM trades WHERE tx_signature = 'NewSignature'"
        ).fetchall()
        assert [] == back.execute("SELECT 1 FROM trades WHERE id = ?", (gone,)).fetchall()
    assert {"inserted": 1, "deleted": 1} == done.written["jarvis.trades"]
    assert {"core.positions": 1, "core.plans": 1} == done.residue
    with closing(sqlite3.connect(data / "backup" / "0001" / "rolled-back" / "residue.db")) as residue:
        assert [("only here",)] == residue.execute("SELECT notes FROM core_positions").fetchall()


def test_a_carried_table_takes_back_what_was_written_to_its_copy(home):
    switched(home)
    with closing(sqlite3.connect(home / "data" / "alerts.db", isolation_level=None)) as core:
        (before,) = core.execute("SELECT count(*) FROM legacy_alerts_alerts").fetchone()
        core.execute("DELETE FROM legacy_alerts_alerts WHERE rowid = (SELECT min(rowid) FROM legacy_alerts_alerts)")

    done = rolled_back(home)

    with closing(sqlite3.connect(home / "data" / "alerts.db")) as back:
        assert (before - 1,) == back.execute("SELECT count(*) FROM alerts").fetchone()
    assert {"alerts.alerts": {"deleted": 1}} == done.written


def test_a_process_that_has_a_file_open_is_named_and_nothing_is_touched(home):
    before = legacy(home)
    wanted, snapshot = prepared(home)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM sqlite_schema').fetchone();"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, home / "data" / "jarvis.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        with pytest.raises(Refused, match=rf"jarvis\.db is open in process {holder.pid} .*stop what uses"):
            cutover_stage.cutover(wanted, snapshot, observer=Observer())
        holder.stdin.close()

    assert before == legacy(home)
    assert {"consolidated"} == (switched(home), answers(home))[1]


def test_a_file_that_changed_since_the_snapshot_is_named(home):
    wanted, snapshot = prepared(home)
    with closing(sqlite3.connect(home / "data" / "tax.db", isolation_level=None)) as late:
        late.execute("CREATE TABLE late (x)")

    with pytest.raises(Refused, match=r"tax\.db: has changed since the snapshot"):
        cutover_stage.cutover(wanted, snapshot, observer=Observer())

    assert not (home / "data" / "jarvis_core.db").exists()


def steps_of(deed, home):
    """Return how many steps *deed* makes on a copy of its own."""
    return die_after(deed, home, None)


def die_after(deed, home, last):
    """Run *deed* in a child that dies after its step number *last*; return its exit code, or the steps without one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def counting(step):
            def counted(*arguments):
                nonlocal count
                done = step(*arguments)
                count += 1
                if count == last:
                    os._exit(9)
                return done

            return counted

        for name in STEPS:
            setattr(durable_files, name, counting(getattr(durable_files, name)))
        try:
            deed(home)
            os.write(writing, str(count).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        said = told.read()
    return int(said) if last is None else os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("deed", [switched, rolled_back])
def test_whatever_step_is_the_last_each_name_answers_from_one_whole_set(built, tmp_path, deed):
    start = shutil.copytree(built, tmp_path / "start", symlinks=True)
    before = legacy(start)
    if deed is rolled_back:
        switched(start)
    total = steps_of(deed, shutil.copytree(start, tmp_path / "whole", symlinks=True))
    assert total > 50

    for last in range(1, total + 1, STRIDE):
        # A copied tree keeps its relative links; the tool finds its own place.
        home = shutil.copytree(start, tmp_path / f"home{last}", symlinks=True)
        assert 9 == die_after(deed, home, last), "the fault did not fire"
        if switch_state.read(home / "data") is not None:
            assert 1 == len(answers(home)), last

        recovery.recover(home / "data")

        assert "" == recovery.recover(home / "data"), last
        in_use = answers(home) if switch_state.read(home / "data") else {"legacy"}
        flag = (home / ".env").exists() and "true" in (home / ".env").read_text()
        assert flag == (in_use == {"consolidated"}), last
        if in_use == {"legacy"}:
            assert before == legacy(home), last
        else:
            assert {} == rolled_back(home).written, last
            assert before == legacy(home), last
        shutil.rmtree(home)
