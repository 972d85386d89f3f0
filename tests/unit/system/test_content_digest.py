"""The digest speaks of content: layout does not change it, one bit does."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from migrator.system import content_digest

HERE = Path(content_digest.__file__).parent
SCHEMA = """
CREATE TABLE keyed (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE, price REAL, raw BLOB, any);
CREATE TABLE named (name TEXT PRIMARY KEY, value);
CREATE TABLE plain (a, b);
CREATE TABLE pairs (a TEXT, b INTEGER, c, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE INDEX by_name ON keyed (name);
CREATE VIEW dear AS SELECT * FROM keyed WHERE price > 1;
CREATE VIRTUAL TABLE own USING fts5(text);
CREATE VIRTUAL TABLE outer USING fts5(name, content='keyed', content_rowid='id');
"""
ROWS = {
    "keyed": [(1, "A", 1.5, b"\x00", None), (2, "a", 2.5, b"", 1), (9, "é\x00", -0.0, None, 2**63 - 1)],
    "named": [("x", 1), ("X", 1.5), (None, "1"), (None, b"1")],
    "plain": [(1, "a"), (1, "a"), (1, None), (None, None)],
    "pairs": [("a", 2, "c"), ("b", 1, "c")],
    "own": [("to be",), ("or not",)],
}
#: What the above hashes to, on every interpreter.  A change means that digests taken before cannot be compared.
PINNED = "82dd6dddbfd65666f4a730cfdb19cf9a22f6212f08531b006aac945460b4b88b"
#: The same in format 1.
FORMER = "7b928aafac72b4dc0fc2d781aeb701a3a5b1e9e470a36c1310a6e5cf898ee85a"


def filled(target=":memory:", *, rows=ROWS, schema=SCHEMA, before=""):
    connection = sqlite3.connect(target, isolation_level=None)
    connection.executescript(before + schema)
    for table, values in rows.items():
        for row in values:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return connection


def of(script):
    """Return the digest of what an SQL script makes."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(script)
        return content_digest.digest(connection)


def of_rows(script):
    """Return the digest of the rows of the table t that an SQL script makes, without their rowids."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(script)
        return content_digest.table_digest(connection, "main", "t", numbered=False)


@pytest.fixture(name="connection")
def _connection(tmp_path):
    with closing(filled(tmp_path / "a.db")) as connection:
        yield connection


def test_the_digest_is_pinned(connection):
    assert PINNED == content_digest.digest(connection)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_interpreters_agree(version, tmp_path):
    """marshal's format is not promised for ever, so each interpreter at hand is asked."""
    pythons = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    if not pythons:
        pytest.skip(f"pyenv has no Python {version} here; CI runs this suite under each version")
    filled(tmp_path / "a.db").close()
    # The package is not installed there, so that its __init__ could not find its version.
    script = (
        "import sqlite3, sys, types\n"
        "for name, folder in zip(('migrator', 'migrator.system'), sys.argv[2:]):\n"
        "    package = sys.modules[name] = types.ModuleType(name); package.__path__ = [folder]\n"
        "from migrator.system import content_digest;"
        "print(content_digest.digest(sqlite3.connect(sys.argv[1])))"
    )

    done = subprocess.run(
        [pythons[-1], "-c", script, tmp_path / "a.db", HERE.parent, HERE],
        capture_output=True,
        text=True,
        check=True,
    )

    assert PINNED == done.stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "VACUUM",
        "PRAGMA journal_mode = WAL",
        "ANALYZE",
        "REINDEX",
        "PRAGMA page_size = 1024; VACUUM",
        "DELETE FROM keyed WHERE id = 1; INSERT INTO keyed VALUES (1, 'A', 1.5, x'00', NULL)",
        "DELETE FROM pairs; INSERT INTO pairs VALUES ('a', 2, 'c'), ('b', 1, 'c')",
        "INSERT INTO own(own) VALUES ('optimize')",
        "INSERT INTO outer(outer) VALUES ('rebuild')",
    ],
)
def test_layout_does_not_change_it(connection, statement):
    before = content_digest.digest(connection)

    connection.executescript(statement)

    assert before == content_digest.digest(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keyed SET any = 1.0 WHERE id = 2",
        "UPDATE keyed SET any = '' WHERE id = 1",
        "UPDATE keyed SET name = CAST(name AS BLOB) WHERE id = 1",
        "UPDATE keyed SET price = 1.5000000000000002 WHERE id = 1",
        "UPDATE keyed SET any = any - 1 WHERE id = 9",
        "UPDATE keyed SET raw = x'01' WHERE id = 1",
        "UPDATE keyed SET name = char(233, 0, 0) WHERE id = 9",
        "UPDATE keyed SET id = 3 WHERE id = 2",
        "UPDATE named SET value = x'31' WHERE value = '1'",
        "UPDATE pairs SET c = 'd' WHERE a = 'a'",
        "INSERT INTO plain VALUES (1, 'a')",
        "DELETE FROM plain WHERE rowid = 1",
        "INSERT INTO own VALUES ('that is')",
        "UPDATE own SET text = 'not or' WHERE rowid = 2",
        "UPDATE sqlite_sequence SET seq = 10",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
        "UPDATE plain SET rowid = 9 WHERE rowid = 1",
        "UPDATE plain SET rowid = 9 - rowid; UPDATE plain SET rowid = rowid - 4",
        "UPDATE named SET rowid = 9 WHERE rowid = 1",
        "DELETE FROM plain; INSERT INTO plain VALUES (NULL, NULL), (1, NULL), (1, 'a'), (1, 'a')",
        "ALTER TABLE plain RENAME COLUMN b TO c",
        "ALTER TABLE plain ADD COLUMN c",
        "DROP INDEX by_name",
        "DROP VIEW dear",
        "CREATE TABLE more (a)",
        "CREATE TRIGGER t AFTER INSERT ON plain BEGIN SELECT 1; END",
    ],
)
def test_content_changes_it(connection, statement):
    before = content_digest.digest(connection)

    connection.executescript(statement)

    assert before != content_digest.digest(connection)


