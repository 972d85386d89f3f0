"""Writes all that a bot can write to a consolidated set, rolls back, and looks for rows: ``python tests/tools/attack_switch.py``.

Each seed makes a legacy set, migrates and cuts it over, writes to it at random (by the connector and by the legacy paths,
foreign keys on and off), rolls back, and then asks without the rollback's own proof: is every row in a legacy table or in
residue.db, is every deleted row gone, does the set migrate again and come back as it was.  A rollback that fails is a
finding too.  The same seed writes the same.
"""

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

import attack_cells

sys.path.append(str(Path(__file__).parents[1] / "support"))

import generated
import small_set

import migrator
from contracts.specimens import generator
from migrator.mapping import reader as mapping_reader
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.inventory.stage import inventory
from migrator.system.connections import quoted

#: What lies in a consolidated database and is not written by a bot.
OURS = {"lineage", "quarantine"}
#: Values for a column of any type, beside those of attack_cells; what a constraint refuses is tried and refused.
EXTREMES = (
    2**63 - 1,
    -(2**63),
    2**53 + 1,
    0,
    -1,
    -0.0,
    float("inf"),
    1e308,
    5e-324,
    "",
    "a\0b",
    b"\0\xff",
    b"",
    "x" * 70_000,
)
JSONS = ("{}", "{", '{"a": 1}', '{"legacy_status": 7}', "[1]", "null", '{"order":', '{"order":{"id": 1}}', '"text"')
#: Values that the specification's CHECK lists allow, so that a row often goes in.
WORDS = (
    "open", "closed", "partial", "buy", "sell", "hold", "pending", "confirmed", "failed", "market", "limit", "filled",
    "command", "query", "bullish", "neutral", "win", "loss", "in", "out", "anthropic", "other", "daily", "all_time", "manual",
)  # fmt: skip
TIMES = (
    "2026-11-23 10:00:00",
    "2026-11-23 10:00:01.250000",
    "2026-11-23",
    "2026-02-30 00:00:00",
    "2026-11-23T10:00:00Z",
    "soon",
)
#: Columns of JSON in which mappings keep what has no column.
SPARE = ("metadata", "context")
#: Column -> the table that it refers to.
PARENTS = {
    "position_id": "positions", "trade_id": "trades", "call_id": "calls", "entity_id": "ai_entities",
    "sold_lot_id": "tax_lots", "replacement_lot_id": "tax_lots",
}  # fmt: skip
#: Tables that code makes for itself: under a legacy name, without a rowid, in full text, with odd names.
NEW_TABLES = (
    "CREATE TABLE IF NOT EXISTS alerts (id TEXT PRIMARY KEY, name TEXT, alert_type TEXT, symbol TEXT)",
    "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, user_id INTEGER, message TEXT)",
    "CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, entity TEXT, fact TEXT)",
    "CREATE TABLE IF NOT EXISTS tax_events (k TEXT, v, PRIMARY KEY (k, v)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS custom_entries (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE VIRTUAL TABLE IF NOT EXISTS notes_fts USING fts5(a, b)",
    'CREATE TABLE IF NOT EXISTS "odd "" name; --" ("a b", "c""d", e AS (1) STORED)',
    "CREATE TABLE IF NOT EXISTS empty_one (x)",
)
#: What else code does to a database that it takes for its own.
SCHEMA_CHANGES = (
    "CREATE INDEX IF NOT EXISTS bot_index ON {table}({column})",
    "CREATE VIEW IF NOT EXISTS bot_view AS SELECT * FROM {table}",
    "CREATE TRIGGER IF NOT EXISTS bot_trigger AFTER UPDATE ON {table} BEGIN SELECT 1; END",
    "ALTER TABLE {table} ADD COLUMN bot_column TEXT",
    "ANALYZE",
)


