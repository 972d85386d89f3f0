"""What migrator.connect will not serve after a cutover, and that nothing else is asked of the owners."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from unittest import mock

import cut_over_set
import pytest
import small_set

from migrator.application.compat import compiler, opening, unserved
from migrator.application.compat.errors import Unsupported
from migrator.pipeline import switchover

#: Virtual tables in a legacy file, by whether their rows can be served.
SERVED = {"over_a_table": "fts5(body, content=posts, content_rowid=id)"}
UNSERVED = {
    "over_a_view": "fts5(body, content=seen)",
    "without_rows": "fts5(body)",
    "words": "fts5vocab(over_a_table, row)",
    "of_a_column_that_is_not_there": "fts5(title, content=posts, content_rowid=id)",
}
WHY = "it is no full-text index over a table whose rows are in the consolidated set"
REASONS = dict.fromkeys(UNSERVED, WHY) | {
    "of_a_column_that_is_not_there": "SQLite cannot build it from its content (SQL logic error)"
}


@pytest.fixture(scope="module", name="built")
def _built(tmp_path_factory):
    home = tmp_path_factory.mktemp("built")
    small_set.write(home)
    with closing(sqlite3.connect(home / "data" / "alerts.db")) as alerts, alerts:
        alerts.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, body)")
        alerts.execute("INSERT INTO posts (body) VALUES ('written before')")
        alerts.execute("CREATE VIEW seen AS SELECT 1 AS rowid, 'seen' AS body")
        # SQLite knows no case of letters beyond ASCII.
        for name in ("Ä", "ä", "tokens", "to\N{KELVIN SIGN}ens"):
            alerts.execute(f'CREATE TABLE "{name}" (name)')
            alerts.execute(f"INSERT INTO \"{name}\" VALUES ('{name}')")
        for name, declared in (SERVED | UNSERVED).items():
            alerts.execute(f"CREATE VIRTUAL TABLE {name} USING {declared}")
        alerts.execute("INSERT INTO over_a_table (over_a_table) VALUES ('rebuild')")
    small_set.build(home)
    return home


def foreseen(home, **decided):
    """Return what a cutover would do."""
    workspace, config = small_set.workspace_of(home)
    with small_set.in_this_process():
        return switchover.plan_cutover(workspace, replace(config, **decided)).shown


def test_exactly_the_tables_that_are_not_served_are_named(built):
    shown = foreseen(built)

    assert {f"alerts.{name}: {why}" for name, why in REASONS.items()} == set(shown.findings)
    (refusal,) = (reason for reason in shown.refusals if "code_is_ready" in reason)
    assert refusal.startswith("4 legacy tables or files will not be served to code that was not rewritten (alerts.")


def test_code_that_is_ready_is_not_asked(built):
    shown = foreseen(built, code_is_ready=True)

    assert () == shown.findings
    assert not any("code_is_ready" in reason for reason in shown.refusals)


def test_a_set_that_is_served_whole_needs_no_code_that_is_ready(tmp_path):
    small_set.make(tmp_path)

    shown = foreseen(tmp_path)

    assert () == shown.findings
    assert not any("code_is_ready" in reason for reason in shown.refusals)


def test_a_database_whose_schema_cannot_be_made_in_memory_is_named(built):
    workspace, config = small_set.workspace_of(built)
    with small_set.in_this_process():
        wanted = switchover.plan_cutover(workspace, config).wanted
    (alerts,) = (one for one in compiler.databases_of(wanted, "core").values() if one.name == "alerts")
    strange = replace(
        alerts, schema=(*alerts.schema, ("table", "far", "far", "CREATE VIRTUAL TABLE far USING vec0(a)"))
    )

    with mock.patch.object(compiler, "databases_of", lambda _, target: {"alerts": strange} if target == "core" else {}):
        assert ("alerts: its schema cannot be made in memory (no such module: vec0)",) == unserved.unserved(wanted)


def test_what_is_named_is_refused_and_the_rest_is_served(built, tmp_path):
    home = small_set.copied(built, tmp_path / "set")
    small_set.cut_over(home)

    with closing(cut_over_set.compat(home / "data", "alerts", isolation_level=None)) as alerts:
        for name, why in REASONS.items():
            with pytest.raises(Unsupported, match=re.escape(f"{name} is not served on the consolidated set: {why}")):
                alerts.execute(f"SELECT * FROM {name}")
        alerts.execute("INSERT INTO posts (body) VALUES ('written since')")
        found = "SELECT rowid FROM over_a_table WHERE over_a_table MATCH 'written'"
        assert [(1,)] == alerts.execute(found).fetchall()


def test_names_that_differ_in_letters_beyond_ascii_are_two_tables(built, tmp_path):
    home = small_set.copied(built, tmp_path / "set")
    small_set.cut_over(home)

    with closing(cut_over_set.compat(home / "data", "alerts", isolation_level=None)) as alerts:
        for name in ("Ä", "ä", "tokens", "to\N{KELVIN SIGN}ens"):
            alerts.execute(f"INSERT INTO \"{name}\" VALUES ('new')")
            assert [(name,), ("new",)] == alerts.execute(f'SELECT name FROM "{name}"').fetchall()
    opening.forget()
    small_set.roll_back(home)

    with closing(sqlite3.connect(home / "data" / "alerts.db")) as alerts:
        for name in ("Ä", "ä", "tokens", "to\N{KELVIN SIGN}ens"):
            assert [(name,), ("new",)] == alerts.execute(f'SELECT name FROM "{name}"').fetchall()
