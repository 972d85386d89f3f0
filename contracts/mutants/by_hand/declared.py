"""Faults to plant in a consolidated set, each with the contracts that must catch it.

A contract that catches nothing cannot fail; an uncaught fault means a missing contract.  A fault is a change
of the DDL from which the set is made, statements run on the finished set, or a change of a file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from contracts.sets.consolidated import make_empty_set
from migrator.errors import UsageError
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.system import connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault in a consolidated set.

    Attributes:
        name: The fault, in a few words.
        target: Its database.
        caught_by: Names of the contracts that must each be broken.
        mentions: Texts that the message of the first of them must contain.
        amendments: The amendments of the specification from which the set is made.
        decided: The amendments that the contracts are told of, if not these.
        ddl: Text of the DDL and its replacement; or empty.
        statements: Statements to run on the finished database.
        deed: Changes the finished file.
    """

    name: str
    target: str
    caught_by: tuple[str, ...]
    mentions: tuple[str, ...]
    amendments: tuple[str, ...] = ()
    decided: tuple[str, ...] | None = None
    ddl: tuple[str, str] = ("", "")
    statements: tuple[str, ...] = ()
    deed: Callable[[Path], None] | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """The amendments that the contracts are told of."""
        return self.amendments if self.decided is None else self.decided


def plant(fault: Fault, folder: Path) -> None:
    """Make a set in *folder* that is as specified except for *fault*.

    Raises:
        UsageError: The DDL lacks the text that the fault replaces.
    """
    old, new = fault.ddl
    specification = specified.chosen(fault.amendments)
    text = specification.ddl(fault.target)
    if old and text.count(old) != 1:
        raise UsageError(f"the DDL of {fault.target} does not hold {old!r} exactly once", where=fault.name)
    make_empty_set(folder, {fault.target: text.replace(old, new) if old else text}, specification)
    path = folder / catalogue.TARGETS[fault.target]
    with closing(connections.application(path)) as connection:
        for statement in fault.statements:
            connection.execute(statement)
    if fault.deed:
        fault.deed(path)


def _in_utf16(path: Path) -> None:
    path.unlink()
    with closing(connections.create(path)) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16le'")
        connection.executescript(catalogue.target_ddl("cache"))
        connection.execute("ANALYZE")


_TRADE = "INSERT INTO trades (direction, symbol, token_address, amount, amount_sol, price, status) VALUES "
_POSITION_LINK = "FOREIGN KEY (position_id) REFERENCES positions(id) ON DELETE"

