"""Statements about the database as a whole: each reaches the consolidated file, changes nothing of it, or is refused in one sentence."""

import sqlite3
from contextlib import closing

import cut_over_set
import pytest
import small_set

from migrator.application.compat import connection as compat_connection
from migrator.application.compat.errors import Unsupported

#: Statements that would change the legacy schema -> what the sentence says of them.
REFUSED = {
    "CREATE TABLE t (a)": "makes the table 't', which the legacy database did not have",
    "CREATE TABLE t AS SELECT * FROM positions": "makes the table 't', which the legacy database did not have",
    "CREATE VIRTUAL TABLE t USING fts5(a)": "makes the table 't', which the legacy database did not have",
    "CREATE VIEW v AS SELECT 1": "makes the view 'v', which the legacy database did not have",
    "CREATE TRIGGER t AFTER INSERT ON positions BEGIN SELECT 1; END": "makes the trigger 't', which the legacy database did not have",
    "CREATE UNIQUE INDEX i ON positions(id)": "makes the unique index 'i', which the legacy database did not have",
    "/* a */ create -- b\n unique index if not exists main.i ON positions(id)": "makes the unique index 'i'",
    "ALTER TABLE positions ADD COLUMN x": "alters 'positions'",
    "ALTER TABLE positions RENAME TO x": "alters 'positions'",
    "ALTER TABLE positions RENAME COLUMN symbol TO x": "alters 'positions'",
    "ALTER TABLE positions DROP COLUMN symbol": "alters 'positions'",
    "DROP TABLE positions": "drops 'positions'",
    "DROP TABLE IF EXISTS main.positions": "drops 'positions'",
    "DROP INDEX {index}": "drops '{index}'",
}  # fmt: skip
#: Statements that do nothing, on the legacy file and here.
NOTHING = (
    "CREATE TABLE IF NOT EXISTS positions (id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS {index} ON positions(id)",
    "DROP TABLE IF EXISTS t",
    "DROP VIEW IF EXISTS t",
    "DROP TRIGGER IF EXISTS t",
    "DROP INDEX IF EXISTS t",
)
#: Statements that SQLite refuses itself, on the legacy file with the same words.
WRONG = (
    "CREATE TABLE positions (id)",
    "CREATE INDEX {index} ON positions(id)",
    "DROP TABLE t",
    "DROP INDEX t",
    "ALTER TABLE t ADD COLUMN x",
    "VACUUM t",
    "VACUUM core",
    "VACUUM INTO '{existing}'",
    "ANALYZE t",
    "ANALYZE core",
    "REINDEX t",
    "DETACH core",
    "DETACH t",
    "DETACH main",
)


@pytest.fixture(name="jarvis")
def _jarvis(data):
    with closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as connection:
        yield connection


@pytest.fixture(name="legacy")
def _legacy(data, tmp_path):
    with closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as connection:
        connection.isolation_level = None
        yield connection


def core(data):
    return closing(sqlite3.connect(data / "jarvis_core.db", isolation_level=None))


