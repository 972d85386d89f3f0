"""The proof in two processes: it gives the result of one process, and reports each failure of the second."""

import contextlib
import json
import signal
import sqlite3
import time
from collections import deque
from pathlib import Path

import pytest

from contracts.performance import gate
from contracts.specimens import generator
from migrator.errors import BuildError
from migrator.stages.build import proof as build_proof
from migrator.stages.build import stage as build_stage
from migrator.stages.build.proof_worker import Proof, Prover
from migrator.stages.rollback import stage as rollback_stage
from migrator.system import worker_process


@pytest.fixture(name="bench", scope="module")
def _bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "legacy"
    generator.make(folder, rows=600, dirty=True)
    return gate.Bench(folder)


@pytest.fixture(name="shared")
def _shared(monkeypatch):
    """Two processes share even the proof of few rows; return the second ones."""
    monkeypatch.setattr(build_proof, "SHARED_FROM", 1)
    monkeypatch.setattr(worker_process, "processors", lambda: 2)
    started = []
    start = worker_process.start

    def note(module, **options):
        started.append(start(module, **options))
        return started[-1]

    monkeypatch.setattr(worker_process, "start", note)
    return started


@pytest.fixture(name="target")
def _target(tmp_path):
    """A database that a prover can open."""
    path = tmp_path / "target.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (k)")
        connection.execute("INSERT INTO t VALUES ('a'), ('b')")
        connection.commit()
    return {"core": path, "old": path}


def proof(find="SELECT k AS legacy_key, NULL AS rest, 1 AS at FROM core.t", rebuilt="SELECT 1 WHERE 0"):
    return Proof("old.t", "old", {}, find, rebuilt, "SELECT 1 WHERE 0")


def digests(stage):
    return (Path(stage) / "built.json").read_text(encoding="utf-8").partition('"digests"')[2].partition("}")[0]


@pytest.mark.slow
def test_two_processes_make_what_one_makes(bench, shared, monkeypatch):
    bench.clear()
    two = digests(bench.build())
    assert [0, 0, 0] == [process.returncode for process in shared], "a second process for each target"
    monkeypatch.setattr(build_proof, "SHARED_FROM", 10**9)
    bench.clear()

    assert digests(bench.build()) == two
    assert 3 == len(shared)
    assert "core" in two


def test_a_carried_table_that_differs_from_its_legacy_table_is_a_mismatch(bench, monkeypatch):
    finish = build_stage.TargetDatabase.finish
    spoilt = []

    def spoil(self):
        named = f"SELECT name FROM {self.target}.sqlite_schema WHERE type = 'table' AND name GLOB 'legacy_*' ORDER BY 1"
        for (name,) in self.connection.execute(named).fetchall():
            if not spoilt and self.connection.execute(f'DELETE FROM {self.target}."{name}" WHERE rowid = 1').rowcount:
                spoilt.append(name)
        return finish(self)

    monkeypatch.setattr(build_stage.TargetDatabase, "finish", spoil)
    # The rehearsed way back would refuse the build by itself.
    monkeypatch.setattr(rollback_stage, "way_back", lambda *_: None)
    bench.clear()

    built = build_stage.recorded(bench.build())

    ((source, what),) = built.mismatches.items()
    assert [f"legacy_{source.replace('.', '_')}"] == spoilt
    assert ("(its digest)",) == what
    bench.clear()


def test_the_second_process_answers_as_the_one_here(target):
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(contextlib.closing(Prover("core", target)))
        there = stack.enter_context(contextlib.closing(build_proof.ProcessProver("core", target)))
        for prover in (here, there):
            asked = proof(
                find="SELECT k AS legacy_key, '{\"\u00e4\": 1}' AS rest, rowid AS at FROM core.t WHERE k <> :no",
                rebuilt="SELECT k FROM core.t",
            )._replace(given={"no": "b"})
            assert 1 == prover.find(asked)
            assert [(1, '{"\u00e4": 1}', 1)] == [tuple(row) for row in prover.rests(asked, 0)]
            assert [] == list(prover.rests(asked, 1))
            assert ["a", "b"] == list(prover.rebuild(asked._replace(given={})))


def test_what_sqlite_refuses_there_is_raised_here(target):
    with (
        contextlib.closing(build_proof.ProcessProver("core", target)) as there,
        pytest.raises(sqlite3.OperationalError, match=r"no such table: core\.u") as refused,
    ):
        there.find(proof(find="SELECT * FROM core.u"))

    assert "SQLITE_ERROR" == refused.value.sqlite_errorname


def test_a_second_process_that_is_killed_stops_the_build_and_the_next_one_is_whole(bench, shared, monkeypatch):
    bench.clear()
    find = build_proof.ProcessProver.find

    def killed(self, one):
        shared[-1].kill()
        return find(self, one)

    with monkeypatch.context() as context:
        context.setattr(build_proof.ProcessProver, "find", killed)
        with pytest.raises(BuildError, match="the second process of the proof was killed: SIGKILL"):
            bench.build()

    assert digests(bench.build())


def test_who_is_interrupted_does_not_wait_for_the_second_process(target):
    def work(prover, one):
        if isinstance(prover, Prover):
            time.sleep(0.3)
            raise KeyboardInterrupt
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n WHERE i < 0"
        return prover.find(one._replace(find=endless))

    with contextlib.ExitStack() as stack:
        here = stack.enter_context(contextlib.closing(Prover("core", target)))
        there = stack.enter_context(contextlib.closing(build_proof.ProcessProver("core", target)))
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            build_proof.share([(one, deque([proof()])) for one in (here, there)], work)

    assert time.monotonic() - begun < 30


def test_a_failure_of_either_leaves_the_other_nothing_to_do(target):
    waiting = deque([proof(), proof(find="SELECT * FROM core.u"), *[proof()] * 50])
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(contextlib.closing(Prover("core", target)))
        there = stack.enter_context(contextlib.closing(build_proof.ProcessProver("core", target)))
        with pytest.raises(sqlite3.OperationalError):
            build_proof.share([(one, waiting) for one in (here, there)], lambda prover, one: prover.find(one))

    assert not waiting


def test_an_interrupt_at_the_terminal_is_left_to_the_parent_with_which_it_ends(target):
    process = worker_process.start("migrator.stages.build.proof_worker")
    said, told = worker_process.pipes(process)
    with contextlib.closing(told):
        said.write(json.dumps(["core", {name: str(path) for name, path in target.items()}]).encode() + b"\n")
        said.write(json.dumps(["find", proof()]).encode() + b"\n")
        said.flush()
        assert b'{"answer": 2}\n' == told.readline()

        process.send_signal(signal.SIGINT)
        said.write(json.dumps(["rests", proof(), 2]).encode() + b"\n")
        said.flush()
        assert b'{"answer": []}\n' == told.readline()
        # As the system does when the parent is killed.
        said.close()
        assert 0 == process.wait(timeout=30)
