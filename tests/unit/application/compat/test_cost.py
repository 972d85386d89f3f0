"""What a legacy schema costs, in statements and in steps of SQLite's virtual machine: the same on any machine."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import cut_over_set
import pytest

#: Prints which modules the first read of a program has imported.
FIRST_READ = (
    "import sys, migrator; migrator.connect(sys.argv[1]).execute('SELECT count(*) FROM positions').fetchone();"
    "print(*sys.modules)"
)
#: What a program need not wait for: modules that parse mappings or DDL, show results, make specimens, or end a switch.
NEEDLESS = {
    "click", "faker", "filelock", "importlib.resources", "jinja2", "logging", "pygal", "rich", "sqlglot",
    "migrator.application.compat.compiler", "migrator.mapping.model", "migrator.schema.model", "migrator.switch.recovery",
}  # fmt: skip
MESSAGE = "INSERT INTO messages (user_id, role, content, timestamp) VALUES (5, 'user', ?, '2026-02-01T00:00:00')"
TRADE = (
    "INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, tx_signature)"
    " VALUES (?, 'S', 'M', 'buy', 1, 1, 1, '2026-02-01T00:00:00', ?)"
)


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory):
    return cut_over_set.make(tmp_path_factory.mktemp("made"), rows=1_000)


def statements_of(connection, deed):
    """Return the statements that *deed* runs."""
    seen = []
    connection.mirror.set_trace_callback(seen.append)
    deed()
    connection.mirror.set_trace_callback(None)
    return [sql for sql in seen if not sql.startswith("--")]


def steps_of(connection, deed):
    """Return the steps of SQLite's virtual machine that *deed* takes, in tens."""
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    connection.mirror.set_progress_handler(count, 10)
    deed()
    connection.mirror.set_progress_handler(None, 10)
    return steps


def test_the_first_read_of_a_program_imports_nothing_that_it_does_not_need(data):
    program = [sys.executable, "-c", FIRST_READ, data / "jarvis.db"]
    first, second = (
        subprocess.run(program, check=True, capture_output=True, text=True).stdout.split() for _ in range(2)
    )

    # The plan of this set was not written yet: the first program compiles it.
    assert "sqlglot" in first
    assert "migrator.application.compat.mirror" in second
    assert not NEEDLESS.intersection(second)


def test_a_warm_read_is_the_statement_and_one_look_for_changes(data):
    with closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as jarvis:
        asked = "SELECT * FROM trades WHERE id = 'x'"
        jarvis.execute(asked)

        assert ["PRAGMA core.data_version", asked] == statements_of(jarvis, lambda: jarvis.execute(asked))


@pytest.mark.parametrize(
    ("database", "table", "write"),
    [
        ("telegram_memory", "messages", lambda connection, n: connection.execute(MESSAGE, (f"text {n}",))),
        ("jarvis", "trades", lambda connection, n: connection.execute(TRADE, (f"{n:08x}", f"signature {n}"))),
    ],
)
def test_a_write_does_not_grow_with_its_table(data, database, table, write):
    with closing(cut_over_set.compat(data, database, isolation_level=None)) as connection:
        write(connection, 1)
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        few = steps_of(connection, lambda: write(connection, 2))
        connection.execute("BEGIN")
        for number in range(3, 3 + 8 * rows):
            write(connection, number)
        connection.execute("COMMIT")
        many = steps_of(connection, lambda: write(connection, 2**31))

        assert many < 1.5 * few


def test_a_commit_grows_in_proportion_to_its_rows(data):
    with closing(cut_over_set.compat(data, "telegram_memory", isolation_level=None)) as telegram:

        def commit(rows):
            telegram.execute("BEGIN")
            telegram.executemany(MESSAGE, [(f"text {number}",) for number in range(rows)])
            telegram.execute("COMMIT")

        commit(10)
        assert steps_of(telegram, lambda: commit(4_000)) < 13 * steps_of(telegram, lambda: commit(400))


def test_a_table_that_another_process_did_not_write_is_not_loaded_again(data):
    with closing(cut_over_set.compat(data, "jarvis", isolation_level=None)) as jarvis:
        jarvis.execute("UPDATE scorecard SET total_trades = 1")
        jarvis.execute("SELECT count(*) FROM trades").fetchone()
        with closing(sqlite3.connect(data / "jarvis_core.db")) as core, core:
            core.execute("UPDATE positions SET notes = 'x'")

        ran = statements_of(jarvis, lambda: jarvis.execute("SELECT count(*) FROM trades").fetchone())
        assert not [sql for sql in ran if sql.startswith("INSERT INTO main.")]
