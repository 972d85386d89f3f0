"""``--json``: one envelope for all verbs, also after a refusal, as the JSON Schema files of the package describe it.

tests/docs/test_json_schemas.py keeps the files current.
"""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
import small_set
from click.testing import CliRunner

from contracts.specimens.generator import Manifest
from migrator.cli import app, envelope, json_schema
from migrator.errors import BuildError, EvidenceError, MigratorError, Refused, RollbackFailed, UsageError

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema validates; tox installs it")

FOLDER = resources.files("migrator.cli") / "schemas"
RECORDS = {"specimen": (Manifest,), **json_schema.RECORDS}
KEYS = ["verb", "schema", "verdict", "refusals", "result"]


def schema_of(verb):
    return json.loads((FOLDER / json_schema.file_name(verb)).read_text(encoding="utf-8"))


def strict(schema):
    """Return *schema* for this version's output: a record has no other members than those it names."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "properties" in schema else {}
        return {key: strict(value) for key, value in schema.items()} | closed
    return [strict(item) for item in schema] if isinstance(schema, list) else schema


def valid(text, verb):
    """Return what *verb* printed, after a check of its form."""
    told = json.loads(text)
    jsonschema.validate(told, strict(schema_of(verb)))
    assert list(told) == KEYS
    assert verb == told["verb"]
    return told


def test_each_exit_code_has_a_verdict():
    errors = (MigratorError, UsageError, Refused, RollbackFailed, BuildError, EvidenceError)

    assert {error.exit_code for error in errors} <= envelope.VERDICTS.keys()
    assert len(set(envelope.VERDICTS.values())) == len(envelope.VERDICTS)
    page = (Path(__file__).parents[3] / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    for code, verdict in envelope.VERDICTS.items():
        assert f"| {code} | `{verdict}` | " in page


def test_a_child_that_a_signal_ended_has_failed():
    assert "failed" == json.loads(envelope.text("rehearse", None, code=-9))["verdict"]


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("json") / "home")


@pytest.fixture(name="cut", scope="module")
def _cut(made, tmp_path_factory):
    home = small_set.copied(made, tmp_path_factory.mktemp("json-cut") / "home")
    small_set.cut_over(home)
    return home


def printed(verb, *arguments):
    """Run *verb* in this process; return its exit code and what it printed."""
    with small_set.in_this_process():
        form = ["--format", "json"] if verb == "report" else ["--json"]
        done = CliRunner().invoke(app.cli, [*verb.split(), *map(str, arguments), *form])
    return done.exception.exit_code if isinstance(done.exception, MigratorError) else done.exit_code, done.stdout


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("specimen", ["{new}", "--rows", "60"], 0),
        ("inventory", ["--data-dir", "{data}"], 0),
        ("init", ["--data-dir", "{data}", "--print"], 0),
        ("plan", ["--data-dir", "{data}"], 0),
        ("backup", ["--data-dir", "{data}"], 0),
        ("build", ["--data-dir", "{data}"], 0),
        ("status", ["--data-dir", "{data}"], 0),
        ("prune", ["--data-dir", "{data}"], 0),
        ("restore", ["1", "--data-dir", "{data}"], 0),
        ("cutover", ["--data-dir", "{data}"], 3),
        ("quarantine list", ["--data-dir", "{data}"], 0),
        ("explain", ["positions.status"], 0),
        ("census", ["{data}"], 0),
        ("census", ["{code}", "--max", "0"], 1),
        ("compat uninstall", ["--python", "{python}"], 0),
    ],
)
def test_what_a_verb_prints_before_a_cutover_is_as_its_schema_says(made, tmp_path, verb, arguments, code):
    home = small_set.copied(made, tmp_path / "home")
    code_of_a_bot = tmp_path / "bot.py"
    code_of_a_bot.write_text("import sqlite3\nsqlite3.connect('jarvis.db').execute('PRAGMA user_version = 3')\n"
                             "sqlite3.connect('jarvis.db').execute('CREATE TABLE trades (id)')\n")  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    named = {
        "data": home / "data",
        "new": tmp_path / "new",
        "code": code_of_a_bot,
        "python": tmp_path / "venv/bin/python",
    }
    given = [argument.format(**named) for argument in arguments]
    # One that runs the contracts prints from a process of its own.
    ended = subprocess.run([sys.executable, "-m", "migrator", *verb.split(), *given, "--json"], capture_output=True, text=True,
                           check=False) if verb == "specimen" else None  # fmt: skip
    found, text = (ended.returncode, ended.stdout) if ended else printed(verb, *given)

    told = valid(text, verb)

    assert (code, envelope.VERDICTS[code]) == (found, told["verdict"])
    assert bool(code) == bool(told["refusals"])
    assert told["result"] is not None


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("status", [], 0),
        ("verify", [], 1),
        ("cutover", [], 0),
        ("monitor", ["--once"], 6),
        ("replay", [], 0),
        ("backup", [], 0),
        ("prune", [], 0),
        ("restore", ["1"], 3),
        ("rollback", [], 0),
        ("compat export", ["{new}"], 0),
    ],
)
def test_what_a_verb_prints_after_a_cutover_is_as_its_schema_says(cut, tmp_path, verb, arguments, code):
    home = small_set.copied(cut, tmp_path / "home")

    found, text = printed(
        verb, *(argument.format(new=tmp_path / "new") for argument in arguments), "--data-dir", home / "data"
    )

    told = valid(text, verb)
    assert (code, envelope.VERDICTS[code]) == (found, told["verdict"])
    assert (code in (1, 3)) == bool(told["refusals"])


def test_a_rollback_with_a_residue_is_called_so(cut, tmp_path):
    home = small_set.copied(cut, tmp_path / "home")
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO config (key, value) VALUES ('greeting', 'hello')")

    code, text = printed("rollback", "--execute", "--data-dir", home / "data")

    told = valid(text, "rollback")
    assert (7, "residue", {"core.config": 1}) == (code, told["verdict"], told["result"]["residue"])


@pytest.mark.parametrize("verb", sorted(RECORDS.keys() - {"specimen", "explain", "census", "rehearse",
                                                                     "fleet", "compat install", "compat uninstall"}))  # fmt: skip
def test_a_refusal_is_an_object_too(tmp_path, verb):
    (tmp_path / "data").mkdir()
    arguments = {"quarantine explain": ["k"], "quarantine resolve": ["k"], "quarantine export": [tmp_path / "q.csv"],
                 "compat export": [tmp_path / "x"], "restore": ["1"], "quarantine decide": [tmp_path / "q.csv"], "report": ["--output", "-"]}.get(verb, [])  # fmt: skip

    code, text = printed(verb, *arguments, "--data-dir", tmp_path / "data")

    told = valid(text, verb)
    assert (3, "refused", None) == (code, told["verdict"], told["result"])
    (reason,) = told["refusals"]
    assert "no SQLite file here" in reason


@pytest.mark.parametrize(
    ("verb", "arguments", "environment", "reason"),
    [
        ("plan", ["--json", "--nonsense"], {}, "No such option"),
        ("plan", ["--nonsense", "--json"], {}, "No such option"),
        ("plan", ["--nonsense"], {"MIGRATOR_JSON": "1"}, "No such option"),
        ("plan", ["--json", "--data-dir", "~unknown-user/data"], {}, "~unknown-user"),
        ("restore", [], {"MIGRATOR_JSON": "1"}, "Missing argument"),
        ("quarantine explain", ["--json"], {}, "Missing argument"),
        ("quarantine", ["nonsense"], {"MIGRATOR_JSON": "1"}, "No such command"),
        ("", ["nonsense", "--json"], {}, "No such command"),
        ("report", ["--format=json", "--output", "-", "--nonsense"], {}, "No such option"),
    ],
)
def test_a_wrong_command_line_is_an_object_too(verb, arguments, environment, reason):
    done = subprocess.run(
        [sys.executable, "-m", "migrator", *verb.split(), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )

    told = valid(done.stdout, verb) if verb in RECORDS else json.loads(done.stdout)
    assert (2, verb, "usage", None) == (done.returncode, told["verb"], told["verdict"], told["result"])
    assert reason in told["refusals"][0]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["plan", "--nonsense"], {"MIGRATOR_JSON": "0"}),
        (["plan", "--nonsense", "--", "--json"], {}),
        (["report", "--format", "json", "--output", "r.json", "--nonsense"], {}),
    ],
)
def test_a_wrong_command_line_that_asks_for_no_object_prints_none(arguments, environment):
    done = subprocess.run(
        [sys.executable, "-m", "migrator", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )

    assert (2, "") == (done.returncode, done.stdout)


@pytest.mark.slow
def test_what_whole_runs_print_is_as_their_schemas_say(tmp_path):
    """Those that run the contracts, or need a quarantine: migrate, verify, report, rehearse, quarantine, fleet."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "migrator", *map(str, arguments)], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    data = tmp_path / "data"
    assert 0 == run("specimen", data, "--seed", 1, "--rows", 300, "--dirty", "--quiet")[0]
    here = ["--data-dir", data]
    migrated = valid(run("migrate", *here, "--json")[1], "migrate")
    assert "ok" == migrated["verdict"]
    assert "ok" == valid(run("verify", *here, "--json")[1], "verify")["verdict"]
    assert valid(run("report", *here, "--format", "json", "--output", "-")[1], "report")["result"]["broken"] == []
    listed = valid(run("quarantine", "list", *here, "--json")[1], "quarantine list")
    key = listed["result"]["groups"][0]["keys"][0]
    valid(run("quarantine", "explain", key, *here, "--json")[1], "quarantine explain")
    valid(run("quarantine", "export", tmp_path / "q.csv", *here, "--json")[1], "quarantine export")
    valid(run("quarantine", "accept", *here, "--json")[1], "quarantine accept")
    assert "ok" == valid(run("rehearse", "--json")[1], "rehearse")["verdict"]
    with closing(sqlite3.connect(data / ".migrator" / "stage" / "jarvis_core.db", isolation_level=None)) as stage:
        stage.execute("DELETE FROM trades WHERE id = (SELECT min(id) FROM trades)")
    code, text = run("verify", *here, "--json")
    broken = valid(text, "verify")
    assert (1, "failed") == (code, broken["verdict"])
    assert [reason for reason in broken["refusals"] if "no_legacy_row_is_lost" in reason]