def index_of(legacy):
    (name,) = legacy.execute("SELECT min(name) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchone()
    return name


def schema(connection):
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize("statement", REFUSED)
def test_what_the_set_cannot_hold_is_refused_in_one_sentence(jarvis, legacy, statement):
    index, before = index_of(legacy), schema(jarvis)

    with pytest.raises(Unsupported) as refused:
        jarvis.execute(statement.format(index=index))

    prefix = "the legacy schema cannot be changed while the consolidated set is in use: this statement "
    assert str(refused.value).startswith(prefix + REFUSED[statement].format(index=index))
    assert before == schema(jarvis)


@pytest.mark.parametrize("statement", NOTHING)
def test_what_does_nothing_on_the_legacy_file_does_nothing(jarvis, legacy, statement):
    before = schema(jarvis)
    for connection in (legacy, jarvis):
        connection.execute(statement.format(index=index_of(legacy)))
    assert before == schema(jarvis)


@pytest.mark.parametrize("statement", WRONG)
def test_what_sqlite_refuses_is_refused_with_its_words(jarvis, legacy, tmp_path, statement):
    (tmp_path / "existing.db").write_text("something")
    statement = statement.format(index=index_of(legacy), existing=tmp_path / "existing.db")
    said = []
    for connection in (legacy, jarvis):
        with pytest.raises(sqlite3.Error) as refused:
            connection.execute(statement)
        said.append(str(refused.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("statement", ["VACUUM", "vacuum main;", "-- weekly\nVACUUM"])
def test_vacuum_reaches_the_consolidated_file(data, jarvis, statement):
    jarvis.execute("DELETE FROM error_logs")
    rows = jarvis.execute("SELECT * FROM positions ORDER BY id").fetchall()
    with core(data) as native:
        native.execute("CREATE TABLE filler AS SELECT randomblob(100000) AS x")
        native.execute("DROP TABLE filler")
        assert native.execute("PRAGMA freelist_count").fetchone() > (0,)

        assert [] == jarvis.execute(statement).fetchall()

        assert (0,) == native.execute("PRAGMA freelist_count").fetchone()
        assert rows == jarvis.execute("SELECT * FROM positions ORDER BY id").fetchall()
        jarvis.execute("UPDATE positions SET exit_price = 7.5 WHERE id = ?", rows[-1][:1])
        assert (1,) == native.execute(
            "SELECT count(*) FROM positions WHERE metadata ->> '$.exit_price' = 7.5"
        ).fetchone()


def test_the_rows_without_a_key_are_the_right_ones_after_a_vacuum_of_ones_own(data):
    with closing(cut_over_set.compat(data, "sentiment", isolation_level=None)) as sentiment:
        sentiment.execute("DELETE FROM component_correlations")
        added = "INSERT INTO component_correlations (timestamp, component, correlation, sample_size) VALUES ('t', ?, 1.0, 1)"
        sentiment.executemany(added, [("a",), ("b",), ("c",)])
        sentiment.execute("DELETE FROM component_correlations WHERE component = 'a'")
        sentiment.execute("VACUUM")
        sentiment.execute("UPDATE component_correlations SET correlation = 7 WHERE component = 'b'")
        asked = "SELECT component, correlation FROM component_correlations ORDER BY 1"
        assert [("b", 7.0), ("c", 1.0)] == sentiment.execute(asked).fetchall()
        with closing(cut_over_set.compat(data, "sentiment", cached_statements=77)) as begun:
            assert [("b", 7.0), ("c", 1.0)] == begun.execute(asked).fetchall()


@pytest.mark.parametrize(
    ("before", "statement", "error"),
    [
        ("BEGIN", "VACUUM", "cannot VACUUM from within a transaction"),
        ("BEGIN", "VACUUM INTO '{0}'", "cannot VACUUM from within a transaction"),
        ("PRAGMA query_only = ON", "VACUUM", "attempt to write a readonly database"),
        ("PRAGMA query_only = ON", "ANALYZE", "attempt to write a readonly database"),
    ],
)
def test_upkeep_at_the_wrong_time_fails_as_on_the_legacy_file(jarvis, legacy, tmp_path, before, statement, error):
    for connection in (legacy, jarvis):
        connection.execute(before)
        with pytest.raises(sqlite3.OperationalError, match=error):
            connection.execute(statement.format(tmp_path / "copy.db"))


def test_upkeep_waits_for_a_writer(data):
    with core(data) as native, closing(cut_over_set.compat(data, "jarvis", timeout=0, isolation_level=None)) as jarvis:
        native.execute("BEGIN IMMEDIATE")
        for statement in ("VACUUM", "ANALYZE"):
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                jarvis.execute(statement)


@pytest.mark.parametrize("statement", ["VACUUM INTO '{0}'", "VACUUM main INTO '{0}'", "VACUUM INTO ?"])
def test_vacuum_into_writes_the_legacy_database(jarvis, legacy, tmp_path, statement):
    copy = tmp_path / "copy.db"
    # Only what was named is loaded until then.
    jarvis.execute(statement.format(copy), (str(copy),) if "?" in statement else ())

    with closing(sqlite3.connect(copy)) as made:
        assert schema(legacy) == schema(made)
        for (table,) in legacy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            asked = f"SELECT * FROM {table}"
            rows = (sorted(map(repr, one.execute(asked).fetchall())) for one in (legacy, made))
            assert next(rows) == next(rows), table
        assert [("ok",)] == made.execute("PRAGMA integrity_check").fetchall()


@pytest.mark.parametrize(
    ("statement", "tables"),
    [("ANALYZE", {"positions", "trades"}), ("ANALYZE main", {"positions", "trades"}), ("ANALYZE positions", {"positions"}), ('ANALYZE main."trades"', {"trades"})],
)  # fmt: skip
def test_analyze_reaches_the_consolidated_file(data, jarvis, statement, tables):
    with core(data) as native:
        native.execute("ANALYZE")
        native.execute("DELETE FROM sqlite_stat1")
    jarvis.execute(statement)
    with core(data) as native:
        found = {table for (table,) in native.execute("SELECT tbl FROM sqlite_stat1").fetchall()}
    assert tables == found & {"positions", "trades"}


def test_reindex_is_served(data, jarvis):
    for statement in ("REINDEX", "REINDEX positions", "REINDEX main.positions", "REINDEX NOCASE"):
        assert [] == jarvis.execute(statement).fetchall()
    with core(data) as native:
        assert [("ok",)] == native.execute("PRAGMA integrity_check").fetchall()


def test_an_index_is_made_for_the_connection_and_may_be_dropped_by_it(data, jarvis):
    jarvis.execute("CREATE INDEX by_symbol ON positions(symbol)")
    plan = jarvis.execute("EXPLAIN QUERY PLAN SELECT * FROM positions WHERE symbol = 'x'").fetchone()
    assert "by_symbol" in plan[-1]
    with closing(cut_over_set.compat(data, "jarvis")) as other:
        assert (0,) == other.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'by_symbol'").fetchone()
    jarvis.execute("DROP INDEX by_symbol")
    with core(data) as native:
        assert (0,) == native.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'by_symbol'").fetchone()


def test_a_database_that_the_program_attaches_is_its_own(jarvis, tmp_path):
    jarvis.execute("ATTACH ? AS own", (str(tmp_path / "own.db"),))
    for statement in (
        "CREATE TABLE own.t (a)",
        "CREATE UNIQUE INDEX own.i ON t(a)",
        "INSERT INTO own.t VALUES (7)",
        "ALTER TABLE own.t ADD COLUMN b",
        "ANALYZE own.t",
        "VACUUM own",
        "REINDEX own.t",
        "DROP INDEX own.i",
    ):
        jarvis.execute(statement)
    jarvis.execute(f"VACUUM own INTO '{tmp_path / 'copy.db'}'")
    assert [(7, None)] == jarvis.execute("SELECT * FROM own.t").fetchall()
    jarvis.execute("DROP TABLE own.t")
    jarvis.execute("DETACH own")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert [(7, None)] == copy.execute("SELECT * FROM t").fetchall()


@pytest.mark.parametrize("form", ["{0}", "file:{0}", "file:{0}?mode=ro", "{1}/./{2}"])
@pytest.mark.parametrize(
    "statement", ["ATTACH '{0}' AS second", "ATTACH ? AS second", "attach database (? || '') as [second]"]
)
@pytest.mark.parametrize("database", ["tax.db", "jarvis_core.db"])
def test_a_second_file_of_the_set_is_not_attached(data, jarvis, form, statement, database):
    path = form.format(data / database, data, database)
    with pytest.raises(Unsupported, match=r"this statement attaches .*, which the consolidated set replaces"):
        jarvis.execute(statement.format(path), (path,) if "?" in statement else ())


def test_a_rollback_takes_a_set_that_was_kept_up(data, jarvis):
    for statement in ("ANALYZE", "VACUUM", "REINDEX", "PRAGMA optimize", "UPDATE positions SET exit_price = 7.5"):
        jarvis.execute(statement)
    jarvis.close()
    compat_connection.POOL.clear()

    small_set.roll_back(data.parent)

    with closing(sqlite3.connect(data / "jarvis.db")) as legacy:
        assert [(7.5,)] == legacy.execute("SELECT DISTINCT exit_price FROM positions").fetchall()
