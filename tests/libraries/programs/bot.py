"""A bot as its authors wrote it: it knows sqlite3 and the legacy files, and nothing else.  Usage: bot.py DATA ROUND."""

import json
import os
import sqlite3
import sys
from contextlib import contextmanager

DATA, ROUND = sys.argv[1], int(sys.argv[2])
NOW = f"2026-03-{ROUND + 1:02}T12:00:00+00:00"

SCHEMAS = {
    "jarvis.db": """
        CREATE TABLE IF NOT EXISTS positions (
            id TEXT PRIMARY KEY, symbol TEXT NOT NULL, token_mint TEXT NOT NULL, entry_price REAL NOT NULL,
            entry_amount_sol REAL NOT NULL, entry_amount_tokens REAL NOT NULL, status TEXT, opened_at TEXT);
        CREATE INDEX IF NOT EXISTS idx_positions_status ON positions(status);
        CREATE TABLE IF NOT EXISTS scorecard (id INTEGER PRIMARY KEY CHECK (id = 1), total_trades INTEGER DEFAULT 0);
        INSERT OR IGNORE INTO scorecard (id) VALUES (1);
    """,
    "jarvis_memory.db": """
        CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, fact TEXT NOT NULL);
        CREATE VIRTUAL TABLE IF NOT EXISTS facts_fts USING fts5(entity, fact, content='facts', content_rowid='id');
        CREATE TRIGGER IF NOT EXISTS facts_ai AFTER INSERT ON facts BEGIN
            INSERT INTO facts_fts(rowid, entity, fact) VALUES (new.id, new.entity, new.fact);
        END;
    """,
}


class Database:
    """What each module of such a bot has a copy of."""

    def __init__(self, name):
        self.path = os.path.join(DATA, name)  # noqa: PTH118 - as bots do

    @contextmanager
    def session(self):
        connection = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=5000")
        try:
            yield connection
            connection.commit()
        except Exception:
            connection.rollback()
            raise
        finally:
            connection.close()


class SchemaManager:
    def ensure(self):
        for name, ddl in SCHEMAS.items():
            with Database(name).session() as connection:
                connection.executescript(ddl)
                columns = [row["name"] for row in connection.execute("PRAGMA table_info(positions)")]
                if name == "jarvis.db" and "user_id" not in columns:
                    connection.execute("ALTER TABLE positions ADD COLUMN user_id INTEGER DEFAULT 0")
                print(name, connection.execute("PRAGMA user_version").fetchone()[0], len(columns))


