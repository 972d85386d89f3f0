"""The owners' decisions about single rows are recorded as they wrote them, and have their effect."""

from __future__ import annotations

import pytest

from contracts import judgement
from contracts.checks import decisions
from contracts.sets.case import Case
from migrator.schema import catalogue


@pytest.mark.clause("L10")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_decisions_about_rows_are_those_of_the_owners(traced: Case, target: str) -> None:
    """Each decision is recorded and has its effect, and no other is recorded."""
    judgement.none(catalogue.TARGETS[target], "decision about a row", list(decisions.faults(traced, target)))
