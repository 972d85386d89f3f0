"""Faults to plant in the rows of a migrated set, and the contract that has to catch each.

Beside :mod:`contracts.mutants.by_hand.declared`, whose faults are in what a set declares.
"""

from __future__ import annotations

import math
import sqlite3

from contracts.mutants.by_hand import by_value as by_hand_by_value
from contracts.mutants.by_hand import carried as by_hand_carried
from contracts.mutants.by_hand import copied as by_hand_copied
from contracts.mutants.by_hand.data_fault import FRACTION as _FRACTION
from contracts.mutants.by_hand.data_fault import ONE_TRADE as _ONE_TRADE
from contracts.mutants.by_hand.data_fault import DataFault, plant

__all__ = ["FAULTS", "DataFault", "plant"]


def _next_double(connection: sqlite3.Connection) -> None:
    id_, price = connection.execute(
        "SELECT id, price FROM trades WHERE typeof(price) = 'real' AND price > 0"
    ).fetchone()
    connection.execute("UPDATE trades SET price = ? WHERE id = ?", (math.nextafter(price, math.inf), id_))


FAULTS: tuple[DataFault, ...] = (
    DataFault(
        name="row lost",
        caught_by=(
            "test_counts_compare_with_the_sources",
            "test_every_row_has_its_lineage",
            "test_row_says_what_was_decided",
        ),
        mentions=("trades", "expected", "found"),
        statements=("DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)",),
    ),
    DataFault(
        name="row lost, and its lineage with it",
        caught_by=("test_every_mapped_row_is_accounted_for", "test_no_legacy_row_is_lost"),
        mentions=("jarvis.trades", "is nowhere"),
        statements=(
            "DELETE FROM lineage WHERE target = 'trades' AND target_id = (SELECT max(id) FROM trades)",
            "DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)",
        ),
    ),
    DataFault(
        name="row twice",
        caught_by=("test_every_row_has_its_lineage",),
        mentions=("core.trades", "has no lineage"),
        statements=(
            (
                "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
                " SELECT direction, symbol, token_address, amount, amount_sol, price, status, timestamp FROM trades LIMIT 1"
            ),
        ),
    ),
    DataFault(
        name="two columns of one row swapped",
        caught_by=("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        mentions=("core.trades", "amount_sol", "expected REAL"),
        statements=(f"UPDATE trades SET amount = amount_sol, amount_sol = amount {_ONE_TRADE} amount <> amount_sol)",),
    ),
    DataFault(
        name="time off by a microsecond",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("core.trades", "timestamp", "expected TEXT"),
        statements=(
            (
                "UPDATE trades SET timestamp = substr(timestamp, 1, 20) || printf('%06d', substr(timestamp, 21) - 1)"
                f" {_ONE_TRADE} {_FRACTION})"
            ),
        ),
    ),
    DataFault(
        name="time cut to the second",
        caught_by=("test_legacy_row_is_rebuilt", "test_row_says_what_was_decided"),
        mentions=("jarvis.trades", "timestamp"),
        statements=(f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {_ONE_TRADE} {_FRACTION})",),
    ),
    DataFault(
        name="time an hour off",
        target="analytics",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("analytics.calls", "timestamp"),
        statements=("UPDATE calls SET timestamp = datetime(timestamp, '+1 hour') || substr(timestamp, 20)",),
    ),
    DataFault(
        name="time in another form",
        caught_by=("test_times_have_one_form",),
        mentions=("core.positions.entry_time",),
        statements=(
            "UPDATE positions SET entry_time = replace(entry_time, ' ', 'T') || 'Z' WHERE entry_time IS NOT NULL",
        ),
    ),
    DataFault(
        name="number off by its last bit",
        caught_by=("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        mentions=("core.trades", "price", "expected REAL", "found REAL"),
        deed=_next_double,
    ),
    DataFault(
        name="1 instead of 1.0",
        target="analytics",
        caught_by=("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        mentions=("analytics.calls", "metadata.", "expected REAL", "found INTEGER"),
        statements=("UPDATE calls SET metadata = replace(metadata, '.0,', ',') WHERE metadata LIKE '%.0,%'",),
    ),
    DataFault(
        name="'' instead of NULL",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("core.trades", "signature", "expected NULL, found TEXT"),
        statements=(f"UPDATE trades SET signature = '' {_ONE_TRADE} signature IS NULL)",),
    ),
    DataFault(
        name="scores clamped instead of rescaled",
        target="analytics",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("analytics.sentiment_readings", "score", "expected REAL"),
        statements=("UPDATE sentiment_readings SET score = max(score * 2 - 100, 0)",),
    ),
    DataFault(
        name="letter case changed",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("core.trades", "symbol"),
        statements=(f"UPDATE trades SET symbol = lower(symbol) {_ONE_TRADE} symbol <> lower(symbol))",),
    ),
    DataFault(
        name="original of a translated value dropped",
        target="analytics",
        caught_by=("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        mentions=("analytics.llm_costs", "metadata.provider", "found NULL"),
        statements=("UPDATE llm_costs SET metadata = json_remove(metadata, '$.provider') WHERE provider = 'other'",),
    ),
    DataFault(
        name="fact invented where nothing was known",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("core.positions", "pnl_usd", "expected NULL"),
        statements=("UPDATE positions SET pnl_usd = 0.0",),
    ),
    DataFault(
        name="link leads elsewhere",
        caught_by=("test_link_is_the_same_link", "test_row_says_what_was_decided", "every_known_position_is_linked"),
        mentions=("jarvis.trades", "position_id", "leads elsewhere"),
        statements=(
            (
                "UPDATE trades SET position_id = (SELECT max(id) FROM positions WHERE id <> trades.position_id)"
                f" {_ONE_TRADE} position_id IS NOT NULL)"
            ),
        ),
    ),
    DataFault(
        name="link lost",
        caught_by=("test_link_is_the_same_link", "every_known_position_is_linked"),
        mentions=("jarvis.trades", "position_id", "NULL, and the link is not kept"),
        statements=(f"UPDATE trades SET position_id = NULL {_ONE_TRADE} position_id IS NOT NULL)",),
    ),
    DataFault(
        name="lineage lost",
        caught_by=("test_every_mapped_row_is_accounted_for", "test_every_row_has_its_lineage"),
        mentions=("jarvis.positions", "is nowhere"),
        statements=("DELETE FROM lineage WHERE source = 'jarvis.positions' AND target_id = 1",),
    ),
    DataFault(
        name="lineage of a row that there never was",
        caught_by=("test_every_mapped_row_is_accounted_for",),
        mentions=("jarvis.positions", "the legacy table has no such row"),
        statements=("UPDATE lineage SET legacy_key = 'nobody' WHERE source = 'jarvis.positions' AND target_id = 1",),
    ),
    DataFault(
        name="rest lost",
        caught_by=("test_legacy_row_is_rebuilt",),
        mentions=("tax.tax_lots", "expected"),
        statements=("UPDATE lineage SET rest = NULL WHERE source = 'tax.tax_lots' AND rest IS NOT NULL",),
    ),
    DataFault(
        name="rest that would not apply on the way back",
        target="analytics",
        caught_by=("test_legacy_row_is_rebuilt",),
        mentions=("telegram_memory.messages", "rest does not apply"),
        statements=(
            (
                "UPDATE lineage SET rest = json_set(rest, '$.timestamp[1]', 'another time')"
                " WHERE source = 'telegram_memory.messages' AND rest -> '$.timestamp' IS NOT NULL"
            ),
        ),
    ),
    DataFault(
        name="quarantined row lost",
        caught_by=("test_every_mapped_row_is_accounted_for",),
        mentions=("jarvis.positions", "is nowhere"),
        statements=(
            "DELETE FROM quarantine WHERE rowid = (SELECT min(rowid) FROM quarantine WHERE source = 'jarvis.positions')",
        ),
    ),
    DataFault(
        name="quarantined row altered",
        caught_by=("test_quarantined_row_is_kept_whole",),
        mentions=("jarvis.positions", "is not kept as it was", "symbol"),
        statements=(
            "UPDATE quarantine SET row = replace(row, '\"symbol\":\"', '\"symbol\":\"x') WHERE source = 'jarvis.positions'",
        ),
    ),
    DataFault(
        name="quarantined for another reason than is named",
        caught_by=("test_constraint_refuses_what_it_is_named_for",),
        mentions=("jarvis.positions", "NOT NULL symbol", "another constraint refuses the row"),
        statements=("UPDATE quarantine SET broken = 'NOT NULL symbol' WHERE broken = 'UNIQUE token_address'",),
    ),
    DataFault(
        name="quarantined without need",
        caught_by=("test_constraint_refuses_what_it_is_named_for",),
        mentions=("jarvis.trades", "the target table accepts the row"),
        statements=(
            (
                "INSERT INTO quarantine SELECT source, legacy_key, target, 'NOT NULL symbol', '{}' FROM lineage"
                " WHERE source = 'jarvis.trades' AND target_id = (SELECT max(id) FROM trades WHERE signature IS NULL)"
            ),
        ),
    ),
    DataFault(
        name="the wrong one of two rivals stays",
        caught_by=("test_constraint_refuses_what_it_is_named_for",),
        mentions=("jarvis.positions", "the other one should have stayed"),
        statements=(
            (
                "UPDATE positions SET status = 'closed', entry_time = '1970-01-01 00:00:00' WHERE token_address IN"
                " (SELECT json_extract(row, '$.token_mint') FROM quarantine WHERE broken = 'UNIQUE token_address')"
            ),
        ),
    ),
    DataFault(
        name="carried table lost",
        caught_by=("test_every_legacy_table_has_one_fate",),
        mentions=("jarvis.items", "carried", "found in []"),
        statements=("DROP TABLE legacy_jarvis_items",),
    ),
    DataFault(
        name="carried row altered",
        caught_by=("test_carried_tables_are_verbatim",),
        mentions=("core.legacy_jarvis_pick_performance",),
        statements=("UPDATE legacy_jarvis_pick_performance SET symbol = symbol || ' ' WHERE id = 1",),
    ),
    DataFault(
        name="storage class of a carried cell changed",
        caught_by=("test_carried_tables_are_verbatim",),
        mentions=("core.legacy_jarvis_pick_performance",),
        statements=("UPDATE legacy_jarvis_pick_performance SET symbol = CAST(symbol AS BLOB) WHERE id = 1",),
    ),
    DataFault(
        name="sequence of a carried table lowered",
        caught_by=("test_no_id_is_given_twice",),
        mentions=("core.legacy_tax_sales", "expected the mark"),
        statements=("UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'legacy_tax_sales'",),
    ),
    DataFault(
        name="sequence of a specified table lowered",
        caught_by=("test_no_id_is_given_twice",),
        mentions=("core.tax_lots", "were given, the next will be"),
        statements=("UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM tax_lots) WHERE name = 'tax_lots'",),
    ),
    DataFault(
        name="reflection lost",
        target="analytics",
        caught_by=("test_reflections_compare_with_the_source",),
        mentions=("analytics.ai_reflections", "expected", "found"),
        statements=("DELETE FROM ai_reflections WHERE rowid = (SELECT max(rowid) FROM ai_reflections)",),
    ),
    DataFault(
        name="full-text index stale",
        target="analytics",
        caught_by=("test_search_finds_what_a_fresh_index_finds",),
        mentions=("analytics.ai_reflections", "rowid", "content", "fresh"),
        statements=(
            "UPDATE ai_reflections_content SET c0 = 'haste' WHERE id = (SELECT max(id) FROM ai_reflections_content)",
        ),
    ),
    DataFault(
        name="stub that claims something",
        target="analytics",
        caught_by=("test_stub_claims_nothing",),
        mentions=("analytics.ai_entities", "claims reference_count"),
        statements=("UPDATE ai_entities SET reference_count = 1 WHERE entity_type = 'unknown'",),
    ),
    DataFault(
        name="lineage thrown away",
        caught_by=("test_every_row_has_its_lineage",),
        mentions=("jarvis_core.db", "has no lineage", "the way back is not proved"),
        statements=("DROP TABLE lineage",),
    ),
    *by_hand_by_value.FAULTS,
    *by_hand_copied.FAULTS,
    *by_hand_carried.FAULTS,
)
