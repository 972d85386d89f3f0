"""Databases in UTF-16: their text reaches consolidated databases, contracts and a rollback as SQLite reads it."""

import shutil
import sqlite3
from contextlib import closing

import pytest
import small_set

from contracts.sets.legacy import legacy_set
from contracts.specimens import generator
from migrator.config.config_file import Config
from migrator.errors import MigratorError
from migrator.schema import text_encoding
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.system import connections, private_copy

UTF16 = "UTF-16le", "UTF-16be"
#: Everything that a cell may hold; text of half a pair, alone and at the end, is added in each encoding.
CELLS = (
    "a\0b", "\0", "\u00fc\u20ac\U0001f600", "", None, 1, 2**63 - 1, 1.0, -0.0, 0.1, float("inf"), b"", b"\0\xff", "bad", "\ufeffx", "12",
)  # fmt: skip
HALVES = "\ud800", "\ud800a", "a\udc00"
SCHEMA = """
    CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v, w TEXT COLLATE NOCASE UNIQUE, g AS (id + 1) STORED, CHECK (v <> 'bad'));
    CREATE TABLE r (rowid, oid, v);
    CREATE TABLE a (rowid, oid, _rowid_);
    CREATE TABLE n (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE s (k INTEGER, v ANY) STRICT;
    CREATE TABLE "a [b] \u00fc" ([c d], "select");
    CREATE INDEX ix ON t(lower(w)) WHERE w IS NOT NULL;
    CREATE VIRTUAL TABLE f USING fts5(body);
    CREATE VIEW seen AS SELECT * FROM t;
    CREATE TRIGGER tr AFTER INSERT ON s BEGIN INSERT INTO r VALUES (1, 2, 3); END;
"""


