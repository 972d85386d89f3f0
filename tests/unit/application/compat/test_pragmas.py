"""Each PRAGMA of SQLite does on a legacy schema what docs/reference/pragmas.md promises."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import cut_over_set
import pytest

from migrator.application.compat import connection as compat_connection
from migrator.application.compat import pragmas
from migrator.application.compat.errors import Unsupported
from migrator.application.compat.pragmas import KINDS, Kind
from migrator.switch import state as switch_state

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "pragmas.md"
BEGIN, END = "<!-- pragmas: begin -->\n", "<!-- pragmas: end -->\n"
#: What a pragma is asked about.
ARGUMENTS = dict.fromkeys(("table_info", "table_xinfo", "index_list", "foreign_key_list"), "positions") | dict.fromkeys(
    ("index_info", "index_xinfo"), "idx_positions_status"
)
#: Settings that SQLite itself has no other value for, or that are about the whole process.
FIXED = {"encoding", "temp_store_directory"}


@pytest.fixture(scope="module", name="data")
def _data(tmp_path_factory):
    return cut_over_set.make(tmp_path_factory.mktemp("made"), rows=100)


@pytest.fixture(name="jarvis")
def _jarvis(data):
    with closing(cut_over_set.compat(data, "jarvis")) as connection:
        yield connection
    compat_connection.POOL.clear()


@pytest.fixture(name="legacy")
def _legacy(data, tmp_path):
    with closing(cut_over_set.legacy_copy(data, "jarvis", tmp_path / "legacy.db")) as connection:
        yield connection


@pytest.fixture(name="core")
def _core(data):
    with closing(sqlite3.connect(data / "jarvis_core.db")) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def asked(connection, name, value=None):
    """Return names and rows of a pragma's result."""
    argument = f"('{ARGUMENTS[name]}')" if name in ARGUMENTS else "" if value is None else f" = {value}"
    cursor = connection.execute(f"PRAGMA {name}{argument}")
    return cursor.description and [column[0] for column in cursor.description], cursor.fetchall()


def of(kind):
    return sorted(name for name, its in KINDS.items() if its is kind)


def test_each_pragma_of_this_sqlite_has_a_row(legacy):
    assert {name for (name,) in legacy.execute("PRAGMA pragma_list")} <= KINDS.keys()
    assert pragmas.ADAPTED.keys() == set(of(Kind.ADAPTED))


def test_the_page_shows_each():
    page = PAGE.read_text(encoding="utf-8")
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page[:begin] + pragmas.table() + page[end:], encoding="utf-8")
        return
    assert pragmas.table() == page[begin:end]


@pytest.mark.parametrize("name", of(Kind.SERVED))
def test_what_is_served_is_as_on_the_legacy_file(jarvis, legacy, name):
    expected, got = asked(legacy, name), asked(jarvis, name)
    if name in ("function_list", "module_list"):
        # Functions that migrator registers come on top.
        assert set(expected[1]) <= set(got[1])
    else:
        assert expected == got


@pytest.mark.parametrize("name", [*of(Kind.PASSED_ON), *of(Kind.ANSWERED)])
def test_what_is_about_the_file_is_answered_of_the_consolidated_one(jarvis, core, name):
    jarvis.execute("SELECT count(*) FROM positions").fetchone()
    if name == "data_version":
        before = asked(jarvis, name)
        core.executescript("CREATE TABLE other (x); DROP TABLE other")
        assert before != asked(jarvis, name)
    else:
        assert asked(core, name) == asked(jarvis, name)


@pytest.mark.parametrize(("name", "value"), [("wal_autocheckpoint", 7), ("journal_size_limit", 4096), ("mmap_size", 8192), ("secure_delete", 0)])  # fmt: skip
def test_a_setting_that_is_passed_on_holds_for_the_consolidated_file(jarvis, core, name, value):
    asked(jarvis, name, value)

    assert [(value,)] == jarvis.mirror._execute(f"PRAGMA core.{name}").fetchall()
    assert [(value,)] == asked(jarvis, name)[1]
    del core


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "delete"), ("locking_mode", "exclusive"), ("page_size", 512), ("auto_vacuum", 1), ("max_page_count", 5),
     ("data_version", 5), ("page_count", 5), ("freelist_count", 5)],
)  # fmt: skip
def test_a_setting_of_the_file_changes_nothing(data, jarvis, name, value):
    before = asked(jarvis, name)
    asked(jarvis, name, value)

    assert before == asked(jarvis, name)
    with closing(cut_over_set.compat(data, "jarvis")) as other, other:
        other.execute("UPDATE scorecard SET total_trades = total_trades + 1")


@pytest.mark.parametrize("name", of(Kind.REFUSED))
def test_another_value_is_refused_and_the_same_is_not(jarvis, legacy, name):
    ((now,),) = asked(legacy, name)[1]
    assert asked(legacy, name) == asked(jarvis, name)
    asked(jarvis, name, now)

    for other in (now + 1 if now != 1 else 0, now + 5, "ON" if now == 0 else "OFF"):
        with pytest.raises(
            Unsupported, match=f"{name} cannot be changed while the consolidated set is in use: it is {now}"
        ):
            asked(jarvis, name, other)
    assert asked(legacy, name) == asked(jarvis, name)


