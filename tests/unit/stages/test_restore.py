"""A restore puts a run's files back in one instant, keeps what it replaces, and survives a kill at every durable step."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.errors import MigratorError, Refused
from migrator.pipeline import restore as pipeline_restore
from migrator.pipeline import status as pipeline_status
from migrator.pipeline import switchover
from migrator.records.status import Standing
from migrator.switch import preconditions, recovery
from migrator.switch import state as switch_state
from migrator.system import permissions
from migrator.system.run_lock import locked

#: The files of the set: changed since the snapshot, missing, damaged, as they were.
CHANGED, MISSING, DAMAGED, SAME = "jarvis.db", "alerts.db", "cache/file_cache.db", "jarvis_memory.db"


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    """A set after the snapshot 0001, of which one file was written to, one is gone, and one is damaged and has a WAL."""
    home = small_set.make(tmp_path_factory.mktemp("restore") / "home")
    data = home / "data"
    changed(data / CHANGED, "UPDATE trades SET symbol = 'LATE'")
    (data / MISSING).unlink()
    (data / DAMAGED).write_bytes(b"no database" * 500)
    (data / f"{DAMAGED}-wal").write_bytes(b"a WAL of nothing")
    return home


@pytest.fixture(name="home")
def _home(made, tmp_path):
    return small_set.copied(made, tmp_path / "home")


def changed(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def restored(home, run="0001", **options):
    workspace, _ = small_set.workspace_of(home)
    with small_set.in_this_process():
        return pipeline_restore.restore(workspace, run, **{"execute": True} | options)


def rows(path):
    """Return the rows of the one table by which *path* is told apart, '' if it is gone, or its first bytes if it is damaged."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
            ]
            table = "trades" if "trades" in tables else tables[0]
            return connection.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall()
    except sqlite3.DatabaseError:
        return path.read_bytes()[:11]


def listed(home):
    """Return the paths below the data directory but those of the indexes and empty WALs that SQLite makes beside a WAL."""
    return sorted(path for path in (home / "data").rglob("*") if not path.name.endswith(("-shm", ".db-wal")))


def contents(home):
    """Return name -> what a process reads under it."""
    return {name: rows(home / "data" / name) for name in (CHANGED, MISSING, DAMAGED, SAME)}


@pytest.fixture(name="states", scope="module")
def _states(made):
    """What the names lead to before the restore, and after it."""
    snapshot = made / "data" / "backup" / "0001"
    return contents(made), {name: rows(snapshot / name) for name in (CHANGED, MISSING, DAMAGED, SAME)}


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(home, states):
    before = listed(home)

    with small_set.in_this_process():
        done = CliRunner().invoke(app.cli, ["restore", "1", "--data-dir", str(home / "data"), "--all"])

    assert 0 == done.exit_code, (done.output, done.exception)
    assert f"nothing was touched; migrator restore --data-dir {home}/data 0001 --execute does it" in done.stdout
    assert "3 files become what they were at the snapshot 0001; 1 of them are gone now" in done.stdout
    assert SAME not in done.stdout
    assert states[0] == contents(home)
    assert before == listed(home)


def test_the_files_are_those_of_the_run_and_what_they_replace_is_kept(home, states):
    data = home / "data"
    (data / MISSING).parent.mkdir(exist_ok=True)
    mode = (data / CHANGED).stat().st_mode

    done = restored(home)

    assert done.executed
    assert states[1] == contents(home)
    replaced = data / "backup" / "0001" / "replaced"
    assert {CHANGED, DAMAGED, f"{DAMAGED}-wal"} == {
        str(p.relative_to(replaced)) for p in replaced.rglob("*") if p.is_file() and p.suffix != ".db-shm"
    }
    assert states[0][CHANGED] == rows(replaced / CHANGED)
    assert b"a WAL of nothing" == (replaced / f"{DAMAGED}-wal").read_bytes()
    assert {mode} == {(data / name).stat().st_mode for name in (CHANGED, MISSING)}
    assert not any((data / name).is_symlink() for name in contents(home))
    assert switch_state.read(data) is None
    assert not {"active", "legacy", "rolled-back"} & {path.name for path in (data / ".migrator").iterdir()}
    with closing(sqlite3.connect(data / CHANGED)) as connection:
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
    again = restored(home)
    assert (False, True) == (again.executed, again.done_before)


