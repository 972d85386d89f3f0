"""Locks that are locks, and nothing beside a database that shuts its users out."""

import multiprocessing
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from other_users import AS_ROOT, BOT, DEPLOY, READER, SHARED, THIRD, as_user, become, given, in_this_process, owners

from migrator.config import config_file
from migrator.errors import Refused, SourceError
from migrator.stages import backup as backup_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.system import connections, permissions
from migrator.system.run_lock import locked


def pair(data, mode):
    """Make two databases in one journal *mode*, each with one counter and, in WAL mode, its row in the WAL."""
    data.mkdir()
    for name in ("a", "b"):
        with closing(sqlite3.connect(data / f"{name}.db", isolation_level=None)) as made:
            made.execute(f"PRAGMA journal_mode = {mode}")
            made.execute("CREATE TABLE counted (number INTEGER)")
            made.execute("INSERT INTO counted VALUES (0)")
    return data


def with_rows_in_a_wal(data):
    """Make a database whose WAL holds rows, and lacks its index as after a crash of the machine."""
    pair(data, "wal")
    with closing(sqlite3.connect(data / "a.db", isolation_level=None)) as made:
        made.execute("UPDATE counted SET number = 7")
        kept = [(path, path.read_bytes()) for path in (data / "a.db", data / "a.db-wal")]
    for path, content in kept:
        path.write_bytes(content)
    return data


def snapshots(data, into, times):
    """Take snapshots; return what was counted in both files of each."""
    with in_this_process():
        found = []
        for _ in range(times):
            snapshot = backup_stage.backup(inventory(data).databases, into, read_back=inventory)
            found.append(tuple(number_in(snapshot.folder / f"{name}.db") for name in ("a", "b")))
        return found


def number_in(path):
    with closing(connections.read(path)) as connection:
        return connection.execute("SELECT number FROM counted").fetchone()[0]


def counting(user, data, ready):
    """Write each number to the one database and then to the other, for ever."""
    become(user)
    with (
        closing(sqlite3.connect(data / "a.db", isolation_level=None, timeout=60)) as first,
        closing(sqlite3.connect(data / "b.db", isolation_level=None, timeout=60)) as second,
    ):
        for number in range(1, 1 << 40):
            for one in (first, second):
                one.execute("UPDATE counted SET number = ?", (number,))
            ready.set()


@AS_ROOT
@pytest.mark.slow
@pytest.mark.parametrize(("user", "mode"), [(DEPLOY, "wal"), (DEPLOY, "delete"), (READER, "delete")])
def test_no_snapshot_is_torn_between_two_files(passable, user, mode):
    """In a rollback-journal mode not even that of a user who may only read: the lock of a reader stops every commit."""
    data = given(pair(passable / "data", mode), DEPLOY, DEPLOY)
    into = passable / "backup"
    into.mkdir()
    given(into, user, user)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    writer = context.Process(target=counting, args=(DEPLOY, data, ready), daemon=True)
    writer.start()
    try:
        assert ready.wait(60)
        found = as_user(user, snapshots, data, into, 8)
    finally:
        writer.kill()
        writer.join()

    assert [] == [(first, second) for first, second in found if first not in (second, second + 1)]
    assert 8 == len(set(found))


@AS_ROOT
@pytest.mark.parametrize(
    ("user", "group", "groups", "folder_mode", "said"),
    [
        (READER, READER, [], 0o2775, "may not write to it, and so cannot lock it"),
        (THIRD, THIRD, [SHARED], 0o775, "to lock it SQLite would make a.db-.* for user #71003 and group #71003"),
        (THIRD, SHARED, [], 0o2775, "to lock it SQLite would make a.db-.* for user #71003 and group #71100"),
        (DEPLOY, DEPLOY, [SHARED], 0o775, "to lock it SQLite would make a.db-.* for user #71001 and group #71001"),
    ],
    ids=["reader", "member", "member in a setgid folder", "owner with another group"],
)
@pytest.mark.parametrize("make", [lambda data: pair(data, "wal"), with_rows_in_a_wal], ids=["empty", "rows in the WAL"])
def test_a_wal_database_is_not_opened_by_who_would_leave_files_of_theirs_beside_it(
    passable, make, user, group, groups, folder_mode, said
):
    data = given(make(passable / "data"), DEPLOY, SHARED, folder_mode=folder_mode, file_mode=0o664)
    before = owners(data)

    with pytest.raises(Refused, match=f"{said}.*; run this again with: sudo -u '#71001' -g '#71100'"):
        as_user(user, snapshots, data, passable / "backup", 1, group=group, groups=groups)
    assert before == owners(data)


