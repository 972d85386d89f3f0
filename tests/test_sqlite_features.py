"""The table of SQLite's features in the docs is so: a test for each of its rows."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import generated
import pytest
import small_set

from contracts.checks import row_accounting
from contracts.sets import consolidated as consolidated_set
from contracts.sets import pair as set_pair
from migrator.config.config_file import Config
from migrator.schema import catalogue
from migrator.stages.inventory import inspect_pool, inspect_worker
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.system import content_digest

PAGE = (Path(__file__).parent.parent / "docs" / "reference" / "sqlite-features.md").read_text(encoding="utf-8")
#: Feature -> what becomes of it.
ROWS = dict(re.findall(r"^\| (.+?) \| (carried|not carried|refused) \|", PAGE, re.MULTILINE))
#: Known as a file whose tables nobody specified.
FILE = "custom.db"

FTS = "CREATE VIRTUAL TABLE t USING "
#: Feature -> statements that make it; the tables are called t and so on.
MADE = {
    "column types, as written": ["CREATE TABLE t (a VARCHAR(10), b DECIMAL(5, 2), c)", "INSERT INTO t VALUES ('1', '2.50', x'00')"],
    "NOT NULL": ["CREATE TABLE t (a NOT NULL)"],
    "DEFAULT": ["CREATE TABLE t (a, b DEFAULT (1 + 2), c DEFAULT CURRENT_TIMESTAMP)", "INSERT INTO t (a) VALUES (1)"],
    "COLLATE": ["CREATE TABLE t (a COLLATE NOCASE, UNIQUE (a))", "INSERT INTO t VALUES ('A')"],
    "CHECK": ["CREATE TABLE t (a CHECK (t.a > 0), b CHECK (json_valid(b)))", "INSERT INTO t VALUES (1, '{}')"],
    "UNIQUE": ["CREATE TABLE t (a, b, UNIQUE (a, b))", "INSERT INTO t VALUES (1, NULL), (1, NULL)"],
    "PRIMARY KEY": ["CREATE TABLE t (a TEXT PRIMARY KEY, b)", "INSERT INTO t VALUES (NULL, 1), (NULL, 2), (x'00', 3)"],
    "ON CONFLICT": ["CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE)", "INSERT INTO t VALUES (1, 2)"],
    "generated columns": ["CREATE TABLE t (a, b AS (a + 1), c AS (a || 'x') STORED)", "INSERT INTO t (a) VALUES (1)"],
    "STRICT": ["CREATE TABLE t (a ANY, b INT) STRICT", "INSERT INTO t VALUES ('1', 2)"],
    "WITHOUT ROWID": ["CREATE TABLE t (a TEXT PRIMARY KEY, b) WITHOUT ROWID", "INSERT INTO t VALUES ('z', 1), ('a', 2)"],
    "AUTOINCREMENT": ["CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "INSERT INTO t VALUES (7)", "DELETE FROM t"],
    "rowids": ["CREATE TABLE t (a)", "INSERT INTO t (rowid, a) VALUES (2, 'x'), (5, 'x'), (9, 'x')"],
    "columns called rowid, _rowid_ and oid": ["CREATE TABLE t (rowid, _rowid_, oid)", "INSERT INTO t VALUES (3, 1, 1), (1, 1, 1), (1, 1, 1)"],
    "2,000 columns": [f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(2_000))})", "INSERT INTO t (rowid, c7) VALUES (2, 1), (5, 1)"],
    "names that have to be quoted": ['CREATE TABLE "select ""t"" .x" ("a b", [c,d], `e``f`, \u00c4, \u00e4)', "CREATE TABLE \u00c4 (x INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE \u00e4 (x)", "INSERT INTO \u00c4 VALUES (7)", "DELETE FROM \u00c4"],
    "foreign keys": ["CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE t (a REFERENCES p(id), FOREIGN KEY (a) REFERENCES p)", "INSERT INTO t VALUES (1)"],
    "two objects of one carried name": ["CREATE TABLE t (a)"],
    "a collation or function of the application's own": ["CREATE TABLE t (a, b AS (score_of(a)))"],
    "indexes": ["CREATE TABLE t (a, b)", "CREATE INDEX i ON t (a, b)", "INSERT INTO t VALUES (1, 2)"],
    "unique indexes": ["CREATE TABLE t (a, b)", "CREATE UNIQUE INDEX i ON t (a)", "INSERT INTO t VALUES (1, 2)"],
    "indexes DESC, COLLATE, on expressions, and partial ones": ["CREATE TABLE t (a, b)", "CREATE INDEX i ON t (a DESC, b COLLATE NOCASE, a + b) WHERE a > 0"],
    "an index that needs the application's own function or collation": ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "CREATE INDEX i ON t (score_of(a))"],
    "statistics of ANALYZE": ["CREATE TABLE t (a)", "CREATE INDEX i ON t (a)", "INSERT INTO t VALUES (1)", "ANALYZE"],
    "views": ["CREATE TABLE t (a)", "CREATE VIEW v AS SELECT * FROM t"],
    "triggers": ["CREATE TABLE t (a)", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END"],
    "FTS3, FTS4, FTS5 with rows of their own": [f"{FTS}fts4(a)", "INSERT INTO t VALUES ('x')"],
    "FTS5 without content (`content=''`)": [f"{FTS}fts5(a, content='')", "INSERT INTO t (rowid, a) VALUES (1, 'x')"],
    "FTS4, FTS5 over a table or view": ["CREATE TABLE p (a)", f"{FTS}fts5(a, content='p')", "INSERT INTO p VALUES ('x')"],
    "FTS without rows": ["CREATE TABLE p (a)", f"{FTS}fts5(a)"],
    "a tokenizer that is not here": [f"{FTS}fts5(a)", "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, '(a)', '(a, tokenize = mine)')"],
    "R-Tree and Geopoly with rows": [f"{FTS}rtree(a, b, c)", "INSERT INTO t VALUES (1, 2, 3)"],
    "modules that show what lies elsewhere: fts5vocab, fts4aux, fts3tokenize, dbstat, csv, unionvtab, swarmvtab": ["CREATE TABLE p (a)", f"{FTS}fts3tokenize(porter)"],
    "any other module, such as vec0": ["CREATE TABLE p (a)", "PRAGMA writable_schema = ON", "INSERT INTO sqlite_schema VALUES ('table', 't', 't', 0, 'CREATE VIRTUAL TABLE t USING vec0(a)')"],
    "user_version": ["CREATE TABLE t (a)", "PRAGMA user_version = 7"],
    "application_id": ["CREATE TABLE t (a)", "PRAGMA application_id = 7"],
    "encoding UTF-16": ["PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (a)", "INSERT INTO t VALUES ('\u00e4' || char(0) || 'b')"],
    "page_size, auto_vacuum, journal mode": ["PRAGMA page_size = 512", "PRAGMA auto_vacuum = FULL", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"],
    "a schema in the syntax of a newer SQLite": ["CREATE TABLE t (a)", "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a DEFAULT 1_000)'"],
    "a row that breaks a CHECK, NOT NULL or UNIQUE of its own table": ["CREATE TABLE t (a CHECK (a > 0))", "PRAGMA ignore_check_constraints = ON", "INSERT INTO t VALUES (-1)"],
}  # fmt: skip
#: Feature that is not carried -> what plan lists; nothing where the specification has its own.
LISTED = {
    "foreign keys": "",
    "statistics of ANALYZE": "",
    "views": "views stay in the backup and are not executed: v",
    "triggers": "triggers stay in the backup and are not executed: r",
    "FTS4, FTS5 over a table or view": "t (fts5) is an index over p; it stays in the backup",
    "FTS without rows": "t (fts5) has no rows; it stays in the backup",
    "modules that show what lies elsewhere: fts5vocab, fts4aux, fts3tokenize, dbstat, csv, unionvtab, swarmvtab": "t (fts3tokenize) shows what lies elsewhere",
    "user_version": "its user_version is 7",
    "application_id": "its application_id is 7",
    "page_size, auto_vacuum, journal mode": "",
}  # fmt: skip


def make(feature, path):
    """Make the file of a feature at *path*."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("score_of", 1, lambda _: 1, deterministic=True)
        for statement in MADE[feature]:
            connection.execute(statement)


