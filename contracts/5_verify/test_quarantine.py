"""The quarantine: rows that the specification's constraints refuse, whole, each for a reason that can be tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import judgement
from contracts.checks import quarantine, row_accounting
from contracts.sets.case import Case
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader

EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)


@pytest.mark.clause("L6")
@EVERY_TARGET
def test_quarantined_row_is_kept_whole(traced: Case, target: str) -> None:
    """Every column, with its storage class and bytes."""
    wrong = [
        fault
        for reading in row_accounting.readings(traced)
        if reading.target.startswith(f"{target}.")
        for fault in quarantine.altered(traced, reading)
    ]
    judgement.none(catalogue.TARGETS[target], "quarantined row is not the legacy row", wrong)


@pytest.mark.clause("L7")
@EVERY_TARGET
def test_constraint_refuses_what_it_is_named_for(traced: Case, target: str, tmp_path: Path) -> None:
    """The row is built by the second reader and inserted beside those that are there; the named constraint says no."""
    copy = traced.judged.fresh_copy(target, tmp_path)
    wrong = [
        fault
        for table in schema_reader.target(target).tables
        for fault in quarantine.Refusals(traced, f"{target}.{table.name}", copy).unfounded()
        if table.name != "config"
    ]
    judgement.none(catalogue.TARGETS[target], "row is in quarantine without need, or for another reason", wrong)
