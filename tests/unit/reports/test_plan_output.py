"""What ``migrator plan`` prints: the verdict first, then counts, on one screen."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from contracts.specimens import generator
from migrator.config import config_file
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.decisions import DecisionEffect, Kind
from migrator.records.plan import Plan
from migrator.reports.terminal import plan_table
from migrator.switch.workspace import Workspace


@pytest.fixture(name="planned", scope="module")
def _planned(tmp_path_factory):
    """The plan for a dirty set, as the command prints it."""
    data = tmp_path_factory.mktemp("plan") / "data"
    generator.make(data, seed=7, rows=300, dirty=True)
    return pipeline_migrate.plan(Workspace(data), config_file.load(data / "migrator.toml"), count=True)


def printed(plan: Plan, **console):
    text = io.StringIO()
    Console(file=text, **console).print(plan_table(plan), crop=False)
    return text.getvalue()


def test_the_summary_comes_first_and_fits_on_a_terminal_of_80_columns_and_24_lines(planned):
    lines = printed(planned, width=80, height=24, force_terminal=True, no_color=True, color_system=None).splitlines()

    assert "ready: nothing prevents a migration" == lines[0]
    assert lines[1].startswith("rows: ")
    assert "of the mapped rows" in lines[2]
    assert len(lines) <= 24
    assert lines[-1].startswith("to see what becomes of each run: migrator plan --all")


def effect(kind=Kind.SET, let_in=1):
    return DecisionEffect(decision="jarvis.positions 'a': ...", kind=kind, rows=1, let_in=let_in)


@pytest.mark.parametrize(
    ("effects", "let_in", "sentence"),
    [
        ([effect()], 1, "the decision lets in 1 row, rows that wait for another one included"),
        ([effect()], 2, "the decision lets in 2 rows, rows that wait for another one included"),
        ([effect(Kind.DROP, 0)], 0, "the decision leaves rows in quarantine"),
        ([effect()] * 2, 2, "all 2 decisions together let in 2 rows, rows that wait for another one included"),
        (
            [effect(), effect(Kind.DROP, 0)],
            1,
            "all 2 decisions together let in 1 row, rows that wait for another one included; 1 of them leaves rows in quarantine",
        ),
    ],
)
def test_decisions_are_counted_in_words_that_fit_their_number(planned, effects, let_in, sentence):
    plan = replace(planned, decision_effects=tuple(effects), let_in=let_in)

    assert sentence in printed(plan, width=400).splitlines()
