"""The census of a made-up bot, place by place, and of files that are broken, huge, unreadable or no files at all."""

import os
import random
import shutil
from pathlib import Path

import pytest

from migrator.application.census import code_base, code_files, legacy_set
from migrator.application.census.findings import Kind, Verdict
from migrator.errors import UsageError
from migrator.mapping import named_columns, workload

SUPPORT = Path(__file__).parents[3] / "support"
BOT = SUPPORT / "bot_code"


@pytest.fixture(scope="module", name="bot")
def _bot():
    """The census of the made-up bot, taken in its folder."""
    here = Path.cwd()
    os.chdir(BOT)
    try:
        return code_base.take([Path()])
    finally:
        os.chdir(here)


def listed(finding):
    """Return a finding as a line of bot_code_findings.txt."""
    return " ".join(
        [
            f"{finding.file}:{finding.line}:{finding.column}",
            finding.verdict.value.replace(" ", "-"),
            finding.kind.value,
            ",".join(finding.databases) or "-",
            finding.table or "-",
            ",".join(finding.columns) or "-",
        ]
    )


def test_every_place_is_found_where_it_is_with_what_it_means(bot):
    expected = (SUPPORT / "bot_code_findings.txt").read_text(encoding="utf-8").splitlines()

    assert sorted(expected) == sorted(map(listed, bot.findings))


def test_a_place_is_where_the_table_is_written(bot):
    for finding in bot.findings:
        if finding.table:
            line = (BOT / finding.file).read_text(encoding="utf-8").splitlines()[finding.line - 1]
            assert line[finding.column - 1 :].strip("\"'").startswith((finding.table, "sql")), listed(finding)


def place(bot, where):
    (finding,) = [one for one in bot.findings if f"{one.file}:{one.line}" == where]
    return finding


def test_the_findings_are_counted_by_verdict_and_by_database(bot):
    assert sum(bot.verdicts.values()) == len(bot.findings)
    assert list(bot.verdicts) == ["must change", "unknown", "compat", "works"]
    assert bot.databases["raid_bot"] == {"must change": 0, "unknown": 0, "compat": 0, "works": 7}
    assert [one.verdict for one in bot.findings] == sorted(
        (one.verdict for one in bot.findings), key=list(Verdict).index
    )


def test_what_must_change_has_the_new_place_of_each_column(bot):
    assert place(bot, "bot/moved.py:13").change == (
        "jarvis.positions -> core.positions (jarvis_core.db)",
        "positions.token_mint -> core.positions.token_address, '' becomes NULL",
        (
            "positions.status -> core.positions.status, closed_* is closed, failed is closed"
            " and core.positions json_extract(metadata, '$.legacy_status')"
        ),
    )
    assert "positions.opened_at -> core.positions.entry_time, UTC text" in place(bot, "bot/trader.py:7").change


@pytest.mark.parametrize(
    ("where", "why", "change"),
    [
        ("bot/trader.py:13", "once migrator opens it", "migrator.connect in place of sqlite3.connect"),
        ("bot/memory.py:9", "aiosqlite.connect opens the legacy schema", "python -m migrator.compat"),
        ("bot/odd.py:16", "the class is called directly", "migrator.connect in place of sqlite3.Connection"),
        ("bot/odd.py:17", "bound when the module is imported", "import connect from migrator"),
        ("bot/odd.py:19", "a function makes the connection", "give factory= a class"),
        ("bot/tax.py:30", "cannot attach a second name", "both lie in jarvis_core.db"),
        ("bot/trader.py:20", "had no such table", "make drafts in a database of its own"),
        ("ops/backup.sh:5", "the file stays as it is", ""),
    ],
)
def test_a_verdict_has_its_reason_and_the_one_change(bot, where, why, change):
    finding = place(bot, where)

    assert why in finding.why
    assert change in "; ".join(finding.change)


def test_a_statement_of_which_a_part_is_computed_names_the_part(bot):
    assert "computed while the program runs: ', '.join(" in place(bot, "bot/trader.py:59").why


