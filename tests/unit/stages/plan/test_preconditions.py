"""Plan refuses what no build can carry: by its name, with a way out, and not as damage."""

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import generated
import pytest
import small_set

import contracts
import migrator
from migrator.config.config_file import Config
from migrator.schema import catalogue
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage

FILE = "odd.db"
CARRIED = {"files": {FILE: "carry:core"}}


def made(data, *statements, schema=()):
    """Make a database of *statements*, then put the texts *schema* (name -> sql) into its schema by hand."""
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as connection:
        connection.create_function("score_of", 1, lambda _: 1, deterministic=True)
        connection.create_collation("german", lambda one, other: (one > other) - (one < other))
        for statement in statements:
            connection.execute(statement)
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in dict(schema).items():
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))


def planned(data, **decided):
    with small_set.in_this_process():
        return plan_stage.plan(inventory(data), Config(**CARRIED | decided), disk=data)


def read_by_a_child(data, **decided):
    return plan_stage.plan(inventory(data), Config(**CARRIED | decided), disk=data)


def of_file(sentences):
    return [one for one in sentences if one.startswith(FILE)]


#: Virtual tables that keep what nothing else has -> statements, what plan says.
KEEPING = {
    "fts5": (["CREATE VIRTUAL TABLE seen USING fts5(body)", "INSERT INTO seen VALUES ('x')"], "seen (fts5): keeps 1 rows of its own"),
    "fts4": (["CREATE VIRTUAL TABLE seen USING fts4(body)", "INSERT INTO seen VALUES ('x')"], "seen (fts4): keeps 1 rows of its own"),
    "fts3": (["CREATE VIRTUAL TABLE seen USING fts3(content)", "INSERT INTO seen VALUES ('x')"], "seen (fts3): keeps 1 rows of its own"),
    "fts5 without content": (["CREATE VIRTUAL TABLE seen USING fts5(body, content='')", "INSERT INTO seen (rowid, body) VALUES (1, 'x')"], "seen (fts5): is an index over rows that are kept nowhere else"),
    "fts5 without content or sizes": (['CREATE VIRTUAL TABLE seen USING fts5(body, content = "", columnsize=0)', "INSERT INTO seen (rowid, body) VALUES (1, 'x')"], "seen (fts5): is an index over rows that are kept nowhere else"),
    "fts4 without content": (["CREATE VIRTUAL TABLE seen USING fts4(body, content='')", "INSERT INTO seen (docid, body) VALUES (1, 'x')"], "seen (fts4): is an index over rows that are kept nowhere else"),
    "fts5 over a table that is gone": (["CREATE TABLE posts (body)", "CREATE VIRTUAL TABLE seen USING fts5(body, content=posts)", "INSERT INTO seen (rowid, body) VALUES (1, 'x')", "DROP TABLE posts"], "seen (fts5): is an index over rows that are kept nowhere else"),
    "rtree": (["CREATE VIRTUAL TABLE seen USING rtree(id, low, high)", "INSERT INTO seen VALUES (1, 2, 3)"], "seen (rtree): keeps 1 rows of its own"),
}  # fmt: skip
#: Virtual tables that stay in the backup without a loss -> statements, what plan says.
DERIVED = {
    "fts5 over a table": (["CREATE TABLE posts (body)", "CREATE VIRTUAL TABLE seen USING fts5(body, content='posts')", "INSERT INTO seen (rowid, body) VALUES (1, 'x')"], "seen (fts5) is an index over posts"),
    "fts5 over a view": (["CREATE VIEW posts AS SELECT 1 AS body", "CREATE VIRTUAL TABLE seen USING fts5(body, content=[posts])"], "seen (fts5) is an index over posts"),
    "fts5 without rows": (["CREATE VIRTUAL TABLE seen USING fts5(content)"], "seen (fts5) has no rows"),
    "fts5 without content or rows": (["CREATE VIRTUAL TABLE seen USING fts5(body, content='')"], "seen (fts5) is an index without rows"),
    "fts4 over a table": (["CREATE TABLE posts (body)", 'CREATE VIRTUAL TABLE seen USING fts4(content="posts", body)'], "seen (fts4) is an index over posts"),
    "rtree without rows": (["CREATE VIRTUAL TABLE seen USING rtree(id, low, high)"], "seen (rtree) has no rows"),
    "fts5vocab": (["CREATE TABLE posts (body)", "CREATE VIRTUAL TABLE i USING fts5(body, content=posts)", "CREATE VIRTUAL TABLE seen USING fts5vocab(i, row)"], "seen (fts5vocab) shows what lies elsewhere"),
}  # fmt: skip
#: Modules that are not here: their declaration alone is in the schema.
ELSEWHERE = {"vec0": "vec0(embedding float[3])", "geopoly": "geopoly(a)", "csv": "csv(filename='x.csv')"}


