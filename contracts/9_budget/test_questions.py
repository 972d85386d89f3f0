"""What the bot asks costs no more on the consolidated set than on the legacy file, unless a finding says so.

Judged by SQLite's plans and by the steps of its virtual machine: both are the same on any machine, however busy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from sqlite3 import Connection, Error
from typing import Any, NamedTuple

import pytest

from contracts import judgement
from contracts.performance import questions, workload
from contracts.performance.workload import Question
from contracts.sets.case import Case
from contracts.sets.legacy import LegacyTable
from contracts.suite.results import WHY
from migrator.config.extra_indexes import ExtraIndex
from migrator.stages.verify.evidence import Why

#: What writes is left to the benchmarks: contracts read.
READING = [question for question in workload.questions() if not question.writes]
EVERY_QUESTION = pytest.mark.parametrize("question", READING, ids=lambda question: question.name)
#: How often each is asked here, and by how many steps the count may be off.
ASKINGS, EVERY = 3, 20
#: So many times the steps on the legacy file, and so many steps, may a question take: values are read out of JSON now.
TIMES, STEPS = 2.0, 400
#: An answer that takes so many times what is allowed is not waited for: by then the contract is broken, or a finding says so.
MOST = 50


class Asked(NamedTuple):
    """A question, and where it is asked.

    Attributes:
        legacy: A connection to the copy of the legacy database.
        ours: A connection to the copy of the consolidated one.
        values: The named parameters of each asking.
        big: Whether a table of ours that it asks is big.
    """

    legacy: Connection
    ours: Connection
    values: list[Mapping[str, Any]]
    big: bool


@contextmanager
def both(question: Question, case: Case, request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Open both sides; a question to tables that are not there, or have another shape, is not asked."""
    found = {table.source: table.variant for table in _tables(case, question)}
    missing = [one for one in question.legacy_tables if found.get(f"{question.legacy}.{one}") != "found"]
    missing += [one for one in question.target_tables if case.judged.unreadable(f"{question.target}.{one}")]
    if missing:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"nothing to ask: {', '.join(missing)}")
    values = questions.parameters(question, case.legacy.copy(question.legacy), case.judged.copy(question.target))
    with case.legacy.read(question.legacy) as legacy, case.judged.read(question.target) as ours:
        rows = [ours.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in question.target_tables]
        yield Asked(legacy, ours, list(values[:ASKINGS]), big=max(rows) >= questions.BIG_ROWS)


def _tables(case: Case, question: Question) -> Sequence[LegacyTable]:
    return case.legacy.tables(question.legacy) if question.legacy in case.legacy.originals else ()


def reported(question: Question, ordered: tuple[ExtraIndex, ...]) -> bool:
    """Tell whether a finding says what *question* costs, and nobody has ordered the index that mends it."""
    return bool(question.costs) and question.mends not in {index.statement for index in ordered}


def _steps(connection: Connection, sql: str, values: list[Mapping[str, Any]], most: float = math.inf) -> int:
    return sum(questions.steps(connection, sql, one, every=EVERY, most=most) for one in values)


@pytest.mark.clause("Q1")
@EVERY_QUESTION
def test_question_is_answered_by_an_index_that_answered_it(
    case: Case, ordered: tuple[ExtraIndex, ...], question: Question, request: pytest.FixtureRequest
) -> None:
    """No big table is read whole, and nothing is sorted, where the legacy file had an index for it."""
    with both(question, case, request) as asked:
        values = asked.values[0] if asked.values else questions.nothing(question)
        legacy = questions.plan(asked.legacy, question.legacy_sql, values)
        ours = questions.plan(asked.ours, question.sql, values)
    if asked.big and not reported(question, ordered):
        what = f"the question needs more than on the legacy file ({'; '.join(legacy.lines)})"
        judgement.none(f"{question.target}: {question.name}", what, questions.worse(ours, legacy))


@pytest.mark.clause("Q2")
@EVERY_QUESTION
def test_question_takes_no_more_steps(
    case: Case, ordered: tuple[ExtraIndex, ...], question: Question, request: pytest.FixtureRequest
) -> None:
    """Counted by SQLite's virtual machine, up to twice as many: what is read out of JSON takes a few for each row."""
    with both(question, case, request) as asked:
        try:
            legacy = _steps(asked.legacy, question.legacy_sql, asked.values)
        except Error as error:
            # Such as a sum beyond the integers: the bot has no answer from the legacy file either.
            request.node.user_properties.append((WHY, Why.NO_DATA.value))
            pytest.skip(f"nothing to ask: the legacy file says {error}")
        ours = _steps(asked.ours, question.sql, asked.values, most=MOST * (TIMES * legacy + STEPS))
    request.node.user_properties += [("legacy_steps", legacy), ("steps", ours)]
    if ours > TIMES * legacy + STEPS and not reported(question, ordered):
        judgement.broken(
            f"{question.target}: {question.name}: steps",
            expected=f"at most {TIMES:g} times the {legacy:,} on the legacy file",
            found=f"{ours:,}",
        )
