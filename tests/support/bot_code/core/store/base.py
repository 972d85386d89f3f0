"""A base class with the path in a subclass."""

import sqlite3


class Base:
    path = None

    def __init__(self):
        self._db = sqlite3.connect(self.path)

    def all(self):
        return self._db.execute("SELECT * FROM whale_wallets")
