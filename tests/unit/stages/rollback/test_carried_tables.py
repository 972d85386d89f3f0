"""Carried tables on the way back: each ends with the rows of its carried copy, with every kind of key."""

import sqlite3
from collections import Counter
from contextlib import closing

import carried_set
import generated
import pytest
import small_set

from contracts.checks import finished_rollback
from migrator.stages.rollback import carried_tables
from migrator.system import connections

#: More columns than SQLite nests expressions deep, and as many as a table can have.
WIDE, WIDEST = 1_001, 2_000
#: SQLite selects at most 2,000 columns, so that the rowid takes the place of others.
SHOWN = {
    **dict.fromkeys(("no_name", "no_name_unique", "wr"), "*"),
    "widest": "_rowid_, c0, c500, c1999",
    "widest_wr": "k, c7",
    "widest_id": "_rowid_, id, c7, u",
}


def wide(table, columns):
    names = [f"c{number}" for number in range(columns)]
    return f"CREATE TABLE {table} ({', '.join(names)}); INSERT INTO {table} ({names[0]}, {names[-1]}) VALUES (1, 'a'), (2, 'b'), (3, 'c'); UPDATE {table} SET rowid = 4 * rowid;"


LEGACY = f"""
CREATE TABLE plain (a, b); INSERT INTO plain VALUES (1, 'x'), (1, 'x'), (1.0, 'x'), ('1', x'78'), (NULL, NULL), (NULL, NULL);
DELETE FROM plain WHERE rowid = 2;

CREATE TABLE no_name (rowid, _rowid_, oid); INSERT INTO no_name VALUES (1, 1, 1), (1, 1, 1), (1, 1, 1), (2, 2, 2);
CREATE TABLE one_name (rowid, a); INSERT INTO one_name VALUES (7, 'x'), (7, 'x'), (7, 'y');
CREATE TABLE keyed (id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT UNIQUE ON CONFLICT REPLACE, n INT NOT NULL DEFAULT 3);
INSERT INTO keyed VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
CREATE TABLE unique_later (a, b); INSERT INTO unique_later VALUES ('a', 1), ('b', 2), ('c', 3);
CREATE TABLE wr ("k/1" TEXT COLLATE NOCASE, "k""2" BLOB, v, PRIMARY KEY ("k/1", "k""2")) WITHOUT ROWID;
INSERT INTO wr VALUES ('a', 1, 'one'), ('a', x'01', 'two'), ('b', 1.5, NULL);
CREATE TABLE odd (t); INSERT INTO odd VALUES (CAST(x'FF' AS TEXT)), (CAST(x'610062' AS TEXT)), (x'FF'), ('a');
CREATE TABLE chained (id INTEGER PRIMARY KEY, k UNIQUE);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO chained SELECT i, i FROM n;
CREATE TABLE rebuilt (a); CREATE TABLE differing (a); CREATE TABLE gone (a); INSERT INTO gone VALUES (1);
CREATE TABLE checked (a CHECK (json_valid(a))); INSERT INTO checked VALUES ('[]');
CREATE TABLE computed (a, b AS (a + 1), c AS (a * 2) STORED); INSERT INTO computed VALUES (1), (2);
{wide("wide", WIDE)} {wide("widest", WIDEST)}
CREATE TABLE widest_wr (k PRIMARY KEY, {", ".join(f"c{number}" for number in range(1, WIDEST))}) WITHOUT ROWID;
CREATE TABLE widest_id (id INTEGER PRIMARY KEY, {", ".join(f"c{number}" for number in range(1, WIDEST - 1))}, u UNIQUE);
INSERT INTO widest_wr (k, c7) VALUES ('x', 1), ('y', 2); INSERT INTO widest_id (id, c7, u) VALUES (3, 1, 'a'), (8, 2, 'b');
CREATE TABLE no_name_unique (rowid, _rowid_, oid); INSERT INTO no_name_unique VALUES (1, 1, 1), (2, 2, 2);
CREATE UNIQUE INDEX and_here ON no_name_unique (oid);
CREATE UNIQUE INDEX only_here ON unique_later (b);
"""


@pytest.fixture(name="built", scope="module")
def _built():
    with generated.scratch() as folder:
        yield carried_set.make(folder / "built", {"odd.db": LEGACY})


