"""The table of SQLite's features in the docs is so: a test for each of its rows."""

import re
import sqlite3
from contextlib import closing

import generated
import pytest
import small_set
from sqlite_features import MADE, ROWS, make

from contracts.checks import lineage, row_accounting
from contracts.sets import consolidated as consolidated_set
from contracts.sets.case import case_of
from migrator.config.config_file import Config
from migrator.schema import catalogue, text_encoding
from migrator.stages.inventory import inspect_pool, inspect_worker
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.system import content_digest

#: A known file whose tables are not specified.
FILE = "custom.db"

#: Feature that is not carried -> what plan lists; nothing where the specification has its own.
LISTED = {
    "foreign keys": "after a cutover no foreign key is checked in these carried tables; a rollback brings the keys back: custom.t",
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

#: Feature that is carried, or on which what is carried depends -> a change of it that a cutover must not pass over.
CHANGES = {
    "column types, as written": "ALTER TABLE t ADD COLUMN d VARCHAR(11)",
    "NOT NULL": "DROP TABLE t; CREATE TABLE t (a)",
    "DEFAULT": "DROP TABLE t; CREATE TABLE t (a, b DEFAULT (1 + 3), c DEFAULT CURRENT_TIMESTAMP)",
    "COLLATE": "UPDATE t SET a = 'a'",
    "CHECK": "UPDATE t SET b = '[]'",
    "UNIQUE": "UPDATE t SET rowid = 7 WHERE rowid = 1",
    "PRIMARY KEY": "UPDATE t SET rowid = 7 WHERE rowid = 1",
    "ON CONFLICT": "UPDATE t SET b = 3",
    "generated columns": "UPDATE t SET a = 2",
    "STRICT": "UPDATE t SET a = 1",
    "WITHOUT ROWID": "UPDATE t SET b = 3 WHERE a = 'a'",
    "AUTOINCREMENT": "UPDATE sqlite_sequence SET seq = 8",
    "rowids": "UPDATE t SET rowid = 3 WHERE rowid = 2",
    "columns called rowid, _rowid_ and oid": "UPDATE t SET oid = 2",
    "2,000 columns": "UPDATE t SET rowid = 3 WHERE rowid = 2",
    "names that have to be quoted": 'INSERT INTO "select ""t"" .x" DEFAULT VALUES',
    "indexes": "DROP INDEX i; CREATE INDEX i ON t (b, a)",
    "unique indexes": "DROP INDEX i",
    "indexes DESC, COLLATE, on expressions, and partial ones": "DROP INDEX i; CREATE INDEX i ON t (a DESC) WHERE a > 0",
    "encoding UTF-16": "",
    "text that is not valid UTF-8": "UPDATE t SET b = CAST(x'61edb08162' AS TEXT)",
}  # fmt: skip
#: Feature that stays in the original, so that a rollback brings it back as it was at the cutover whatever became of it; or a row of
#: the table behind it is compared.
STAYS = {
    "foreign keys",
    "statistics of ANALYZE",
    "FTS4, FTS5 over a table or view",
    "page_size, auto_vacuum, journal mode",
}
#: The same, but compared too.
STAYS_AND_IS_COMPARED = {
    "views": "DROP VIEW v",
    "triggers": "DROP TRIGGER r; CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 2; END",
    "FTS without rows": "INSERT INTO t VALUES ('x')",
    "modules that show what lies elsewhere: fts5vocab, fts4aux, fts3tokenize, dbstat, csv, unionvtab, swarmvtab": "DROP TABLE t",
    "user_version": "PRAGMA user_version = 8",
    "application_id": "PRAGMA application_id = 8",
}  # fmt: skip


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
    judged = case_of(run.snapshot.folder, consolidated, run.folder / "judged", None, lineage.choose)
    for target in catalogue.TARGETS:
        assert [] == list(row_accounting.carried_unlike(judged, target))
    for table in judged.legacy.every_table():
        assert (["core"] if table.kind == "table" else []) == row_accounting.carried_in(judged, table)
        if table.kind == "table":
            assert [] == list(row_accounting.declared_unlike(judged, table, "core", ()))


def test_a_cutover_compares_each_that_is_carried():
    assert {feature for feature, fate in ROWS.items() if fate == "carried"} == CHANGES.keys()
    assert {feature for feature, fate in ROWS.items() if fate == "not carried"} == STAYS | STAYS_AND_IS_COMPARED.keys()


@pytest.mark.parametrize("feature", [*CHANGES, *STAYS_AND_IS_COMPARED])
def test_a_change_of_it_changes_what_a_cutover_compares(tmp_path, feature):
    make(feature, tmp_path / FILE)
    change = {**CHANGES, **STAYS_AND_IS_COMPARED}[feature]
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        before = content_digest.digest(connection)
        if feature == "encoding UTF-16":
            text_encoding.write_anew(tmp_path / FILE, tmp_path / "anew.db", text_encoding.UTF8)
            with closing(sqlite3.connect(tmp_path / "anew.db")) as anew:
                after = content_digest.digest(anew)
        else:
            connection.executescript(change)
            after = content_digest.digest(connection)

    assert before != after


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
    """What each file of a feature holds, the layout of its header included."""
    found = {}
    for path in sorted(data.glob("feature *.db")):
        with closing(sqlite3.connect(path)) as connection:
            asked = ("page_size", "auto_vacuum", "journal_mode")
            header = [connection.execute(f"PRAGMA {name}").fetchone() for name in asked]
            found[path.name] = (content_digest.digest(connection), header)
    return found
