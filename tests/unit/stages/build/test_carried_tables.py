"""A carried table is the legacy table under another name, without its foreign keys."""

import itertools
import sqlite3
from contextlib import closing

import pytest

from migrator.errors import DdlError
from migrator.schema import catalogue, declaration
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import Statements
from migrator.stages.build import carried_tables
from migrator.system import connections, rowids


def both(sql):
    """Return the table as declared, and as its carried copy declares it."""
    original = schema_reader.read(f"{sql};")
    (table,) = original.tables
    with closing(connections.memory()) as connection:
        connection.execute(renamed(sql).table)
        (copy,) = schema_reader.stored(connection).tables
    return table, copy


def renamed(sql, *indexes, table="t"):
    return declaration.renamed(Statements(sql, tuple(indexes)), table, f"legacy_old_{table}")


def copied(connection, name, table="t"):
    """Copy a table of the attached database old to *name*."""
    carried_tables.copy(connection, "old", table, carried_tables.statements(connection, "old"), "main", name)


def test_names_are_told_apart_as_sqlite_does():
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        for name in ("Ab", "\u00c4b", "\u00e4b", "\u212a", "k"):
            connection.execute(f'CREATE TABLE old."{name}" (a)')

        assert {"ab", "\u00c4b", "\u00e4b", "\u212a", "k"} == set(carried_tables.statements(connection, "old"))


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
    sql = """CREATE TABLE "t" (a INT CHECK(t.a > 0 AND "T" . a <> 9.5), b AS (a || '.t.a'), CHECK (not[t].a > 100))"""
    with closing(connections.memory()) as connection:
        connection.execute(renamed(sql).table)
        connection.execute("INSERT INTO legacy_old_t (a) VALUES (100)")

        assert [(100, "100.t.a")] == connection.execute("SELECT a, b FROM legacy_old_t").fetchall()
        for refused in (0, 9.5, 101):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("INSERT INTO legacy_old_t (a) VALUES (?)", (refused,))


def test_every_legacy_table_can_be_carried():
    for database in catalogue.legacy_databases():
        for _, statement in schema_reader.statements(database.ddl):
            if statement.startswith("CREATE TABLE "):
                table, copy = both(statement.removesuffix(";"))
                assert table.columns == copy.columns, statement
                assert () == copy.foreign_keys


def test_rows_cells_and_the_high_water_mark_come_along():
    with closing(connections.memory()) as connection:
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
    with closing(connections.memory()) as connection:
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
        renamed(sql)


def test_a_row_that_breaks_its_own_constraint_is_no_silent_loss():
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute("CREATE TABLE old.t (a CHECK (a > 0))")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO old.t VALUES (-1)")
        connection.execute("PRAGMA ignore_check_constraints = OFF")

        with pytest.raises(sqlite3.IntegrityError):
            copied(connection, "carried")


