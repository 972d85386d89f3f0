"""The bench of a rollback: one consolidated database, and beside it the legacy copy that is being written.

Rows are told apart by a handle, never by their key: a key may be NULL, a blob, or text that is no UTF-8, and then it
would not come through Python and back.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator import rebuild, sqlite
from migrator.sqlite import quoted

#: The names of the rowid; a column may take one of them for itself.
_ROWID = ("rowid", "_rowid_", "oid")


@dataclass(slots=True, kw_only=True)
class CarriedBack:
    """What was done to the legacy copies.

    Attributes:
        written: Legacy table -> what was done to its rows: ``inserted``, ``updated``, ``deleted`` -> number.
        left: Consolidated table -> handle of a row that was not carried back -> why.
        strangers: Consolidated tables that no legacy table answers to, with all their rows.
    """

    written: dict[str, Counter[str]] = field(default_factory=dict)
    left: dict[str, dict[object, str]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def did(self, source: str, what: str, rows: int = 1) -> None:
        """Count what was done to the legacy table *source*."""
        if rows:
            self.written.setdefault(source, Counter())[what] += rows

    def leave(self, table: str, handle: object, why: str) -> None:
        """Note that a consolidated row was not carried back."""
        self.left.setdefault(table, {})[handle] = why


class Bench:
    """One consolidated database, with the legacy copy that is being written attached under its name."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        target: str,
        legacy: Mapping[str, Path],
        constants: Mapping[str, str],
        done: CarriedBack,
    ) -> None:
        self.connection = connection
        self.target = target
        self.legacy = legacy
        self.constants = constants
        self.done = done

    @contextlib.contextmanager
    def beside(self, database: str) -> Iterator[None]:
        """Attach the copy of a legacy *database*, and write to it in one transaction."""
        sqlite.attach(self.connection, self.legacy[database], database, mode="rw")
        self.connection.execute("BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.connection.execute(f"DETACH {quoted(database)}")

    def tried(self, statement: str, values: Sequence[object]) -> str:
        """Run *statement*; return what a constraint has against it, '' if nothing."""
        self.connection.execute("SAVEPOINT one")
        try:
            self.connection.execute(statement, tuple(values))
        except sqlite3.IntegrityError as error:
            self.connection.execute("ROLLBACK TO one")
            return str(error)
        finally:
            self.connection.execute("RELEASE one")
        return ""


def stored_columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    """Return the columns that a row of *table* fills."""
    return [
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid", (table, schema)
        )
    ]


def handle_sql(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL for what tells a row ``t`` of *table* from the others: its rowid, or all its cells where it has none."""
    columns = stored_columns(connection, schema, table)
    taken = {column.lower() for column in columns}
    (without,) = connection.execute(
        "SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE", (schema, table)
    ).fetchone()
    free = next((name for name in _ROWID if name not in taken), "")
    return f"t.{free}" if free and not without else rebuild.row_sql("t", columns)


def found_sql(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return SQL that is true of the one row ``t`` of *table* whose handle is ``?1``, which the primary key finds.

    A handle that is all cells of a row would by itself be looked for from the first row to the last.
    """
    handle = handle_sql(connection, schema, table)
    asked = "SELECT name FROM pragma_table_info(?, ?) WHERE pk ORDER BY pk"
    keys = [name for (name,) in connection.execute(asked, (table, schema))] if handle.startswith("'") else []
    same = [f"t.{quoted(name)} IS {rebuild.from_row_sql('?1', name)}" for name in keys]
    return " AND ".join([*same, f"{handle} = ?1"])
