"""Each column of each mapped table, written to since the cutover: it comes back exactly, or it is residue and its legacy row is as it was."""

import sqlite3
from contextlib import closing

import pytest
import small_set
import written_since
from written_since import ROWS, After, opened

from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.rollback import cell_comparison

pytestmark = pytest.mark.slow

LATER = "2026-02-03 04:05:06"
#: Table -> column -> what is written to it.  As found, the legacy table can hold the first group of each, not the second.
HELD = {
    "core.positions": {
        "symbol": "NEW", "token_address": "NewMint", "entry_price": 2.5, "amount": 11.0, "amount_sol": 1.5, "status": "closed",
        "entry_time": LATER, "exit_time": LATER, "pnl_percent": 12.5, "take_profit_percent": 35.0, "stop_loss_percent": 15.0,
        "user_id": 6, "metadata": '{"exit_price": 2.5}',
        "pnl_usd": 0.0, "trailing_stop_enabled": 0,
    },
    "core.trades": {
        "position_id": 3, "direction": "sell", "symbol": "NEW", "token_address": "NewMint", "amount": 11.0, "amount_sol": 1.5,
        "price": 0.75, "signature": "new signature", "timestamp": LATER, "fee_sol": 0.0, "partner_fee_sol": 0.0,
        "metadata": '{"user_id": 7}',
    },
    "core.treasury_orders": {
        "order_type": "stop_loss", "side": "buy", "token_address": "NewMint", "amount_sol": 1.25, "trigger_price": 3.5,
        "status": "cancelled", "created_at": LATER, "fills_count": 0, "metadata": '{"order": {"amount": 7}}',
    },
    "core.tax_lots": {
        "trade_id": 48, "quantity": 11.0, "cost_basis_usd": 22.0, "acquisition_date": LATER, "wash_sale": 0,
    },
    "analytics.ai_entities": {
        "entity_type": "token", "name": "new name", "created_at": LATER, "last_referenced": LATER, "reference_count": 1,
    },
    "analytics.ai_facts": {"entity_id": 3, "fact": "new fact", "confidence": 0.75, "source": "correction"},
    "analytics.ai_reflections": {"content": "new trigger\n\nnew lesson", "timestamp": LATER},
    "analytics.tweets": {
        "tweet_id": "new", "content": "new content", "timestamp": LATER, "likes": 30, "retweets": 20, "replies": 10,
        "metadata": '{"category": "news", "cashtags": ["SOL"]}', "impressions": 0,
    },
    "analytics.telegram_users": {
        "username": "new name", "is_banned": 1, "first_seen": LATER, "last_seen": LATER, "message_count": 8,
        "preferences": '{"warning_count": 2}', "is_admin": 0,
    },
    "analytics.telegram_messages": {
        "user_id": 6, "username": "new name", "message": "new message", "timestamp": LATER, "message_type": "notification",
        "context": '{"chat_id": 10}',
    },
    "analytics.sentiment_readings": {
        "score": 3.3, "sentiment": "bearish", "confidence": 0.75, "source": "twitter", "timestamp": LATER,
        "metadata": '{"data_points": 4}',
    },
    "analytics.calls": {
        "symbol": "NEW", "token_address": "NewMint", "call_type": "hold", "entry_price": 2.5, "reasoning": "new reason",
        "timestamp": LATER, "caller": "twitter", "metadata": '{"verdict": "BULLISH", "score": 2.0}',
    },
    "analytics.call_outcomes": {"pnl_percent": 75.0, "closed_at": LATER, "notes": "4h", "call_id": 2},
    "analytics.whale_wallets": {
        "label": "new label", "first_seen": LATER, "last_active": LATER, "is_active": 0, "total_sol_moved": 0.0,
    },
    "analytics.whale_movements": {
        "wallet_address": "address 9", "token_symbol": "SOL", "amount_sol": 6.0, "direction": "out", "signature": "new signature",
        "timestamp": LATER,
    },
    "analytics.metrics": {"metric_value": 37.25},
    "analytics.llm_costs": {
        "provider": "openai", "model": "new model", "input_tokens": 50, "output_tokens": 60, "cost_usd": 0.75,
        "timestamp": LATER, "metadata": '{"success": 0}',
    },
    "cache.cache_entries": {"value": "new value", "expires_at": LATER, "created_at": LATER},
    "cache.rate_limiter_logs": {"user_id": 6, "endpoint": "/swap", "timestamp": LATER, "allowed": 0},
}  # fmt: skip
LOST = {
    "core.positions": {
        "current_price": 3.5, "pnl_usd": 12.5, "trailing_stop_enabled": 1, "trailing_stop_activation": 5.0,
        "trailing_stop_distance": 2.0, "highest_price": 4.0, "wallet_address": "another wallet", "notes": "a note",
        "metadata": '{"mood": "calm"}',
    },
    "core.trades": {
        "slippage_bps": 50, "status": "pending", "via": "jupiter", "fee_sol": 0.25, "partner_fee_sol": 0.25,
        "confirmation_time": LATER, "error_message": "an error", "timestamp": 1769940000,
    },
    "core.treasury_orders": {
        "symbol": "NEW", "limit_price": 3.25, "position_id": 3, "updated_at": LATER, "filled_at": LATER, "filled_price": 3.0,
        "filled_amount": 3.0, "fills_count": 2,
    },
    "core.tax_lots": {
        "token_address": "NewMint", "symbol": "SYM48", "disposal_date": LATER, "disposal_proceeds_usd": 5.0, "short_term": 0,
        "wash_sale": 1,
    },
    "analytics.ai_entities": {"description": "a description", "reference_count": 5},
    "analytics.ai_facts": {"created_at": LATER, "updated_at": LATER, "is_active": 0},
    "analytics.ai_reflections": {"tags": "a tag", "timestamp": "yesterday at noon"},
    "analytics.tweets": {"impressions": 40, "url": "https://x.com/1", "timestamp": 1769940000.5},
    "analytics.telegram_users": {"first_name": "Ada", "last_name": "Byron", "is_admin": 1, "preferences": '{"language": "en"}'},
    "analytics.telegram_messages": {"message_type": "command", "message": "/start", "context": '{"mood": "calm"}'},
    "analytics.sentiment_readings": {"symbol": "SYM48", "token_address": "NewMint", "metadata": '{"mood": "calm"}'},
    "analytics.calls": {"target_price": 3.0, "stop_loss_price": 1.5, "timestamp": "2026-13-01"},
    "analytics.call_outcomes": {"outcome": "pending"},
    "analytics.whale_wallets": {"total_sol_moved": 6.5},
    "analytics.whale_movements": {"token_address": "NewMint"},
    "analytics.metrics": {"metric_name": "another", "timestamp": LATER, "tags": '{"component": "other"}', "metadata": '{"a": 1}'},
    "analytics.llm_costs": {"purpose": "a purpose", "metadata": '{"mood": "calm"}'},
    "cache.cache_entries": {"expires_at": "soon"},
    "cache.rate_limiter_logs": {"timestamp": "24:00"},
}  # fmt: skip