WIDE = f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(2_000))});"


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("CREATE TABLE t (x);", "INSERT INTO t (rowid, x) VALUES ({}, 'a'), ({}, 'b')"),
        ("CREATE TABLE t (x TEXT PRIMARY KEY);", "INSERT INTO t (rowid, x) VALUES ({}, 'a'), ({}, 'b')"),
        ("CREATE TABLE t (x INT PRIMARY KEY);", "INSERT INTO t (rowid, x) VALUES ({}, 7), ({}, 8)"),
        ("CREATE TABLE t (x INTEGER PRIMARY KEY DESC);", "INSERT INTO t (rowid, x) VALUES ({}, 7), ({}, 8)"),
        ("CREATE TABLE t (RowID, x);", "INSERT INTO t (oid, x) VALUES ({}, 'a'), ({}, 'b')"),
        ("CREATE TABLE t (x, rowid AS (x || 'y'), oid AS (x) STORED);", "INSERT INTO t (_rowid_, x) VALUES ({}, 'a'), ({}, 'b')"),
        (WIDE, "INSERT INTO t (rowid, c7) VALUES ({}, 'a'), ({}, 'b')"),
    ],
)  # fmt: skip
def test_rowids_are_content_where_no_column_is_the_rowid(table, rows):
    numbers = [(2, 5), (5, 2), (2, 6), (3, 5)]

    assert len(numbers) == len({of(table + rows.format(*pair)) for pair in numbers})
    assert 1 == len({of_rows(table + rows.format(*pair)) for pair in numbers})


def test_what_a_record_of_an_older_version_holds_is_recognized(connection):
    """Format 1 counted neither numbers of the header nor rowids."""
    assert FORMER == content_digest.as_recorded(connection, FORMER)
    assert PINNED == content_digest.as_recorded(connection, PINNED)
    assert PINNED == content_digest.as_recorded(connection, "")
    assert PINNED == content_digest.as_recorded(connection, "0" * 64)

    connection.execute("PRAGMA user_version = 7")

    assert PINNED == content_digest.as_recorded(connection, PINNED, marks=(0, 0))
    assert FORMER == content_digest.as_recorded(connection, FORMER)
    assert content_digest.digest(connection) == content_digest.as_recorded(connection, PINNED)


def test_rows_do_not_move_between_tables():
    tables = "CREATE TABLE a (x); CREATE TABLE b (x);"

    assert of(f"{tables} INSERT INTO a VALUES (1)") != of(f"{tables} INSERT INTO b VALUES (1)")


