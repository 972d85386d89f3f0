"""Random statements for a legacy database, run on the legacy file and through its legacy schema on the consolidated set.

Both have to give the same rows, row counts, last ids, errors and contents.
"""

import random
import sqlite3
from collections import Counter

from migrator.system.connections import quoted

_TIMES = ["2026-01-17T05:11:22.123456+00:00", "2026-01-13T06:22:36.780828", "2026-01-13 06:22:36", "", "not a time",
          "2026-02-30T00:00:00", "2026-01-20", None, "2026-01-20T10:00:00+02:00"]  # fmt: skip
_JSON = ["{}", '{"a": 1.50}', "[]", '["$A", "$B"]', "not json", "", None, "[[1, 2.0]]"]
_WORDS = {
    "status": ["open", "closed_tp", "closed_manual", "failed", "weird", "", None],
    "side": ["buy", "sell", "BUY", "hold"],
    "role": ["user", "assistant", "system", "x", None],
    "verdict": ["BULLISH", "BEARISH", "NEUTRAL", "MAYBE"],
    "direction": ["BUY", "SELL", "IN", "", "odd"],
    "label": ["bullish", "very_bearish", "neutral", "odd"],
    "order_json": ['{"type": "TAKE_PROFIT", "status": "ACTIVE", "amount_sol": 0.5}', "{}", "x"],
}
_TYPED = {
    "INT": [0, 1, 2, 5, 7, -3, 2**40],
    "REAL": [0.0, 1.5, -0.0, 1e300, 100.0, 0.1, 3, "text"],
    "BLOB": [b"\x80abc", b"", b"\x00"],
    "": ["", "a", "b", "SOL", "Mint1", "Mint2", "x1", b"\xff", "q'uote", "\u00e9"],
}


def of(rows):
    """Return *rows* so that cells of other storage classes differ."""
    return [tuple((type(cell).__name__, repr(cell)) for cell in row) for row in rows]


