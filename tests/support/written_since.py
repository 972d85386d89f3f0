"""What was written to the consolidated set, and what a rollback made of it: a set of rows for every column of every table.

home = written_since.planted(folder, "found")
small_set.cut_over(home)
...
after = written_since.After(home, small_set.roll_back(home))
after.legacy("core", "positions", 7)      # the legacy row behind it, and as it was
after.again("core", "positions", 7)       # what another migration makes of it
after.kept("core", "positions", 7)        # the row in the residue
"""

import json
import sqlite3
from contextlib import closing

import small_set

from contracts.specimens import generator
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections

AT = "2026-01-0{day}T10:00:00+00:00"
#: Rows of each planted table: twice as many as are written to of one, so that those below do not hang on them.
ROWS = 48
#: Legacy table as found -> cells of each planted row; ``{n}`` is its number.
FOUND = {
    "jarvis.positions": {
        "id": "p{n}", "symbol": "SYM{n}", "token_mint": "Mint{n}", "entry_price": 2.0, "entry_amount_sol": 1.0,
        "entry_amount_tokens": 10.0, "take_profit_price": 3.0, "stop_loss_price": 1.0, "tp_order_id": "o{n}", "sl_order_id": "",
        "status": "open", "exit_price": 0.0, "exit_amount_sol": 0.0, "pnl_sol": 0.0, "pnl_pct": 0.0,
        "opened_at": "2026-01-01T10:{n:02}:00+00:00", "closed_at": "", "tx_signature_entry": "", "tx_signature_exit": "", "user_id": 5,
    },
    "jarvis.trades": {
        "id": "t{n}", "symbol": "SYM{n}", "token_mint": "Mint{n}", "side": "buy", "amount_sol": 1.0, "amount_tokens": 10.0,
        "price": 0.5, "timestamp": "2026-01-02T10:{n:02}:00+00:00", "tx_signature": "sig{n}", "position_id": "p{n}", "user_id": 5,
    },
    "jarvis.treasury_orders": {
        "order_id": "o{n}",
        "order_json": '{{"type": "TAKE_PROFIT", "token_mint": "Mint{n}", "amount_sol": 1.5, "target_price": 3.0,'
        ' "created_at": "2026-01-02T10:{n:02}:00", "status": "ACTIVE", "triggered_at": null}}',
    },
    "tax.tax_lots": {
        "symbol": "SYM{n}", "quantity": 10.0, "remaining_quantity": 10.0, "cost_per_unit": 2.0, "total_cost": 20.0, "fee": 0.0,
        "purchase_date": "2026-01-02T10:{n:02}:00+00:00", "tx_id": "sig{n}", "adjusted_cost_basis": 2.0, "wash_sale_adjustment": 0.0,
    },
    "jarvis_memory.entities": {
        "name": "entity {n}", "entity_type": "person", "created_at": "2026-01-02T10:{n:02}:00+00:00",
        "updated_at": "2026-01-03T10:{n:02}:00+00:00",
    },
    "jarvis_memory.facts": {
        "entity": "entity {n}", "fact": "fact {n}", "confidence": 0.5, "source": "conversation",
        "learned_at": "2026-01-02T10:{n:02}:00+00:00",
    },
    "jarvis_memory.reflections": {
        "trigger": "trigger {n}", "what_happened": "it happened {n}", "lesson": "lesson {n}", "new_approach": "approach {n}",
        "created_at": "2026-01-02T10:{n:02}:00+00:00",
    },
    "jarvis_x_memory.tweets": {
        "tweet_id": "tweet{n}", "content": "content {n}", "category": "market", "cashtags": '["SOL"]',
        "posted_at": "2026-01-02T10:{n:02}:00+00:00", "engagement_likes": 3, "engagement_retweets": 2, "engagement_replies": 1,
    },
    "jarvis_admin.users": {
        "user_id": 100, "username": "user {n}", "first_seen": "2026-01-02T10:{n:02}:00+00:00", "message_count": 7,
        "warning_count": 1, "last_message_at": "2026-01-03T10:{n:02}:00+00:00",
    },
    "telegram_memory.messages": {
        "user_id": 5, "username": "user {n}", "role": "user", "content": "message {n}",
        "timestamp": "2026-01-02T10:{n:02}:00+00:00", "chat_id": 9,
    },
    "sentiment.sentiment_readings": {
        "source": "grok", "symbol": "SYM{n}", "score": 20.0, "label": "bullish", "confidence": 0.5,
        "timestamp": "2026-01-02T10:{n:02}:00+00:00", "data_points": 3, "metadata_json": "{{}}",
    },
    "call_tracking.calls": {
        "id": "c{n}", "timestamp": "2026-01-02T10:{n:02}:00+00:00", "source": "grok", "symbol": "SYM{n}", "contract": "Mint{n}",
        "verdict": "BULLISH", "score": 1.0, "price_at_call": 2.0, "reasoning": "reason {n}",
    },
    "call_tracking.outcomes": {
        "id": "u{n}", "call_id": "c{n}", "timeframe": "1h", "price_after": 3.0, "change_pct": 50.0,
        "measured_at": "2026-01-02T11:{n:02}:00+00:00",
    },
    "whales.whale_wallets": {
        "address": "address {n}", "label": "label {n}", "is_active": 1, "first_seen": "2026-01-02T10:{n:02}:00+00:00",
        "last_activity": "2026-01-03T10:{n:02}:00+00:00", "win_rate": 0.5,
    },
    "whales.whale_movements": {
        "wallet_address": "address {n}", "timestamp": "2026-01-02T10:{n:02}:00+00:00", "token_symbol": "wSOL",
        "token_mint": "So11111111111111111111111111111111111111112", "amount": 5.0, "direction": "BUY", "tx_signature": "move{n}",
    },
    "metrics.metrics_1m": {
        "timestamp": "2026-01-02T10:{n:02}:00+00:00", "component": "grok", "total_requests": 8, "error_rate": 0.5,
    },
    "llm_costs.llm_usage": {
        "timestamp": "2026-01-02T10:{n:02}:00+00:00", "provider": "groq", "model": "model {n}", "input_tokens": 5,
        "output_tokens": 6, "cost_usd": 0.5, "success": 1,
    },
    "file_cache.cache_entries": {"key": "key {n}", "value": "value {n}", "created_at": 1767348000.0, "expires_at": 1767434400.0},
    "rate_limiter.request_log": {
        "request_id": "r{n}", "endpoint": "/quote", "scope_key": "user:5", "timestamp": "2026-01-02T10:{n:02}:00+00:00", "allowed": 1,
    },
}  # fmt: skip
#: As specified: what a column holds that may not hold what its type suggests.
SPECIFIED = {
    "positions.status": "open", "trades.direction": "buy", "trades.status": "confirmed", "trades.via": "jupiter",
    "treasury_orders.order_type": "limit", "treasury_orders.side": "buy", "treasury_orders.status": "active",
    "scorecard.period": "daily", "telegram_messages.message_type": "query", "sentiment_readings.sentiment": "bullish",
    "calls.call_type": "buy", "call_outcomes.outcome": "win", "whale_movements.direction": "in", "llm_costs.provider": "other",
}  # fmt: skip


