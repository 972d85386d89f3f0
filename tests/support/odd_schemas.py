"""Hypothesis: odd but legal files, after the pages of SQLite's grammar: CREATE TABLE, CREATE INDEX, column and table constraints.

A drawn file is a list of statements; those that SQLite refuses are left out, as their author would have met the error.
"""

import contextlib
import sqlite3

from hypothesis import strategies as st

from migrator.system.connections import folded

#: Names that have to be quoted, that are keywords, or that differ in case alone where SQLite knows no case.
NAMES = (
    "a", "b", "c d", "rowid", "_ROWID_", "oid", "references", "FOREIGN KEY (x", "select", 'e"f', "g.h", "i'j", "[k]", "`l`", "%s", "{m}",
    "\u00c4", "\u00e4", "\u212a", "k", "n\u00a0o", "table", "ON", "-- p", "/* q", "?1", ":r", "$s", "\N{SNOWMAN}", "t,u", "v;w", "(", ")", "1", "NULL", "id",
)  # fmt: skip
TYPES = (
    "",
    "INTEGER",
    "TEXT",
    "REAL",
    "BLOB",
    "NUMERIC",
    "VARCHAR(10)",
    "DECIMAL(10, 2)",
    "DOUBLE PRECISION",
    "\u00a0",
    "BOOLEAN",
    "INT",
)
STRICT_TYPES = ("INTEGER", "TEXT", "REAL", "BLOB", "ANY", "INT")
CONFLICT = ("", " ON CONFLICT ROLLBACK", " ON CONFLICT IGNORE", " ON CONFLICT REPLACE", " ON CONFLICT ABORT")
SPACES = (" ", "\n", "\t", " -- , ) REFERENCES\n", " /* FOREIGN KEY (a) */ ")
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 3),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.text(max_size=6),
    st.sampled_from(["", "a", "A", "a\0b", "1", "1.0", b"a", 1.0, 0.0, -0.0, "{}", '{"x": 1}', 9e999]),
)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def name_of(draw, name):
    """The *name* as one may write it."""
    ways = [quoted(name)]
    if "]" not in name:
        ways.append(f"[{name}]")
    ways.append("`" + name.replace("`", "``") + "`")
    if name.isalpha() and name.isascii() and len(name) < 3:
        ways.append(name)
    return draw(st.sampled_from(ways))


def expression(draw, column, table):
    """A condition or a value over *column*; some name the table, some are JSON."""
    return draw(
        st.sampled_from(
            [
                f"{column} IS NOT 'never'",
                f"{quoted(table)}.{column} IS NOT 7.25",
                f"json_valid(coalesce({column}, 'null')) OR 1",
                f"typeof({column}) <> 'never' COLLATE NOCASE",
                f"({column} || ', REFERENCES p') IS NOT x'00'",
                f"length({column}) IS NOT 77",
                f"CASE WHEN {column} THEN 1 ELSE 2 END",
            ]
        )
    )


@st.composite
def tables(draw, name):
    """A CREATE TABLE statement with a foreign key, a generated column or a conflict clause here and there."""
    columns = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique_by=folded))
    strict = draw(st.integers(0, 4)) == 0
    space = draw(st.sampled_from(SPACES))
    parts = []
    for column in columns:
        written = name_of(draw, column)
        words = [written, draw(st.sampled_from(STRICT_TYPES if strict else TYPES))]
        if not parts and draw(st.integers(0, 4)) == 0:
            words = [written, "INTEGER PRIMARY KEY AUTOINCREMENT"]
        other = name_of(draw, draw(st.sampled_from(columns)))
        for _ in range(draw(st.integers(0, 2))):
            conflict = draw(st.sampled_from(CONFLICT))
            words.append(
                draw(
                    st.sampled_from(
                        [
                            f"NOT NULL{conflict}",
                            f"NOT NULL{conflict} DEFAULT 'x'",
                            f"UNIQUE{conflict}",
                            "DEFAULT (1 + (2))",
                            "DEFAULT CURRENT_TIMESTAMP",
                            'DEFAULT "double"',
                            "DEFAULT -1.5e-3",
                            "COLLATE NOCASE",
                            "COLLATE RTRIM",
                            "REFERENCES parent(id) ON DELETE CASCADE",
                            f"CONSTRAINT link REFERENCES {quoted(name)} DEFERRABLE INITIALLY DEFERRED",
                            "NOT DEFERRABLE",
                            f"CHECK ({expression(draw, other, name)})",
                            f"CONSTRAINT {quoted('named ' + column)}",
                            f"AS ({expression(draw, other, name)})",
                            f"GENERATED ALWAYS AS (typeof({other})) STORED",
                            f"PRIMARY KEY{conflict}",
                            f"PRIMARY KEY DESC{conflict}",
                        ]
                    )
                )
            )
        parts.append(space.join(word for word in words if word))
    body = f",{space}".join(parts)
    for _ in range(draw(st.integers(0, 2))):
        several = ", ".join(
            f"{name_of(draw, column)}{draw(st.sampled_from(['', ' DESC', ' COLLATE NOCASE']))}"
            for column in draw(st.lists(st.sampled_from(columns), min_size=1, max_size=3, unique=True))
        )
        one = name_of(draw, draw(st.sampled_from(columns)))
        constraint = draw(
            st.sampled_from(
                [
                    f"UNIQUE ({several})",
                    f"PRIMARY KEY ({several}){draw(st.sampled_from(CONFLICT))}",
                    f"CHECK ({expression(draw, one, name)})",
                    f"FOREIGN KEY ({one}) REFERENCES {quoted(name)} ON UPDATE SET NULL MATCH FULL",
                    f"CONSTRAINT {quoted('all')} FOREIGN KEY ({one}) REFERENCES gone(id)",
                    "CONSTRAINT alone",
                ]
            )
        )
        body += f"{draw(st.sampled_from([',', ', ', ' , ']))}{constraint}"
    options = [*(["STRICT"] if strict else []), *(["WITHOUT ROWID"] if draw(st.integers(0, 3)) == 0 else [])]
    return f"CREATE TABLE{space}{quoted(name)}{space}({body}{space}) {', '.join(options)}"


