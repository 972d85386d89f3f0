"""A damaged or hostile file gets its verdict too, and does no harm."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from inventoried import TABLE, by_place, made, mentions, only, printed, state

from migrator.records.inventory import Verdict
from migrator.stages.inventory import inspect_pool, inspect_worker
from migrator.stages.inventory.stage import inventory
from migrator.system import connections, content_digest, private_copy, worker_process
from migrator.system.serialize import plain


def test_views_and_triggers_are_named_and_never_run(data):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    made(data / "a.db", f"{TABLE} CREATE VIEW forever AS {endless}; CREATE VIEW broken AS SELECT it FROM nowhere;")

    database = only(inventory(data, deadline_s=5))

    assert ("broken", "forever") == database.views
    assert 2 == database.rows


ODD = 'a "b" [c]\n\x1b[31m;--'


def test_odd_names_are_kept_and_shown_escaped(data):
    made(data / f"{ODD}.db", f'CREATE TABLE {connections.quoted(ODD)} (x, "y ""z" TEXT)')
    (data / os.fsdecode(b"\xff\xfe.db")).write_bytes(b"x")

    found = inventory(data)

    assert ODD == next(table.name for database in found.databases for table in database.tables)
    text = printed(found)
    assert "\x1b" not in text
    assert r"a \"b\" [c]\n\x1b[31m;--.db".replace('\\"', '"') in text
    assert r"\xff\xfe.db" in text
    json.dumps(plain(found)).encode("ascii")


BYTE = "CAST(x'ff' AS TEXT)"


def damaged_schema(path, change):
    made(path, TABLE)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (x'", "cannot be read here because of the table t: incomplete input"),
        ("UPDATE sqlite_schema SET sql = CAST(x'4352454154ff' AS TEXT)", "cannot be read here because of the table t: near "),
        (f"UPDATE sqlite_schema SET (name, tbl_name, sql) = ({BYTE}, {BYTE}, CAST('CREATE TABLE ' || {BYTE} || ' (x)' AS TEXT))", "not UTF-8"),
        (f"UPDATE sqlite_schema SET sql = CAST('CREATE TABLE t (' || {BYTE} || ')' AS TEXT)", "not UTF-8"),
        ("UPDATE sqlite_schema SET name = 5, tbl_name = x'00'", "damaged: "),
        ("UPDATE sqlite_schema SET rootpage = 1000", "damaged: "),
        ("UPDATE sqlite_schema SET name = 'other'", "damaged: "),
        ("INSERT INTO sqlite_schema VALUES ('table', 'u', 'u', 2, 'CREATE TABLE u (x)')", "damaged: "),
    ],
)  # fmt: skip
def test_a_schema_that_was_tampered_with_is_unreadable(data, change, reason):
    damaged_schema(data / "jarvis.db", change)

    database = only(inventory(data))

    assert Verdict.UNREADABLE is database.verdict
    assert reason in database.reason


def test_a_module_that_is_not_known_is_not_asked(data):
    path = made(data / "a.db")
    damaged_schema(
        path.with_name("b.db"),
        "INSERT INTO sqlite_schema VALUES ('table', 'spy', 'spy', 0, 'CREATE VIRTUAL TABLE spy USING spies(x)')",
    )

    tables = {table.name: (table.module, table.rows) for table in by_place(inventory(data))["b.db"].tables}

    assert {"t": ("", 2), "spy": ("spies", None)} == tables


def test_two_thousand_columns_are_read(data):
    made(data / "a.db", f"CREATE TABLE t ({', '.join(f'c{i}' for i in range(2000))}); INSERT INTO t (c7) VALUES (1)")

    assert 1 == only(inventory(data)).rows


def test_rows_that_break_a_promise_are_a_finding_and_no_damage(data):
    made(
        data / "a.db",
        "CREATE TABLE t (x CHECK (x > 0)); PRAGMA ignore_check_constraints = ON;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO t SELECT -i FROM n;",
    )

    found = inventory(data)

    assert (Verdict.UNKNOWN, 30) == (only(found).verdict, only(found).rows)
    assert 10 == len(only(found).integrity)
    assert mentions(found, "a.db: rows break a promise of its schema: CHECK constraint failed in t")


def test_many_broken_promises_do_not_cover_up_damage(data):
    """The integrity check stops after some messages, and looks at the newest table first: the worse ones come later."""
    path = made(
        data / "a.db",
        "CREATE TABLE z (x); CREATE INDEX i ON z (x); INSERT INTO z VALUES (1), (2);"
        "CREATE TABLE e (x); CREATE INDEX j ON e (x); INSERT INTO e VALUES (3), (4);"
        "CREATE TABLE a (x CHECK (x > 0)); PRAGMA ignore_check_constraints = ON;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO a SELECT -i FROM n;",
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Each index is where the other should be.
        connection.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage ="
            " (SELECT sum(rootpage) FROM sqlite_schema WHERE type = 'index') - rootpage WHERE type = 'index'"
        )

    database = only(inventory(data))

    assert Verdict.UNREADABLE is database.verdict
    assert "damaged: row 1 missing from index " in database.reason


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH ':memory:' AS x",
        "DELETE FROM t",
        "CREATE TABLE u (x)",
        "PRAGMA query_only = OFF",
        "SELECT hex(x) FROM t",
    ],
)
def test_the_child_may_only_read(data, tmp_path, monkeypatch, statement):
    """Were there a way to make it run SQL of the file's own, little could be done with it."""
    made(data / "a.db")
    monkeypatch.setattr(content_digest, "content", lambda connection: connection.execute(statement))

    answer = inspect_worker.examine(data / "a.db", copy=tmp_path / "copy.db", seconds=60)

    assert "not authorized" in answer["reason"]


