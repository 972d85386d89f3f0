"""Commits through a legacy schema, and what has to be there after each of them."""

import sqlite3
from contextlib import closing

import small_set

import migrator
from migrator.application.compat import opening
from migrator.system.connections import quoted

#: Commits of a program.
COMMITS = 5
#: The commit after which the program checkpoints.
CHECKPOINT = 3

POSITION = (
    "INSERT INTO positions (id, symbol, token_mint, entry_price, entry_amount_sol, entry_amount_tokens, status, opened_at)"
    " VALUES (?, 'CUT', ?, 1.0, 2.0, 3.0, ?, '2026-02-01T00:00:00+00:00')"
)
LOG = "INSERT INTO error_logs (error_type, component, message, created_at) VALUES ('cut', 'lab', ?, '2026-02-01T00:00:00')"


def connected(home, **options):
    return migrator.connect(home / "data" / "jarvis.db", data_dir=home / "data", **options)


def commit(connection, number):
    """Change a mapped, a quarantined and a carried row, in one transaction."""
    with connection:
        connection.execute(POSITION, (f"open {number}", f"Mint{number}", "open"))
        # The specification refuses the status: the row is kept whole in the quarantine, until it gets another one.
        connection.execute(POSITION, (f"odd {number}", f"Odd{number}", "no such state"))
        connection.execute("UPDATE positions SET status = 'closed_tp' WHERE id = ?", (f"odd {number - 1}",))
        connection.execute("DELETE FROM positions WHERE id = ?", (f"open {number - 2}",))
        connection.execute("UPDATE scorecard SET total_trades = ?", (number,))
        connection.execute(LOG, (f"message {number}",))


def write(home, tell, **options):
    """Commit a few times; then close the file, which checkpoints it."""
    with closing(connected(home, **options)) as connection:
        for number in range(1, COMMITS + 1):
            commit(connection, number)
            tell(f"commit {number}")
            if number == CHECKPOINT:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    opening.forget()


def legacy_rows(connection):
    """Return the rows of each table of the legacy schema."""
    served = [table.name for table in connection.mirror.tables.values() if table.kind in ("mapped", "carried")]
    return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {quoted(name)}"))) for name in served}


def core_rows(home):
    """Return the rows of each table of the consolidated database; raise an error if it is not whole."""
    with closing(sqlite3.connect(home / "data" / "jarvis_core.db")) as core:
        assert [("ok",)] == core.execute("PRAGMA integrity_check").fetchall()
        assert [] == core.execute("PRAGMA foreign_key_check").fetchall()
        names = [name for (name,) in core.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: sorted(map(repr, core.execute(f"SELECT * FROM {quoted(name)}"))) for name in names}


class LegacyWrites:
    """A program that writes through a legacy schema to a set that was switched.

    Attributes:
        deed: What the worker does.
        start: The set.
        expected: The rows of the legacy schema and of the consolidated database, before and after each commit.
    """

    def __init__(self, start, scratch, deed="legacy_writes"):
        self.deed, self.start = deed, start
        home = small_set.copied(start, scratch)
        self.expected = [self.rows(home)]
        with closing(connected(home)) as connection:
            for number in range(1, COMMITS + 1):
                commit(connection, number)
                self.expected.append((legacy_rows(connection), core_rows(home)))
        opening.forget()
        kept = [len(core["quarantine"]) for _, core in self.expected]
        assert kept[0] < kept[1] == kept[-1], "one row is in quarantine after each commit"

    @staticmethod
    def rows(home):
        """Return what a new program reads in *home*, on both sides."""
        try:
            with closing(connected(home)) as connection:
                return legacy_rows(connection), core_rows(home)
        finally:
            opening.forget()

    def demand(self, told):
        """Return the number of acknowledged commits."""
        return sum(text.startswith("commit") for text in told)

    def judge(self, home, told, *, again):
        """Return everything that is wrong in *home* after a crash."""
        try:
            found = self.rows(home)
        except (sqlite3.Error, AssertionError) as error:
            return {"one set": repr(error)}
        if found not in self.expected:
            sides = [
                [number for number, two in enumerate(self.expected) if two[side] == found[side]] for side in (0, 1)
            ]
            return {"one set": f"legacy schema after commit {sides[0]}, consolidated database after commit {sides[1]}"}
        number = self.expected.index(found)
        if number < self.demand(told):
            return {"told": f"{self.demand(told)} commits were acknowledged, {number} are there"}
        if again and number < COMMITS:
            with closing(connected(home)) as connection:
                commit(connection, number + 1)
            if self.rows(home) != self.expected[number + 1]:
                return {"again": f"commit {number + 1} gives other rows"}
        return {}