def test_the_second_restore_of_a_run_keeps_what_the_first_one_kept(home, states):
    restored(home)
    changed(home / "data" / CHANGED, "UPDATE trades SET symbol = 'LATER'")
    later = rows(home / "data" / CHANGED)

    restored(home)

    run = home / "data" / "backup" / "0001"
    assert (states[0][CHANGED], later) == (rows(run / "replaced-1" / CHANGED), rows(run / "replaced" / CHANGED))


def test_a_set_that_was_restored_can_be_migrated_and_switched(home):
    restored(home)

    assert small_set.migrate(home).executed


class Consolidated:
    reason = "the consolidated set of run 0001 is in use"

    def __init__(self, home):
        shutil.rmtree(home)
        small_set.make(home)
        small_set.cut_over(home)


class HardLink:
    reason = "jarvis.db: has 2 names"

    def __init__(self, home):
        (home / "other.db").hardlink_to(home / "data" / CHANGED)


class Link:
    reason = "alerts.db: is not a regular file"

    def __init__(self, home):
        (home / "data" / MISSING).symlink_to("elsewhere.db")


class NoFolder:
    reason = "cache: no such folder; to make it run: mkdir -p "

    def __init__(self, home):
        shutil.rmtree(home / "data" / "cache")


@pytest.mark.parametrize("case", [Consolidated, HardLink, Link, NoFolder])
def test_a_restore_that_would_lose_something_is_refused(home, case):
    case(home)
    before = listed(home)

    done = restored(home)

    assert not done.executed
    assert case.reason in "; ".join(done.refusals)
    assert before == listed(home)


def test_while_the_consolidated_set_is_in_use_that_is_the_one_reason_against_a_restore(tmp_path):
    home = small_set.make(tmp_path / "home")
    small_set.cut_over(home)

    done = restored(home)

    assert ["the consolidated set of run 0001 is in use; to go back first run: migrator rollback --execute"] == list(
        done.refusals
    )


def test_what_cannot_be_kept_is_not_replaced(home, monkeypatch):
    may = permissions.may
    monkeypatch.setattr(permissions, "may", lambda do, path: path.name != "0001" and may(do, path))

    done = restored(home)

    assert not done.executed
    assert "0001: this user may not write to it" in "; ".join(done.refusals)


def test_without_room_for_copies_nothing_begins(home, monkeypatch):
    monkeypatch.setattr(preconditions.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))

    assert "bytes are needed for copies, and 0 are free" in "; ".join(restored(home).refusals)


def test_a_process_that_has_a_file_open_is_in_the_way(home, states):
    with closing(sqlite3.connect(home / "data" / CHANGED)) as own:
        own.execute("SELECT 1 FROM trades").fetchone()
        child = os.fork()
        if child == 0:
            code = 9
            try:
                code = 3 if restored(home).holders else 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)

    assert 3 == os.waitstatus_to_exitcode(status)
    assert states[0] == contents(home)


@pytest.mark.parametrize("run", ["0009", "9", "../x", ""])
def test_a_run_that_is_not_there_is_refused_with_those_that_are(home, run):
    with pytest.raises(Refused, match=r"there is no snapshot .*; there are: 0001"):
        restored(home, run)


def test_a_damaged_copy_is_not_put_back(home, states):
    (home / "data" / "backup" / "0001" / SAME).write_bytes(b"no database")

    with pytest.raises(Refused, match="cannot be read back"):
        restored(home)

    assert states[0] == contents(home)


def test_a_failure_before_the_commit_leaves_each_name_as_it_was(home, states, monkeypatch):
    def refusing(_):
        raise Refused("a process has it open")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline_restore.restore_stage.exclusive_access.Hold, "seal", refusing)
        with pytest.raises(Refused, match="has it open"):
            restored(home)

    assert states[0] == contents(home)
    assert not any((home / "data" / name).is_symlink() for name in contents(home))
    assert switch_state.read(home / "data") is None
    with closing(sqlite3.connect(home / "data" / CHANGED)) as connection:
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()


def settle(home):
    return recovery.settle(home / "data")


@pytest.mark.slow
def test_killed_after_any_durable_step_each_name_opens_one_whole_set(made, tmp_path, states):
    """The names lead to all that was, or to all of the run; the next command brings either to its end, also if it is killed."""
    last, seen = 0, set()
    while True:
        last += 1
        home = small_set.copied(made, tmp_path / "home")
        if not small_set.die_after(restored, home, last):
            break
        now = contents(home)
        assert now in states, last
        seen.add(states.index(now))
        if switch_state.read(home / "data") is not None:
            workspace, configuration = small_set.workspace_of(home)
            stands = pipeline_status.status(workspace, configuration)
            assert Standing.CUT_SHORT is stands.standing
            assert "migrator restore 0001 --execute" in stands.next
        # The recovery may be killed too.
        small_set.die_after(settle, home, 2 + last % 5)
        assert now == contents(home), last
        settle(home)
        assert now == contents(home), last
        assert not any((home / "data" / name).is_symlink() for name in now), last
        assert switch_state.read(home / "data") is None
        assert restored(home).executed or now == states[1], last
        assert states[1] == contents(home), last
        kept = [*(home / "data" / "backup" / "0001").glob("replaced*/jarvis.db")]
        assert states[0][CHANGED] in [rows(path) for path in kept], last

    assert last > 30
    assert {0, 1} == seen


