"""A dirty set with decisions about rows: served to the bot, written to, and undone by a rollback."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import accepted_quarantine
import pytest

from contracts.mutants.by_hand.decided import DECIDED
from contracts.specimens import generator
from migrator.config import config_file
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import switchover
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow

BOT = """
import json, sys, migrator
bot = migrator.connect(sys.argv[1])
rows = [list(row) for statement in json.loads(sys.argv[2]) for row in bot.execute(statement)]
bot.commit()
bot.close()
print(json.dumps(rows))
"""
POSITION, OTHER = "0bb3beef", "148bbd7a"


def read(path, question, *values):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question, values).fetchall()


def digests(data):
    return freshness.digests_of({path.name: path for path in data.glob("*.db")})


@pytest.fixture(name="migrated", scope="module")
def _migrated(tmp_path_factory):
    data = tmp_path_factory.mktemp("decided") / "data"
    generator.make(data, seed=7, rows=300, dirty=True)
    path = data / "migrator.toml"
    constants = path.read_text(encoding="utf-8").partition("[decisions]")[0]
    path.write_text(
        constants + DECIDED.replace("[decisions]\n", "[decisions]\ncode_is_ready = true\n"), encoding="utf-8"
    )
    migrated = pipeline_migrate.migrate(Workspace(data), config_file.load(path), path)
    assert () == migrated.verified.broken
    accepted_quarantine.accept(data)
    return data


@pytest.fixture(name="data")
def _data(migrated, tmp_path):
    """A copy of it, in which the consolidated set is in use."""
    data = shutil.copytree(migrated, tmp_path / "data")
    assert switchover.cutover(Workspace(data), config_file.load(data / "migrator.toml"), execute=True).executed
    return data


def as_the_bot(path, *statements):
    """Run *statements* through the legacy name *path* in a process of their own; return what they read."""
    program = [sys.executable, "-c", BOT, str(path), json.dumps(statements)]
    return json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def rolled_back(data):
    done = switchover.rollback(Workspace(data), config_file.load(data / "migrator.toml"), execute=True)
    assert done.executed, (*done.refusals, *done.holders)
    return done


def position(data, key):
    return read(data / "jarvis.db", "SELECT status, entry_amount_sol FROM positions WHERE id = ?", key)


def test_the_evidence_has_the_digest_of_the_decisions(migrated):
    evidence = verify_evidence.read(Workspace(migrated).evidence)

    assert evidence.decisions == config_file.load(migrated / "migrator.toml").rows.digest() != ""


def test_a_cutover_with_other_decisions_than_the_build_is_refused(migrated, tmp_path):
    data = shutil.copytree(migrated, tmp_path / "data")
    path = data / "migrator.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace('set = { status = "open" }', 'set = { status = "closed" }')
    )

    tried = switchover.cutover(Workspace(data), config_file.load(path), execute=True)

    assert any("the configuration has changed since" in refusal for refusal in tried.refusals)


def test_a_rollback_gives_back_each_legacy_file_as_it_was_and_a_migration_the_same_set(migrated, data):
    assert {row.key for row in switch_state.read(data).decided} >= {POSITION, OTHER, "made-233"}

    done = rolled_back(data)

    assert dict(done.written) == dict(done.residue) == {}
    assert digests(data) == digests(migrated)
    workspace = Workspace(data)
    path = data / "migrator.toml"
    again = pipeline_migrate.migrate(workspace, config_file.load(path), path)
    assert again.holds
    stage = {path.name: path for path in (data / ".migrator" / "stage").glob("*.db")}
    former = {path.name: path for path in (migrated / ".migrator" / "stage").glob("*.db")}
    assert freshness.digests_of(stage) == freshness.digests_of(former)


def test_what_was_written_to_decided_rows_comes_back_and_other_cells_are_as_they_were(data):
    with closing(sqlite3.connect(data / "jarvis_core.db")) as core, core:
        ids = dict(core.execute("SELECT legacy_key, target_id FROM lineage WHERE target = 'positions'"))
        core.execute("UPDATE positions SET status = 'closed' WHERE id = ?", (ids[POSITION],))
        core.execute("UPDATE positions SET amount_sol = 7.5 WHERE id = ?", (ids[OTHER],))
        core.execute("UPDATE trades SET amount_sol = 13.0 WHERE signature = 'tx-233'")

    done = rolled_back(data)

    assert dict(done.residue) == {}
    assert position(data, POSITION) == [("closed_manual", 0.1)]
    assert position(data, OTHER) == [("lost", 7.5)]
    assert read(data / "jarvis.db", "SELECT amount_sol FROM trades WHERE tx_signature = 'tx-233'") == [(13.0,)]


def test_a_decision_that_the_bot_has_overtaken_is_refused_by_the_next_plan(data):
    with closing(sqlite3.connect(data / "jarvis_core.db")) as core, core:
        core.execute(
            "UPDATE positions SET status = 'closed' WHERE id = (SELECT target_id FROM lineage WHERE legacy_key = ?)",
            (POSITION,),
        )
    rolled_back(data)
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")

    assert pipeline_migrate.plan(workspace, configuration, count=True).refusals == (
        "jarvis.positions '0bb3beef': status: expected 'sunk', as was has it; found 'closed_manual'",
    )
    with pytest.raises(Refused, match="expected 'sunk', as was has it"):
        pipeline_migrate.migrate(workspace, configuration, data / "migrator.toml")


def test_code_that_was_not_rewritten_reads_the_legacy_cell_and_the_row_stays_in(data):
    core = data / "jarvis_core.db"
    status = "SELECT p.status, p.amount_sol FROM positions AS p JOIN lineage AS l ON l.target = 'positions' AND l.target_id = p.id"

    rows = as_the_bot(
        data / "jarvis.db",
        f"SELECT status FROM positions WHERE id = '{POSITION}'",
        f"UPDATE positions SET entry_amount_sol = 7.5 WHERE id = '{POSITION}'",
        f"UPDATE positions SET status = 'open' WHERE id = '{OTHER}'",
    )

    assert rows == [["sunk"]]
    assert read(core, f"{status} WHERE l.legacy_key = ?", POSITION) == [("open", 7.5)]
    assert read(core, f"{status} WHERE l.legacy_key = ?", OTHER)[0][0] == "open"
    assert read(core, "SELECT 1 FROM quarantine WHERE legacy_key IN (?, ?)", POSITION, OTHER) == []
    done = rolled_back(data)
    assert dict(done.residue) == {}
    assert position(data, POSITION) == [("sunk", 7.5)]
    assert position(data, OTHER)[0][0] == "open"


def test_code_that_was_not_rewritten_changes_no_choice_between_rivals_and_no_link_to_a_row_that_was_made(data):
    rivals = "SELECT legacy_key FROM lineage WHERE legacy_key IN ('buy_08947cac', 'buy_629c9832')"

    as_the_bot(data / "jarvis.db", "UPDATE trades SET price = 2.0 WHERE id IN ('buy_08947cac', 'buy_629c9832')")
    as_the_bot(data / "tax.db", "UPDATE tax_lots SET quantity = 9.0 WHERE id = 2")

    assert read(data / "jarvis_core.db", rivals) == [("buy_08947cac",)]
    lot = "SELECT l.quantity, t.signature FROM tax_lots AS l JOIN trades AS t ON t.id = l.trade_id WHERE l.id = 2"
    assert read(data / "jarvis_core.db", lot) == [(9.0, "tx-233")]
    assert dict(rolled_back(data).residue) == {}
    assert read(data / "jarvis.db", "SELECT price FROM trades WHERE id IN ('buy_08947cac', 'buy_629c9832')") == [
        (2.0,),
        (2.0,),
    ]
    assert read(data / "tax.db", "SELECT quantity, tx_id FROM tax_lots WHERE id = 2") == [(9.0, "tx-233")]
