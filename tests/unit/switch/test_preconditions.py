"""The tables of preconditions, and conditions on files that are not there."""

import os
from pathlib import PurePosixPath

import pytest

from migrator.pipeline import preconditions
from migrator.records.precondition import unmet
from migrator.stages import prune as prune_stage
from migrator.stages.plan import preconditions as plan_preconditions
from migrator.switch import preconditions as switch_preconditions
from migrator.switch.preconditions import SwitchCase
from migrator.switch.state import Name, Switch


@pytest.mark.parametrize(
    "table",
    [
        plan_preconditions.PLAN,
        preconditions.CUTOVER,
        switch_preconditions.ROLLBACK,
        switch_preconditions.RESTORE,
        prune_stage.PRUNE,
    ],
    ids=["plan", "cutover", "rollback", "restore", "prune"],
)
def test_each_condition_is_listed_once_and_says_what_it_requires(table):
    assert len(table) == len({condition.__name__ for condition in table})
    assert [] == [condition for condition in table if not condition.__doc__.startswith("Require ")]


def test_reasons_come_in_the_order_of_the_table_each_once():
    def first(case):
        return [f"{case} a", f"{case} b"]

    def second(case):
        return [f"{case} b", f"{case} c"]

    assert ("x a", "x b", "x c") == unmet([first, second], "x")


def test_legacy_files_that_are_gone_are_refused_to_a_user_who_owns_none(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    gone = Name(
        database="jarvis",
        place=PurePosixPath("jarvis.db"),
        path=tmp_path / "jarvis.db",
        target="core",
        journal_mode="delete",
    )
    switch = Switch(
        data_dir=tmp_path,
        kind="cutover",
        run="0001",
        env_file=tmp_path / ".env",
        names=(gone,),
        tables=(),
        constants={},
    )

    reasons = unmet(switch_preconditions.CUTOVER_FILES, SwitchCase(switch, stopped=True))

    assert f"{gone.path}: is not a regular file; only a regular file can be switched" == reasons[0]
    assert 3 == len([reason for reason in reasons if "is missing or not a regular file" in reason])