def findings(folder, content, name="bot.py"):
    """Return the findings in one file with this *content*."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return code_base.take([path]).findings


def one(folder, content, name="bot.py"):
    (finding,) = findings(folder, content, name)
    return finding


OPENED = "import sqlite3, os\nfrom pathlib import Path\n{}\nsqlite3.connect({})\n"


@pytest.mark.parametrize(
    ("before", "path", "databases"),
    [
        ("", "'data/jarvis.db'", ("jarvis",)),
        ("", "b'data/jarvis.db'", ("jarvis",)),
        ("", "database='jarvis.db'", ("jarvis",)),
        ("", "Path('data') / 'tax.db'", ("tax",)),
        ("", "Path('data', 'cache', 'file_cache.db')", ("file_cache",)),
        ("", "Path.home().joinpath('.lifeos', 'tax.db')", ("tax",)),
        ("", "str(Path('data/x').with_name('tax.db'))", ("tax",)),
        ("", "Path('data/tax').with_suffix('.db')", ("tax",)),
        ("", "os.path.join('data', 'tax.db')", ("tax",)),
        ("", "os.environ.get('TAX', 'data/tax.db')", ("tax",)),
        ("", "os.getenv('TAX') or 'data/tax.db'", ("tax",)),
        ("", "'%s/%s.db' % ('data', 'tax')", ("tax",)),
        ("", "'{}/{name}.db'.format('data', name='tax')", ("tax",)),
        ("", "'{1}/{0}'.format('tax.db', 'data')", ("tax",)),
        ("", "'/'.join(['data', 'tax.db'])", ("tax",)),
        ("", "'data/' + 'tax' + '.db'", ("tax",)),
        ("", "'file:data/tax.db?mode=ro', uri=True", ("tax",)),
        ("name = 'tax'", "f'data/{name}.db'", ("tax",)),
        ("D = Path('data')\nP = D / 'tax.db'", "P", ("tax",)),
        ("D = 'a'\nD = 'data/tax.db'", "D", ("tax",)),
        ("P = {'tax': 'data/tax.db'}", "P['tax']", ("tax",)),
        ("class C:\n    path = 'data/tax.db'", "C.path", ("tax",)),
        ("def path():\n    return 'data/tax.db'", "path()", ("tax",)),
        ("debug = 0", "'data/tax.db' if debug else 'data/whales.db'", ("tax", "whales")),
        ("", "'data/rate_limiter.db'", ("rate_limiter",)),
        ("", "'data/rate_limiter/rate_limiter.db'", ("rate_limiter_security",)),
        ("", "r'data\\jarvis.db'", ("jarvis",)),
    ],
)
def test_a_path_is_followed_to_its_database(tmp_path, before, path, databases):
    assert one(tmp_path, OPENED.format(before, path)).databases == databases


@pytest.mark.parametrize(
    ("before", "path"),
    [
        ("", "os.environ['TAX']"),
        ("", "f'data/{os.environ[\"X\"]}.db'"),
        ("import sys", "sys.argv[1]"),
        ("P = P", "P"),
        ("def f(): return g()\ndef g(): return f()", "f()"),
    ],
)
def test_a_path_that_is_computed_is_unknown_and_never_left_out(tmp_path, before, path):
    assert one(tmp_path, OPENED.format(before, path)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "code",
    [
        "def run(conn):\n    conn.execute('SELECT token_mint FROM positions')",
        "QUERY = 'select token_mint from positions'",
        "QUERY = ('SELECT token_mint '\n         'FROM positions')",
        "QUERY = 'SELECT token_mint' + ' FROM positions'",
        "import pandas as pd\npd.read_sql('SELECT token_mint FROM positions', db)",
        "def run(db, name):\n    db.execute('SELECT token_mint FROM positions WHERE id IN ({})'.format(name))",
        "class Positions(Base):\n    __tablename__ = 'positions'\n    token_mint = Column(Text)",
        "class Positions(Model):\n    token_mint = TextField()\n    class Meta:\n        table_name = 'positions'",
    ],
)
def test_sql_is_found_without_its_connection_by_the_name_of_the_table(tmp_path, code):
    finding = one(tmp_path, code)

    assert (finding.databases, finding.table, finding.verdict) == (("jarvis",), "positions", Verdict.COMPAT)


@pytest.mark.parametrize(
    "code",
    [
        '"""SELECT token_mint FROM positions"""',
        "def f():\n    'SELECT token_mint FROM positions'",
        "log('Select a trade from the list')",
        "log('update the position of the trades')",
        "log('positions and trades')",
        "pool.execute(task)",
        "x = 'data/unknown.txt'",
    ],
)
def test_what_only_looks_like_it_is_no_finding(tmp_path, code):
    assert findings(tmp_path, f"import sqlite3\n{code}") == ()


def test_a_table_that_several_databases_have_is_told_apart_by_its_columns(tmp_path):
    assert one(tmp_path, "Q = 'SELECT username, role FROM messages'").databases == ("telegram_memory",)
    assert one(tmp_path, "Q = 'SELECT username, text FROM messages'").databases == ("jarvis_admin",)
    assert one(tmp_path, "Q = 'SELECT username FROM messages'").databases == ("jarvis_admin", "telegram_memory")


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM positions WHERE token_address = ?", "INSERT INTO positions (id, token_address) VALUES (?, ?)"],
)
def test_a_column_that_the_table_did_not_have_is_named(tmp_path, sql):
    assert "jarvis had no column token_address there" in one(tmp_path, f"Q = {sql!r}").why


def test_a_constant_of_another_module_and_a_call_from_it_are_followed(tmp_path):
    (tmp_path / "settings.py").write_text("WHERE = 'data/tax.db'\n")
    (tmp_path / "db.py").write_text("import sqlite3\ndef opened(path):\n    return sqlite3.connect(path)\n")
    (tmp_path / "main.py").write_text(
        "from settings import WHERE\nfrom db import opened\nopened(WHERE).execute('SELECT fee FROM tax_lots')\n"
    )

    found = {(one.file.rpartition("/")[2], one.kind): one.databases for one in code_base.take([tmp_path]).findings}

    assert found == {("db.py", Kind.CONNECTION): ("tax",), ("main.py", Kind.STATEMENT): ("tax",)}


def test_a_file_in_latin_1_is_read_with_and_without_saying_so(tmp_path):
    text = "# -*- coding: latin-1 -*-\nimport sqlite3\nname = 'Zoë'\nsqlite3.connect('data/tax.db')\n"
    said = one(tmp_path, text.encode("latin-1"))
    silent = one(tmp_path, text.partition("\n")[2].encode("latin-1"))

    assert (said.line, said.databases) == (4, ("tax",))
    assert (silent.line, silent.databases) == (3, ("tax",))


def test_broken_python_is_read_as_text_and_named(tmp_path):
    (tmp_path / "broken.py").write_text("import sqlite3\nif True print\nsqlite3.connect('data/jarvis.db')\n")

    taken = code_base.take([tmp_path])

    assert [(one.line, one.databases, one.verdict) for one in taken.findings] == [(3, ("jarvis",), Verdict.UNKNOWN)]
    assert "is no Python that can be parsed" in taken.unread[0].why
    assert "(line 2)" in taken.unread[0].why


@pytest.mark.parametrize("content", ["(" * 5_000, "x = 1\0", "x = " + "-" * 5_000 + "1", "def f(:\n" * 50])
def test_hostile_python_ends_in_a_sentence(tmp_path, content):
    (tmp_path / "hostile.py").write_text(f"# sqlite3\n{content}")

    assert code_base.take([tmp_path]).findings == ()


@pytest.mark.parametrize(
    "code",
    [
        "sqlite3.connect(" + " + ".join(["'a'"] * 900) + ")",
        "sqlite3.connect(a" + ".b" * 900 + ")",
        "sqlite3.connect('a'" + ".strip()" * 900 + ")",
        "a0 = 'data/tax'\n" + "".join(f"a{one} = a{one - 1}\n" for one in range(1, 300)) + "sqlite3.connect(a299)",
        "class A(B):\n    def f(self): sqlite3.connect(self.p)\nclass B(A): pass",
        "def f(p=None):\n    p = p or f(p)\n    return sqlite3.connect(p)\nf(f())",
        "\n".join(f"v{one} = 'a' if z else 'b'" for one in range(9))
        + "\nsqlite3.connect("
        + " + ".join(f"v{one}" for one in range(9))
        + ")",
    ],
    ids=["sum", "attributes", "methods", "names", "classes", "calls", "choices"],
)
def test_what_is_nested_too_deep_or_has_too_many_values_is_unknown(tmp_path, code):
    finding = one(tmp_path, f"import sqlite3\n{code}")

    assert (finding.kind, finding.verdict, finding.databases) == (Kind.CONNECTION, Verdict.UNKNOWN, ())


def test_a_database_in_memory_is_no_finding(tmp_path):
    code = "connect(':memory:')", "connect('')", "connect('file:x?mode=memory&cache=shared', uri=True)"

    assert findings(tmp_path, "import sqlite3\n" + "\n".join(f"sqlite3.{one}" for one in code)) == ()


def test_a_huge_file_is_named_and_not_read(tmp_path):
    with (tmp_path / "dump.sql").open("wb") as file:
        file.truncate(code_files.LARGEST + 1)
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(code_files.LARGEST + 1)

    taken = code_base.take([tmp_path])

    assert [one.why for one in taken.unread] == ["larger than 4 MiB"]
    assert taken.files == 0


def test_links_in_a_circle_and_links_to_one_file_are_read_once(tmp_path):
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "a.py").write_text("import sqlite3\nsqlite3.connect('data/tax.db')\n")
    (tmp_path / "bot" / "again").symlink_to(tmp_path / "bot")
    (tmp_path / "b.py").symlink_to(tmp_path / "bot" / "a.py")
    (tmp_path / "nowhere.py").symlink_to(tmp_path / "missing.py")
    os.mkfifo(tmp_path / "pipe.py")

    taken = code_base.take([tmp_path])

    assert (taken.files, len(taken.findings)) == (1, 1)
    assert [one.file.rpartition("/")[2] for one in taken.unread] == ["nowhere.py"]


def test_an_unreadable_file_and_folder_are_named(tmp_path, monkeypatch):
    (tmp_path / "secret.py").write_text("import sqlite3\n")
    read_bytes, scandir = Path.read_bytes, os.scandir
    (tmp_path / "locked").mkdir()

    def refused(path):
        if path.name == "secret.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    def closed(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr(os, "scandir", closed)

    taken = code_base.take([tmp_path])

    assert [(one.file.rpartition("/")[2], one.why) for one in taken.unread] == [
        ("locked", "Permission denied"),
        ("secret.py", "Permission denied"),
    ]


@pytest.mark.parametrize("folder", [".git", "node_modules", ".venv", "env/lib"])
def test_a_folder_without_code_of_the_owners_is_left_out(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "a.py").write_text("import sqlite3\nsqlite3.connect('data/tax.db')\n")
    if folder.startswith("env"):
        (tmp_path / "env" / "pyvenv.cfg").touch()

    assert code_base.take([tmp_path]).files == 0


def test_binary_files_and_prose_are_left_out_and_a_script_is_known_by_its_first_line(tmp_path):
    (tmp_path / "image.py").write_bytes(b"sqlite3\0\1\2 jarvis.db")
    (tmp_path / "README.md").write_text("data/jarvis.db")
    script = tmp_path / "nightly"
    script.write_text("#!/usr/bin/env python3\nimport sqlite3\nsqlite3.connect('data/tax.db')\n")
    script.chmod(0o755)

    taken = code_base.take([tmp_path])

    assert (taken.files, [one.databases for one in taken.findings]) == (1, [("tax",)])


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        code_base.take([tmp_path / "missing"])


def test_nothing_is_run_or_written(tmp_path):
    shutil.copytree(BOT, tmp_path / "bot")
    mark = tmp_path / "mark"
    (tmp_path / "bot" / "evil.py").write_text(f"import sqlite3\nopen({str(mark)!r}, 'w')\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    code_base.take([tmp_path])

    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    ("name", "text", "verdict", "kind"),
    [
        ("run.sh", "sqlite3 data/jarvis.db .dump", Verdict.CHANGE, Kind.SHELL),
        ("run.sh", "rsync data/jarvis.db host:", Verdict.UNKNOWN, Kind.PATH),
        ("Makefile", "dump:\n\tsqlite3 data/jarvis.db .dump", Verdict.CHANGE, Kind.SHELL),
        ("main.go", 'db, err := sql.Open("sqlite3", "data/jarvis.db")', Verdict.CHANGE, Kind.PATH),
        ("app.js", "const q = 'SELECT token_mint FROM positions'", Verdict.CHANGE, Kind.STATEMENT),
        ("app.js", "import { positions } from 'positions'", None, None),
        ("bot.toml", 'path = "data/jarvis.db"', Verdict.COMPAT, Kind.PATH),
        (".env", "DB=/srv/data/raid_bot.db", Verdict.WORKS, Kind.PATH),
        ("fix.sql", "ALTER TABLE positions ADD COLUMN x TEXT;", Verdict.CHANGE, Kind.SCHEMA),
    ],
)
def test_other_files_are_read_by_pattern(tmp_path, name, text, verdict, kind):
    assert [(one.verdict, one.kind) for one in findings(tmp_path, text, name)] == ([(verdict, kind)] if verdict else [])


def test_every_legacy_file_name_is_known_by_its_place():
    for database in legacy_set.databases():
        place = next(known.place for known in legacy_set.catalogue.legacy_databases() if known.name == database)
        assert legacy_set.databases_at(f"/srv/data/{place}") == (database,)


def broken(sql, numbers):
    """Return *sql* broken off somewhere, with a word lost, doubled or replaced."""
    words = sql.split(" ")
    for _ in range(numbers.randint(1, 3)):
        at = numbers.randrange(len(words))
        words[at] = numbers.choice(["", "(", ")", "?", "'", "*", ".", "_census_hole_", words[at] * 2])
    return " ".join(words)[: numbers.randrange(1, len(sql) + 1)]


def test_no_broken_statement_breaks_the_reader():
    numbers, tables = random.Random(7), legacy_set.tables()  # noqa: S311 - no secret
    extra = [
        "PRAGMA main.user_version = 3",
        "ATTACH 'a' AS b",
        "CREATE TABLE t (a)",
        "DELETE FROM t",
        "REPLACE INTO t(a) VALUES (1)",
    ]
    for sql in [*(question.legacy_sql for question in workload.questions()), *extra]:
        for _ in range(40):
            statement = named_columns.read(broken(sql, numbers), tables)
            assert isinstance(statement.kind, named_columns.Kind)


@pytest.mark.parametrize(
    ("factory", "verdict"),
    [
        ("Counted", Verdict.COMPAT),
        ("sqlite3.Connection", Verdict.COMPAT),
        ("library.Connection", Verdict.COMPAT),
        ("made", Verdict.CHANGE),
        ("lambda *given: Counted(*given)", Verdict.CHANGE),
        ("functools.partial(Counted)", Verdict.CHANGE),
    ],
)
def test_a_class_of_connections_is_served_and_a_function_is_not(tmp_path, factory, verdict):
    code = f"""
import functools, sqlite3, library
class Counted(sqlite3.Connection): ...
def made(*given): return Counted(*given)
sqlite3.connect("data/jarvis.db", factory={factory})
"""
    (found,) = findings(tmp_path, code)

    assert verdict == found.verdict
