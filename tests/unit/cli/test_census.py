"""``migrator census``: numbers first, JSON, SARIF that a code host reads, and a limit that CI counts down."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import UsageError

CODE = """import sqlite3
db = sqlite3.connect("data/jarvis.db")
db.execute("ALTER TABLE positions ADD COLUMN note TEXT")
db.execute("SELECT token_mint FROM positions")
raids = sqlite3.connect("data/raid_bot.db")
"""


@pytest.fixture(name="bot")
def _bot(tmp_path, monkeypatch):
    """A folder with one module, which is the current folder."""
    (tmp_path / "trading bot").mkdir()
    (tmp_path / "trading bot" / "main.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def census(*arguments):
    return CliRunner().invoke(app.cli, ["census", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("bot")
def test_the_first_line_says_how_much_must_change():
    output = census(".").output

    assert output.startswith("1 of 4 places must change (1 files)\n")
    assert "trading bot/main.py:3:25: schema positions [jarvis]: the legacy schema is served as it was" in output
    assert "    positions.token_mint -> core.positions.token_address, '' becomes NULL\n" in output


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(("most", "code"), [("0", 1), ("1", 0), ("2", 0)])
def test_more_than_the_limit_that_must_change_is_exit_code_1(most, code):
    assert census(".", "--max", most).exit_code == code


@pytest.mark.usefixtures("bot")
def test_without_a_limit_the_exit_code_is_0():
    assert census(".").exit_code == 0


@pytest.mark.usefixtures("bot")
def test_json_has_every_field_of_a_finding():
    told = json.loads(census(".", "--json").output)["result"]

    assert told["verdicts"] == {"must change": 1, "unknown": 0, "compat": 2, "works": 1}
    assert told["findings"][0] == {
        "file": "trading bot/main.py",
        "line": 3,
        "column": 25,
        "kind": "schema",
        "named": "positions",
        "databases": ["jarvis"],
        "table": "positions",
        "columns": [],
        "verdict": "must change",
        "why": "the legacy schema is served as it was and cannot be changed",
        "change": ["jarvis.positions -> core.positions (jarvis_core.db)"],
    }


def test_sarif_has_what_its_schema_requires(bot):
    census(".", "--sarif", "census.sarif", "--quiet")
    log = json.loads((bot / "census.sarif").read_text(encoding="utf-8"))

    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "migrator census"
    assert [rule["id"] for rule in driver["rules"]] == ["must-change", "unknown", "compat"]
    assert {rule["defaultConfiguration"]["level"] for rule in driver["rules"]} <= {"error", "warning", "note", "none"}
    # What works as it is asks for nothing, and is left out.
    assert [result["ruleId"] for result in run["results"]] == ["must-change", "compat", "compat"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1
        # A URI that is relative and has no blanks, as the schema's format uri-reference requires.
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "trading%20bot/main.py"


def test_a_file_outside_of_the_folder_of_the_run_is_relative_to_the_root(bot, monkeypatch):
    (bot / "elsewhere").mkdir()
    monkeypatch.chdir(bot / "elsewhere")
    census(str(bot / "trading bot"), "--sarif", "census.sarif", "--quiet")
    (run,) = json.loads((bot / "elsewhere" / "census.sarif").read_text(encoding="utf-8"))["runs"]

    where = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert run["originalUriBaseIds"] == {"ROOT": {"uri": "file:///"}}
    assert where == {"uri": f"{bot}/trading%20bot/main.py".removeprefix("/"), "uriBaseId": "ROOT"}


def test_a_missing_path_is_a_usage_error():
    with pytest.raises(UsageError, match="no such file or folder"):
        census(str(Path("missing")))


@pytest.mark.usefixtures("bot")
def test_no_data_directory_is_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("MIGRATOR_DATA_DIR", str(tmp_path / "missing"))

    assert census(".").exit_code == 0
