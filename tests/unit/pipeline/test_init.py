"""``migrator init``: a commented configuration from what lies in the folder, and never over one that is there."""

import json
import sqlite3
import tomllib
from contextlib import closing

import pytest
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.cli import app
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.mapping import reader as mapping_reader
from migrator.pipeline import init as pipeline_init
from migrator.records.plan import AmendmentEffect
from migrator.records.proposal import MissingConstant, Needs, UndecidedFile
from migrator.reports import configuration
from migrator.schema import specified


@pytest.fixture(name="legacy")
def _legacy(tmp_path):
    """A dirty legacy set without a configuration."""
    generator.make(tmp_path / "data", seed=1, rows=400, dirty=True)
    (tmp_path / "data" / "migrator.toml").unlink()
    return tmp_path / "data"


def database(path, statements="CREATE TABLE a (x); INSERT INTO a VALUES (1), (2)"):
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def init(data, *options):
    return CliRunner().invoke(app.cli, ["init", "--data-dir", str(data), *options], catch_exceptions=True)


def uncommented(text, **values):
    """Return the configuration as an owner completes it: each proposed line without its comment sign."""
    lines = []
    for line in text.splitlines():
        proposed = line.removeprefix("# ")
        name, is_key, _ = proposed.partition(" = ")
        if line.startswith("# ") and is_key and (name.isidentifier() or name.startswith('"')):
            line = f"{name} = {json.dumps(values[name])}" if name in values else proposed  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.slow
def test_what_init_writes_is_all_that_the_plan_needs(legacy):
    database(legacy / "notes.db")
    database(legacy / "old" / "one.db")
    database(legacy / "old" / "two.db")
    (legacy / "empty.db").touch()

    done = init(legacy)

    assert 0 == done.exit_code, done.output
    toml = legacy / "migrator.toml"
    assert f"wrote {toml}" in done.output
    assert "to fill in: constants.wallet_address, for 114 rows of jarvis.positions" in done.output
    assert "to decide: 3 fates under [files]" in done.output
    assert "rows that the specification refuses now: 107" in done.output
    assert f"next: edit the file, then: migrator plan --data-dir {legacy}" in done.output
    # As it was written it decides nothing.
    assert config_file.Config() == config_file.load(toml)
    toml.write_text(uncommented(toml.read_text(), wallet_address="1" * 32), encoding="utf-8")
    decided = config_file.load(toml)
    assert {"notes.db": "carry:analytics", "old": "carry:analytics", "empty.db": "ignore"} == dict(decided.files)
    assert ("position_history",) == decided.specification.amendments
    planned = CliRunner().invoke(app.cli, ["plan", "--data-dir", str(legacy)])
    assert 0 == planned.exit_code, planned.output


@pytest.mark.slow
def test_a_configuration_that_is_there_is_kept_unless_replacing_is_told(legacy):
    toml = legacy / "migrator.toml"
    toml.write_text("[files]\n", encoding="utf-8")

    refused, printed = init(legacy), init(legacy, "--print")

    assert isinstance(refused.exception, Refused)
    assert f"migrator init --data-dir {legacy} --replace" in str(refused.exception)
    assert "[files]\n" == toml.read_text(encoding="utf-8")
    assert 'wallet_address = "..."' in printed.output
    assert 0 == init(legacy, "--replace").exit_code
    assert printed.output == toml.read_text(encoding="utf-8")


@pytest.mark.slow
def test_init_writes_one_file_and_changes_no_other(legacy, tmp_path):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in legacy.rglob("*")}

    done = init(legacy, "--config", str(tmp_path / "other.toml"), "--json")

    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in legacy.rglob("*")}
    said = json.loads(done.output)["result"]
    assert (True, str(tmp_path / "other.toml")) == (said["written"], said["path"])
    assert said["text"] == (tmp_path / "other.toml").read_text(encoding="utf-8")
    assert [{"name": "wallet_address", "source": "jarvis.positions", "rows": 114}] == said["needs"]["constants"]


def test_a_folder_without_a_database_is_refused_and_stays_empty(tmp_path):
    (tmp_path / "data").mkdir()

    done = init(tmp_path / "data")

    assert isinstance(done.exception, Refused)
    assert "no SQLite file here" in str(done.exception)
    assert [] == list((tmp_path / "data").iterdir())


NEEDS = Needs(
    constants=(
        MissingConstant(name="local_utc_offset", source="cache_db.cache", rows=0),
        MissingConstant(name="wallet_address", source="jarvis.positions", rows=7),
    ),
    files=(
        UndecidedFile(key='a "b"\n[x]\\\x7f.db', why="no known name\n[decisions]"),
        UndecidedFile(key="bad\udcff.db", why="no known name"),
        UndecidedFile(key="broken.db", why="unreadable, malformed", usable=False),
    ),
    absent=("jarvis.scorecard",),
    left_behind=("custom.seen",),
)


def test_names_of_files_write_no_line_of_their_own():
    """A file may be called anything: its name stays in its comment, and in its key."""
    written = configuration.text(NEEDS, {"core.treasury_orders": 3}, {})

    assert {"constants": {}, "files": {}, "decisions": {}} == tomllib.loads(written)
    decided = tomllib.loads(uncommented(written))
    assert {'a "b"\n[x]\\\x7f.db': "carry:analytics", "broken.db": "ignore"} == decided["files"]
    assert {
        "absent": ["jarvis.scorecard"],
        "left_behind": ["custom.seen"],
        "order_amount_sol": "position",
        "amendments": [],
        "extra_indexes": "recommended",
        "code_is_ready": False,
    } == decided["decisions"]
    assert "cannot be written here: rename it" in written


def test_each_constant_is_explained_and_its_example_is_no_value(tmp_path):
    written = configuration.text(NEEDS, None, None)

    assert "7 rows of jarvis.positions need it" in " ".join(written.split("\n# "))
    assert "Rows that cache_db.cache gets later need it." in " ".join(written.split("\n# "))
    for constant in NEEDS.constants:
        (example,) = [line for line in written.splitlines() if line.startswith(f"# {constant.name} = ")]
        (tmp_path / "c.toml").write_text(f"[constants]\n{example.removeprefix('# ')}\n", encoding="utf-8")
        with pytest.raises(UsageError, match=constant.name):
            config_file.load(tmp_path / "c.toml")


def test_amendments_that_help_are_named_with_their_counts():
    effects = {name: AmendmentEffect(chosen=False, rows_without=9, rows_with=9) for name in specified.amendments()}
    effects["llm_providers"] = AmendmentEffect(chosen=False, rows_without=9, rows_with=8)
    effects["position_history"] = AmendmentEffect(chosen=False, rows_without=9, rows_with=2)

    written = configuration.text(Needs(), {"core.positions": 9}, effects)

    assert '# amendments = ["position_history", "llm_providers"]' in written
    assert "position_history: 2 rows refused instead of 9." in written
    assert "None would let in a row" in configuration.text(Needs(), {}, {})


def test_every_constant_of_the_mappings_is_explained():
    """A mapping with a new constant needs a sentence here, and a value with which rows are counted."""
    asked = {name for mapping in mapping_reader.mappings() for name in mapping.constants}
    asked -= {"order_amount_sol", *specified.AS_WRITTEN.constants}

    assert asked == configuration._CONSTANTS.keys() == pipeline_init._STAND_INS.keys()
