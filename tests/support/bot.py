"""A bot that writes to whichever set is in use, and a plain model of what it wrote: tests/properties/test_state_machine.py.

Every row bears a mark of its own (``mark-7``), by which it is known in both sets.  What the bot did not write has no mark.
"""

import sqlite3
from collections import Counter
from contextlib import closing

AT = "2026-03-04T05:06:07+00:00"
AT_UTC = "2026-03-04 05:06:07"
EPOCH = 1772600767.0

#: Table of the model -> (legacy database and table, consolidated database and table).
TABLES = {
    "positions": (("jarvis.db", "positions"), ("jarvis_core.db", "positions")),
    "trades": (("jarvis.db", "trades"), ("jarvis_core.db", "trades")),
    "facts": (("jarvis_memory.db", "facts"), ("jarvis_analytics.db", "ai_facts")),
    "alerts": (("alerts.db", "alerts"), ("jarvis_core.db", "legacy_alerts_alerts")),
    "cache": (("cache/file_cache.db", "cache_entries"), ("jarvis_cache.db", "cache_entries")),
}
#: The legacy name that the bot opens for a table, in either set.
OPENED = {table: legacy[0] for table, (legacy, _) in TABLES.items()}

#: (set, table) -> SELECT of mark and the one value that the bot keeps there.
READ = {
    ("legacy", "positions"): "SELECT token_mint, user_id FROM positions",
    ("legacy", "trades"): "SELECT t.tx_signature, t.price, p.token_mint FROM trades AS t LEFT JOIN positions AS p ON p.id = t.position_id",
    ("legacy", "facts"): "SELECT fact, confidence, entity FROM facts",
    ("legacy", "alerts"): "SELECT id, threshold FROM alerts",
    ("legacy", "cache"): "SELECT key, CAST(value AS TEXT) FROM cache_entries",
    ("consolidated", "positions"): "SELECT token_address, user_id FROM positions",
    ("consolidated", "trades"): "SELECT t.signature, t.price, p.token_address FROM trades AS t LEFT JOIN positions AS p ON p.id = t.position_id",
    ("consolidated", "facts"): "SELECT f.fact, f.confidence, e.name FROM ai_facts AS f LEFT JOIN ai_entities AS e ON e.id = f.entity_id",
    ("consolidated", "alerts"): "SELECT id, threshold FROM legacy_alerts_alerts",
    ("consolidated", "cache"): "SELECT key, CAST(value AS TEXT) FROM cache_entries",
}  # fmt: skip

