"""Quarantined rows whose key is no UTF-8, or whose legacy table has no primary key, are resolved and rolled back once."""

import sqlite3
from collections import Counter
from contextlib import closing

import cut_over_set
import pytest
import small_set

from contracts.checks import quarantine_in_use
from migrator.application.compat.connection import POOL
from migrator.errors import Refused
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.schema import catalogue
from migrator.switch.workspace import Workspace

NOT_UTF8 = b"\xff41"
#: An open position that no specified status lets in.
REFUSED = """
INSERT INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, opened_at)
VALUES ({key}, 'ODD', 'OddMint', 2.5, 1.5, 3.5, 'opening', '2026-01-01T00:00:00+00:00')
"""


def cut_over_with(home, *statements, before=lambda _: None):
    """Cut a small set over after *before* and *statements* in the legacy ``jarvis.db``; return its home."""
    small_set.write(home)
    with closing(sqlite3.connect(home / "data" / "jarvis.db", isolation_level=None)) as legacy:
        before(legacy)
        for statement in statements:
            legacy.execute(statement)
    small_set.migrate(home)
    return home


def positions(home, where="1"):
    """Return the cells of the legacy positions, as bytes: in the originals, or after a rollback in the legacy file."""
    last = small_set.last_switch(home)
    (name,) = (name for name in last.names if name.database == "jarvis")
    with closing(sqlite3.connect(last.originals / name.place if last.kind == "cutover" else name.path)) as legacy:
        legacy.text_factory = bytes
        return Counter(legacy.execute(f"SELECT * FROM positions WHERE {where}").fetchall())


def core_of(home):
    return sqlite3.connect(home / "data" / "jarvis_core.db", isolation_level=None)


def insert_by_hand(core, *, entry_time, amount=3.5, amount_sol=1.5):
    core.execute(
        "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, entry_time, status, wallet_address)"
        " VALUES ('ODD', 'OddMint', 2.5, ?, ?, ?, 'open', 'the wallet')",
        (amount, amount_sol, entry_time),
    )


@pytest.fixture(name="undecodable")
def _undecodable(tmp_path):
    return cut_over_with(tmp_path / "home", REFUSED.format(key=f"CAST(x'{NOT_UTF8.hex()}' AS TEXT)"))


def test_a_rollback_knows_a_row_that_was_moved_by_hand_by_a_key_that_is_no_utf8(undecodable):
    home = undecodable
    before = positions(home)
    with closing(core_of(home)) as core:
        insert_by_hand(core, entry_time="2026-01-01 00:00:00")
        core.execute("DELETE FROM quarantine WHERE CAST(legacy_key AS BLOB) = ?", (NOT_UTF8,))

    small_set.roll_back(home)

    ((was, _),) = (before - positions(home)).items()
    ((now, _),) = (positions(home) - before).items()
    assert NOT_UTF8 == was[0] == now[0]
    assert (b"opening" in was, b"open" in now) == (True, True)


def test_a_row_that_may_be_the_deleted_one_is_told_by_a_key_that_is_no_utf8(undecodable):
    home = undecodable
    before = positions(home)
    with closing(core_of(home)) as core:
        insert_by_hand(core, entry_time="2026-03-03 00:00:00", amount=1.0, amount_sol=1.0)
        core.execute("DELETE FROM quarantine WHERE CAST(legacy_key AS BLOB) = ?", (NOT_UTF8,))
        core.execute("UPDATE positions SET entry_price = 9.0 WHERE symbol = 'ODD'")

    done = small_set.roll_back(home)

    assert (before, {"core.positions": 1}) == (positions(home), done.residue)
    with closing(sqlite3.connect(small_set.last_switch(home).left_behind / "residue.db")) as residue:
        (why,) = residue.execute("SELECT why FROM core_positions").fetchone()
    assert r"it may be jarvis.positions \xff41, which was deleted from quarantine" in why


def test_the_contract_names_a_row_that_left_the_quarantine_by_a_key_that_is_no_utf8(undecodable, tmp_path):
    with closing(core_of(undecodable)) as core:
        core.execute("DELETE FROM quarantine WHERE CAST(legacy_key AS BLOB) = ?", (NOT_UTF8,))

    strayed = list(quarantine_in_use.strayed(small_set.last_switch(undecodable), "core", tmp_path))

    assert [r"jarvis.positions '\xff41': left the quarantine, and no lineage leads to it"] == strayed


