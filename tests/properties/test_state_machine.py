"""The whole life of a set compared with a plain model: no row is lost or doubled by any order of events.

A bot writes to whichever set is in use, by the old paths or by ``migrator.connect``; the set is migrated, switched, watched,
rolled back and migrated again; a switch is killed after any durable step, and ended by recovery or by the next connection.
After each step all that the bot wrote is read back by the legacy names, also before a recovery, and compared with the model.
"""

import atexit
import functools
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import bot
import generated
import pytest
import small_set
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import migrator
from migrator.errors import Refused
from migrator.pipeline import watch
from migrator.stages.monitor.error_rate import Limits
from migrator.switch import recovery

TABLE = st.sampled_from(sorted(bot.TABLES))
#: By which door the bot goes to its databases.
DOOR = st.sampled_from(["path", "connect"])
#: After which share of its durable steps a switch is killed.
MOMENT = st.fractions(0, 1, max_denominator=60)
#: A store with only the two columns that the bot reads in each.
VALUES = {
    "positions": st.integers(1, 9),
    "trades": st.sampled_from([0.5, 1.25, 3.0]),
    "facts": st.sampled_from([0.25, 0.5, 1.0]),
    "alerts": st.sampled_from([1.0, 2.5]),
    "cache": st.sampled_from(["one", "two", ""]),
}


@functools.cache
def first():
    """Return the set that every run begins with, and how many durable steps each switch makes."""
    folder = tempfile.mkdtemp(prefix="state-machine-", dir=generated.FAST)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = small_set.make(Path(folder) / "built")
    tried = small_set.copied(home, Path(folder) / "tried")
    steps = {deed: small_set.steps_of(deed, tried) for deed in (small_set.cut_over, small_set.roll_back)}
    return home, steps


class Feed:
    """What the bot's statements came to, all at once."""

    ended = True
    problem = ""
    position = None

    def __init__(self, ok, failed):
        self.said = b'{"ok": %d, "failed": %d}' % (ok, failed)

    def lines(self):
        return [self.said]


