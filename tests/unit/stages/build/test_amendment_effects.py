"""What each amendment of the specification changes in the quarantine, counted without a whole build."""

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.cli import app
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.schema import specified
from migrator.stages.build import amendment_effects
from migrator.stages.build import stage as build_stage
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow

EVERY = list(specified.amendments())


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    data = tmp_path_factory.mktemp("effects") / "data"
    generator.make(data, seed=7, rows=300, dirty=True, wal=True)
    return data


def planned(data, names):
    configuration = config_file.load(data / "migrator.toml")
    return pipeline_migrate.plan(
        Workspace(data), replace(configuration, specification=specified.chosen(names)), count=True
    )


@pytest.fixture(name="totals", scope="module")
def _totals(data):
    """Names of amendments -> rows in quarantine of a whole build."""
    return {names: sum(planned(data, names).quarantine.values()) for names in [(), *((name,) for name in EVERY)]}


def test_an_amendment_that_is_not_chosen_is_counted_as_a_whole_build_counts_it(data, totals):
    effects = planned(data, []).amendment_effects

    assert EVERY == list(effects)
    for name, effect in effects.items():
        assert not effect.chosen
        assert (totals[()], totals[(name,)]) == (effect.rows_without, effect.rows_with)
    assert effects["position_history"].rows_without > effects["position_history"].rows_with


@pytest.mark.parametrize("name", EVERY)
def test_a_chosen_amendment_is_compared_with_the_build_without_it(data, totals, name):
    effects = planned(data, [name]).amendment_effects

    assert effects[name].chosen
    assert (totals[()], totals[(name,)]) == (effects[name].rows_without, effects[name].rows_with)


def test_an_amendment_without_a_constraint_loads_nothing(data, monkeypatch):
    asked = []

    def refused(plan, _snapshot, _folder, tables):
        asked.append((plan.amendments, tables))
        return dict.fromkeys(tables, 0)

    monkeypatch.setattr(build_stage, "refused", refused)

    amendment_effects.effects(planned(data, []), None, data.parent, {})

    loaded = {name: tables for (name,), tables in asked}
    assert {"child_indexes", "fts_unindexed_columns"}.isdisjoint(loaded)
    assert {"analytics.metrics"} == loaded["metric_uniqueness"]
    assert {"core.positions", "core.trades", "core.treasury_orders"} <= loaded["position_history"]
    assert not any(table.startswith("analytics.") for table in loaded["position_history"])


def test_plan_prints_what_each_amendment_would_change(data):
    said = CliRunner().invoke(app.cli, ["plan", "--data-dir", str(data)])

    assert 0 == said.exit_code, said.output
    text = " ".join(said.stdout.split())
    match = re.search(
        r"amendment position_history would let in (\d+) more rows: (\d+) quarantined instead of (\d+)", text
    )
    more, after, before = map(int, match.groups())
    assert more == before - after > 0
    assert "amendments that change nothing in the quarantine: child_indexes, fts_unindexed_columns" in text
