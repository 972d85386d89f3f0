"""The same searches in the legacy and the consolidated full-text index."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import full_text
from contracts.sets.case import Case
from contracts.suite.results import WHY
from migrator.stages.verify.evidence import Why


@pytest.mark.clause("M8")
@pytest.mark.parametrize("target", [full_text.TARGET])
def test_same_search_has_the_same_answer(
    case: Case, target: str, request: pytest.FixtureRequest, count: Callable[[str, int], None]
) -> None:
    """Results differ only by the specified tokenizer or a stale legacy index."""
    index = full_text.index_of(case)
    if index is None:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip("the legacy set has no full-text index of reflections")
    where = f"{target}.{full_text.TABLE}"
    if problem := case.judged.unreadable(where, [full_text.COLUMN]):
        judgement.broken(where, expected="to be searched", found=problem)
    try:
        answers = full_text.compare(case, *index)
    except sqlite3.DatabaseError as error:
        judgement.broken(where, expected="to be searched", found=error)
    if not answers.words:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip("no legacy reflection has a word")
    for name in ("words", "same", "by_tokenizer", "by_stale_index"):
        count(name, getattr(answers, name))
    judgement.none(where, "search has another result than in the legacy index", answers.wrong)
