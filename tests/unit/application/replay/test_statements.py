"""Statements to replay and what their parameters are drawn from."""

import json
import sqlite3
from contextlib import closing

import pytest

from migrator.application.replay import parameters, slots, statements
from migrator.application.replay.statements import Statement
from migrator.errors import UsageError
from migrator.mapping import workload


def test_the_workload_is_replayed_in_its_legacy_form():
    found = statements.of_workload()

    assert [question.legacy_sql for question in workload.questions()] == [one.sql for one in found]


def test_an_sql_file_names_databases_in_comments(tmp_path):
    path = tmp_path / "mine.sql"
    path.write_text(
        "SELECT 1; -- one\n-- database: jarvis.db\nSELECT ';' /* ; */\nFROM trades;\n\n-- database: tax\nDELETE FROM sales"
    )

    found = statements.of_file(path)

    assert [
        ("mine.sql:1", "", "SELECT 1"),
        ("mine.sql:3", "jarvis", "SELECT ';' /* ; */\nFROM trades"),
        ("mine.sql:7", "tax", "DELETE FROM sales"),
    ] == [(one.name, one.database, one.sql) for one in found]


def test_a_record_has_the_kinds_of_its_parameters(tmp_path):
    path = tmp_path / "record"
    lines = [
        {"database": "jarvis", "sql": "SELECT ?", "parameters": [["int"], ["null"]], "count": 7},
        {"database": "cache/file_cache.db", "sql": "SELECT :a", "parameters": [{"a": "text"}], "count": 1},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))

    first, second = statements.of_file(path)

    assert ("jarvis", "SELECT ?", {"1": ("int", "null")}, 7) == (first.database, first.sql, first.kinds, first.runs)
    assert ("file_cache", {"a": ("text",)}) == (second.database, second.kinds)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-- nothing", "has no statement"),
        ('{"database": "jarvis"}', "line 1 is not a recorded statement"),
        ("{", "line 1"),
    ],
)
def test_a_file_without_statements_is_refused(tmp_path, text, what):
    path = tmp_path / "wrong"
    path.write_text(text)

    with pytest.raises(UsageError, match=what):
        statements.of_file(path)


@pytest.mark.parametrize("sql", ["BEGIN", "-- begin\n commit", "/* */ VACUUM", "SAVEPOINT a"])
def test_statements_of_transactions_are_not_compared(sql):
    assert Statement(name="a", database="jarvis", sql=sql).is_control


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t WHERE b = ?", [("equal", "t", "b")]),
        (
            "SELECT x.a FROM t AS x JOIN u ON u.a = x.a WHERE u.b > :v AND x.c IN (?2)",
            [("equal", "u", "b"), ("equal", "t", "c")],
        ),
        ("INSERT INTO t (a, b) VALUES (?, upper(?))", [("given", "t", "a"), ("given", "t", "b")]),
        ("INSERT INTO t VALUES ($a, 1, $b)", [("given", "t", "#0"), ("given", "t", "#2")]),
        ("UPDATE t SET a = ? WHERE b = ?", [("given", "t", "a"), ("equal", "t", "b")]),
        (
            "SELECT a FROM t WHERE a LIKE ? LIMIT ? OFFSET ?",
            [("like", "t", "a"), ("limit", "", ""), ("offset", "", "")],
        ),
        ("SELECT a FROM t WHERE b > datetime('now', ?)", [("span", "", "")]),
        ("SELECT a FROM t WHERE b > datetime('now', '-' || ? || ' hours')", [("hours", "", "")]),
        ("SELECT a FROM t WHERE strftime('%Y', b) = ?", [("equal", "t", "=STRFTIME('%Y', b)")]),
        ("SELECT a FROM t WHERE t MATCH ?", [("match", "t", "t")]),
        ("SELECT '?', \":a\" -- ?\n FROM t WHERE b BETWEEN @x AND 3", [("equal", "t", "b")]),
        ("THIS IS NOT ? SQL ( ", [("unknown", "", "")]),
    ],
)
def test_a_parameter_is_drawn_from_the_column_that_it_meets(sql, expected):
    text, names = slots.with_marks(sql)

    assert expected == [(slot.role, slot.table, slot.column) for slot in slots.slots_of(text, names)]


@pytest.fixture(name="legacy")
def _legacy():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, day TEXT)")
        rows = [(number, f"name {number}", number / 2, f"202{number}-01-01") for number in range(5)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        yield connection


def drawn(legacy, sql, **options):
    return parameters.drawn(Statement(name="a", database="jarvis", sql=sql, **options), legacy)


def test_values_of_one_row_go_together_and_the_last_run_meets_no_row(legacy):
    sql = "SELECT 1 FROM t WHERE name = ? AND price = ?"

    *rows, last = drawn(legacy, sql)

    assert ("name 0", 0.0) in rows
    assert ("name 4", 2.0) in rows
    assert all(legacy.execute(sql, row).fetchall() for row in rows)
    assert [] == legacy.execute(sql, last).fetchall()


def test_the_same_seed_draws_the_same(legacy):
    sql = "SELECT 1 FROM t WHERE name = ?"

    assert drawn(legacy, sql) == drawn(legacy, sql)


def test_a_row_with_other_keys_is_inserted_too(legacy):
    runs = drawn(legacy, "INSERT INTO t (id, name, price) VALUES (:id, :name, :price)")

    assert {"id": 987_654_321, "name": "name 0-replayed", "price": 0.0} in runs
    assert {"id": 0, "name": "name 0", "price": 0.0} in runs


def test_a_numbered_parameter_is_one_value(legacy):
    runs = drawn(legacy, "SELECT 1 FROM t WHERE id = ?2 OR name = ?1 OR name = ?1")

    assert ("name 0", 0) in runs


def test_a_value_is_of_a_kind_that_was_recorded(legacy):
    runs = drawn(legacy, "SELECT 1 FROM t WHERE id = ?", kinds={"1": ("text",)})

    assert {str} == {type(value) for run in runs for value in run}


def test_what_an_expression_gives_is_drawn(legacy):
    assert ("2020",) in drawn(legacy, "SELECT 1 FROM t WHERE strftime('%Y', day) = ?")


def test_a_select_of_parameters_from_a_missing_table_gives_none(legacy):
    sql = "SELECT 1 FROM t WHERE id = :id"

    assert {"id": 3} in drawn(legacy, sql, takes="SELECT 3 AS id FROM jarvis.t")
    assert {"id": 3} not in drawn(legacy, sql, takes="SELECT 3 AS id FROM jarvis.gone")


def test_a_result_without_its_limit(legacy):
    whole, values = parameters.without_limit("SELECT id FROM t WHERE id > ? ORDER BY id LIMIT ?", (1, 2))

    assert [(2,), (3,), (4,)] == legacy.execute(whole, values).fetchall()
    assert parameters.without_limit("SELECT id FROM t", ()) is None
