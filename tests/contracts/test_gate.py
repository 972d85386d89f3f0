"""The gate fails if a change costs speed, lists what it cannot compare, and passes on an unchanged tree."""

import json
from contextlib import closing
from pathlib import Path

import pytest

import contracts
from contracts.performance import gate, legacy_schema, questions, workbench
from migrator.application.compat import changes
from migrator.application.compat.tables import Tables
from migrator.application.watched_files import WatchedFiles
from migrator.mapping import reverse_sql
from migrator.schema import catalogue
from migrator.system import connections

GATE = Path(contracts.__file__).parent / "9_budget" / "bench_gate.py"


@pytest.fixture(name="recorded", scope="module")
def _recorded(tmp_path_factory):
    """A new record for this tree and this SQLite, so that the test needs no particular SQLite."""
    return tmp_path_factory.mktemp("gate") / "recorded.json"


def judge(pytester, monkeypatch, recorded, *names, order=""):
    monkeypatch.setattr(gate, "RECORDED", recorded)
    monkeypatch.setattr(gate.Record.__init__, "__defaults__", (recorded,))
    monkeypatch.setenv(gate.RECORD, order)
    # pytest-benchmark measures nothing in a worker of xdist; ratios of processor time can do without quiet.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    run = pytester.inline_run(
        str(GATE), "--import-mode=importlib", "-o", "python_files=bench_*.py", "-p", "no:cacheprovider",
        "--benchmark-storage=file://./.benchmarks", "-k", " or ".join(names),
    )  # fmt: skip
    passed, _, failed = run.listoutcomes()
    assert passed or failed, "the gate judged nothing"
    return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}


def of_questions(monkeypatch, target, *statements):
    """Run *statements* on the database *target* that questions are asked of."""
    make = workbench.of

    def spoilt(*arguments):
        made = make(*arguments)
        with closing(connections.scratch(made.consolidated / catalogue.TARGETS[target])) as connection:
            for statement in statements:
                connection.execute(statement)
        return made

    monkeypatch.setattr(workbench, "of", spoilt)


@pytest.fixture(name="known", scope="module")
def _known(recorded):
    """The recorded figures of this tree."""

    once = set()

    def make(pytester, monkeypatch, *names):
        if names in once:
            return recorded
        once.add(names)
        with monkeypatch.context() as patch:
            assert {} == judge(pytester, patch, recorded, *names, order="repository")
        return recorded

    return make


PLAN, STEPS = "test_plan_is_no_worse_than_recorded", "test_question_takes_no_more_steps_than_recorded"
BUILD, GROWTH = "test_build_takes_no_more_steps", "test_build_and_proof_grow_in_proportion_to_the_rows"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "statement", "question"),
    [
        ("analytics", "DROP INDEX idx_telegram_messages_user", "messages_of_user"),
        ("core", "DELETE FROM sqlite_stat1", "trades_latest"),
    ],
    ids=["dropped index", "missing ANALYZE"],
)
def test_a_database_that_answers_more_slowly_is_red(pytester, monkeypatch, known, target, statement, question):
    recorded = known(pytester, monkeypatch, PLAN, STEPS)
    of_questions(monkeypatch, target, statement)

    failed = judge(pytester, monkeypatch, recorded, PLAN, STEPS)

    assert {f"{PLAN}[{question}]", f"{STEPS}[{question}]"} <= failed.keys()


@pytest.mark.slow
def test_doubled_work_in_the_build_is_red(pytester, monkeypatch, known):
    recorded = known(pytester, monkeypatch, BUILD)
    keep = reverse_sql.rest_sql
    # Every row is rebuilt twice.
    monkeypatch.setattr(reverse_sql, "rest_sql", lambda mapping: f"{keep(mapping)} UNION {keep(mapping)}")

    failed = judge(pytester, monkeypatch, recorded, BUILD)

    assert {
        "test_build_takes_no_more_steps_than_recorded[2500]",
        "test_build_takes_no_more_steps_than_recorded[10000]",
    } == failed.keys()


@pytest.mark.slow
def test_a_build_that_is_made_three_times_takes_longer_beside_a_naive_copy(pytester, monkeypatch, known):
    name = "test_build_takes_no_longer_beside_a_naive_copy"
    recorded = known(pytester, monkeypatch, name)
    build = gate.Bench.build

    def three_times(bench):
        for _ in range(2):
            build(bench)
            bench.clear()
        return build(bench)

    monkeypatch.setattr(gate.Bench, "build", three_times)

    assert {name} == judge(pytester, monkeypatch, recorded, name).keys()


