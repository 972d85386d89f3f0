"""The engine of a connection with a legacy schema: a database in memory beside the consolidated file.

``main`` has the legacy schema; the consolidated file is attached.  SQLite runs the caller's statements as they are.  A table is
loaded when a statement first names it, and again when another connection has written to it.  What a transaction changed is
put into the consolidated file before it commits, so that the one file decides.
"""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.application.compat import json_merge, pragmas, work_tables
from migrator.application.compat.errors import Unsupported
from migrator.application.compat.plan import LegacyDatabase, LegacyTable, Plan
from migrator.application.compat.pragmas import Kind
from migrator.application.compat.put import Put
from migrator.application.compat.statements import WRITES, Noted, Statement, Statements
from migrator.application.compat.tables import Tables
from migrator.mapping import sql_functions
from migrator.system.connections import folded, quoted

#: The savepoint around a put.
_PUT = '"compat:put"'
#: A pragma without a result that changes nothing here: SQLite's own check of foreign keys is off.
_NOTHING = "PRAGMA foreign_keys = OFF"
#: The smallest rowid: no table gives it by itself.
_NO_ROWID = -(2**63)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What a mirror is opened with.

    Attributes:
        plan: The plan of the consolidated database.
        database: The legacy database.
        path: The consolidated file.
        name: The path of the legacy file, whose name leads to the consolidated one.
        query: The query of its URI: ``mode=rw`` or ``mode=ro``.
        synchronous: ``FULL`` or ``NORMAL``.
        statements: What is known of statements, shared by the mirrors of one database.
    """

    plan: Plan
    database: LegacyDatabase
    path: Path
    name: Path
    query: str
    synchronous: str
    statements: Statements


class Cursor(sqlite3.Cursor):
    """A cursor of a mirror: what its last statement gave, also after statements of ours.

    Attributes:
        rows: Rows that were fetched already; None while the statement itself gives them.
        count: The number of rows that the statement changed.
        last: The last rowid that an INSERT of the connection gave.
        tables: The legacy tables that the rows come from.
    """

    rows: list[Any] | None = None
    count: int | None = None
    last: int | None = None
    tables: frozenset[str] = frozenset()

    def native(self, sql: str, parameters: Any, *, many: bool) -> None:
        """Run a statement by the class above this one."""
        if many:
            super().executemany(sql, parameters)
        else:
            super().execute(sql, parameters)

    def fetch_now(self) -> None:
        """Fetch the remaining rows: the tables that they come from are about to change."""
        if self.rows is None:
            self.rows = super().fetchall()


class Mirror(sqlite3.Connection):
    """A mirror of a legacy database.

    Attributes:
        tainted: Whether the caller changed it for good: no other caller can have it.
        written: The number of rows that statements of callers changed.
        kind: What has to be equal for another caller to have it.
    """

    tainted = False
    written = 0
    kind: tuple[object, ...] = ()

    def open(self, served: Served) -> None:
        """Make the legacy schema, and attach the consolidated database.

        Raises:
            sqlite3.Error: It cannot be opened, or the legacy schema cannot be made here.
        """
        self._served = served
        self._database, self._target = served.database, served.plan.target
        self._inside, self._running = 1, False
        self._noted: list[Noted] | None = None
        self._denied = self._hidden = self._sql = ""
        self._authorizer: Callable[..., int | None] | None = None
        self._dirty: set[str] = set()
        self._again: list[tuple[str, object]] = []
        self._savepoints: list[str] = []
        self._began_by_savepoint = False
        self._reading: weakref.WeakSet[Cursor] = weakref.WeakSet()
        self._last_id = self._changes = 0
        self._references_checked = self._query_only = False
        self.isolation_level = None
        sql_functions.register(self)
        self.create_function("merged_json", 3, json_merge.merged, deterministic=True)
        self._execute("PRAGMA temp_store = MEMORY")
        self._tables = Tables(served.plan, served.database, self._execute)
        self.attach()
        self._execute("BEGIN")
        work_tables.make(self._execute, served.plan, served.database, served.name)
        self._execute("COMMIT")
        self.create_function("last_insert_rowid", 0, lambda: self._last_id)
        self.create_function("changes", 0, lambda: self._changes)
        self._put = Put(served.plan, served.database, self._execute, self._tables.loaded.keys(), self._tables.prepare)
        self._inside = 0
        sqlite3.Connection.set_authorizer(self, self._authorize)

    def attach(self) -> None:
        """Open the consolidated file."""
        self._execute(f"ATTACH ? AS {self._target}", (f"{self._served.path.absolute().as_uri()}?{self._served.query}",))
        self._execute(f"PRAGMA {self._target}.synchronous = {self._served.synchronous}")
        self._tables.forget_version()

    def detach(self) -> None:
        """Close the consolidated file; what is loaded stays."""
        self._execute(f"DETACH {self._target}")

    @property
    def tables(self) -> Mapping[str, LegacyTable]:
        """The legacy tables by folded name."""
        return self._database.tables

    @property
    def plan(self) -> Plan:
        """The plan of the consolidated database."""
        return self._served.plan

    def wait(self, seconds: float) -> None:
        """Wait so long for another process's transaction."""
        self._execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def consult(self, authorizer: Callable[..., int | None] | None) -> None:
        """Consult *authorizer* too, about the caller's own statements."""
        self._authorizer = authorizer

    def reset(self) -> None:
        """Make ready for another caller: end statements and the transaction, and take back what the last one set."""
        for cursor in list(self._reading):
            sqlite3.Cursor.close(cursor)
        self._reading.clear()
        if self.in_transaction:
            self.undo()
        self.row_factory, self.text_factory, self.isolation_level = None, str, None
        self._authorizer = None
        self._last_id = self._changes = 0
        self._query_only = False
        if self._references_checked:
            self._references_checked = False
            self._execute(f"UPDATE {work_tables.STATE} SET references_checked = 0")

    # Statements.

    def run(self, cursor: Cursor, sql: str, parameters: Any, *, many: bool = False, alone: bool = False) -> None:
        """Run the statement *sql* of the caller on *cursor*.

        Args:
            cursor: A cursor of this mirror.
            sql: The statement.
            parameters: Its parameters; with *many* a list of them.
            many: Whether it is run once for each of *parameters*.
            alone: Whether a write that is in no transaction is one of its own at every isolation level.
        """
        cursor.rows = cursor.count = None
        if not many:
            cursor.last = self._last_id
        statement = self._served.statements.known.get(sql) or self._examined(sql, parameters, many=many)
        self._denied = self._hidden = ""
        self._sql = sql
        try:
            if statement.writes:
                self._write(cursor, sql, parameters, statement, many=many, alone=alone)
            elif statement.control:
                self._control(cursor, sql, statement)
            elif statement.pragma:
                self._pragma(cursor, sql, statement)
            elif statement.upkeep:
                self._keep_up(cursor, sql, parameters, statement)
            else:
                self._read(cursor, sql, parameters, statement, many=many)
        except sqlite3.DatabaseError as error:
            if not self.in_transaction:
                # ON CONFLICT ROLLBACK and RAISE(ROLLBACK) end it.
                self._undone()
            if self._denied:
                raise Unsupported(self._denied) from error
            if self._hidden:
                raise sqlite3.OperationalError(f"no such table: {self._hidden}") from error
            raise

    def fresh(self, names: Iterable[str] | None = None) -> None:
        """Load those of the tables *names*, by default all, that are not as the consolidated set has them.

        Raises:
            sqlite3.Error: The consolidated set cannot be read.
        """
        served = self._database.tables
        every = [name for name, table in served.items() if table.kind != "left"] if names is None else list(names)
        self._check()
        if any(name not in self._tables.loaded for name in every):
            self._load(every)

    def judge_again(self, table: str, key: object) -> None:
        """Have the row *key* of the legacy *table* judged again when the transaction is put, though no statement changes it."""
        self._again.append((f"{self._database.name}.{table}", key))

    def put_now(self) -> None:
        """Put what the transaction changed so far, so that its result can be read before it is committed.

        Raises:
            sqlite3.Error: The consolidated set refuses it; the transaction is as it was.
        """
        self._before_commit()

    def ours(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement that may read the consolidated database under its name, ``core``."""
        return self._execute(sql, parameters)

    def save(self) -> None:
        """Put what was changed into the consolidated set, and commit."""
        self._before_commit()
        try:
            super().commit()
        except sqlite3.Error:
            # On a failing disk SQLite ends the transaction: what it loaded and counted is gone with it.
            if not self.in_transaction:
                self._undone()
            raise
        self._ended()

    def undo(self) -> None:
        """Undo the transaction."""
        super().rollback()
        self._undone()

    def _native(self, cursor: Cursor, sql: str, parameters: Any = (), *, many: bool = False) -> None:
        self._running = True
        try:
            cursor.native(sql, parameters, many=many)
        finally:
            self._running = False

    def _read(self, cursor: Cursor, sql: str, parameters: Any, statement: Statement, *, many: bool) -> None:
        names = self._named(statement.reads)
        if names:
            self.fresh(names)
            if "sqlite_sequence" in statement.reads:
                self._tables.number(names)
        if statement.attaches:
            (file,) = self._execute(f"SELECT {statement.attaches}", parameters).fetchone()
            if refusal := self._served.statements.refusal_to_attach(file):
                raise Unsupported(refusal)
        self._native(cursor, sql, parameters, many=many)
        self.tainted = self.tainted or statement.lasting
        if cursor.description is not None:
            cursor.tables = frozenset(names)
            self._reading.add(cursor)

    def _write(
        self, cursor: Cursor, sql: str, parameters: Any, statement: Statement, *, many: bool, alone: bool
    ) -> None:
        written = self._named(statement.writes)
        self._refuse_to_write(written)
        by_itself = not self.in_transaction and (alone or self._is_autocommit())
        if by_itself and many and len(parameters) > 1:
            self._write_each(cursor, sql, parameters, statement)
            return
        if not self.in_transaction:
            self._execute("BEGIN IMMEDIATE" if by_itself else f"BEGIN {self.isolation_level or ''}")
        try:
            if not self._dirty:
                # The write lock, before the statement reads what it decides by.
                self._execute(f"DELETE FROM {self._target}.quarantine WHERE 0")
            self.fresh(self._named(statement.reads | statement.writes))
            with self._ours():
                self._tables.adopt()
            self._dirty |= {name for name in written if self._database.tables[name].kind != "index"}
            if statement.inserts:
                self._tables.number(written)
                # A rowid that no INSERT of the caller gives, so that one which it does give is seen.
                self._execute(f"INSERT OR REPLACE INTO {work_tables.ROWID} (rowid) VALUES (?)", (_NO_ROWID,))
            try:
                self._native(cursor, sql, parameters, many=many)
                if cursor.description is not None:
                    cursor.fetch_now()
            finally:
                if statement.inserts:
                    # Also where a later row failed.
                    self._note_last_id()
            self._note_result(cursor, many=many)
            if by_itself:
                self._before_commit()
                self._execute("COMMIT")
                self._ended()
        except BaseException:
            if by_itself:
                self._give_up()
            raise

    def _write_each(self, cursor: Cursor, sql: str, parameters: Sequence[Any], statement: Statement) -> None:
        """Run the statement for each of *parameters* in a transaction of its own: what was written before an error stays."""
        count = 0
        for one in parameters:
            self._write(cursor, sql, [one], statement, many=True, alone=True)
            count += cursor.count or 0
        cursor.count = count

    def _refuse_to_write(self, names: Iterable[str]) -> None:
        """Raise an error if the tables *names* cannot be written."""
        if self._query_only:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        for name in names:
            table = self._database.tables[name]
            if table.kind == "left":
                raise Unsupported(f"{table.name} is not served on the consolidated set: {table.why}")

    def _note_last_id(self) -> None:
        """Keep the last rowid that the statement gave: statements of ours follow it."""
        given = self._execute("SELECT 1").lastrowid
        if given is not None and given != _NO_ROWID:
            self._last_id = given

    def _note_result(self, cursor: Cursor, *, many: bool) -> None:
        """Keep the row count of the statement."""
        changed: int = sqlite3.Cursor.rowcount.__get__(cursor)
        cursor.count = len(cursor.rows) if cursor.rows is not None else changed
        self.written += max(cursor.count, 0)
        if not many:
            # executemany leaves these as they were.
            self._changes, cursor.last = cursor.count, self._last_id

    def _is_autocommit(self) -> bool:
        # From Python 3.12 on; -1 means that the isolation level decides.
        autocommit: object = getattr(self, "autocommit", -1)
        return autocommit is True or (autocommit == -1 and self.isolation_level is None)

    def _control(self, cursor: Cursor, sql: str, statement: Statement) -> None:
        """Run BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE or ROLLBACK TO."""
        what, name = statement.control, folded(statement.name)
        known = name in self._savepoints
        depth = len(self._savepoints) - 1 - self._savepoints[::-1].index(name) if known else 0
        if what == "COMMIT" or (what == "RELEASE" and known and depth == 0 and self._began_by_savepoint):
            self._before_commit()
        outside = not self.in_transaction
        self._native(cursor, sql)
        if what == "SAVEPOINT":
            self._savepoints.append(name)
            self._began_by_savepoint = self._began_by_savepoint or outside
        elif what == "RELEASE":
            del self._savepoints[depth:]
            # What was loaded within it now belongs to the savepoint around it.
            self._tables.released(depth)
        elif what == "ROLLBACK TO":
            del self._savepoints[depth + 1 :]
            self._tables.undone(depth + 1)
        elif what == "ROLLBACK":
            self._undone()
        if not self.in_transaction:
            self._ended()

    def _pragma(self, cursor: Cursor, sql: str, statement: Statement) -> None:
        """Run a PRAGMA; on the consolidated file where the legacy file is meant."""
        name, value = statement.pragma.lower(), statement.name
        self.tainted = self.tainted or (bool(value) and name not in pragmas.HARMLESS)
        if statement.schema == self._target:
            # The caller does not know it; SQLite says this of a database that is not attached.
            raise sqlite3.OperationalError(f"unknown database {statement.schema}")
        ours = statement.schema in ("", "main") or name in pragmas.OF_CONNECTION
        kind = pragmas.KINDS.get(name) if ours else None
        if kind is Kind.ADAPTED:
            self._adapted[name](cursor, value)
        elif kind is Kind.PASSED_ON:
            self._pragma_of_file(cursor, f"{name} = {value}" if value else name)
        elif kind is Kind.ANSWERED:
            if value and name in pragmas.WITHOUT_RESULT:
                self._native(cursor, _NOTHING)
            else:
                self._pragma_of_file(cursor, name)
        elif kind is Kind.REFUSED and value:
            (now,) = self._execute(f"PRAGMA main.{name}").fetchone()
            if str(now) != pragmas.SWITCHES.get(value.lower(), value):
                raise Unsupported(f"{name} cannot be changed while the consolidated set is in use: it is {now}")
        else:
            if name in pragmas.CHECKS:
                self.fresh()
            self._native(cursor, sql)

    @property
    def _adapted(self) -> Mapping[str, Callable[[Cursor, str], None]]:
        """The pragmas that are about more than one database, or that would break this one."""
        return {
            "database_list": lambda cursor, _: self._native(cursor, "SELECT seq, name, file FROM pragma_database_list"),
            "foreign_keys": self._pragma_foreign_keys,
            "query_only": self._pragma_query_only,
            "synchronous": self._pragma_synchronous,
            "table_list": self._pragma_table_list,
            "temp_store": lambda cursor, value: self._native(cursor, _NOTHING if value else "PRAGMA temp_store"),
        }

    def _pragma_of_file(self, cursor: Cursor, pragma: str) -> None:
        """Run a pragma on the consolidated file."""
        self._of_file(cursor, f"PRAGMA {self._target}.{pragma}")

    def _pragma_query_only(self, cursor: Cursor, value: str) -> None:
        """Refuse the caller's writes or not; SQLite's own setting would keep tables from being loaded."""
        if value:
            self._query_only = pragmas.is_on(value)
        self._native(cursor, _NOTHING if value else f"SELECT {int(self._query_only)} AS query_only")

    def _pragma_synchronous(self, cursor: Cursor, value: str) -> None:
        """Let the caller wait for the disk more often, never less often."""
        (now,) = self._execute(f"PRAGMA {self._target}.synchronous").fetchone()
        wanted = pragmas.SYNCHRONOUS.get(value.lower(), int(value) if value.isdecimal() else -1)
        if wanted > now:
            self.tainted = True
            self._pragma_of_file(cursor, f"synchronous = {wanted}")
        else:
            self._pragma_of_file(cursor, "synchronous" if not value else f"synchronous = {now}")

    def _pragma_table_list(self, cursor: Cursor, value: str) -> None:
        """List the tables of the caller."""
        named = f" AND name = '{value.replace(chr(39), chr(39) * 2)}' COLLATE NOCASE" if value else ""
        self._native(
            cursor,
            f"SELECT schema, name, type, ncol, wr, strict FROM pragma_table_list WHERE schema <> '{self._target}'"
            f" AND name NOT LIKE 'compat:%' AND name <> '{work_tables.DATABASE_LIST}'{named}",
        )

    def _pragma_foreign_keys(self, cursor: Cursor, value: str) -> None:
        """Check foreign keys by triggers of ours or not; SQLite's own check is off."""
        if not value:
            self._native(cursor, f"SELECT {int(self._references_checked)} AS foreign_keys")
            return
        if not self.in_transaction:
            self._references_checked = pragmas.is_on(value)
            # Otherwise sqlite3 would begin a transaction of the caller's before it.
            level, self.isolation_level = self.isolation_level, None
            self._execute(f"UPDATE {work_tables.STATE} SET references_checked = ?", (int(self._references_checked),))
            self.isolation_level = level
        # Without a result, as the pragma has none.
        self._native(cursor, _NOTHING)

    def _keep_up(self, cursor: Cursor, sql: str, parameters: Any, statement: Statement) -> None:
        """Run VACUUM or ANALYZE on the consolidated file, or copy the legacy database to a file."""
        if self._target in (statement.schema, statement.name):
            what = "no such table:" if statement.upkeep == "ANALYZE" else "unknown database"
            raise sqlite3.OperationalError(f"{what} {self._target}")
        table = self._analyzed(statement)
        if table is None:
            # A table or a database of the caller's, or none.
            self._native(cursor, sql, parameters)
            return
        if statement.upkeep == "INTO":
            self.fresh()
            self._of_file(cursor, f"VACUUM main INTO {statement.name}", parameters)
            return
        if self._query_only:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        self._of_file(cursor, f"{statement.upkeep} {self._target}{table}")
        # VACUUM numbers rows anew that have no key.
        self._tables.forget_version()

    def _analyzed(self, statement: Statement) -> str | None:
        """Return which table of the consolidated file is meant, '' for all, and None if the statement is not about that file."""
        if statement.schema not in ("", "main"):
            return None
        if statement.upkeep != "ANALYZE" or statement.name in ("", "main"):
            return ""
        on = {folded(name): folded(table) for _, name, table, _ in self._database.schema}.get(statement.name, "")
        table = self._database.tables.get(on)
        return f".{quoted(table.into)}" if table is not None and table.into else None

    def _of_file(self, cursor: Cursor, sql: str, parameters: Any = ()) -> None:
        """Run a statement that names the consolidated file, for the caller."""
        self._inside += 1
        try:
            self._native(cursor, sql, parameters)
            cursor.fetch_now()
        finally:
            self._inside -= 1

    def _examined(self, sql: str, parameters: Any, *, many: bool) -> Statement:
        """Return what the statement *sql* does, by SQLite's own parser, and remember it."""
        statements = self._served.statements
        found = statements.pragma(sql) or statements.upkeep(sql)
        if found is not None:
            return found
        if many:
            parameters = parameters[0] if parameters else ()
        self._noted = []
        cursor = sqlite3.Cursor(self)
        cursor.row_factory = None
        try:
            cursor.execute(f"EXPLAIN {sql}", parameters)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeEncodeError):
            # The statement itself fails in the same way.
            return Statement()
        else:
            return statements.remember(sql, self._noted)
        finally:
            self._noted = None
            cursor.close()

    # Loading.

    def _named(self, names: Collection[str]) -> set[str]:
        """Return the tables to load for a statement that names *names*: with an index its table too."""
        tables = self._database.tables
        found = {name for name in names if name in tables}
        if "sqlite_sequence" in names:
            found |= {name for name, table in tables.items() if table.autoincrement and table.kind != "left"}
        return found | {folded(tables[name].content) for name in found if tables[name].content}

    def _check(self) -> None:
        if self._tables.check():
            self._put.forget_lookups()

    def _load(self, names: Collection[str]) -> None:
        """Load those of the tables *names* that are not loaded, in a transaction of their own outside of one."""
        for cursor in list(self._reading):
            if not cursor.tables.isdisjoint(names):
                cursor.fetch_now()
                self._reading.discard(cursor)
        if self.in_transaction:
            with self._ours():
                self._tables.load(names, savepoints=len(self._savepoints))
            return
        # Looked at again within it: all tables are loaded as of one moment.
        self._execute("BEGIN")
        try:
            with self._ours():
                self._check()
                self._tables.load(names, savepoints=0)
            self._execute("COMMIT")
            self._tables.ended()
        except BaseException:
            self._give_up()
            raise

    # The end of a transaction.

    def _before_commit(self) -> None:
        """Put what the transaction changed into the consolidated set."""
        if self._dirty or self._again:
            # A put that fails leaves nothing half done in a transaction that the caller may go on with.
            self._execute(f"SAVEPOINT {_PUT}")
            try:
                with self._ours():
                    self._put.put(sorted(self._dirty), self._again)
                    self._tables.count_own_writes()
            except BaseException:
                if self.in_transaction:
                    self._execute(f"ROLLBACK TO {_PUT}")
                    self._execute(f"RELEASE {_PUT}")
                self._put.forget_lookups()
                raise
            self._execute(f"RELEASE {_PUT}")
            self._dirty.clear()
            self._again.clear()

    def _give_up(self) -> None:
        """Undo a transaction of ours, if its failure has not ended it."""
        if self.in_transaction:
            self._execute("ROLLBACK")
        self._undone()

    def _ended(self) -> None:
        self._savepoints.clear()
        self._began_by_savepoint = False
        self._tables.ended()

    def _undone(self) -> None:
        """Forget what was loaded in the transaction: it is gone with it."""
        self._dirty.clear()
        self._again.clear()
        self._tables.undone(0)
        self._ended()
        self._put.forget_lookups()

    # Beside the caller's statements.

    def _execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement of ours."""
        if sql.startswith("DROP TABLE"):
            # SQLite drops no table while a statement is under way.
            for reading in list(self._reading):
                reading.fetch_now()
            self._reading.clear()
        self._inside += 1
        try:
            cursor = sqlite3.Cursor(self)
            cursor.row_factory = None
            return cursor.execute(sql, parameters)
        finally:
            self._inside -= 1

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        """Read text as str, which may hold undecodable bytes as surrogates, without the caller's text_factory."""
        factory, self.text_factory = self.text_factory, _text
        try:
            yield
        finally:
            self.text_factory = factory

    def _authorize(
        self, action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None
    ) -> int:
        if self._inside:
            return sqlite3.SQLITE_OK
        if self._noted is not None:
            self._noted.append((action, first, second, schema))
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_DETACH and folded(first or "") == self._target:
            # The caller does not know it; SQLite says this of a database that is not attached.
            self._denied = f"no such database: {first}"
            return sqlite3.SQLITE_DENY
        if refusal := self._refusal(action, first, second, schema):
            self._denied = refusal
            return sqlite3.SQLITE_DENY
        if schema == self._target and action in (sqlite3.SQLITE_READ, *WRITES):
            self._hidden = first or ""
            return sqlite3.SQLITE_DENY
        asked = self._authorizer(action, first, second, schema, trigger) if self._authorizer else None
        return sqlite3.SQLITE_OK if asked is None else asked

    def _refusal(self, action: int, first: str | None, second: str | None, schema: str | None) -> str:
        """Return why the caller's statement is refused that does *action*, '' if it is not."""
        if action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT" and self._dirty:
            return "committed by a way that passes the consolidated set by; use commit() of this connection"
        ours = schema == "main" and action in WRITES and folded(first or "") in self._database.tables
        if ours and not self._running:
            return "written by a cursor that this connection did not make; use its cursor()"
        return self._served.statements.refusal(action, first, second, schema, self._sql)