@pytest.fixture(name="planted", scope="module", params=["found", "specified"])
def _planted(request, tmp_path_factory):
    return request.param, written_since.planted(tmp_path_factory.mktemp(request.param) / "home", request.param)


@pytest.fixture(name="found", scope="module")
def _found(tmp_path_factory):
    return written_since.planted(tmp_path_factory.mktemp("found") / "home", "found")


@pytest.fixture(name="home")
def _home(found, tmp_path):
    """A set as found, that was cut over."""
    home = small_set.copied(found, tmp_path / "home")
    small_set.cut_over(home)
    return home


def roll_back(home, writes, variant="found"):
    """Execute the *writes* (target -> statements, or statement and values) and roll back."""
    for target, statements in writes.items():
        with opened(home, target) as connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))
    return After(home, small_set.roll_back(home), variant)


#: Tables whose rows hang on rows of others: the second half of theirs is written to, of the others the first.
DEPENDENT = {"treasury_orders", "tax_lots", "sentiment_readings", "call_outcomes", "whale_movements", "ai_facts"}


def edits_of(variant):
    """Return (target, table, column, value, whether the legacy table holds it), in a stable order."""
    for group, held in ((HELD, True), (LOST, False)):
        for name, columns in group.items():
            for column, value in columns.items():
                # As specified the legacy table has every column.
                yield (*name.split("."), column, value, held or variant == "specified")