@pytest.mark.slow
def test_another_command_ends_an_interrupted_restore_and_goes_on(made, tmp_path):
    home = small_set.copied(made, tmp_path / "home")
    assert small_set.die_after(restored, home, 30)
    assert switch_state.under_way(home / "data").kind == switch_state.RESTORE
    workspace, configuration = small_set.workspace_of(home)

    with pytest.raises(MigratorError, match="the legacy set is in use: there is no cutover to roll back"):
        switchover.rollback(workspace, configuration, execute=True)

    assert switch_state.read(home / "data") is None


def test_while_it_is_at_work_no_other_begins(home):
    with locked(home / "data"):
        child = os.fork()
        if child == 0:
            code = 9
            try:
                restored(home)
            except Refused as error:
                code = 3 if "another migrator is at work" in str(error) else 8
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)

    assert 3 == os.waitstatus_to_exitcode(status)


def in_a_child(deed):
    """Do *deed* in a process that ends without closing what it opened."""
    child = os.fork()
    if child == 0:
        try:
            deed()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def killed_before_the_commit(home, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(pipeline_restore.restore_stage.exclusive_access.Hold, "seal", lambda _: os._exit(9))
        in_a_child(lambda: restored(home))
    assert (home / "data" / CHANGED).is_symlink()


def committed_by_the_bot(path):
    """Commit a row to *path* and leave it in the WAL, as a process does that is killed."""

    def commit():
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS late (x)")
        connection.execute("INSERT INTO late VALUES ('committed')")

    in_a_child(commit)


def with_a_damaged_index(path):
    """Leave rows of the database *path* out of an index; its tables can be read and written."""
    changed(path, "CREATE TABLE late (x)", "CREATE TABLE other (y)", "CREATE INDEX damaged ON other (y)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'damaged'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        at = slice((page - 1) * size, page * size)
        empty = path.read_bytes()[at]
        connection.execute("INSERT INTO other VALUES (1), (2)")
    content = bytearray(path.read_bytes())
    content[at] = empty
    path.write_bytes(content)


@pytest.mark.parametrize("name", [MISSING, CHANGED])
def test_rows_committed_after_an_interruption_survive_its_undoing(home, monkeypatch, name):
    """A file that was missing or damaged is not held, and SQLite puts its WAL beside the file behind the link."""
    path = home / "data" / name
    if name == CHANGED:
        with_a_damaged_index(path)
        committed_by_the_bot(path)
    killed_before_the_commit(home, monkeypatch)
    committed_by_the_bot(path)

    settle(home)

    assert not path.is_symlink()
    with closing(sqlite3.connect(path)) as connection:
        assert [("committed",)] * (1 if name == MISSING else 2) == connection.execute("SELECT * FROM late").fetchall()


def test_rows_committed_before_the_commit_are_kept_with_the_file_that_is_replaced(home, monkeypatch):
    seal = pipeline_restore.restore_stage.exclusive_access.Hold.seal

    def late(hold):
        committed_by_the_bot(home / "data" / MISSING)
        seal(hold)

    monkeypatch.setattr(pipeline_restore.restore_stage.exclusive_access.Hold, "seal", late)

    assert restored(home).executed
    with closing(sqlite3.connect(home / "data" / "backup" / "0001" / "replaced" / MISSING)) as connection:
        assert [("committed",)] == connection.execute("SELECT * FROM late").fetchall()


def test_a_process_that_has_a_damaged_file_open_is_in_the_way_of_undoing(home, monkeypatch):
    killed_before_the_commit(home, monkeypatch)
    descriptor = os.open(home / "data" / DAMAGED, os.O_RDONLY)
    outcomes = home / "outcome"

    def refused():
        os.close(descriptor)
        try:
            settle(home)
        except Refused as error:
            outcomes.write_text(str(error))

    in_a_child(refused)
    os.close(descriptor)

    assert "file_cache.db is open in process" in outcomes.read_text()
    settle(home)
    assert not (home / "data" / DAMAGED).is_symlink()


@pytest.mark.parametrize("mark", ["user_version", "application_id"])
def test_a_number_in_the_header_that_changed_is_put_back(home, mark):
    restored(home)
    changed(home / "data" / SAME, f"PRAGMA {mark} = 77")

    assert restored(home).executed
    with closing(sqlite3.connect(home / "data" / SAME)) as connection:
        assert (77,) != connection.execute(f"PRAGMA {mark}").fetchone()


def test_a_full_text_index_over_no_stored_rows_is_put_back(tmp_path):
    home = tmp_path / "home"
    small_set.write(home)
    toml = home / "data" / "migrator.toml"
    toml.write_text(toml.read_text().replace("[decisions]", '[decisions]\nleft_behind = ["jarvis_memory.words"]'))
    changed(
        home / "data" / SAME,
        "CREATE VIRTUAL TABLE words USING fts5(x, content='')",
        "INSERT INTO words (rowid, x) VALUES (1, 'old')",
    )
    small_set.build(home)
    assert restored(home).done_before
    changed(home / "data" / SAME, "INSERT INTO words (rowid, x) VALUES (2, 'new')")

    assert restored(home).executed
    with closing(sqlite3.connect(home / "data" / SAME)) as connection:
        assert [] == connection.execute("SELECT rowid FROM words WHERE words MATCH 'new'").fetchall()


def test_no_process_can_write_to_a_file_that_is_left_alone(home, monkeypatch):
    seal, outcome = pipeline_restore.restore_stage.exclusive_access.Hold.seal, home / "outcome"

    def write():
        with closing(sqlite3.connect(home / "data" / SAME, timeout=0)) as connection:
            try:
                connection.execute("PRAGMA user_version = 5")
            except sqlite3.OperationalError as error:
                outcome.write_text(str(error))

    def late(hold):
        in_a_child(write)
        seal(hold)

    monkeypatch.setattr(pipeline_restore.restore_stage.exclusive_access.Hold, "seal", late)

    assert restored(home).executed
    assert "database is locked" == outcome.read_text()


def test_a_file_that_is_left_alone_and_was_written_to_meanwhile_is_in_the_way(home, states, monkeypatch):
    copy = pipeline_restore.restore_stage._copy

    def late(wanted):
        copy(wanted)
        changed(home / "data" / SAME, "PRAGMA user_version = 5")

    monkeypatch.setattr(pipeline_restore.restore_stage, "_copy", late)

    with pytest.raises(Refused, match=r"jarvis_memory\.db: has changed since it was read"):
        restored(home)
    assert states[0] == contents(home)


def test_a_restore_that_is_undone_leaves_the_record_of_the_last_switch(home, monkeypatch):
    seal = pipeline_restore.restore_stage.exclusive_access.Hold.seal
    restored(home)
    small_set.cut_over(home)
    workspace, configuration = small_set.workspace_of(home)
    with small_set.in_this_process():
        switchover.rollback(workspace, configuration, execute=True)
    changed(home / "data" / CHANGED, "UPDATE trades SET symbol = 'LATE'")
    before = switch_state.read(home / "data")
    assert before.finished

    def refusing(hold):
        seal(hold)
        raise Refused("a process has it open")

    monkeypatch.setattr(pipeline_restore.restore_stage.exclusive_access.Hold, "seal", refusing)
    with pytest.raises(Refused, match="has it open"):
        restored(home)

    assert before == switch_state.read(home / "data")


@pytest.mark.parametrize("where", ["held", "seal"])
def test_a_restore_that_is_refused_leaves_no_copies_and_renames_nothing(home, monkeypatch, where):
    restored(home)
    changed(home / "data" / CHANGED, "UPDATE trades SET symbol = 'LATER'")
    before = listed(home)

    def refusing(*_, **__):
        raise Refused("a process has it open")

    access = pipeline_restore.restore_stage.exclusive_access
    monkeypatch.setattr(access if where == "held" else access.Hold, where, refusing)
    with pytest.raises(Refused, match="has it open"):
        restored(home)

    assert before == listed(home)


def test_a_file_that_was_gone_gets_the_narrowest_mode_of_those_beside_it(home):
    (home / "data" / CHANGED).chmod(0o644)
    (home / "data" / SAME).chmod(0o600)

    restored(home)

    assert 0o600 == (home / "data" / MISSING).stat().st_mode & 0o777
    assert 0o644 == (home / "data" / CHANGED).stat().st_mode & 0o777
