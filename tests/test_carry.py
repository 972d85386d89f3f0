"""A carried table is the legacy table under another name, without its foreign keys."""

import sqlite3
from contextlib import closing

import pytest

from migrator import carry, catalogue, ddl, sqlite
from migrator.errors import DdlError


def both(sql):
    """Return the table as declared, and as its carried copy declares it."""
    original = ddl.read(f"{sql};")
    (table,) = original.tables
    with closing(sqlite.memory()) as connection:
        connection.execute(carry.create_sql(sql, "main", "carried"))
        (copy,) = ddl.stored(connection).tables
    return table, copy


def copied(connection, name):
    """Copy the table t of the attached database old to *name*."""
    carry.copy(connection, "old", "t", carry.statements(connection, "old")["t"], "main", name)


def test_names_are_told_apart_as_sqlite_does():
    with closing(sqlite.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        for name in ("Ab", "\u00c4b", "\u00e4b", "\u212a", "k"):
            connection.execute(f'CREATE TABLE old."{name}" (a)')

        assert {"ab", "\u00c4b", "\u00e4b", "\u212a", "k"} == set(carry.statements(connection, "old"))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT NOT NULL DEFAULT 'it''s; (1, 2)')",
        "CREATE TABLE t (a INTEGER REFERENCES p(id) ON DELETE CASCADE NOT NULL, b REAL DEFAULT -1.5e-3 CHECK (b <> 2))",
        "CREATE TABLE t (a TEXT CONSTRAINT link REFERENCES p(id) MATCH FULL ON UPDATE SET NULL UNIQUE, b)",
        "CREATE TABLE t (a, b, PRIMARY KEY (a, b), FOREIGN KEY (b) REFERENCES p, CHECK (a || b <= 'x'))",
        "CREATE TABLE t (a, CONSTRAINT k FOREIGN KEY (a) REFERENCES p(id) ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED, UNIQUE (a))",
        "CREATE TABLE t (a INT REFERENCES p(id) NOT DEFERRABLE INITIALLY IMMEDIATE DEFAULT 7, -- REFERENCES nothing\n b)",
        "CREATE TABLE t (\"references\" TEXT DEFAULT x'00ff', [foreign key] /* FOREIGN KEY */ TEXT, `c d` BLOB)",
        "CREATE TABLE t (a TEXT PRIMARY KEY, b INT GENERATED ALWAYS AS (length(a) + 1) STORED) WITHOUT ROWID",
        'CREATE TABLE IF NOT EXISTS "odd ""name" (a TEXT COLLATE NOCASE UNIQUE)',
    ],
)  # fmt: skip
def test_all_but_the_foreign_keys_is_as_found(sql):
    table, copy = both(sql)

    assert () == copy.foreign_keys
    assert table.columns == copy.columns
    assert [unique.columns for unique in table.uniques] == [unique.columns for unique in copy.uniques]
    assert table.checks == copy.checks
    assert (table.autoincrement, table.without_rowid, table.strict) == (
        copy.autoincrement,
        copy.without_rowid,
        copy.strict,
    )


def test_a_column_that_names_its_table_is_the_copys_column():
    sql = """CREATE TABLE "t" (a INT CHECK(t.a > 0 AND "T" . a <> 9.5), b AS (t.a || '.t.a'), CHECK (not[t].a > 100))"""
    with closing(sqlite.memory()) as connection:
        connection.execute(carry.create_sql(sql, "main", "carried"))
        connection.execute("INSERT INTO carried (a) VALUES (100)")

        assert [(100, "100.t.a")] == connection.execute("SELECT a, b FROM carried").fetchall()
        for refused in (0, 9.5, 101):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("INSERT INTO carried (a) VALUES (?)", (refused,))


def test_every_legacy_table_can_be_carried():
    for database in catalogue.legacy_databases():
        for _, statement in ddl.statements(database.ddl):
            if statement.startswith("CREATE TABLE "):
                table, copy = both(statement.removesuffix(";"))
                assert table.columns == copy.columns, statement
                assert () == copy.foreign_keys


def test_rows_cells_and_the_high_water_mark_come_along():
    with closing(sqlite.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute(
            "CREATE TABLE old.t (id INTEGER PRIMARY KEY AUTOINCREMENT, a REFERENCES gone(id), b AS (a || 1))"
        )
        cells = [None, 1, 1.0, "", "a\0b", b"\0", 2**53 + 1, -0.0]
        connection.executemany("INSERT INTO old.t (a) VALUES (?)", [(cell,) for cell in cells])
        connection.execute("DELETE FROM old.t WHERE id > 7")

        copied(connection, "legacy_old_t")

        found = connection.execute("SELECT id, a FROM legacy_old_t ORDER BY id").fetchall()
        assert [(number, repr(cell)) for number, cell in enumerate(cells[:7], 1)] == [(n, repr(c)) for n, c in found]
        connection.execute("INSERT INTO legacy_old_t (a) VALUES ('next')")
        assert 9 == connection.execute("SELECT max(id) FROM legacy_old_t").fetchone()[0]


@pytest.mark.parametrize("marks", [["40"], [40.0], [3, 40], [40, None]])
def test_a_high_water_mark_that_somebody_else_wrote_counts(marks):
    with closing(sqlite.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute("CREATE TABLE old.t (id INTEGER PRIMARY KEY AUTOINCREMENT, a)")
        connection.executemany("INSERT INTO old.sqlite_sequence VALUES ('t', ?)", [(mark,) for mark in marks])

        copied(connection, "legacy_old_t")

        connection.execute("INSERT INTO legacy_old_t (a) VALUES ('next')")
        assert [(41,)] == connection.execute("SELECT id FROM legacy_old_t").fetchall()


@pytest.mark.parametrize(
    "sql", ["CREATE VIRTUAL TABLE t USING fts5(a)", "CREATE TABLE t AS SELECT 1", "CREATE TABLE t (a"]
)
def test_what_is_no_table_with_columns_is_an_error(sql):
    with pytest.raises(DdlError):
        carry.create_sql(sql, "main", "carried")


def test_a_row_that_breaks_its_own_constraint_is_no_silent_loss():
    with closing(sqlite.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute("CREATE TABLE old.t (a CHECK (a > 0))")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO old.t VALUES (-1)")
        connection.execute("PRAGMA ignore_check_constraints = OFF")

        with pytest.raises(sqlite3.IntegrityError):
            copied(connection, "carried")