def keys_of(home, target, table):
    key = mapping_reader.target_key(schema_reader.target(target), table)
    with opened(home, target) as connection:
        # One part of each legacy row, where it has several.
        asked = (
            "SELECT min(target_id) FROM lineage WHERE target = ? AND target_id IS NOT NULL GROUP BY source, legacy_key"
        )
        known = {one for (one,) in connection.execute(asked, (table,))}
        keys = [one for (one,) in connection.execute(f"SELECT {key} FROM {table} ORDER BY {key}") if one in known]
    return keys[ROWS // 2 :] if table in DEPENDENT else keys


def test_each_column_comes_back_or_is_residue(planted, tmp_path):
    variant, built = planted
    home = small_set.copied(built, tmp_path / "home")
    small_set.cut_over(home)
    # A lot cannot take the trade that another has.
    keys, edits, writes = {}, [], {"core": [f"DELETE FROM tax_lots WHERE trade_id = {ROWS}"]}
    for target, table, column, value, held in edits_of(variant):
        name = mapping_reader.target_key(schema_reader.target(target), table)
        key = next(keys.setdefault((target, table), iter(keys_of(home, target, table))))
        edits.append((target, table, column, value, held, key))
        given = (
            f"json_patch(coalesce({column}, '{{}}'), ?)"
            if cell_comparison.Comparison(target, table).is_json(column)
            else "?"
        )
        writes.setdefault(target, []).append((f"UPDATE {table} SET {column} = {given} WHERE {name} = ?", (value, key)))

    after = roll_back(home, writes, variant)

    wrong = [f"{edit[1]}.{edit[2]}: {fault}" for edit in edits if (fault := fault_of(after, *edit))]
    assert not wrong, "\n".join(wrong)


def fault_of(after, target, table, column, value, held, key):
    """Return what is wrong with an edit after the rollback, '' if nothing."""
    comparison = cell_comparison.Comparison(target, table)
    if comparison.is_json(column):
        with closing(sqlite3.connect(after.run / "rolled-back" / catalogue.TARGETS[target])) as left:
            (value,) = left.execute(f"SELECT {column} FROM {table} WHERE {comparison.key} = ?", (key,)).fetchone()
    kept = after.kept(target, table, key)
    if comparison.key == "rowid":
        kept = [row for row in after.kept(target, table) if row[column] == value]
    if held:
        return f"is residue: {kept[0]['why']}" if kept else difference(after, comparison, column, value, key)
    if [value] != [row[column] for row in kept]:
        return f"the residue has {[row[column] for row in kept]}"
    now, was = after.legacy(target, table, key)
    return "" if now == was else f"the legacy row is no more as it was: {now} {was}"


def difference(after, comparison, column, value, key):
    """Return how the row that another migration makes differs from what was written, '' if it does not."""
    installed = after.installed(comparison.target, comparison.table, key)
    expected = {**installed, column: value}
    again = after.again(comparison.target, comparison.table, key)
    if comparison.table == "metrics":
        again = [row for row in again if row["metric_name"] == expected["metric_name"]]
    for name in comparison.columns:
        (found,) = [row[name] for row in again] or ["no row"]
        same = found == expected[name]
        if comparison.is_json(name):
            # What another column has taken over need not be there.
            said, there = written_since.members(expected[name]), written_since.members(found)
            same = name != column or all(said[one] == there.get(one) for one in said)
        elif name in comparison.references or name == comparison.key:
            same = True
        elif name in ("take_profit_percent", "stop_loss_percent", "score"):
            same = abs(found - expected[name]) <= 1e-9
        elif name == column and installed[name] is None and found is None:
            # The default of the specification says no more than NULL.
            same = value in (0, 1)
        if not same:
            return f"{name} is {found!r}, not {expected[name]!r}"
    return ""


def test_every_column_of_every_mapped_table_is_written_to():
    tables = {f"{one.target}.{one.table}" for one in mapping_reader.mappings() if not one.stub}
    apart = {"core.scorecard", "core.wash_sales"}
    for name in tables - apart:
        target, _, table = name.partition(".")
        columns = set(mapping_reader.target_columns(schema_reader.target(target), table)) - {
            mapping_reader.target_key(schema_reader.target(target), table),
            "rowid",
        }
        assert columns == HELD[name].keys() | LOST[name].keys(), name
