"""Every file gets exactly one verdict, and nothing in the folder changes."""

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
from inventoried import NOISE, by_place, ddl, made, mentions, only, state

from contracts.specimens import generator
from migrator.errors import MigratorError, UsageError
from migrator.records.inventory import Verdict
from migrator.schema import catalogue
from migrator.stages.inventory import inspect_worker, scan
from migrator.stages.inventory.stage import inventory
from migrator.system import connections, private_copy

# --- the set as a whole


@pytest.mark.parametrize("variant", ["found", "specified"])
def test_a_specimen_is_recognised_whole(tmp_path, variant):
    manifest = generator.make(tmp_path / "data", variant=variant, rows=600, seed=3, wal=True)
    before = state(tmp_path / "data")

    found = inventory(tmp_path / "data")

    assert before == state(tmp_path / "data")
    databases = by_place(found)
    assert databases.keys() == manifest.files.keys()
    for place, tables in manifest.files.items():
        database = databases[place]
        counted = {table.name: table.rows for table in database.tables if table.rows is not None}
        assert counted == {name: rows for name, rows in tables.items() if rows is not None}, place
        assert database.verdict in {Verdict.SOURCE, Verdict.STANDALONE}
        assert not any(table.differs or table.unexpected for table in database.tables), place
        assert () == database.missing
        assert 64 == len(database.digest)
    assert any(database.wal_bytes for database in found.databases)
    assert 4 == len(found.with_verdict(Verdict.STANDALONE))
    assert all(finding.startswith("not there: ") for finding in found.findings), found.findings


@pytest.mark.slow
def test_every_known_shape_is_recognised(data):
    for known in catalogue.legacy_databases():
        if known.variant != "trading":
            made(data / known.place, known.ddl + "CREATE TABLE t (x); DROP TABLE t;")

    found = inventory(data)

    names = {database.name: database for database in found.databases}
    assert names.keys() == {known.name for known in catalogue.legacy_databases()}
    for known in catalogue.legacy_databases():
        if known.variant != "trading":
            database = names[known.name]
            assert {shape.table for shape in known.shapes} == {table.name for table in database.tables}
            assert {known.variant} >= {table.variant for table in database.tables}
            assert known.standalone == (database.verdict is Verdict.STANDALONE)
    assert () == found.findings


def test_the_digest_does_not_depend_on_the_place_or_the_journal(data, tmp_path):
    made(data / "custom.db", ddl("custom"))
    made(
        tmp_path / "other" / "custom.db",
        ddl("custom") + "PRAGMA journal_mode = WAL;",
        before="PRAGMA page_size = 1024;",
    )

    one, two = only(inventory(data)), only(inventory(tmp_path / "other"))

    assert one.digest == two.digest
    assert ("delete", 4096, "wal", 1024) == (
        one.journal_mode,
        one.page_size_bytes,
        two.journal_mode,
        two.page_size_bytes,
    )


def test_facts_are_those_of_the_file(data):
    path = made(
        data / "custom.db",
        "CREATE VIEW v AS SELECT 1; CREATE TRIGGER g AFTER INSERT ON products BEGIN SELECT 1; END;"
        "PRAGMA user_version = 7; PRAGMA application_id = 99;",
        before=f"PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 8192; {ddl('custom')}",
    )
    path.chmod(0o640)

    database = only(inventory(data))

    assert (8192, "UTF-16le", 7, 99, 0o640) == (
        database.page_size_bytes,
        database.encoding,
        database.user_version,
        database.application_id,
        database.mode,
    )
    assert (("v",), ("g",), ("ok",)) == (database.views, database.triggers, database.integrity)
    assert path.stat().st_size == database.size_bytes
    assert (None, None, False) == (database.wal_bytes, database.journal_bytes, database.hot_journal)


def test_an_empty_folder_has_nothing_in_it(data):
    found = inventory(data)

    assert () == found.databases
    assert mentions(found, "not there: ", "jarvis.db")


