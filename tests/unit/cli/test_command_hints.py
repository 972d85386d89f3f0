"""Every command that a sentence names can be run as it stands: with the user's own options, quoted for a shell."""

import os
import shlex
import subprocess

import pytest
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.cli import app, command_hints
from migrator.errors import Refused
from migrator.system import shell


def run(*arguments):
    return CliRunner().invoke(app.cli, [*map(str, arguments)])


def commands_in(sentence):
    """Return the commands that a sentence ends its parts with, as the shell would read them."""
    return [shlex.split(part.partition("migrator ")[2]) for part in sentence.split(";") if "migrator " in part]


def test_the_next_command_has_every_option_that_led_here(tmp_path):
    data, configured = tmp_path / "a b#%?" / "data", tmp_path / "what is decided.toml"
    data.mkdir(parents=True)
    (data / "alerts.db").touch()
    (data / "backup" / "0001.partial").mkdir(parents=True)
    (data / "backup" / "0001.partial" / "snapshot.json").touch()
    configured.touch()

    error = run("build", "--data-dir", data, "--config", configured).exception

    assert [["backup", "--data-dir", str(data), "--config", str(configured)]] == commands_in(error.hint)


def test_the_next_command_has_only_options_that_its_verb_knows(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "extra.db").touch()
    include = "--include", tmp_path / "extra.db"

    told = run("status", "--data-dir", tmp_path / "data", *include).stdout
    of_cutover = run("cutover", "--data-dir", tmp_path / "data", *include, "--env-file", tmp_path / ".env").exception

    assert f"migrator plan --data-dir {tmp_path}/data --include {tmp_path}/extra.db\n" in told
    assert of_cutover.hint.endswith(f"migrator migrate --data-dir {tmp_path}/data --include {tmp_path}/extra.db")


def test_what_is_in_the_environment_stands_in_the_command_too(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "alerts.db").touch()
    (tmp_path / "c.toml").touch()
    monkeypatch.setenv("MIGRATOR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIGRATOR_CONFIG", str(tmp_path / "c.toml"))

    assert f"migrator plan --data-dir {tmp_path}/data --config {tmp_path}/c.toml\n" in run("status").stdout


def test_of_a_pair_the_next_command_names_both(tmp_path):
    generator.make(tmp_path / "legacy", rows=0)
    (tmp_path / "new").mkdir()

    done = run(
        "status", "--evidence", tmp_path / "x.json", "--legacy", tmp_path / "legacy", "--consolidated", tmp_path / "new"
    )

    assert f"migrator verify --legacy {tmp_path}/legacy --consolidated {tmp_path}/new\n" in done.stdout


@pytest.mark.parametrize(
    "name", ["plain", "a b", "it's", "$HOME `x`", "\\ü'", os.fsdecode(b"\xff\\'"), "line\nbreak", "~"]
)
def test_a_name_reaches_the_shell_as_it_is(name):
    said = subprocess.run(["bash", "-c", f"printf %s {shell.quoted(name)}"], capture_output=True, check=True)

    assert os.fsencode(name) == said.stdout


def test_a_sentence_that_names_no_verb_or_stands_outside_of_a_run_stays():
    assert "migrator dances" == command_hints.completed("migrator dances")
    assert "run: migrator plan" == command_hints.completed("run: migrator plan")


def test_a_flag_that_the_next_command_needs_is_carried_on(tmp_path):
    (tmp_path / "data").mkdir()

    error = run("rollback", "--data-dir", tmp_path / "data", "--bot-is-stopped").exception
    with app.cli.make_context("migrator", ["cutover", "--data-dir", str(tmp_path / "data")]) as group:
        group.invoked_subcommand = "cutover"
        flags = ["--data-dir", str(tmp_path / "data"), "--bot-is-stopped", "--catch-up", "--execute"]
        with app.cli.commands["cutover"].make_context("cutover", flags, parent=group):
            told = command_hints.completed("run: migrator cutover")
            other = command_hints.completed("run: migrator status")

    assert isinstance(error, Refused)
    assert told == f"run: migrator cutover --data-dir {tmp_path}/data --bot-is-stopped --catch-up"
    assert other == f"run: migrator status --data-dir {tmp_path}/data"
