"""A program whose code calls the connect of sqlite3 gets the legacy schema for legacy names, and only for those."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
import small_set

from migrator.application import connection as connection_module
from migrator.application.compat import connection as compat_connection
from migrator.application.programs import hook, recording, serving

COUNTED = "SELECT count(*) FROM positions WHERE token_mint IS NOT NULL"
#: Opens a database in each way in which a program may name it.
OPENS = f"""
import os, pathlib, sqlite3, sys
import sqlite3.dbapi2 as second
from sqlite3 import connect as third

class Holder:
    connect = sqlite3.connect

def count(connection):
    with connection:
        print(connection.execute("{COUNTED}").fetchone()[0])
    connection.close()

data = sys.argv[1]
os.chdir(data)
for connection in (
    sqlite3.connect("jarvis.db"),
    second.connect("./jarvis.db", timeout=3),
    third(os.path.join(data, "jarvis.db"), 3.0, 0, None),
    Holder().connect(b"../data/jarvis.db"),
    sqlite3.connect(pathlib.Path("jarvis.db")),
    sqlite3.connect(database="jarvis.db", check_same_thread=False),
    sqlite3.connect("file:jarvis.db?mode=ro", uri=True),
    sqlite3.connect("file:" + os.path.join(data, "jarvis.db"), uri=True),
    sqlite3.connect("../beside.db"),
):
    count(connection)
"""


def run(program, *arguments, options=(), **environment):
    path = Path(environment.pop("folder")) / "program.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "migrator.compat", *options, path, *arguments],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    return done.returncode, done.stdout.split(), done.stderr.splitlines()[-1:]


@pytest.fixture(scope="module", name="built")
def _built(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("built") / "set")


@pytest.fixture(scope="module", name="moved")
def _moved(built, tmp_path_factory):
    home = small_set.copied(built, tmp_path_factory.mktemp("moved") / "set")
    small_set.cut_over(home)
    (home / "beside.db").symlink_to("data/jarvis.db")
    return home


@pytest.fixture(name="home")
def _home(moved, tmp_path):
    return small_set.copied(moved, tmp_path / "set")


@pytest.fixture(autouse=True)
def _closed():
    yield
    compat_connection.POOL.clear()


def test_each_way_to_name_a_legacy_database_gives_the_legacy_schema(built, moved, tmp_path):
    unmoved = small_set.copied(built, tmp_path / "set")
    (unmoved / "beside.db").symlink_to("data/jarvis.db")
    native = run(OPENS, unmoved / "data", folder=tmp_path)

    assert (0, []) == (native[0], native[2])
    assert 9 == len(native[1])
    assert native == run(OPENS, moved / "data", folder=tmp_path)


def test_after_a_rollback_the_legacy_file_is_opened(home, tmp_path):
    small_set.roll_back(home)

    shown = "import sqlite3, sys; print(type(sqlite3.connect(sys.argv[1])).__module__)"
    assert (0, ["sqlite3"], []) == run(shown, home / "data" / "jarvis.db", folder=tmp_path)


@pytest.mark.parametrize(
    "opens",
    [
        "sqlite3.connect(':memory:')",
        "sqlite3.connect('')",
        "sqlite3.connect('file::memory:?cache=shared', uri=True)",
        "sqlite3.connect('file:jarvis.db?mode=memory', uri=True)",
        "sqlite3.connect('jarvis_core.db')",
        "sqlite3.connect('standalone.db')",
        "sqlite3.connect('/nowhere/jarvis.db')",
        "sqlite3.connect('~/jarvis.db')",
        "sqlite3.connect('a\\0b')",
        "sqlite3.connect(7)",
        "sqlite3.connect()",
        "sqlite3.connect('jarvis_core.db', 5.0, timeout=5.0)",
        "sqlite3.connect('jarvis_core.db', nothing=1)",
    ],
)
def test_what_is_no_legacy_name_is_opened_by_sqlite_with_its_own_errors(moved, tmp_path, opens):
    program = f"""
    import os, sqlite3, sys
    os.chdir(sys.argv[1])
    try:
        print(type({opens}))
    except Exception as error:
        print(type(error), error)
    """
    path = tmp_path / "native.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    native = subprocess.run([sys.executable, path, moved / "data"], capture_output=True, text=True, check=True)

    assert (0, native.stdout.split(), []) == run(program, moved / "data", folder=tmp_path)


def test_a_missing_file_is_made_before_the_cutover_and_never_after_it(built, home, tmp_path):
    program = f"import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('{COUNTED}').fetchone())"
    unmoved = small_set.copied(built, tmp_path / "unmoved")
    (unmoved / "data" / "jarvis.db").unlink()
    (home / "data" / "jarvis.db").unlink()

    code, _, errors = run(program, unmoved / "data" / "jarvis.db", folder=tmp_path)
    assert (1, ["sqlite3.OperationalError: no such table: positions"]) == (code, errors)
    assert (unmoved / "data" / "jarvis.db").is_file()

    code, _, (error,) = run(program, home / "data" / "jarvis.db", folder=tmp_path)
    assert 1 == code
    assert error.startswith(f"sqlite3.OperationalError: {home / 'data' / 'jarvis.db'}: there is no such database; ")
    assert not (home / "data" / "jarvis.db").exists()


def test_the_tool_itself_opens_files_and_no_legacy_schema(moved, tmp_path):
    program = """
    import pathlib, sqlite3, sys
    from migrator.system import connections
    sqlite3.connect(":memory:").close()
    print(type(connections.read(pathlib.Path(sys.argv[1]))).__module__)
    """
    assert (0, ["sqlite3"], []) == run(program, moved / "data" / "jarvis.db", folder=tmp_path)


RUNS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for number in range(3):
    connection.execute("SELECT symbol FROM positions WHERE id = ?", ("private",)).fetchall()
connection.cursor().execute("SELECT 1 WHERE :a IS :b", {"a": None, "b": 1.5})
connection.executemany("UPDATE scorecard SET total_trades = ? WHERE total_trades = ?", iter([(1, None), (2, None), (3, b"")]))
connection.executescript("CREATE TABLE IF NOT EXISTS scorecard (id); SELECT ';' ;")
sqlite3.connect(":memory:").execute("SELECT 2")
try:
    connection.execute("SELECT nothing FROM positions")
except sqlite3.OperationalError:
    pass
"""


