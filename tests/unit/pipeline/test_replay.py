"""A replay before the cutover, after it, and once the application has written: nothing of the owner's is touched."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import cut_over_set
import pytest
import small_set
from click.testing import CliRunner

from contracts.specimens import generator
from migrator.application.replay import outcomes
from migrator.cli import app
from migrator.pipeline import replay as pipeline_replay
from migrator.records.observer import Observer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="built")
def _built(tmp_path_factory):
    home = tmp_path_factory.mktemp("built")
    generator.make(home / "data", seed=7, rows=100, dirty=True, wal=True)
    small_set.build(home)
    return home


def entries(folder):
    """Return each file below *folder* with what a write would change."""
    states = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for path, state in states.items()}


def replayed(home, path=None, **options):
    workspace, config = small_set.workspace_of(home)
    with small_set.in_this_process():
        return pipeline_replay.replay(workspace, config, path, **options)


def test_before_the_cutover_after_it_and_after_writes(built, tmp_path):
    home = small_set.copied(built, tmp_path / "set")
    before = entries(home)

    staged = replayed(home)

    assert before == entries(home)
    assert staged.holds
    assert "snapshot 0001, and the build of it" == staged.source

    small_set.cut_over(home)
    before = entries(home)

    in_use = replayed(home)

    assert before == entries(home)
    assert "nothing was written since the cutover" in in_use.source
    assert staged.compat == in_use.compat

    with closing(cut_over_set.compat(home / "data", "jarvis", isolation_level=None)) as jarvis:
        jarvis.execute(
            "INSERT INTO error_logs (error_type, component, message, context, stack_trace, created_at)"
            " VALUES ('a', 'b', 'written since', '', '', '2026-02-01T00:00:00')"
        )
        jarvis.execute("UPDATE positions SET status = 'no such state' WHERE id = (SELECT max(id) FROM positions)")
    mine = tmp_path / "mine.sql"
    mine.write_text(
        "-- database: jarvis\nSELECT message FROM error_logs;\nSELECT id, status FROM positions ORDER BY id;"
    )

    class Counting(Observer):
        def __init__(self):
            self.told = []

        def stage(self, *told):
            self.told.append(told)

        def done(self, *told):
            self.told.append(told)

    counting = Counting()
    written = replayed(home, mine, observer=counting)

    assert [("replay", 2, "statements"), (1, 2), (2, 2)] == counting.told
    assert "as a rollback would give it" in written.source
    assert (2, {"same": 2, "differs": 0, "differs for a listed reason": 0}) == (len(written.statements), written.compat)


def test_the_command_prints_the_numbers_and_exits_with_1_if_a_statement_breaks(built, tmp_path, monkeypatch):
    home = small_set.copied(built, tmp_path / "set")
    mine = tmp_path / "mine.sql"
    mine.write_text("-- database: jarvis\nSELECT token_mint FROM trades ORDER BY id;")
    arguments = ["replay", "--data-dir", str(home / "data"), "--statements", str(mine)]

    shown = CliRunner().invoke(app.cli, arguments)
    as_json = CliRunner().invoke(app.cli, [*arguments, "--json"])

    assert (0, 0) == (shown.exit_code, as_json.exit_code), shown.output
    assert "All 1 statements keep working through migrator.connect. With links alone 1 fail, and 0 do" in shown.output
    assert "no such column: token_mint" in shown.output
    (statement,) = json.loads(as_json.stdout)["result"]["statements"]
    assert ("jarvis", "fails", "same") == (statement["database"], statement["link"], statement["compat"])

    run = outcomes.run

    def worse(connection, sql, values):
        return run(connection, sql, values) if type(connection) is sqlite3.Connection else outcomes.NOTHING

    monkeypatch.setattr(outcomes, "run", worse)
    assert 1 == CliRunner().invoke(app.cli, arguments).exit_code


@pytest.mark.parametrize("dirty", [True, False], ids=["dirty", "clean"])
def test_every_statement_of_the_bot_does_the_same(tmp_path, dirty):
    generator.make(tmp_path / "data", seed=7, rows=400, dirty=dirty, wal=True)
    small_set.build(tmp_path)

    found = replayed(tmp_path, Path(small_set.__file__).with_name("bot_statements.sql"))

    # Eight are about databases that stay as they are.
    assert (93, 8) == (len(found.statements) + len(found.not_run), len(found.not_run))
    assert found.holds
    assert 0 == found.compat["differs"]
    # Rows of a table whose key is not the rowid, without ORDER BY.
    assert found.compat["differs for a listed reason"] <= 2


def test_without_a_build_it_is_refused(tmp_path):
    small_set.write(tmp_path)

    refused = CliRunner().invoke(app.cli, ["replay", "--data-dir", str(tmp_path / "data")], standalone_mode=False)

    assert "there is no finished build" in str(refused.exception)
