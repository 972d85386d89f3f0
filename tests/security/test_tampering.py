"""What lies in the way, and what was changed between two stages: one sentence, or the work is done again; never a lie."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from contracts.specimens import generator
from migrator.config import config_file
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.stages import backup as backup_stage
from migrator.stages.build import stage as build_stage
from migrator.switch.workspace import Workspace

pytestmark = pytest.mark.slow


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "migrator", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "data"
    generator.make(folder, rows=300, seed=3)
    return folder


@pytest.fixture(name="data")
def _data(made, tmp_path):
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture(name="staged", scope="module")
def _staged(made, tmp_path_factory):
    """A folder that has been backed up and built."""
    folder = shutil.copytree(made, tmp_path_factory.mktemp("staged") / "data")
    pipeline_migrate.build(*workspace_of(folder), backed_up(folder))
    return folder


@pytest.fixture(name="built")
def _built(staged, tmp_path):
    return shutil.copytree(staged, tmp_path / "data")


def content(data):
    ours = (data / "backup" / "0001", data / ".migrator")
    return {
        path: path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and not any(path.is_relative_to(one) for one in ours)
    }


def workspace_of(data):
    return Workspace(data), config_file.load(data / "migrator.toml")


def backed_up(data):
    workspace, configuration = workspace_of(data)
    return pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)


def a_file_for_backups(data):
    (data / "backup").write_text("mine", encoding="utf-8")


def a_file_for_the_rest(data):
    (data / ".migrator").write_text("mine", encoding="utf-8")


def a_link_that_leads_nowhere(data):
    (data / "backup").symlink_to(data / "nowhere")


@pytest.mark.parametrize("deed", [a_file_for_backups, a_file_for_the_rest, a_link_that_leads_nowhere])
def test_what_lies_in_the_way_is_one_sentence(data, deed):
    deed(data)
    before = content(data)

    done = run("migrate", "--data-dir", data)
    planned = pipeline_migrate.plan(*workspace_of(data))

    assert done.returncode in (1, 3)
    assert "" == done.stdout
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr
    assert before == content(data)
    assert any("is not a folder that this user can write to" in sentence for sentence in planned.refusals)


def test_a_stage_that_is_a_link_is_not_emptied(data, tmp_path):
    backed_up(data)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (data / ".migrator").mkdir()
    (data / ".migrator" / "stage").symlink_to(tmp_path / "elsewhere")

    done = run("build", "--data-dir", data)

    assert (3, "") == (done.returncode, done.stdout)
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_a_home_that_nobody_has_is_a_usage_error():
    done = run("inventory", "--data-dir", "~nobody-of-this-name/data")

    assert (2, "") == (done.returncode, done.stdout)
    assert 1 == len(done.stderr.strip().splitlines()), done.stderr


@pytest.mark.parametrize("name", ["20250101", "²", "x"])
def test_folders_of_the_owner_among_the_snapshots_do_no_harm(data, name):
    (data / "backup" / name).mkdir(parents=True)

    snapshot = backed_up(data)

    assert backup_stage.newest(data / "backup") == snapshot.folder


def drop_a_file(snapshot):
    (snapshot / "jarvis_admin.db").unlink()


def drop_rows(snapshot):
    with closing(sqlite3.connect(snapshot / "jarvis.db")) as connection:
        connection.execute("DELETE FROM trades")
        connection.commit()


def add_a_file(snapshot):
    shutil.copy(snapshot / "custom.db", snapshot / "notes.db")


def garble_the_manifest(snapshot):
    (snapshot / "snapshot.json").write_text("{", encoding="utf-8")


def empty_the_manifest(snapshot):
    (snapshot / "snapshot.json").write_text("[]", encoding="utf-8")


@pytest.mark.parametrize("deed", [drop_a_file, drop_rows, add_a_file, garble_the_manifest, empty_the_manifest])
def test_a_snapshot_that_was_touched_is_not_built_from(built, deed):
    """Otherwise 28 of the 29 files would be built and proved, for example."""
    deed(built / "backup" / "0001")

    with pytest.raises(Refused, match="take a new one: migrator backup"):
        pipeline_migrate.build(*workspace_of(built))

    assert pipeline_migrate.build(*workspace_of(built), backed_up(built)).holds


def drop_a_database(stage):
    (stage / "jarvis_core.db").unlink()


def drop_target_rows(stage):
    with closing(sqlite3.connect(stage / "jarvis_core.db")) as connection:
        connection.execute("DELETE FROM trades")
        connection.commit()


def spoil_the_file(stage):
    path = stage / "jarvis_cache.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * 8192)


def garble_the_record(stage):
    (stage / build_stage.FINISHED).write_text("{", encoding="utf-8")


def halve_the_record(stage):
    written = json.loads((stage / build_stage.FINISHED).read_text(encoding="utf-8"))
    del written["sources"]
    (stage / build_stage.FINISHED).write_text(json.dumps(written), encoding="utf-8")


@pytest.mark.parametrize(
    "deed", [drop_a_database, drop_target_rows, spoil_the_file, garble_the_record, halve_the_record]
)
def test_a_stage_that_was_touched_is_built_anew(built, deed):
    workspace, configuration = workspace_of(built)
    first = pipeline_migrate.build(workspace, configuration)
    deed(workspace.stage)

    again = pipeline_migrate.build(workspace, configuration)

    assert dict(first.digests) == dict(again.digests)
    assert again == pipeline_migrate.build(workspace, configuration)


def test_a_database_from_outside_has_a_fate_in_every_stage(data, tmp_path):
    with closing(sqlite3.connect(tmp_path / "notes.db")) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text)")
        connection.execute("INSERT INTO notes VALUES (1, 'kept')")
        connection.commit()
    with (data / "migrator.toml").open("a", encoding="utf-8") as file:
        file.write('\n[files]\n"included/notes.db" = "carry:core"\n')
    workspace = Workspace(data, [tmp_path / "notes.db"])
    configuration = config_file.load(data / "migrator.toml")

    built = pipeline_migrate.build(
        workspace, configuration, pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace)
    )

    assert [(1, 1)] == [(one.rows, one.carried) for one in built.sources if one.source == "notes.notes"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("copies", ["*", "*/contracts-*"])
def test_ended_by_a_signal_it_leaves_no_private_copy(data, tmp_path, number, copies):
    private = tmp_path / "private"
    private.mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "migrator",
            "migrate",
            "--data-dir",
            str(data),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(private)},
    )
    until = time.monotonic() + 60
    while not list(private.glob(copies)) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert 128 + number == process.returncode
    assert "migrator: interrupted; run it again" == said.splitlines()[-1]
    assert [] == list(private.iterdir())
