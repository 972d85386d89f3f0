"""A command without ``--execute`` writes nothing, in every state of the data directory."""

import shutil
import sqlite3
from contextlib import closing
from types import NoneType

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import MigratorError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.stages import backup as backup_stage
from migrator.switch import state as switch_state
from migrator.system.run_lock import locked

#: The verbs that show.
VERBS = (
    ("inventory",),
    ("plan",),
    ("report", "--output", "-"),
    ("status",),
    ("cutover",),
    ("cutover", "--catch-up"),
    ("rollback",),
)


def is_new(_):
    """Leave the set as it was made."""


def has_a_snapshot(home):
    shutil.rmtree(home / "data" / ".migrator")


def lost_its_manifest(home):
    (home / "data" / ".migrator" / "stage" / "built.json").unlink()


def has_another_configuration(home):
    with (home / "data" / "migrator.toml").open("a", encoding="utf-8") as configuration:
        configuration.write('\n[files]\n"alerts.db" = "standalone"\n')


def has_a_later_snapshot(home):
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)


def has_a_later_row(home):
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as connection:
        connection.execute("UPDATE trades SET symbol = 'SOL' WHERE rowid = (SELECT min(rowid) FROM trades)")


def has_a_spoilt_stage(home):
    (home / "data" / ".migrator" / "stage" / "jarvis_core.db").write_bytes(b"no database")


def has_a_spoilt_snapshot(home):
    next((home / "data" / "backup" / "0001").rglob("alerts.db")).write_bytes(b"no database")


def is_cut_over(home):
    small_set.cut_over(home)


def is_cut_over_and_written_to(home):
    small_set.cut_over(home)
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db", isolation_level=None)) as connection:
        connection.execute("UPDATE trades SET symbol = 'SOL'")
        connection.execute("CREATE TABLE own (a)")


def is_rolled_back(home):
    small_set.cut_over(home)
    small_set.roll_back(home)


def is_cut_short(home):
    assert small_set.die_after(small_set.cut_over, home, 48)
    assert not switch_state.read(home / "data").finished


STANDINGS = (
    is_new,
    has_a_snapshot,
    lost_its_manifest,
    has_another_configuration,
    has_a_later_snapshot,
    has_a_later_row,
    has_a_spoilt_stage,
    has_a_spoilt_snapshot,
    is_cut_over,
    is_cut_over_and_written_to,
    is_rolled_back,
    is_cut_short,
)


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("dry") / "home")


def image(home):
    """Return name -> mode, time of the last write and bytes of everything below *home*."""
    return {
        path.relative_to(home): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.lstat().st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (home, *home.rglob("*"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("standing", STANDINGS)
def test_a_verb_that_shows_changes_no_byte(made, tmp_path, standing):
    home = small_set.copied(made, tmp_path / "home")
    standing(home)
    before = image(home)

    for verb, *options in VERBS:
        done = CliRunner().invoke(app.cli, [verb, *options, "--data-dir", str(home / "data")])

        assert isinstance(done.exception, NoneType | SystemExit | MigratorError), (verb, done.exception)
        after = image(home)
        assert [] == [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)], verb


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["status", "inventory", "plan", "report", "cutover", "rollback", "migrate", "monitor"])
def test_a_switch_that_is_at_work_is_not_called_cut_short(made, tmp_path, verb):
    home = small_set.copied(made, tmp_path / "home")
    is_cut_short(home)

    with locked(home / "data"):
        before = image(home)
        done = CliRunner().invoke(app.cli, [verb, "--data-dir", str(home / "data")])
        assert before == image(home)

    said = f"{done.output} {done.exception}"
    assert "another migrator is at work" in said
    assert "was cut short" not in said


def test_an_older_stage_is_not_switched_to(made, tmp_path):
    home = small_set.copied(made, tmp_path / "home")
    has_a_later_snapshot(home)

    with small_set.in_this_process():
        done = CliRunner().invoke(app.cli, ["cutover", "--data-dir", str(home / "data")])

    assert "is built from the snapshot 0001, and the newest is 0002; run: migrator migrate" in done.output
    assert "0002" == backup_stage.newest(home / "data" / "backup").name

    with small_set.in_this_process():
        done = CliRunner().invoke(app.cli, ["cutover", "--catch-up", "--data-dir", str(home / "data")])

    assert "is built from the snapshot" not in done.output