@pytest.mark.parametrize("which", ["built", "moved"])
def test_distinct_statements_are_recorded_with_types_and_without_values(request, tmp_path, which):
    home = request.getfixturevalue(which)
    record = tmp_path / "record.jsonl"
    for _ in range(2):
        assert (0, [], []) == run(RUNS, home / "data" / "jarvis.db", options=("--record", record), folder=tmp_path)

    text = record.read_text(encoding="utf-8")
    assert "private" not in text
    assert 0o600 == record.stat().st_mode & 0o777
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"jarvis"} == {line["database"] for line in lines}
    assert [
        ("SELECT symbol FROM positions WHERE id = ?", [["text"]], 6),
        ("SELECT 1 WHERE :a IS :b", [{"a": "null", "b": "real"}], 2),
        (
            "UPDATE scorecard SET total_trades = ? WHERE total_trades = ?",
            [["int", "null"], ["int", "blob"]],
            2,
        ),
        ("CREATE TABLE IF NOT EXISTS scorecard (id);", [], 2),
        ("SELECT ';' ;", [], 2),
        ("SELECT nothing FROM positions", [], 2),
    ] == [(line["sql"], line["parameters"], line["count"]) for line in lines]


def test_a_record_that_cannot_be_written_does_not_stop_the_program(built, tmp_path):
    record = tmp_path / "record.jsonl"
    record.write_text("no record\n", encoding="utf-8")

    code, _, (error,) = run(RUNS, built / "data" / "jarvis.db", options=(f"--record={record}",), folder=tmp_path)

    assert (0, f"migrator: {record}: statements were not recorded: line 1 is no recorded statement") == (code, error)
    assert "no record\n" == record.read_text(encoding="utf-8")


@pytest.mark.parametrize("state", ["never switched", "rolled back"])
def test_a_cutover_while_a_program_connects_gives_the_legacy_schema(built, tmp_path, state):
    home = small_set.copied(built, tmp_path / "set")
    if state == "rolled back":
        small_set.cut_over(home)
        small_set.roll_back(home)
        small_set.build(home)
    calls = []

    def original(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 1:
            small_set.cut_over(home)
        return sqlite3.connect(*arguments, **named)

    with closing(hook.Connect(original)(home / "data" / "jarvis.db")) as connection:
        assert connection.execute(COUNTED).fetchone()[0] > 0
    assert 1 == len(calls)


def test_a_link_to_the_set_of_another_user_is_refused_unless_it_is_named(moved, monkeypatch):
    monkeypatch.setattr(connection_module, "is_trusted", lambda _: False)
    connect = hook.Connect(sqlite3.connect)

    with pytest.raises(sqlite3.OperationalError, match=f"set MIGRATOR_DATA_DIR={moved / 'data'}"):
        connect(moved / "data" / "jarvis.db")
    connect(moved / "data" / "jarvis_core.db").close()
    monkeypatch.setenv("MIGRATOR_DATA_DIR", str(moved / "data"))
    with closing(connect(moved / "data" / "jarvis.db")) as connection:
        assert connection.execute(COUNTED).fetchone()[0] > 0


class OwnCursor(sqlite3.Cursor):
    pass


class Own(sqlite3.Connection):
    def cursor(self, factory=None):
        return super().cursor(factory or OwnCursor)


@pytest.mark.parametrize("which", ["built", "moved"])
def test_classes_of_the_program_are_kept_below_the_record(request, tmp_path, which, monkeypatch):
    home = small_set.copied(request.getfixturevalue(which), tmp_path / "set")
    monkeypatch.setenv(hook.RECORD, str(tmp_path / "record.jsonl"))
    path = str(home / "data" / "jarvis.db")
    connection = serving.connect(sqlite3.connect, path, (path,), {"factory": Own})
    cursor = connection.execute(COUNTED)
    assert cursor.fetchone()[0] > 0
    connection.close()
    recording.record_of(str(tmp_path / "record.jsonl")).write()

    assert isinstance(connection, Own)
    assert isinstance(cursor, OwnCursor)
    assert 1 == json.loads((tmp_path / "record.jsonl").read_text(encoding="utf-8").splitlines()[0])["count"]
    shutil.rmtree(home)
