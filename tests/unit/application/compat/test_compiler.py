"""What a mirror takes from the mappings holds for every one of them."""

import pytest

from migrator.application.compat import legacy_rows
from migrator.application.compat.compiler import compile_plan
from migrator.application.compat.plan import Plan
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.switch import state as switch_state
from migrator.system.serialize import plain, record

MAPPINGS = [mapping for mapping in mapping_reader.mappings() if mapping.back]


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.file)
def test_back_names_its_target_once_in_its_condition(mapping):
    assert 1 == mapping.back.count(f"l.target = '{mapping.table}'")


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.file)
def test_what_finds_a_parent_is_followed(mapping):
    columns = {shape.table: shape.names for name in catalogue.SPECIFIED for shape in catalogue.shapes_of(name)}
    for column, others in mapping.follows.items():
        assert column == "*" or column in mapping.legacy_columns
        for other in others:
            database, table, *name = other.split(".")
            shapes = [shape.names for shape in catalogue.shapes_of(database) if shape.table == table]
            assert shapes
            assert not name or any(name[0] in names for names in shapes), (other, columns)
    schema = schema_reader.target(mapping.target)
    references = [key for table in schema.tables if table.name == mapping.table for key in table.foreign_keys]
    assert bool(references) == bool(mapping.follows)


@pytest.fixture(scope="module", name="switch")
def _switch(tmp_path_factory):
    import cut_over_set  # noqa: PLC0415 - it makes a set

    return switch_state.read(cut_over_set.make(tmp_path_factory.mktemp("set"), rows=100))


@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_a_plan_survives_its_file(switch, target):
    plan = compile_plan(switch, target)

    assert plain(plan) == plain(record(plain(plan), Plan))


def test_columns_that_a_child_reads_of_its_parent_are_known(switch):
    plan = compile_plan(switch, "core")
    (orders,) = plan.target_table("treasury_orders").sources
    (trades,) = plan.target_table("trades").sources

    assert {"positions": ("amount_sol", "id", "token_address")} == dict(orders.parents)
    assert {} == dict(trades.parents)
    assert ("mints",) == trades.last_resorts
    assert "+l.target = 'trades' AND l.legacy_key IN (x)" in legacy_rows.back_sql(trades, " AND l.legacy_key IN (x)")
