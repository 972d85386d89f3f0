"""Databases that only this process may write: all are locked, or none."""

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import generated
import pytest
from intruder import JOURNAL_MODES, MODES, Intruder

from migrator.errors import Refused
from migrator.system import connections, content_digest, exclusive_access, lock_descriptor, open_files

READER = """
import sqlite3, sys
reading = sqlite3.connect(sys.argv[1], isolation_level=None)
reading.execute("BEGIN")
reading.execute("SELECT * FROM t").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


def test_who_comes_in_between_is_named_and_each_file_is_in_the_mode_that_it_was_in(tmp_path, monkeypatch):
    """The first file has left WAL mode when the second turns out to be read: it must not stay so."""
    monkeypatch.setattr(exclusive_access, "PATIENCE_S", 0.1)
    paths = [tmp_path / "one.db", tmp_path / "two.db"]
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
    came = []

    def begin():
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", READER, paths[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        came.append(reader)
        assert b"reading\n" == reader.stdout.readline()

    with (
        pytest.raises(Refused, match=r"two\.db: another process kept it locked"),
        exclusive_access.held(dict.fromkeys(paths, ""), begin),
    ):
        pytest.fail("it was held")
    came[0].communicate()

    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
            connection.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused_with_the_path_and_a_command(tmp_path, monkeypatch, number):
    paths = [tmp_path / "one.db", tmp_path / "two db"]
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
    locked = []

    def without(descriptor, command, *given):
        if command != fcntl.F_OFD_SETLK:
            return fcntl.fcntl(descriptor, command, *given)
        locked.append(command)
        if os.path.samestat(os.fstat(descriptor), paths[1].stat()):
            raise OSError(number, os.strerror(number))
        return fcntl.fcntl(descriptor, command, *given)

    monkeypatch.setattr(lock_descriptor, "fcntl", SimpleNamespace(**vars(fcntl) | {"fcntl": without}))
    with (
        pytest.raises(Refused, match=r"two db: its file system has no locks .* findmnt -T '.*two db'"),
        exclusive_access.held(dict.fromkeys(paths, "")),
    ):
        pytest.fail("it was held")

    assert locked
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
            connection.execute("INSERT INTO t VALUES (1)")


#: What :func:`migrator.system.exclusive_access.held` does to each database: a process may commit before and after each of these.
MOMENTS = (
    (exclusive_access, "refuse_holders"),
    (exclusive_access, "_version"),
    (exclusive_access, "_compare"),
    (content_digest, "_columns"),
    (content_digest, "_hashed"),
    (connections, "take_over"),
    (connections, "exclude"),
    (connections, "leave_wal"),
    (connections, "share"),
    (lock_descriptor.Grip, "take"),
    (exclusive_access.Hold, "seal"),
)
#: Rows in a table of several pages: a commit then leaves the first page of the file alone.
ROWS = 500


@pytest.fixture(name="in_memory")
def _in_memory():
    """A folder that waits for no disk."""
    with generated.scratch() as folder:
        yield folder


@pytest.fixture(name="intruder")
def _intruder():
    intruder = Intruder()
    yield intruder
    intruder.end()


def make(path, mode):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if mode == 'wal' else 'delete'}")
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(ROWS)])
    return path


def digest_of(path):
    with closing(connections.read(path)) as connection:
        return content_digest.digest(connection)


def called_around(called):
    """Return patches that call *called* with a number before and after each call of each of :data:`MOMENTS`."""
    count = 0

    def around(function):
        def both(*arguments, **named):
            nonlocal count
            count += 1
            called(count)
            result = function(*arguments, **named)
            count += 1
            called(count)
            return result

        return both

    return [mock.patch.object(where, name, around(getattr(where, name))) for where, name in MOMENTS]


def hold(paths, called):
    """Lock *paths* while *called* is called at each moment; return whether they could be locked."""
    expected = {path: digest_of(path) for path in paths}
    with ExitStack() as stack:
        for patch in called_around(called):
            stack.enter_context(patch)
        try:
            with exclusive_access.held(expected) as holding:
                holding.seal()
        except Refused:
            return False
    return True


@pytest.mark.parametrize("mode", MODES)
def test_what_was_compared_is_what_is_held_whenever_a_process_commits(in_memory, monkeypatch, intruder, mode):
    """A commit while the content is read, or between that and the lock, must refuse the hold: it is in no snapshot."""
    monkeypatch.setattr(exclusive_access, "PATIENCE_S", 0.05)
    monkeypatch.setattr(lock_descriptor, "_LEASE_PATIENCE_S", 0.05)
    paths = [make(in_memory / name, mode.partition(" ")[0]) for name in ("one.db", "two.db")]
    numbers = []
    assert hold(paths, numbers.append)
    outcomes = set()

    for at in numbers:
        said = []

        def intrude(number, at=at, said=said):
            if number == at:
                update = "UPDATE t SET x = x + 1 WHERE rowid = 300"
                said.append(intruder("commit", paths[1], mode, update, patience_s=0.3))

        done = hold(paths, intrude)

        assert 1 == len(said), at
        outcomes.add((said[0], done))
        # One that had to wait for the file goes on now.
        intruder.answer()

    assert {("", False), ("database is locked", True), (None, True)} == outcomes


#: Held in a PID namespace of its own, as that of a container is: /proc shows no process from outside of it.
CONTAINED = """
import sys
from pathlib import Path
from migrator.system import exclusive_access
from migrator.errors import Refused
try:
    with exclusive_access.held({Path(sys.argv[1]): ""}):
        print("held")