DROP = "INSERT INTO decisions VALUES ('jarvis.positions', {}, 'drop', '{}', 'of no use')"
WAS = '{"status": ["odd", "odd"]}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refused", "dropped", "named"),
    [
        ((), None, 0),
        ((REFUSED.format(key="'known'"),), None, 1),
        ((REFUSED.format(key="'known'"),), ("'known'", WAS), 0),
        ((REFUSED.format(key="'known'"),), ("'known'", "{}"), 1),
        ((REFUSED.format(key="NULL"),), ("NULL", "{}"), 1),
        (
            (REFUSED.format(key="NULL"), "UPDATE positions SET status = 'closed_odd' WHERE id IS NULL"),
            ("NULL", "{}"),
            0,
        ),
    ],
    ids=[
        *("nothing", "a row", "a dropped row", "an open position dropped by its key alone"),
        *("a dropped open position without a key", "a dropped row without a key"),
    ],
)
def test_the_contract_needs_an_acceptance_where_the_cutover_does(tmp_path, refused, dropped, named):
    made = small_set.last_switch(cut_over_with(tmp_path / "home", *refused))
    for name in catalogue.TARGETS.values():
        with closing(sqlite3.connect(made.baseline / name, isolation_level=None)) as baseline:
            baseline.execute("DELETE FROM quarantine WHERE row NOT LIKE '%OddMint%'")
            if dropped:
                baseline.execute(DROP.format(*dropped))

    missing, *rows = [*quarantine_in_use.unaccepted(made, tmp_path), None]

    assert ("accepted.json: is missing, so no quarantined row was accepted" if named else None) == missing
    assert named == len([row for row in rows if row and "was in quarantine by" in row])


def without_primary_key(legacy):
    """Make the legacy table anew, as a person may who copied its rows."""
    (declared,) = legacy.execute("SELECT sql FROM sqlite_schema WHERE name = 'positions'").fetchone()
    assert "TEXT    PRIMARY KEY" in declared
    legacy.execute("ALTER TABLE positions RENAME TO former")
    legacy.execute(declared.replace("TEXT    PRIMARY KEY", "TEXT"))
    legacy.execute("INSERT INTO positions SELECT * FROM former")
    legacy.execute("DROP TABLE former")


def open_rows(home):
    """Return source and handle of each quarantined row of the positions."""
    rows = pipeline_quarantine.rows(Workspace(home / "data"))
    return [(row.handle, row.value("symbol")) for row in rows if row.source == "jarvis.positions"]


def test_a_row_does_not_get_the_key_of_another_where_the_table_has_no_primary_key(tmp_path):
    home = cut_over_with(tmp_path / "home", REFUSED.format(key="NULL"), before=without_primary_key)
    ((handle, symbol),) = [one for one in open_rows(home) if one[1] == "ODD"]
    with closing(core_of(home)) as core:
        (taken,) = core.execute("SELECT legacy_key FROM lineage WHERE source = 'jarvis.positions' LIMIT 1").fetchone()

    with pytest.raises(Refused, match=f"another row has the id '{taken}'; nothing was changed"):
        pipeline_quarantine.resolve(Workspace(home / "data"), handle, {"id": taken, "status": "open"})
    assert (handle, symbol) in open_rows(home)
    done = pipeline_quarantine.resolve(Workspace(home / "data"), handle, {"id": "free", "status": "open"})
    assert ("free", False) == (done.key, (handle, symbol) in open_rows(home))


def test_a_row_whose_key_another_has_stays_in_quarantine_beside_a_new_row(tmp_path):
    """A rollback would not find it by its key, and would give back both."""
    twins = (REFUSED.format(key="'twin'"), REFUSED.format(key="'twin'").replace("OddMint", "TwinMint"))
    home = cut_over_with(tmp_path / "home", *twins, before=without_primary_key)
    before, quarantined = positions(home), open_rows(home)
    with closing(core_of(home)) as core:
        insert_by_hand(core, entry_time="2026-01-01 00:00:00")
    with closing(cut_over_set.compat(home / "data", "jarvis")) as bot:
        shown = Counter(bot.execute("SELECT token_mint FROM positions WHERE symbol = 'ODD'").fetchall())
        with bot:
            # A writer records that the new row is a row of its own.
            bot.execute("UPDATE scorecard SET total_trades = 7")
    POOL.clear()

    assert (Counter({("OddMint",): 2, ("TwinMint",): 1}), quarantined) == (shown, open_rows(home))
    small_set.roll_back(home)
    assert (0, 1) == ((before - positions(home)).total(), (positions(home) - before).total())
