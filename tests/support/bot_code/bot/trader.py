"""Opens positions and saves them the old way: delete all, insert all."""

import sqlite3

from bot.config import JARVIS_DB

OPEN = "SELECT symbol, token_mint, opened_at FROM positions WHERE status = 'open'"


class Store:
    def __init__(self, path=JARVIS_DB):
        self.path = path
        self.conn = sqlite3.connect(self.path, timeout=5)
        self.conn.row_factory = sqlite3.Row

    def schema(self):
        self.conn.execute("CREATE TABLE IF NOT EXISTS positions (id TEXT PRIMARY KEY, symbol TEXT)")
        self.conn.execute("CREATE INDEX IF NOT EXISTS idx_positions_status ON positions(status)")
        self.conn.execute("CREATE INDEX IF NOT EXISTS idx_positions_user ON positions(user_id)")
        self.conn.execute("CREATE TABLE IF NOT EXISTS drafts (id TEXT)")
        self.conn.execute("ALTER TABLE positions ADD COLUMN note TEXT")
        self.conn.execute("PRAGMA user_version = 3")

    def open_positions(self):
        return self.conn.execute(OPEN).fetchall()

    def save(self, rows):
        with self.conn as connection:
            cursor = connection.cursor()
            cursor.execute("DELETE FROM positions")
            cursor.executemany(
                """
                INSERT OR REPLACE INTO positions
                    (id, symbol, token_mint)
                VALUES (?, ?, ?)
                """,
                rows,
            )

    def scorecard(self):
        return self.conn.execute("SELECT * FROM scorecard WHERE id = 1").fetchone()

    def count(self, table):
        return self.conn.execute(f"SELECT count(*) FROM {table}").fetchone()

    def each(self):
        for table in ("trades", "pick_performance"):
            yield self.conn.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()

    def search(self, words, newest):
        sql = "SELECT t.symbol, t.side FROM trades AS t"
        if newest:
            sql += " WHERE t.timestamp > ?"
        sql += " ORDER BY t.timestamp DESC"
        return self.conn.execute(sql, words)

    def update(self, changes):
        columns = ", ".join(f"{name} = ?" for name in changes)
        self.conn.execute(f"UPDATE positions SET {columns} WHERE id = ?")

    def tables(self):
        return self.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()

    def other(self):
        return self.conn.execute("SELECT * FROM snapshots_of_mine")

    def renew(self):
        self.conn.execute("CREATE VIEW IF NOT EXISTS winners AS SELECT id FROM positions WHERE pnl_pct > 0")
        self.conn.execute("CREATE TRIGGER seen AFTER INSERT ON trades BEGIN SELECT 1; END")
        self.conn.execute("DELETE FROM sqlite_sequence WHERE name = 'error_logs'")
