"""A process starts to write in the middle of a switch, by a legacy path: before it, refused, or kept; never lost."""

import os
import sqlite3
from contextlib import closing

import generated
import pytest
import small_set
from intruder import MODES, Intruder

from migrator.errors import MigratorError, Refused
from migrator.switch import recovery
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.system import exclusive_access, lock_descriptor

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("MIGRATOR_FAULT_STRIDE", "53"))
#: A writer writes to the table that exists: the legacy table, or the one that carries it.
TABLES = ("alerts", "legacy_alerts_alerts")
INSERT = "INSERT INTO {} (id, name, alert_type, symbol) VALUES ('{}', 'n', 't', 's')"
#: The kind of a switch, and where its pointer leads after the commit.
COMMITTED = ((switch_state.CUTOVER, switch_state.NEW), (switch_state.ROLLBACK, switch_state.ROLLED_BACK))
DEEDS = (small_set.cut_over, small_set.roll_back)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(exclusive_access, "PATIENCE_S", 0.1)
    monkeypatch.setattr(lock_descriptor, "_LEASE_PATIENCE_S", 0.1)


@pytest.fixture(name="writer")
def _writer():
    writer = Intruder()
    yield writer
    writer.end()


@pytest.fixture(name="starts", scope="module")
def _starts():
    """The set before a cutover, and before a rollback."""
    with generated.scratch() as folder:
        built = small_set.make(folder / "built")
        small_set.cut_over(small_set.copied(built, folder / "switched"))
        yield {small_set.cut_over: built, small_set.roll_back: folder / "switched"}