FAULTS: tuple[Fault, ...] = (
    Fault(
        name="database missing",
        target="cache",
        caught_by=("test_the_three_databases_are_there",),
        mentions=("jarvis_cache.db",),
        deed=Path.unlink,
    ),
    Fault(
        name="table missing",
        target="core",
        caught_by=("test_table_has_its_columns", "test_not_null_refuses_null"),
        mentions=("core.wash_sales", "no such table"),
        statements=("DROP TABLE wash_sales",),
    ),
    Fault(
        name="column added",
        target="core",
        caught_by=("test_table_has_its_columns",),
        mentions=("core.scorecard", "largest_win"),
        statements=("ALTER TABLE scorecard ADD COLUMN largest_win REAL",),
    ),
    Fault(
        name="columns swapped",
        target="core",
        caught_by=("test_table_has_its_columns",),
        mentions=("core.positions", "columns in order"),
        ddl=(
            "    amount REAL NOT NULL,\n    amount_sol REAL NOT NULL,\n    status",
            "    amount_sol REAL NOT NULL,\n    amount REAL NOT NULL,\n    status",
        ),
    ),
    Fault(
        name="type changed",
        target="analytics",
        caught_by=("test_table_has_its_columns",),
        mentions=("analytics.llm_costs.cost_usd", "REAL", "TEXT"),
        ddl=("cost_usd REAL NOT NULL", "cost_usd TEXT NOT NULL"),
    ),
    Fault(
        name="default changed",
        target="analytics",
        caught_by=("test_table_has_its_columns",),
        mentions=("analytics.ai_facts.is_active", "default='1'", "default='0'"),
        ddl=("is_active INTEGER DEFAULT 1,\n    FOREIGN", "is_active INTEGER DEFAULT 0,\n    FOREIGN"),
    ),
    Fault(
        name="NOT NULL loosened",
        target="cache",
        caught_by=("test_table_has_its_columns", "test_not_null_refuses_null"),
        mentions=("cache.rate_limiter_logs.endpoint", "not_null=True", "not_null=False"),
        ddl=("endpoint TEXT NOT NULL", "endpoint TEXT"),
    ),
    Fault(
        name="AUTOINCREMENT dropped",
        target="core",
        caught_by=("test_table_has_its_columns",),
        mentions=("core.wash_sales", "AUTOINCREMENT"),
        ddl=(
            "CREATE TABLE wash_sales (\n    id INTEGER PRIMARY KEY AUTOINCREMENT",
            "CREATE TABLE wash_sales (\n    id INTEGER PRIMARY KEY",
        ),
    ),
    Fault(
        name="two defaults, of which each reader believes another",
        target="core",
        caught_by=("test_two_readers_agree_on_the_specified_tables",),
        mentions=("scorecard.winning_trades", "sqlglot", "SQLite"),
        ddl=("winning_trades INTEGER DEFAULT 0", "winning_trades INTEGER DEFAULT 1 DEFAULT 0"),
    ),
    Fault(
        name="CHECK loosened by one value",
        target="core",
        caught_by=("test_table_has_its_checks",),
        mentions=("core.positions", "status IN ('open', 'closed', 'partial')", "'closed_tp'"),
        ddl=("'closed', 'partial'", "'closed', 'partial', 'closed_tp'"),
    ),
    Fault(
        name="CHECK blind to case",
        target="core",
        caught_by=("test_check_is_exact", "test_table_has_its_checks"),
        mentions=("core.trades.direction", "'BUY'", "accepted"),
        ddl=("CHECK(direction IN ('buy', 'sell'))", "CHECK(direction COLLATE NOCASE IN ('buy', 'sell'))"),
    ),
    Fault(
        name="CHECK dropped",
        target="analytics",
        caught_by=("test_table_has_its_checks", "test_check_is_exact"),
        mentions=("analytics.whale_movements", "direction IN ('in', 'out')", "[]"),
        ddl=(" CHECK(direction IN ('in', 'out'))", ""),
    ),
    Fault(
        name="range of a CHECK shifted",
        target="analytics",
        caught_by=("test_check_is_exact", "test_table_has_its_checks"),
        mentions=("analytics.sentiment_readings.score", "100"),
        ddl=("score <= 100.0", "score < 100.0"),
    ),
    Fault(
        name="UNIQUE dropped",
        target="core",
        caught_by=("test_table_has_its_unique_constraints", "test_unique_refuses_a_second_row"),
        mentions=("core.trades", "signature"),
        ddl=("signature TEXT UNIQUE", "signature TEXT"),
    ),
    Fault(
        name="PRIMARY KEY dropped",
        target="cache",
        caught_by=("test_primary_key_refuses_a_second_row", "test_table_has_its_columns"),
        mentions=("cache.sessions.session_id", "PRIMARY KEY", "accepted"),
        ddl=("session_id TEXT PRIMARY KEY", "session_id TEXT"),
    ),
    Fault(
        name="ON DELETE changed",
        target="core",
        caught_by=("test_table_has_its_foreign_keys", "test_foreign_key_acts"),
        mentions=("core.trades", "SET NULL", "CASCADE"),
        ddl=(f"{_POSITION_LINK} SET NULL", f"{_POSITION_LINK} CASCADE"),
    ),
    Fault(
        name="foreign key dropped",
        target="analytics",
        caught_by=("test_foreign_key_acts", "test_table_has_its_foreign_keys"),
        mentions=("analytics.call_outcomes.call_id", "refused", "accepted"),
        ddl=("    notes TEXT,\n    FOREIGN KEY (call_id) REFERENCES calls(id) ON DELETE CASCADE\n", "    notes TEXT\n"),
    ),
    Fault(
        name="index dropped",
        target="core",
        caught_by=("test_index_is_there",),
        mentions=("core.idx_trades_via", "expected", "found:    []"),
        statements=("DROP INDEX idx_trades_via",),
    ),
    Fault(
        name="index turned round",
        target="analytics",
        caught_by=("test_index_is_there",),
        mentions=("analytics.idx_tweets_timestamp", "descending=True", "descending=False"),
        ddl=("ON tweets(timestamp DESC)", "ON tweets(timestamp)"),
    ),
    Fault(
        name="index on another column",
        target="cache",
        caught_by=("test_index_is_there",),
        mentions=("cache.idx_cache_expires", "expires_at", "created_at"),
        ddl=("ON cache_entries(expires_at)", "ON cache_entries(created_at)"),
    ),
    Fault(
        name="redundant index repaired silently",
        target="core",
        caught_by=("test_findings_are_those_of_the_specification", "test_index_is_there"),
        mentions=("redundant index", "core.idx_positions_token"),
        statements=("DROP INDEX idx_positions_token",),
    ),
    Fault(
        name="tokenizer swapped",
        target="analytics",
        caught_by=("test_virtual_table_is_there", "test_full_text_search_stems"),
        mentions=("analytics.ai_reflections", "porter unicode61", "trigram"),
        ddl=("tokenize = 'porter unicode61'", "tokenize = 'trigram'"),
    ),
    Fault(
        name="full-text column not searched",
        target="analytics",
        caught_by=("test_full_text_search_reads_the_indexed_columns", "test_virtual_table_is_there"),
        mentions=("analytics.ai_reflections", "'tags': 1", "'tags': 0"),
        ddl=("    tags,\n    tokenize", "    tags UNINDEXED,\n    tokenize"),
    ),
    Fault(
        name="full-text index stale",
        target="analytics",
        caught_by=("test_full_text_index_matches_its_rows",),
        mentions=("analytics.ai_reflections", "malformed"),
        statements=(
            "INSERT INTO ai_reflections (content) VALUES ('patience')",
            "UPDATE ai_reflections_content SET c0 = 'haste'",
        ),
    ),
    Fault(
        name="trigger added",
        target="core",
        caught_by=("test_every_object_is_specified_or_ordered",),
        mentions=("core", "trigger keeps_nothing on trades"),
        statements=("CREATE TRIGGER keeps_nothing AFTER INSERT ON trades BEGIN DELETE FROM trades; END",),
    ),
    Fault(
        name="view added under a carried table's name",
        target="core",
        caught_by=("test_every_object_is_specified_or_ordered",),
        mentions=("core", "view legacy_jarvis_items"),
        statements=("CREATE VIEW legacy_jarvis_items AS SELECT 1 AS id",),
    ),
    Fault(
        name="unique index under a carried table's name",
        target="core",
        caught_by=("test_every_object_is_specified_or_ordered",),
        mentions=("core", "index legacy_jarvis_by_time"),
        statements=("CREATE UNIQUE INDEX legacy_jarvis_by_time ON trades (timestamp)",),
    ),
    Fault(
        name="order of answers changed",
        target="analytics",
        caught_by=("test_virtual_table_is_there",),
        mentions=("analytics.ai_reflections", "rank", "bm25(10.0)"),
        statements=("INSERT INTO ai_reflections (ai_reflections, rank) VALUES ('rank', 'bm25(10.0)')",),
    ),
    Fault(
        name="table added",
        target="cache",
        caught_by=("test_every_object_is_specified_or_ordered",),
        mentions=("cache", "table scratchpad"),
        statements=("CREATE TABLE scratchpad (a)",),
    ),
    Fault(
        name="config row deleted",
        target="core",
        caught_by=("test_config_holds_the_specified_rows",),
        mentions=("core.config", "slippage_bps", "100"),
        statements=("DELETE FROM config WHERE key = 'slippage_bps'",),
    ),
    Fault(
        name="config value changed",
        target="core",
        caught_by=("test_config_holds_the_specified_rows",),
        mentions=("core.config", "max_trade_usd", "1000.0"),
        statements=("UPDATE config SET value = '100.0' WHERE key = 'max_trade_usd'",),
    ),
    Fault(
        name="WAL turned off",
        target="analytics",
        caught_by=("test_wal_mode_is_persistent", "test_our_connection_enforces_what_the_specification_asks"),
        mentions=("jarvis_analytics.db", "WAL", "[2, 2]", "[1, 1]"),
        statements=("PRAGMA journal_mode = DELETE",),
    ),
    Fault(
        name="encoding changed",
        target="cache",
        caught_by=("test_encoding_is_utf8",),
        mentions=("jarvis_cache.db", "UTF-8", "UTF-16le"),
        deed=_in_utf16,
    ),
    Fault(
        name="statistics of one index missing",
        target="core",
        caught_by=("test_statistics_are_stored",),
        mentions=("trades", "idx_trades_status", "ANALYZE"),
        statements=(
            f"{_TRADE} ('buy', 'BONK', 'mint', 1.0, 1.0, 1.0, 'confirmed')",
            "ANALYZE",
            "DELETE FROM sqlite_stat1 WHERE idx = 'idx_trades_status'",
        ),
    ),
    Fault(
        name="statistics never made",
        target="core",
        caught_by=("test_statistics_are_stored",),
        mentions=("jarvis_core.db", "sqlite_stat1"),
        statements=("DROP TABLE sqlite_stat1",),
    ),
    Fault(
        name="collation added",
        target="analytics",
        caught_by=("test_text_is_compared_byte_by_byte",),
        mentions=("analytics.llm_costs", "model: NOCASE"),
        ddl=("model TEXT NOT NULL", "model TEXT NOT NULL COLLATE NOCASE"),
    ),
    Fault(
        name="statistics of another number of rows",
        target="core",
        caught_by=("test_statistics_are_of_these_rows",),
        mentions=("trades", "idx_trades_status", "5,000,000 rows were counted, there are 1"),
        statements=(
            f"{_TRADE} ('buy', 'BONK', 'mint', 1.0, 1.0, 1.0, 'confirmed')",
            "ANALYZE",
            "UPDATE sqlite_stat1 SET stat = '5000000 2' WHERE idx = 'idx_trades_status'",
        ),
    ),
    Fault(
        name="index of lineage missing",
        target="core",
        caught_by=("test_lineage_is_declared_as_it_has_to_be",),
        mentions=("core.idx_lineage_target", "None"),
        statements=tuple(
            sql for _, sql in schema_reader.statements(catalogue.our_ddl()) if "idx_lineage_target" not in sql
        ),
    ),
)