@pytest.fixture(name="wide", params=UTF16)
def _wide(request, tmp_path):
    """A database in UTF-16 with all that a schema and a cell may hold."""
    path = tmp_path / "wide.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{request.param}'")
        connection.execute("PRAGMA user_version = 7")
        connection.execute("PRAGMA application_id = 99")
        connection.executescript(SCHEMA)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executemany("INSERT INTO t (v, w) VALUES (?, ?)", [(cell, str(n)) for n, cell in enumerate(CELLS)])
        for text in HALVES:
            content = text.encode(f"utf-16-{request.param[-2:]}", "surrogatepass").hex()
            connection.execute(f"INSERT INTO t (v) VALUES (CAST(x'{content}' AS TEXT))")
        connection.execute("DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
        connection.executemany("INSERT INTO r (_rowid_, rowid, oid, v) VALUES (?, 1, 2, 3)", [(77,), (5,)])
        connection.execute("INSERT INTO a VALUES (1, 2, 3)")
        connection.execute("INSERT INTO n VALUES ('\u00e9', ?)", ("\0",))
        connection.execute("INSERT INTO s VALUES (1, 'x')")
        connection.execute("INSERT INTO f VALUES ('hello w\u00f6rld')")
        connection.execute("ANALYZE")
    return path


def content(path):
    """Return all that SQLite reads in the database at *path*, texts as bytes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        tables = [
            name.decode() for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        rows = {
            name: sorted(map(repr, connection.execute(f"SELECT * FROM {connections.quoted(name)}"))) for name in tables
        }
        rows["rowids"] = connection.execute("SELECT _rowid_ FROM r ORDER BY 1").fetchall()
        rows["schema"] = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 2").fetchall()
        for pragma in ("user_version", "application_id", "page_size", "integrity_check"):
            rows[pragma] = connection.execute(f"PRAGMA {pragma}").fetchall()
        rows["found"] = connection.execute("SELECT rowid, body FROM f('hello')").fetchall()
        return rows


def test_every_cell_every_rowid_and_every_statement_is_as_sqlite_reads_it(wide, tmp_path):
    text_encoding.write_anew(wide, tmp_path / "narrow.db", "UTF-8")
    text_encoding.write_anew(tmp_path / "narrow.db", tmp_path / "back.db", text_encoding.of(wide))

    assert content(wide) == content(tmp_path / "narrow.db") == content(tmp_path / "back.db")
    assert ("UTF-8", text_encoding.of(wide)) == (
        text_encoding.of(tmp_path / "narrow.db"),
        text_encoding.of(tmp_path / "back.db"),
    )


@pytest.mark.parametrize("key", ["", " INTEGER PRIMARY KEY"])
def test_a_table_of_as_many_columns_as_sqlite_allows_keeps_its_rowids(tmp_path, key):
    path = tmp_path / "wide.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16le'")
        connection.execute(f"CREATE TABLE t (c0{key}, {', '.join(f'c{number}' for number in range(1, 2_000))})")
        connection.executemany(
            "INSERT INTO t (rowid, c7) VALUES (?, ?)", [(-3, "a"), (2, "b"), (9, "c"), (4, "\u00e4")]
        )
        connection.commit()
        before = connection.execute("SELECT rowid, c7 FROM t ORDER BY 1").fetchall()

    text_encoding.write_anew(path, tmp_path / "narrow.db", "UTF-8")

    with closing(sqlite3.connect(tmp_path / "narrow.db")) as connection:
        assert before == connection.execute("SELECT rowid, c7 FROM t ORDER BY 1").fetchall()


def test_what_cannot_be_written_as_it_was_is_an_error(tmp_path):
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
        connection.commit()

    with pytest.raises(MigratorError, match="holds a text that cannot be written in UTF-16le"):
        text_encoding.write_anew(tmp_path / "odd.db", tmp_path / "wide.db", "UTF-16le")


@pytest.mark.parametrize("encoding", UTF16)
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("\ud800a", True),
        ("a\udc00\ud800b", True),
        ("\ud800\ud800", True),
        ("a\udc00", False),
        ("\ud800", False),
        ("\U0001f600", False),
        ("a\0b", False),
        ("\ufeffx", False),
    ],
)
def test_plan_refuses_exactly_the_text_that_would_come_back_as_other_bytes(tmp_path, encoding, text, refused):
    raw = text.encode(f"utf-16-{encoding[-2:]}", "surrogatepass")
    path = tmp_path / "data" / "custom.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute(
            f"INSERT INTO t (rowid, a, b) VALUES (7, 'ok', CAST(x'{raw.hex()}' AS TEXT)), (8, x'00', 1.5)"
        )
        connection.commit()
    text_encoding.write_anew(path, tmp_path / "narrow.db", "UTF-8")
    text_encoding.write_anew(tmp_path / "narrow.db", tmp_path / "back.db", encoding)
    with closing(sqlite3.connect(tmp_path / "back.db")) as back:
        (now,) = back.execute("SELECT CAST(b AS BLOB) FROM t WHERE rowid = 7").fetchone()
    with small_set.in_this_process():
        found = inventory(path.parent)

    told = [one for one in plan_stage.plan(found, Config(), disk=tmp_path).refusals if "custom.db" in one]

    assert refused == (raw != now)
    assert refused == bool(told)
    if refused:
        told_so = (
            "custom.db: its text is UTF-16, and half of a character stands alone in t.b (1 row); SQLite reads it as another "
            "character, so that no rollback could write it back; have the application write these cells anew, or let the file "
            'stay as it is ([files] "custom.db" = "standalone")'
        )
        assert [told_so] == told
        alone = plan_stage.plan(found, Config(files={"custom.db": "standalone"}), disk=tmp_path)
        assert not any("UTF-16" in one for one in alone.refusals)


def test_a_table_that_does_not_read_back_is_an_error(wide, tmp_path, monkeypatch):
    whole = text_encoding._rows

    def loses_a_row(connection, table, columns):
        for rows in whole(connection, table, columns):
            yield rows[1:] if text_encoding.UTF8 not in str(connection.execute("PRAGMA encoding").fetchone()) else rows

    monkeypatch.setattr(text_encoding, "_rows", loses_a_row)
    monkeypatch.setattr(
        text_encoding, "_content", lambda connection, table: sum(map(len, whole(connection, table, ["1"])))
    )

    with pytest.raises(MigratorError, match="does not read back as it was"):
        text_encoding.write_anew(wide, tmp_path / "narrow.db", "UTF-8")


def widened(path, encoded):
    """Put the database at *path* into UTF-16."""
    copy = private_copy.private_copy(path, path.with_name("copy"))
    with closing(connections.scratch(copy)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    for companion in ("", "-wal", "-shm"):
        connections.beside(path, companion).unlink(missing_ok=True)
    text_encoding.write_anew(copy, path, encoded)
    copy.unlink()


@pytest.fixture(name="moved", scope="module")
def _moved(tmp_path_factory):
    """A set two of whose files are in UTF-16, built."""
    home = tmp_path_factory.mktemp("wide") / "home"
    generator.make(home / "data", seed=7, rows=60, wal=True)
    for path in sorted((home / "data").rglob("*")):
        if path.is_file() and path.name.partition(".")[0] not in small_set.KEPT:
            path.unlink()
    widened(home / "data" / "jarvis.db", "UTF-16le")
    widened(home / "data" / "alerts.db", "UTF-16be")
    with closing(sqlite3.connect(home / "data" / "jarvis.db")) as connection:
        connection.execute("CREATE TABLE mine (v)")
        connection.execute("INSERT INTO mine VALUES (?)", ("a\0b",))
        connection.commit()
    small_set.build(home)
    return home


@pytest.mark.slow
def test_a_set_in_two_encodings_is_switched_and_comes_back_in_both(moved, tmp_path):
    home = shutil.copytree(moved, tmp_path / "home", symlinks=True)
    small_set.cut_over(home)
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db")) as connection:
        connection.execute("INSERT INTO legacy_jarvis_mine VALUES (?)", ("\u20ac\0\U0001f600",))
        connection.commit()

    small_set.roll_back(home)

    assert ("UTF-16le", "UTF-16be") == tuple(
        text_encoding.of(home / "data" / name) for name in ("jarvis.db", "alerts.db")
    )
    with closing(sqlite3.connect(home / "data" / "jarvis.db")) as connection:
        assert [("a\0b",), ("\u20ac\0\U0001f600",)] == connection.execute(
            "SELECT v FROM mine ORDER BY rowid"
        ).fetchall()
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


def test_a_text_that_utf16_cannot_hold_stops_no_rollback(moved, tmp_path):
    home = shutil.copytree(moved, tmp_path / "home", symlinks=True)
    small_set.cut_over(home)
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db")) as connection:
        connection.execute("INSERT INTO legacy_jarvis_mine VALUES (CAST(x'ff' AS TEXT))")
        connection.commit()

    done = small_set.roll_back(home)

    assert "UTF-8" == text_encoding.of(home / "data" / "jarvis.db")
    assert any("jarvis.db: stays in UTF-8" in finding for finding in done.findings)


def test_a_contract_reads_a_copy_in_utf8(wide, tmp_path):
    (tmp_path / "set").mkdir()
    wide.rename(tmp_path / "set" / "custom.db")
    found = legacy_set(tmp_path / "set", tmp_path)

    assert "UTF-8" == text_encoding.of(found.copy("custom"))
    assert "UTF-8" != text_encoding.of(found.as_found("custom"))