def examined(paths, **_):
    """What the child answers, in this process."""
    answers = {}
    for number, path in enumerate(paths):
        with generated.scratch() as folder:
            answers[path] = inspect_worker.examine(path, copy=folder / f"{number}.db", seconds=60)
    return answers


@pytest.fixture(name="made")
def _made(tmp_path, monkeypatch):
    """Make the file of a feature in a set of its own; return the folder of the set."""
    monkeypatch.setattr(inspect_pool, "examine", examined)
    monkeypatch.setattr(generated, "_examined", examined)

    def in_a_set(feature):
        (tmp_path / "data").mkdir()
        make(feature, tmp_path / "data" / FILE)
        if feature == "two objects of one carried name":
            with closing(sqlite3.connect(tmp_path / "data" / "custom_t.db")) as connection:
                connection.executescript("CREATE TABLE u (a); CREATE INDEX x ON u (a)")
            with closing(sqlite3.connect(tmp_path / "data" / FILE)) as connection:
                connection.execute("CREATE TABLE t_x (a)")
        return tmp_path

    return in_a_set


def test_every_row_has_a_test_and_every_test_a_row():
    assert MADE.keys() == ROWS.keys()
    assert {one for one, fate in ROWS.items() if fate == "not carried"} == LISTED.keys()


