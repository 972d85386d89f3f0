"""What drawn sets found, each shrunk to the least that showed it."""

from dataclasses import replace
from pathlib import PurePosixPath

import generated
import pytest

from contracts.specimens.drawn import model as drawn_model
from contracts.specimens.drawn.model import DrawnFile, DrawnSet, DrawnTable
from migrator.errors import Refused
from migrator.records.plan import Fate
from migrator.stages.plan import preconditions


def table(name, columns, *rows, constraint=""):
    """A table of *columns* as declared (``id INTEGER``), with rows."""
    declared = ", ".join(columns) + (f", {constraint}" if constraint else "")
    names = tuple(column.split()[0].strip('"') for column in columns)
    return DrawnTable(name=name, create=f'CREATE TABLE "{name}" ({declared})', columns=names, rows=rows)


def legacy_set(**files):
    """A set of files, whose points in the name are spelled ``__``."""
    return DrawnSet(
        files=tuple(
            DrawnFile(place=PurePosixPath(f"{name.replace('__', '.')}.db"), tables=tables)
            for name, tables in files.items()
        )
    )


@pytest.fixture
def run(tmp_path):
    """Return a function that takes a set through plan, backup and build, and proves it."""

    def go(legacy):
        drawn_model.write(legacy, tmp_path / "data")
        run = generated.Run(tmp_path, legacy.config)
        run.check()
        run.check_by_hand()
        return run

    return go


SESSIONS = ("session_id TEXT", "user_id INTEGER", "data TEXT", "created_at TIMESTAMP", "last_accessed TIMESTAMP", "expires_at TIMESTAMP")  # fmt: skip
WASH_SALES = ("id INTEGER", "symbol TEXT", "sale_date TEXT", "sale_tx_id TEXT", "replacement_date TEXT", "replacement_tx_id TEXT", "disallowed_loss REAL", "replacement_lot_id INTEGER")  # fmt: skip
MESSAGES = ("id INTEGER PRIMARY KEY", "user_id INTEGER", "username TEXT", "role TEXT COLLATE NOCASE", "content TEXT", "timestamp TEXT", "chat_id INTEGER")  # fmt: skip
MOVEMENTS = ("id INTEGER", "wallet_address TEXT COLLATE NOCASE", "wallet_label TEXT", "timestamp TEXT", "movement_type TEXT", "token_symbol TEXT", "token_mint TEXT", "amount REAL", "value_usd REAL", "direction TEXT", "tx_signature TEXT", "counterparty TEXT", "is_significant INTEGER")  # fmt: skip
WALLETS = ("address TEXT PRIMARY KEY", "label TEXT", "total_sol_moved REAL", "first_seen TIMESTAMP", "last_active TIMESTAMP", "is_active INTEGER")  # fmt: skip
METRICS = ("id INTEGER PRIMARY KEY AUTOINCREMENT", "timestamp TEXT", "component TEXT", "total_requests INTEGER", "failed_requests INTEGER", "error_rate REAL", "latency_p50 REAL", "latency_p95 REAL", "latency_p99 REAL", "latency_min REAL", "latency_max REAL", "latency_mean REAL")  # fmt: skip
SALES = ("id INTEGER PRIMARY KEY", "symbol TEXT", "quantity REAL", "sale_price REAL", "sale_date TEXT", "proceeds REAL", "cost_basis REAL", "gain_loss REAL", "fee REAL", "is_long_term INTEGER", "holding_period_days INTEGER", "long_term_gain_loss REAL", "short_term_gain_loss REAL", "lots_used_json TEXT", "tx_id TEXT")  # fmt: skip
TRADES = ("id TEXT PRIMARY KEY", "symbol TEXT", "token_mint TEXT", "side TEXT", "amount_sol REAL", "amount_tokens REAL", "price REAL", "timestamp TEXT", "tx_signature TEXT", "position_id TEXT", "user_id INTEGER")  # fmt: skip
LOTS = ("id INTEGER PRIMARY KEY", "symbol TEXT", "quantity REAL", "remaining_quantity REAL", "cost_per_unit REAL", "total_cost REAL", "fee REAL", "purchase_date TEXT", "tx_id TEXT", "adjusted_cost_basis REAL", "wash_sale_adjustment REAL")  # fmt: skip
REFLECTIONS = ("id INTEGER", '"trigger" TEXT', "what_happened TEXT", "why_failed TEXT", "lesson TEXT", "new_approach TEXT", "applied INTEGER", "applied_count INTEGER", "created_at TEXT")  # fmt: skip


@pytest.mark.parametrize("name", ["my__notes", "core", "Main", "temp", "ids", "cache__x"])
def test_a_file_is_carried_whatever_it_is_called(run, name):
    carried = run(legacy_set(**{name: (table("t", ("a",), ("x",)),)}))

    assert [1] == [account.carried for account in carried.built.sources]


def test_two_files_that_differ_in_letter_case_are_refused(run):
    with pytest.raises(Refused, match="two files would be carried under the name"):
        run(legacy_set(Notes=(table("t", ("a",)),), notes=(table("u", ("a",)),)))


def test_more_tables_than_anybody_can_look_at_are_refused(run, monkeypatch):
    monkeypatch.setattr(preconditions, "MOST_CARRIED", 2)
    many = legacy_set(few=(table("t", ("a",)),), many=(table("t", ("a",)), table("u", ("a",))))

    with pytest.raises(Refused, match=r"many: 2 of 3 tables that the specification has no home for, and at most 2 are"):
        run(many)


