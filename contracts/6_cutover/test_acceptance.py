"""The owners accepted what was in quarantine at the cutover, and a row leaves the quarantine only with its lineage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import quarantine_in_use
from contracts.suite import surroundings
from contracts.suite.surroundings import Standing
from migrator.switch import state as switch_state
from migrator.switch.state import Switch

Count = Callable[[str, int], None]


@pytest.fixture(name="made")
def _made(around: Standing, request: pytest.FixtureRequest) -> Switch:
    return surroundings.switched(around, switch_state.CUTOVER, request)


@pytest.mark.clause("C7")
def test_quarantine_was_accepted_row_by_row(made: Switch, around: Standing) -> None:
    """Each row that was in quarantine at the cutover is in the kept record, with its content, and no other row is."""
    wrong = list(quarantine_in_use.unaccepted(made, around.scratch))
    judgement.none(str(made.baseline), "row in quarantine at the cutover that was not accepted as it was", wrong)


@pytest.mark.clause("C8")
def test_a_row_leaves_the_quarantine_with_its_lineage(made: Switch, around: Standing, count: Count) -> None:
    """A row that left the quarantine since the cutover is in its table, once, with its lineage; else a rollback has to guess."""
    wrong = [fault for target in made.targets for fault in quarantine_in_use.strayed(made, target, around.scratch)]
    count("databases", len(made.targets))
    judgement.none(str(made.data_dir), "row that left the quarantine without its lineage, or did not leave it", wrong)