def test_zeros_of_two_signs_differ_where_sqlite_keeps_the_sign():
    zeros = []
    for zero in (0.0, -0.0):
        with closing(filled(schema="CREATE TABLE t (x);", rows={"t": [(zero,)]})) as connection:
            zeros.append(content_digest.digest(connection))

    assert zeros[0] != zeros[1]


def test_text_that_is_not_utf_8_has_a_digest_of_its_own():
    texts = ["x'ff'", "x'fe'", "x'edb3bf'", "x'c3bf'"]

    assert len(texts) == len({of(f"CREATE TABLE t (x); INSERT INTO t VALUES (CAST({text} AS TEXT))") for text in texts})


def test_one_odd_text_does_not_change_how_the_others_are_hashed():
    """The table is read again with another decoder; what both can decode must be encoded alike."""
    rows = (
        "INSERT INTO t VALUES ('a'), ('é'), (CAST(x'ff' AS TEXT)), (2.5); DELETE FROM t WHERE x = CAST(x'ff' AS TEXT)"
    )

    assert of_rows(f"CREATE TABLE t (x); {rows}") == of_rows(
        "CREATE TABLE t (x); INSERT INTO t VALUES ('a'), (2.5), ('é')"
    )
    with closing(filled(rows={**ROWS, "plain": [("é", "a")]})) as connection:
        strict = content_digest.content(connection).tables
        connection.execute("INSERT INTO named VALUES ('odd', CAST(x'ff' AS TEXT))")
        lenient = content_digest.content(connection).tables
        changed = {after.name for before, after in zip(strict, lenient, strict=True) if before != after}
    assert {"named"} == changed


cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 0.0, -0.0, 1.0, -1, -1.0, 2**53, 2.0**53, 2**62, 2.0**62, "1", b"1", "", b"", "A", "a"]),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)


@pytest.mark.parametrize("declared", ["a, b", "a TEXT PRIMARY KEY, b", "a COLLATE NOCASE, b REAL, PRIMARY KEY (a, b)"])
@given(data=st.data())
def test_without_rowids_the_order_of_insertion_does_not_matter(declared, data):
    """Also where rows compare equal and are not the same: 1 and 1.0, 0.0 and -0.0."""
    rows = data.draw(st.lists(st.tuples(cells, cells), max_size=12))
    shuffled = data.draw(st.permutations(rows))
    digests = []
    for ordered in (rows, shuffled):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.execute(f"CREATE TABLE t ({declared})")
            connection.executemany("INSERT OR IGNORE INTO t VALUES (?, ?)", ordered)
            # Of rows with the same key the first stays, which is another content.
            assume(connection.execute("SELECT count(*) FROM t").fetchone() == (len(rows),))
            digests.append(content_digest.table_digest(connection, "main", "t", numbered=False))

    assert digests[0] == digests[1]


@given(rows=st.lists(st.tuples(cells, cells), max_size=8), other=st.lists(st.tuples(cells, cells), max_size=8))
def test_digests_agree_exactly_if_the_rows_do(rows, other):
    """The storage class is part of a cell: the model is its repr, as a list with rowids and as a multiset without."""
    digests, models, unnumbered, multisets = [], [], [], []
    for values in (rows, other):
        with closing(filled(schema="CREATE TABLE t (a, b);", rows={"t": values})) as connection:
            digests.append(content_digest.digest(connection))
            unnumbered.append(content_digest.table_digest(connection, "main", "t", numbered=False))
            models.append(list(map(repr, connection.execute("SELECT a, b FROM t ORDER BY rowid"))))
            multisets.append(sorted(models[-1]))

    assert (models[0] == models[1]) == (digests[0] == digests[1])
    assert (multisets[0] == multisets[1]) == (unnumbered[0] == unnumbered[1])


@pytest.mark.parametrize(
    "pair", [("1", "1.0"), ("0.0", "-0.0"), ("'A'", "'a'"), ("4611686018427387904", "4611686018427387904.0")]
)
@pytest.mark.parametrize("declared", ["x", "x COLLATE NOCASE"])
@pytest.mark.parametrize("before", range(10))
def test_rows_that_compare_equal_have_an_order(pair, declared, before):
    """Wherever they fall in what is fetched at once."""
    first = "".join(f"INSERT INTO t VALUES (-{n}, 0);" for n in range(2, before + 2))
    pairs = [f"INSERT INTO t VALUES ({pair[n]}, 0); INSERT INTO t VALUES ({pair[1 - n]}, 0);" for n in (0, 1)]

    assert of_rows(f"CREATE TABLE t ({declared}, y); {first} {pairs[0]}") == of_rows(
        f"CREATE TABLE t ({declared}, y); {first} {pairs[1]}"
    )