def test_the_child_looks_at_the_clock_itself(data, tmp_path):
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO t SELECT i FROM n"
    )
    made(data / "a.db", f"CREATE TABLE t (x); {many}")

    answer = inspect_worker.examine(data / "a.db", copy=tmp_path / "copy.db", seconds=0)

    assert "did not finish within 0 s" == answer["reason"]


SLOW = "CREATE TABLE t (x CHECK (length(replace(hex(zeroblob(50000000 + x)), '0', 'ab')) > 0));"


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_given_up_and_the_others_are_not(data, monkeypatch):
    """A CHECK of the file's own that costs a second a row runs in the integrity check."""
    monkeypatch.setattr(inspect_pool, "GRACE_S", 0.3)
    rows = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO t SELECT i FROM n;"
    )
    made(data / "slow.db", f"PRAGMA ignore_check_constraints = ON; {SLOW} {rows}")
    for name in "abc":
        made(data / f"{name}.db")

    databases = by_place(inventory(data, deadline_s=1))

    assert (Verdict.UNREADABLE, "did not finish within 1 s") == (
        databases["slow.db"].verdict,
        databases["slow.db"].reason,
    )
    assert [2, 2, 2] == [databases[f"{name}.db"].rows for name in "abc"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("raise SystemExit(3)", "exit status 3"),
        ("input(); print('half an ans', end='', flush=True); raise SystemExit(4)", "exit status 4"),
        ("input(); print('x' * 2000)", "too large"),
        ("import time; time.sleep(60)", "did not finish within 0 s"),
    ],
)
def test_a_child_that_dies_takes_its_file_with_it_and_nothing_else(data, monkeypatch, script, reason):
    monkeypatch.setattr(inspect_pool, "GRACE_S", 0.2)
    monkeypatch.setattr(inspect_pool, "ANSWER_BYTES", 1000)
    honest, started = subprocess.Popen, []

    def first_is_bad(command, **options):
        started.append(command)
        return honest([sys.executable, "-c", script] if len(started) == 1 else command, **options)

    monkeypatch.setattr(subprocess, "Popen", first_is_bad)
    monkeypatch.setattr(worker_process, "processors", lambda: 1)
    made(data / "a.db", "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))")
    made(data / "b.db")

    databases = by_place(inventory(data, deadline_s=0.2 if "sleep" in script else 60))

    assert reason in databases["a.db"].reason
    if "sleep" not in script:
        assert 2 == databases["b.db"].rows