@pytest.mark.slow
def test_a_proof_that_looks_at_every_pair_of_rows_is_red(pytester, monkeypatch, recorded):
    keep = reverse_sql.rest_sql
    # A key behind a sign finds no index.
    monkeypatch.setattr(reverse_sql, "rest_sql", lambda mapping: keep(mapping).replace(" AS s ON s.", " AS s ON +s."))

    assert {GROWTH} == judge(pytester, monkeypatch, recorded, GROWTH).keys()


LEGACY_SCHEMA = "test_legacy_schema_takes_no_longer", "test_connect_takes_no_longer", "test_program_takes_no_longer"


@pytest.mark.slow
def test_a_legacy_schema_that_costs_more_is_red(pytester, monkeypatch, known):
    recorded = known(pytester, monkeypatch, *LEGACY_SCHEMA)
    legacy, served = legacy_schema._PROGRAMS
    check = Tables.check
    # Each read looks for changes many times, each commit makes the tables of mirrors, each connect resolves its name anew.
    monkeypatch.setattr(Tables, "check", lambda tables: max(check(tables) for _ in range(100)))
    monkeypatch.setattr(changes, "are_made", lambda *_: False)
    monkeypatch.setattr(WatchedFiles, "are_settled", lambda _: False)
    monkeypatch.setattr(legacy_schema, "_PROGRAMS", (legacy, f"import sqlglot, rich.console; {served}"))

    failed = judge(pytester, monkeypatch, recorded, *LEGACY_SCHEMA)

    least = "test_legacy_schema_takes_no_longer_beside_the_legacy_file"
    assert {
        f"{least}[read by key]",
        f"{least}[commit a log line]",
        "test_connect_takes_no_longer_beside_the_legacy_file",
        "test_program_takes_no_longer_beside_the_legacy_file",
    } <= failed.keys()


def test_what_nobody_recorded_is_said_and_kept_beside_and_fails_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(gate.RECORD, raising=False)
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"sqlite 3.0.0, faker 1.0": {"steps of all": 1}}), encoding="utf-8")
    record = gate.Record(path)

    assert record.compare("steps of all", 7) is None

    written = record.keep(tmp_path / "beside" / "recorded.json")
    assert tmp_path / "beside" / "recorded.json" == written
    assert {"sqlite 3.0.0, faker 1.0": {"steps of all": 1}, gate.made_by(): {"steps of all": 7}} == json.loads(
        written.read_text(encoding="utf-8")
    )
    assert gate.made_by() not in json.loads(path.read_text(encoding="utf-8"))


def test_a_recorded_figure_is_compared_and_not_written_again(tmp_path, monkeypatch):
    monkeypatch.delenv(gate.RECORD, raising=False)
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({gate.made_by(): {"steps of all": 5}}), encoding="utf-8")
    record = gate.Record(path)

    assert 5 == record.compare("steps of all", 7)
    assert record.keep(tmp_path / "beside.json") is None


@pytest.mark.parametrize(
    ("processor", "said"), [(gate.processor(), "took 2.00 s, and 1.00 s in"), ("another", "is not compared with")]
)
def test_times_of_another_machine_are_said_and_not_compared(tmp_path, processor, said):
    (tmp_path / "Linux").mkdir()
    stored = {
        "name": "test_it",
        "extra_info": {"processor": processor, "made_by": gate.made_by()},
        "stats": {"median": 1.0},
    }
    (tmp_path / "Linux" / "0001_it.json").write_text(json.dumps({"benchmarks": [stored]}), encoding="utf-8")

    (line,) = gate.advice(tmp_path, {"test_it": 2.0})

    assert said in line


def test_steps_are_counted_exactly_and_the_same_twice():
    with closing(connections.memory()) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1), (2), (3)")
        once = questions.steps(connection, "SELECT a FROM t", {})
        again = questions.steps(connection, "SELECT a FROM t", {})
        connection.execute("INSERT INTO t VALUES (4)")
        more = questions.steps(connection, "SELECT a FROM t", {})

    assert once == again
    # Column, ResultRow, Next for one more row.
    assert once + 3 == more


def test_an_answer_that_takes_too_many_steps_is_not_waited_for():
    with closing(connections.memory()) as connection:
        without_end = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT a FROM n WHERE a < 0"

        assert 1_001 == questions.steps(connection, without_end, {}, most=1_000)
        assert [(1,)] == connection.execute("SELECT 1").fetchall()


def test_connections_are_counted_only_meanwhile():
    with gate.counting(every=1) as count:
        with closing(connections.memory()) as connection:
            connection.execute("SELECT 1").fetchall()
        counted = count()
    with closing(connections.memory()) as connection:
        connection.execute("SELECT 1").fetchall()

    assert 0 < counted == count()