def content(connection, tables):
    """Return the rows of each of *tables*."""
    return {
        table.name: Counter(
            of(connection.execute(f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(table.name)}"))
        )
        for table in tables
    }


def read_anything(octets):
    return octets.decode("utf-8", "surrogateescape")


class Model:
    """A legacy file and a connection with its schema, which are told the same."""

    def __init__(self, legacy, compat, seed):
        """Begin with the same rows in both.

        Args:
            legacy: A connection to a copy of the legacy file.
            compat: A connection with the legacy schema on the consolidated set.
            seed: The same seed gives the same statements.
        """
        self.legacy, self.compat = legacy, compat
        self.random = random.Random(seed)  # noqa: S311 - statements, not secrets
        for connection in (legacy, compat):
            connection.isolation_level, connection.text_factory = None, read_anything
            # Both run a statement at the same time, also where a second ends between them.
            connection.create_function("current_timestamp", 0, lambda: "2026-06-01 00:00:00")
        served = compat.mirror.tables.values()
        self.tables = [table for table in served if table.kind in ("mapped", "carried")]
        mapped = [table for table in self.tables if table.kind == "mapped"]
        self.written = mapped + [table for table in self.tables if table.kind == "carried"][:2]
        # A hidden rowid is not kept, and with it the order in which a statement visits rows.
        self.hidden = {table.name for table in self.tables if table.rowid}
        self.required = {
            table.name: {
                name
                for _, name, _, required, default, _ in legacy.execute(f"PRAGMA table_info({quoted(table.name)})")
                if required and default is None
            }
            for table in self.written
        }
        self.done = []

    def both(self, sql, values=()):
        """Run a statement on both, and compare what it gives."""
        self.done.append((sql, values))
        expected, got = (self._result(connection, sql, values) for connection in (self.legacy, self.compat))
        assert expected == got, self.done[-12:]
        assert self.legacy.in_transaction == self.compat.in_transaction, self.done[-12:]

    def _result(self, connection, sql, values):
        try:
            cursor = connection.execute(sql, values)
            rows = Counter(of(cursor.fetchall()))
        except sqlite3.Error as error:
            return type(error).__name__, str(error)
        last = cursor.lastrowid if sql.startswith("INSERT") and not self.hidden else None
        return rows, cursor.rowcount, last

    def step(self):
        """Run a random statement, and now and then begin or end a transaction or a savepoint."""
        draw = self.random.random
        if draw() < 0.3 and not self.legacy.in_transaction:
            self.both("BEGIN")
        open_savepoint = self.legacy.in_transaction and draw() < 0.15
        if open_savepoint:
            self.both("SAVEPOINT s")
        self.both(*self._statement(self.random.choice(self.written)))
        if open_savepoint and draw() < 0.5:
            self.both(self.random.choice(["ROLLBACK TO s", "RELEASE s"]))
        if self.legacy.in_transaction and draw() < 0.25:
            self.both(self.random.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))

    def compare(self):
        """Compare the content of every table."""
        assert content(self.legacy, self.tables) == content(self.compat, self.tables), self.done[-30:]

    def _value(self, table, name, declared):
        draw, choose = self.random.random(), self.random.choice
        if draw < 0.35:
            asked = f"SELECT {quoted(name)} FROM {quoted(table.name)}"
            held = [cell for (cell,) in self.legacy.execute(asked) if not _is_odd(cell)]
            if held:
                return choose(held)
        if name in _WORDS:
            return choose(_WORDS[name])
        if name.endswith(("_at", "timestamp", "_date", "first_seen", "last_activity")) and "INT" not in declared:
            return choose(_TIMES if "REAL" not in declared else [1769000000.5, 0, None])
        if "json" in name or name in ("metadata", "attributes", "cashtags"):
            return choose(_JSON)
        if draw < 0.42:
            return None
        return choose(next(values for kind, values in _TYPED.items() if kind in declared.upper()))

    def _statement(self, table):
        choose, draw = self.random.choice, self.random.random
        columns = list(zip(table.columns, table.types, strict=True))
        kind = choose(["INSERT", "INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "UPSERT", "UPDATE", "UPDATE",
                       "DELETE", "RETURNING"])  # fmt: skip
        where, to = choose(columns), choose(columns)
        if kind == "DELETE":
            return f"DELETE FROM {quoted(table.name)} WHERE {quoted(where[0])} IS ?", [self._value(table, *where)]
        if kind == "UPDATE":
            policy = choose(["", "", "OR REPLACE ", "OR IGNORE "])
            if table.rowid and any(to[0] in unique for unique in table.uniques):
                # Which of several rows gets the value is decided by the order in which they are visited.
                policy = ""
            sql = f"UPDATE {policy}{quoted(table.name)} SET {quoted(to[0])} = ? WHERE {quoted(where[0])} IS ?"
            return sql, [self._value(table, *to), self._value(table, *where)]
        some = [
            column
            for column in columns
            if column[0] in self.required[table.name]
            or draw() < (0.2 if column[0] == "id" and "INT" in column[1] else 0.85)
        ] or columns[:1]
        names = ", ".join(quoted(name) for name, _ in some)
        into = f"INTO {quoted(table.name)} ({names}) VALUES ({', '.join('?' for _ in some)})"
        values = [self._value(table, *column) for column in some]
        if kind == "UPSERT" and table.uniques:
            unique = choose(table.uniques)
            other = choose([column for column in columns if column[0] not in unique] or columns)[0]
            conflict = f"ON CONFLICT ({', '.join(map(quoted, unique))}) DO UPDATE SET"
            return f"INSERT {into} {conflict} {quoted(other)} = excluded.{quoted(other)}", values
        if kind == "RETURNING":
            return f"INSERT {into} RETURNING *", values
        return f"{kind if kind != 'UPSERT' else 'INSERT'} {into}", values


def _is_odd(cell):
    return isinstance(cell, str) and any(0xDC80 <= ord(letter) <= 0xDCFF for letter in cell)