def test_an_interruption_leaves_no_child_and_no_copy(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    started, honest = [], subprocess.Popen

    def noted(*arguments, **options):
        started.append(honest(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    for number in range(60):
        made(data / f"{number}.db")

    seen = []

    def interrupt(place):
        seen.append(place)
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inventory(data, progress=interrupt)

    assert started
    assert len(seen) < 30, "the others are let be"
    assert all(process.poll() is not None for process in started)
    assert [] == list(tmp_path.glob("migrator-*"))


def test_a_full_disk_is_a_reason(data, tmp_path, monkeypatch):
    made(data / "a.db")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_copy, "_copy_file", full)

    assert (
        "no space for its private copy"
        in inspect_worker.examine(data / "a.db", copy=tmp_path / "c", seconds=9)["reason"]
    )


@pytest.mark.slow
def test_memory_that_does_not_suffice_is_a_reason(data):
    made(
        data / "a.db",
        f"PRAGMA ignore_check_constraints = ON; {SLOW.replace('50000000', '900000000')} INSERT INTO t VALUES (1);",
    )

    database = only(inventory(data))

    assert Verdict.UNREADABLE is database.verdict
    assert "memory" in database.reason or "too big" in database.reason


def test_modules_in_the_working_directory_are_not_run(data, monkeypatch):
    """The working directory may be the very folder that we distrust."""
    made(data / "a.db")
    for name in ("json.py", "sqlite3.py", "migrator.py"):
        (data / name).write_text("raise SystemExit(99)")
    monkeypatch.chdir(data)

    assert 2 == only(inventory(Path())).rows


@pytest.mark.parametrize("part", ["", "-wal", "-journal"])
def test_random_damage_gives_a_verdict_each(data, tmp_path, part):
    """A few hundred images of a small database with every kind of table; migrator reports SQLite's error for each."""
    script = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL CHECK (b >= 0), c BLOB); CREATE INDEX i ON t (a, b);
    CREATE TABLE u (k TEXT PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE g (x, y AS (x || 'z'), z AS (x || 'q') STORED);
    CREATE VIRTUAL TABLE f USING fts5(x, y); CREATE VIEW v AS SELECT * FROM t;
    CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1; END;
    """
    with closing(sqlite3.connect(tmp_path / "base.db", isolation_level=None)) as connection:
        connection.executescript(
            f"PRAGMA page_size = 512; PRAGMA journal_mode = {'WAL' if part == '-wal' else 'DELETE'};"
        )
        connection.executescript(script)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        for i in range(20):
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (i, f"name {i}", i / 3, b"x" * i))
            connection.execute("INSERT INTO u VALUES (?, ?)", (str(i), i))
            connection.execute("INSERT INTO f VALUES ('alpha beta', 'gamma')")
            connection.execute("INSERT INTO g (x) VALUES (?)", (i,))
        if part != "-journal":
            connection.execute("COMMIT")
        images = {
            s: p.read_bytes()
            for s in ("", "-wal", "-journal")
            if (p := connections.beside(tmp_path / "base.db", s)).exists()
        }
    assert images[part]
    draw = random.Random(f"seed {part}")  # noqa: S311 - a seed is what is wanted
    count = 250 if not part else 60
    for number in range(count):
        image = bytearray(images[part])
        for _ in range(draw.choice([1, 1, 2, 5, 20])):
            image[draw.randrange(min(len(image), draw.choice([120, 2500, 10**6])))] = draw.randrange(256)
        if draw.random() < 0.1:
            del image[draw.randrange(len(image)) :]
        for suffix, content in images.items():
            (data / f"{number}.db{suffix}").write_bytes(bytes(image) if suffix == part else content)
    before = state(data)

    found = inventory(data, deadline_s=10)

    assert before == state(data)
    assert count == len(by_place(found))
    assert {Verdict.UNKNOWN, Verdict.UNREADABLE} >= {database.verdict for database in found.databases}
    assert all(database.reason for database in found.databases)
    assert not any("ended the process" in database.reason for database in found.databases)
