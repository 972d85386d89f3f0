"""Faults in the rows of a set that does not say which legacy row became which, and the contracts that catch them."""

from __future__ import annotations

from contracts.mutants.by_hand.data_fault import FRACTION, ONE_TRADE, DataFault

FAULTS: tuple[DataFault, ...] = (
    DataFault(
        name="row lost where nobody keeps lineage",
        caught_by=(
            "test_no_legacy_row_is_lost",
            "test_row_says_what_was_decided",
            "test_counts_compare_with_the_sources",
        ),
        mentions=(
            "1 of ",
            "legacy rows have no row in the consolidated set",
            "core.trades (1)",
            "not judged without lineage",
        ),
        statements=("DROP TABLE lineage", "DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)"),
    ),
    DataFault(
        name="row twice where nobody keeps lineage",
        caught_by=("test_row_says_what_was_decided", "test_counts_compare_with_the_sources"),
        mentions=("core.trades", "no legacy row stands behind it"),
        statements=(
            "DROP TABLE lineage",
            (
                "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
                " SELECT direction, symbol, token_address, amount, amount_sol, price, status, timestamp FROM trades LIMIT 1"
            ),
        ),
    ),
    DataFault(
        name="time cut to the second where nobody keeps lineage",
        caught_by=("test_row_says_what_was_decided", "test_no_legacy_row_is_lost"),
        mentions=("jarvis.trades", "timestamp: expected TEXT", "found TEXT"),
        statements=(
            "DROP TABLE lineage",
            f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {ONE_TRADE} {FRACTION})",
        ),
    ),
    DataFault(
        name="link leads elsewhere where nobody keeps lineage",
        caught_by=("test_row_says_what_was_decided", "test_no_legacy_row_is_lost"),
        mentions=("jarvis.trades", "position_id: expected INTEGER", "found INTEGER"),
        statements=(
            "DROP TABLE lineage",
            (
                "UPDATE trades SET position_id = (SELECT max(id) FROM positions WHERE id <> trades.position_id)"
                f" {ONE_TRADE} position_id IS NOT NULL)"
            ),
        ),
    ),
    DataFault(
        name="quarantined row lost where nobody keeps lineage",
        caught_by=("test_every_mapped_row_is_accounted_for", "test_no_legacy_row_is_lost"),
        mentions=("jarvis.positions", "refuses it, and nothing keeps it"),
        statements=(
            "DELETE FROM quarantine WHERE rowid = (SELECT min(rowid) FROM quarantine WHERE source = 'jarvis.positions')",
            "DROP TABLE lineage",
        ),
    ),
    DataFault(
        name="carried row altered where nobody keeps lineage",
        caught_by=("test_carried_tables_are_verbatim", "test_no_legacy_row_is_lost"),
        mentions=("jarvis.pick_performance 1", "is nowhere"),
        statements=(
            "DROP TABLE lineage",
            "UPDATE legacy_jarvis_pick_performance SET symbol = symbol || ' ' WHERE id = 1",
        ),
    ),
    DataFault(
        name="carried table lost where nobody keeps lineage",
        caught_by=("test_every_legacy_table_has_one_fate", "test_carried_tables_are_verbatim"),
        mentions=("jarvis.pick_performance", "no table here has its columns"),
        statements=("DROP TABLE lineage", "DROP TABLE legacy_jarvis_pick_performance"),
    ),
)
