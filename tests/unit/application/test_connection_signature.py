"""migrator.connect takes all that sqlite3.connect takes, whichever set is in use."""

import json
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import pytest

import migrator
from migrator.errors import Refused
from migrator.switch import state as switch_state
from migrator.switch.state import Name, Switch

#: What is tried here is the consolidated schema, under either name.
connect = partial(migrator.connect, schema="consolidated")
MADE = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, at timestamp, x CHECK (x > 0))"


class Own(sqlite3.Connection):
    """A connection of the application's own, with slots and its own cursors."""

    __slots__ = ("seen",)

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.seen = self.execute("SELECT 1").fetchall()
        self.row_factory = sqlite3.Row

    def cursor(self, factory=None):
        return super().cursor(factory or OwnCursor)


class OwnCursor(sqlite3.Cursor):
    def execute(self, *arguments):
        self.executed = arguments
        return super().execute(*arguments)


class Meta(type):
    """A metaclass of the application's own."""


class OwnKind(Own, metaclass=Meta):
    pass


def none_yet(_data, _wanted):
    pass


def cut_over(data, wanted):
    (data / "jarvis.db").rename(data / "jarvis_core.db")
    (data / "jarvis.db").symlink_to("jarvis_core.db")
    switch_state.write(replace(wanted, finished=True))


def cut_short_after_its_commit(data, wanted):
    cut_over(data, wanted)
    for target in ("analytics", "cache"):
        sqlite3.connect(data / f"jarvis_{target}.db").close()
    switch_state.write(wanted)
    (data / ".migrator" / "active").symlink_to("new")


def rolled_back(_data, wanted):
    (wanted.env_file).write_text("USE_CONSOLIDATED_DBS=false\n")
    switch_state.write(replace(wanted, kind=switch_state.ROLLBACK, finished=True))


@pytest.fixture(name="data", params=[none_yet, cut_over, cut_short_after_its_commit, rolled_back])
def _data(tmp_path, request):
    data = tmp_path / "data"
    (data / ".migrator").mkdir(parents=True)
    with closing(sqlite3.connect(data / "jarvis.db")) as connection:
        connection.executescript(MADE)
    (tmp_path / ".env").write_text("USE_CONSOLIDATED_DBS=true\n")
    place = PurePosixPath("jarvis.db")
    request.param(
        data,
        Switch(
            data_dir=data,
            kind=switch_state.CUTOVER,
            run="0001",
            env_file=tmp_path / ".env",
            names=(Name(database="jarvis", place=place, path=data / place, target="core", journal_mode="wal"),),
            tables=(),
            constants={},
        ),
    )
    return data


#: A value of each parameter other than its default, and what shows that it came through.
ASKED = {
    "timeout": (0.25, lambda core: core.execute("PRAGMA busy_timeout").fetchone()[0] == 250),
    "detect_types": (
        sqlite3.PARSE_COLNAMES,
        lambda core: core.execute("SELECT x'31' AS \"a [own]\"").fetchone()[0] == 1,
    ),
    "isolation_level": (None, lambda core: core.isolation_level is None),
    "check_same_thread": (False, lambda _: True),
    "factory": (Own, lambda core: isinstance(core, Own) and core.seen == [(1,)]),
    "cached_statements": (7, lambda _: True),
    "uri": (True, lambda _: True),
}
if sys.version_info >= (3, 12):
    ASKED["autocommit"] = (False, lambda core: core.autocommit is False and core.in_transaction)
sqlite3.register_converter("own", int)


def test_every_parameter_of_the_standard_library_is_tried():
    """As the standard library of this Python lists them."""
    assert set(ASKED) == set(re.findall(r"(\w+)=", sqlite3.connect.__text_signature__))


@pytest.mark.parametrize("name", ASKED)
def test_each_parameter_is_taken_by_keyword(data, name):
    value, came_through = ASKED[name]

    with closing(connect("jarvis.db", data_dir=data, **{name: value})) as core:
        assert came_through(core)
        assert (1 if (data / "jarvis_core.db").exists() else 0,) == tuple(
            core.execute("PRAGMA foreign_keys").fetchone()
        )


@pytest.mark.parametrize("count", range(1, 8))
def test_parameters_are_taken_by_position(data, count):
    taken = [(value, came_through) for name, (value, came_through) in ASKED.items() if name != "autocommit"][:count]

    with closing(connect("jarvis.db", *(value for value, _ in taken), data_dir=data)) as core:
        assert all(came_through(core) for _, came_through in taken)


@pytest.mark.parametrize(
    "name",
    ["file:jarvis.db", "file:jarvis.db?mode=rwc&cache=private", "file:{data}/jar%76is.db?mo%64e=rwc#x", b"jarvis.db"],
)
def test_a_uri_names_a_file_below_the_data_directory_and_makes_none(data, name):
    name = name.format(data=data) if isinstance(name, str) else name
    with closing(connect(name, data_dir=data, uri=True)) as core, core:
        core.execute("INSERT INTO t (x) VALUES (1)")
    before = sorted(data.iterdir())

    with pytest.raises(Refused, match="there is no such database"):
        connect("file:nowhere.db?mode=rwc", data_dir=data, uri=True)
    with pytest.raises(Refused, match="there is no such database"):
        connect("file:jarvis.db", data_dir=data)
    with closing(connect("file:jarvis.db?mode=ro", data_dir=data, uri=True)) as core:
        assert (1,) == core.execute("SELECT x FROM t").fetchone()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            core.execute("INSERT INTO t (x) VALUES (1)")
    assert before == sorted(path for path in data.iterdir() if path.suffix == ".db" or path in before)


@pytest.mark.parametrize("name", [":memory:", "", "file:own?mode=memory&cache=shared"])
def test_a_database_without_a_file_is_what_it_is_to_sqlite(data, name):
    with closing(connect(name, data_dir=data, uri=name.startswith("file:"), factory=Own)) as memory:
        memory.execute("CREATE TABLE t (x)")
        assert "" == memory.execute("PRAGMA database_list").fetchone()["file"]


def counted(data):
    path = data / ".migrator" / "events.jsonl"
    found = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return sum(one["ok"] for one in found), sum(one["failed"] for one in found)


@pytest.mark.parametrize("kind", [Own, OwnKind])
@pytest.mark.parametrize("data", [cut_over], indirect=True)
def test_statements_are_counted_below_the_classes_of_the_application(data, kind):
    with closing(connect("jarvis.db", data_dir=data, factory=kind)) as core:
        with core:
            core.execute("INSERT INTO t (x) VALUES (1)")
        own = core.cursor()
        assert isinstance(own, OwnCursor)
        own.execute("SELECT x FROM t")
        assert 1 == own.fetchone()["x"]
        assert ("SELECT x FROM t",) == own.executed
        assert 1 == core.cursor(sqlite3.Cursor).execute("SELECT x FROM t").fetchone()["x"]
        for execute in (core.execute, own.execute, core.cursor(OwnCursor).execute):
            with pytest.raises(sqlite3.IntegrityError):
                execute("INSERT INTO t (x) VALUES (0)")
        core.counter.write()

    assert (4, 3) == counted(data)


def test_a_factory_that_is_a_function_makes_what_it_makes(data):
    def made(*arguments, **named):
        named.pop("factory", None)
        return Own(*arguments, **named)

    for factory in (made, partial(made)):
        with closing(connect("jarvis.db", data_dir=data, factory=factory)) as core:
            assert Own is type(core)
            assert [] == core.execute("SELECT * FROM t").fetchall()
