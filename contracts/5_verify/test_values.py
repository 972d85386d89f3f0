"""What is taken over as it is, and times: of every row, however many there are; above all where whole rows are a sample."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import copied_columns, json_columns, row_accounting
from contracts.oracle.rules import Reading
from contracts.sets.case import Case
from contracts.sets.pair import specified_tables
from contracts.suite.results import WHY
from migrator.schema import catalogue
from migrator.stages.verify.evidence import Why

TABLES = [(target, table) for target in catalogue.TARGETS for table in specified_tables(target) if table != "config"]
EVERY_TABLE = pytest.mark.parametrize(("target", "table"), TABLES, ids=[f"{target}.{name}" for target, name in TABLES])
Asking = Callable[[Case, Reading], list[copied_columns.Asked]]


@pytest.mark.clause("M6")
@EVERY_TABLE
def test_what_is_taken_over_is_the_same(traced: Case, target: str, table: str, request: pytest.FixtureRequest) -> None:
    """Text byte for byte, numbers bit for bit: symbols, addresses, signatures, messages, amounts, prices."""
    found = _wrong(traced, f"{target}.{table}", copied_columns.cells, request)
    judgement.none(f"{target}.{table}", "cell is not what it was", found)


@pytest.mark.clause("M7")
@EVERY_TABLE
def test_time_is_the_same_instant(traced: Case, target: str, table: str, request: pytest.FixtureRequest) -> None:
    """Worked out from the legacy spelling to the microsecond; one that spells no time is NULL."""
    found = _wrong(traced, f"{target}.{table}", copied_columns.times, request)
    judgement.none(f"{target}.{table}", "time is another instant", found)


@pytest.mark.clause("M6")
@EVERY_TABLE
def test_json_and_rest_keep_what_they_have_to(
    traced: Case, target: str, table: str, request: pytest.FixtureRequest
) -> None:
    """In each row: each member of its JSON, none twice, and in lineage.rest what the row itself does not say."""
    asked = [one for one in row_accounting.readings(traced) if one.target == f"{target}.{table}"]
    if not asked:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has nothing that goes into {target}.{table}")
    doubted = [json_columns.doubted(traced, reading) for reading in asked]
    request.node.user_properties.append(("judged_rows", sum(one.rows for one in doubted)))
    found = [fault for one in doubted for fault in (*one.values, *one.rebuilt)]
    judgement.none(f"{target}.{table}", "row does not keep what its legacy row says", found)


def _wrong(case: Case, target: str, what: Asking, request: pytest.FixtureRequest) -> list[str]:
    asked = [(one, what(case, one)) for one in row_accounting.readings(case) if one.target == target]
    if not any(cells for _, cells in asked):
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has nothing that is taken over into {target} like that")
    request.node.user_properties.append(("columns", sum(len(cells) for _, cells in asked)))
    return [fault for reading, cells in asked if cells for fault in copied_columns.unlike(case, reading, cells)]