def filled(value, number):
    """Return a planted cell of the row *number*."""
    if isinstance(value, str):
        return value.format(n=number)
    return value + number if value == 100 else value


def places():
    """Return where the file of each legacy database lies in a data directory."""
    return {one.name: str(one.place) for one in catalogue.legacy_databases()}


def insert(connection, table, cells):
    """Insert a row of *cells*; NOT NULL columns that are not named are filled."""
    filler = {"TEXT": "some text", "REAL": 1.0, "INTEGER": 1}
    for name, declared, not_null, default, key in connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,)
    ).fetchall():
        if not_null and default is None and not key:
            cells = {name: filler.get(declared, "2026-01-05T10:00:00+00:00"), **cells}
    names, marks = ", ".join(map(connections.quoted, cells)), ", ".join("?" * len(cells))
    connection.execute(f"INSERT INTO {connections.quoted(table)} ({names}) VALUES ({marks})", list(cells.values()))


def specified_rows():
    """Return what :data:`FOUND` is for the tables as specified: a value for each column, by its type."""
    rows = {}
    for database, (target, tables) in catalogue.SPECIFIED.items():
        schema = schema_reader.target(target)
        for table in tables:
            cells = {}
            types = {column.name: column.type for one in schema.tables if one.name == table for column in one.columns}
            for name in mapping_reader.target_columns(schema, table):
                if name == mapping_reader.target_key(schema, table) and types.get(name, "INTEGER") == "INTEGER":
                    continue
                usual = {"INTEGER": 1, "REAL": 2.5, "TIMESTAMP": "2026-01-02 10:{n:02}:00"}
                cells[name] = SPECIFIED.get(f"{table}.{name}", usual.get(types.get(name), f"{name} {{n}}"))
            cells |= {
                name: '{{"number": {n}}}' for name in ("metadata", "context", "preferences", "tags") if types.get(name)
            }
            rows[f"{database}.{table}"] = cells
    return rows