def test_two_tables_that_would_be_carried_under_one_name_are_refused(run):
    with pytest.raises(Refused, match=r"a\.b_c and a_b\.c would both be carried as analytics\.legacy_a_b_c"):
        run(legacy_set(a=(table("b_c", ("x",)),), a_b=(table("c", ("x",)),)))


def test_rows_that_share_a_key_are_quarantined_whole(run):
    rows = [("s", 1, None, None, None, None), ("s", 1, None, None, None, None), ("S", 2, None, None, None, None)]

    sessions = run(legacy_set(cache=(table("sessions", SESSIONS, *rows),))).built.targets

    assert {"cache.sessions": {"UNIQUE session_id": 2}} == {
        a.table: dict(a.quarantined) for a in sessions if a.quarantined
    }


def test_rows_without_a_key_do_not_make_a_shared_one(run):
    nobody = (None, "SOL", "", None, "", None, 1.0, 1)

    built = run(legacy_set(tax=(table("wash_sales", WASH_SALES, nobody, nobody, (-1, *nobody[1:])),))).built

    (quarantined,) = [dict(a.quarantined) for a in built.targets if a.quarantined]
    assert {"NOT NULL id": 2, "NOT NULL sold_lot_id": 1} == quarantined


def test_cells_are_compared_by_their_bytes_whatever_the_collation(run):
    """With NOCASE the rebuilt role equals the stored one."""
    row = (1, 7, None, "ASSISTANT", "hello", None, 0)

    built = run(legacy_set(telegram_memory=(table("messages", MESSAGES, row),))).built

    assert [1] == [account.mapped for account in built.sources]


def test_a_row_of_the_full_text_table_needs_an_integer(run):
    rows = [("x", "t", None, None, "l", None, 0, 0, ""), (1.5, "t", None, None, "l", None, 0, 0, "")]

    built = run(legacy_set(jarvis_memory=(table("reflections", REFLECTIONS, *rows),))).built

    (quarantined,) = [dict(a.quarantined) for a in built.targets if a.quarantined]
    assert {"PRIMARY KEY rowid": 2} == quarantined


def test_a_known_table_in_other_letters_is_mapped(run):
    planned = run(legacy_set(cache=(table("SESSIONS", SESSIONS, ("s", 1, None, None, None, None)),))).plan

    assert [("cache_db.sessions", Fate.MAPPED)] == [(one.source, one.fate) for one in planned.tables]


def test_a_full_text_table_with_rows_of_its_own_is_refused(tmp_path):
    legacy = legacy_set(research=(DrawnTable(name="n", create="CREATE VIRTUAL TABLE n USING fts5(a)", columns=("a",), rows=(("x",),)),))  # fmt: skip
    drawn_model.write(legacy, tmp_path / "data")

    with pytest.raises(
        Refused,
        match=r"research\.db: n \(fts5\): keeps 1 rows of its own; copy its rows to an ordinary table, leave it",
    ):
        generated.Run(tmp_path, legacy.config)


def test_wallets_are_told_apart_by_letter_case(run):
    """The movements' column is NOCASE, so ab seemed to have a wallet, and no constraint stopped its movement."""
    movement = (1, "ab", None, None, None, None, "So11111111111111111111111111111111111111112", 1.0, *(None,) * 5)
    wallets = table("whale_wallets", WALLETS, ("Ab", *(None,) * 5))

    built = run(legacy_set(whales=(table("whale_movements", MOVEMENTS, movement), wallets))).built

    assert {"analytics.whale_movements": 0, "analytics.whale_wallets": 1} == {
        account.table: account.stubs for account in built.targets if account.rows and account.table != "core.config"
    }


def test_there_is_no_id_above_the_largest_integer(run):
    """A legacy table that has given its last id: of three measures two still get one, so none of the row goes in."""
    row = (1, "2026-01-17T10:00:00+00:00", "api", 1, 2, 3.0, *(None,) * 6)
    metrics = replace(table("metrics_1m", METRICS, row), mark=2**63 - 3)

    (account,) = run(legacy_set(metrics=(metrics,))).built.sources

    assert (1, 0, 1) == (account.rows, account.mapped, account.quarantined)


def test_sales_that_share_a_transaction_do_not_multiply_a_wash_sale(run):
    """Each of the two listed the lot, so the wash sale had two parts of one number, in the order of the file."""
    sale = ("SOL", 1.0, 1.0, "2026-01-17", 1.0, 1.0, 0.0, 0.0, 0, 1, None, None, "[[1, 1.0]]", "sig")
    sales = table("sales", SALES, (1, *sale), (2, *sale))
    wash = table("wash_sales", WASH_SALES, (7, "SOL", "2026-01-17", "sig", "2026-01-17", None, 1.0, 1))

    built = run(legacy_set(tax=(sales, wash))).built

    (quarantined,) = [dict(a.quarantined) for a in built.targets if a.quarantined]
    assert {"NOT NULL sold_lot_id": 1} == quarantined


def test_a_lot_of_a_negative_quantity_cost_zero_and_not_minus_zero(run):
    trade = ("buy_1", "SOL", "Mint", "buy", 1.0, 1.0, 1.0, "2026-01-17", "sig", "", 0)
    lot = (1, "SOL", -12.5, -12.5, 0.0, 0.0, 0.0, "2026-01-17", "sig", 0.0, 0.0)

    built = run(legacy_set(jarvis=(table("trades", TRADES, trade),), tax=(table("tax_lots", LOTS, lot),))).built

    assert [1, 1] == [account.mapped for account in built.sources]