@pytest.mark.parametrize("case", KEEPING)
def test_a_virtual_table_that_keeps_rows_is_refused_by_name(data, case):
    statements, sentence = KEEPING[case]
    made(data, "CREATE TABLE beside (a)", *statements)

    (refusal,) = of_file(planned(data).refusals)

    assert refusal.startswith(f"{FILE}: {sentence}; ")
    assert '[decisions] left_behind = ["odd.seen"]' in refusal
    assert '[files] "odd.db" = "standalone"' in refusal


@pytest.mark.parametrize("case", KEEPING)
@pytest.mark.parametrize("decided", [{"left_behind": ("odd.seen",)}, {"files": {FILE: "standalone"}}])
def test_both_ways_out_of_a_virtual_table_are_open(data, case, decided):
    made(data, *KEEPING[case][0])

    assert [] == of_file(planned(data, **decided).refusals)


@pytest.mark.parametrize("case", DERIVED)
def test_a_virtual_table_that_keeps_nothing_stays_in_the_backup_and_is_told(data, case):
    statements, sentence = DERIVED[case]
    made(data, *statements)

    found = planned(data)

    assert [] == of_file(found.refusals)
    told = [one for one in of_file(found.findings) if "stays in the backup and is not there after a cutover" in one]
    assert any(one.startswith(f"{FILE}: {sentence};") for one in told)
    # What lies behind it goes with it.
    assert {"odd.posts", "odd.i", "odd.seen"} >= {table.source for table in found.tables}


@pytest.mark.parametrize("module", ELSEWHERE)
def test_a_module_that_is_not_here(data, module):
    made(data, "CREATE TABLE t (a)")
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_schema VALUES ('table', 'seen', 'seen', 0, ?)",
            (f"CREATE VIRTUAL TABLE seen USING {ELSEWHERE[module]}",),
        )
        if module == "geopoly":
            connection.execute("CREATE TABLE seen_rowid (rowid INTEGER PRIMARY KEY, nodeno)")

    found = planned(data)

    if module == "vec0":
        (refusal,) = of_file(found.refusals)
        assert refusal.startswith(
            f"{FILE}: seen (vec0): is of a module that is not known here: what it keeps cannot be told"
        )
    else:
        assert [] == of_file(found.refusals)
        assert any(f"seen ({module})" in one for one in found.findings)