@AS_ROOT
@pytest.mark.parametrize(
    ("user", "group", "folder_mode"),
    [(0, 0, 0o775), (DEPLOY, SHARED, 0o775), (DEPLOY, DEPLOY, 0o2775)],
    ids=["root", "owner with the group", "owner in a setgid folder"],
)
@pytest.mark.parametrize("make", [lambda data: pair(data, "wal"), with_rows_in_a_wal], ids=["empty", "rows in the WAL"])
def test_what_is_left_beside_a_database_serves_its_users(passable, make, user, group, folder_mode):
    data = given(make(passable / "data"), DEPLOY, SHARED, folder_mode=folder_mode, file_mode=0o664)
    into = passable / "backup"
    into.mkdir()
    given(into, DEPLOY, SHARED)

    assert 1 == len(as_user(user, snapshots, data, into, 1, group=group, groups=[SHARED]))
    assert {(DEPLOY, SHARED)} == set(owners(data).values()) | set(owners(into).values())

    def write():
        with closing(sqlite3.connect(data / "a.db", isolation_level=None)) as bot:
            return bot.execute("UPDATE counted SET number = number + 1 RETURNING 1").fetchall()

    assert [(1,)] == as_user(BOT, write, groups=[SHARED])


@AS_ROOT
def test_members_who_find_the_files_beside_a_database_may_lock_it(passable):
    data = given(pair(passable / "data", "wal"), DEPLOY, SHARED, folder_mode=0o2775, file_mode=0o664)
    into = passable / "backup"
    into.mkdir()
    given(into, THIRD, THIRD)
    with closing(sqlite3.connect(data / "a.db")) as first, closing(sqlite3.connect(data / "b.db")) as second:
        for running in (first, second):
            running.execute("SELECT * FROM counted").fetchone()
        assert [(0, 0)] == as_user(THIRD, snapshots, data, into, 1, groups=[SHARED])
        (data / "a.db-shm").chmod(0o644)

        with pytest.raises(Refused, match=r"may not write to a\.db-shm, and so cannot lock it"):
            as_user(THIRD, snapshots, data, into, 1, groups=[SHARED])


@AS_ROOT
def test_a_lock_that_is_none_is_an_error(passable):
    """BEGIN IMMEDIATE succeeds like BEGIN where SQLite may not write to the file."""
    made = given(pair(passable / "data", "delete"), DEPLOY, DEPLOY) / "a.db"

    with pytest.raises(SourceError, match="cannot be locked: SQLite opens it for reading only"):
        as_user(READER, connections.lock, made, 1)
    with closing(connections.lock(made, 1)), pytest.raises(sqlite3.OperationalError, match="locked"):
        connections.lock(made, 0)


@AS_ROOT
def test_the_plan_refuses_a_user_who_owns_nothing_in_one_sentence(passable):
    data = given(pair(passable / "data", "delete"), DEPLOY, SHARED, folder_mode=0o2775, file_mode=0o664)

    def refusals(*, in_use):
        with in_this_process():
            planned = plan_stage.plan(inventory(data), config_file.Config(), disk=passable, in_use=in_use)
        return [one for one in planned.refusals if "belongs to user" in one or "run this again" in one]

    (sentence,) = as_user(THIRD, partial(refusals, in_use=True), groups=[SHARED])
    assert f"{data}/a.db: belongs to user #71001, and this is #71003: a cutover needs its owner, or root" in sentence
    assert " (and 1 more); run this again with: sudo -u '#71001' -g '#71100'" in sentence
    assert [] == as_user(THIRD, partial(refusals, in_use=False), groups=[SHARED])
    assert [] == as_user(DEPLOY, partial(refusals, in_use=True))
    assert [] == refusals(in_use=True)


def test_users_and_groups_are_called_by_their_names():
    assert "run this again with: sudo -u root -g root" == permissions.run_as(Path("/").stat())


@AS_ROOT
def test_a_user_who_owns_nothing_makes_no_folder_of_ours(passable):
    data = given(pair(passable / "data", "delete"), DEPLOY, SHARED, folder_mode=0o2775, file_mode=0o664)

    def lock():
        with locked(data):
            return True

    with pytest.raises(Refused, match="belongs to user #71001, and this is #71003; run this again with: sudo -u"):
        as_user(THIRD, lock, groups=[SHARED])
    assert {"a.db", "b.db"} == owners(data).keys()
    assert as_user(DEPLOY, lock, groups=[SHARED])
    with pytest.raises(
        Refused, match=r"/\.migrator: user #71003 may not use it; run this again with: sudo -u '#71001'"
    ):
        as_user(THIRD, lock, groups=[SHARED])