@pytest.mark.parametrize("make", [Path.exists, Path.touch, lambda path: path.symlink_to(path)])
def test_a_folder_that_is_none_is_one_sentence(tmp_path, make):
    make(tmp_path / "data")

    with pytest.raises(UsageError) as caught:
        inventory(tmp_path / "data")

    assert "\n" not in str(caught.value)
    assert 2 == caught.value.exit_code


def test_without_a_folder_for_copies_there_is_one_sentence(data, monkeypatch):
    made(data / "a.db")
    monkeypatch.setattr(tempfile, "tempdir", str(data / "nowhere"))

    with pytest.raises(MigratorError, match="TMPDIR"):
        inventory(data)


def test_progress_names_each_file_examined(data):
    for name in "abc":
        made(data / f"{name}.db")
    (data / "empty.db").touch()
    seen = []

    inventory(data, progress=seen.append)

    assert {PurePosixPath("a.db"), PurePosixPath("b.db"), PurePosixPath("c.db")} == set(seen)


# --- which files count


def test_a_database_is_known_by_its_header_whatever_its_name(data):
    made(data / "deep" / "er" / "notes")
    (data / "log.txt").write_text("SQLite format 3 is what this is about")
    (data / "short").write_bytes(b"SQ")

    found = inventory(data)

    assert "deep/er/notes" == str(only(found).place)
    assert 2 == found.passed_over


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SQLite format 3\x00" + bytes(100), "truncated"),
        (b"SQLite for", "truncated"),
        (b"SQLite format 3\x00" + bytes(2000), "damaged: file is not a database"),
        (b"hello, world" * 100, "does not begin as SQLite files do"),
        (NOISE, "looks encrypted"),
        (NOISE[:512], "looks encrypted"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS"),
        (bytes.fromhex("0005160700020000") + b"Mac OS X" + bytes(4000), "AppleDouble"),
    ],
)
@pytest.mark.parametrize("name", ["jarvis.db", "x.SQLITE3", "._jarvis.db"])
def test_what_only_looks_like_a_database_is_unreadable(data, content, reason, name):
    (data / name).write_bytes(content)

    database = only(inventory(data))

    assert Verdict.UNREADABLE is database.verdict
    assert reason in database.reason
    assert ("jarvis" if name == "jarvis.db" else "") == database.name
    assert (len(content), None, "") == (database.size_bytes, database.rows, database.digest)


def test_nothing_at_all_is_empty(data):
    (data / "jarvis.db").touch()

    database = only(inventory(data))

    assert (Verdict.EMPTY, "jarvis") == (database.verdict, database.name)


def test_a_truncated_database_says_by_how_much(data):
    path = made(data / "custom.db", ddl("custom"))
    size = path.stat().st_size
    os.truncate(path, size - 4096)

    database = only(inventory(data))

    assert f"truncated: {size - 4096} bytes, and its header says {size // 4096} pages of 4096" == database.reason


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_what_is_no_file_does_not_hang(data, kind, monkeypatch):
    monkeypatch.chdir(data)
    if kind == "fifo":
        os.mkfifo("jarvis.db")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("jarvis.db")
    else:
        Path("jarvis.db").mkdir()

    found = inventory(data)

    if kind == "folder":
        assert () == found.databases
        return
    assert Verdict.UNREADABLE is only(found).verdict
    assert f"not a regular file: a {kind.replace('fifo', 'FIFO')}" == only(found).reason


def test_links_are_named_and_not_followed(data, tmp_path):
    outside = made(tmp_path / "outside" / "jarvis.db", ddl("jarvis"))
    (data / "jarvis.db").symlink_to(outside)
    (data / "tax.db").symlink_to("nowhere.db")
    (data / "whales.db").symlink_to("jarvis_core.db")
    (data / "metrics.db").symlink_to(".migrator/active/metrics.db")
    (data / "cache").symlink_to(outside.parent)
    (data / "notes.txt").symlink_to(outside)
    made(data / "jarvis_core.db")

    found = inventory(data)

    databases = by_place(found)
    assert {"jarvis.db", "tax.db", "whales.db", "metrics.db", "jarvis_core.db"} == databases.keys()
    assert (Verdict.UNREADABLE, f"a link to {outside}, not followed") == (
        databases["jarvis.db"].verdict,
        databases["jarvis.db"].reason,
    )
    assert Verdict.UNREADABLE is databases["tax.db"].verdict
    assert (Verdict.OURS, "whales") == (databases["whales.db"].verdict, databases["whales.db"].name)
    assert Verdict.OURS is databases["metrics.db"].verdict, "on its way to the consolidated set"
    assert mentions(found, "cache: a link to the folder", "--include")