def planted(home, variant):
    """Make a legacy set below *home* with :data:`ROWS` rows in each mapped table, and build it."""
    data = home / "data"
    generator.make(data, seed=7, rows=60, variant=variant)
    where = places()
    for source, cells in (FOUND if variant == "found" else specified_rows()).items():
        database, _, table = source.partition(".")
        with closing(sqlite3.connect(data / where[database], isolation_level=None)) as legacy:
            legacy.execute("BEGIN")
            legacy.execute(f"DELETE FROM {table}")
            if legacy.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
                legacy.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            for number in range(1, ROWS + 1):
                insert(legacy, table, {name: filled(value, number) for name, value in cells.items()})
            legacy.execute("COMMIT")
    small_set.build(home)
    return home


def opened(home, target):
    """Open a consolidated database of the set in use as any program would."""
    return closing(sqlite3.connect(home / "data" / catalogue.TARGETS[target], isolation_level=None))


class After:
    """A set after its rollback, beside what it was and what another migration makes of it."""

    def __init__(self, home, done, variant="found"):
        self.home, self.done, self.variant = home, done, variant
        self.run = small_set.last_switch(home).left_behind.parent
        small_set.build(home)

    def lineage(self, target, table, key):
        """Return source and legacy key of the consolidated row *key*, as it was installed; of a new one, None."""
        with closing(sqlite3.connect(self.run / "consolidated" / catalogue.TARGETS[target])) as installed:
            return installed.execute(
                "SELECT source, legacy_key FROM lineage WHERE target = ? AND target_id = ?", (table, key)
            ).fetchone()

    def legacy(self, target, table, key):
        """Return the legacy row behind a consolidated one as it is, and as it was."""
        source, legacy_key = self.lineage(target, table, key)
        database, _, own = source.partition(".")
        found = []
        for folder in (self.home / "data", self.run):
            with closing(sqlite3.connect(folder / places()[database])) as legacy:
                names = [
                    name for name, _, pk in legacy.execute("SELECT name, type, pk FROM pragma_table_info(?)", (own,))
                ]
                asked = mapping_of(source, self.variant).key
                rows = legacy.execute(f"SELECT * FROM {own} WHERE {asked} = ?", (legacy_key,)).fetchall()
                found.append([dict(zip(names, row, strict=True)) for row in rows])
        return found

    def again(self, target, table, key):
        """Return the rows that another migration makes of the legacy row behind the consolidated row *key*."""
        source, legacy_key = self.lineage(target, table, key)
        stage = self.home / "data" / ".migrator" / "stage" / catalogue.TARGETS[target]
        return rows_of(
            stage, table, "SELECT target_id FROM lineage WHERE source = ? AND legacy_key = ?", source, legacy_key
        )

    def installed(self, target, table, key):
        """Return the consolidated row *key* as it was installed."""
        (row,) = rows_of(self.run / "consolidated" / catalogue.TARGETS[target], table, "SELECT ?", key)
        return row

    def kept(self, target, table, key=None):
        """Return the rows of the residue, of one key or of all."""
        path = self.run / "rolled-back" / "residue.db"
        name = mapping_reader.target_key(schema_reader.target(target), table)
        if not path.is_file():
            return []
        with closing(sqlite3.connect(path)) as residue:
            residue.row_factory = sqlite3.Row
            if not residue.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (f"{target}_{table}",)).fetchone():
                return []
            rows = [dict(row) for row in residue.execute(f"SELECT * FROM {target}_{table}")]
        return [row for row in rows if key is None or row.get(name) == key]


def mapping_of(source, variant):
    """Return the mapping of a legacy table."""
    if variant == "specified":
        database, _, table = source.partition(".")
        return mapping_reader.identity(catalogue.SPECIFIED[database][0], table, database)
    return next(one for one in mapping_reader.mappings() if one.source == source)


def rows_of(path, table, asked, *values):
    """Return the rows of *table* whose key the query *asked* returns, as dictionaries."""
    target = path.stem.removeprefix("jarvis_")
    key = mapping_reader.target_key(schema_reader.target(target), table)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [
            dict(row)
            for row in connection.execute(f"SELECT * FROM {table} WHERE {key} IN ({asked}) ORDER BY {key}", values)
        ]


def members(text):
    """Return the value of JSON text, an empty object for empty text."""
    return json.loads(text) if text else {}