@pytest.fixture(name="home")
def _home(built, tmp_path):
    return small_set.copied(built, built.parent / tmp_path.name)


def now(home, table):
    """Return the rows of a legacy table after the rollback with their rowids where they have some, sorted."""
    return sorted(
        carried_set.rows(home / "data" / "odd.db", f"SELECT {SHOWN.get(table, '_rowid_, *')} FROM {table}"), key=repr
    )


def test_without_a_write_every_table_is_what_it_was(home):
    asked = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name NOT GLOB 'sqlite_*'"
    tables = [name.decode() for ((_, name),) in carried_set.rows(home / "data" / "odd.db", asked)]
    before = {table: now(home, table) for table in tables}

    done = carried_set.round_trip(home, "SELECT 1")

    assert ({}, {}) == (dict(done.written), dict(done.residue))
    assert before == {table: now(home, table) for table in tables}


#: Table -> what is written to its carried copy, which the legacy table has to hold afterwards, rowids too.
WRITES = {
    "plain": "INSERT INTO {t} VALUES (1, 'x'), (2, NULL); DELETE FROM {t} WHERE a IS NULL AND rowid = 6; UPDATE {t} SET a = '1' WHERE typeof(a) = 'real'",
    "no_name": "DELETE FROM {t} WHERE oid = 2; INSERT INTO {t} VALUES (1, 1, 1), (2, 2, 3), (2, 2, 3), (2.0, 2, 3)",
    "one_name": "INSERT INTO {t} VALUES (7, 'x'); UPDATE {t} SET a = 'z' WHERE _rowid_ = 1",
    "keyed": "UPDATE {t} SET k = 'd' WHERE id = 3; UPDATE {t} SET k = 'c' WHERE id = 2; UPDATE {t} SET k = 'b' WHERE id = 1; INSERT INTO {t} (k) VALUES ('a'); UPDATE {t} SET id = 900 WHERE id = 4",
    "wr": """INSERT INTO {t} VALUES ('c', x'', 1), ('A', 2, 3); UPDATE {t} SET "k/1" = 'A' WHERE v = 'one'; DELETE FROM {t} WHERE v = 'two'""",
    "odd": "INSERT INTO {t} VALUES (CAST(x'C328' AS TEXT)), (x'C328'); DELETE FROM {t} WHERE hex(t) = '610062'; UPDATE {t} SET t = CAST(x'FE' AS TEXT) WHERE rowid = 1",
    "chained": "UPDATE {t} SET k = -k; UPDATE {t} SET k = -k + 1",
    "gone": "INSERT INTO {t} VALUES (2)",
    "computed": "INSERT INTO {t} VALUES (3); UPDATE {t} SET a = 9 WHERE a = 1",
    "checked": "INSERT INTO {t} VALUES ('9')",
    "wide": "UPDATE {t} SET c1000 = 'z' WHERE c0 = 1; INSERT INTO {t} (c500) VALUES (5)",
    "widest": "UPDATE {t} SET c1999 = 'z' WHERE c0 = 1; INSERT INTO {t} (rowid, c500) VALUES (7, 5), (100, 6); DELETE FROM {t} WHERE c0 = 2; UPDATE {t} SET rowid = 9 WHERE c0 = 3",
    "widest_wr": "UPDATE {t} SET c7 = 9 WHERE k = 'x'; INSERT INTO {t} (k) VALUES ('z'); DELETE FROM {t} WHERE k = 'y'",
    "widest_id": "UPDATE {t} SET u = 'c' WHERE id = 3; UPDATE {t} SET u = 'a' WHERE id = 8; INSERT INTO {t} (id, u) VALUES (5, 'b')",
}


