"""Private copies are of one instant and change nothing."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from migrator.errors import SourceBusy, SourceError
from migrator.system import connections, private_copy

#: A transaction larger than the cache, cut short by a kill: part of it is in the file, and a journal can undo it.
CUT_SHORT = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN")
connection.execute("UPDATE t SET x = 'new ' || x")
os.kill(os.getpid(), 9)
"""
#: Commits pairs of rows that add up to zero, for ever.
WRITER = """
import itertools, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("PRAGMA wal_autocheckpoint = 20")
connection.execute("CREATE TABLE t (x INTEGER, filling TEXT DEFAULT (hex(zeroblob(500))))")
for i in itertools.count(1):
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t (x) VALUES (?)", (i,))
    connection.execute("INSERT INTO t (x) VALUES (?)", (-i,))
    connection.execute("COMMIT")
    if i == 3:
        print("ready", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def made(path, script="CREATE TABLE t (x); INSERT INTO t VALUES ('old')"):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(script)
    return path


def state(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


def hot(path):
    made(path, "CREATE TABLE t (x); CREATE TABLE u (x);")
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [("old" + "." * 400,)] * 500)
        connection.commit()
    subprocess.run([sys.executable, "-c", CUT_SHORT, path], check=False)
    assert (path.with_name(path.name + "-journal")).stat().st_size > 0
    return path


@contextmanager
def writing(path, mode, pause_s):
    with subprocess.Popen([sys.executable, "-c", WRITER, path, mode, str(pause_s)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(name="into")
def _into(tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "copy.db"


def test_a_copy_has_the_rows_that_only_the_wal_has(data, into):
    with closing(sqlite3.connect(data / "a.db", isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)")
        before = state(data)

        private_copy.private_copy(data / "a.db", into)

        assert before == state(data)
    with connections.closing_scratch(into) as copied:
        assert [(1,), (2,)] == copied.execute("SELECT x FROM t").fetchall()


def test_a_transaction_that_was_cut_short_is_undone_in_the_copy_alone(data, into):
    path = hot(data / "a.db")
    before = state(data)

    private_copy.private_copy(path, into)

    with connections.closing_scratch(into) as copied:
        assert [(500, 0)] == copied.execute("SELECT count(*), sum(x LIKE 'new%') FROM t").fetchall()
    assert before == state(data)


def with_super_journal(path, named):
    """Let the journal name one more file, as a transaction over several databases does."""
    name = os.fsencode(named)
    checksum = sum(name)
    with path.with_name(path.name + "-journal").open("ab") as journal:
        journal.write((0x40000000 // 4096 + 1).to_bytes(4, "big") + name)
        journal.write(len(name).to_bytes(4, "big") + checksum.to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7"))
    return path


@pytest.mark.parametrize("ours", [True, False])
def test_a_journal_that_names_a_file_does_not_get_it_deleted(data, into, tmp_path, ours):
    """SQLite deletes the super-journal of a journal that it played back: here a file of the user."""
    victim = tmp_path / "precious.txt"
    victim.write_text("keep me")
    path = with_super_journal(hot(data / "a.db"), victim)

    if ours:
        private_copy.private_copy(path, into)
    else:
        for suffix in ("", "-journal"):
            connections.beside(into, suffix).write_bytes(connections.beside(path, suffix).read_bytes())

    with connections.closing_scratch(into) as copied:
        assert [(500, 0)] == copied.execute("SELECT count(*), sum(x LIKE 'new%') FROM t").fetchall()
    assert ours == victim.exists(), "SQLite does not do it any more: the precaution may go"


def test_a_journal_whose_super_journal_is_gone_was_committed(data, into):
    path = with_super_journal(hot(data / "a.db"), data / "a.db-mj0123")

    private_copy.private_copy(path, into)

    with connections.closing_scratch(into) as copied:
        assert copied.execute("SELECT sum(x LIKE 'new%') FROM t").fetchone()[0] > 0


def test_a_super_journal_counts_beside_the_source_too(data, into, tmp_path):
    """A folder may have been copied elsewhere while the transaction was open."""
    path = with_super_journal(hot(data / "a.db"), tmp_path / "elsewhere" / "a.db-mj0123")
    (data / "a.db-mj0123").touch()

    private_copy.private_copy(path, into)

    with connections.closing_scratch(into) as copied:
        assert [(0,)] == copied.execute("SELECT sum(x LIKE 'new%') FROM t").fetchall()


@pytest.mark.parametrize(
    "tail", [b"", b"\x00" * 7, bytes.fromhex("d9d505f920a163d7"), b"\xff" * 8 + b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"]
)
def test_the_end_of_a_journal_may_be_anything(data, into, tail):
    path = made(data / "a.db")
    (data / "a.db-journal").write_bytes(tail)

    private_copy.private_copy(path, into)

    assert tail == connections.beside(into, "-journal").read_bytes()


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_copy_taken_beside_a_writer_is_of_one_instant(data, into, mode):
    """Each commit adds a pair that sums to zero, so that half a commit shows."""
    with writing(data / "a.db", mode, 0.03 if mode == "DELETE" else 0.002):
        for number in range(12):
            copy = into.with_name(f"{number}.db")
            private_copy.private_copy(data / "a.db", copy)
            with connections.closing_scratch(copy) as copied:
                assert [(0, 0)] == copied.execute("SELECT sum(x), count(*) % 2 FROM t").fetchall()
                assert [("ok",)] == copied.execute("PRAGMA integrity_check").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("journal", ["DELETE", "TRUNCATE", "PERSIST"])
def test_a_writer_that_never_rests_is_held_up_rather_than_the_copy_refused(data, into, journal):
    with writing(data / "a.db", journal, 0):
        for number in range(4):
            copy = into.with_name(f"{number}.db")
            private_copy.private_copy(data / "a.db", copy, patience_s=30)
            with connections.closing_scratch(copy) as copied:
                assert [(0, 0)] == copied.execute("SELECT sum(x), count(*) % 2 FROM t").fetchall()
                assert [("ok",)] == copied.execute("PRAGMA integrity_check").fetchall()


@pytest.fixture(name="restless")
def _restless(data, monkeypatch):
    """Return a database that is never found at rest."""
    monkeypatch.setattr(private_copy, "_copied", lambda *_: False)
    return made(data / "a.db")


def test_who_is_in_a_transaction_has_not_yet_changed_the_copy(restless, into):
    """Its journal is there, and played back in the copy it must change nothing."""
    with closing(sqlite3.connect(restless, isolation_level=None)) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES ('new')")
        assert connections.beside(restless, "-journal").exists()

        private_copy.private_copy(restless, into)

        writer.execute("COMMIT")
    with connections.closing_scratch(into) as copied:
        assert [("old",)] == copied.execute("SELECT x FROM t").fetchall()


def test_nobody_commits_while_a_copy_is_taken_under_the_lock(restless, into, monkeypatch):
    """Seen from another process, because a lock does not hold against its own."""
    commit = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).executescript('INSERT INTO t VALUES (1)')"
    honest, tried = private_copy._copy_open, []

    def trying(reading, target):
        honest(reading, target)
        tried.append(subprocess.run([sys.executable, "-c", commit, restless], capture_output=True, check=False).stderr)

    monkeypatch.setattr(private_copy, "_copy_open", trying)

    private_copy.private_copy(restless, into)

    (refused,) = tried
    assert b"database is locked" in refused
    subprocess.run([sys.executable, "-c", commit, restless], check=True)


@pytest.mark.parametrize("case", ["a writer has its lock", "a WAL", "no database", "replaced meanwhile"])
def test_where_a_lock_would_not_do_a_source_that_never_rests_is_named(restless, into, monkeypatch, case):
    holder = None
    match case:
        case "a writer has its lock":
            code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print(flush=True); input()"
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            holder = subprocess.Popen([sys.executable, "-c", code, restless], **pipes)
            holder.stdout.readline()
        case "a WAL":
            made(restless, "PRAGMA journal_mode = WAL")
        case "no database":
            restless.write_bytes(b"something else")
        case "replaced meanwhile":
            monkeypatch.setattr(os.path, "samestat", lambda *_: False)

    try:
        with pytest.raises(SourceBusy, match=r"kept changing.*stop its writer"):
            private_copy.private_copy(restless, into, patience_s=0.4)
    finally:
        if holder:
            holder.communicate(b"\n")
    assert not connections.beside(restless, "-shm").exists()


def test_a_wal_that_was_begun_anew_meanwhile_is_copied_again(data, into, monkeypatch):
    """The old WAL's frames over the newer file would be a database that never was."""
    with closing(sqlite3.connect(data / "a.db", isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        time.sleep(2 * private_copy.SETTLED_S)
        honest, copies = private_copy._copy_file, []

        def beginning_anew(source, target):
            honest(source, target)
            copies.append(source.name)
            if copies == ["a.db", "a.db-wal"]:
                connection.execute("INSERT INTO t VALUES (2)")

        monkeypatch.setattr(private_copy, "_copy_file", beginning_anew)

        private_copy.private_copy(data / "a.db", into)

    assert copies == ["a.db", "a.db-wal"] * 2
    with connections.closing_scratch(into) as copied:
        assert [(1,), (2,)] == copied.execute("SELECT x FROM t").fetchall()


def test_a_file_that_was_written_to_meanwhile_is_copied_again(data, into, monkeypatch):
    path = made(data / "a.db")
    time.sleep(2 * private_copy.SETTLED_S)
    honest, copies = private_copy._copy_file, []

    def writing_once(source, target):
        honest(source, target)
        copies.append(source.name)
        if len(copies) == 1:
            made(path, "INSERT INTO t VALUES ('new')")

    monkeypatch.setattr(private_copy, "_copy_file", writing_once)

    private_copy.private_copy(path, into)

    with connections.closing_scratch(into) as copied:
        assert [("old",), ("new",)] == copied.execute("SELECT x FROM t").fetchall()


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "nothing"])
def test_only_regular_files_are_copied(data, into, kind):
    path = data / "a.db"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to(made(data / "real.db"))
        case "folder":
            path.mkdir()

    with pytest.raises((SourceError, OSError)):
        private_copy.private_copy(path, into)


