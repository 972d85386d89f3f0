"""Runs the bot's queries on both sets: their parameters, plans, steps and results.

Each form runs on a connection to its one database, as in the bot.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from migrator.mapping.workload import Question
from migrator.system import connections

#: Size from which a scan is slower than an index [rows].
BIG_ROWS = 100
#: Named parameters of one run.
Values = Mapping[str, Any]

_NAMES = re.compile(r":([a-z_]+)")
_SCAN, _VIRTUAL, _SORT = "SCAN ", "VIRTUAL TABLE", "USE TEMP B-TREE"


class Plan(NamedTuple):
    """The result of EXPLAIN QUERY PLAN.

    Attributes:
        scans: Lines that read a whole table or index, virtual tables and constant rows left out.
        sorts: Lines that sort or group into a temporary B-tree.
        lines: All lines.
    """

    scans: tuple[str, ...]
    sorts: tuple[str, ...]
    lines: tuple[str, ...]


def parameters(question: Question, legacy: Path, target: Path) -> list[dict[str, Any]]:
    """Return the named parameters of each run, read from both databases."""
    if not question.takes:
        return [{}]
    with closing(connections.memory()) as connection:
        connections.attach(connection, legacy, question.legacy)
        connections.attach(connection, target, question.target)
        cursor = connection.execute(question.takes)
        names = [name for name, *_ in cursor.description]
        # A time from an empty table is NULL: there is nothing to query.
        return [dict(zip(names, row, strict=True)) for row in cursor if None not in row]


def nothing(question: Question) -> dict[str, None]:
    """Return NULL for each named parameter, for a query without data."""
    return dict.fromkeys(_NAMES.findall(question.sql))


def plan(connection: sqlite3.Connection, sql: str, values: Values) -> Plan:
    """Return the plan of *sql*."""
    return as_plan(detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))


def as_plan(details: Iterable[str]) -> Plan:
    """Return the lines of EXPLAIN QUERY PLAN as a plan."""
    lines = tuple(details)
    scans = tuple(line for line in lines if line.startswith(_SCAN) and _VIRTUAL not in line and "CONSTANT" not in line)
    return Plan(scans, tuple(line for line in lines if line.startswith(_SORT)), lines)


def worse(ours: Plan, legacy: Plan) -> list[str]:
    """Return the scans and sorts of *ours* that *legacy* does not need."""
    more = list(ours.scans[len(legacy.scans) :] if len(ours.scans) > len(legacy.scans) else ())
    return more + list(ours.sorts[len(legacy.sorts) :] if len(ours.sorts) > len(legacy.sorts) else ())


def ask(connection: sqlite3.Connection, sql: str, values: Values) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return columns and rows of the result; of a writing statement the count."""
    if sql.startswith("SELECT"):
        cursor = connection.execute(sql, values)
        return [name for name, *_ in cursor.description], cursor.fetchall()
    connection.execute("BEGIN")
    try:
        return ["rows"], [(connection.execute(sql, values).rowcount,)]
    finally:
        connection.execute("ROLLBACK")


def steps(connection: sqlite3.Connection, sql: str, values: Values, *, every: int = 1, most: float = math.inf) -> int:
    """Return the number of instructions of SQLite's virtual machine for *sql*.

    *every* is the precision of the count; 1 is exact, but costs a call per instruction.  Above *most* the query is
    interrupted, and the count so far is returned.
    """
    count = 0

    def step() -> bool:
        nonlocal count
        count += every
        return count > most

    factory = connection.text_factory
    # The result is not used, and legacy TEXT may be invalid UTF-8.
    connection.text_factory = bytes
    connection.execute("BEGIN")
    connection.set_progress_handler(step, every)
    try:
        connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT" or count <= most:
            raise
    finally:
        connection.set_progress_handler(None, 1)
        connection.text_factory = factory
        connection.execute("ROLLBACK")
    return count


def normal(question: Question, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """Return *rows* with times and JSON in a form that can be compared."""
    kinds = ["time" if name in question.times else "json" if name in question.json else "" for name in columns]
    return Counter(tuple(_meant(cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in rows)


def _meant(cell: Any, kind: str) -> Any:
    if kind == "time":
        if cell in (None, ""):
            return None
        if isinstance(cell, float):
            return dt.datetime.fromtimestamp(round(cell, 6), dt.UTC)
        read = dt.datetime.fromisoformat(cell)
        return read.replace(tzinfo=read.tzinfo or dt.UTC).astimezone(dt.UTC)
    if kind == "json":
        return None if cell is None else json.dumps(json.loads(cell), sort_keys=True)
    # Sums of doubles in another order may differ in the last digits.
    return float(f"{cell:.12g}") if isinstance(cell, float) else cell