except Refused as error:
    print(error)
"""


def held_in_a_container(path):
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", CONTAINED, path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a PID namespace")
@pytest.mark.parametrize("mode", ["memory", "wal"])
def test_a_process_outside_of_our_pid_namespace_is_found(tmp_path, intruder, mode):
    path = make(tmp_path / "one.db", mode)
    assert "held\n" == held_in_a_container(path)
    assert "" == intruder("open", path, mode)

    said = held_in_a_container(path)

    assert said.startswith("one.db is open in a process that cannot be seen from here"), said
    assert "stop what uses the databases" in said


def test_where_no_process_can_be_seen_the_owner_has_to_say_that_the_bot_is_stopped(tmp_path, monkeypatch):
    """No lease and only a part of /proc, as on a network file system."""
    path = make(tmp_path / "one.db", "wal")
    monkeypatch.setattr(open_files, "opened_elsewhere", lambda *_: lock_descriptor.Opened.UNKNOWN)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with (
        pytest.raises(Refused, match=r"cannot see every process .*--bot-is-stopped"),
        exclusive_access.held({path: ""}),
    ):
        pytest.fail("it was held")

    with exclusive_access.held({path: ""}, stopped=True) as hold:
        hold.seal()
    assert () == hold.late


@pytest.mark.slow
@pytest.mark.parametrize("mode", JOURNAL_MODES)
def test_a_spent_journal_goes_and_the_mode_of_the_file_stays(tmp_path, mode):
    """SQLite in journal_mode=PERSIST or TRUNCATE leaves an empty journal beside the file."""
    path = make(tmp_path / "one.db", mode)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("INSERT INTO t VALUES (1)")
    before = digest_of(path)

    with exclusive_access.held({path: before}):
        assert [path] == list(tmp_path.iterdir())

    assert before == digest_of(path)


def test_the_log_names_a_process_and_not_its_command_line():
    holder = open_files.Holder(path=Path("jarvis.db"), pid=12, command="bot --key secret")
    with pytest.raises(Refused, match=r"process 12 \(bot --key secret\)") as refused:
        exclusive_access._refuse([holder])

    assert "jarvis.db is open in process 12" == refused.value.logged