def test_a_copy_is_its_owners_alone(data, into):
    made(data / "a.db").chmod(0o666)

    private_copy.private_copy(data / "a.db", into)

    assert 0o600 == into.stat().st_mode & 0o777


def test_opening_a_source_does_not_change_its_time_of_access(data):
    path = made(data / "a.db")
    os.utime(path, ns=(1, 1))

    with connections.open_source(path) as file:
        file.read()

    assert 1 == path.stat().st_atime_ns


def test_a_hole_is_copied_as_a_hole(tmp_path):
    """20 GiB of nothing, as a header may promise: a copy of every byte of it would fill the disk."""
    source = tmp_path / "source.db"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(3 * 1024**3)
        file.write(b"middle" * 200_000)
        file.truncate(20 * 1024**3)
    time.sleep(2 * private_copy.SETTLED_S)
    if connections.allocated_bytes(source) > 1024**3:
        pytest.skip("this file system has no holes")

    copy = private_copy.private_copy(source, tmp_path / "copy.db")

    assert (20 * 1024**3, True) == (copy.stat().st_size, connections.allocated_bytes(copy) < 10_000_000)
    with copy.open("rb") as file:
        assert b"begin\0" == file.read(6)
        file.seek(3 * 1024**3 - 1)
        assert b"\0" + b"middle" * 200_000 + b"\0" == file.read(1_200_002)
    assert 0 == connections.allocated_bytes(tmp_path / "nowhere.db")


def test_a_file_of_nothing_but_a_hole_is_copied(tmp_path):
    source = tmp_path / "source.db"
    with source.open("wb") as file:
        file.truncate(70_000)
    time.sleep(2 * private_copy.SETTLED_S)

    assert b"\0" * 70_000 == private_copy.private_copy(source, tmp_path / "copy.db").read_bytes()
