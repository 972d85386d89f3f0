"""Faults to plant in rows of a migrated set, with the contracts that must catch them.

:mod:`contracts.mutants.by_hand.declared` has the faults in a set's declarations.
"""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrator.schema import catalogue
from migrator.system import connections

#: End of a statement on the first trade that meets a condition, and the condition of a time with a fraction of a second.
_ONE_TRADE = "WHERE id = (SELECT min(id) FROM trades WHERE"
_FRACTION = "timestamp GLOB '* ??:??:??.*'"


@dataclass(frozen=True, slots=True)
class DataFault:
    """A fault in the rows of a migrated set.

    Attributes:
        name: The fault, in a few words.
        caught_by: Names of the contracts that must each be broken.
        mentions: Texts that the message of the first of them must contain.
        statements: Statements to run on the finished database; each must change something.
        target: Its database.
        deed: Changes the database through a connection.
    """

    name: str
    caught_by: tuple[str, ...]
    mentions: tuple[str, ...]
    statements: tuple[str, ...]
    target: str
    deed: Callable[[sqlite3.Connection], None] | None


def fault(
    name: str,
    caught_by: tuple[str, ...],
    mentions: tuple[str, ...],
    *statements: str,
    target: str = "core",
    deed: Callable[[sqlite3.Connection], None] | None = None,
) -> DataFault:
    """Return a fault; see :class:`DataFault`."""
    return DataFault(name, caught_by, mentions, statements, target, deed)


def plant(fault: DataFault, migrated: Path, folder: Path) -> None:
    """Copy the set *migrated* to *folder* and plant *fault* there.

    Raises:
        ValueError: A statement changed nothing: the fault was not planted.
    """
    for name in catalogue.TARGETS.values():
        shutil.copyfile(migrated / name, folder / name)
    with closing(connections.scratch(folder / catalogue.TARGETS[fault.target])) as connection:
        before = connection.total_changes
        for statement in fault.statements:
            connection.execute(statement)
            if not statement.startswith(("CREATE", "DROP")) and connection.total_changes == before:
                raise ValueError(f"{fault.name}: nothing to spoil: {statement}")
            before = connection.total_changes
        if fault.deed:
            fault.deed(connection)
            if connection.total_changes == before:
                raise ValueError(f"{fault.name}: nothing to spoil")


def _next_double(connection: sqlite3.Connection) -> None:
    id_, price = connection.execute(
        "SELECT id, price FROM trades WHERE typeof(price) = 'real' AND price > 0"
    ).fetchone()
    connection.execute("UPDATE trades SET price = ? WHERE id = ?", (math.nextafter(price, math.inf), id_))


def _without_its_unique(connection: sqlite3.Connection) -> None:
    """Make the carried table of picks again without its UNIQUE constraint."""
    name = "legacy_jarvis_pick_performance"
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    connection.execute(f"CREATE TABLE kept AS SELECT * FROM {name}")
    connection.execute(f"DROP TABLE {name}")
    connection.execute(re.sub(r",\s*UNIQUE \([^)]*\)", "", sql))
    connection.execute(f"INSERT INTO {name} SELECT * FROM kept")
    connection.execute("DROP TABLE kept")


_PICKS = "legacy_jarvis_pick_performance"
_DECLARED = ("test_carried_tables_are_declared_as_they_were",)


def _redeclare(connection: sqlite3.Connection, *, old: str, new: str) -> None:
    """Replace *old* by *new* in the declaration of the picks."""
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ? AND instr(sql, ?)", (old, new, _PICKS, old)
    )


#: Fault -> text of the declaration, and its replacement.
_CHANGES = {
    "collation added to a carried column": ("timeframe        TEXT", "timeframe        TEXT COLLATE NOCASE"),
    "CHECK added to a carried table": ("timeframe        TEXT", "timeframe        TEXT CHECK (timeframe <> 'never')"),
    "conflict clause added to a carried UNIQUE": ("UNIQUE (pick_date, symbol)", "UNIQUE (pick_date, symbol) ON CONFLICT REPLACE"),
    "conflict clause added to a carried NOT NULL": ("asset_class      TEXT    NOT NULL", "asset_class      TEXT    NOT NULL ON CONFLICT IGNORE"),
    "conflict clause added to a carried key": ("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY ON CONFLICT REPLACE AUTOINCREMENT"),
    "AUTOINCREMENT of a carried table lost": ("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY"),
}  # fmt: skip


