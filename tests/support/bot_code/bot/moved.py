"""Written for migrator already."""

import migrator
from migrator import connect

legacy = migrator.connect("jarvis.db")
legacy.execute("SELECT token_mint FROM positions")
legacy.execute("ALTER TABLE trades ADD COLUMN note TEXT")
new = connect("jarvis_core.db")
new.execute("SELECT token_address FROM positions")
new.execute("SELECT theme FROM settings_of_mine")
half = migrator.connect("jarvis.db", schema="consolidated")
half.execute("SELECT token_mint, status FROM positions")
half.execute("SELECT outcome FROM legacy_jarvis_pick_performance")
new.execute("SELECT p.symbol, pnl FROM positions AS p")
