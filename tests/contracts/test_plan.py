"""The contracts on the plan catch what is planted in the planner."""

import dataclasses
from pathlib import Path

import pytest

import contracts
from contracts.sets import made as made_sets
from contracts.specimens import generator
from migrator.records.plan import Fate
from migrator.stages.plan import stage as plan_stage

pytestmark = pytest.mark.slow

PLAN = Path(contracts.__file__).parent / "2_plan" / "test_plan.py"


@pytest.fixture(name="sets", scope="module")
def _sets(tmp_path_factory):
    """A legacy set, with a file whose fate the owners decided, and what the migration makes of it."""
    top = tmp_path_factory.mktemp("plan")
    generator.make(top / "data", rows=300, seed=1, dirty=True)
    return top / "data", made_sets.migrated(top / "data", top)


def judge(pytester, sets):
    asked = ["--legacy-dir", str(sets[0]), "--consolidated-dir", str(sets[1])]
    run = pytester.inline_run(str(PLAN), *asked, "--import-mode=importlib", "-p", "no:cacheprovider")
    passed, _, failed = run.listoutcomes()
    assert 4 == len(passed) + len(failed)
    return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}


def test_a_plan_holds(pytester, sets):
    assert {} == judge(pytester, sets)


def test_a_plan_of_the_specified_variant_holds(pytester, tmp_path):
    generator.make(tmp_path / "data", rows=300, seed=1, dirty=True, variant="specified")

    assert {} == judge(pytester, (tmp_path / "data", made_sets.migrated(tmp_path / "data", tmp_path)))


@pytest.mark.parametrize(
    ("spoil", "contract", "mentions"),
    [
        (lambda p: {"tables": p.tables[1:]}, "test_plan_has_every_table_with_its_fate", "is not planned"),
        (lambda p: {"tables": (*p.tables, p.tables[0])}, "test_plan_has_every_table_with_its_fate", "2 times"),
        (
            lambda p: {"tables": changed(p, "jarvis.trades", fate=Fate.CARRIED)},
            "test_plan_has_every_table_with_its_fate",
            "jarvis.trades: is mapped, planned as carried",
        ),
        (
            lambda p: {"tables": changed(p, "jarvis.trades", rows=0)},
            "test_plan_has_every_table_with_its_fate",
            "rows, planned with 0",
        ),
        (
            lambda p: {"order": tuple(reversed(p.order))},
            "test_parents_come_before_their_children[core]",
            "core.trades: is filled before core.positions",
        ),
        (
            lambda p: {"order": tuple(one for one in p.order if one != "cache.sessions")},
            "test_parents_come_before_their_children[cache]",
            "cache.sessions: is never filled",
        ),
    ],
    ids=["table left out", "table twice", "wrong fate", "wrong rows", "wrong order", "never filled"],
)
def test_a_plan_that_is_wrong_is_caught(pytester, sets, monkeypatch, spoil, contract, mentions):
    honest = plan_stage.plan
    monkeypatch.setattr(
        plan_stage, "plan", lambda *args, **more: dataclasses.replace(made := honest(*args, **more), **spoil(made))
    )

    failed = judge(pytester, sets)

    assert contract in failed
    assert mentions in failed[contract]


def changed(planned, source, **how):
    return tuple(dataclasses.replace(one, **how) if one.source == source else one for one in planned.tables)
