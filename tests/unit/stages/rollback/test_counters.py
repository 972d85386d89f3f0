"""After a rollback a legacy table gives the ids that it would give had the set never moved."""

import sqlite3
from contextlib import closing

import cut_over_set
import pytest
import small_set

from migrator.application.compat import connection as compat_connection

#: A fact about an entity without a row: the consolidated set needs one, the legacy set does not.
FACT = "INSERT INTO facts (entity, fact, learned_at) VALUES ('nothing yet', 'it is new', '2026-03-01T00:00:00')"
ENTITY = "INSERT INTO entities (name, entity_type) VALUES (?, 'token')"


@pytest.fixture(scope="module", name="moved")
def _moved(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("moved") / "set")
    small_set.cut_over(home)
    return home


def counters(connection):
    return dict(connection.execute("SELECT name, seq FROM sqlite_sequence WHERE name IN ('entities', 'facts')"))


@pytest.mark.parametrize("statements", [[(FACT, ())], [(FACT, ()), (ENTITY, ["a"])], [(ENTITY, ["a"]), (FACT, ())]])
def test_a_parent_that_only_the_consolidated_set_needs_takes_no_id_of_the_legacy_table(moved, tmp_path, statements):
    home = small_set.copied(moved, tmp_path / "set")
    with (
        closing(cut_over_set.legacy_copy(home / "data", "jarvis_memory", tmp_path / "legacy.db")) as stays,
        closing(cut_over_set.compat(home / "data", "jarvis_memory")) as compat,
    ):
        before = counters(stays)
        for sql, values in statements:
            for connection in (stays, compat):
                with connection:
                    connection.execute(sql, values)
        expected = counters(stays)
    compat_connection.POOL.clear()
    small_set.roll_back(home)

    assert before != expected
    with closing(sqlite3.connect(home / "data" / "jarvis_memory.db")) as back:
        assert expected == counters(back)


def test_an_id_that_new_code_gave_and_deleted_is_not_given_again(moved, tmp_path):
    home = small_set.copied(moved, tmp_path / "set")
    with closing(sqlite3.connect(home / "data" / "jarvis_analytics.db")) as new, new:
        given = new.execute("INSERT INTO ai_entities (name, entity_type) VALUES ('gone', 'token')").lastrowid
        new.execute("DELETE FROM ai_entities WHERE id = ?", (given,))
    with closing(cut_over_set.compat(home / "data", "jarvis_memory")) as compat, compat:
        compat.execute(FACT)
    compat_connection.POOL.clear()
    small_set.roll_back(home)

    with closing(sqlite3.connect(home / "data" / "jarvis_memory.db")) as back:
        assert given == counters(back)["entities"]
