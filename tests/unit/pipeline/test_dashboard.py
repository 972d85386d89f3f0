"""``migrator status`` is the dashboard: what is in use, what runs beside it, and the next step as a command."""

import os
import time

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.pipeline import status as pipeline_status
from migrator.pipeline.backup import snapshot_in_use
from migrator.switch.workspace import Workspace
from migrator.system import run_lock


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("dashboard") / "home")


@pytest.fixture(name="cut", scope="module")
def _cut(made, tmp_path_factory):
    home = small_set.copied(made, tmp_path_factory.mktemp("dashboard-cut") / "home")
    small_set.cut_over(home)
    return home


@pytest.fixture(name="home")
def _home(cut, tmp_path):
    return small_set.copied(cut, tmp_path / "home")


def of(home):
    with small_set.in_this_process():
        return pipeline_status.status(*small_set.workspace_of(home))


def backed_up(home):
    with small_set.in_this_process():
        snapshot_in_use(*small_set.workspace_of(home))


def watched(home):
    return CliRunner().invoke(app.cli, ["monitor", "--once", "--data-dir", str(home / "data")])


def shown(home):
    return CliRunner().invoke(app.cli, ["status", "--data-dir", str(home / "data")]).stdout


def test_before_a_cutover_it_shows_the_legacy_set_and_its_snapshot(made):
    found = of(made)

    assert ("legacy", False, None, "") == (found.in_use, found.flag, found.monitor, found.back)
    assert ("0001", 0) == (found.backup.run, found.disk.prunable_bytes)
    assert 0 < found.disk.backups_bytes < 50_000_000
    assert "in use:     the legacy set; USE_CONSOLIDATED_DBS is false\n" in shown(made)


def test_after_a_cutover_the_next_steps_are_the_monitor_then_a_backup_then_nothing(home):
    found = of(home)
    assert ("consolidated", True, None) == (found.in_use, found.flag, found.backup)
    assert (False, None) == (found.monitor.running, found.monitor.age_s)
    assert "watch the application: migrator monitor" == found.next
    assert "monitor:    NOT running, and never ran for this cutover" in shown(home)

    watched(home)
    assert "back up the three: migrator backup" == of(home).next

    backed_up(home)
    found = of(home)
    assert found.next == found.back
    assert found.back.startswith("if you have to go back: migrator rollback")
    assert found.backup.age_s < 600
    assert f"migrator rollback --data-dir {home}/data" in shown(home)


def test_after_a_cutover_with_files_elsewhere_each_command_names_them(home):
    workspace, configuration = small_set.workspace_of(home)
    elsewhere = Workspace(workspace.data_dir, env_file=home / "other.env")
    needed = f"--env-file {home}/.env"
    with small_set.in_this_process():
        found = pipeline_status.status(elsewhere, configuration)

    own = f", and {home}/.env is your application's"
    assert f"watch the application{own}: migrator monitor {needed}" == found.next
    assert f"if you have to go back{own}: migrator rollback {needed}" == found.back


def test_a_watch_or_a_backup_that_is_old_is_due_again(home):
    watched(home)
    backed_up(home)
    watch = home / "data" / ".migrator" / "watch.json"
    os.utime(watch, (time.time() - 3_600,) * 2)

    assert "watch the application: migrator monitor" == of(home).next
    assert "NOT running; ran 60 min ago" in shown(home)

    os.utime(watch)
    manifest = home / "data" / "backup" / "consolidated" / "0001" / "snapshot.json"
    os.utime(manifest, (time.time() - 7 * 3_600,) * 2)

    assert "back up the three: migrator backup" == of(home).next
    assert "backup:     run 0001, 7 h ago" in shown(home)


def test_a_monitor_at_work_is_running(home):
    child = os.fork()
    if child == 0:
        with run_lock.locked(home / "data", name=run_lock.WATCH):
            time.sleep(60)
        os._exit(0)
    try:
        until = time.monotonic() + 20
        while not of(home).monitor.running and time.monotonic() < until:
            time.sleep(0.1)
        assert of(home).monitor.running
        assert "monitor:    running" in shown(home)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("USE_CONSOLIDATED_DBS=false\n", "USE_CONSOLIDATED_DBS is false, which does not fit"),
        (None, "USE_CONSOLIDATED_DBS cannot be read"),
    ],
)
def test_a_flag_that_does_not_fit_is_said(home, monkeypatch, written, says):
    if written is None:

        def unread(_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(pipeline_status.env_flag, "flag", unread)
    else:
        (home / ".env").write_text(written)

    assert says in shown(home)


def test_old_runs_are_shown_with_what_prune_would_free(made, tmp_path):
    home = small_set.copied(made, tmp_path / "home")
    for _ in range(4):
        backed_up(home)

    found = of(home)

    assert 100_000 < found.disk.prunable_bytes < found.disk.backups_bytes
    assert f"of which migrator prune --data-dir {home}/data would free" in shown(home)


def test_an_interrupted_switch_has_no_set_in_use_yet(made, tmp_path):
    home = small_set.copied(made, tmp_path / "home")
    assert small_set.die_after(small_set.cut_over, home, 48)

    assert "" == of(home).in_use
    assert "in use:" not in shown(home)
