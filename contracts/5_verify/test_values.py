"""Copied cells, times, JSON and rest of every row, in a set of any size."""

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
Comparing = Callable[[Case, Reading], list[copied_columns.Comparison]]


@pytest.mark.clause("M6")
@EVERY_TABLE
def test_what_is_taken_over_is_the_same(traced: Case, target: str, table: str, request: pytest.FixtureRequest) -> None:
    """Text is copied byte for byte, numbers bit for bit."""
    wrong = _wrong(traced, f"{target}.{table}", copied_columns.cells, request)
    judgement.none(f"{target}.{table}", "cell differs from the legacy cell", wrong)


@pytest.mark.clause("M7")
@EVERY_TABLE
def test_time_is_the_same_instant(traced: Case, target: str, table: str, request: pytest.FixtureRequest) -> None:
    """Each time equals the legacy one to the microsecond; other text becomes NULL."""
    wrong = _wrong(traced, f"{target}.{table}", copied_columns.times, request)
    judgement.none(f"{target}.{table}", "time is another instant", wrong)


@pytest.mark.clause("M6")
@EVERY_TABLE
def test_json_and_rest_keep_what_they_have_to(
    traced: Case, target: str, table: str, request: pytest.FixtureRequest
) -> None:
    """Each row has its JSON members once, and lineage.rest the cells it cannot hold."""
    readings = [reading for reading in row_accounting.readings(traced) if reading.target == f"{target}.{table}"]
    if not readings:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has no rows for {target}.{table}")
    sample = traced.reader.judge(f"{target}.{table}")
    parts = [sample, *(json_columns.doubted(traced, reading) for reading in readings)]
    request.node.user_properties.append(("judged_rows", sum(judged.rows for judged in parts)))
    wrong = [fault for judged in parts for fault in (*judged.values, *judged.rebuilt)]
    judgement.none(f"{target}.{table}", "row loses a part of its legacy row", wrong)


def _wrong(case: Case, target: str, comparing: Comparing, request: pytest.FixtureRequest) -> list[str]:
    readings = [reading for reading in row_accounting.readings(case) if reading.target == target]
    compared = [(reading, comparing(case, reading)) for reading in readings]
    if not any(cells for _, cells in compared):
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has no such columns for {target}")
    request.node.user_properties.append(("columns", sum(len(cells) for _, cells in compared)))
    return [fault for reading, cells in compared if cells for fault in copied_columns.unlike(case, reading, cells)]
