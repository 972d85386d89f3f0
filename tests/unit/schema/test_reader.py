"""DDL is read by SQLite and by sqlglot, and they agree or the difference is on record."""

import pytest

from migrator.errors import DdlError
from migrator.schema import catalogue, sqlglot_reader
from migrator.schema import reader as schema_reader
from migrator.schema.model import Check, Difference, ForeignKey, IndexColumn


def test_the_specification_declares_what_it_is_known_to_declare():
    """23 tables, 41 indexes, 15 CHECKs, 8 foreign keys, counted by hand in the specification."""
    schemas = [schema_reader.target(name) for name in catalogue.TARGETS]

    assert 22 + 1 == sum(len(schema.tables) + len(schema.virtual_tables) for schema in schemas)
    assert 41 == sum(len(schema.indexes) for schema in schemas)
    assert 15 == sum(len(table.checks) for schema in schemas for table in schema.tables)
    assert 8 == sum(len(table.foreign_keys) for schema in schemas for table in schema.tables)
    assert [] == [difference for schema in schemas for difference in schema.differences]


def test_every_legacy_shape_is_read_without_contradiction():
    differences = {
        database.name: schema_reader.read(database.ddl).differences
        for database in catalogue.legacy_databases()
        if schema_reader.read(database.ddl).differences
    }

    assert {"research"} == differences.keys()
    assert "BOOLEAN" in differences["research"][0].what


def test_a_table_is_read_with_everything_it_declares():
    schema = schema_reader.read(
        """
        CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE);
        CREATE TABLE child (
            a INTEGER NOT NULL DEFAULT 7,
            b TEXT COLLATE NOCASE DEFAULT 'x''y' CHECK(b IN ('p',   'q')),
            untyped,
            computed INT GENERATED ALWAYS AS (a + 1) STORED,
            UNIQUE (a, b),
            CONSTRAINT link FOREIGN KEY (a) REFERENCES parent(id) ON DELETE SET NULL ON UPDATE CASCADE,
            FOREIGN KEY (untyped) REFERENCES parent
        );
        """
    )
    child = schema.table("child")

    assert schema.table("parent").autoincrement
    assert ["a", "b", "untyped", "computed"] == [column.name for column in child.columns]
    assert (True, "7") == (child.column("a").not_null, child.column("a").default)
    assert child.column("computed").generated
    assert (Check(expression="b IN ('p', 'q')", columns=("b",)),) == child.checks
    assert (
        ForeignKey(columns=("a",), parent="parent", parent_columns=("id",), on_delete="SET NULL", on_update="CASCADE"),
        ForeignKey(columns=("untyped",), parent="parent", parent_columns=()),
    ) == child.foreign_keys
    assert (IndexColumn(name="a"), IndexColumn(name="b", collation="NOCASE")) == child.uniques[0].columns


def test_an_index_is_read_with_its_direction_and_condition():
    schema = schema_reader.read(
        "CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t(a COLLATE NOCASE DESC, lower(b)) WHERE a   > 1;"
    )

    (index,) = schema.indexes
    assert (IndexColumn(name="a", descending=True, collation="NOCASE"), IndexColumn(name=None)) == index.columns
    assert (True, "a > 1") == (index.unique, index.where)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a TEXT PRIMARY KEY DESC) WITHOUT ROWID;",
        "CREATE TABLE t (a TEXT UNIQUE ON CONFLICT REPLACE);",
        "CREATE TABLE t (a TEXT, PRIMARY KEY (a DESC));",
    ],
)
def test_where_sqlglot_cannot_follow_sqlite_decides_and_it_is_on_record(statement, caplog):
    schema = schema_reader.read(statement)

    assert ["a"] == [column.name for column in schema.table("t").columns]
    assert 1 == len(schema.differences)
    assert "SQLite alone decides" in schema.differences[0].what
    assert not caplog.records


def test_strict_and_without_rowid_are_sqlites_word():
    schema = schema_reader.read(
        "CREATE TABLE s (a INTEGER PRIMARY KEY) STRICT; CREATE TABLE w (a TEXT PRIMARY KEY) WITHOUT ROWID;"
    )

    assert (True, False) == (schema.table("s").strict, schema.table("s").without_rowid)
    assert (False, True) == (schema.table("w").strict, schema.table("w").without_rowid)


def test_a_contradiction_between_the_readers_is_an_error_in_our_own_ddl(monkeypatch):
    monkeypatch.setattr(
        sqlglot_reader,
        "reconcile_table",
        lambda table, _: (table, [Difference(where="t.a", what="liar", contradiction=True)]),
    )

    with pytest.raises(DdlError, match=r"t\.a: liar"):
        schema_reader.read("CREATE TABLE t (a);")


def test_a_lie_of_one_reader_is_seen():
    """The columns of one statement held against the stored form of another."""
    stored = schema_reader.read("CREATE TABLE t (a TEXT NOT NULL DEFAULT 'x', b REFERENCES p(id), UNIQUE (a));").table(
        "t"
    )
    _, differences = sqlglot_reader.reconcile_table(
        stored, "CREATE TABLE t (a TEXT DEFAULT 'y', c REFERENCES p(id) ON DELETE CASCADE, PRIMARY KEY (a))"
    )

    seen = [difference.what.partition(":")[0] for difference in differences if difference.contradiction]
    assert ["DEFAULT", "NOT NULL", "columns", "PRIMARY KEY", "UNIQUE", "FOREIGN KEY"] == seen


def test_a_virtual_table_is_read_without_sqlglot():
    (table,) = schema_reader.target("analytics").virtual_tables

    assert ("ai_reflections", "fts5", ("content", "timestamp", "tags")) == (table.name, table.module, table.columns)
    assert (("tokenize", "porter unicode61"),) == table.options


def test_statements_are_split_where_sqlite_would_split_them():
    text = """-- a comment; with a semicolon
CREATE TABLE t (a TEXT DEFAULT ';');

/* and; another */ CREATE TRIGGER g AFTER INSERT ON t BEGIN
    DELETE FROM t; DELETE FROM t;
END;
SELECT 1; SELECT 2; -- the end
"""

    found = [(line, statement.split()[1]) for line, statement in schema_reader.statements(text)]

    assert [(2, "TABLE"), (4, "TRIGGER"), (7, "1;"), (7, "2;")] == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE TABLE t (a);\n\nCREATE TABLE t (a);", "line 3: SQLite refuses the statement: table t already exists"),
        ("CREATE TABLE t (a", "line 1: the text ends within a statement; close it with a semicolon"),
    ],
)
def test_an_error_names_the_line(text, message):
    with pytest.raises(DdlError) as caught:
        schema_reader.read(text)

    assert message == str(caught.value)
