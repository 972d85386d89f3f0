"""Odd schemas that SQLite accepts: plan refuses each by name, or the built set is complete and the contracts hold."""

from unittest import mock

import generated
import odd_schemas
import pytest
from hypothesis import Phase, given, reject, settings

from contracts.checks import lineage, row_accounting
from contracts.sets import consolidated as consolidated_set
from contracts.sets.case import case_of
from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.schema import catalogue
from migrator.stages.inventory import inspect_pool
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.switch.workspace import Workspace

FILE = "custom.db"


def wrong_after_a_build(folder):
    """Build the set below *folder*; return what the contracts on carried tables have against it."""
    run = generated.Run(folder, Config())
    run.check()
    run.check_by_hand()
    (folder / "judged").mkdir()
    judged = case_of(
        run.snapshot.folder,
        consolidated_set.subject(run.stage, folder / "judged"),
        folder / "judged",
        None,
        lineage.choose,
    )
    wrong = [fault for target in catalogue.TARGETS for fault in row_accounting.carried_unlike(judged, target)]
    for table in judged.legacy.every_table():
        carried = row_accounting.carried_in(judged, table)
        assert carried == (["core"] if table.kind == "table" else []), table
        wrong += [fault for target in carried for fault in row_accounting.declared_unlike(judged, table, target, ())]
    # What the contracts on the specified tables look through.
    schema = judged.judged.schema("core")
    wrong += [f"{program.kind} {program.name}" for program in schema.programs]
    wrong += [
        index.name for index in schema.indexes if "legacy_" in index.name and not index.table.startswith("legacy_")
    ]
    return [*wrong, *row_accounting.stray_carried(judged)]


def plan_says_yes_and_it_holds_or_no_with_a_way_out(drawn):
    with generated.scratch() as folder, mock.patch.object(generated, "_examined", generated.examined_with_reasons):
        (folder / "data").mkdir()
        against = odd_schemas.write(drawn, folder / "data" / FILE)
        refused = ""
        try:
            wrong = wrong_after_a_build(folder)
        except Refused as refusal:
            refused, wrong = str(refusal), []
        assert [] == wrong
        # SQLite refuses some of what is drawn, so that the file may have no table.
        nothing = "none of the 1 legacy databases in this folder has a table that is moved"
        assert not refused or any(one in refused for one in (*against, nothing)), refused


@pytest.mark.slow
@settings(max_examples=25)
@given(odd_schemas.files())
def test_plan_says_yes_and_it_holds(drawn):
    plan_says_yes_and_it_holds_or_no_with_a_way_out(drawn)


@pytest.mark.slow
@settings(max_examples=300)
@given(odd_schemas.files())
def test_plan_says_yes_and_it_holds_of_many(drawn):
    plan_says_yes_and_it_holds_or_no_with_a_way_out(drawn)


@pytest.mark.slow
@settings(max_examples=6, phases=[Phase.generate])
@given(odd_schemas.files())
def test_what_plan_accepts_ends_in_go(drawn):
    """The whole suite judges, in a process of its own, as for an owner."""
    with generated.scratch() as folder:
        (folder / "data").mkdir()
        odd_schemas.write(drawn, folder / "data" / FILE)
        try:
            migrated = pipeline_migrate.migrate(Workspace(folder / "data"), Config(), None)
        except Refused:
            reject()
        assert migrated.holds, migrated.verified.broken


def test_the_drawn_files_are_read_as_a_child_reads_them(tmp_path):
    (tmp_path / "data").mkdir()
    odd_schemas.write((("CREATE TABLE t (a)",), (), (), False), tmp_path / "data" / FILE)

    with mock.patch.object(inspect_pool, "examine", generated.examined_with_reasons):
        found = plan_stage.plan(inventory(tmp_path / "data"), Config(), disk=tmp_path)

    assert ["custom.t"] == [table.source for table in found.tables]
