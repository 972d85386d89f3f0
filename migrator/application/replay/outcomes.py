"""Runs a statement and keeps what it did, so that two databases can be compared."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from migrator.application.replay.parameters import Parameters
from migrator.system.connections import quoted

#: A cell with its type: 1, 1.0 and '1' differ, and so do 0.0 and -0.0.
Cell = tuple[str, Any]
Row = tuple[Cell, ...]
#: The rows of each table without their order, as text: 1, 1.0 and '1' differ.
Content = Mapping[str, Counter[str]]
#: Errors of a statement; a value that SQLite cannot bind is one as well.
FAILURES = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of a statement did.

    Attributes:
        columns: The names of the columns of its result.
        rows: The rows of its result, in order.
        count: Its rowcount.
        last: The lastrowid of its cursor.
        error: Class and text of its error; None if it has none.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    count: int = -1
    last: int | None = None
    error: tuple[str, str] | None = None


#: The outcome of no run.
NOTHING = Outcome()


def run(connection: sqlite3.Connection, sql: str, parameters: Parameters) -> Outcome:
    """Run *sql* to its end on *connection*, which is in autocommit mode or in a transaction of the caller."""
    try:
        cursor = connection.execute(sql, parameters)
        columns = tuple(name for name, *_ in cursor.description or ())
        rows = tuple(map(typed, cursor.fetchall()))
    except FAILURES as error:
        return Outcome(error=(type(error).__name__, str(error)))
    return Outcome(columns=columns, rows=rows, count=cursor.rowcount, last=cursor.lastrowid)


def typed(row: Iterable[Any]) -> Row:
    """Return the cells of *row* with their types."""
    return tuple((type(cell).__name__, repr(cell) if isinstance(cell, float) else cell) for cell in row)


def rounded(row: Row) -> Row:
    """Return *row* with 12 digits of each float: sums of doubles in another order differ in the last ones."""
    return tuple((kind, f"{float(cell):.12g}" if kind == "float" else cell) for kind, cell in row)


def content(connection: sqlite3.Connection, columns: Mapping[str, tuple[str, ...]]) -> Content:
    """Return the rows of each table of *columns*: table -> columns; for a table that cannot be read the error instead."""
    found = {}
    for table, names in columns.items():
        listed = ", ".join(map(quoted, names))
        try:
            found[table] = Counter(map(repr, connection.execute(f"SELECT {listed} FROM {quoted(table)}")))
        except sqlite3.Error as error:
            found[table] = Counter([f"error: {error}"])
    return found


def plan(connection: sqlite3.Connection, sql: str, parameters: Parameters) -> tuple[str, ...]:
    """Return the lines of EXPLAIN QUERY PLAN; none if *sql* cannot be prepared."""
    try:
        return tuple(detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))
    except FAILURES:
        return ()


@dataclass(slots=True)
class Steps:
    """A count of instructions of SQLite's virtual machine."""

    count: int = 0


@contextmanager
def counted(connection: sqlite3.Connection) -> Iterator[Steps]:
    """Count the steps of *connection* within the block."""
    steps = Steps()

    def step() -> None:
        steps.count += 1

    connection.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 1)
