"""Statements on the legacy file, through a bare link and through the served legacy schema."""

import shutil
import sqlite3
from contextlib import closing

import cut_over_set
import pytest

from migrator.application.compat import opening
from migrator.application.replay import comparison, statements
from migrator.application.replay.comparison import Link, Served
from migrator.application.replay.copies import Copies
from migrator.application.replay.statements import Statement
from migrator.switch import state as switch_state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory):
    return cut_over_set.make(tmp_path_factory.mktemp("made"))


@pytest.fixture(name="consolidated")
def _consolidated(made, tmp_path):
    """The consolidated databases, that a test may damage."""
    for path in made.glob("jarvis_*.db"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture(name="replay")
def _replay(made, consolidated, tmp_path):
    switch = switch_state.read(made)

    def replay(*wanted):
        legacy = {name.database: switch.snapshot / name.place for name in switch.names}
        current = {target: consolidated / switch.installed(target).name for target in switch.targets}
        return comparison.replay(wanted, Copies(tmp_path / "copies", switch, legacy, current))

    return replay


def one(database, sql, **options):
    return Statement(name="one", database=database, sql=sql, **options)


def test_the_workload_keeps_working_and_breaks_with_links_alone(replay):
    replayed = replay(*statements.of_workload())

    assert replayed.holds
    assert 47 == sum(replayed.compat.values())
    assert replayed.link[Link.FAILS.value] > 40
    assert {statement.name for statement in replayed.statements if statement.link is Link.OTHERWISE} >= {
        "cached",
        "whale",
    }


@pytest.mark.parametrize(
    ("database", "sql", "served", "reason"),
    [
        ("jarvis", "SELECT id FROM positions ORDER BY id", Served.SAME, ""),
        ("jarvis", "UPDATE positions SET status = ? WHERE id = ?", Served.SAME, ""),
        ("jarvis", "DELETE FROM trades WHERE id = ?", Served.SAME, ""),
        ("jarvis", "INSERT INTO error_logs (message) VALUES (?)", Served.SAME, ""),
        ("jarvis", "SELECT nothing FROM positions", Served.SAME, ""),
        ("jarvis", "CREATE TABLE IF NOT EXISTS positions (id)", Served.SAME, ""),
        ("jarvis", "PRAGMA table_info(positions)", Served.SAME, ""),
        ("jarvis", "SELECT datetime('now')", Served.SAME, ""),
        ("jarvis", "SELECT rowid, symbol FROM positions ORDER BY id", Served.LISTED, "hidden_rowid"),
        ("jarvis", "SELECT symbol FROM positions", Served.LISTED, "order"),
        ("jarvis", "SELECT id FROM positions ORDER BY status DESC LIMIT 7", Served.LISTED, "order"),
        ("jarvis", "CREATE TABLE mine (a)", Served.LISTED, "refused"),
        ("jarvis", "DROP TABLE positions", Served.LISTED, "refused"),
        ("jarvis", "ALTER TABLE positions ADD COLUMN mine", Served.LISTED, "refused"),
        ("jarvis", "PRAGMA user_version = 77", Served.LISTED, "refused"),
        ("jarvis", "PRAGMA page_count", Served.LISTED, "of_the_file"),
        ("jarvis", "SELECT hex(randomblob(8))", Served.LISTED, "unsteady"),
    ],
)
def test_each_difference_has_its_listed_reason(replay, database, sql, served, reason):
    (replayed,) = replay(one(database, sql)).statements

    assert (served, (reason,) if reason else ()) == (replayed.compat, replayed.reasons), replayed.differences


def test_an_old_text_in_a_legacy_index_is_a_listed_reason(made, replay):
    switch = switch_state.read(made)
    (name,) = (name for name in switch.names if name.database == "jarvis_memory")
    with closing(sqlite3.connect(switch.snapshot / name.place)) as legacy, legacy:
        # The index has a row more than its table.
        legacy.execute("INSERT INTO reflections_fts (rowid, lesson) VALUES (999999, 'zebra')")
    try:
        wanted = one("jarvis_memory", "SELECT rowid FROM reflections_fts WHERE reflections_fts MATCH 'zebra'")
        (replayed,) = replay(wanted).statements
    finally:
        with closing(sqlite3.connect(switch.snapshot / name.place)) as legacy, legacy:
            legacy.execute("INSERT INTO reflections_fts (reflections_fts) VALUES ('rebuild')")

    assert ("rebuilt_index",) == replayed.reasons


def test_rows_that_are_lost_are_no_listed_reason(consolidated, replay):
    with closing(sqlite3.connect(consolidated / "jarvis_core.db")) as core, core:
        core.execute("DELETE FROM legacy_tax_sales WHERE id = (SELECT min(id) FROM legacy_tax_sales)")

    replayed = replay(one("tax", "SELECT id FROM sales"), one("tax", "DELETE FROM sales WHERE id < 0"))

    assert not replayed.holds
    read, written = replayed.statements
    assert Served.DIFFERS is read.compat
    assert read.differences[0].startswith("run 1: 1 of ")
    assert "sales (1 rows missing or changed, 0 new)" in written.differences[0]


def test_a_changed_cell_under_a_limit_is_no_listed_reason(consolidated, replay):
    with closing(sqlite3.connect(consolidated / "jarvis_core.db")) as core, core:
        core.execute("UPDATE lineage SET rest = NULL WHERE target = 'positions'")

    (replayed,) = replay(one("jarvis", "SELECT * FROM positions ORDER BY id LIMIT 500")).statements

    assert (Served.DIFFERS, ()) == (replayed.compat, replayed.reasons)


def test_a_statement_of_no_database_runs_where_it_can_be_prepared(replay):
    replayed = replay(
        one("", "SELECT token_mint FROM trades ORDER BY id"),
        one("", "SELECT nothing FROM nowhere"),
        one("recycle_test", "SELECT 1"),
        one("jarvis", "BEGIN"),
    )

    assert ["jarvis"] == [statement.database for statement in replayed.statements]
    assert [
        "no legacy database can prepare it; name one above it: -- database: NAME",
        "recycle_test is no legacy database that a cutover switches: it stays as it is",
        "begins or ends a transaction, or rewrites the file",
    ] == [statement.why for statement in replayed.not_run]


def test_a_database_that_cannot_be_served_is_named(replay, monkeypatch):
    def refuse(*_, **__):
        raise sqlite3.OperationalError("no such module: vec0")

    monkeypatch.setattr(opening, "connect", refuse)

    (not_run,) = replay(one("tax", "SELECT id FROM sales")).not_run

    assert "the schema of tax cannot be made in memory: no such module: vec0" == not_run.why


def test_plan_and_steps_are_those_of_loaded_tables(replay):
    (replayed,) = replay(one("jarvis", "SELECT id FROM positions WHERE id = ?")).statements

    assert replayed.plan_legacy == replayed.plan_compat
    assert "SEARCH positions" in replayed.plan_legacy[0]
    assert 0 < replayed.steps_legacy <= replayed.steps_compat < replayed.steps_legacy + 50
