"""Tax lots."""

import sqlite3 as sq
from contextlib import closing, contextmanager

from . import config


@contextmanager
def opened():
    connection = sq.connect(config.TAX_DB)
    try:
        yield connection
    finally:
        connection.close()


def lots(symbol):
    with opened() as db:
        return db.execute("SELECT symbol, remaining_quantity FROM tax_lots WHERE symbol = '%s'" % symbol).fetchall()


def losses():
    with closing(sq.connect(f"file:{config.TAX_DB}?mode=ro", uri=True)) as db:
        return db.execute("SELECT s.id FROM {} AS s WHERE s.gain_loss < 0".format("sales")).fetchall()


def with_trades():
    with opened() as db:
        db.execute("ATTACH DATABASE 'data/jarvis.db' AS bot")
        db.execute("ATTACH DATABASE 'data/raid_bot.db' AS raid")
        db.execute("ATTACH DATABASE ? AS third", (config.MEMORY_DB,))
        return db.execute("SELECT l.id FROM tax_lots AS l JOIN bot.trades AS t ON t.tx_signature = l.tx_id").fetchall()