#: What SQLite cannot read here -> statements, what is put into the schema by hand, what plan says, and of what object.
NOT_HERE = {
    "a function in a CHECK": (["CREATE TABLE t (a CHECK (score_of(a)))", "INSERT INTO t VALUES (1)"], {}, "the table t: unknown function: score_of()"),
    "a function in an index": (["CREATE TABLE t (a)", "CREATE INDEX by_score ON t (score_of(a))", "INSERT INTO t VALUES (1)"], {}, "the index by_score: unknown function: score_of()"),
    "a collation in an index": (["CREATE TABLE t (a)", "CREATE INDEX by_name ON t (a COLLATE german)"], {}, "the index by_name: no such collation sequence: german"),
    "a newer number": (["CREATE TABLE t (a)", "CREATE VIEW v AS SELECT 1 AS a"], {"v": "CREATE VIEW v AS SELECT 1_000 AS a"}, 'the view v: unrecognized token: "1_000"'),
    "a newer clause": (["CREATE TABLE t (a)", "CREATE VIEW v AS SELECT 1 AS a"], {"v": "CREATE VIEW v AS SELECT string_agg(a, ',' ORDER BY a) FROM t"}, 'the view v: near "ORDER": syntax error'),
    "a newer option": (["CREATE TABLE t (a)"], {"t": "CREATE TABLE t (a) VERSIONED"}, "the table t: unknown table option: VERSIONED"),
}  # fmt: skip
#: What is missing here -> the way out that plan names.
WAYS_OUT = {
    "function": "migrator has no function score_of: the application registers it, or an SQLite newer than {version} has it; ",
    "collation": "migrator has no collation german: the application registers it; ",
    "newer": "drop what SQLite {version} does not know, run the migrator with an SQLite that knows it, ",
}
#: Tables that SQLite reads and cannot make here -> statements, what plan says.
NOT_MADE = {
    "a collation of a column": ("CREATE TABLE t (a COLLATE german)", "no such collation sequence: german"),
    "a function of a generated column": ("CREATE TABLE t (a, b AS (score_of(a)))", "no such function: score_of"),
}


@pytest.mark.parametrize("case", NOT_HERE)
def test_what_sqlite_cannot_read_here_is_not_called_damaged(data, case):
    statements, schema, because = NOT_HERE[case]
    made(data, *statements, schema=schema)

    (refusal,) = of_file(read_by_a_child(data).refusals)

    assert refusal.startswith(f"{FILE}: cannot be read here because of {because}; ")
    for help_ in (WAYS_OUT[case.split()[1]].format(version=sqlite3.sqlite_version), '[files] "odd.db" = "ignore"'):
        assert help_ in refusal
    assert [] == of_file(read_by_a_child(data, files={FILE: "ignore"}).refusals)


@pytest.mark.parametrize("version", [3, 255])
def test_a_file_of_a_later_format_is_not_called_damaged(data, version):
    made(data, "CREATE TABLE t (a)")
    with (data / FILE).open("r+b") as file:
        file.seek(19)
        file.write(bytes([version]))

    (refusal,) = of_file(read_by_a_child(data).refusals)

    assert refusal.startswith(
        f"{FILE}: cannot be read here because of the format of the file: its read version is {version}, "
    )
    assert "; run the migrator with an SQLite that knows it, or leave the file where it is: " in refusal


@pytest.mark.parametrize("case", NOT_MADE)
def test_a_table_that_sqlite_cannot_make_here_is_refused_by_name(data, case):
    statement, because = NOT_MADE[case]
    made(data, statement)

    (refusal,) = of_file(planned(data).refusals)

    assert refusal.startswith(f"{FILE}: t: cannot be made here ({because}); ")
    assert WAYS_OUT[case.split()[1]].format(version=sqlite3.sqlite_version) in refusal
    assert [] == of_file(planned(data, files={FILE: "standalone"}).refusals)


@pytest.mark.parametrize("expression", ["a COLLATE german", "score_of(a)"])
def test_the_printed_command_drops_an_index_that_sqlite_cannot_read_here(data, expression):
    made(data, "CREATE TABLE t (a)", f'CREATE INDEX "by ""it\'s""" ON t ({expression})', "INSERT INTO t VALUES ('x')")
    (refusal,) = of_file(read_by_a_child(data).refusals)
    command = refusal.partition("to drop the index run: ")[2].partition(", or leave the file")[0]

    program, *arguments = shlex.split(command)
    with closing(sqlite3.connect(arguments[0])) as connection:
        connection.execute(arguments[1])

    assert ("sqlite3", []) == (program, of_file(read_by_a_child(data).refusals))


def test_a_tokenizer_that_is_not_here(data):
    made(
        data,
        "CREATE VIRTUAL TABLE seen USING fts5(a)",
        schema={"seen": "CREATE VIRTUAL TABLE seen USING fts5(a, tokenize = 'mine')"},
    )

    (refusal,) = of_file(planned(data).refusals)

    assert refusal.startswith(f"{FILE}: seen (fts5): cannot be read here: no such tokenizer: mine; ")


