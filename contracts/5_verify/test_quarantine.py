"""The quarantine keeps rows whole, and the named constraint refuses each of them."""

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
    """Every column of the legacy row is kept, with its storage class and bytes."""
    wrong = [
        fault
        for reading in row_accounting.readings(traced)
        if reading.target.startswith(f"{target}.")
        for fault in quarantine.altered(traced, reading)
    ]
    judgement.none(catalogue.TARGETS[target], "quarantined row differs from the legacy row", wrong)


@pytest.mark.clause("L7")
@EVERY_TARGET
def test_constraint_refuses_what_it_is_named_for(traced: Case, target: str, tmp_path: Path) -> None:
    """The oracle's row is inserted into a copy, and the named constraint refuses it."""
    copy = traced.judged.fresh_copy(target, tmp_path)
    wrong = [
        fault
        for table in schema_reader.target(target).tables
        for fault in quarantine.Refusals(traced, f"{target}.{table.name}", copy).unfounded()
        if table.name != "config"
    ]
    judgement.none(catalogue.TARGETS[target], "row in quarantine that its named constraint does not refuse", wrong)
