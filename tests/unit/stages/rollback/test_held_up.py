"""How long a rollback holds writers up: the copies are written before, and once more if a process commits meanwhile."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import small_set

from migrator.errors import MigratorError, RollbackFailed
from migrator.stages.rollback import legacy_copies
from migrator.switch import state as switch_state

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
for statement in sys.argv[2:]:
    connection.execute(statement)
"""
RAISE = "BEGIN IMMEDIATE", "UPDATE positions SET entry_price = entry_price + 1", "COMMIT"


@pytest.fixture(name="cut", scope="module")
def _cut(tmp_path_factory):
    home = small_set.make(tmp_path_factory.mktemp("held-up") / "home")
    small_set.cut_over(home)
    return home


@pytest.fixture(name="home")
def _home(cut, tmp_path):
    return small_set.copied(cut, tmp_path / "home")


def write_from_another_process(home, *statements):
    """Run *statements* on the database of positions in another process, which waits for no lock; return whether it could."""
    command = [sys.executable, "-c", WRITER, home / "data" / "jarvis_core.db", *statements]
    return 0 == subprocess.run(command, check=False, capture_output=True).returncode


def prices(path):
    with closing(sqlite3.connect(path)) as connection:
        return [price for (price,) in connection.execute("SELECT entry_price FROM positions ORDER BY id")]


@pytest.fixture(name="during")
def _during(monkeypatch):
    """Have something done while the copies are written; return the results, one for each time."""
    write, results = legacy_copies.write, []

    def done(deed, *, fails=False):
        def both(*arguments):
            results.append(deed())
            if results == [True] and fails:
                raise MigratorError("the databases are of two moments")
            return write(*arguments)

        monkeypatch.setattr(legacy_copies, "write", both)
        return results

    return done


def test_while_the_copies_are_written_no_process_is_held_up(home, during):
    could = during(lambda: write_from_another_process(home, "BEGIN IMMEDIATE", "ROLLBACK"))

    assert small_set.roll_back(home).executed

    assert [True] == could


@pytest.mark.parametrize("fails", [False, True])
def test_a_commit_while_the_copies_are_written_goes_back_too(home, during, fails):
    before = prices(home / "data" / "jarvis_core.db")

    could = during(lambda: write_from_another_process(home, *RAISE), fails=fails)

    assert small_set.roll_back(home).executed

    # The second time the databases are held, so that it is the last.
    assert [True, False] == could
    assert [price + 1 for price in before] == pytest.approx(prices(home / "data" / "jarvis.db"))


def test_what_fails_on_databases_that_rest_fails_and_leaves_no_copies(home, monkeypatch):
    calls = []

    def fails(*_):
        calls.append(1)
        raise MigratorError("the proof failed")

    monkeypatch.setattr(legacy_copies, "write", fails)

    with pytest.raises(RollbackFailed, match="the proof failed; the consolidated set is still in use"):
        small_set.roll_back(home)

    last = switch_state.cutover_in_use(home / "data")
    assert not last.scratch.exists()
    assert not last.tree(switch_state.ROLLED_BACK).exists()
    assert 2 == len(calls)