def test_what_is_written_to_a_carried_table_is_in_the_legacy_table(home):
    carried = {table: f"legacy_odd_{table}" for table in WRITES}
    small_set.cut_over(home)
    core = home / "data" / "jarvis_core.db"
    for table, script in WRITES.items():
        carried_set.write(core, script.format(t=carried[table]))
    wanted = {
        table: sorted(
            carried_set.rows(
                core,
                f"SELECT {SHOWN.get(table, '_rowid_, *')} FROM {name}",
            ),
            key=repr,
        )
        for table, name in carried.items()
    }

    done = small_set.roll_back(home)

    assert {} == dict(done.residue)
    assert wanted == {table: now(home, table) for table in WRITES}
    last = small_set.last_switch(home)
    assert [] == list(finished_rollback.faults(last, home))
    carried_set.write(home / "data" / "odd.db", "UPDATE widest SET rowid = 77 WHERE rowid = 7")
    assert ["odd.widest: 1 rows have another rowid"] == list(finished_rollback.faults(last, home))


def without_indexes(home):
    """Drop the indexes of the carried tables, as an application may: what they refused goes in from now on."""
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db", isolation_level=None)) as core:
        listed = (
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name GLOB 'legacy_odd_*' AND sql IS NOT NULL"
        )
        for (name,) in core.execute(listed).fetchall():
            core.execute(f'DROP INDEX "{name}"')


def test_a_changed_row_that_the_legacy_table_refuses_stays_as_it_was(home):
    """One takes a value that another keeps, which keeps a third out; the rest of the table goes back all the same."""
    small_set.cut_over(home)
    without_indexes(home)
    carried_set.write(
        home / "data" / "jarvis_core.db",
        "UPDATE legacy_odd_unique_later SET b = 2 WHERE a = 'a'; UPDATE legacy_odd_unique_later SET b = 1 WHERE a = 'c';"
        "INSERT INTO legacy_odd_unique_later VALUES ('d', 4), ('e', 4); DELETE FROM legacy_odd_plain",
    )

    done = small_set.roll_back(home)

    assert {"core.legacy_odd_unique_later": 3} == dict(done.residue)
    with closing(sqlite3.connect(home / "data" / "odd.db")) as legacy:
        found = legacy.execute("SELECT _rowid_, * FROM unique_later").fetchall()
    assert [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "d", 4)] == found
    assert {("a", 2), ("c", 1), ("e", 4)} == set(
        carried_set.residue(home, "SELECT a, b FROM core_legacy_odd_unique_later")
    )
    assert {"inserted": 1} == dict(done.written["odd.unique_later"])
    assert [] == now(home, "plain")


def test_rows_that_nothing_tells_apart_stay_as_they_were_if_the_legacy_table_refuses_one(home):
    small_set.cut_over(home)
    without_indexes(home)
    carried_set.write(
        home / "data" / "jarvis_core.db",
        "UPDATE legacy_odd_no_name_unique SET oid = 1; INSERT INTO legacy_odd_no_name_unique VALUES (9, 9, 9)",
    )

    done = small_set.roll_back(home)

    assert [((*[("int", 1)] * 3,)), ((*[("int", 2)] * 3,))] == carried_set.rows(
        home / "data" / "odd.db", "SELECT * FROM no_name_unique"
    )
    assert {"core.legacy_odd_no_name_unique": 2} == dict(done.residue)
    assert ["odd.no_name_unique: 1 rows that were changed or deleted are as they were"] == list(done.findings)


def test_a_number_that_was_given_while_consolidated_is_not_given_again(home):
    carried_set.round_trip(
        home, "INSERT INTO legacy_odd_keyed (id, k) VALUES (900, 'x'); DELETE FROM legacy_odd_keyed WHERE id = 900;"
    )

    carried_set.write(home / "data" / "odd.db", "INSERT INTO keyed (k) VALUES ('y')")

    assert [(("int", 901),)] == carried_set.rows(home / "data" / "odd.db", "SELECT max(id) FROM keyed")


def test_a_table_that_cannot_be_written_is_kept_whole_and_keeps_no_other_from_going_back(home, monkeypatch):
    written = carried_tables.write_back

    def fails(bench, source, table):
        if source == "odd.plain":
            bench.connection.execute("SELECT app_only(1)")
        written(bench, source, table)

    monkeypatch.setattr(carried_tables, "write_back", fails)

    done = carried_set.round_trip(home, "INSERT INTO legacy_odd_plain VALUES (5, 5); DELETE FROM legacy_odd_gone")

    assert {"core.legacy_odd_plain": 6} == dict(done.residue)
    assert [("odd.plain cannot be written here: no such function: app_only",)] == carried_set.residue(
        home, "SELECT DISTINCT why FROM core_legacy_odd_plain"
    )
    assert [] == now(home, "gone")


