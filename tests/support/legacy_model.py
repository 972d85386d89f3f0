"""Random statements for a legacy database, run on the legacy file and through its legacy schema on the consolidated set.

Several programs run them by turns, each with a connection to the file and one to the set.  Both have to give the same rows, row
counts, last ids, errors and contents.  Between them new code writes to the set: what it did is read through the legacy schema,
checked, and written to the legacy file, so that the model goes on from there.
"""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from typing import NamedTuple

import cut_over_set

from migrator.application.compat.adoption import takers
from migrator.system.connections import quoted

#: Programs that have the database open at once.
PROGRAMS = 3
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
    "INT": [0, 1, 2, 5, 7, -3, 2**40, 2**63 - 1, -(2**63), "12", "1x"],
    "REAL": [0.0, 1.5, -0.0, 1e300, 100.0, 0.1, 3, "text", float("inf"), float("-inf"), float("nan"), 5e-324],
    "BLOB": [b"\x80abc", b"", b"\x00"],
    "": ["", "a", "b", "SOL", "Mint1", "Mint2", "x1", b"\xff", "q'uote", "\u00e9", "nul\0inside", "\U0001f40b", 7, 1.0],
}
_IDS = [0, 1, 2, 5, 7, -3, 2**40, "12", "1x", "a", 1.0, b"\xff"]
#: Text that is no UTF-8, which no parameter can be: it is cast.
_UNDECODABLE = b"odd \xff\xfe text"


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


class _Wanted(NamedTuple):
    """A statement of new code.

    Attributes:
        table: The table of the set that it writes.
        sql: The statement.
        values: Its parameters; of an UPDATE the keys of two rows.
        undo: A statement that takes it back, and its parameters.
        column: The column whose cell an UPDATE copies from the one row to the other; '' for another statement.
    """

    table: str
    sql: str
    values: tuple
    undo: tuple
    column: str = ""