class Life(RuleBasedStateMachine):
    """A set, the bot, and the model: table -> mark -> values."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory(prefix="state-machine-", dir=generated.FAST)
        self.home = small_set.copied(first()[0], Path(self.folder.name) / "home")
        self.data = self.home / "data"
        self.wallet = small_set.workspace_of(self.home)[1].constants["wallet_address"]
        self.model = {table: {} for table in bot.TABLES}
        self.notes, self.sessions = {}, set()  # what no legacy table can hold: mark of a position -> note; sessions
        self.which, self.marks = "legacy", 0
        self.built = self.snapshot()  # what the stage was built from; None without one
        self.written = False  # whether anything was written since, even if it was taken back
        self.strangers = {"legacy": bot.strangers(self.data, "legacy")}

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def snapshot(self):
        return {table: dict(rows) for table, rows in self.model.items()}

    @property
    def unfinished(self):
        last = small_set.last_switch(self.home)
        return last is not None and not last.finished

    # The bot.

    def opened(self, table, door):
        """Open a table's database; a connection of ours first ends a switch that was cut short."""
        self.written = True
        name = bot.OPENED[table]
        if door == "path":
            return bot.opened(self.data / name)
        connection = migrator.connect(name, schema="consolidated", data_dir=self.data, isolation_level=None)
        self.look()
        return closing(connection)

    @rule(table=TABLE, door=DOOR, data=st.data())
    def inserts(self, table, door, data):
        value = data.draw(VALUES[table])
        self.marks += 1
        mark, of = f"mark-{self.marks}", None
        if table == "trades" and self.model["positions"]:
            of = data.draw(st.sampled_from(sorted(self.model["positions"])))
        if table == "facts":
            of = data.draw(st.sampled_from(["mark-entity-1", "mark-entity-2"]))
        given = {"mark": mark, "value": value, "of": of, "wallet": self.wallet}
        with self.opened(table, door) as connection:
            for statement in bot.INSERT[self.which, table]:
                connection.execute(statement, given | {"at": bot.AT, "at_utc": bot.AT_UTC, "epoch": bot.EPOCH})
        self.model[table][mark] = (value, of) if table in ("trades", "facts") else (value,)

    @precondition(lambda self: any(self.model.values()))
    @rule(door=DOOR, data=st.data())
    def updates(self, door, data):
        table, mark = data.draw(
            st.sampled_from([(t, m) for t, rows in sorted(self.model.items()) for m in sorted(rows)])
        )
        value = data.draw(VALUES[table])
        with self.opened(table, door) as connection:
            name, (key, column) = bot.TABLES[table][self.which == "consolidated"][1], bot.COLUMNS[self.which, table]
            done = connection.execute(f"UPDATE {name} SET {column} = ? WHERE {key} = ?", (value, mark))
            assert 1 == done.rowcount
        self.model[table][mark] = (value, *self.model[table][mark][1:])

    @precondition(lambda self: any(self.model.values()))
    @rule(door=DOOR, data=st.data())
    def deletes(self, door, data):
        table, mark = data.draw(
            st.sampled_from([(t, m) for t, rows in sorted(self.model.items()) for m in sorted(rows)])
        )
        with self.opened(table, door) as connection:
            name, (key, _) = bot.TABLES[table][self.which == "consolidated"][1], bot.COLUMNS[self.which, table]
            assert 1 == connection.execute(f"DELETE FROM {name} WHERE {key} = ?", (mark,)).rowcount
        del self.model[table][mark]
        if table == "positions":
            self.notes.pop(mark, None)
            for trade, (price, of) in self.model["trades"].items():
                self.model["trades"][trade] = (price, None if of == mark else of)

    @precondition(lambda self: self.which == "consolidated")
    @rule(door=DOOR, data=st.data())
    def writes_what_no_legacy_table_can_hold(self, door, data):
        self.marks += 1
        if self.model["positions"] and data.draw(st.booleans()):
            mark = data.draw(st.sampled_from(sorted(self.model["positions"])))
            with self.opened("positions", door) as core:
                if self.which == "consolidated":
                    core.execute("UPDATE positions SET notes = ? WHERE token_address = ?", (f"n{self.marks}", mark))
                    self.notes[mark] = f"n{self.marks}"
        else:
            with self.opened("cache", door) as cache:
                if self.which == "consolidated":
                    cache.execute(
                        "INSERT INTO sessions (session_id, user_id, expires_at) VALUES (?, 1, ?)",
                        (f"s{self.marks}", bot.AT_UTC),
                    )
                    self.sessions.add(f"s{self.marks}")

    # The owners.

    @precondition(lambda self: self.which == "legacy")
    @rule()
    def migrate(self):
        recovery.settle(self.data)
        small_set.build(self.home)
        self.built, self.written = self.snapshot(), False

    @precondition(lambda self: self.which == "legacy" and self.built is not None)
    @rule(catch_up=st.booleans())
    def cut_over(self, catch_up):
        recovery.settle(self.data)
        if catch_up:
            self.migrate()
        changed = self.built != self.model
        if changed:
            with pytest.raises(Refused, match="has changed since the snapshot"):
                small_set.cut_over(self.home)
            return
        try:
            small_set.cut_over(self.home)
        except Refused:
            # What was written and taken back leaves a trace, such as the number that the next row gets.
            assert self.written
        else:
            self.went("consolidated")

    @precondition(lambda self: self.which == "consolidated")
    @rule()
    def roll_back(self):
        recovery.settle(self.data)
        done = small_set.roll_back(self.home)
        expected = {"core.positions": len(self.notes), "cache.sessions": len(self.sessions)}
        assert {name: rows for name, rows in expected.items() if rows} == dict(done.residue)
        self.went("legacy")

    @precondition(lambda self: self.which == "consolidated")
    @rule(failed=st.sampled_from([0, 1, 10, 300, 500]))
    def monitor(self, failed):
        recovery.settle(self.data)
        # A watch goes on with what came before: only what is clear after any history is predicted.
        fires = failed >= 300
        with small_set.in_this_process():
            watched = watch.monitor(
                *small_set.workspace_of(self.home), Limits(), Feed(500 - failed, failed), patience_s=0
            )
        assert fires == watched.fired == (watched.rolled_back is not None)
        if fires:
            self.went("legacy")

    @rule(moment=MOMENT)
    def is_killed(self, moment):
        recovery.settle(self.data)
        deed = small_set.cut_over if self.which == "legacy" else small_set.roll_back
        if self.which == "legacy":
            self.migrate()
        small_set.die_after(deed, self.home, 1 + int(moment * first()[1][deed]))
        self.look()

    @precondition(lambda self: self.unfinished)
    @rule()
    def recover(self):
        assert recovery.recover(self.data)
        assert "" == recovery.recover(self.data)

    # The model.

    def look(self):
        """See which set is in use now, after a switch that may have come to either end."""
        if (now := bot.in_use(self.data)) != self.which:
            self.went(now)

    def went(self, which):
        """Note that the other set is in use; what no legacy table can hold has to be in the residue."""
        assert which == bot.in_use(self.data)
        self.which = which
        if which == "consolidated":
            self.strangers["consolidated"] = bot.strangers(self.data, "consolidated")
            return
        self.built = None
        newest = small_set.last_switch(self.home).left_behind / "residue.db"
        if self.notes or self.sessions:
            with closing(sqlite3.connect(newest)) as residue:
                tables = {name for (name,) in residue.execute("SELECT name FROM sqlite_schema")}
                notes = "SELECT token_address, notes FROM core_positions" if self.notes else "SELECT 1, 1 WHERE 0"
                assert self.notes == dict(residue.execute(notes))
                sessions = "SELECT session_id FROM cache_sessions" if self.sessions else "SELECT 1 WHERE 0"
                assert self.sessions == {one for (one,) in residue.execute(sessions)}
                assert len(tables) == bool(self.notes) + bool(self.sessions)
        else:
            assert not newest.exists()
        self.notes, self.sessions = {}, set()

    @invariant()
    def every_row_is_there_once(self):
        if not hasattr(self, "home"):
            return
        assert self.which == bot.in_use(self.data)
        assert self.model == bot.rows(self.data, self.which)
        assert self.strangers[self.which] == bot.strangers(self.data, self.which)


TestLife = pytest.mark.slow(Life.TestCase)
TestLife.settings = settings(
    max_examples=max(settings.default.max_examples // 10, 4),
    stateful_step_count=14,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
