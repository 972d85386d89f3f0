"""A program that writes through a legacy schema dies, or its machine does: both sides are whole, and nothing acknowledged is lost."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import cut_over_set
import pytest
import small_set
import sweep
from legacy_writes import COMMITS, LegacyWrites

import migrator
from migrator.application.compat import connection as compat_connection

#: Kills of one run; 200 of them were made once (docs/reference/reliability.md).
KILLS = int(os.environ.get("MIGRATOR_KILLS", "12"))

PROGRAM = """
import sys
import migrator

connection = migrator.connect(sys.argv[1], timeout=30)
(count,) = connection.execute("SELECT total_trades FROM scorecard").fetchone()
while True:
    count += 1
    with connection:
        connection.execute("DELETE FROM positions WHERE symbol = 'KILLED'")
        connection.execute(
            "INSERT INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, opened_at)"
            " VALUES (?, 'KILLED', 'KilledMint', 1.0, 2.0, 3.0, ?, '2026-02-01T00:00:00+00:00')",
            (f"{count:08x}", "open" if count % 3 else "no such state"),
        )
        connection.execute("UPDATE scorecard SET total_trades = ?", (count,))
    print(count, flush=True)
"""


@pytest.fixture(name="writes", scope="module")
def _writes(lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("writes", numbered=True)
    start = small_set.copied(lab.scenarios["cutover"].start, folder / "start")
    small_set.cut_over(start, serving=True)
    return LegacyWrites(start, folder / "scratch")


@pytest.mark.faults
@pytest.mark.parametrize("model", ["strict", "ext4"])
def test_a_power_cut_leaves_both_sides_after_the_same_commit(lab, held, writes, model):
    tree, done = sweep.recorded(lab, writes)
    assert "" == done.error
    assert COMMITS == writes.demand([one.name for one in done.operations if one.what == "!"])

    held(
        f"power cut, {model}: {writes.deed}",
        sweep.power_cuts(lab, writes, done.operations, tree, model=model),
    )


@pytest.mark.faults
def test_the_lab_sees_a_commit_that_does_not_wait_for_the_disk(lab, caught, writes):
    hasty = LegacyWrites(writes.start, lab.scratch / "hasty", "hasty_legacy_writes")
    tree, done = sweep.recorded(lab, hasty)

    tally = sweep.power_cuts(lab, hasty, done.operations, tree, until=("told",))

    caught(hasty.deed, tally, "told")


@pytest.mark.faults
def test_a_kill_at_each_operation_leaves_both_sides_after_the_same_commit(lab, held, writes):
    _, whole = sweep.recorded(lab, writes)
    tally = sweep.Tally()

    for at in range(lab.seed % lab.stride, len(whole.steps), lab.stride):
        with sweep.killed(lab, writes, at) as (home, _, done):
            told = [one.name for one in done.operations if one.what == "!"]
            tally.note(writes.judge(home, told, again=True), sweep.described(done.operations, len(done.operations)))
            tally.operations += 1

    held(f"kill: {writes.deed}", tally)


@pytest.mark.faults
def test_a_killed_program_leaves_what_it_acknowledged_and_nothing_half_done(tmp_path):
    data = cut_over_set.make(tmp_path / "set", rows=200)
    draw = random.Random(5)  # noqa: S311 - moments, not secrets
    with closing(migrator.connect(data / "jarvis.db")) as connection, connection:
        connection.execute("UPDATE scorecard SET total_trades = 0")
    compat_connection.POOL.clear()
    acknowledged = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, data / "jarvis.db"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline())
        time.sleep(draw.random() * 0.05)
        process.kill()
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout if line.endswith("\n"))])
        process.wait()
        process.stdout.close()

        with closing(migrator.connect(data / "jarvis.db")) as connection:
            (count,) = connection.execute("SELECT total_trades FROM scorecard").fetchone()
            rows = connection.execute("SELECT id FROM positions WHERE symbol = 'KILLED'").fetchall()
        compat_connection.POOL.clear()
        assert count in (acknowledged, acknowledged + 1)
        assert [(f"{count:08x}",)] == rows
        with closing(sqlite3.connect(data / "jarvis_core.db")) as core:
            assert [("ok",)] == core.execute("PRAGMA integrity_check").fetchall()
            assert [] == core.execute("PRAGMA foreign_key_check").fetchall()
            in_table = core.execute("SELECT count(*) FROM positions WHERE symbol = 'KILLED'").fetchone()[0]
            set_aside = core.execute(
                "SELECT count(*) FROM quarantine WHERE legacy_key = ?", (f"{count:08x}",)
            ).fetchone()[0]
            assert (in_table, set_aside) == ((1, 0) if count % 3 else (0, 1))
    shutil.rmtree(tmp_path / "set")