@pytest.mark.parametrize("feature", [one for one, fate in ROWS.items() if fate == "refused"])
def test_is_refused_by_name_with_a_way_out(made, feature):
    folder = made(feature)

    found = plan_stage.plan(inventory(folder / "data"), Config(files={"custom_t.db": "carry:core"}), disk=folder)

    (refusal,) = [
        one for one in found.refusals if one.startswith(("custom.db: ", "custom.t_x and the index custom_t.x "))
    ]
    assert "damaged" not in refusal
    assert re.search(r"\[files\]|rename one of them|correct these rows", refusal)


@pytest.mark.parametrize("feature", [one for one, fate in ROWS.items() if fate != "refused"])
def test_is_carried_whole_or_listed(made, feature):
    run = generated.Run(made(feature), Config())

    run.check()
    listed = LISTED.get(feature, "")
    assert any(listed in one for one in run.plan.findings)
    (run.folder / "judged").mkdir()
    consolidated = consolidated_set.subject(run.stage, run.folder / "judged")
    judged = set_pair.pair(run.snapshot.folder, consolidated, run.folder / "judged", None)
    for target in catalogue.TARGETS:
        assert [] == list(row_accounting.carried_unlike(judged, target))
    for table in judged.legacy.every_table():
        assert (["core"] if table.kind == "table" else []) == row_accounting.carried_in(judged, table)
        if table.kind == "table":
            assert [] == list(row_accounting.declared_unlike(judged, table, "core", ()))


@pytest.mark.slow
def test_a_rollback_brings_each_back_as_it_was():
    """Each in a file of its own, beside a small set: what is not carried comes back from the backup."""
    with generated.scratch() as home:
        small_set.write(home)
        with (home / "data" / "migrator.toml").open("a", encoding="utf-8") as configuration:
            configuration.write("[files]\n")
            for number, feature in enumerate(one for one, fate in ROWS.items() if fate != "refused"):
                make(feature, home / "data" / f"feature {number}.db")
                configuration.write(f'"feature {number}.db" = "carry:analytics"\n')
        before = held(home / "data")
        small_set.build(home)
        small_set.cut_over(home)

        done = small_set.roll_back(home)

        assert {} == done.residue
        assert before == held(home / "data")


def held(data):
    """What each file of a feature holds, the numbers and the layout of its header included."""
    found = {}
    for path in sorted(data.glob("feature *.db")):
        with closing(sqlite3.connect(path)) as connection:
            asked = ("user_version", "application_id", "encoding", "page_size", "auto_vacuum", "journal_mode")
            header = [connection.execute(f"PRAGMA {name}").fetchone() for name in asked]
            found[path.name] = (content_digest.digest(connection), header)
    return found