#: Declarations that a reader of SQL text easily gets wrong, each with what its copy has to be.
ODD = {
    "constraints without commas": (
        "CREATE TABLE t (a, b, UNIQUE (a) CHECK (a > 0) CONSTRAINT link FOREIGN KEY (b) REFERENCES p CHECK (b > 1) CONSTRAINT x)",
        "(a, b, UNIQUE (a) CHECK (a > 0) CONSTRAINT link CHECK (b > 1) CONSTRAINT x)",
    ),
    "foreign keys only, one behind the other": (
        "CREATE TABLE t (a, FOREIGN KEY (a) REFERENCES p FOREIGN KEY (a) REFERENCES q, FOREIGN KEY (a) REFERENCES r)",
        "(a)",
    ),
    "a foreign key before a constraint": (
        "CREATE TABLE t (a, FOREIGN KEY (a) REFERENCES p UNIQUE (a))",
        "(a, UNIQUE (a))",
    ),
    "a foreign key between": (
        "CREATE TABLE t (a, FOREIGN KEY (a) REFERENCES p(x) ON DELETE SET NULL ON UPDATE NO ACTION, CHECK (a > 0))",
        "(a, CHECK (a > 0))",
    ),
    "an action that comes later": (
        "CREATE TABLE t (a REFERENCES p NOT NULL DEFERRABLE INITIALLY DEFERRED)",
        "(a NOT NULL DEFERRABLE INITIALLY DEFERRED)",
    ),
    "U+00A0 is a letter": ("CREATE TABLE t (a\u00a0REFERENCES b, c\u00a0INT)", "(a\u00a0REFERENCES b, c\u00a0INT)"),
    "letters without case": ("CREATE TABLE t (\u00c4 TEXT, \u00e4 INT)", "(\u00c4 TEXT, \u00e4 INT)"),
    "its own name": (
        "CREATE TABLE t (a CHECK (T.a > 0), b REFERENCES t(a), UNIQUE (b))",
        '(a CHECK ("legacy_old_t".a > 0), b, UNIQUE (b))',
    ),
    "text in double quotes": ('CREATE TABLE t (a DEFAULT "t" CHECK (a <> "t.a"))', '(a DEFAULT "t" CHECK (a <> "t.a"))'),
    "JSON": ("CREATE TABLE t (a CHECK (json_valid(a)), b AS (a ->> 'x'))", "(a CHECK (json_valid(a)), b AS (a ->> 'x'))"),
    "conflict clauses": (
        "CREATE TABLE t (a TEXT PRIMARY KEY ON CONFLICT IGNORE, b INT NOT NULL ON CONFLICT REPLACE DEFAULT 1) WITHOUT ROWID, STRICT",
        None,
    ),
    "conflict clauses of a rowid table": (
        "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE)",
        "(a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE)",
    ),
    "an unfinished comment": ("CREATE TABLE t (a REFERENCES p /* ) */, b) -- REFERENCES", None),
    "1,000 columns": (f"CREATE TABLE t ({', '.join(f'c{n} REFERENCES p' for n in range(1_000))})", f"({', '.join(f'c{n}' for n in range(1_000))})"),
    "2,000 columns": (f"CREATE TABLE t ({', '.join(f'c{n} CHECK (c{n} > 0)' for n in range(2_000))})", f"({', '.join(f'c{n} CHECK (c{n} > 0)' for n in range(2_000))})"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_odd_declaration_is_copied_as_sqlite_reads_it(case):
    sql, expected = ODD[case]
    with closing(connections.memory()) as connection:
        connection.execute(sql)
        (stored,) = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table'").fetchone()

    made = renamed(stored)

    if expected is not None:
        # Of what lies between the constraints, white space alone may differ.
        assert f'CREATE TABLE "legacy_old_t" {expected}' == " ".join(made.table.replace(" ,", ",").split(" "))
    assert "REFERENCES p" not in made.table


#: What a declaration says, and the same without it: SQLite would do something else with a row.
DIFFER = {
    "collation": ("CREATE TABLE t (a COLLATE NOCASE)", "CREATE TABLE t (a)"),
    "collation in a check": ("CREATE TABLE t (a CHECK (a = 'x' COLLATE NOCASE))", "CREATE TABLE t (a CHECK (a = 'x'))"),
    "check": ("CREATE TABLE t (a CHECK (a > 0))", "CREATE TABLE t (a)"),
    "border of a check": ("CREATE TABLE t (a CHECK (a > 0))", "CREATE TABLE t (a CHECK (a >= 0))"),
    "generated": ("CREATE TABLE t (a, b AS (a + 1))", "CREATE TABLE t (a, b AS (a + 2))"),
    "stored": ("CREATE TABLE t (a, b AS (a + 1) STORED)", "CREATE TABLE t (a, b AS (a + 1))"),
    "stored expression": ("CREATE TABLE t (a, b AS (a + 1) STORED)", "CREATE TABLE t (a, b AS (1 + a) STORED)"),
    "NOT NULL": ("CREATE TABLE t (a NOT NULL)", "CREATE TABLE t (a)"),
    "conflict of NOT NULL": ("CREATE TABLE t (a NOT NULL ON CONFLICT IGNORE)", "CREATE TABLE t (a NOT NULL)"),
    "conflict of UNIQUE": ("CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)", "CREATE TABLE t (a UNIQUE)"),
    "conflict of the key": ("CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT IGNORE)", "CREATE TABLE t (a INTEGER PRIMARY KEY)"),
    "STRICT": ("CREATE TABLE t (a INT) STRICT", "CREATE TABLE t (a INT)"),
    "WITHOUT ROWID": ("CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY)"),
    "AUTOINCREMENT": ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE t (a INTEGER PRIMARY KEY)"),
    "a key that is no rowid": ("CREATE TABLE t (a INTEGER PRIMARY KEY DESC)", "CREATE TABLE t (a INTEGER PRIMARY KEY)"),
    "default": ("CREATE TABLE t (a DEFAULT 1)", "CREATE TABLE t (a DEFAULT '1')"),
    "type": ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a)"),
}  # fmt: skip
INDEXES = {
    "unique": ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX i ON t (a)"),
    "direction": ("CREATE INDEX i ON t (a DESC)", "CREATE INDEX i ON t (a)"),
    "collation": ("CREATE INDEX i ON t (a COLLATE NOCASE)", "CREATE INDEX i ON t (a)"),
    "condition": ("CREATE INDEX i ON t (a) WHERE b > 0", "CREATE INDEX i ON t (a) WHERE b > 1"),
    "expression": ("CREATE INDEX i ON t (a + b)", "CREATE INDEX i ON t (a - b)"),
    "presence": ("CREATE INDEX i ON t (a)", None),
}


@pytest.mark.parametrize("what", DIFFER)
def test_what_a_declaration_means_is_told_apart(what):
    one, other = map(Statements, DIFFER[what])

    assert declaration.meaning(one) == declaration.meaning(one)
    assert declaration.meaning(one) != declaration.meaning(other)


@pytest.mark.parametrize("what", INDEXES)
def test_what_an_index_means_is_told_apart(what):
    one, other = (Statements("CREATE TABLE t (a, b)", (("i", sql),) if sql else ()) for sql in INDEXES[what])

    assert declaration.meaning(one) == declaration.meaning(one)
    assert declaration.meaning(one) != declaration.meaning(other)


def test_names_and_spelling_mean_nothing():
    one = Statements("CREATE TABLE t (a CHECK (t.a>0), b)", (("i", "CREATE INDEX i ON t(a)"),))
    other = Statements(
        "CREATE TABLE legacy_x_t (a CHECK( legacy_x_t . a > 0 ),b)",
        (("legacy_x_i", "CREATE INDEX j ON legacy_x_t( a )"),),
    )

    assert declaration.meaning(one) == declaration.meaning(other)


@pytest.mark.parametrize(
    ("sql", "obstacle"),
    [
        ("CREATE TABLE t (a CHECK (score_of(a)))", "no such function: score_of"),
        ("CREATE TABLE t (a COLLATE german)", "no such collation sequence: german"),
        ("CREATE TABLE t (a); DELETE FROM t", "one statement at a time"),
        ("CREATE TABLE t AS SELECT 1 AS a", "not authorized"),
        ("ATTACH ':memory:' AS x", "not authorized"),
    ],
)
def test_a_table_that_cannot_be_made_here_says_why(sql, obstacle):
    with pytest.raises(DdlError, match=obstacle):
        renamed(sql)


@pytest.mark.parametrize(
    "columns",
    [*(", ".join(taken) for n in range(3) for taken in itertools.permutations(("rowid", "_ROWID_", "oid"), n)), "a"],
)
def test_rowids_are_kept_whatever_columns_are_called(columns):
    """Another table may keep them: rowids 2, 5 and 9 of equal rows, and a negative one."""
    declared = columns or "a"
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute(f"CREATE TABLE old.t ({declared}, own TEXT, UNIQUE (own))")
        free = rowids.rowid(connection, "old", "t")
        numbers = [9, -3, 2, 5]
        connection.executemany(
            f"INSERT INTO old.t ({free}, own) VALUES (?, ?)", [(number, f"row {number}") for number in numbers]
        )

        copied(connection, "legacy_old_t")

        found = connection.execute(f"SELECT {free}, own FROM legacy_old_t ORDER BY {free}").fetchall()
        assert [(number, f"row {number}") for number in sorted(numbers)] == found


def test_rows_keep_their_order_where_no_rowid_can_be_read():
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute("CREATE TABLE old.t (rowid UNIQUE, _rowid_, oid)")
        connection.executemany("INSERT INTO old.t VALUES (?, 1, 2)", [("z",), ("a",), ("m",)])
        connection.execute("CREATE INDEX old.covering ON t (rowid, _rowid_, oid)")

        copied(connection, "legacy_old_t")

        assert [("z",), ("a",), ("m",)] == connection.execute("SELECT rowid FROM legacy_old_t NOT INDEXED").fetchall()


@pytest.mark.parametrize("numbers", [[1, 2, 3], [2, 5, 9], [-7, 1, 2, 3], [-2, 0, 3, 4, 5, 7], [3, 4, 5, 8]])
def test_rowids_beside_as_many_columns_as_sqlite_allows(numbers):
    columns = ", ".join(f"c{n}" for n in range(2_000))
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute(f"CREATE TABLE old.t ({columns})")
        connection.executemany("INSERT INTO old.t (rowid, c7) VALUES (?, ?)", [(n, n) for n in numbers])

        copied(connection, "legacy_old_t")

        assert [(n, n) for n in numbers] == connection.execute("SELECT rowid, c7 FROM legacy_old_t").fetchall()


def test_indexes_come_along_under_names_of_ours():
    with closing(connections.memory()) as connection:
        connection.execute("ATTACH ':memory:' AS old")
        connection.execute("CREATE TABLE old.t (k, v COLLATE NOCASE, n)")
        for statement in (
            "CREATE UNIQUE INDEX old.by_key ON t (k DESC)",
            'CREATE INDEX old."on ""odd""" ON t (v, n + 1) WHERE n > 0 AND v <> \'ON\'',
        ):
            connection.execute(statement)
        connection.execute("INSERT INTO old.t VALUES ('a', 'b', 1)")

        copied(connection, "legacy_old_t")

        listed = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'index' ORDER BY 1").fetchall()
        assert [("legacy_old_by_key",), ('legacy_old_on "odd"',)] == listed
        connection.execute("INSERT INTO legacy_old_t VALUES ('a', 'c', 2) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
        assert [("a", "c", 1)] == connection.execute("SELECT * FROM legacy_old_t").fetchall()