class Bot:
    """Writes at random to the consolidated set below *home*, through every interface."""

    def __init__(self, home, seed):
        self.home = home
        self.chance = random.Random(seed)  # noqa: S311 - it has to be the same again
        self.doors = dict.fromkeys(catalogue.TARGETS, ())
        for name in small_set.last_switch(home).names:
            self.doors[name.target] += (str(name.path.relative_to(home / "data")),)

    def writes(self, rounds, writes, *, schema):
        """Open a database *rounds* times and write a number of rows each time; return how many writes held."""
        held = 0
        for _ in range(rounds):
            target = self.chance.choice(list(catalogue.TARGETS))
            with closing(self._opened(target)) as connection:
                tables = _tables(connection, "main")
                for _ in range(writes):
                    if schema and self.chance.random() < 0.03:
                        held += self._changes_the_schema(connection, tables)
                        tables = _tables(connection, "main")
                    specified = set(tables) & set(mapping_reader.in_order(target))
                    chosen = sorted(specified if specified and self.chance.random() < 0.7 else tables)
                    table = self.chance.choice(chosen)
                    held += self._writes_one(connection, table, tables[table])
        return held

    def _opened(self, target):
        name = self.chance.choice((catalogue.TARGETS[target], *self.doors[target]))
        if self.chance.random() < 0.4:
            return migrator.connect(name, schema="consolidated", data_dir=self.home / "data", isolation_level=None)
        connection = sqlite3.connect(f"file:{self.home}/data/{name}?mode=rw", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA foreign_keys = {self.chance.choice(('ON', 'OFF'))}")
        return connection

    def _changes_the_schema(self, connection, tables):
        table = self.chance.choice(sorted(tables))
        statement = self.chance.choice((*NEW_TABLES, *SCHEMA_CHANGES))
        if statement in SCHEMA_CHANGES:
            statement = statement.format(table=quoted(table), column=quoted(self.chance.choice(tables[table])))
        return self._tried(connection, statement)

    def _writes_one(self, connection, table, columns):
        what = self.chance.choice(("insert", "insert", "update", "update", "delete", "replace", "copy"))
        name, some = quoted(table), self.chance.sample(columns, self.chance.randint(1, len(columns)))
        one = f"(SELECT rowid FROM {name} ORDER BY random() LIMIT 1)"
        if table in ("custom_entries", "tax_events"):
            one, what = "0", "insert"
        else:
            found = connection.execute(f"SELECT rowid FROM {name}").fetchall()
            if not found and what not in ("insert", "replace"):
                return 0
            one = str(self.chance.choice(found)[0]) if found else "0"
        if what == "delete":
            return self._tried(connection, f"DELETE FROM {name} WHERE rowid = {one}")
        if what == "update":
            some = some[: self.chance.randint(1, 3)]
            parts, values = zip(*(self._value(connection, column) for column in some), strict=True)
            listed = ", ".join(f"{quoted(column)} = {part}" for column, part in zip(some, parts, strict=True))
            return self._tried(connection, f"UPDATE {name} SET {listed} WHERE rowid = {one}", values)
        if what == "copy":
            # A sound row with a new key and some other cells goes in more often than a drawn one.
            drawn = {column: self._value(connection, column) for column in (columns[0], *some[:2])}
            if columns[0] == "id" and self.chance.random() < 0.9:
                drawn["id"] = ("?", None)
            picked = ", ".join(drawn[column][0] if column in drawn else quoted(column) for column in columns)
            values = [drawn[column][1] for column in columns if column in drawn]
            listed = ", ".join(map(quoted, columns))
            statement = f"INSERT INTO {name} ({listed}) SELECT {picked} FROM {name} WHERE rowid = {one}"
            return self._tried(connection, statement, values)
        parts, values = zip(*(self._value(connection, column) for column in some), strict=True)
        verb = "INSERT" if what == "insert" else "INSERT OR REPLACE"
        listed = ", ".join(map(quoted, some))
        return self._tried(connection, f"{verb} INTO {name} ({listed}) VALUES ({', '.join(parts)})", values)

    def _value(self, connection, column):
        """Return what stands for the value in SQL, and the value."""
        draw = self.chance.random()
        if draw < 0.05:
            return "CAST(? AS TEXT)", self.chance.choice(attack_cells.ODD_TEXTS)
        if draw < 0.15:
            return "?", self.chance.choice((None, *EXTREMES, *attack_cells.VALUES))
        parent = PARENTS.get(column, "")
        if draw < 0.75 and parent and parent in _tables(connection, "main"):
            found = connection.execute(f"SELECT id FROM {parent}").fetchall()
            return "?", self.chance.choice(found)[0] if found else None
        fitting = (
            None,
            self.chance.randint(0, 999),
            self.chance.random() * 100,
            f"s{self.chance.randint(0, 9999)}",
            *WORDS,
        )
        if column == "metadata":
            fitting = JSONS
        elif column.endswith(("_at", "_time", "_date", "timestamp")):
            fitting = TIMES
        return "?", self.chance.choice(fitting)

    @staticmethod
    def _tried(connection, statement, values=()):
        try:
            return connection.execute(statement, values).rowcount != 0
        except (sqlite3.Error, OverflowError):
            return 0


def _tables(connection, schema):
    """Return the tables of a bot's interest: name -> stored columns, the key first."""
    found = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = ? AND type IN ('table', 'virtual') AND name NOT GLOB 'sqlite_*'",
        (schema,),
    ).fetchall()
    return {
        table: [
            column
            for (column,) in connection.execute(
                "SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid", (table, schema)
            )
        ]
        for (table,) in found
        if table not in OURS
    }