def test_a_deep_view_and_json_in_the_schema_are_nothing_special(data):
    made(
        data,
        "CREATE TABLE t (a CHECK (json_valid(a)), b AS (a ->> 'x'))",
        "CREATE INDEX by_y ON t (json_extract(a, '$.y'))",
        "INSERT INTO t VALUES ('{}')",
        f"CREATE VIEW deep AS SELECT {' + '.join(['1'] * 250)} AS sum",
    )

    found = planned(data)

    assert [] == of_file(found.refusals)
    assert any("views stay in the backup and are not executed: deep" in one for one in found.findings)


@pytest.mark.parametrize("names", [("a_b", "c"), ("A", "b_C")])
def test_names_that_two_carried_objects_would_have(data, names):
    """A table and an index of different files, letter case aside; letters beyond ASCII have no case."""
    stem, table = names
    with closing(sqlite3.connect(data / f"{stem}.db")) as connection:
        connection.execute(f"CREATE TABLE {table} (x)")
    other = "a" if stem == "a_b" else "a_b"
    with closing(sqlite3.connect(data / f"{other}.db")) as connection:
        connection.execute("CREATE TABLE t (\u00c4, \u00e4)")
        connection.execute(f"CREATE INDEX {'b_c' if other == 'a' else 'C'} ON t (\u00c4)")
        connection.execute("CREATE TABLE \u00c4 (x)")
        connection.execute("CREATE TABLE \u00e4 (x)")

    refusals = planned(data, files={f"{stem}.db": "carry:core", f"{other}.db": "carry:core"}).refusals

    (refusal,) = [one for one in refusals if "would both be carried as" in one]
    assert "the index " in refusal
    assert "core.legacy_a_b_c" in refusal


def test_numbers_of_the_application_are_listed(data):
    made(data, "CREATE TABLE t (a)", "PRAGMA user_version = 7", "PRAGMA application_id = 12")

    told = of_file(planned(data).findings)

    assert any(one.startswith(f"{FILE}: its user_version is 7; ") for one in told)
    assert any(one.startswith(f"{FILE}: its application_id is 12; ") for one in told)


@pytest.mark.parametrize(("files", "told"), [(CARRIED["files"], True), ({FILE: "ignore"}, False)])
def test_views_and_triggers_are_listed_of_files_that_the_migration_takes(data, files, told):
    made(
        data,
        "CREATE TABLE t (a)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
    )

    found = planned(data, files=files).findings

    for what in ("views", "triggers"):
        assert told is any(f"{what} stay in the backup" in one for one in found)


def test_a_decision_about_what_is_not_there_is_refused(data):
    made(data, "CREATE TABLE t (a)")

    assert any(
        one.startswith("decisions.left_behind: odd.t is not a virtual table")
        for one in planned(data, left_behind=("odd.t",)).refusals
    )


def test_a_table_with_a_home_that_sqlite_cannot_make_here_is_refused_by_name(data):
    """A mapping compares its columns, for which SQLite needs their collation."""
    tables = [one for one in catalogue.legacy_databases() if one.name == "whales"]
    with closing(sqlite3.connect(data / "whales.db", isolation_level=None)) as connection:
        connection.create_collation("german", lambda one, other: (one > other) - (one < other))
        connection.executescript(tables[0].ddl.replace("direction      TEXT", "direction TEXT COLLATE german"))

    refusals = planned(data, files={}).refusals

    assert any(one.startswith("whales.db: whale_movements: cannot be made here (no such collation") for one in refusals)


