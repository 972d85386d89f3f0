"""Every way round a hook."""

import functools
import os
import sqlite3
import subprocess
import sys
from sqlite3 import connect
from sqlite3 import connect as open_db


class Counted(sqlite3.Connection):
    pass


direct = sqlite3.Connection("data/jarvis.db")
bound = connect("data/treasury_trades.db")
named = open_db("data/jarvis_x_memory.db")
counted = sqlite3.connect("data/whales.db", factory=lambda *given, **named: Counted(*given, **named))
opener = functools.partial(sqlite3.connect, "data/research.db")
partial = opener()
unseen = sqlite3.connect(sys.argv[1])
chosen = sqlite3.connect(os.environ["BOT_DB"])
memory = sqlite3.connect(":memory:")
other = sqlite3.connect("/var/lib/other/journal.db")
raids = sqlite3.connect("data/raid_bot.db")
limiter = sqlite3.connect("data/rate_limiter/rate_limiter.db")

raids.execute("SELECT value FROM raid_config WHERE key = ?")
named.execute("SELECT category, cashtags FROM tweets WHERE posted_at > ?")
unseen.execute("SELECT wallet_address FROM whale_movements")
unseen.execute("SELECT id FROM memories")
subprocess.run(["sqlite3", "data/jarvis.db", "SELECT token_mint FROM positions"], check=False)
subprocess.run(["cp", "data/jarvis.db", "/backup"], check=False)
os.system("sqlite3 data/custom.db .dump")


def helper(sql, parameters=()):
    return direct.execute(sql, parameters)


def path_of(name):
    return sqlite3.connect(f"data/{name}.db")


path_of("health")
helper("SELECT checked_at FROM health_history")
NOTE = "Select a trade from the list of trades"
UNRELATED = "data/notes.txt"