def test_what_is_ours_is_left_alone(data):
    for name in (
        *catalogue.TARGETS.values(),
        "backup/1/jarvis.db",
        ".migrator/stage/jarvis_core.db",
        "old/backup/a.db",
    ):
        made(data / name)
    (data / "backup" / "1" / "snapshot.json").touch()
    (data / "jarvis_core.db-wal").write_bytes(b"\x37\x7f\x06\x82")

    databases = by_place(inventory(data))

    assert {".migrator", "backup", *catalogue.TARGETS.values(), "old/backup/a.db"} == databases.keys()
    assert {"old/backup/a.db"} == {place for place, d in databases.items() if d.verdict is not Verdict.OURS}


def test_companions_belong_to_their_database_and_orphans_are_named(data):
    made(data / "a.db")
    for name in ("a.db-journal", "b.db-wal", "c.db-journal", "d-wal", "e-journal", "f.db-wal"):
        (data / name).write_bytes(b"\x37\x7f\x06\x82" if name == "d-wal" else b"" if name == "f.db-wal" else b"x")

    found = inventory(data)

    assert "a.db" == str(only(found).place)
    assert ["b.db-wal", "c.db-journal", "d-wal"] == [
        finding.partition(":")[0] for finding in found.findings if "without its database" in finding
    ]


def test_two_names_of_one_file_are_a_finding(data):
    made(data / "custom.db", ddl("custom"))
    os.link(data / "custom.db", data / "copy.db")
    made(data / "alone.db")
    os.link(data / "alone.db", data.parent / "beyond.db")

    found = inventory(data)

    assert {Verdict.SOURCE, Verdict.UNKNOWN} == {database.verdict for database in found.databases}
    assert mentions(found, "copy.db and custom.db: a file with several names")
    assert mentions(found, "alone.db: a file with several names, and the other name is not here")


def test_a_file_that_everybody_may_write_to_is_a_finding(data):
    made(data / "custom.db", ddl("custom")).chmod(0o666)

    assert mentions(inventory(data), "custom.db: every user may write to it (mode 0666)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read")
def test_what_may_not_be_read_is_unreadable():
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        data.chmod(0o755)
        made(data / "closed.db").chmod(0)
        made(data / "open.db").chmod(0o644)
        (data / "closed").mkdir(mode=0)
        (data / "secret.txt").write_text("x")
        (data / "secret.txt").chmod(0)
        os.seteuid(65534)
        try:
            found = scan.walk(data)
        finally:
            os.seteuid(0)

    folder, closed, opened = found.databases
    # What lies below a folder that is closed would be left behind without a word.
    assert (Verdict.UNREADABLE, "permission denied; what is below was not looked at") == (folder.verdict, folder.reason)
    assert (Verdict.UNREADABLE, "permission denied") == (closed.verdict, closed.reason)
    assert "" == opened.reason
    assert ("secret.txt: permission denied; it may be a database",) == found.findings


# --- who is who


def test_a_file_elsewhere_is_known_by_its_name_if_its_tables_agree(data):
    made(data / "sub" / "custom.db", ddl("custom"))
    made(data / "sub" / "tax.db")
    made(data / "sub" / "stranger.db")

    databases = by_place(inventory(data))

    assert (Verdict.SOURCE, "custom") == (databases["sub/custom.db"].verdict, databases["sub/custom.db"].name)
    assert (Verdict.UNKNOWN, "is called like tax.db and holds none of its tables") == (
        databases["sub/tax.db"].verdict,
        databases["sub/tax.db"].reason,
    )
    stranger = databases["sub/stranger.db"]
    assert (Verdict.UNKNOWN, "no legacy database has this name") == (stranger.verdict, stranger.reason)
    assert [("t", 2)] == [(table.name, table.rows) for table in stranger.tables]
    assert 64 == len(stranger.digest)


