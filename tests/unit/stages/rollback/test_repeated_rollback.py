"""A second rollback, files under legacy names, two migrators at once: what was kept before stays kept."""

import json
import shutil
import sqlite3
import threading
from contextlib import closing

import generated
import pytest
import small_set
from click.testing import CliRunner

import migrator
from migrator.cli import app
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import watch
from migrator.stages.monitor.error_rate import Limits
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import connections

pytestmark = pytest.mark.slow


@pytest.fixture(name="built", scope="module")
def _built():
    with generated.scratch() as folder:
        yield small_set.make(folder / "built")


@pytest.fixture(name="home")
def _home(built, tmp_path):
    """A copy of the set that was cut over."""
    home = small_set.copied(built, built.parent / tmp_path.name)
    small_set.cut_over(home)
    yield home
    shutil.rmtree(home)


def session(home, name):
    with closing(migrator.connect("jarvis_cache.db", data_dir=home / "data", isolation_level=None)) as cache:
        cache.execute("INSERT INTO sessions (session_id, user_id) VALUES (?, 1)", (name,))


def sessions(residue):
    with closing(sqlite3.connect(residue)) as kept:
        return [name for (name,) in kept.execute("SELECT session_id FROM cache_sessions")]


def test_what_an_earlier_rollback_of_the_same_run_kept_stays(home):
    """Nothing was written to the legacy set in between: the same snapshot serves again."""
    session(home, "first")
    small_set.roll_back(home)
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        assert pipeline_migrate.build(workspace, configuration).holds
    small_set.cut_over(home)
    session(home, "second")

    small_set.roll_back(home)

    run = home / "data" / "backup" / "0001"
    assert (["first"], ["second"]) == (
        sessions(run / "rolled-back-1" / "residue.db"),
        sessions(run / "rolled-back" / "residue.db"),
    )
    with small_set.in_this_process():
        assert pipeline_migrate.build(workspace, configuration).holds, (
            "what a switch keeps beside a snapshot is no part of it"
        )


def test_a_cutover_of_the_same_run_is_watched_anew(home):
    """The monitor fires once for a cutover: neither its latch nor the errors before it count against the next one."""
    workspace, configuration = small_set.workspace_of(home)
    limits = Limits(min_events=10)

    def errors():
        with closing(migrator.connect("jarvis_cache.db", data_dir=home / "data")) as cache:
            for _ in range(20):
                with pytest.raises(sqlite3.OperationalError):
                    cache.execute("SELECT nothing")

    def watched():
        with small_set.in_this_process():
            return watch.monitor(workspace, configuration, limits, until=lambda gone: gone > 4.0, patience_s=0)

    errors()
    assert watched().fired
    with small_set.in_this_process():
        assert pipeline_migrate.build(workspace, configuration).holds
    small_set.cut_over(home)

    assert (False, 0) == ((now := watched()).fired, now.seen)
    errors()
    assert watched().fired


def test_a_file_that_others_have_made_under_a_legacy_name_is_kept(home):
    """Code that replaces its file makes a new one in the place of the link."""
    path = home / "data" / "cache" / "file_cache.db"
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as own:
        own.execute("CREATE TABLE cache_entries (key, value)")
        own.execute("INSERT INTO cache_entries VALUES ('only', 'here')")
    path.with_name("file_cache.db-wal").write_bytes(b"left behind")

    done = small_set.roll_back(home)

    kept = home / "data" / "backup" / "0001" / "rolled-back" / "aside" / "cache" / "file_cache.db"
    assert {str(kept), f"{kept}-wal"} == set(done.aside)
    with closing(sqlite3.connect(f"file:{kept}?immutable=1", uri=True)) as own:
        assert [("only", "here")] == own.execute("SELECT * FROM cache_entries").fetchall()
    assert not path.with_name("file_cache.db-wal").exists(), "SQLite would take it for the legacy file's own"
    with closing(sqlite3.connect(path)) as legacy:
        assert [] == legacy.execute("SELECT 1 FROM cache_entries WHERE key = 'only'").fetchall()


def test_such_a_file_is_where_it_was_when_the_rollback_dies(home):
    path = home / "data" / "cache" / "file_cache.db"
    path.unlink()
    path.write_bytes(b"no database")
    commits = []
    counted = small_set.copied(home, home.with_name("counted"))
    with small_set.after_each_step(lambda number, name: commits.append((number, name))):
        small_set.roll_back(counted)
    points = [number for number, name in commits if name == "point"]

    for last in range(points[0] - 4, points[4] + 1):
        one = small_set.copied(home, home.with_name("dies"))
        small_set.die_after(small_set.roll_back, one, last)
        recovery.recover(one / "data")
        there = one / "data" / "cache" / "file_cache.db"
        if small_set.last_switch(one).consolidated:
            assert b"no database" == there.read_bytes(), last
        else:
            aside = small_set.last_switch(one).aside / "cache" / "file_cache.db"
            assert b"no database" == aside.read_bytes(), last


