"""The bot's queries cost no more than on the legacy file, unless a finding reports it.

Judged by SQLite's query plans and by the steps of its virtual machine: both are the same on any machine, however busy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from sqlite3 import Connection, Error
from typing import Any, NamedTuple

import pytest

from contracts import judgement
from contracts.performance import questions
from contracts.sets.case import Case
from contracts.sets.legacy import LegacyTable
from contracts.suite.results import WHY
from migrator.config.extra_indexes import ExtraIndex
from migrator.mapping import workload
from migrator.mapping.workload import Question
from migrator.stages.verify.evidence import Why

#: Queries that only read; the benchmarks cover those that write.
READING = [question for question in workload.questions() if not question.writes]
EVERY_QUESTION = pytest.mark.parametrize("question", READING, ids=lambda question: question.name)
#: Runs of each query here [runs], and precision of the count [steps].
ASKINGS, EVERY = 3, 20
#: Allowed steps of a query: a factor of its steps on the legacy file, plus a constant [steps]: values are in JSON now.
TIMES, STEPS = 2.0, 400
#: A query is interrupted after this factor of its allowed steps: the contract is broken, or a finding reports it.
MOST = 50


class Asked(NamedTuple):
    """The two sides of a query.

    Attributes:
        legacy: A connection to the copy of the legacy database.
        ours: A connection to the copy of the consolidated database.
        values: The named parameters of each run.
        big: Whether the query reads a big consolidated table.
    """

    legacy: Connection
    ours: Connection
    values: list[Mapping[str, Any]]
    big: bool


@contextmanager
def both(question: Question, case: Case, request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Open both sides; skip the contract if a table is missing or has another shape."""
    variants = {table.source: table.variant for table in _tables(case, question)}
    missing = [table for table in question.legacy_tables if variants.get(f"{question.legacy}.{table}") != "found"]
    missing += [table for table in question.target_tables if case.judged.unreadable(f"{question.target}.{table}")]
    if missing:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"missing, or of another shape: {', '.join(missing)}")
    values = questions.parameters(question, case.legacy.copy(question.legacy), case.judged.copy(question.target))
    with case.legacy.read(question.legacy) as legacy, case.judged.read(question.target) as ours:
        rows = [ours.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in question.target_tables]
        yield Asked(legacy, ours, list(values[:ASKINGS]), big=max(rows) >= questions.BIG_ROWS)


def _tables(case: Case, question: Question) -> Sequence[LegacyTable]:
    return case.legacy.tables(question.legacy) if question.legacy in case.legacy.originals else ()


def reported(question: Question, ordered: tuple[ExtraIndex, ...]) -> bool:
    """Return whether a finding reports the cost of *question*, not repaired by an index."""
    return bool(question.costs) and question.mends not in {index.statement for index in ordered}


def _steps(connection: Connection, sql: str, values: list[Mapping[str, Any]], most: float = math.inf) -> int:
    return sum(questions.steps(connection, sql, parameters, every=EVERY, most=most) for parameters in values)


@pytest.mark.clause("Q1")
@EVERY_QUESTION
def test_question_is_answered_by_an_index_that_answered_it(
    case: Case, ordered: tuple[ExtraIndex, ...], question: Question, request: pytest.FixtureRequest
) -> None:
    """Nothing is scanned or sorted where the legacy file had an index for it."""
    with both(question, case, request) as asked:
        values = asked.values[0] if asked.values else questions.nothing(question)
        legacy = questions.plan(asked.legacy, question.legacy_sql, values)
        ours = questions.plan(asked.ours, question.sql, values)
    if asked.big and not reported(question, ordered):
        what = f"the query needs more than on the legacy file ({'; '.join(legacy.lines)})"
        judgement.none(f"{question.target}: {question.name}", what, questions.worse(ours, legacy))


@pytest.mark.clause("Q2")
@EVERY_QUESTION
def test_question_takes_no_more_steps(
    case: Case, ordered: tuple[ExtraIndex, ...], question: Question, request: pytest.FixtureRequest
) -> None:
    """The steps at most double: reading a value out of JSON takes some steps per row."""
    with both(question, case, request) as asked:
        try:
            legacy = _steps(asked.legacy, question.legacy_sql, asked.values)
        except Error as error:
            # Such as a sum beyond the integers: the query fails for the bot too.
            request.node.user_properties.append((WHY, Why.NO_DATA.value))
            pytest.skip(f"the query fails on the legacy file: {error}")
        ours = _steps(asked.ours, question.sql, asked.values, most=MOST * (TIMES * legacy + STEPS))
    request.node.user_properties += [("legacy_steps", legacy), ("steps", ours)]
    if ours > TIMES * legacy + STEPS and not reported(question, ordered):
        judgement.broken(
            f"{question.target}: {question.name}: steps",
            expected=f"at most {TIMES:g} times the {legacy:,} on the legacy file",
            found=f"{ours:,}",
        )