def _tables_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return _tables(connection, "main")


def rows(path, table, columns):
    """Return the multiset of rows of a table: each cell with its storage class, text as bytes."""
    parts = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(quoted, columns)
    )
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return Counter(
            tuple(zip(row[::2], map(repr, row[1::2]), strict=True))
            for row in connection.execute(f"SELECT {parts} FROM {quoted(table)}")
        )


class Look:
    """What lies in the consolidated set when the rollback begins, and what has to come of it."""

    def __init__(self, home):
        self.home = home
        self.last = small_set.last_switch(home)
        self.folder = Path(tempfile.mkdtemp(prefix="attack-", dir=generated.FAST))
        self.now, self.then = {}, {}
        for target in catalogue.TARGETS:
            installed = self.last.installed(target)
            self.now[target] = self._copied(installed, f"now-{target}.db")
            self.then[target] = self._copied(self.last.baseline / installed.name, f"then-{target}.db")

    def _copied(self, path, name):
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(self.folder / name)) as copy:
            source.backup(copy)
        return self.folder / name

    def findings(self, done):
        """Yield what is wrong after the rollback *done*."""
        residue = self.last.left_behind / "residue.db"
        if bool(done.residue) != residue.exists():
            yield f"residue is {dict(done.residue)} and its file {'is' if residue.exists() else 'is not'} there"
        of_residue, told = {}, {}
        if residue.exists():
            of_residue = _tables_of(residue)
            told = {table: rows(residue, table, columns[1:]).total() for table, columns in of_residue.items()}
        counted = {name.replace(".", "_", 1): number for name, number in done.residue.items()}
        if {table: number for table, number in told.items() if number} != counted:
            yield f"residue.db holds {told}, and {counted} are told"
        legacy = {name.database: name.path for name in self.last.names}
        carried = {one.into: one.source for one in self.last.tables if one.fate is Fate.CARRIED}
        self.again = self._migrated_again()
        for target in catalogue.TARGETS:
            for table, columns in _tables_of(self.now[target]).items():
                here = rows(self.now[target], table, columns)
                name = f"{target}_{table}"
                left = rows(residue, name, columns) if name in of_residue else Counter()
                if f"{target}.{table}" in carried:
                    yield from self._carried(target, table, carried[f"{target}.{table}"], columns, here, left, legacy)
                elif table in set(mapping_reader.in_order(target)):
                    yield from self._mapped(target, table, columns, left)
                else:
                    yield from self._stranger(target, table, columns, here - left, legacy)

    def _migrated_again(self):
        small_set.build(self.home)
        return {target: self._copied(self.last.staged(target), f"again-{target}.db") for target in catalogue.TARGETS}

    def _carried(self, target, table, source, columns, here, left, legacy):
        database, _, name = source.partition(".")
        before = _tables_of(self.then[target])[table]
        places = [columns.index(column) for column in before]
        plain, also_kept = Counter(), Counter()
        for row, times in here.items():
            extra = [row[place] for place in range(len(columns)) if place not in places]
            if any(kind != "null" for kind, _ in extra) and not left[row]:
                yield f"{target}.{table}: a row with {extra} in a new column is nowhere"
            plain[tuple(row[place] for place in places)] += times
        for row, times in left.items():
            also_kept[tuple(row[place] for place in places)] += times
        found = rows(legacy[database], name, before)
        if lost := plain - found - also_kept:
            yield f"{source}: {lost.total()} rows are nowhere: {list(lost)[:2]}"
        # A table that was made anew under the legacy name gave its rows too.
        if found - plain and name.lower() not in map(str.lower, _tables_of(self.now[target])):
            yield f"{source}: {(found - plain).total()} rows came from nowhere: {list(found - plain)[:2]}"

    def _mapped(self, target, table, columns, left):
        """Check that a new migration makes the changed rows as they were in use, except assigned ids, or that they are kept."""
        key = mapping_reader.target_key(schema_reader.target(target), table)
        picked = ["rowid", *columns] if key == "rowid" else columns
        before = _by_key(self.then[target], table, key, picked)
        now = _by_key(self.now[target], table, key, picked)
        place = picked.index(key)
        kept = Counter(left)
        expected = Counter()
        for one, row in now.items():
            if before.get(one) != row:
                whole = tuple(row[picked.index(column)] for column in columns)
                if kept[whole]:
                    kept[whole] -= 1
                else:
                    expected[_without(row, picked, {place, *_references(target, table, picked)})] += 1
        if kept := +kept:
            untouched = Counter(tuple(row[picked.index(column)] for column in columns) for row in now.values())
            if kept - untouched:
                yield f"{target}.{table}: residue holds rows that were not in use: {list(kept - untouched)[:1]}"
        # A new row that says nothing there is held by one that says more.
        again = Counter()
        for row in _by_key(self.again[target], table, key, picked).values():
            whole = _without(row, picked, {place, *_references(target, table, picked)})
            again[whole] += 1
            if (less := tuple(cell for cell in whole if cell[0] not in SPARE)) != whole:
                again[less] += 1
        if lost := expected - again:
            yield f"{target}.{table}: {lost.total()} touched rows are nowhere: {list(lost)[:1]}"

    def _stranger(self, target, table, columns, here, legacy):
        if not here or table == "config":
            if here and here != rows(self.then[target], table, columns):
                yield f"{target}.config: what was written is nowhere"
            return
        takers = [one.source for one in self.last.tables if one.source.partition(".")[2].lower() == table.lower()]
        for source in takers:
            database, _, name = source.partition(".")
            there = _tables_of(legacy[database]).get(name, [])
            if {one.lower() for one in columns} <= {one.lower() for one in there}:
                rest = [column for column in columns if column != "id"]
                # It may have got another id there.
                found = rows(legacy[database], name, rest)
                ours = Counter()
                for row, times in here.items():
                    ours[tuple(cell for cell, column in zip(row, columns, strict=True) if column != "id")] += times
                if not ours - found:
                    return
        yield f"{target}.{table}: {here.total()} rows are nowhere"


