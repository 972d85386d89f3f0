"""``migrator.connect`` imports nothing that parses DDL, draws or prints; for the legacy schema after a cutover: compat/test_cost.py."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import cut_over_set
import pytest

NEEDLESS = {"click", "jinja2", "pygal", "rich", "sqlglot"}
#: Opens a database, reads from it, and prints which of NEEDLESS, and which of the command line's modules, are imported.
PROGRAM = (
    "import sys, migrator; migrator.connect(*sys.argv[1:2], data_dir=sys.argv[2]).execute('SELECT * FROM trades').fetchone();"
    f"print(*sorted(sys.modules.keys() & {NEEDLESS!r}), *(name for name in sys.modules if name.startswith('migrator.cli')))"
)


def imported(name, data_dir, *, first=""):
    """Return what of NEEDLESS a fresh process has imported after it has read from the database *name*."""
    command = [sys.executable, "-c", first + PROGRAM, name, str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_before_a_cutover(tmp_path):
    with closing(sqlite3.connect(tmp_path / "jarvis.db")) as connection:
        connection.execute("CREATE TABLE trades (id TEXT)")

    assert [] == imported("jarvis.db", tmp_path)
    # What is imported would be seen.
    assert ["rich", "migrator.cli"] == imported("jarvis.db", tmp_path, first="import rich, migrator.cli;")


@pytest.mark.slow
def test_after_a_cutover_by_the_new_name(tmp_path):
    data = cut_over_set.make(tmp_path, rows=100)

    assert [] == imported("jarvis_core.db", data)