def test_a_file_made_under_a_name_in_the_middle_of_a_cutover_is_not_overwritten(built, tmp_path):
    home = small_set.copied(built, built.parent / tmp_path.name)
    path = home / "data" / "alerts.db"

    def replaces(_, name):
        if name == "link" and path.stat().st_nlink > 1:
            draft = path.with_name("draft")
            draft.write_bytes(b"written whole")
            draft.replace(path)

    with small_set.after_each_step(replaces), pytest.raises(migrator.errors.MigratorError, match=r"alerts\.db"):
        small_set.cut_over(home)

    assert b"written whole" == path.read_bytes()


def test_of_two_rollbacks_at_once_one_is_done_and_the_other_says_so(home):
    """The monitor may fire while a person rolls back: where the set stands is asked under the lock."""
    begun, outcomes = threading.Event(), []
    read = switch_state.read

    def waiting(data_dir):
        found = read(data_dir)
        if threading.current_thread() is late:
            begun.set()
        return found

    def roll_back():
        try:
            outcomes.append(small_set.roll_back(home).executed)
        except Refused as error:
            outcomes.append(str(error))

    late = threading.Thread(target=roll_back)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(switch_state, "read", waiting)
        late.start()
        begun.wait(30)
        roll_back()
        late.join()

    assert {True} < set(outcomes), outcomes
    assert any("at work" in str(one) or "no cutover to roll back" in str(one) for one in outcomes), outcomes
    written = json.loads((home / "data" / ".migrator" / "switch.json").read_text())
    assert ("rollback", True) == (written["kind"], written["finished"])


@pytest.mark.parametrize("commits", [False, True])
def test_who_connects_while_a_switch_begins_and_ends_gets_the_set_that_is_in_use_then(built, tmp_path, commits):
    """Between the look at the set and the opening a whole cutover may fit; the connection must not be a legacy one."""
    home = small_set.copied(built, built.parent / tmp_path.name)
    plainly, flag = connections.as_it_was, env_flag.flag

    def late(*arguments, **named):
        monkeypatch.undo()
        small_set.cut_over(home)
        return (plainly if commits else flag)(*arguments, **named)

    with pytest.MonkeyPatch.context() as monkeypatch:
        if commits:
            monkeypatch.setattr(connections, "as_it_was", late)
        else:
            small_set.cut_over(home)
            small_set.roll_back(home)
            workspace, configuration = small_set.workspace_of(home)
            with small_set.in_this_process():
                pipeline_migrate.build(workspace, configuration)
            monkeypatch.setattr(env_flag, "flag", late)
        with closing(migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data")) as connection:
            assert (1,) == connection.execute("PRAGMA foreign_keys").fetchone()
            assert 1 == len(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'lineage'").fetchall())


@pytest.mark.parametrize("verb", ["cutover", "monitor"])
def test_a_verb_that_switches_brings_a_switch_to_its_end_when_it_is_executed(built, tmp_path, verb):
    """A switch that was interrupted after its commit; test_trust tests the other commands."""
    home = small_set.copied(built, built.parent / tmp_path.name)
    commit = []
    with small_set.after_each_step(lambda number, name: commit.append(number) if name == "rewrite" else None):
        (home / ".env").write_text("USE_CONSOLIDATED_DBS=false\n")
        small_set.cut_over(small_set.copied(home, home.with_name("whole")))
    assert small_set.die_after(small_set.cut_over, home, commit[0])
    assert not small_set.last_switch(home).finished

    more = ["--for", "0"] if verb == "monitor" else ["--execute"]
    with small_set.in_this_process():
        said = CliRunner().invoke(app.cli, [verb, "--data-dir", str(home / "data"), *more])

    assert (6 if verb == "monitor" else 0) == said.exit_code, said.output
    assert "was cut short after its commit, and the consolidated set is in use" in said.output
    assert small_set.last_switch(home).consolidated


def test_after_a_cutover_there_is_nothing_in_the_stage_to_judge(home):
    with pytest.raises(Refused, match="a stage is built and judged before a cutover only"):
        pipeline_migrate.verify_stage(Workspace(home / "data"), None)