@st.composite
def files(draw):
    """Statements, and the rows (table, cells) that are tried to be put in, each with a rowid or None."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique_by=folded))
    statements = [draw(tables(name)) for name in names]
    for number in range(draw(st.integers(0, 3))):
        table = draw(st.sampled_from(names))
        unique = draw(st.sampled_from(["", "UNIQUE "]))
        part = name_of(draw, draw(st.sampled_from(NAMES)))
        keyed = draw(
            st.sampled_from(
                [
                    part,
                    f"{part} DESC",
                    f"{part} COLLATE NOCASE",
                    expression(draw, part, table).replace(f"{quoted(table)}.", ""),
                ]
            )
        )
        where = draw(st.sampled_from(["", f" WHERE {part} IS NOT NULL"]))
        index = f"{draw(st.sampled_from(NAMES))} index {number}"
        statements.append(f"CREATE {unique}INDEX {quoted(index)} ON {quoted(table)} ({keyed}){where}")
    others = [
        f"CREATE VIEW {quoted('view of it')} AS SELECT * FROM {quoted(names[0])}",
        f"CREATE TRIGGER tr AFTER INSERT ON {quoted(names[0])} BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE f USING fts5(body)",
        f"CREATE VIRTUAL TABLE f USING fts5(body, content={quoted(names[0])})",
        "CREATE VIRTUAL TABLE f USING fts5(body, content='')",
        "CREATE VIRTUAL TABLE f USING fts4(body)",
        "CREATE VIRTUAL TABLE f USING rtree(id, low, high)",
        f"PRAGMA user_version = {draw(st.integers(-5, 5))}",
        "ANALYZE",
    ]
    later = draw(st.lists(st.sampled_from(others), max_size=2, unique=True))
    rows = draw(
        st.lists(st.tuples(st.sampled_from(names), st.one_of(st.none(), st.integers(-5, 50)), st.lists(CELLS, min_size=5, max_size=5)), max_size=12)
    )  # fmt: skip
    return statements, later, rows, draw(st.booleans())


def write(drawn, path):
    """Make the file *drawn*; return the refusals that plan may print."""
    statements, later, rows, filled = drawn
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 1")
        for statement in (*statements, *later):
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute(statement)
        for table, rowid, cells in rows:
            names = [
                name
                for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE NOT hidden", (table,))
            ]
            given = list(cells[: len(names)])
            alias = next((one for one in ("rowid", "_rowid_", "oid") if one not in map(str.lower, names)), "")
            if rowid is not None and alias:
                names, given = [*names, alias], [*given, rowid]
            with contextlib.suppress(sqlite3.Error):
                connection.execute(
                    f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})",
                    given,
                )
        if filled:
            for values in ("(rowid, body) VALUES (1, 'x')", "VALUES (1, 2, 3)"):
                with contextlib.suppress(sqlite3.OperationalError):
                    connection.execute(f"INSERT INTO f {values}")
        against = []
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'f'").fetchall():
            against.append("left_behind")
        try:
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                # SQLite lets some rows in that its own check finds: a generated column of a STRICT table has no type yet.
                against.append("integrity check reports")
            for (table,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table'").fetchall():
                if not table.startswith("sqlite_"):
                    connection.execute(f"EXPLAIN INSERT INTO {quoted(table)} DEFAULT VALUES")
        except sqlite3.OperationalError as error:
            # It makes tables that it cannot read or fill: a generated column may be made of itself.
            against.append(str(error).partition(' on "')[0])
        return against