@pytest.mark.parametrize(("where", "to"), [("_exchange", lambda *_: {}), ("_find", lambda *_: (0, 0))])
def test_a_legacy_table_that_would_not_be_its_carried_copy_stays_as_it_was(home, monkeypatch, where, to):
    """Planted: the rows are found and not exchanged, or not even found."""
    find = carried_tables._find

    def blind(connection, pair):
        find(connection, pair)
        connection.execute("DELETE FROM temp.differing")
        connection.execute("DELETE FROM temp.gone")
        return to()

    monkeypatch.setattr(carried_tables, where, blind if where == "_find" else to)

    was = carried_set.rows(home / "data" / "odd.db", "SELECT _rowid_, * FROM keyed")
    done = carried_set.round_trip(home, "UPDATE legacy_odd_keyed SET n = 17 WHERE id = 1")

    assert {"core.legacy_odd_keyed": 3} == dict(done.residue)
    assert [("odd.keyed does not hold what core.legacy_odd_keyed holds",)] == carried_set.residue(
        home, "SELECT DISTINCT why FROM core_legacy_odd_keyed"
    )
    assert was == carried_set.rows(home / "data" / "odd.db", "SELECT _rowid_, * FROM keyed")


@pytest.mark.slow
@pytest.mark.parametrize("column", ["m TEXT COLLATE NOCASE DEFAULT 'off'", "m TEXT COLLATE app_only DEFAULT 'off'"])
def test_a_value_in_an_added_column_is_kept_whatever_its_collation(home, column):
    done = carried_set.round_trip(
        home,
        f"ALTER TABLE legacy_odd_gone ADD COLUMN {column}; INSERT INTO legacy_odd_gone VALUES (2, 'OFF'), (3, 'off');",
    )

    assert {"core.legacy_odd_gone": 1} == dict(done.residue)
    assert [(2, "OFF")] == carried_set.residue(home, "SELECT a, m FROM core_legacy_odd_gone")


def test_a_table_that_was_rebuilt_with_another_type_leaves_the_others_alone(home):
    """A number in a column that is INTEGER in the legacy table cannot stay a text there."""
    done = carried_set.round_trip(
        home,
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, k TEXT, n TEXT); INSERT INTO anew VALUES (1, 'a', '5');"
        "DROP TABLE legacy_odd_keyed; ALTER TABLE anew RENAME TO legacy_odd_keyed; INSERT INTO legacy_odd_gone VALUES (2);",
    )

    assert {"core.legacy_odd_keyed": 1} == {name: rows for name, rows in done.residue.items() if "keyed" in name}
    assert [(("int", 1),), (("int", 2),)] == carried_set.rows(home / "data" / "odd.db", "SELECT a FROM gone")


def test_a_long_chain_of_which_one_is_refused_is_not_tried_round_by_round(home, monkeypatch):
    """Each of a thousand rows takes the value of the next, and the last one that is there: none can go back.

    SQLite reads every schema again, of two thousand columns here, after a ROLLBACK TO in a transaction that made a table.
    """
    said = []
    opens = connections.memory

    def traced():
        connection = opens()
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(connections, "memory", traced)
    done = carried_set.round_trip(
        home,
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, k); INSERT INTO anew SELECT id, iif(id = 1000, 5, k + 1) FROM legacy_odd_chained;"
        "DROP TABLE legacy_odd_chained; ALTER TABLE anew RENAME TO legacy_odd_chained;",
    )

    assert {"core.legacy_odd_chained": 1000} == dict(done.residue)
    assert [(("int", 1000),)] == carried_set.rows(home / "data" / "odd.db", "SELECT count(*) FROM chained WHERE id = k")
    made, taken_back = False, Counter()
    for statement in said:
        if statement in ("BEGIN", "COMMIT", "ROLLBACK"):
            made = False
        made |= statement.startswith(("CREATE ", "DROP "))
        taken_back[made] += statement.startswith("ROLLBACK TO ")
    assert taken_back[False] > 1_000
    assert taken_back[True] < 100