FAULTS: tuple[DataFault, ...] = (
    fault(
        "row lost",
        (
            "test_counts_compare_with_the_sources",
            "test_every_row_has_its_lineage",
            "test_row_says_what_was_decided",
        ),
        ("trades", "expected", "found"),
        "DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)",
    ),
    fault(
        "row lost, and its lineage with it",
        ("test_every_mapped_row_is_accounted_for", "test_no_legacy_row_is_lost"),
        ("jarvis.trades", "is lost"),
        "DELETE FROM lineage WHERE target = 'trades' AND target_id = (SELECT max(id) FROM trades)",
        "DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)",
    ),
    fault(
        "row twice",
        ("test_every_row_has_its_lineage",),
        ("core.trades", "has no lineage"),
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
        " SELECT direction, symbol, token_address, amount, amount_sol, price, status, timestamp FROM trades LIMIT 1",
    ),
    fault(
        "two columns of one row swapped",
        ("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        ("core.trades", "amount_sol", "expected REAL"),
        f"UPDATE trades SET amount = amount_sol, amount_sol = amount {_ONE_TRADE} amount <> amount_sol)",
    ),
    fault(
        "time off by a microsecond",
        ("test_row_says_what_was_decided",),
        ("core.trades", "timestamp", "expected TEXT"),
        "UPDATE trades SET timestamp = substr(timestamp, 1, 20) || printf('%06d', substr(timestamp, 21) - 1)"
        f" {_ONE_TRADE} {_FRACTION})",
    ),
    fault(
        "time cut to the second",
        ("test_legacy_row_is_rebuilt", "test_row_says_what_was_decided"),
        ("jarvis.trades", "timestamp"),
        f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {_ONE_TRADE} {_FRACTION})",
    ),
    fault(
        "time an hour off",
        ("test_row_says_what_was_decided",),
        ("analytics.calls", "timestamp"),
        "UPDATE calls SET timestamp = datetime(timestamp, '+1 hour') || substr(timestamp, 20)",
        target="analytics",
    ),
    fault(
        "time in another form",
        ("test_times_have_one_form",),
        ("core.positions.entry_time",),
        "UPDATE positions SET entry_time = replace(entry_time, ' ', 'T') || 'Z' WHERE entry_time IS NOT NULL",
    ),
    fault(
        "number off by its last bit",
        ("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        ("core.trades", "price", "expected REAL", "found REAL"),
        deed=_next_double,
    ),
    fault(
        "1 instead of 1.0",
        ("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        ("analytics.calls", "metadata.", "expected REAL", "found INTEGER"),
        "UPDATE calls SET metadata = replace(metadata, '.0,', ',') WHERE metadata LIKE '%.0,%'",
        target="analytics",
    ),
    fault(
        "'' instead of NULL",
        ("test_row_says_what_was_decided",),
        ("core.trades", "signature", "expected NULL, found TEXT"),
        f"UPDATE trades SET signature = '' {_ONE_TRADE} signature IS NULL)",
    ),
    fault(
        "scores clamped instead of rescaled",
        ("test_row_says_what_was_decided",),
        ("analytics.sentiment_readings", "score", "expected REAL"),
        "UPDATE sentiment_readings SET score = max(score * 2 - 100, 0)",
        target="analytics",
    ),
    fault(
        "letter case changed",
        ("test_row_says_what_was_decided",),
        ("core.trades", "symbol"),
        f"UPDATE trades SET symbol = lower(symbol) {_ONE_TRADE} symbol <> lower(symbol))",
    ),
    fault(
        "original of a translated value dropped",
        ("test_row_says_what_was_decided", "test_legacy_row_is_rebuilt"),
        ("analytics.llm_costs", "metadata.provider", "found NULL"),
        "UPDATE llm_costs SET metadata = json_remove(metadata, '$.provider') WHERE provider = 'other'",
        target="analytics",
    ),
    fault(
        "fact invented where nothing was known",
        ("test_row_says_what_was_decided",),
        ("core.positions", "pnl_usd", "expected NULL"),
        "UPDATE positions SET pnl_usd = 0.0",
    ),
    fault(
        "link leads elsewhere",
        ("test_link_is_the_same_link", "test_row_says_what_was_decided", "every_known_position_is_linked"),
        ("jarvis.trades", "position_id", "leads elsewhere"),
        "UPDATE trades SET position_id = (SELECT max(id) FROM positions WHERE id <> trades.position_id)"
        f" {_ONE_TRADE} position_id IS NOT NULL)",
    ),
    fault(
        "link lost",
        ("test_link_is_the_same_link", "every_known_position_is_linked"),
        ("jarvis.trades", "position_id", "NULL, and the link is not kept"),
        f"UPDATE trades SET position_id = NULL {_ONE_TRADE} position_id IS NOT NULL)",
    ),
    fault(
        "lineage lost",
        ("test_every_mapped_row_is_accounted_for", "test_every_row_has_its_lineage"),
        ("jarvis.positions", "is lost"),
        "DELETE FROM lineage WHERE source = 'jarvis.positions' AND target_id = 1",
    ),
    fault(
        "lineage of a row that there never was",
        ("test_every_mapped_row_is_accounted_for",),
        ("jarvis.positions", "the legacy table has no such row"),
        "UPDATE lineage SET legacy_key = 'missing' WHERE source = 'jarvis.positions' AND target_id = 1",
    ),
    fault(
        "rest lost",
        ("test_legacy_row_is_rebuilt",),
        ("tax.tax_lots", "expected"),
        "UPDATE lineage SET rest = NULL WHERE source = 'tax.tax_lots' AND rest IS NOT NULL",
    ),
    fault(
        "rest that would not apply on the way back",
        ("test_legacy_row_is_rebuilt",),
        ("telegram_memory.messages", "rest does not apply"),
        "UPDATE lineage SET rest = json_set(rest, '$.timestamp[1]', 'another time')"
        " WHERE source = 'telegram_memory.messages' AND rest -> '$.timestamp' IS NOT NULL",
        target="analytics",
    ),
    fault(
        "quarantined row lost",
        ("test_every_mapped_row_is_accounted_for",),
        ("jarvis.positions", "is lost"),
        "DELETE FROM quarantine WHERE rowid = (SELECT min(rowid) FROM quarantine WHERE source = 'jarvis.positions')",
    ),
    fault(
        "quarantined row altered",
        ("test_quarantined_row_is_kept_whole",),
        ("jarvis.positions", "is not kept as it was", "symbol"),
        "UPDATE quarantine SET row = replace(row, '\"symbol\":\"', '\"symbol\":\"x') WHERE source = 'jarvis.positions'",
    ),
    fault(
        "quarantined for another reason than is named",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.positions", "NOT NULL symbol", "another constraint refuses the row"),
        "UPDATE quarantine SET broken = 'NOT NULL symbol' WHERE broken = 'UNIQUE token_address'",
    ),
    fault(
        "quarantined without need",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.trades", "the target table accepts the row"),
        "INSERT INTO quarantine SELECT source, legacy_key, target, 'NOT NULL symbol', '{}' FROM lineage"
        " WHERE source = 'jarvis.trades' AND target_id = (SELECT max(id) FROM trades WHERE signature IS NULL)",
    ),
    fault(
        "the wrong one of two rivals stays",
        ("test_constraint_refuses_what_it_is_named_for",),
        ("jarvis.positions", "the other one should have stayed"),
        "UPDATE positions SET status = 'closed', entry_time = '1970-01-01 00:00:00' WHERE token_address IN"
        " (SELECT json_extract(row, '$.token_mint') FROM quarantine WHERE broken = 'UNIQUE token_address')",
    ),
    fault(
        "carried table lost",
        ("test_every_legacy_table_has_one_fate",),
        ("jarvis.items", "carried", "found in []"),
        "DROP TABLE legacy_jarvis_items",
    ),
    fault(
        "carried row altered",
        ("test_carried_tables_are_verbatim",),
        ("core.legacy_jarvis_pick_performance",),
        "UPDATE legacy_jarvis_pick_performance SET symbol = symbol || ' ' WHERE id = 1",
    ),
    fault(
        "storage class of a carried cell changed",
        ("test_carried_tables_are_verbatim",),
        ("core.legacy_jarvis_pick_performance",),
        "UPDATE legacy_jarvis_pick_performance SET symbol = CAST(symbol AS BLOB) WHERE id = 1",
    ),
    fault(
        "sequence of a carried table lowered",
        ("test_no_id_is_given_twice",),
        ("core.legacy_tax_sales", "sqlite_sequence: expected"),
        "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'legacy_tax_sales'",
    ),
    fault(
        "sequence of a specified table lowered",
        ("test_no_id_is_given_twice",),
        ("core.tax_lots", "were assigned, the next will be"),
        "UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM tax_lots) WHERE name = 'tax_lots'",
    ),
    fault(
        "reflection lost",
        ("test_reflections_compare_with_the_source",),
        ("analytics.ai_reflections", "expected", "found"),
        "DELETE FROM ai_reflections WHERE rowid = (SELECT max(rowid) FROM ai_reflections)",
        target="analytics",
    ),
    fault(
        "full-text index stale",
        ("test_search_finds_what_a_fresh_index_finds",),
        ("analytics.ai_reflections", "rowid", "content", "fresh"),
        "UPDATE ai_reflections_content SET c0 = 'haste' WHERE id = (SELECT max(id) FROM ai_reflections_content)",
        target="analytics",
    ),
    fault(
        "stub that claims something",
        ("test_stub_claims_nothing",),
        ("analytics.ai_entities", "has a value in reference_count"),
        "UPDATE ai_entities SET reference_count = 1 WHERE entity_type = 'unknown'",
        target="analytics",
    ),
    fault(
        "lineage thrown away",
        ("test_every_row_has_its_lineage",),
        ("jarvis_core.db", "has no lineage", "the way back is not proved"),
        "DROP TABLE lineage",
    ),
    # A set without lineage.
    fault(
        "row lost in a set without lineage",
        (
            "test_no_legacy_row_is_lost",
            "test_row_says_what_was_decided",
            "test_counts_compare_with_the_sources",
        ),
        (
            "1 of ",
            "legacy rows have no row in the consolidated set",
            "core.trades (1)",
            "not judged without lineage",
        ),
        "DROP TABLE lineage",
        "DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)",
    ),
    fault(
        "row twice in a set without lineage",
        ("test_row_says_what_was_decided", "test_counts_compare_with_the_sources"),
        ("core.trades", "no legacy row explains it"),
        "DROP TABLE lineage",
        "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status, timestamp)"
        " SELECT direction, symbol, token_address, amount, amount_sol, price, status, timestamp FROM trades LIMIT 1",
    ),
    fault(
        "time cut to the second in a set without lineage",
        ("test_row_says_what_was_decided", "test_no_legacy_row_is_lost"),
        ("jarvis.trades", "timestamp: expected TEXT", "found TEXT"),
        "DROP TABLE lineage",
        f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {_ONE_TRADE} {_FRACTION})",
    ),
    fault(
        "link leads elsewhere in a set without lineage",
        ("test_row_says_what_was_decided", "test_no_legacy_row_is_lost"),
        ("jarvis.trades", "position_id: expected INTEGER", "found INTEGER"),
        "DROP TABLE lineage",
        "UPDATE trades SET position_id = (SELECT max(id) FROM positions WHERE id <> trades.position_id)"
        f" {_ONE_TRADE} position_id IS NOT NULL)",
    ),
    fault(
        "quarantined row lost in a set without lineage",
        ("test_every_mapped_row_is_accounted_for", "test_no_legacy_row_is_lost"),
        ("jarvis.positions", "refuses it, and it is not in quarantine"),
        "DELETE FROM quarantine WHERE rowid = (SELECT min(rowid) FROM quarantine WHERE source = 'jarvis.positions')",
        "DROP TABLE lineage",
    ),
    fault(
        "carried row altered in a set without lineage",
        ("test_carried_tables_are_verbatim", "test_no_legacy_row_is_lost"),
        ("jarvis.pick_performance 1", "is lost"),
        "DROP TABLE lineage",
        "UPDATE legacy_jarvis_pick_performance SET symbol = symbol || ' ' WHERE id = 1",
    ),
    fault(
        "carried table lost in a set without lineage",
        ("test_every_legacy_table_has_one_fate", "test_carried_tables_are_verbatim"),
        ("jarvis.pick_performance", "no consolidated table has its columns"),
        "DROP TABLE lineage",
        "DROP TABLE legacy_jarvis_pick_performance",
    ),
    # Copied values, times and searches.
    fault(
        "last letter of a message lost",
        ("test_what_is_taken_over_is_the_same", "test_row_says_what_was_decided"),
        ("telegram_memory.messages", "content -> message", "was TEXT"),
        "UPDATE telegram_messages SET message = substr(message, 1, length(message) - 1) WHERE id ="
        " (SELECT max(id) FROM telegram_messages WHERE typeof(message) = 'text' AND length(message) > 1)",
        target="analytics",
    ),
    fault(
        "amounts rounded to cents",
        ("test_what_is_taken_over_is_the_same", "test_legacy_row_is_rebuilt"),
        ("jarvis.trades", "amount_sol -> amount_sol", "was REAL", "is REAL"),
        "UPDATE trades SET amount_sol = round(amount_sol, 2) WHERE amount_sol <> round(amount_sol, 2)",
    ),
    fault(
        "fraction of a second lost",
        ("test_time_is_the_same_instant", "test_row_says_what_was_decided"),
        ("jarvis.trades", "timestamp -> timestamp", "was TEXT"),
        f"UPDATE trades SET timestamp = substr(timestamp, 1, 19) {_ONE_TRADE} {_FRACTION})",
    ),
    fault(
        "local time taken for UTC",
        ("test_time_is_the_same_instant",),
        ("telegram_memory.messages", "timestamp"),
        "UPDATE telegram_messages SET timestamp = datetime(timestamp, '-6 hours')",
        target="analytics",
    ),
    fault(
        "index of another tokenizer",
        ("test_same_search_has_the_same_answer",),
        ("analytics.ai_reflections", "finds other rows than it should"),
        "CREATE TABLE kept AS SELECT rowid AS id, * FROM ai_reflections",
        "DROP TABLE ai_reflections",
        "CREATE VIRTUAL TABLE ai_reflections USING fts5(content, timestamp, tags, tokenize = 'trigram')",
        "INSERT INTO ai_reflections (rowid, content, timestamp, tags) SELECT id, content, timestamp, tags FROM kept",
        "DROP TABLE kept",
        target="analytics",
    ),
    fault(
        "index thrown away under its rows",
        ("test_same_search_has_the_same_answer",),
        ("analytics.ai_reflections",),
        "DELETE FROM ai_reflections_data WHERE id > 10",
        target="analytics",
    ),
    fault(
        "metadata emptied in one row",
        ("test_json_and_rest_keep_what_they_have_to", "test_row_says_what_was_decided"),
        ("jarvis.positions", "metadata.exit_price", "found NULL"),
        "UPDATE positions SET metadata = '{}' WHERE id = (SELECT max(id) FROM positions WHERE metadata ->> 'exit_price')",
    ),
    fault(
        "second member of one name before the first",
        ("test_json_and_rest_keep_what_they_have_to", "test_row_says_what_was_decided"),
        ("telegram_memory.messages", "context.", "two members of one name"),
        "UPDATE telegram_messages SET context = '{\"chat_id\":1,' || substr(context, 2) WHERE id ="
        " (SELECT max(id) FROM telegram_messages WHERE context ->> 'chat_id')",
        target="analytics",
    ),
    fault(
        "second member of one name behind the first",
        ("test_row_says_what_was_decided",),
        ("metrics.metrics_1h", "tags.", "two members of one name"),
        "UPDATE metrics SET tags = rtrim(tags, '}') || ',\"resolution\":\"1h\"}' WHERE id ="
        " (SELECT min(id) FROM metrics WHERE tags ->> 'resolution' = '1h')",
        target="analytics",
    ),
    fault(
        "second member of one name where nothing keeps lineage",
        ("test_row_says_what_was_decided",),
        ("telegram_memory.messages", "two members of one name"),
        "UPDATE telegram_messages SET context = '{\"chat_id\":1,' || substr(context, 2) WHERE id ="
        " (SELECT max(id) FROM telegram_messages WHERE context ->> 'chat_id')",
        "DROP TABLE lineage",
        target="analytics",
    ),
    fault(
        "legacy cell lost that the rest alone keeps",
        ("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        ("tax.tax_lots", "remaining_quantity: expected REAL"),
        "UPDATE lineage SET rest = json_remove(rest, '$.remaining_quantity') WHERE rowid = (SELECT max(rowid)"
        " FROM lineage WHERE source = 'tax.tax_lots' AND rest -> '$.remaining_quantity' IS NOT NULL)",
    ),
    fault(
        "legacy cell altered that the rest alone keeps",
        ("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        ("whales.whale_movements", "value_usd: expected REAL"),
        "UPDATE lineage SET rest = json_set(rest, '$.value_usd[0]', 1.5) WHERE rowid = (SELECT max(rowid)"
        " FROM lineage WHERE source = 'whales.whale_movements' AND rest -> '$.value_usd' IS NOT NULL)",
        target="analytics",
    ),
    fault(
        "white space added to legacy JSON that stands letter by letter",
        ("test_json_and_rest_keep_what_they_have_to", "test_legacy_row_is_rebuilt"),
        ("jarvis_x_memory.tweets", "metadata.cashtags"),
        "UPDATE tweets SET metadata = replace(metadata, '\"cashtags\":[', '\"cashtags\":[ ') WHERE id ="
        " (SELECT max(id) FROM tweets WHERE metadata -> 'cashtags' IS NOT NULL)",
        target="analytics",
    ),
    fault(
        "constraint of a carried table lost",
        ("test_carried_tables_are_declared_as_they_were",),
        (
            "core.legacy_jarvis_pick_performance",
            "constraints, collations or generated columns are not those of jarvis",
        ),
        deed=_without_its_unique,
    ),
    # Declarations, indexes and rowids of carried tables.
    *(
        fault(name, _DECLARED, (f"core.{_PICKS}",), deed=partial(_redeclare, old=old, new=new))
        for name, (old, new) in _CHANGES.items()
    ),
    fault(
        "generated column added to a carried table",
        ("test_carried_tables_are_verbatim", *_DECLARED),
        (f"core.{_PICKS}", "columns are not those"),
        deed=partial(
            _redeclare, old="timeframe        TEXT", new="timeframe        TEXT, gain AS (current_price - entry_price)"
        ),
    ),
    fault(
        "foreign key added to a carried table",
        _DECLARED,
        (f"core.{_PICKS}", "has a foreign key"),
        deed=partial(_redeclare, old="timeframe        TEXT", new="timeframe        TEXT REFERENCES config(key)"),
    ),
    fault(
        "index of a carried table lost",
        _DECLARED,
        ("core.legacy_jarvis_error_logs", "indexes are not those"),
        "DROP INDEX legacy_jarvis_idx_errors_component",
    ),
    fault(
        "index of a carried table made unique",
        _DECLARED,
        (f"core.{_PICKS}", "indexes are not those"),
        f"CREATE UNIQUE INDEX legacy_jarvis_by_id ON {_PICKS} (symbol, id)",
    ),
    fault(
        "rowids of a carried table counted anew",
        ("test_carried_tables_are_verbatim",),
        ("core.legacy_alerts_alerts",),
        "UPDATE legacy_alerts_alerts SET rowid = rowid + 1000",
    ),
)