@pytest.mark.parametrize("state_of_first", ["well", "damaged", "empty"])
def test_the_file_at_its_place_wins(data, state_of_first):
    made(data / "old" / "custom.db", ddl("custom"))
    if state_of_first == "well":
        made(data / "custom.db", ddl("custom"))
    else:
        (data / "custom.db").write_bytes(b"" if state_of_first == "empty" else b"x" * 5000)

    databases = by_place(inventory(data))

    assert (Verdict.UNKNOWN, "a second custom: the first lies at its path, custom.db") == (
        databases["old/custom.db"].verdict,
        databases["old/custom.db"].reason,
    )
    assert "custom" == databases["custom.db"].name


def test_of_two_files_away_from_their_place_neither_wins(data):
    made(data / "a" / "custom.db", ddl("custom"))
    made(data / "b" / "custom.db", ddl("custom"))

    found = inventory(data)

    assert {"could be custom, and so could a/custom.db", "could be custom, and so could b/custom.db"} == {
        database.reason for database in found.databases
    }
    assert {Verdict.UNKNOWN} == {database.verdict for database in found.databases}


@pytest.mark.parametrize("name", ["rate_limiter", "rate_limiter_security"])
def test_where_two_share_a_file_name_the_tables_decide(data, name):
    made(data / "elsewhere" / "rate_limiter.db", ddl(name))

    assert name == only(inventory(data)).name


def test_where_the_tables_do_not_tell_either_nobody_decides(data):
    made(data / "elsewhere" / "rate_limiter.db", "CREATE TABLE t (x); DROP TABLE t")

    assert "do not tell which" in only(inventory(data)).reason


def test_included_files_are_known_by_their_base_name(data, tmp_path, monkeypatch):
    made(tmp_path / "repo" / "database.db", ddl("database"))
    made(tmp_path / "repo" / "odd")
    monkeypatch.chdir(tmp_path / "repo")

    found = inventory(data, include=[Path("database.db"), tmp_path / "repo" / "odd", Path("../repo/database.db")])

    databases = by_place(found)
    assert (Verdict.SOURCE, "database") == (
        databases[str(tmp_path / "repo" / "database.db")].verdict,
        databases[str(tmp_path / "repo" / "database.db")].name,
    )
    assert 2 == len(databases)


@pytest.mark.parametrize("included", ["nowhere.db", "."])
def test_an_included_file_that_is_not_there_is_one_sentence(data, included, monkeypatch):
    monkeypatch.chdir(data)

    with pytest.raises(UsageError, match="--include"):
        inventory(data, include=[Path(included)])


# --- tables


@pytest.mark.parametrize("variant", ["trading", "monitoring"])
def test_either_shape_of_alerts_is_known(data, variant):
    made(data / "alerts.db", ddl("alerts", variant))

    database = only(inventory(data))

    assert (variant,) == database.variants
    assert () == database.missing


def test_order_constraints_defaults_and_indexes_do_not_make_a_shape(data):
    made(
        data / "custom.db",
        "CREATE TABLE Products (name text NOT NULL DEFAULT 'x' UNIQUE, ID integer, price REAL CHECK (price > 0));"
        "CREATE INDEX by_price ON products (price)",
    )
    known = next(shape for shape in catalogue.shapes_of("custom") if shape.table == "products")
    assert {("id", "INTEGER"), ("name", "TEXT"), ("price", "REAL")} == known.columns

    table = only(inventory(data)).tables[0]

    assert ("found", "", False) == (table.variant, table.differs, table.unexpected)


