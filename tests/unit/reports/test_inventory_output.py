"""An inventory on a terminal and as JSON."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from inventoried import NOISE, ddl, made, only, printed

from migrator.stages.inventory import scan
from migrator.stages.inventory.stage import inventory
from migrator.system.escaping import escaped
from migrator.system.serialize import plain


def test_the_report_reads_well_in_a_hundred_columns(data):
    made(data / "custom.db", ddl("custom") + "INSERT INTO products (name, price) VALUES ('secret name', 1)")
    (data / "jarvis.db").write_bytes(b"[bold]" * 1000)

    text = printed(inventory(data))

    lines = text.splitlines()
    (row,) = [number for number, line in enumerate(lines) if line.startswith("custom.db")]
    assert ["custom.db", "source", "found", "1"] == lines[row].split()[:4]
    assert "not a database" in lines[row + 1]
    assert max(map(len, lines)) <= 100
    assert "secret" not in text


@pytest.mark.parametrize("width", [200, 100, 80, 40])
def test_the_report_loses_nothing_in_a_narrow_window(data, width):
    made(data / "a" / "folder" / "engagement.db", ddl("engagement"))
    made(data / "old" / "engagement.db", ddl("engagement"))
    (data / "jarvis.db").write_bytes(NOISE)
    found = inventory(data)

    text = printed(found, width)

    assert max(map(len, text.splitlines())) <= width
    # Words may be folded; letters may not go.
    letters = "".join(text.split())
    for told in (*found.findings, *(database.reason for database in found.databases)):
        assert width > 80 or "".join(told.split()) in letters
    assert width < 200 or all(database.reason in text for database in found.databases)


def test_the_json_names_every_fact(data):
    made(data / "custom.db", ddl("custom"))

    told = json.loads(json.dumps(plain(inventory(data))))

    assert {"data_dir", "databases", "passed_over", "findings"} == told.keys()
    assert ("source", "custom.db", 0) == tuple(told["databases"][0][key] for key in ("verdict", "place", "rows"))
    with pytest.raises(TypeError, match="bytes"):
        plain({"a": b""})


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("jarvis.db", "jarvis.db"),
        ("é 漢.db", "é 漢.db"),
        ("\x1b[2J\n", r"\x1b[2J\n"),
        ("a\udcff", r"a\xff"),
        ("\u202eb", r"\u202eb"),
    ],
)
def test_names_are_shown_on_one_line_and_without_tricks(name, shown):
    assert shown == escaped(name)


def test_the_child_starts_light():
    """What it need not load costs each start, and is room for mistakes beside hostile bytes."""
    script = "import sys, migrator; before = set(sys.modules); import migrator.stages.inventory.inspect_worker; print(*set(sys.modules) - before)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"sqlite3"} <= loaded
    assert not {"rich", "click", "sqlglot", "pytest", "subprocess", "tempfile", "dataclasses"} & loaded


def test_walk_orders_places_by_their_bytes(data):
    for name in ("b.db", "a/z.db", "B.db", "a.db"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).touch()

    assert ["B.db", "a.db", "a/z.db", "b.db"] == [str(database.place) for database in scan.walk(data).databases]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "its -wal: a symbolic link, which is not followed"),
        (os.mkfifo, "its -wal: not a regular file"),
        (lambda path: path.mkdir(), "its -wal: not a regular file"),
    ],
)
def test_what_is_wrong_with_a_companion_is_said_of_the_companion(data, make, reason):
    """'tax.db: a symbolic link' sent people to look at the wrong file."""
    with closing(sqlite3.connect(data / "tax.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    make(data / "tax.db-wal")

    assert reason == only(inventory(data)).reason
