"""A dirty set with amendments of the specification: every re-bought position is in, forward, back and through a rollback."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import accepted_quarantine
import pytest

import contracts
from contracts.specimens import generator
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import switchover
from migrator.schema import specified
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow

HISTORY = "position_history"
NEW = """
INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, entry_time, wallet_address)
SELECT symbol, token_address, 2.5, 10.0, 1.0, 'open', '2026-05-01 00:00:00', wallet_address FROM positions WHERE id = ?
"""


def decide(data, amendments):
    """Write *amendments* to the configuration of the set."""
    path = data / "migrator.toml"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("amendments")]
    lines.insert(lines.index("[decisions]") + 1, f"amendments = {json.dumps(amendments)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config_file.load(path)


def read(path, question, *values):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question, values).fetchall()


def digests(data):
    """Return legacy file -> the digest of its content, by the names of the legacy files."""
    return freshness.digests_of({path.name: path for path in data.glob("*.db")})


def by_cause(core):
    """Return constraint -> legacy keys of the quarantined positions."""
    causes = {}
    for broken, key in read(core, "SELECT broken, legacy_key FROM quarantine WHERE source = 'jarvis.positions'"):
        causes.setdefault(broken, set()).add(key)
    return causes


@pytest.fixture(name="plain", scope="module")
def _plain(tmp_path_factory):
    """A dirty set, migrated to the specification as it is written."""
    data = tmp_path_factory.mktemp("plain") / "data"
    generator.make(data, seed=7, rows=300, dirty=True, wal=True)
    workspace = Workspace(data)
    assert () == pipeline_migrate.migrate(workspace, decide(data, []), data / "migrator.toml").verified.broken
    return data


@pytest.fixture(name="amended", scope="module", params=[[HISTORY], list(specified.amendments())], ids=["one", "all"])
def _amended(request, plain, tmp_path_factory):
    """The same set, migrated with amendments."""
    data = shutil.copytree(plain, tmp_path_factory.mktemp("amended") / "data")
    workspace, configuration = Workspace(data), decide(data, request.param)
    migrated = pipeline_migrate.migrate(workspace, configuration, data / "migrator.toml")
    assert () == migrated.verified.broken
    assert migrated.holds
    accepted_quarantine.accept(data)
    return data


def test_every_position_is_in_but_for_a_second_open_one_of_its_token(plain, amended):
    before = by_cause(plain / ".migrator" / "stage" / "jarvis_core.db")
    core = amended / ".migrator" / "stage" / "jarvis_core.db"
    after = by_cause(core)

    history = before.pop("UNIQUE token_address")
    rivals = after.pop("UNIQUE token_address WHERE status = 'open'", set())
    assert before == after
    assert len(history) > len(rivals)
    assert rivals < history
    there = {key for (key,) in read(core, "SELECT legacy_key FROM lineage WHERE source = 'jarvis.positions'")}
    assert history - rivals <= there
    for key in rivals:
        question = "SELECT json_extract(row, '$.token_mint'), json_extract(row, '$.status') FROM quarantine WHERE legacy_key = ?"
        ((mint, status),) = read(core, question, key)
        assert "open" == status
        open_ones = read(core, "SELECT id FROM positions WHERE token_address = ? AND status = 'open'", mint)
        assert 1 == len(open_ones)


def test_the_evidence_names_the_amendments(plain, amended):
    named = [verify_evidence.read(Workspace(data).evidence).amendments for data in (plain, amended)]

    assert [(), config_file.load(amended / "migrator.toml").specification.amendments] == named


@pytest.fixture(name="data")
def _data(amended, tmp_path):
    return shutil.copytree(amended, tmp_path / "data")


def test_another_decision_than_that_of_the_build_is_refused(data):
    before = config_file.load(data / "migrator.toml").specification.amendments
    configuration = decide(data, [])

    tried = switchover.cutover(Workspace(data), configuration, execute=True)

    assert any("the configuration has changed since" in refusal for refusal in tried.refusals)
    assert before != configuration.specification.amendments
    assert not (data / "jarvis_core.db").exists()


def test_a_history_that_grew_since_the_cutover_comes_back_with_a_rollback(pytester, data):
    legacy = "SELECT * FROM positions ORDER BY rowid"
    was = read(data / "jarvis.db", legacy)
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    switchover.cutover(workspace, configuration, execute=True)
    assert configuration.specification.amendments == switch_state.read(data).amendments
    with closing(sqlite3.connect(data / "jarvis_core.db")) as core:
        ((sold, key),) = core.execute(
            "SELECT p.id, l.legacy_key FROM positions AS p JOIN lineage AS l ON l.target = 'positions' AND l.target_id = p.id"
            " WHERE p.status = 'open' LIMIT 1"
        ).fetchall()
        # The open position of a token is closed, and the token is bought again, twice.
        with core:
            core.execute(
                "UPDATE positions SET status = 'closed', exit_time = '2026-04-30 00:00:00' WHERE id = ?", (sold,)
            )
            core.execute(NEW, (sold,))
            core.execute("UPDATE positions SET status = 'closed' WHERE entry_time = '2026-05-01 00:00:00'")
            core.execute(NEW, (sold,))

    done = switchover.rollback(workspace, configuration, execute=True)

    now = read(data / "jarvis.db", legacy)
    assert {} == dict(done.residue)
    assert {"jarvis.positions": {"inserted": 2, "updated": 1}} == {
        name: dict(counts) for name, counts in done.written.items()
    }
    assert [row for row in was if row[0] != key] == [row for row in now if row[0] != key][: len(was) - 1]
    assert ["closed_manual", "open"] == sorted(row[10] for row in now[len(was) :])
    judged = pytester.inline_run(
        str(Path(contracts.__file__).parent / "8_rollback"), "--legacy-dir", str(data), "--import-mode=importlib",
        "--consolidated-dir", str(switch_state.read(data).left_behind), "-p", "no:cacheprovider",
    )  # fmt: skip
    passed, _, failed = judged.listoutcomes()
    assert [] == failed
    assert passed
    # What came back migrates again with the amendments, to GO.
    again = pipeline_migrate.migrate(Workspace(data), configuration, data / "migrator.toml")
    assert () == again.verified.broken


@pytest.mark.parametrize("amended", [list(specified.amendments())], ids=["all"], indirect=True)
def test_what_only_the_amended_tables_take_comes_back(amended, tmp_path):
    """A provider by its name, a minute that is written again, a reflection in a table with columns that are not indexed."""
    data = shutil.copytree(amended, tmp_path / "data")
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    switchover.cutover(workspace, configuration, execute=True)
    with closing(sqlite3.connect(data / "jarvis_analytics.db")) as analytics, analytics:
        analytics.execute(
            "INSERT INTO llm_costs (provider, model, input_tokens, output_tokens, cost_usd, timestamp)"
            " VALUES ('groq', 'llama', 10, 20, 0.5, '2026-05-01 00:00:00')"
        )
        minute = "INSERT INTO metrics (metric_name, metric_value, timestamp, tags) VALUES ('latency_mean', ?, '2026-05-01 00:00:00',"
        minute += """ '{"component":"grok","resolution":"1m"}') ON CONFLICT(metric_name, timestamp, tags)"""
        minute += " DO UPDATE SET metric_value = excluded.metric_value"
        analytics.execute(minute, (1.0,))
        analytics.execute(minute, (2.0,))
        analytics.execute(
            "UPDATE ai_reflections SET content = 'new trigger' || char(10, 10) || 'new lesson'"
            " WHERE rowid = (SELECT min(rowid) FROM ai_reflections)"
        )
        dated = "SELECT count(*) FROM ai_reflections WHERE ai_reflections MATCH '2026' AND content NOT LIKE '%2026%'"
        assert (0,) == analytics.execute(dated).fetchone()

    done = switchover.rollback(workspace, configuration, execute=True)

    assert {} == dict(done.residue)
    assert {"llm_costs.llm_usage", "metrics.metrics_1m", "jarvis_memory.reflections"} == done.written.keys()
    assert [("groq",)] == read(data / "llm_costs.db", "SELECT provider FROM llm_usage WHERE model = 'llama'")
    assert [(2.0,)] == read(
        data / "metrics.db",
        "SELECT latency_mean FROM metrics_1m WHERE component = 'grok' AND timestamp LIKE '2026-05-01T00:00:00%'",
    )
    assert [(1,)] == read(data / "jarvis_memory.db", "SELECT count(*) FROM reflections WHERE trigger = 'new trigger'")


def test_a_set_that_was_not_written_to_comes_back_as_it_was(data):
    was = digests(data)
    workspace, configuration = Workspace(data), config_file.load(data / "migrator.toml")
    switchover.cutover(workspace, configuration, execute=True)
    assert (data / "jarvis.db").is_symlink()

    done = switchover.rollback(workspace, configuration, execute=True)

    assert ({}, {}) == (dict(done.residue), dict(done.written))
    assert was == digests(data)