def test_the_list_of_databases_has_the_legacy_path(data, jarvis, tmp_path):
    (name,) = (name for name in switch_state.read(data).names if name.database == "jarvis")
    main = (0, "main", str(name.path))
    every = "SELECT * FROM pragma_database_list"
    assert (["seq", "name", "file"], [main]) == asked(jarvis, "database_list")
    assert [main] == jarvis.execute(every).fetchall()

    sqlite3.connect(tmp_path / "other.db").close()
    jarvis.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    jarvis.execute("CREATE TEMP TABLE mine (x)")
    expected = [main, (1, "temp", ""), (3, "other", str(tmp_path / "other.db"))]
    assert expected == asked(jarvis, "database_list")[1] == jarvis.execute(every).fetchall()


def test_the_list_of_tables_is_that_of_the_legacy_file(jarvis, legacy):
    names, rows = asked(legacy, "table_list")
    got, found = asked(jarvis, "table_list")
    assert names == got
    assert sorted(rows) == sorted(found)
    assert (
        legacy.execute("PRAGMA table_list(positions)").fetchall()
        == jarvis.execute("PRAGMA table_list(positions)").fetchall()
    )


def test_the_disk_is_waited_for_more_often_but_not_less_often(data, jarvis):
    for value, holds in (("OFF", 2), ("NORMAL", 2), ("1", 2), ("EXTRA", 3), ("FULL", 3)):
        assert (None, []) == asked(jarvis, "synchronous", value)
        assert [(holds,)] == asked(jarvis, "synchronous")[1]
        assert (holds,) == jarvis.mirror._execute("PRAGMA core.synchronous").fetchone()
    jarvis.close()
    with closing(cut_over_set.compat(data, "jarvis")) as other:
        assert [(2,)] == asked(other, "synchronous")[1]


def test_a_connection_for_queries_alone_still_sees_what_others_write(data, jarvis):
    assert (None, []) == asked(jarvis, "query_only", "ON")
    assert (["query_only"], [(1,)]) == asked(jarvis, "query_only")
    with closing(cut_over_set.compat(data, "jarvis")) as other, other:
        other.execute("UPDATE scorecard SET total_trades = 77")
    assert (77,) == jarvis.execute("SELECT total_trades FROM scorecard").fetchone()
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        jarvis.execute("UPDATE scorecard SET total_trades = 78")

    jarvis.close()
    with closing(cut_over_set.compat(data, "jarvis")) as other:
        assert [(0,)] == asked(other, "query_only")[1]


@pytest.mark.parametrize(("name", "value"), [("temp_store", "FILE"), ("temp_store", 0), ("temp.temp_store", "FILE")])
def test_where_temporary_tables_are_kept_stays(data, jarvis, name, value):
    assert (None, []) == asked(jarvis, name, value)
    with jarvis:
        jarvis.execute("UPDATE scorecard SET total_trades = 79")

    with closing(cut_over_set.compat(data, "jarvis")) as other:
        assert (79,) == other.execute("SELECT total_trades FROM scorecard").fetchone()


@pytest.mark.parametrize("pragma", ["synchronous = OFF", "journal_mode = DELETE", "user_version = 5", "page_count"])
def test_the_consolidated_file_cannot_be_named(jarvis, pragma):
    with pytest.raises(sqlite3.OperationalError, match="unknown database core"):
        jarvis.execute(f"PRAGMA core.{pragma}")


def test_a_database_of_the_program_has_its_own_pragmas(jarvis, tmp_path):
    sqlite3.connect(tmp_path / "other.db").close()
    jarvis.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    jarvis.execute("PRAGMA other.user_version = 5")

    assert (5,) == jarvis.execute("PRAGMA other.user_version").fetchone()
    with pytest.raises(Unsupported, match="writable_schema cannot be changed"):
        jarvis.execute("PRAGMA other.writable_schema = ON")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("query_only = ON -- safe", 1), ("query_only = ON /* safe */", 1), ("query_only = 2", 1), ("query_only(ON /* safe */)", 1),
     ("foreign_keys = ON /*x*/", 1), ("foreign_keys = 2; -- on", 1), ("foreign_keys = 0x10", 1), ("foreign_keys = 00", 0),
     ("foreign_keys = 'on'", 1), ("query_only = -1", 0), ("query_only = 256", 0), ("query_only = nonsense", 0), ("foreign_keys = +0", 0), ('query_only = "yes"', 1)],
)  # fmt: skip
def test_a_switch_is_read_as_sqlite_reads_it(jarvis, legacy, setting, expected):
    name = setting.replace("(", " ").split()[0]
    for connection in (jarvis, legacy):
        connection.execute(f"PRAGMA {setting}")
        assert [(expected,)] == asked(connection, name)[1]


def test_a_comment_after_a_value_is_not_part_of_it(jarvis, legacy):
    for connection in (jarvis, legacy):
        ((now,),) = asked(connection, "user_version")[1]
        connection.execute(f"PRAGMA user_version = {now} -- as it is")
        connection.execute(f"/* a */ PRAGMA /* b */ user_version /* c */ = /* d */ {now} -- as it is\n;")
    assert [("positions",)] == jarvis.execute("SELECT 'positions'").fetchall()


@pytest.mark.parametrize("name", ["wal_autocheckpoint", "journal_size_limit", "mmap_size"])
def test_a_setting_of_the_whole_connection_does_not_reach_the_next_program(data, name):
    with closing(cut_over_set.compat(data, "jarvis")) as first:
        ((before,),) = asked(first, name)[1]
        asked(first, name, 4096)
    with closing(cut_over_set.compat(data, "jarvis")) as second:
        assert [(before,)] == asked(second, name)[1]
    compat_connection.POOL.clear()
