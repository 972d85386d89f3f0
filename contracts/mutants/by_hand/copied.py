"""Faults in what is taken over as it is, in times, and in what a search finds; and the contracts that catch them."""

from __future__ import annotations

import re
import sqlite3

from contracts.mutants.by_hand.data_fault import FRACTION, ONE_TRADE, DataFault


def _without_its_unique(connection: sqlite3.Connection) -> None:
    """Make the carried table of picks anew, so that two picks of a token may be of one day."""
    name = "legacy_jarvis_pick_performance"
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    connection.execute(f"CREATE TABLE kept AS SELECT * FROM {name}")
    connection.execute(f"DROP TABLE {name}")
    connection.execute(re.sub(r",\s*UNIQUE \([^)]*\)", "", sql))
    connection.execute(f"INSERT INTO {name} SELECT * FROM kept")
    connection.execute("DROP TABLE kept")


FAULTS: tuple[DataFault, ...] = (
    DataFault(
        name="last letter of a message lost",
        target="analytics",
        caught_by=("test_what_is_taken_over_is_the_same", "test_row_says_what_was_decided"),
        mentions=("telegram_memory.messages", "content -> message", "was TEXT"),
        statements=(
            (
                "UPDATE telegram_messages SET message = substr(message, 1, length(message) - 1) WHERE id ="
                " (SELECT max(id) FROM telegram_messages WHERE typeof(message) = 'text' AND length(message) > 1)"
            ),
        ),
    ),
    DataFault(
        name="amounts rounded to cents",
        caught_by=("test_what_is_taken_over_is_the_same", "test_legacy_row_is_rebuilt"),
        mentions=("jarvis.trades", "amount_sol -> amount_sol", "was REAL", "is REAL"),
        statements=("UPDATE trades SET amount_sol = round(amount_sol, 2) WHERE amount_sol <> round(amount_sol, 2)",),
    ),
    DataFault(
        name="fraction of a second lost",
        caught_by=("test_time_is_the_same_instant", "test_row_says_what_was_decided"),
        mentions=("jarvis.trades", "timestamp -> timestamp", "was TEXT"),
        statements=(f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {ONE_TRADE} {FRACTION})",),
    ),
    DataFault(
        name="local time taken for UTC",
        target="analytics",
        caught_by=("test_time_is_the_same_instant",),
        mentions=("telegram_memory.messages", "timestamp"),
        statements=("UPDATE telegram_messages SET timestamp = datetime(timestamp, '-6 hours')",),
    ),
    DataFault(
        name="index of another tokenizer",
        target="analytics",
        caught_by=("test_same_search_has_the_same_answer",),
        mentions=("analytics.ai_reflections", "finds other rows than it should"),
        statements=(
            "CREATE TABLE kept AS SELECT rowid AS id, * FROM ai_reflections",
            "DROP TABLE ai_reflections",
            "CREATE VIRTUAL TABLE ai_reflections USING fts5(content, timestamp, tags, tokenize = 'trigram')",
            (
                "INSERT INTO ai_reflections (rowid, content, timestamp, tags)"
                " SELECT id, content, timestamp, tags FROM kept"
            ),
            "DROP TABLE kept",
        ),
    ),
    DataFault(
        name="index thrown away under its rows",
        target="analytics",
        caught_by=("test_same_search_has_the_same_answer",),
        mentions=("analytics.ai_reflections",),
        statements=("DELETE FROM ai_reflections_data WHERE id > 10",),
    ),
    DataFault(
        name="metadata emptied in one row",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_row_says_what_was_decided"),
        mentions=("jarvis.positions", "metadata.exit_price", "found NULL"),
        statements=(
            "UPDATE positions SET metadata = '{}' WHERE id = (SELECT max(id) FROM positions WHERE metadata ->> 'exit_price')",
        ),
    ),
    DataFault(
        name="second member of one name before the first",
        target="analytics",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_row_says_what_was_decided"),
        mentions=("telegram_memory.messages", "context.", "two members of one name"),
        statements=(
            (
                "UPDATE telegram_messages SET context = '{\"chat_id\":1,' || substr(context, 2) WHERE id ="
                " (SELECT max(id) FROM telegram_messages WHERE context ->> 'chat_id')"
            ),
        ),
    ),
    DataFault(
        name="second member of one name behind the first",
        target="analytics",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_row_says_what_was_decided"),
        mentions=("metrics.metrics_1h", "tags.", "two members of one name"),
        statements=(
            (
                "UPDATE metrics SET tags = rtrim(tags, '}') || ',\"resolution\":\"1h\"}' WHERE id ="
                " (SELECT min(id) FROM metrics WHERE tags ->> 'resolution' = '1h')"
            ),
        ),
    ),
    DataFault(
        name="second member of one name where nothing keeps lineage",
        target="analytics",
        caught_by=("test_row_says_what_was_decided",),
        mentions=("telegram_memory.messages", "two members of one name"),
        statements=(
            (
                "UPDATE telegram_messages SET context = '{\"chat_id\":1,' || substr(context, 2) WHERE id ="
                " (SELECT max(id) FROM telegram_messages WHERE context ->> 'chat_id')"
            ),
            "DROP TABLE lineage",
        ),
    ),
    DataFault(
        name="legacy cell lost that the rest alone keeps",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        mentions=("tax.tax_lots", "remaining_quantity: expected REAL"),
        statements=(
            (
                "UPDATE lineage SET rest = json_remove(rest, '$.remaining_quantity') WHERE rowid = (SELECT max(rowid)"
                " FROM lineage WHERE source = 'tax.tax_lots' AND rest -> '$.remaining_quantity' IS NOT NULL)"
            ),
        ),
    ),
    DataFault(
        name="legacy cell altered that the rest alone keeps",
        target="analytics",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        mentions=("whales.whale_movements", "value_usd: expected REAL"),
        statements=(
            (
                "UPDATE lineage SET rest = json_set(rest, '$.value_usd[0]', 1.5) WHERE rowid = (SELECT max(rowid)"
                " FROM lineage WHERE source = 'whales.whale_movements' AND rest -> '$.value_usd' IS NOT NULL)"
            ),
        ),
    ),
    DataFault(
        name="white space added to legacy JSON that stands letter by letter",
        target="analytics",
        caught_by=("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        mentions=("jarvis_x_memory.tweets", "metadata.cashtags"),
        statements=(
            (
                "UPDATE tweets SET metadata = replace(metadata, '\"cashtags\":[', '\"cashtags\":[ ') WHERE id ="
                " (SELECT max(id) FROM tweets WHERE metadata -> 'cashtags' IS NOT NULL)"
            ),
        ),
    ),
    DataFault(
        name="constraint of a carried table lost",
        caught_by=("test_carried_tables_are_declared_as_they_were",),
        mentions=(
            "core.legacy_jarvis_pick_performance",
            "constraints, collations or generated columns are not those of jarvis",
        ),
        deed=_without_its_unique,
    ),
)
