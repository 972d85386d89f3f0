"""Old runs are removed whole, never one that is needed; an interruption leaves the run or an unfinished one."""

import shutil
import sqlite3
from contextlib import closing

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import prune as pipeline_prune
from migrator.pipeline.backup import snapshot_in_use
from migrator.stages import backup as backup_stage
from migrator.stages import prune as prune_stage
from migrator.stages.inventory.stage import inventory
from migrator.system import own_files

#: Durable steps of the removal of one run: its name, what was in it, the manifest, the folder; and the syncs of folders in them.
STEPS = 7


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    """A set with the snapshots 0001 to 0004, of which the stage is built from the first."""
    home = small_set.make(tmp_path_factory.mktemp("prune") / "home")
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        planned = pipeline_migrate.plan(workspace, configuration)
        for _ in range(3):
            pipeline_migrate.backup(planned, workspace)
    return home


@pytest.fixture(name="home")
def _home(made, tmp_path):
    return small_set.copied(made, tmp_path / "home")


def pruned(home, **options):
    with small_set.in_this_process():
        return pipeline_prune.prune(small_set.workspace_of(home)[0], **options)


def names(runs):
    return [run.path.name for run in runs]


def test_a_dry_run_is_the_plan_that_is_executed(home):
    before = sorted((home / "data").rglob("*"))

    shown = pruned(home, execute=False, snapshots=1)

    assert before == sorted((home / "data").rglob("*"))
    assert (["0002", "0003"], ["0001", "0004"]) == (names(shown.removed), names(shown.kept))
    assert shown.freed_bytes == sum(run.size_bytes for run in shown.removed) > 100_000

    done = pruned(home, execute=True, snapshots=1)

    assert (True, shown.removed, shown.kept) == (done.executed, done.removed, done.kept)
    assert ["0001", "0004"] == sorted(path.name for path in (home / "data" / "backup").iterdir())
    assert not pruned(home, execute=True, snapshots=1).executed


@pytest.mark.slow
@pytest.mark.parametrize("standing", ["cut over", "rolled back"])
def test_what_a_switch_needs_stays(home, standing):
    workspace, configuration = small_set.workspace_of(home)
    shutil.rmtree(workspace.stage)
    small_set.migrate(home)
    (run,) = {small_set.last_switch(home).run}
    with small_set.in_this_process():
        snapshot_in_use(workspace, configuration)
        snapshot_in_use(workspace, configuration)
    if standing == "rolled back":
        small_set.roll_back(home)
        shutil.rmtree(workspace.stage, ignore_errors=True)

    done = pruned(home, execute=True, snapshots=1, copies=1, unique=True)

    assert [run, "0002"] == names(done.kept)
    assert sorted(["consolidated", run]) == sorted(path.name for path in workspace.backups.iterdir())
    assert ["0002"] == [path.name for path in (workspace.backups / "consolidated").iterdir()]
    if standing == "cut over":
        small_set.roll_back(home)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ("rolled-back/residue.db", "it has rows that no legacy table holds"),
        ("rolled-back-1/residue.db", "it has rows that no legacy table holds"),
        ("rolled-back/aside/jarvis.db", "it has files that other programs made under a legacy name"),
        ("replaced/jarvis.db", "it has the files that a restore replaced"),
        ("consolidated/jarvis_core.db.damaged", "it has a damaged copy that was replaced"),
    ],
)
def test_a_run_with_rows_that_are_nowhere_else_goes_only_when_that_is_asked_for(home, kept, why):
    path = home / "data" / "backup" / "0002" / kept
    path.parent.mkdir(parents=True)
    path.touch()

    shown = pruned(home, execute=True, snapshots=1)

    assert (["0003"], why) == (names(shown.removed), shown.kept[1].kept_because)
    assert path.exists()
    assert ["0002"] == names(pruned(home, execute=True, snapshots=1, unique=True).removed)
    assert not path.exists()


