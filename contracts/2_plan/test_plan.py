"""The plan lists every legacy table once, and fills parents before children."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import judgement
from contracts.checks import row_accounting
from contracts.sets.case import Case
from contracts.suite.session import SESSION
from migrator.records.plan import Plan
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.plan import stage as plan_stage

Count = Callable[[str, int], None]


@pytest.fixture(name="planned", scope="module")
def _planned(pytestconfig: pytest.Config, legacy_dir: Path) -> Plan:
    session = pytestconfig.stash[SESSION]
    return plan_stage.plan(session.looked, session.config, disk=legacy_dir)


@pytest.mark.clause("P1")
def test_plan_has_every_table_with_its_fate(planned: Plan, case: Case, count: Count) -> None:
    """The plan has the tables, fates and row counts of the legacy files."""
    by_source = {table.source: table for table in planned.tables}
    times = Counter(table.source for table in planned.tables)
    wrong = [f"{source}: is planned {often} times" for source, often in times.items() if often > 1]
    existing = {table.source: table for table in case.legacy.every_table()}
    wrong += [f"{source}: is planned, but does not exist" for source in by_source.keys() - existing.keys()]
    rows = case.legacy.counted()
    for source, table in existing.items():
        fate = row_accounting.fate(case, table)
        in_plan = by_source.get(source)
        if in_plan is None:
            wrong.append(f"{source}: is not planned")
        elif in_plan.fate != fate:
            wrong.append(f"{source}: is {fate}, planned as {in_plan.fate}")
        elif table.kind == "table" and in_plan.rows != rows[source]:
            wrong.append(f"{source}: has {rows[source]:,} rows, planned with {in_plan.rows}")
    count("tables", len(existing))
    judgement.none(str(case.legacy.where), "legacy table with a wrong plan", wrong)


@pytest.mark.clause("P2")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_parents_come_before_their_children(planned: Plan, target: str) -> None:
    """Every specified table is filled, and after the tables that its foreign keys name."""
    place = {table: at for at, table in enumerate(planned.order)}
    schema = schema_reader.target(target)
    tables = [*(table.name for table in schema.tables), *(table.name for table in schema.virtual_tables)]
    wrong = [
        f"{target}.{name}: is never filled" for name in tables if f"{target}.{name}" not in place and name != "config"
    ]
    for table in schema.tables:
        for key in table.foreign_keys:
            child, parent = f"{target}.{table.name}", f"{target}.{key.parent}"
            if not place.get(parent, -1) < place.get(child, len(place)) or parent not in place:
                wrong.append(f"{child}: is filled before {parent}, to which its {key.columns[0]} refers")
    judgement.none(target, "table that is filled out of order", wrong)