class Positions:
    def __init__(self):
        self.database = Database("jarvis.db")

    def load(self):
        with self.database.session() as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM positions ORDER BY opened_at, id")]

    def save(self, positions):
        """Delete all and insert again, as such bots do."""
        with self.database.session() as connection:
            connection.execute("DELETE FROM positions")
            for position in positions:
                names = ", ".join(position)
                marks = ", ".join(f":{name}" for name in position)
                connection.execute(f"INSERT INTO positions ({names}) VALUES ({marks})", position)

    def trade(self):
        positions = self.load()
        print("positions", len(positions), [position["symbol"] for position in positions[:5]])
        for position in positions[::7]:
            if position["status"] == "open":
                position |= {"status": "closed_tp", "exit_price": 2.5, "pnl_sol": 0.25, "closed_at": NOW}
        positions.append(
            dict(positions[0])
            | {
                "id": f"bot-{ROUND}",
                "symbol": f"NEW{ROUND}",
                "token_mint": f"Mint{ROUND}",
                "status": "open",
                "opened_at": NOW,
            }
        )
        self.save(positions)
        with self.database.session() as connection:
            connection.execute(
                "INSERT INTO trades (id, symbol, token_mint, side, amount_sol, amount_tokens, price, timestamp, position_id)"
                " VALUES (?, ?, ?, 'buy', 1.5, 100, 0.015, ?, ?)",
                (f"trade-{ROUND}", f"NEW{ROUND}", f"Mint{ROUND}", NOW, f"bot-{ROUND}"),
            )
            changed = connection.execute(
                "UPDATE positions SET take_profit_price = entry_price * 2 WHERE status = 'open'"
            ).rowcount
            print("repriced", changed)

    def windows(self):
        with self.database.session() as connection:
            for since in ("2026-01-05T00:00:00", "2026-02-01T00:00:00", NOW[:10]):
                row = connection.execute(
                    "SELECT count(*) AS n, total(amount_sol) AS volume, max(timestamp) AS last FROM trades WHERE timestamp >= ?",
                    (since,),
                ).fetchone()
                print("since", since, row["n"], round(row["volume"], 6), row["last"])
            print([
                tuple(row)
                for row in connection.execute(
                    "SELECT date(timestamp), count(*) FROM trades GROUP BY 1 ORDER BY 1 DESC LIMIT 5"
                )
            ])  # fmt: skip

    def score(self):
        with self.database.session() as connection:
            connection.execute(
                "INSERT INTO scorecard (id, total_trades, last_updated) VALUES (1, 1, ?)"
                " ON CONFLICT(id) DO UPDATE SET total_trades = total_trades + 1, last_updated = excluded.last_updated",
                (NOW,),
            )
            print("score", tuple(connection.execute("SELECT total_trades, last_updated FROM scorecard").fetchone()))
            connection.execute(
                "INSERT OR REPLACE INTO daily_stats (date, trades_opened, win_rate) VALUES (?, ?, ?)",
                (NOW[:10], ROUND, 0.5),
            )

    def fails(self):
        try:
            with self.database.session() as connection:
                connection.execute("UPDATE scorecard SET total_trades = 999999")
                connection.execute("INSERT INTO scorecard (id) VALUES (2)")
        except sqlite3.IntegrityError as error:
            print("refused", error)
        with self.database.session() as connection:
            print("kept", connection.execute("SELECT total_trades FROM scorecard").fetchone()[0])


class Memory:
    def __init__(self):
        self.database = Database("jarvis_memory.db")

    def learn(self):
        with self.database.session() as connection:
            for name in ("SOL", f"token {ROUND}"):
                connection.execute(
                    "INSERT INTO entities (name, entity_type, attributes, created_at, updated_at) VALUES (?, 'token', ?, ?, ?)"
                    " ON CONFLICT(name, entity_type) DO UPDATE SET updated_at = excluded.updated_at",
                    (name, json.dumps({"round": ROUND}), NOW, NOW),
                )
                (key,) = connection.execute(
                    "SELECT id FROM entities WHERE name = ? AND entity_type = 'token'", (name,)
                ).fetchone()
                cursor = connection.execute(
                    "INSERT OR IGNORE INTO facts (entity, entity_id, fact, confidence, learned_at) VALUES (?, ?, ?, 0.9, ?)",
                    (name, key, f"{name} went zigzag in round {ROUND}", NOW),
                )
                print("learnt", key, cursor.lastrowid, cursor.rowcount)
            connection.execute("UPDATE facts SET confidence = 0.4 WHERE fact LIKE '%round 0%'")
            connection.execute("DELETE FROM facts WHERE fact LIKE '%round 1%' AND entity = 'SOL'")

    def search(self):
        with self.database.session() as connection:
            for words in ("zigzag", "zigzag AND token", '"round 2"'):
                found = connection.execute(
                    "SELECT f.entity, f.fact, f.confidence FROM facts_fts JOIN facts AS f ON f.id = facts_fts.rowid"
                    " WHERE facts_fts MATCH ? ORDER BY bm25(facts_fts), f.id LIMIT 10",
                    (words,),
                ).fetchall()
                print("found", words, [tuple(row) for row in found])


def main():
    SchemaManager().ensure()
    positions, memory = Positions(), Memory()
    positions.trade()
    positions.windows()
    positions.score()
    positions.fails()
    memory.learn()
    memory.search()


if __name__ == "__main__":
    main()
