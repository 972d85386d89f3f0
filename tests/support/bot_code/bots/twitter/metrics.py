"""Beside its own database."""

import sqlite3
from pathlib import Path

db = sqlite3.connect(Path(__file__).parent / "engagement.db")
db.execute("SELECT likes FROM tweet_metrics")
