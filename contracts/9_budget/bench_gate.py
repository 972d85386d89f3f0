"""Checks whether a change made migrator or the queries slower (``tox -e bench``).

First it compares the query plans and the steps of SQLite's virtual machine with the record for this SQLite; both are the
same on any machine, however busy.  Then it compares ratios of processor times within this run, each the least of some
rounds.  Times of other runs are only printed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from contracts import judgement
from contracts.performance import gate, legacy_schema, peers, questions, workbench
from contracts.performance.legacy_schema import Deed, Side
from contracts.performance.workbench import Sets
from contracts.specimens import generator
from migrator.mapping import workload
from migrator.mapping.workload import Question
from migrator.schema import catalogue

#: Sizes of the specimens [rows]: the queries run on the larger.
SMALL, LARGE = 2_500, 10_000
#: Allowed steps of a build relative to the record [factor]: three runs took exactly the same steps.
STEPS_MORE = 1.01
#: Allowed growth of steps for four times the rows [factor]: 5.1 is normal, because small sets have few rows in the
#: expensive tables; work on every pair of rows would take sixteen times.
GROWTH = 6.0
#: Allowed ratio of times relative to the record [factor]: the least of seven rounds on a busy machine.
RATIO_MORE = 1.6
ROUNDS = 7

#: Folder of pytest-benchmark's measurements.
HISTORY = Path(".benchmarks")

QUESTIONS = workload.questions()
EVERY_QUESTION = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
EVERY_DEED = pytest.mark.parametrize("deed", legacy_schema.DEEDS, ids=lambda deed: deed.name)


@pytest.fixture(scope="session", name="record")
def _record(pytestconfig: pytest.Config) -> Iterator[gate.Record]:
    record = gate.Record()
    yield record
    lines = gate.advice(HISTORY, record.times)
    if written := record.keep(HISTORY / "recorded.json"):
        lines.append(
            f"{len(record.news)} figures have no record for {gate.made_by()}: they are in {written};"
            " review them, then commit them as contracts/9_budget/recorded.json"
        )
    if reporter := pytestconfig.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line("")
        for line in lines:
            reporter.write_line(line)


@pytest.fixture(scope="session", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("budget")


@pytest.fixture(scope="session", name="sets")
def _sets(folder: Path) -> Sets:
    (folder / "asked").mkdir()
    return workbench.sets(folder / "asked", rows=LARGE)


@pytest.fixture(scope="session", name="builds")
def _builds(folder: Path) -> dict[int, gate.Bench]:
    made = {}
    for rows in (SMALL, LARGE):
        generator.make(folder / str(rows), rows=rows)
        made[rows] = gate.Bench(folder / str(rows))
    return made


@pytest.fixture(scope="session", name="served")
def _served(folder: Path) -> Iterator[tuple[Side, Side, Side]]:
    """The legacy file as it was found and in WAL mode, and the legacy schema; the last two do not wait for the disk."""
    with legacy_schema.sides(folder / "served") as (found, wal, _, served):
        yield found, wal, served


@EVERY_QUESTION
def test_plan_is_no_worse_than_recorded(sets: Sets, record: gate.Record, question: Question) -> None:
    """The plan has no scan of a big table and no sort beyond the recorded plan."""
    values = sets.values(question)
    with sets.both(question) as (_, ours):
        plan = questions.plan(ours, question.sql, values[0] if values else questions.nothing(question))
    recorded = record.compare(f"plan of {question.name}", list(plan.lines))
    if recorded is not None:
        judgement.none(question.name, "needs more than recorded", questions.worse(plan, questions.as_plan(recorded)))


@EVERY_QUESTION
def test_question_takes_no_more_steps_than_recorded(sets: Sets, record: gate.Record, question: Question) -> None:
    """A query takes at most the recorded number of steps."""
    with sets.both(question) as (_, ours):
        steps = sum(questions.steps(ours, question.sql, values) for values in sets.values(question))
    recorded = record.compare(f"steps of {question.name}", steps)
    if recorded is not None and steps > recorded:
        judgement.broken(f"{question.name}: steps", expected=f"at most {recorded:,}", found=f"{steps:,}")


@pytest.mark.parametrize("rows", [SMALL, LARGE])
def test_build_takes_no_more_steps_than_recorded(builds: dict[int, gate.Bench], record: gate.Record, rows: int) -> None:
    """A build with its proof takes about the recorded number of steps."""
    steps = builds[rows].steps()
    recorded = record.compare(f"steps of a build of {rows} rows", steps)
    if recorded is not None and steps > recorded * STEPS_MORE:
        judgement.broken(
            f"build of {rows:,} rows: steps", expected=f"at most {STEPS_MORE} times {recorded:,}", found=f"{steps:,}"
        )


def test_build_and_proof_grow_in_proportion_to_the_rows(builds: dict[int, gate.Bench]) -> None:
    """No part of the build works on every pair of rows."""
    small, large = (builds[rows].steps() for rows in (SMALL, LARGE))
    if large > small * GROWTH:
        judgement.broken(
            f"build of {LARGE:,} rows: steps", expected=f"at most {GROWTH} times the {small:,} of {SMALL:,} rows",
            found=f"{large:,}",
        )  # fmt: skip


def test_build_takes_no_longer_beside_a_naive_copy(
    builds: dict[int, gate.Bench], record: gate.Record, benchmark: BenchmarkFixture
) -> None:
    """A build takes about the recorded ratio of a naive copy's processor time."""
    bench = builds[LARGE]
    legacy = [
        bench.snapshot.folder / database.place
        for database in catalogue.legacy_databases()
        if not database.standalone and (bench.snapshot.folder / database.place).is_file()
    ]
    build_s: list[float] = []
    naive_s: list[float] = []

    def build() -> None:
        with gate.alone() as took:
            bench.build()
        build_s.append(took())

    def before() -> None:
        # In memory, because the time that the kernel needs to write files varies.
        with gate.alone() as took:
            peers.naive(legacy, None)
        naive_s.append(took())
        bench.clear()

    benchmark.pedantic(build, setup=before, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    _judge_ratio(record, benchmark, f"build of {LARGE} rows / naive copy in memory", build_s, naive_s)


def test_questions_take_no_longer_beside_the_legacy_files(
    sets: Sets, record: gate.Record, benchmark: BenchmarkFixture
) -> None:
    """Queries without a finding take about the recorded ratio of time."""
    compared = [question for question in QUESTIONS if not question.costs]
    prepared = [(question, sets.values(question)) for question in compared]
    ours_s: list[float] = []
    legacy_s: list[float] = []

    def ask(side: int) -> float:
        took = 0.0
        for question, every in prepared:
            with sets.both(question) as connections:
                sql = (question.legacy_sql, question.sql)[side]
                begun = time.thread_time()
                for values in every:
                    questions.ask(connections[side], sql, values)
                took += time.thread_time() - begun
        return took

    def ours() -> None:
        ours_s.append(ask(1))

    benchmark.pedantic(ours, setup=lambda: legacy_s.append(ask(0)), rounds=ROUNDS)  # type: ignore[no-untyped-call]
    _judge_ratio(record, benchmark, "questions / the same on the legacy files", ours_s, legacy_s)


@EVERY_DEED
def test_legacy_schema_takes_no_longer_beside_the_legacy_file(
    served: tuple[Side, Side, Side], record: gate.Record, deed: Deed
) -> None:
    """What a bot does through the legacy schema takes about the recorded ratio of time."""
    theirs, ours = legacy_schema.least(served[1:], deed, time.thread_time)
    if deed.beside is not None:
        theirs, _ = legacy_schema.least(served[1:], Deed("beside it", deed.beside, deed.times), time.thread_time)
    _compare_ratio(record, f"legacy schema: {deed.name}", ours / theirs)


def test_connect_takes_no_longer_beside_the_legacy_file(served: tuple[Side, Side, Side], record: gate.Record) -> None:
    """A connect to a legacy name, a read and a close take about the recorded ratio of time."""
    # How a name is opened is remembered once the record of the switch is old enough.
    time.sleep(2.1)
    found, _, ours = served
    theirs_s, ours_s = legacy_schema.least_of_calls((found.again, ours.again), 50, time.thread_time)
    _compare_ratio(record, "legacy schema: connect, read and close", ours_s / theirs_s)


def test_program_takes_no_longer_beside_the_legacy_file(served: tuple[Side, Side, Side], record: gate.Record) -> None:
    """A program that starts, connects to a legacy name and reads takes about the recorded ratio of processor time."""
    found, _, ours = served
    theirs_s, ours_s = legacy_schema.least_of_calls((found.first, ours.first), 1, gate.cpu_s)
    _compare_ratio(record, "legacy schema: a program that connects and reads", ours_s / theirs_s)


def _compare_ratio(record: gate.Record, what: str, ratio: float) -> None:
    recorded = record.compare(f"ratio of {what}", round(ratio, 3))
    if recorded is not None and ratio > recorded * RATIO_MORE:
        judgement.broken(
            f"time of {what}", expected=f"at most {RATIO_MORE} times the recorded {recorded:.2f}", found=f"{ratio:.2f}"
        )


def _judge_ratio(
    record: gate.Record, benchmark: BenchmarkFixture, what: str, ours_s: list[float], theirs_s: list[float]
) -> None:
    if benchmark.stats is None:
        pytest.skip("benchmarks are switched off, so no time was measured")
    # Other work of the machine only adds time: the least is nearest to the time of the work itself.
    ratio = min(ours_s) / min(theirs_s)
    benchmark.extra_info.update(
        ratio=ratio, ours_s=ours_s, theirs_s=theirs_s, made_by=gate.made_by(), processor=gate.processor()
    )
    record.times[str(benchmark.name)] = benchmark.stats.stats.median
    _compare_ratio(record, what, ratio)