def test_another_shape_says_how_it_differs(data):
    made(data / "custom.db", "CREATE TABLE products (id INTEGER PRIMARY KEY, price TEXT, more BLOB)")

    found = inventory(data)

    assert "lacks name TEXT; also has more BLOB; price is TEXT, not REAL" == only(found).tables[0].differs
    assert Verdict.SOURCE is only(found).verdict
    assert mentions(found, "custom.db: table products has a shape that is not known: lacks name TEXT")


def test_unexpected_and_missing_tables_are_told(data):
    made(data / "tax.db", ddl("tax") + "DROP TABLE sales; CREATE TABLE extra (x); INSERT INTO extra VALUES (1)")

    found = inventory(data)

    database = only(found)
    assert ("sales",) == database.missing
    assert {"extra"} == {table.name for table in database.tables if table.unexpected}
    assert mentions(found, "tax.db: table extra is not known here (1 rows)")
    assert mentions(found, "tax.db: lacks sales")


def test_full_text_tables_are_counted_without_being_read(data):
    made(
        data / "a.db",
        "CREATE VIRTUAL TABLE own USING fts5(x); INSERT INTO own VALUES ('a'), ('b');"
        "CREATE TABLE base (id INTEGER PRIMARY KEY, x); CREATE VIRTUAL TABLE over USING fts5(x, content='base');",
    )

    tables = {table.name: (table.module, table.rows) for table in only(inventory(data)).tables}

    assert {"own": ("fts5", 2), "base": ("", 0), "over": ("fts5", None)} == tables


# --- what is not in the main file


def test_rows_that_only_the_wal_has_are_counted_and_no_shm_appears(data):
    source = made(data.parent / "live.db", ddl("custom") + "PRAGMA journal_mode = WAL;")
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("INSERT INTO products (name, price) VALUES ('a', 1), ('b', 2)")
        for suffix in ("", "-wal"):
            (data / f"custom.db{suffix}").write_bytes(connections.beside(source, suffix).read_bytes())
    before = state(data)

    database = only(inventory(data))

    assert before == state(data)
    assert (2, "wal") == (database.rows, database.journal_mode)
    assert (data / "custom.db-wal").stat().st_size == database.wal_bytes


def test_a_hot_journal_counts_and_stays(data):
    path = made(data / "custom.db", ddl("custom"))
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 2'); c.execute('BEGIN');"
        "c.executemany('INSERT INTO products (name, price) VALUES (?, 1)', [('x' * 900,)] * 500); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    before = state(data)

    found = inventory(data)

    assert before == state(data)
    database = only(found)
    assert (Verdict.SOURCE, 0, True) == (database.verdict, database.rows, database.hot_journal)
    assert mentions(found, "custom.db: a transaction was cut short")


@pytest.mark.parametrize(("mode", "pause_s"), [("WAL", 0.002), ("DELETE", 0.05)])
def test_a_writer_at_work_is_no_obstacle(data, mode, pause_s):
    made(data / "custom.db", f"{ddl('custom')} PRAGMA journal_mode = {mode};")
    script = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); print('ready', flush=True)\n"
        f"while True: c.execute('INSERT INTO products (name, price) VALUES (1, 1)'); time.sleep({pause_s})"
    )
    with subprocess.Popen([sys.executable, "-c", script, data / "custom.db"], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline()
        try:
            found = [only(inventory(data)) for _ in range(3)]
        finally:
            writer.kill()

    assert [Verdict.SOURCE] * 3 == [database.verdict for database in found], found[0].reason
    counts = [database.rows for database in found]
    assert counts == sorted(set(counts)), "each sees more than the one before"


def test_a_file_that_never_holds_still_is_unreadable(data, tmp_path, monkeypatch):
    path = made(data / "custom.db", ddl("custom"))
    for way in ("_copied", "_copied_under_lock"):
        monkeypatch.setattr(private_copy, way, lambda *_: False)
    monkeypatch.setattr(time, "sleep", lambda _: monkeypatch.setattr(time, "monotonic", lambda: 1e9))

    answer = inspect_worker.examine(path, copy=tmp_path / "copy.db", seconds=60)

    assert "kept changing while it was copied" == answer["reason"]