def rows_of(home):
    """Return the ids of all alerts, by the legacy name."""
    with closing(sqlite3.connect(f"file:{home}/data/alerts.db?mode=rw", uri=True)) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        (table,) = found & set(TABLES)
        return [key for (key,) in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


def write(writer, key):
    """Let *writer* write the row *key* to the existing table; return '' or SQLite's error, None if it waits."""
    tables = writer("tables", patience_s=0.3)
    if tables is None or not isinstance(tables, list):
        return tables
    (table,) = {*tables} & {*TABLES}
    return writer("write", INSERT.format(table, key))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_process_commits_at_any_step_is_in_the_set_in_use_or_the_switch_is_refused(
    starts, writer, tmp_path, deed, mode
):
    """It opens, writes one row and closes: an acknowledged row is there once, by the legacy name, when all is over."""
    folder = starts[deed].parent / tmp_path.name
    before = rows_of(starts[deed])
    total = small_set.steps_of(deed, small_set.copied(starts[deed], folder))
    outcomes = set()

    for at in range(1, total + 1, max(STRIDE // 10, 1)):
        home = small_set.copied(starts[deed], folder)
        answers = []

        def intrude(number, _, at=at, home=home, answers=answers):
            if number == at:
                said = writer("open", f"{home}/data/alerts.db", mode, patience_s=0.3)
                answers.append(write(writer, "during") if said == "" else said)
                writer("close", patience_s=0.3)

        with small_set.after_each_step(intrude):
            try:
                deed(home)
                outcomes.add("done")
            except Refused:
                outcomes.add("refused")
        # One that waited for the file has it now, and closes it again.
        writer.answer()

        acknowledged = ["during"] if answers == [""] else []
        assert sorted([*before, *acknowledged]) == rows_of(home), (at, total, answers)
        assert not small_set.last_switch(home) or small_set.last_switch(home).finished, at
        outcomes.add(answers[0])

    assert {"", "done", "database is locked"} <= outcomes


@pytest.mark.parametrize("mode", ["memory", "off", "wal", "delete exclusive", "wal exclusive"])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_process_that_stays_is_refused_or_named_and_what_it_wrote_before_is_kept(
    starts, writer, tmp_path, deed, mode
):
    """In journal_mode=MEMORY SQLite does not notice that its file was moved: only the operator can stop it in time."""
    folder = starts[deed].parent / tmp_path.name
    before = rows_of(starts[deed])
    total = small_set.steps_of(deed, small_set.copied(starts[deed], folder))
    outcomes = set()

    for at in range(1, total + 1, max(STRIDE // 5, 1)):
        home = small_set.copied(starts[deed], folder)
        acknowledged = []
        late = ()

        def intrude(number, _, at=at, home=home, acknowledged=acknowledged):
            if (
                number == at
                and writer("open", f"{home}/data/alerts.db", mode, patience_s=0.3) == ""
                and write(writer, "during") == ""
            ):
                acknowledged.append("during")

        with small_set.after_each_step(intrude):
            try:
                late = deed(home).late
                outcomes.add("named" if late else "done")
            except Refused:
                outcomes.add("refused")
        writer.answer()
        after = write(writer, "after") == ""
        writer("close")

        # Where the operator was told in time, only that counts.
        kept = rows_of(home)
        assert late or not after or "after" in kept, (at, total)
        assert sorted([*before, *acknowledged]) == [key for key in kept if key != "after"], (at, total, late)
        assert all("alerts.db is open" in one or "jarvis_core.db is open" in one for one in late), late

    assert "refused" in outcomes
    assert outcomes & {"done", "named"}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_process_that_opens_a_file_right_before_the_commit_is_looked_for(starts, writer, tmp_path, monkeypatch, deed):
    home = small_set.copied(starts[deed], starts[deed].parent / tmp_path.name)
    before = rows_of(home)
    indirect = switch_steps.indirect

    def opened(wanted):
        indirect(wanted)
        assert "" == writer("open", home / "data" / "alerts.db", "memory")

    monkeypatch.setattr(switch_steps, "indirect", opened)

    with pytest.raises(Refused, match=rf"\.db is open in process {writer.process.pid} "):
        deed(home)

    writer("close")
    assert before == rows_of(home)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_process_that_opens_a_file_in_the_instant_of_the_commit_is_told(starts, writer, tmp_path, monkeypatch, deed):
    """The kernel keeps it waiting for the file until the switch has ended; then it has the one that was moved away."""
    home = small_set.copied(starts[deed], starts[deed].parent / tmp_path.name)
    commit = switch_steps.commit

    def committed(wanted, to):
        if to != switch_state.LEGACY:
            assert writer("open", home / "data" / "alerts.db", "memory", patience_s=0.3) is None
        commit(wanted, to)

    monkeypatch.setattr(switch_steps, "commit", committed)

    (late,) = deed(home).late

    assert late.endswith(", but the file was moved away: restart it")
    assert "jarvis_core.db" in late or "alerts.db" in late


@pytest.mark.parametrize("deed", DEEDS)
def test_who_writes_by_a_legacy_path_after_a_death_is_named_and_keeps_what_was_written(starts, writer, tmp_path, deed):
    folder = starts[deed].parent / tmp_path.name
    before = rows_of(starts[deed])
    last, named = 0, 0

    while True:
        last += max(STRIDE // 5, 1)
        home = small_set.copied(starts[deed], folder)
        if not small_set.die_after(deed, home, last):
            break
        assert "" == writer("open", home / "data" / "alerts.db", "wal")
        assert "" == write(writer, "between"), last
        try:
            recovery.recover(home / "data")
        except Refused as error:
            named += f"is open in process {writer.process.pid}" in str(error)
        # Dies without closing: the WAL holds the row.
        writer.end()
        writer.__init__()

        recovery.recover(home / "data")

        assert "between" in rows_of(home), last
        assert sorted([*before, "between"]) == rows_of(home), last
        assert not small_set.last_switch(home) or small_set.last_switch(home).finished, last

    assert named


@pytest.mark.parametrize("deed", DEEDS)
def test_a_recovery_after_the_commit_holds_what_it_moves(starts, writer, tmp_path, deed):
    """A process that opened a file in the instant of the commit may be about to write to it when recovery moves it."""
    folder = starts[deed].parent / tmp_path.name
    last = 0
    while True:
        last += 1
        home = small_set.copied(starts[deed], folder)
        assert small_set.die_after(deed, home, last), "no step right after the commit"
        now = small_set.last_switch(home)
        if now and not now.finished and (now.kind, switch_state.pointed(now)) in COMMITTED:
            break
    moved = now.tree(switch_state.LEGACY) / "alerts.db" if deed is small_set.cut_over else now.installed("core")
    assert "" == writer("open", moved, "memory")

    with pytest.raises(Refused, match=rf"is open in process {writer.process.pid} "):
        recovery.recover(home / "data")

    writer("close")
    assert "it is finished" in recovery.recover(home / "data")


@pytest.mark.parametrize("deed", DEEDS)
def test_an_error_after_the_commit_does_not_say_that_nothing_was_switched(starts, tmp_path, monkeypatch, deed):
    home = small_set.copied(starts[deed], starts[deed].parent / tmp_path.name)
    ending = "finish_cutover" if deed is small_set.cut_over else "finish_rollback"

    def fails(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recovery, ending, fails)
    with pytest.raises(MigratorError, match=r"committed, but .*was cut short after its commit, and the") as found:
        executed(deed, home)
    monkeypatch.undo()

    assert 1 == found.value.exit_code
    assert "it is finished" in recovery.recover(home / "data")


def executed(deed, home):
    """Do *deed* as the verb does; the contracts are not asked."""
    if deed is small_set.roll_back:
        return deed(home)
    with recovery.true_after_commit(home / "data"):
        return deed(home)


def test_a_spent_journal_beside_a_name_is_nothing_that_others_have_made(starts, tmp_path):
    """SQLite in journal_mode=PERSIST leaves a journal whose header is zero; in TRUNCATE an empty one."""
    home = small_set.copied(starts[small_set.roll_back], starts[small_set.roll_back].parent / tmp_path.name)
    (home / "data" / "alerts.db-journal").write_bytes(bytes(512))
    (home / "data" / "jarvis.db-journal").touch()

    assert () == small_set.roll_back(home).aside

    assert [] == rows_of(home)


@pytest.mark.parametrize("mode", ["persist", "truncate"])
def test_a_journal_that_a_writer_left_beside_a_legacy_file_goes_with_the_cutover(starts, writer, tmp_path, mode):
    home = small_set.copied(starts[small_set.cut_over], starts[small_set.cut_over].parent / tmp_path.name)
    with closing(sqlite3.connect(home / "data" / "alerts.db")) as file:
        file.execute("PRAGMA journal_mode = DELETE")
    assert "" == writer("open", home / "data" / "alerts.db", mode)
    assert "" == writer("write", "CREATE TABLE t (x)")
    assert "" == writer("write", "DROP TABLE t")
    writer("close")
    assert (home / "data" / "alerts.db-journal").exists()

    small_set.cut_over(home)

    assert not (home / "data" / "alerts.db-journal").exists()
    assert () == small_set.roll_back(home).aside
