"""Every verb in every standing of a run: what was judged before a cutover stays as it was judged."""

import shutil

import pytest
import small_set

from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.records.status import Standing
from migrator.stages.build import stage as build_stage


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("standings") / "home")
    (home / "data" / ".migrator" / "evidence.json").write_text("what was judged", encoding="utf-8")
    return home


@pytest.fixture(name="home")
def _home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home", symlinks=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb",
    [
        pipeline_migrate.build,
        lambda place, _: pipeline_migrate.verify_stage(place, None),
        lambda place, configuration: pipeline_migrate.migrate(place, configuration, None),
    ],
)
def test_after_a_cutover_nothing_is_built_or_judged_in_its_place(home, verb):
    small_set.cut_over(home)
    before = set((home / "data").rglob("*"))

    with pytest.raises(Refused, match=r"the consolidated set of run 0001 is in use.*run: migrator report"):
        verb(*small_set.workspace_of(home))

    assert before == set((home / "data").rglob("*"))
    assert "what was judged" == (home / "data" / ".migrator" / "evidence.json").read_text(encoding="utf-8")


def test_the_evidence_of_a_run_outlives_the_next_run(home):
    small_set.cut_over(home)
    small_set.roll_back(home)
    (home / "data" / ".migrator" / "evidence.json").write_text("the next run", encoding="utf-8")

    kept = home / "data" / "backup" / "0001" / "consolidated"

    assert "what was judged" == (kept / "evidence.json").read_text(encoding="utf-8")
    assert 0o600 == (kept / "evidence.json").stat().st_mode & 0o777


@pytest.mark.slow
def test_the_evidence_of_a_run_that_is_cut_over_again_is_kept_too(home):
    for judged in ("first", "second", "third"):
        (home / "data" / ".migrator" / "evidence.json").write_text(judged, encoding="utf-8")
        small_set.cut_over(home)
        small_set.roll_back(home)
        pipeline_migrate.build(*small_set.workspace_of(home))

    kept = home / "data" / "backup" / "0001" / "consolidated"

    told = {path.name: path.read_text(encoding="utf-8") for path in kept.glob("evidence*.json")}
    assert {"evidence.json": "third", "evidence-1.json": "first", "evidence-2.json": "second"} == told


def test_a_damaged_record_of_the_stage_does_not_end_a_status_after_a_cutover(home):
    small_set.cut_over(home)
    stage = home / "data" / ".migrator" / "stage"
    stage.mkdir(exist_ok=True)
    (stage / build_stage.FINISHED).write_text("{", encoding="utf-8")

    shown = pipeline_status.status(*small_set.workspace_of(home))

    assert (Standing.CONSOLIDATED, 0) == (shown.standing, shown.disk.prunable_bytes)


def test_a_backup_that_goes_meanwhile_is_no_last_backup(home, monkeypatch):
    (home / "data" / ".migrator" / "evidence.json").unlink()
    monkeypatch.setattr(pipeline_status.backup_stage, "newest", lambda backups: backups / "0009")

    assert pipeline_status.status(*small_set.workspace_of(home)).backup is None