class Program:
    """A program that has the database open: a connection to the legacy file, and one with its schema on the set."""

    def __init__(self, model, level):
        self.level = level
        self.legacy = sqlite3.connect(model.file, timeout=0, isolation_level=level)
        self.compat = cut_over_set.compat(model.data, model.database, timeout=0, isolation_level=level)
        for connection in (self.legacy, self.compat):
            connection.text_factory = read_anything
            # Both run a statement at the same time, also where a second ends between them.
            connection.create_function("current_timestamp", 0, _fixed_time)
            for table in self.compat.mirror.tables.values():
                if table.kind == "index":
                    # When it is first named SQLite reads its configuration, and with it begins to read in a transaction.
                    connection.execute(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1").fetchall()
        # Every program of the model has this function: the next may have this mirror.
        self.compat.mirror.tainted = False

    def close(self):
        self.legacy.close()
        self.compat.close()


class Model:
    """A legacy file and its database on the consolidated set, which are told the same."""

    def __init__(self, data, database, file, seed, programs=PROGRAMS):
        """Begin with the same rows in both.

        Args:
            data: The data directory, after a cutover.
            database: The legacy database.
            file: Where a copy of the legacy file is made.
            seed: The same seed gives the same statements.
            programs: How many programs have the database open.
        """
        self.data, self.database, self.file = data, database, file
        self.random = random.Random(seed)  # noqa: S311 - statements, not secrets
        self.aside = cut_over_set.legacy_copy(data, database, file)
        # As the set is: in another mode a reader keeps a writer waiting.
        self.aside.execute("PRAGMA journal_mode = WAL")
        self.aside.isolation_level, self.aside.text_factory = None, read_anything
        self.watching = cut_over_set.compat(data, database, isolation_level=None)
        self.watching.text_factory = read_anything
        # The set stays open from here on: a pool that closes its last file keeps others waiting, and they do not wait.
        self.watching.mirror.fresh()
        self.new = cut_over_set.compat(data, database, schema="consolidated", timeout=0, isolation_level=None)
        self.new.text_factory = read_anything
        served = self.watching.mirror.tables.values()
        self.tables = [table for table in served if table.kind in ("mapped", "carried")]
        mapped = [table for table in self.tables if table.kind == "mapped"]
        self.written = mapped + [table for table in self.tables if table.kind == "carried"][:2]
        # A hidden rowid is not kept, and with it the order in which a statement visits rows.
        self.hidden = {table.name for table in self.tables if table.rowid}
        self.keys = {
            table.name: {row[1] for row in self.aside.execute(f"PRAGMA table_info({quoted(table.name)})") if row[5]}
            for table in self.written
        }
        self.required = {
            table.name: {
                name
                for _, name, _, required, default, _ in self.aside.execute(f"PRAGMA table_info({quoted(table.name)})")
                if required and default is None
            }
            for table in self.written
        }
        self.done = []
        self.counts = Counter()
        self.programs = [self._program() for _ in range(programs)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close every connection; what is not committed is gone."""
        for one in (*self.programs, self.aside, self.watching, self.new):
            one.close()

    def run(self, count):
        """Run *count* statements of programs, and then end their transactions."""
        wanted = self.counts["statements"] + count
        while self.counts["statements"] < wanted:
            self.step()
        self.settle()

    def settle(self):
        """End each transaction, and compare what is there then."""
        for program in self.programs:
            if program.legacy.in_transaction:
                self.both(program, "COMMIT")
        self.compare()

    def compare(self):
        """Compare the committed content of every table."""
        expected, got = content(self.aside, self.tables), content(self.watching, self.tables)
        for table in expected:
            assert expected[table] == got[table], (
                table,
                expected[table] - got[table],
                got[table] - expected[table],
                self.done[-30:],
            )

    def both(self, program, sql, values=(), *, many=False):
        """Run a statement of *program* on both sides, and compare what it gives."""
        number = self.programs.index(program)
        self.done.append((number, sql, values))
        self.counts["statements"] += 1
        got = self._result(program.compat, sql, values, many)
        if got[1] == "IntegrityError" and "other code" in got[2]:
            self._give_way(program)
            return
        expected = self._result(program.legacy, sql, values, many)
        if expected[:2] == ("SQLITE_BUSY_SNAPSHOT", "OperationalError") != got[:2] and self._is_current(program):
            # Another program wrote pages without changing a row: only the file knows of that.
            self.counts["pages written without a change"] += 1
            for connection in (program.legacy, program.compat):
                connection.rollback()
            return
        if isinstance(expected[0], str):
            self.counts[expected[0]] += 1
            expected, got = expected[1:], got[1:]
        assert expected == got, (expected, got, self.done[-12:])
        assert program.legacy.in_transaction == program.compat.in_transaction, self.done[-12:]

    def _result(self, connection, sql, values, many):
        try:
            cursor = connection.executemany(sql, values) if many else connection.execute(sql, values)
            rows = Counter(of(cursor.fetchall()))
        except sqlite3.Error as error:
            return getattr(error, "sqlite_errorname", ""), type(error).__name__, str(error)
        last = cursor.lastrowid if sql.startswith("INSERT") and not many and not self.hidden else None
        return rows, cursor.rowcount, last

    def _give_way(self, program):
        """Undo the transaction of *program*, which a row of new code that legacy code does not see is in the way of."""
        self.counts["a row of new code is in the way"] += 1
        for connection in (program.legacy, program.compat):
            connection.rollback()
        # Rows of executemany before that one are committed.
        self._write_to_legacy(content(self.aside, self.tables), content(self.watching, self.tables))

    def _is_current(self, program):
        """Return whether the rows that *program* sees in the file are the committed ones."""
        return content(program.legacy, self.tables) == content(self.aside, self.tables)

    def step(self):
        """Let a program run a random statement, and now and then begin or end a transaction; or let new code write."""
        draw, choose = self.random.random, self.random.choice
        if draw() < 0.06:
            self._write_as_new_code()
            return
        busy = [program for program in self.programs if program.legacy.in_transaction]
        program = choose(busy if busy and draw() < 0.6 else self.programs)
        if draw() < 0.03:
            program.close()
            self.programs[self.programs.index(program)] = self._program()
            self.counts["closed and opened again"] += 1
            return
        inside = program.legacy.in_transaction
        if draw() < 0.3 and not inside:
            self.both(program, choose(["BEGIN", "BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]))
        open_savepoint = draw() < (0.15 if program.legacy.in_transaction else 0.03)
        if open_savepoint:
            self.both(program, "SAVEPOINT s")
        self.both(program, *self._statement(choose(self.written)))
        if draw() < 0.05:
            self._run_many(program, choose(self.written))
        if open_savepoint and draw() < 0.5 and program.legacy.in_transaction:
            self.both(program, choose(["ROLLBACK TO s", "RELEASE s"]))
        if program.legacy.in_transaction and draw() < 0.25:
            self.both(program, choose(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))

    def _program(self):
        return Program(self, self.random.choice([None, None, None, "", "IMMEDIATE"]))

    def _run_many(self, program, table):
        """Run an INSERT of several rows by executemany."""
        columns = [
            column
            for column in zip(table.columns, table.types, strict=True)
            if column[0] != "id" or self.random.random() < 0.2
        ]
        policy = self.random.choice(
            ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR ROLLBACK", "INSERT OR FAIL"]
        )
        names = ", ".join(quoted(name) for name, _ in columns)
        sql = f"{policy} INTO {quoted(table.name)} ({names}) VALUES ({', '.join('?' for _ in columns)})"
        rows = [[self._value(table, *column) for column in columns] for _ in range(3)]
        self.both(program, sql, rows, many=True)

    # Programs' statements.

    def _value(self, table, name, declared):
        draw, choose = self.random.random(), self.random.choice
        if draw < 0.35:
            asked = f"SELECT {quoted(name)} FROM {quoted(table.name)}"
            held = [cell for (cell,) in self.aside.execute(asked) if not _is_odd(cell)]
            if held:
                return choose(held)
        if name in _WORDS:
            values = _WORDS[name]
        elif name.endswith(("_at", "timestamp", "_date", "first_seen", "last_activity")) and "INT" not in declared:
            values = _TIMES if "REAL" not in declared else [1769000000.5, 0, None]
        elif "json" in name or name in ("metadata", "attributes", "cashtags"):
            values = _JSON
        elif draw < 0.42:
            values = [None]
        elif name in self.keys[table.name]:
            # At the ends of the range SQLite draws rowids at random.
            values = _IDS
        else:
            values = next(values for kind, values in _TYPED.items() if kind in declared.upper())
        return choose(values)

    def _statement(self, table):
        choose, draw = self.random.choice, self.random.random
        columns = list(zip(table.columns, table.types, strict=True))
        kind = choose(["INSERT", "INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "UPSERT", "UPDATE", "UPDATE",
                       "DELETE", "RETURNING", "SELECT", "SELECT WHERE", "INSERT OR ROLLBACK"])  # fmt: skip
        where, to = choose(columns), choose(columns)
        if kind.startswith("SELECT"):
            asked = f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(table.name)}"
            if kind == "SELECT":
                return asked, []
            return f"{asked} WHERE {quoted(where[0])} IS ?", [self._value(table, *where)]
        if kind == "DELETE":
            return f"DELETE FROM {quoted(table.name)} WHERE {quoted(where[0])} IS ?", [self._value(table, *where)]
        if kind == "UPDATE":
            policy = choose(["", "", "OR REPLACE ", "OR IGNORE "])
            if table.rowid and any(to[0] in unique for unique in table.uniques):
                # Which of several rows gets the value is decided by the order in which they are visited.
                policy = ""
            cell, value = "?", self._value(table, *to)
            if draw() < 0.05:
                cell, value = "CAST(? AS TEXT)", _UNDECODABLE
            sql = f"UPDATE {policy}{quoted(table.name)} SET {quoted(to[0])} = {cell} WHERE {quoted(where[0])} IS ?"
            return sql, [value, self._value(table, *where)]
        return self._insert(table, kind)

    def _insert(self, table, kind):
        """Return an INSERT of *kind* into *table*."""
        choose, draw = self.random.choice, self.random.random
        columns = list(zip(table.columns, table.types, strict=True))
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

    # New code.

    def _write_as_new_code(self):
        """Let new code write a row of the set; check what legacy code sees of it, and have the legacy file hold that."""
        before = content(self.watching, self.tables)
        wanted = self._statement_of_new_code(self.random.choice(self.written).into)
        if wanted is None:
            return
        self.done.append(("new", wanted.sql, wanted.values))
        try:
            self.new.execute(wanted.sql, wanted.values)
        except sqlite3.IntegrityError:
            return
        except sqlite3.OperationalError as error:
            locked = str(error) == "database is locked" and self._file_is_locked()
            self.counts["new code waits"] += 1
            if not locked:
                raise
            return
        self.counts["new code"] += 1
        now = content(self.watching, self.tables)
        if self.watching.mirror._tables._with_refused:
            # A legacy constraint hides the row, until legacy code has changed the row that is in its way.
            self.counts["hidden rows of new code, taken back"] += 1
            self.new.execute(*wanted.undo)
            now = content(self.watching, self.tables)
            assert not self.watching.mirror._tables._with_refused, self.done[-12:]
        changed = {name for name in now if now[name] != before[name]}
        assert changed <= self._shown_of(wanted.table), (changed, self.done[-12:])
        if wanted.column:
            self._check_cell(wanted)
        self._write_to_legacy(before, now)

    def _file_is_locked(self):
        """Return whether a program keeps writers to the legacy file waiting."""
        with closing(sqlite3.connect(self.file, timeout=0)) as another:
            try:
                another.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False

    def _statement_of_new_code(self, table):
        """Return a statement that inserts, updates or deletes a row of a table of the set; None if it has none with a key."""
        draw, choose = self.random.random, self.random.choice
        (key,) = self._keys_of(table) or (None,)
        if key is None:
            return None
        columns = [(name, type_) for _, name, type_, _, _, _ in self.new.execute(f"PRAGMA table_info({quoted(table)})")]
        asked = f"SELECT {quoted(key)} FROM {quoted(table)} WHERE {quoted(key)} IS NOT NULL ORDER BY 1"
        # With a key that is no UTF-8 it would need a cast.
        keys = [held for (held,) in self.new.execute(asked).fetchall() if not _is_odd(held)]
        if not keys:
            return None
        into, at = quoted(table), f"WHERE {quoted(key)} = ?"
        row, other = choose(keys), choose(keys)
        kind = draw()
        if kind < 0.2:
            return _Wanted(table, f"DELETE FROM {into} {at}", (row,), ("", ()))
        if kind < 0.6:
            column = choose([name for name, _ in columns if name != key])
            of_other = f"(SELECT {quoted(column)} FROM {into} {at})"
            (was,) = self.new.execute(f"SELECT {quoted(column)} FROM {into} {at}", (row,)).fetchone()
            undo = f"UPDATE {into} SET {quoted(column)} = {_parameter(was)} {at}", (_bound(was), row)
            return _Wanted(table, f"UPDATE {into} SET {quoted(column)} = {of_other} {at}", (other, row), undo, column)
        if self._is_unseen(table):
            return None
        self.counts["rows of new code"] += 1
        suffix = f"|| 'new {self.counts['rows of new code']}'"
        unique = self._unique_texts(table, columns)
        cells = {name: f"{quoted(name)} {suffix if name in unique else ''}" for name, _ in columns if name != key}
        if key != "rowid" and not any(name == key and "INT" in type_.upper() for name, type_ in columns):
            cells[key] = f"{quoted(key)} {suffix}"
        names, given = ", ".join(map(quoted, cells)), ", ".join(cells.values())
        undo = f"DELETE FROM {into} WHERE rowid = (SELECT max(rowid) FROM {into})", ()
        return _Wanted(table, f"INSERT INTO {into} ({names}) SELECT {given} FROM {into} {at}", (row,), undo)

    def _is_unseen(self, table):
        """Return whether legacy code sees no new row of a table of the set: what it may not delete then, it sees no reason for."""
        mapped = [target for target in self.watching.mirror.plan.targets if target.name == table]
        return bool(mapped) and not takers(mapped[0])

    def _check_cell(self, wanted):
        """Check that a cell which new code copied from another row is copied for legacy code too, where it alone is shown."""
        other, row = wanted.values
        for target in self.watching.mirror.plan.targets:
            for source in target.sources:
                fed_by = [name for name, fed in source.uses.items() if wanted.column in fed]
                alone = len(fed_by) == 1 and source.uses[fed_by[0]] == (wanted.column,)
                if target.name != wanted.table or source.database != self.database or source.parts or not alone:
                    continue
                asked = "SELECT legacy_key FROM lineage WHERE source = ? AND target_id = ? AND rest IS NULL"
                keys = [self.new.execute(asked, (source.source, one)).fetchone() for one in (other, row)]
                if None in keys or any(_is_odd(key) for (key,) in keys):
                    continue
                shown = f"SELECT {quoted(fed_by[0])} FROM {quoted(source.table)} WHERE {quoted(source.key)} = ?"
                cells = [of(self.watching.execute(shown, key).fetchall()) for key in keys]
                assert cells[0] == cells[1], (cells, self.done[-12:])
                self.counts["cells of new code"] += 1

    def _keys_of(self, table):
        """Return the primary key of a table of the set, if it has one column."""
        mapped = [target for target in self.watching.mirror.plan.targets if target.name == table]
        if mapped:
            return () if mapped[0].virtual else (mapped[0].key,)
        keys = [row[1] for row in self.new.execute(f"PRAGMA table_info({quoted(table)})") if row[5]]
        return tuple(keys) if len(keys) == 1 else ()

    def _unique_texts(self, table, columns):
        """Return the columns of text in a UNIQUE index of a table of the set."""
        indexes = [row[1] for row in self.new.execute(f"PRAGMA index_list({quoted(table)})") if row[2]]
        found = {row[2] for index in indexes for row in self.new.execute(f"PRAGMA index_info({quoted(index)})")}
        return {name for name, type_ in columns if name in found and "INT" not in type_.upper()}

    def _shown_of(self, table):
        """Return the legacy tables of which rows may change when a row of a table of the set does."""
        plan = self.watching.mirror.plan
        concerned = {table}
        for target in plan.targets:
            if any(parent in concerned for _, parent, _ in target.references):
                concerned.add(target.name)
        sources = [source for target in plan.targets for source in target.sources]
        shown = {one.table for one in sources if concerned.intersection((one.target, *one.parents, *one.names))}
        return shown | {one.name for one in self.tables if one.into == table}

    def _write_to_legacy(self, before, now):
        """Make the legacy file hold the rows *now* instead of those *before*."""
        self.aside.execute("BEGIN IMMEDIATE")
        for table in self.tables:
            gone, come = before[table.name] - now[table.name], now[table.name] - before[table.name]
            if not gone and not come:
                continue
            name, place = quoted(table.name), ", ".join(map(quoted, table.identity))
            columns = ", ".join(map(quoted, table.columns))
            rows = self.aside.execute(f"SELECT {place}, {columns} FROM {name}").fetchall()
            width = len(table.identity)
            for row in rows:
                (cells,) = of([row[width:]])
                if gone[cells] > 0:
                    gone[cells] -= 1
                    at = " AND ".join(
                        f"{quoted(one)} IS {_parameter(cell)}" for one, cell in zip(table.identity, row, strict=False)
                    )
                    self.aside.execute(f"DELETE FROM {name} WHERE {at}", [_bound(cell) for cell in row[:width]])
            shown = self.watching.execute(f"SELECT {columns} FROM {name}").fetchall()
            for row in shown:
                (cells,) = of([row])
                if come[cells] > 0:
                    come[cells] -= 1
                    cells_sql = ", ".join(map(_parameter, row))
                    self.aside.execute(
                        f"INSERT INTO {name} ({columns}) VALUES ({cells_sql})", [_bound(cell) for cell in row]
                    )
        if any(table.autoincrement for table in self.tables):
            # Also down: a number of new code that no writer recorded is given again once its row is gone.
            self.aside.execute("DELETE FROM sqlite_sequence")
            marks = self.watching.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
            self.aside.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", marks)
        # New code has committed: a program that has read before may not write, here as there.
        ((version,),) = self.aside.execute("PRAGMA user_version").fetchall()
        self.aside.execute(f"PRAGMA user_version = {version}")
        self.aside.execute("COMMIT")
        self.compare()


def _fixed_time():
    return "2026-06-01 00:00:00"


def _is_odd(cell):
    return isinstance(cell, str) and any(0xDC80 <= ord(letter) <= 0xDCFF for letter in cell)


def _parameter(cell):
    return "CAST(? AS TEXT)" if _is_odd(cell) else "?"


def _bound(cell):
    return cell.encode("utf-8", "surrogateescape") if _is_odd(cell) else cell
