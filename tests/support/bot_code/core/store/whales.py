"""A helper that takes its path as an argument."""

import sqlite3


def open_whales(path, timeout=5):
    return sqlite3.connect(path, timeout=timeout)


def main():
    db = open_whales("data/whales.db")
    db.execute("UPDATE whale_wallets SET label = ?, is_active = 1 WHERE address = ?")
    db.executescript("""
        DELETE FROM whale_alerts;
        INSERT INTO whale_movements (wallet_address, direction) VALUES ('a', 'BUY');
    """)