#: (set, table) -> statements that insert a row; each takes :mark, :value, :of (the mark of a position, or an entity) and :wallet.
INSERT = {
    ("legacy", "positions"): (
        ("INSERT INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, opened_at, user_id)"
        " VALUES ('p' || :mark, 'SYM', :mark, 1.5, 2.0, 3.0, 'open', :at, :value)"),
    ),
    ("legacy", "trades"): (
        ("INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, tx_signature, position_id)"
        " VALUES ('t' || :mark, 'SYM', 'Mint', 'buy', 2.0, 3.0, :value, :at, :mark,"
        " coalesce((SELECT id FROM positions WHERE token_mint = :of), ''))"),
    ),
    ("legacy", "facts"): (
        "INSERT OR IGNORE INTO entities (name, entity_type, created_at, updated_at) VALUES (:of, 'token', :at, :at)",
        "INSERT INTO facts (entity, fact, confidence, learned_at) VALUES (:of, :mark, :value, :at)",
    ),
    ("legacy", "alerts"): (
        "INSERT INTO alerts (id, name, alert_type, symbol, threshold) VALUES (:mark, 'n', 'price', 'SYM', :value)",
    ),
    ("legacy", "cache"): (
        "INSERT INTO cache_entries (key, value, created_at, expires_at) VALUES (:mark, :value, :epoch, :epoch + 60)",
    ),
    ("consolidated", "positions"): (
        ("INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, entry_time, pnl_usd, pnl_percent,"
        " trailing_stop_enabled, wallet_address, user_id)"
        " VALUES ('SYM', :mark, 1.5, 3.0, 2.0, 'open', :at_utc, NULL, NULL, NULL, :wallet, :value)"),
    ),
    ("consolidated", "trades"): (
        ("INSERT INTO trades (position_id, direction, symbol, token_address, amount, amount_sol, price, signature, status, fee_sol,"
        " partner_fee_sol, timestamp) VALUES ((SELECT id FROM positions WHERE token_address = :of), 'buy', 'SYM', 'Mint', 3.0, 2.0,"
        " :value, :mark, 'confirmed', NULL, NULL, :at_utc)"),
    ),
    ("consolidated", "facts"): (
        ("INSERT OR IGNORE INTO ai_entities (name, entity_type, created_at, last_referenced, reference_count)"
        " VALUES (:of, 'token', :at_utc, :at_utc, NULL)"),
        ("INSERT INTO ai_facts (entity_id, fact, confidence, source, created_at, updated_at)"
        " SELECT id, :mark, :value, 'conversation', :at_utc, :at_utc FROM ai_entities WHERE name = :of"),
    ),
    ("consolidated", "alerts"): (
        "INSERT INTO legacy_alerts_alerts (id, name, alert_type, symbol, threshold) VALUES (:mark, 'n', 'price', 'SYM', :value)",
    ),
    ("consolidated", "cache"): (
        "INSERT INTO cache_entries (key, value, created_at, expires_at) VALUES (:mark, :value, :at_utc, datetime(:at_utc, '+60 seconds'))",
    ),
}  # fmt: skip

#: (set, table) -> (the column that holds the mark, the column that holds the value).
COLUMNS = {
    ("legacy", "positions"): ("token_mint", "user_id"),
    ("legacy", "trades"): ("tx_signature", "price"),
    ("legacy", "facts"): ("fact", "confidence"),
    ("legacy", "alerts"): ("id", "threshold"),
    ("legacy", "cache"): ("key", "value"),
    ("consolidated", "positions"): ("token_address", "user_id"),
    ("consolidated", "trades"): ("signature", "price"),
    ("consolidated", "facts"): ("fact", "confidence"),
    ("consolidated", "alerts"): ("id", "threshold"),
    ("consolidated", "cache"): ("key", "value"),
}


def opened(path):
    """Open a database as any program does, with the one pragma that the specification asks of it."""
    connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return closing(connection)


def in_use(data):
    """Return which set each legacy name leads to; all have to lead to one."""
    found = set()
    for name in set(OPENED.values()):
        with opened(data / name) as connection:
            tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_schema")}
            found.add("consolidated" if {"lineage", "quarantine"} <= tables else "legacy")
    (only,) = found
    return only


def rows(data, which):
    """Return table -> mark -> values of what the bot wrote; a mark that is there twice is an error."""
    found = {}
    for table, name in OPENED.items():
        with opened(data / name) as connection:
            marked = connection.execute(
                f"{READ[which, table]} WHERE {COLUMNS[which, table][0]} LIKE 'mark-%'"
            ).fetchall()
        found[table] = {row[0]: tuple(row[1:]) for row in marked}
        assert len(found[table]) == len(marked), f"{table} holds a row twice"
    return found


def strangers(data, which):
    """Return table -> the multiset of rows that the bot did not write."""
    found = {}
    for table, places in TABLES.items():
        with opened(data / OPENED[table]) as connection:
            name = places[which == "consolidated"][1]
            columns = [column for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
            at = columns.index(COLUMNS[which, table][0])
            whole = connection.execute(f"SELECT * FROM {name}").fetchall()
        found[table] = Counter(tuple(map(repr, row)) for row in whole if not str(row[at]).startswith("mark-"))
    return found
