"""The write-back session: one consolidated database, and the legacy copy that is being written.

Rows are identified by a handle, never by their key: a key may be NULL, a blob, or text that is not UTF-8, and then it
would not come through Python and back.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator.mapping import reverse_sql, sql_functions
from migrator.schema.declaration import is_without_rowid, stored_columns
from migrator.switch.state import Switch
from migrator.system import connections
from migrator.system.connections import quoted
from migrator.system.rowids import rowid_name

#: Under which names databases are attached here, beside the consolidated ones under theirs: what the cutover installed,
#: and the legacy copy that is written.  A legacy database goes by its own name only where mappings name it, and none that
#: they know is called so; the file of another may be called anything.
BASELINE, LEGACY = "baseline", "legacy"
#: The work file of legacy rows as they were before they were changed.
BEFORE = "before"
#: SQLite's errors on a statement that needs a collation or function that only the application has.
CANNOT = ("SQLITE_ERROR", "SQLITE_TOOBIG")


@dataclass(slots=True, kw_only=True)
class WrittenBack:
    """The result of a write-back.

    Attributes:
        written: Legacy table -> what was done to its rows: ``inserted``, ``updated``, ``deleted`` -> number.
        left: Consolidated table -> handle of a row that was not written back -> reason.
        kept_whole: Consolidated table that no legacy table takes, kept whole -> reason.
        told: Sentences for the owner.
    """

    written: dict[str, Counter[str]] = field(default_factory=dict)
    left: dict[str, dict[object, str]] = field(default_factory=dict)
    kept_whole: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def did(self, source: str, what: str, rows: int = 1) -> None:
        """Count *rows* of the legacy table *source*."""
        if rows:
            self.written.setdefault(source, Counter())[what] += rows

    def leave(self, table: str, handle: object, why: str) -> None:
        """Record that a consolidated row was not written back."""
        self.left.setdefault(table, {})[handle] = why

    def tell(self, sentence: str) -> None:
        """Record a sentence for the owner."""
        self.told.append(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The databases of a write-back.

    Attributes:
        last: The cutover.
        tree: The folder of the legacy copies, which are written.
        current: Target -> a private copy of the consolidated database in use; its lineage is written.
        baseline: Target -> the database as it was installed.
    """

    last: Switch
    tree: Path
    current: Mapping[str, Path]
    baseline: Mapping[str, Path]

    @property
    def legacy(self) -> dict[str, Path]:
        """Legacy database -> its copy."""
        return {name.database: self.tree / name.place for name in self.last.names}

    @contextlib.contextmanager
    def opened(self, target: str, done: WrittenBack, rebuilt: Mapping[str, Path] | None = None) -> Iterator[Session]:
        """Open the session of *target*, its lineage writable; or with *rebuilt*, read-only, attached as ``again``."""
        # The work file of legacy rows as they were before their change.
        before = self.current[target].with_name(f"{BEFORE}-{target}.db")
        with contextlib.closing(connections.lenient(connections.memory())) as connection:
            sql_functions.register(connection)
            connection.execute("PRAGMA foreign_keys = OFF")
            connections.attach(connection, self.current[target], target, mode="rw" if rebuilt is None else "ro")
            connections.attach(connection, self.baseline[target], BASELINE)
            if rebuilt is not None:
                connections.attach(connection, rebuilt[target], "again")
            else:
                connections.create(before).close()
            connections.attach(connection, before, BEFORE, mode="rw")
            yield Session(connection, target, self.legacy, self.last.constants, done)


@dataclass(frozen=True, slots=True)
class Session:
    """One consolidated database, with the legacy copy that is being written attached under its name.

    Attributes:
        connection: The connection.
        target: The consolidated database.
        legacy: Legacy database -> its copy.
        constants: The constants of the mappings, as in the build.
        done: Receives what was written, and what was not.
    """

    connection: sqlite3.Connection
    target: str
    legacy: Mapping[str, Path]
    constants: Mapping[str, str]
    done: WrittenBack

    @contextlib.contextmanager
    def beside(self, database: str, under: str = "") -> Iterator[None]:
        """Attach the copy of a legacy *database* by its own name or *under* another; write to it in one transaction."""
        name = under or database
        connections.attach(self.connection, self.legacy[database], name, mode="rw")
        self.connection.execute("BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.connection.execute(f"DETACH {quoted(name)}")

    def tried(self, statement: str, values: Sequence[object] | Mapping[str, object]) -> str:
        """Run *statement*; return why the table refuses the row, '' if it does not.

        A constraint refuses it, or an expression of an index or CHECK fails on it, such as on malformed JSON.

        Raises:
            sqlite3.Error: The disk fails or is full.
        """
        self.connection.execute("SAVEPOINT one")
        try:
            self.connection.execute(statement, values)
        except (sqlite3.IntegrityError, sqlite3.OperationalError, sqlite3.DataError) as error:
            if not isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorname not in CANNOT:
                raise
            self.connection.execute("ROLLBACK TO one")
            return str(error)
        finally:
            self.connection.execute("RELEASE one")
        return ""


def handle_sql(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL for the handle of a row ``t`` of *table*: its rowid, else its key, else all its cells."""
    if key := _primary_key(connection, schema, table):
        return reverse_sql.row_sql("t", list(key.values()), list(key))
    columns = stored_columns(connection, schema, table)
    free = rowid_name(connection, schema, table)
    return f"t.{free}" if free else reverse_sql.row_sql("t", columns, [f"c{number}" for number in range(len(columns))])


def found_sql(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL that is true for the row ``t`` of *table* with the handle ``:handle``, found by the primary key.

    A comparison of the handle alone would scan the table.
    """
    key = _primary_key(connection, schema, table)
    same = [f"t.{quoted(column)} IS {reverse_sql.from_row_sql(':handle', name)}" for name, column in key.items()]
    return " AND ".join([*same, f"{handle_sql(connection, schema, table)} = :handle"])


def _primary_key(connection: sqlite3.Connection, schema: str, table: str) -> dict[str, str]:
    """Return the primary key of a table without rowids, by names that JSON can take: k1, k2, ...; empty for another."""
    if not is_without_rowid(connection, schema, table):
        return {}
    asked = "SELECT 'k' || pk, name FROM pragma_table_info(?, ?) WHERE pk ORDER BY pk"
    return dict(connection.execute(asked, (table, schema)).fetchall())
