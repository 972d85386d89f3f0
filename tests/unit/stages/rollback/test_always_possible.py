"""After a cutover no readable database, no later write and no later configuration prevents a rollback."""

import errno
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import carried_set
import generated
import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app
from migrator.config import extra_indexes
from migrator.errors import BuildError
from migrator.stages.build import carried_tables
from migrator.stages.monitor import event_feed
from migrator.stages.rollback import legacy_copies, write_back
from migrator.system.connections import quoted

#: Tables that the specification does not name, beside jarvis.db, whose positions and trades it does.
NOTES = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, body); INSERT INTO notes VALUES (1, 'one'), (2, '{"x": 2}');
CREATE TABLE tags (tag); INSERT INTO tags VALUES ('a'), ('b');
"""


@pytest.fixture(name="built", scope="module")
def _built():
    with generated.scratch() as folder:
        yield carried_set.make(folder / "built", {"notes.db": NOTES, "baseline.db": NOTES, "residue.db": NOTES})


@pytest.fixture(name="home")
def _home(built, tmp_path):
    """A set that was cut over."""
    home = small_set.copied(built, built.parent / tmp_path.name)
    small_set.cut_over(home)
    return home


def core(home, script):
    carried_set.write(home / "data" / "jarvis_core.db", script)


def legacy(home, select, name="notes.db"):
    with closing(sqlite3.connect(home / "data" / name)) as connection:
        return connection.execute(select).fetchall()


def run(home, *arguments):
    """Return the output of the command line and its exit code."""
    with small_set.in_this_process():
        said = CliRunner().invoke(app.cli, [arguments[0], "--data-dir", str(home / "data"), *arguments[1:]])
    return said, getattr(said.exception, "exit_code", said.exit_code)


ADDED = {
    "an index over JSON": "CREATE INDEX added ON legacy_notes_notes (json_extract(body, '$.x')) WHERE json_valid(body)",
    "an index over a specified table's JSON": "CREATE INDEX added ON trades (json_extract(metadata, '$.x'))",
    "a CHECK over JSON": "CREATE TABLE added (a CHECK (json_valid(a))); INSERT INTO added VALUES ('[]')",
    "a computed column over JSON": "ALTER TABLE legacy_notes_notes ADD COLUMN added AS (json_extract(body, '$.x')) VIRTUAL",
    "a function of the application's own": "CREATE INDEX added ON legacy_notes_notes (app_only(body))",
    "a computed column of its own": "ALTER TABLE legacy_notes_notes ADD COLUMN added AS (app_only(body)) VIRTUAL",
    "a CHECK of its own": "CREATE TABLE added (a CHECK (app_only(a))); INSERT INTO added VALUES (1)",
    "a collation of its own": "CREATE INDEX added ON legacy_notes_notes (body COLLATE app_only)",
    "a key in a collation of its own": "CREATE TABLE added (a COLLATE app_only PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO added VALUES ('k', 1)",
    "an index on lineage": "CREATE INDEX added ON lineage (app_only(legacy_key))",
    "a module of its own": "CREATE TABLE added_chunks (a); INSERT INTO added_chunks VALUES (1); PRAGMA writable_schema = ON;"
    " INSERT INTO sqlite_schema VALUES ('table', 'added', 'added', 0, 'CREATE VIRTUAL TABLE added USING vec0(a)')",
    "a tokenizer of its own": "CREATE VIRTUAL TABLE added USING fts5(a); INSERT INTO added VALUES ('word'); PRAGMA writable_schema = ON;"
    " UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE added USING fts5(a, tokenize=''app_only'')' WHERE name = 'added'",
    "a view in a syntax to come": "CREATE VIEW added AS SELECT 1 AS a; PRAGMA writable_schema = ON;"
    " UPDATE sqlite_schema SET sql = 'CREATE VIEW added AS SELECT 1 QUALIFY SOMETHING (' WHERE name = 'added'",
    "a trigger in a syntax to come": "CREATE TRIGGER added AFTER INSERT ON legacy_notes_tags BEGIN SELECT 1; END; PRAGMA writable_schema = ON;"
    " UPDATE sqlite_schema SET sql = 'CREATE TRIGGER added AFTER INSERT ON legacy_notes_tags BEGIN UPSERT (' WHERE name = 'added'",
}


@pytest.mark.slow
@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
def test_an_object_that_cannot_be_opened_here_stops_nothing(home, added):
    core(home, f"UPDATE legacy_notes_notes SET body = 'two' WHERE id = 1; {added}")

    backed_up, backup_code = run(home, "backup")
    tried, tried_code = run(home, "rollback", "--json")
    done = small_set.roll_back(home)

    assert 0 == backup_code, backed_up.output
    assert tried_code == (7 if done.residue else 0), tried.output
    assert [(1, "two"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")
    assert {"notes.notes": {"updated": 1}} == {name: dict(counts) for name, counts in done.written.items()}
    assert json.loads(tried.stdout)["result"]["residue"] == dict(done.residue)
    with closing(sqlite3.connect(home / "data" / "backup" / "0001" / "rolled-back" / "jarvis_core.db")) as left:
        left.execute("PRAGMA writable_schema = ON")
        assert left.execute("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%added%'").fetchone()[0]


@pytest.mark.slow
def test_a_set_with_the_recommended_indexes_can_be_rolled_back_with_what_was_written(tmp_path):
    small_set.write(tmp_path)
    path = tmp_path / "data" / "migrator.toml"
    written = path.read_text(encoding="utf-8")
    path.write_text(written.replace("[decisions]\n", '[decisions]\nextra_indexes = "recommended"\n'), encoding="utf-8")
    small_set.build(tmp_path)
    small_set.cut_over(tmp_path)
    analytics = tmp_path / "data" / "jarvis_analytics.db"
    carried_set.write(analytics, "INSERT INTO ai_entities (entity_type, name) VALUES ('token', 'written since')")
    with closing(sqlite3.connect(analytics)) as connection:
        indexes = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}

    done = small_set.roll_back(tmp_path)

    assert {index.name for index in extra_indexes.read(["recommended"]) if index.target == "analytics"} <= indexes
    assert {"jarvis_memory.entities": {"inserted": 1}} == {name: dict(counts) for name, counts in done.written.items()}
    assert {} == dict(done.residue)
    assert [("written since",)] == legacy(
        tmp_path, "SELECT name FROM entities WHERE name = 'written since'", "jarvis_memory.db"
    )


def test_what_was_made_after_the_cutover_is_named_and_its_rows_are_kept(home):
    core(
        home, "CREATE TABLE fresh (why, a); INSERT INTO fresh VALUES ('b', 1); CREATE INDEX new_one ON trades (symbol);"
    )

    done = small_set.roll_back(home)

    assert {"core.fresh": 1} == dict(done.residue)
    assert [("no legacy table takes it", "b", 1)] == carried_set.residue(home, "SELECT why_1, why, a FROM core_fresh")
    assert ["jarvis_core.db: made after the cutover, without a legacy home: index new_one"] == list(done.findings)


def test_a_table_of_any_width_is_kept(home):
    names = ", ".join(f'"c {number}"' for number in range(2_000))
    core(home, f"""CREATE TABLE "odd ""name" ({names}); INSERT INTO "odd ""name" ("c 7") VALUES (x'FF')""")

    done = small_set.roll_back(home)

    assert {'core.odd "name': 1} == dict(done.residue)
    assert [(b"\xff",)] == carried_set.residue(home, 'SELECT "c 7" FROM "core_odd ""name"')


def test_an_altered_table_of_any_width_keeps_its_legacy_rows_and_rowids(tmp_path):
    names = ", ".join(f"c{number}" for number in range(2_000))
    script = f"CREATE TABLE wide ({names}); INSERT INTO wide (rowid, c7) VALUES (5, 'x'), (9, 'y')"
    home = carried_set.make(tmp_path / "home", {"notes.db": script})

    done = carried_set.round_trip(home, "ALTER TABLE legacy_notes_wide RENAME COLUMN c7 TO said")

    assert {"core.legacy_notes_wide as it stands": 2} == dict(done.residue)
    assert [(5, "x"), (9, "y")] == legacy(home, "SELECT rowid, c7 FROM wide")


ALTERED = {
    "DROP TABLE legacy_notes_notes": ({}, "core.legacy_notes_notes is not there any more"),
    "ALTER TABLE legacy_notes_notes RENAME TO moved": (
        {"core.moved": 2},
        "core.legacy_notes_notes is not there any more",
    ),
    "ALTER TABLE legacy_notes_notes RENAME COLUMN body TO said": (
        {"core.legacy_notes_notes as it stands": 2},
        "core.legacy_notes_notes has no column body any more",
    ),
    "ALTER TABLE legacy_notes_notes DROP COLUMN body": (
        {"core.legacy_notes_notes as it stands": 2},
        "core.legacy_notes_notes has no column body any more",
    ),
    "DROP TABLE trades": ({}, "core.trades is not there any more"),
    "ALTER TABLE trades RENAME COLUMN symbol TO pair": ({}, "core.trades has no column symbol any more"),
    "DROP TABLE lineage": ({}, "core.lineage is not there any more"),
    "DROP TABLE quarantine; CREATE VIEW quarantine AS SELECT 1": ({}, "core.quarantine is not there any more"),
}


@pytest.mark.slow
@pytest.mark.parametrize("altered", ALTERED)
def test_a_table_that_was_dropped_or_altered_leaves_the_others_alone(home, altered):
    core(home, f"INSERT INTO legacy_notes_tags VALUES ('c'); {altered}")

    done = small_set.roll_back(home)

    residue, sentence = ALTERED[altered]
    assert residue == dict(done.residue)
    ours = "the one of the cutover is used" if sentence.split()[0] in ("core.lineage", "core.quarantine") else ""
    assert f"{sentence}: {ours or 'its legacy rows stay as they were at the cutover'}" in done.findings
    assert [(1, "one"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")
    assert [("a",), ("b",), ("c",)] == legacy(home, "SELECT * FROM tags")


@pytest.mark.parametrize("table", ["lineage", "quarantine"])
def test_without_a_table_of_migrators_that_of_the_cutover_is_used(home, table):
    core(home, f"DROP TABLE {table}; UPDATE legacy_notes_notes SET body = 'new' WHERE id = 1")

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert [f"core.{table} is not there any more: the one of the cutover is used"] == list(done.findings)
    assert [(1, "new"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")


def test_a_table_that_was_renamed_in_other_letters_is_the_same_table(home):
    core(
        home,
        "ALTER TABLE legacy_notes_notes RENAME TO x; ALTER TABLE x RENAME TO LEGACY_notes_NOTES;"
        "UPDATE legacy_notes_notes SET body = 'new' WHERE id = 1",
    )

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert [(1, "new"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")


def test_a_file_may_be_called_as_we_call_ours(home):
    core(
        home,
        "UPDATE legacy_baseline_notes SET body = 'new'; DELETE FROM legacy_residue_notes; INSERT INTO legacy_residue_tags VALUES ('c')",
    )

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert [("new",), ("new",)] == legacy(home, "SELECT body FROM notes", "baseline.db")
    assert [] == legacy(home, "SELECT body FROM notes", "residue.db")
    assert [("a",), ("b",), ("c",)] == legacy(home, "SELECT * FROM tags", "residue.db")


#: Names that connections of ours are using, SQLite's own, and words of SQL.
NAMES = (
    "main",
    "temp",
    "core",
    "analytics",
    "ids",
    "lineage",
    "quarantine",
    "legacy",
    "before",
    "again",
    "now",
    "was",
)
ODD_NAMES = ("trades", "select", "a b", "sqlite_x", "rowid", "x'y", 'x"y', "Ünï")


@pytest.mark.slow
def test_a_file_may_have_any_name():
    """The names of all the databases that a connection attaches beside it are among them."""
    table = "CREATE TABLE differing (a, b UNIQUE); INSERT INTO differing VALUES (1, 1), (2, 2);"
    with generated.scratch() as folder:
        home = carried_set.make(folder / "odd", {f"{name}.db": table for name in (*NAMES, *ODD_NAMES)})
        small_set.cut_over(home)
        carried = [one for one in small_set.last_switch(home).tables if one.into]
        core(home, "CREATE TABLE differing (a, b)")
        for one in carried:
            table = quoted(one.into.partition(".")[2])
            core(home, f"UPDATE {table} SET b = -b; UPDATE {table} SET b = 1 - b")

        done = small_set.roll_back(home)

        assert len(NAMES) + len(ODD_NAMES) == len(carried) == len(done.written)
        assert {} == dict(done.residue)
        for name in (*NAMES, *ODD_NAMES):
            assert [(1, 2), (2, 3)] == legacy(home, "SELECT * FROM differing", f"{name}.db")


def test_what_was_written_to_an_original_is_kept_beside_what_was_written_to_the_set_in_use(home):
    """Also after a process died with rows in a WAL: the legacy set has the rows of the consolidated set."""
    original = small_set.last_switch(home).originals / "notes.db"
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA journal_mode = WAL');"
        " c.executescript(\"INSERT INTO notes VALUES (3, 'late'); UPDATE notes SET body = 'late too' WHERE id = 1;"
        " DELETE FROM tags WHERE tag = 'b'; CREATE TABLE more (a); INSERT INTO more VALUES (1)\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, original], check=True)
    assert original.with_name("notes.db-wal").stat().st_size
    core(home, "UPDATE legacy_notes_notes SET body = 'in use' WHERE id = 1")

    done = small_set.roll_back(home)

    assert {"notes.notes": 3, "notes.tags": 1, "notes.more": 1} == dict(done.residue)
    assert [(1, "in use"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")
    assert [
        ("written to the original after the cutover", 1, "late too"),
        ("written to the original after the cutover", 3, "late"),
    ] == (carried_set.residue(home, "SELECT * FROM late_notes_notes ORDER BY id"))
    assert [("deleted from the original after the cutover", "b")] == carried_set.residue(
        home, "SELECT * FROM late_notes_tags_before"
    )
    assert [
        "notes: its original was written to after the cutover, see the residue; its content at the cutover was used instead"
    ] == list(done.findings)
    with closing(sqlite3.connect(original)) as kept:
        assert [(3,)] == kept.execute("SELECT count(*) FROM notes").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("late", "residue"),
    [
        ("PRAGMA user_version = 7", {"indexed.user_version": 1}),
        ("PRAGMA application_id = 7", {"indexed.application_id": 1}),
        ("INSERT INTO own VALUES ('late')", {"indexed.own_content": 1}),
        ("INSERT INTO over(over) VALUES ('optimize')", {}),
    ],
)
def test_what_a_table_of_rows_does_not_show_of_a_late_write_is_kept_too(tmp_path, late, residue):
    indexes = "CREATE VIRTUAL TABLE own USING fts5(a); CREATE VIRTUAL TABLE alone USING fts5(a, content='');"
    indexes += "CREATE VIRTUAL TABLE over USING fts5(body, content=notes)"
    home = carried_set.make(tmp_path / "home", {"indexed.db": f"{NOTES} {indexes}", "notes.db": NOTES})
    small_set.cut_over(home)
    carried_set.write(small_set.last_switch(home).originals / "indexed.db", late)

    done = small_set.roll_back(home)

    assert residue.items() <= dict(done.residue).items()
    assert bool(residue) == bool(done.residue)
    if "PRAGMA" in late:
        (mark,) = (name.partition(".")[2] for name in residue)
        assert [("written to the original after the cutover", 7)] == carried_set.residue(
            home, f"SELECT * FROM late_indexed_{mark}"
        )
        assert [(0,)] == legacy(home, f"PRAGMA {mark}", "indexed.db")


@pytest.mark.slow
@pytest.mark.parametrize("options", ["content=''", "content='', columnsize=0", "content=gone"])
@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("late", ["", "INSERT INTO alone(rowid, a) VALUES (7, 'late'); PRAGMA user_version = 7"])
def test_an_index_over_no_stored_rows_comes_back_as_it_was_written_last(tmp_path, options, snapshot, late):
    """No table has what is in it: also what was written after the snapshot, and after the cutover, stays findable."""
    script = f"{NOTES} CREATE TABLE gone (a); CREATE VIRTUAL TABLE alone USING fts5(a, {options});"
    script += "INSERT INTO alone(rowid, a) VALUES (1, 'early'); DROP TABLE gone"
    home = carried_set.make(
        tmp_path / "home",
        {"indexed.db": script, "notes.db": NOTES},
        decisions='[decisions]\nleft_behind = ["indexed.alone"]',
    )
    small_set.cut_over(home)
    last = small_set.last_switch(home)
    carried_set.write(last.originals / "indexed.db", late)
    core(home, "INSERT INTO legacy_indexed_notes VALUES (3, 'three')")
    if not snapshot:
        for name in last.names:
            (last.snapshot / name.place).unlink()

    done = small_set.roll_back(home)

    assert ({"indexed.user_version": 1} if late else {}) == dict(done.residue)
    assert bool(late) == any(
        finding.startswith(
            "indexed: a full-text index over no stored rows was written to after snapshot 0001; the legacy"
        )
        for finding in done.findings
    )
    for word, rows in (("early", [(1,)]), ("late", [(7,)] if late else [])):
        assert rows == legacy(home, f"SELECT rowid FROM alone WHERE alone MATCH '{word}'", "indexed.db")
    assert [("three",)] == legacy(home, "SELECT body FROM notes WHERE id = 3", "indexed.db")


def test_a_late_original_without_a_copy_of_what_it_was_is_kept_whole(home):
    """The owner deleted the snapshot: no file shows which rows are late, and a rollback has to be possible."""
    last = small_set.last_switch(home)
    carried_set.write(
        last.originals / "notes.db",
        "INSERT INTO notes VALUES (3, 'late'); UPDATE notes SET body = 'late too' WHERE id = 2",
    )
    (last.snapshot / "notes.db").unlink()
    core(home, "UPDATE legacy_notes_notes SET body = 'in use' WHERE id = 1; INSERT INTO legacy_notes_tags VALUES ('c')")

    foreseen, code = run(home, "rollback")
    done = small_set.roll_back(home)

    assert 7 == code, foreseen.output
    assert [("a",), ("b",), ("c",)] == legacy(home, "SELECT * FROM tags")
    assert [(1, "in use"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")
    assert [(1, "one"), (2, "late too"), (3, "late")] == carried_set.residue(
        home, "SELECT id, body FROM late_notes_notes ORDER BY id"
    )
    assert {"notes.notes": 3, "notes.tags": 2} == dict(done.residue)
    assert any(
        f.startswith("notes: its original was written to after the cutover, see the residue") for f in done.findings
    )
    with closing(sqlite3.connect(last.originals / "notes.db")) as original:
        assert [(3,)] == original.execute("SELECT count(*) FROM notes").fetchall()


@pytest.mark.parametrize("mark", ["user_version", "application_id"])
def test_a_late_number_in_a_header_is_kept_without_the_snapshot_too(tmp_path, mark):
    home = carried_set.make(tmp_path / "home", {"one.db": f"{NOTES} PRAGMA {mark} = 5", "notes.db": NOTES})
    small_set.cut_over(home)
    last = small_set.last_switch(home)
    carried_set.write(last.originals / "one.db", f"PRAGMA {mark} = 7")
    for name in last.names:
        (last.snapshot / name.place).unlink()

    done = small_set.roll_back(home)

    assert {f"one.{mark}": 1} == dict(done.residue)
    assert [("written to the original after the cutover", 7)] == carried_set.residue(
        home, f"SELECT * FROM late_one_{mark}"
    )
    assert [(5,)] == legacy(home, f"PRAGMA {mark}", "one.db")


def test_a_damaged_full_text_index_of_a_legacy_file_stays_as_it_is_and_stops_nothing(tmp_path):
    index = "CREATE VIRTUAL TABLE over USING fts5(body, content=notes)"
    home = carried_set.make(tmp_path / "home", {"indexed.db": f"{NOTES} {index}", "notes.db": NOTES})
    small_set.cut_over(home)
    carried_set.write(small_set.last_switch(home).originals / "indexed.db", "DELETE FROM over_data")
    core(
        home, "INSERT INTO legacy_indexed_notes VALUES (3, 'three'); INSERT INTO legacy_notes_notes VALUES (3, 'three')"
    )

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert [f for f in done.findings if f.startswith("indexed.over: the full-text index is as it was")]
    for name in ("indexed.db", "notes.db"):
        assert [("three",)] == legacy(home, "SELECT body FROM notes WHERE id = 3", name)


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["gone", "no database", "damaged", "damaged header"])
def test_an_original_that_is_gone_or_damaged_is_replaced_by_its_copy_in_the_snapshot(home, spoilt):
    original = small_set.last_switch(home).originals / "notes.db"
    if spoilt == "gone":
        original.unlink()
    else:
        content = original.read_bytes()
        spoilings = {
            "no database": b"x" * 8192,
            "damaged": content[:4096] + b"x" * (len(content) - 4096),
            "damaged header": content[:16] + b"\xff" * 184 + content[200:],
        }
        original.write_bytes(spoilings[spoilt])
    core(home, "INSERT INTO legacy_notes_tags VALUES ('c')")

    assert (0, 0) == (run(home, "rollback")[1], run(home, "rollback", "--execute")[1])

    assert [(1, "one"), (2, '{"x": 2}')] == legacy(home, "SELECT * FROM notes")
    assert [("a",), ("b",), ("c",)] == legacy(home, "SELECT * FROM tags")


@pytest.mark.parametrize("configured", ["", "[files\nbroken", '[files]\n"other.db" = "ignore"\n'])
def test_the_configuration_of_today_has_no_say(home, configured):
    """The [files] entries are gone, or the file cannot be read at all."""
    (home / "data" / "migrator.toml").write_text(configured)
    core(home, "INSERT INTO legacy_notes_tags VALUES ('c')")

    codes = [run(home, *arguments)[1] for arguments in (["rollback"], ["backup"], ["rollback", "--execute"])]

    assert [0, 0, 0] == codes
    assert [("a",), ("b",), ("c",)] == legacy(home, "SELECT * FROM tags")


def test_the_monitor_goes_back_whatever_the_configuration_says(home):
    (home / "data" / "migrator.toml").write_text("[files\nbroken")
    events = home / "events"
    events.write_text("")
    at_path = event_feed.at_path

    def fails(*arguments, **options):
        feed = at_path(*arguments, **options)
        with events.open("a") as lines:
            lines.write('{"ok": 0, "failed": 1000}\n')
        return feed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(event_feed, "at_path", fails)
        said, code = run(home, "monitor", "--events", str(events), "--for", "5", "--min-events", "10")

    assert 4 == code, said.output


def test_a_dry_run_finds_on_copies_what_an_execution_would_come_to(home):
    core(home, "INSERT INTO legacy_notes_tags VALUES ('c'); CREATE TABLE fresh (a); INSERT INTO fresh VALUES (1)")
    before = {path: path.stat().st_mtime_ns for path in sorted((home / "data").rglob("*"))}

    said, code = run(home, "rollback", "--json")

    found = json.loads(said.stdout)["result"]
    assert ({"notes.tags": {"inserted": 1}}, {"core.fresh": 1}, False) == (
        found["written"],
        found["residue"],
        found["executed"],
    )
    assert 7 == code
    assert before == {path: path.stat().st_mtime_ns for path in sorted((home / "data").rglob("*"))}
    assert 7 == run(home, "rollback", "--execute")[1]


def test_a_dry_run_fails_where_an_execution_would(home, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("planted")

    monkeypatch.setattr(legacy_copies, "write", fails)

    assert (5, 5) == (run(home, "rollback")[1], run(home, "rollback", "--execute")[1])
    assert small_set.last_switch(home).consolidated


def test_a_set_that_would_not_lead_back_is_not_finished(tmp_path, monkeypatch):
    """Planted: the carried copy that was built lacks a row."""
    home = tmp_path / "home"
    copy = carried_tables.copy

    def loses(connection, source, table, made, schema, name):
        copy(connection, source, table, made, schema, name)
        connection.execute(f"DELETE FROM {schema}.{name} WHERE rowid = 2")

    monkeypatch.setattr(carried_tables, "copy", loses)

    with pytest.raises(BuildError, match=r"would not restore .*: notes\.notes"):
        carried_set.make(home, {"notes.db": NOTES})
    assert not (home / "data" / ".migrator" / "stage" / "built.json").exists()


def test_a_write_back_that_writes_without_counting_it_finishes_no_build(tmp_path, monkeypatch):
    """Planted: a row disappears from a legacy copy, and no count says so."""
    home = tmp_path / "home"
    write = write_back.write

    def loses(sets, done):
        write(sets, done)
        with closing(sqlite3.connect(sets.tree / "notes.db")) as copy, copy:
            copy.execute("DELETE FROM notes WHERE rowid = 2")

    monkeypatch.setattr(write_back, "write", loses)

    with pytest.raises(BuildError, match=r"notes\.db: does not have the content of the snapshot"):
        carried_set.make(home, {"notes.db": NOTES})
    assert not (home / "data" / ".migrator" / "stage" / "built.json").exists()


def test_a_number_in_the_header_goes_back_where_one_file_alone_leads_there():
    with generated.scratch() as folder:
        home = carried_set.make(
            folder / "one", {"notes.db": f"{NOTES} PRAGMA user_version = 5; PRAGMA application_id = 7"}
        )
        done = carried_set.round_trip(home, "PRAGMA user_version = 6")

        assert {} == dict(done.residue)
        assert ([(6,)], [(7,)]) == (legacy(home, "PRAGMA user_version"), legacy(home, "PRAGMA application_id"))


def test_a_number_in_the_header_that_may_be_of_several_files_is_kept(home):
    core(home, "PRAGMA user_version = 6")

    done = small_set.roll_back(home)

    assert {"core.user_version": 1} == dict(done.residue)
    assert [("set after the cutover, through one of 3 legacy names", 6)] == carried_set.residue(
        home, "SELECT * FROM core_user_version"
    )
    assert [(0,)] == legacy(home, "PRAGMA user_version")


def test_a_dry_run_without_room_for_its_copies_is_refused(home, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(legacy_copies, "copy_originals", full)

    said, code = run(home, "rollback")

    assert (3, True) == (code, "set TMPDIR to a folder with room" in str(said.exception))