@pytest.mark.parametrize("number", ["", "rowid"])
def test_the_table_is_read_and_not_an_index_that_has_all_its_columns(number):
    """A damaged index could hide a row or double one."""
    with closing(filled(schema="CREATE TABLE t (a, b); CREATE INDEX i ON t (a, b);", rows={})) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {content_digest.rows_sql('main', 't', [('a', 0), ('b', 0)], number)}"
        ).fetchall()

    assert not any("INDEX" in step[3] for step in plan), plan


def test_what_a_stored_generated_column_holds_is_content():
    """It is stored, and may differ from its expression."""
    script = "CREATE TABLE t (x, y AS (x + {}) STORED); INSERT INTO t (x) VALUES (1);"
    told = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '+ 3', '+ 2');"

    assert of(script.format(2)) != of(script.format(3) + told)


def test_many_equal_rows_are_all_counted():
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO t SELECT {} FROM n"
    digests = {
        of_rows(f"CREATE TABLE t (x); {many.format(count, value)}")
        for count in (511, 512, 513, 3000, 3001)
        for value in ("1", "1.0", "i % 2", "i")
    }

    assert 20 == len(digests)


def test_no_key_and_equal_values_of_two_classes_over_many_rows():
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT {} FROM n;"
    )

    assert of_rows("CREATE TABLE t (x);" + many.format("1") + many.format("1.0")) == of_rows(
        "CREATE TABLE t (x);" + many.format("iif(i % 2, 1, 1.0)") * 2
    )


def test_generated_columns_and_odd_names_are_read():
    script = """
    CREATE TABLE "a ""b"" [c]" (x, "select" AS (x + 1), "y
    z" AS (x + 2) STORED);
    INSERT INTO "a ""b"" [c]" (x) VALUES (1);
    CREATE TABLE `rowid` (rowid, oid TEXT PRIMARY KEY);
    INSERT INTO `rowid` VALUES (1, 2);
    """

    assert of(script) != of(script.replace("VALUES (1)", "VALUES (2)"))


def test_virtual_tables_of_unknown_modules_are_named_and_not_read(connection):
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_schema VALUES ('table', 'spy', 'spy', 0, 'CREATE VIRTUAL TABLE spy USING spies(x)')"
    )
    connection.execute("CREATE TABLE spy_data (x)")
    before = content_digest.content(connection)
    connection.execute("INSERT INTO spy_data VALUES (1)")

    assert ("spy", "spies") in content_digest.layout(connection).virtual
    assert before.digest != content_digest.digest(connection), "what an unknown module keeps beside is content"


def test_an_attached_database_is_digested_alike(connection, tmp_path):
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("ATTACH ? AS 'odd name'", (str(tmp_path / "a.db"),))

        assert content_digest.digest(connection) == content_digest.digest(other, "odd name")


def test_the_callers_transaction_and_decoder_are_left_alone(connection):
    connection.text_factory = bytes
    connection.row_factory = sqlite3.Row
    connection.execute("BEGIN")
    connection.execute("INSERT INTO plain VALUES (5, 5)")

    content_digest.digest(connection)

    assert connection.in_transaction
    assert bytes is connection.text_factory
    connection.execute("ROLLBACK")
    assert not connection.in_transaction
    content_digest.digest(connection)
    assert not connection.in_transaction


def test_memory_is_bounded_where_rows_are_large(tmp_path):
    script = f"""
import resource, sqlite3, sys
sys.path.insert(0, {str(HERE.parents[1])!r})
from migrator.system import content_digest
connection = sqlite3.connect({str(tmp_path / "large.db")!r}, isolation_level=None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
content_digest.digest(connection)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    with closing(sqlite3.connect(tmp_path / "large.db")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
        connection.executemany("INSERT INTO t (x) VALUES (zeroblob(2000000))", [()] * 60)
        connection.commit()

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 80, "MiB for 120 MB of rows"