def test_the_contracts_miss_rows_of_a_virtual_table_that_nobody_left_behind(pytester, tmp_path):
    (tmp_path / "data").mkdir()
    statements, sentence = KEEPING["fts5 without content"]
    with closing(sqlite3.connect(tmp_path / "data" / "custom.db", isolation_level=None)) as connection:
        for statement in ("CREATE TABLE plain (a)", *statements):
            connection.execute(statement)
    run = generated.Run(tmp_path, Config(left_behind=("custom.seen",)))
    toml = tmp_path / "migrator.toml"
    verify = Path(contracts.__file__).parent / "5_verify"
    sides = ["--legacy-dir", str(run.snapshot.folder), "--consolidated-dir", str(run.stage)]
    for decided, fails in (("[decisions]\n", 1), ('[decisions]\nleft_behind = ["custom.seen"]\n', 0)):
        toml.write_text(decided)

        asked = [str(verify), *sides, "--contracts-config", str(toml), "-k", "has_one_fate"]
        passed, _, failed = pytester.inline_run(
            *asked, "--import-mode=importlib", "-p", "no:cacheprovider"
        ).listoutcomes()

        assert (1 - fails, fails) == (len(passed), len(failed))
        assert all(f"custom.seen: {sentence.partition(': ')[2]}" in report.longreprtext for report in failed)


@pytest.mark.slow
def test_what_is_left_behind_comes_back_and_what_was_written_beside_it_too():
    """Virtual tables of every kind, a view that cannot be read, a trigger and a unique index, over a whole rollback."""
    with generated.scratch() as home:
        small_set.write(home)
        jarvis, toml = home / "data" / "jarvis.db", home / "data" / "migrator.toml"
        with closing(sqlite3.connect(jarvis, isolation_level=None)) as connection:
            connection.executescript(
                "CREATE TABLE docs (a, b); CREATE UNIQUE INDEX docs_a ON docs (a);"
                "INSERT INTO docs (rowid, a, b) VALUES (5, 'x', 'y'), (9, 'z', 'w');"
                "CREATE TABLE hidden (a, rowid AS (1)); INSERT INTO hidden (a) VALUES ('x'), ('x'), ('y');"
                "CREATE VIRTUAL TABLE own USING fts5(t); INSERT INTO own VALUES ('hello');"
                "CREATE VIRTUAL TABLE boxes USING rtree(a, b, c); INSERT INTO boxes VALUES (1, 2, 3);"
                "CREATE VIRTUAL TABLE over USING fts5(a, b, content = docs); INSERT INTO over (over) VALUES ('rebuild');"
                "CREATE TRIGGER t AFTER INSERT ON docs BEGIN"
                " INSERT INTO over (rowid, a, b) VALUES (new.rowid, new.a, new.b); END;"
                "CREATE VIEW broken AS SELECT score_of(a) FROM gone; PRAGMA writable_schema = ON;"
                "INSERT INTO sqlite_schema VALUES ('table', 'vec', 'vec', 0, 'CREATE VIRTUAL TABLE vec USING vec0(e)')"
            )
        left = '[decisions]\nleft_behind = ["jarvis.own", "jarvis.boxes", "jarvis.vec"]'
        toml.write_text(toml.read_text().replace("[decisions]", left))
        small_set.build(home)
        small_set.cut_over(home)
        with closing(
            migrator.connect("jarvis.db", schema="consolidated", data_dir=home / "data", isolation_level=None)
        ) as connection:
            for row in ("('x', 'refused')", "('new', 'row')"):
                connection.execute(f"INSERT INTO legacy_jarvis_docs VALUES {row} ON CONFLICT (a) DO NOTHING")
            connection.execute("UPDATE legacy_jarvis_hidden SET a = 'z' WHERE oid = 2")

        done = small_set.roll_back(home)

        assert {} == done.residue
        assert {"inserted": 1} == done.written["jarvis.docs"]
        with closing(sqlite3.connect(jarvis)) as connection:
            assert [(5, "x"), (9, "z"), (10, "new")] == connection.execute(
                "SELECT rowid, a FROM docs ORDER BY 1"
            ).fetchall()
            # A generated column may be called rowid; the rows are told apart by another name.
            assert [("x",), ("z",), ("y",)] == connection.execute("SELECT a FROM hidden ORDER BY oid").fetchall()
            assert [("hello",)] == connection.execute("SELECT * FROM own").fetchall()
            assert [(1, 2.0, 3.0)] == connection.execute("SELECT * FROM boxes").fetchall()
            assert [(10,)] == connection.execute("SELECT rowid FROM over('row')").fetchall()