def _references(target, table, picked):
    for one in schema_reader.target(target).tables:
        if one.name == table:
            yield from (picked.index(reference.columns[0]) for reference in one.foreign_keys)


def _without(row, picked, places):
    """Return *row* without the cells at *places* and without empty JSON, in which the legacy table may have more."""
    silent = (("null", "None"), ("text", "b'{}'"))
    return tuple(
        (column, cell)
        for place, (column, cell) in enumerate(zip(picked, row, strict=True))
        if place not in places and not (column in SPARE and cell in silent)
    )


def _by_key(path, table, key, picked):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        there = {column for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))} | {
            "rowid"
        }
    parts = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" if column in there else "'null', NULL"
        for column, name in zip(picked, map(quoted, picked), strict=True)
    )  # fmt: skip
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = {}
        for number, row in enumerate(connection.execute(f"SELECT {parts} FROM {quoted(table)}")):
            cells = tuple(zip(row[::2], map(repr, row[1::2]), strict=True))
            one = cells[picked.index(key)]
            # A key that is NULL names nothing: such rows are told apart by their place.
            found[one if one[0] != "null" else (one, number)] = cells
    return found


def attempt(folder, variant, seed, *, rows_in_all, rounds, writes, schema, times):
    """Go there and back *times* times; yield what is wrong."""
    home = folder / "home"
    generator.make(home / "data", variant=variant, rows=rows_in_all, seed=seed, dirty=seed % 2 == 1, wal=True)
    small_set.build(home)
    for turn in range(times):
        before = {str(one.place): (one.journal_mode, one.mode) for one in inventory(home / "data").databases}
        small_set.cut_over(home)
        held = Bot(home, f"{seed}-{turn}").writes(rounds, writes, schema=schema)
        look = Look(home)
        try:
            done = small_set.roll_back(home)
        except Exception as error:  # noqa: BLE001 - every error is a finding
            yield f"turn {turn}: {held} writes, and the rollback failed: {error}\n{traceback.format_exc()}"
            return
        for finding in look.findings(done):
            yield f"turn {turn}: {finding}"
        after = {str(one.place): (one.journal_mode, one.mode) for one in inventory(home / "data").databases}
        if before != after:
            yield f"turn {turn}: journal modes or modes are not what they were: {set(before.items()) ^ set(after.items())}"
        shutil.rmtree(look.folder)
        sys.stdout.write(f"    turn {turn}: {held} writes held, residue {dict(done.residue)}\n")


def main():
    """Try one seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=["found", "specified"], default="found")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--writes", type=int, default=40)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--schema", action="store_true", help="Change schemas too.")
    arguments = parser.parse_args()
    bad = 0
    for seed in range(arguments.first, arguments.first + arguments.sets):
        with generated.scratch() as folder:
            wrong = list(
                attempt(
                    folder, arguments.variant, seed, rows_in_all=arguments.rows, rounds=arguments.rounds,
                    writes=arguments.writes, schema=arguments.schema, times=arguments.times,
                )
            )  # fmt: skip
            sys.stdout.write(f"seed {seed}: {len(wrong)} findings\n")
            for one in wrong:
                sys.stdout.write(f"    {one}\n".replace("\n", "\n        ").rstrip(" "))
            sys.stdout.flush()
            bad += bool(wrong)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
