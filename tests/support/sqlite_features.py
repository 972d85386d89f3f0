"""A file for each row of docs/reference/sqlite-features.md."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sqlite-features.md").read_text(encoding="utf-8")


#: Feature -> what becomes of it.
ROWS = dict(re.findall(r"^\| (.+?) \| (carried|not carried|refused) \|", PAGE, re.MULTILINE))


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
    "text in UTF-16 with half of a character (an unpaired surrogate) before other text": ["PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (a)", "INSERT INTO t VALUES (CAST(x'00d86100' AS TEXT))"],
    "text that is not valid UTF-8": ["CREATE TABLE t (a PRIMARY KEY, b UNIQUE)", "INSERT INTO t VALUES (CAST(x'ff' AS TEXT), CAST(x'61edb08062' AS TEXT))"],
    "page_size, auto_vacuum, journal mode": ["PRAGMA page_size = 512", "PRAGMA auto_vacuum = FULL", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"],
    "a schema in the syntax of a newer SQLite": ["CREATE TABLE t (a)", "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a DEFAULT 1_000)'"],
    "a row that breaks a CHECK, NOT NULL or UNIQUE of its own table": ["CREATE TABLE t (a CHECK (a > 0))", "PRAGMA ignore_check_constraints = ON", "INSERT INTO t VALUES (-1)"],
}  # fmt: skip


def make(feature, path):
    """Make the file of a feature at *path*."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("score_of", 1, lambda _: 1, deterministic=True)
        for statement in MADE[feature]:
            connection.execute(statement)