def test_older_runs_stay_if_the_newest_does_not_read_back(home):
    (home / "data" / "backup" / "0004" / "alerts.db").write_bytes(b"no database")

    done = pruned(home, execute=True, snapshots=1)

    (reason,) = done.refusals
    assert "0004: is the newest, and does not read back" in reason
    assert not done.executed
    assert ["0001", "0002", "0003", "0004"] == sorted(path.name for path in (home / "data" / "backup").iterdir())
    refused = CliRunner().invoke(app.cli, ["prune", "--data-dir", str(home / "data"), "--keep", "1", "--execute"])
    assert 3 == refused.exit_code
    assert refused.stdout.startswith("REFUSED: 2 runs would be removed; nothing was removed\n")


def test_a_folder_of_the_owner_is_no_run(home):
    for name in ("0000", "mine", "7"):
        (home / "data" / "backup" / name).mkdir()
    with closing(sqlite3.connect(home / "data" / "backup" / "7" / "own.db")) as connection:
        connection.execute("CREATE TABLE t (a)")

    assert ["0002", "0003"] == names(pruned(home, execute=True, snapshots=1).removed)
    assert (home / "data" / "backup" / "7" / "own.db").exists()


@pytest.mark.parametrize("last", range(1, STEPS + 1))
def test_after_a_kill_each_run_is_whole_or_unfinished_and_the_next_removal_ends_it(home, last):
    backups = home / "data" / "backup"

    def remove(_):
        prune_stage.remove(backups / "0002")

    assert small_set.die_after(remove, home, last)

    whole = {run.name for run in own_files.runs(backups)} - {"0002.partial"}
    assert whole == {"0001", "0003", "0004"}
    with small_set.in_this_process():
        # Nothing of a half removed run counts as a database of the owner, and nothing else is touched.
        found = inventory(home / "data")
        assert "0004" == backup_stage.latest(backups, read_back=inventory).run
    assert not [database for database in found.databases if "0002" in str(database.place)]
    done = pruned(home, execute=True, snapshots=1)
    assert {"0003"} <= set(names(done.removed)) <= {"0003", "0002.partial"}
    assert ["0001", "0004"] == sorted(path.name for path in backups.iterdir())


def test_a_removal_makes_as_many_durable_steps_as_are_killed(home):
    assert STEPS == small_set.steps_of(lambda at: prune_stage.remove(at / "data" / "backup" / "0002"), home)


def test_a_removal_that_fails_midway_is_gone_on_with(home, monkeypatch):
    run = home / "data" / "backup" / "0002"
    (run / "own").mkdir()

    def failing(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(prune_stage.shutil, "rmtree", failing)
        with pytest.raises(PermissionError):
            prune_stage.remove(run)

    assert (run.with_name("0002.partial") / own_files.MANIFEST).exists()
    assert "0002.partial" in names(pruned(home, execute=True).removed)
    assert not run.with_name("0002.partial").exists()


def test_an_owners_folder_under_the_name_of_an_unfinished_run_is_in_the_way(home):
    mine = home / "data" / "backup" / "0002.partial" / "own.txt"
    mine.parent.mkdir()
    mine.write_text("mine")

    refused = pruned(home, execute=True, snapshots=1)

    assert not refused.executed
    assert "0002.partial: is not migrator's, and is in the way of removing 0002" in "; ".join(refused.refusals)
    with pytest.raises(OSError, match="not empty"):
        prune_stage.remove(home / "data" / "backup" / "0002")
    assert "mine" == mine.read_text()
    assert (home / "data" / "backup" / "0002" / own_files.MANIFEST).exists()


def test_an_empty_folder_that_is_no_run_and_a_linked_folder_are_left_alone(home, tmp_path):
    backups, elsewhere = home / "data" / "backup", tmp_path / "elsewhere"
    (backups / "2024-x.partial").mkdir()
    (elsewhere / "0007.partial").mkdir(parents=True)
    (backups / "consolidated").symlink_to(elsewhere)

    assert ["0002", "0003"] == names(pruned(home, execute=True, snapshots=1).removed)
    assert (elsewhere / "0007.partial").exists()
