"""The command line: verbs, options, exit codes, one sentence for every error."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from migrator import PIPELINE
from migrator.cli import app
from migrator.errors import Refused
from migrator.stages.verify import stage as verify_stage
from migrator.system import installation


def run(*arguments, **environment):
    """Run the command as a user would, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "migrator", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def help_of(*verb):
    return CliRunner().invoke(app.cli, [*verb, "--help"], prog_name="migrator", terminal_width=100).output


def test_help_lists_the_stages_in_order():
    lines = [line.split()[0] for line in help_of().partition("Commands:")[2].splitlines() if line.strip()]

    assert list(PIPELINE) == [word for word in lines if word in PIPELINE]


@pytest.mark.parametrize("verb", app.verbs())
def test_every_verb_has_help(verb):
    assert f"Usage: migrator {verb}" in help_of(verb)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["inventory", "--data-dir", "{tmp}/nowhere"], "nowhere"),
        (["inventory", "--data-dir", "{tmp}", "--include", "{tmp}/nowhere.db"], "nowhere.db"),
        (["specimen", "{tmp}"], "{tmp}"),
    ],
)
def test_a_wrong_folder_is_one_sentence(tmp_path, arguments, sentence):
    (tmp_path / "something").touch()

    done = run(*(argument.format(tmp=tmp_path) for argument in arguments))

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence.format(tmp=tmp_path) in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())
    assert ["something"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("verb", ["inventory", "init", "plan", "backup", "build", "verify", "migrate", "status", "report",
                                  "cutover", "monitor", "rollback", "replay", "quarantine list"])  # fmt: skip
def test_a_folder_without_a_database_is_one_sentence_and_nothing_is_written(tmp_path, verb):
    (tmp_path / "notes.txt").write_text("no database")

    done = CliRunner().invoke(app.cli, [*verb.split(), "--data-dir", str(tmp_path)])

    assert isinstance(done.exception, Refused), done.output
    assert "no SQLite file here" in str(done.exception)
    assert ["notes.txt"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("verb", ["backup", "migrate", "build"])
def test_in_a_folder_of_other_databases_nothing_is_written(tmp_path, verb):
    with closing(sqlite3.connect(tmp_path / "places.sqlite")) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")

    done = CliRunner().invoke(app.cli, [verb, "--data-dir", str(tmp_path)])

    assert isinstance(done.exception, Refused), done.output
    assert ["places.sqlite"] == [path.name for path in tmp_path.iterdir()]


def test_a_sentence_to_a_pipe_is_one_line(tmp_path):
    for number in range(60):
        (tmp_path / f"a database with a long name, number {number:03}.db").touch()

    done = run("plan", "--data-dir", tmp_path)

    assert done.stdout.startswith("REFUSED: ")
    assert max(map(len, done.stdout.splitlines())) > 300


@pytest.mark.slow
def test_specimen_then_inventory_as_the_readme_has_it(tmp_path):
    made = run("specimen", tmp_path / "demo", "--dirty", "--wal", "--seed", 7)
    found = run("inventory", "--data-dir", tmp_path / "demo")

    assert (0, 0) == (made.returncode, found.returncode), made.stderr + found.stderr
    assert "jarvis.db" in found.stdout


@pytest.mark.slow
def test_json_is_one_object_with_a_schema_version(tmp_path):
    made = json.loads(run("specimen", tmp_path / "demo", "--rows", 300, "--json").stdout)
    found = json.loads(run("inventory", "--data-dir", tmp_path / "demo", "--json").stdout)

    assert (2, 2) == (made["schema"], found["schema"])
    assert ("specimen", "inventory") == (made["verb"], found["verb"])


@pytest.mark.slow
def test_an_option_has_a_twin_in_the_environment(tmp_path):
    run("specimen", tmp_path / "demo", "--rows", 300)

    found = json.loads(run("inventory", MIGRATOR_DATA_DIR=str(tmp_path / "demo"), MIGRATOR_JSON="1").stdout)

    assert str(tmp_path / "demo") == found["result"]["data_dir"]


@pytest.mark.slow
def test_quiet_prints_nothing(tmp_path):
    run("specimen", tmp_path / "demo", "--rows", 300)

    done = run("inventory", "--data-dir", tmp_path / "demo", "--quiet")

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(verify_stage, "find_spec", lambda name: None if name == "faker" else object())

    result = CliRunner().invoke(app.cli, ["specimen", "nowhere"])

    hint = f"run: {installation.extra_command('contracts')}"
    assert f"contracts.specimens: needs faker; {hint}" == str(result.exception)
    assert 2 == result.exception.exit_code


def test_an_error_of_sqlite_is_a_sentence(monkeypatch, capsys):
    def failing(**_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(app.cli, "main", failing)

    with pytest.raises(SystemExit) as ended:
        app.main()

    assert 1 == ended.value.code
    assert capsys.readouterr().err.startswith("migrator: disk I/O error; to see what the system allows run: ls -la")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_there(shell):
    done = run(_MIGRATOR_COMPLETE=f"{shell}_source")

    assert "_MIGRATOR_COMPLETE" in done.stdout


@pytest.mark.parametrize("option", ["--window", "--silence", "--for", "--patience"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_time_that_no_clock_shows_is_a_usage_error(tmp_path, option, value):
    done = CliRunner().invoke(app.cli, ["monitor", "--data-dir", str(tmp_path), option, value])

    assert 2 == done.exit_code, done.output
    assert f"'{value}' is not a number of seconds" in done.output
