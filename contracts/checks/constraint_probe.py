"""Makes rows that a table must accept, and rows that break exactly one constraint.

A declared constraint may still not be enforced: a trigger may undo it, or CHECK constraints were ignored when rows were
written.  So contracts try each constraint with a row that it must accept and a row that it must refuse.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count

import sqlglot
from sqlglot import exp

from migrator.errors import UsageError
from migrator.schema.model import Check, Column, ForeignKey, Index, Schema, Table
from migrator.system import connections

Row = dict[str, object]


@dataclass(slots=True)
class RowMaker:
    """Makes rows that satisfy every constraint of *schema*, each with its own values.

    Attributes:
        schema: The declared schema.
        made: Number of values made so far; makes the next value unique.
    """

    schema: Schema
    made: int = field(default=0)

    def row(self, connection: sqlite3.Connection, table: Table) -> Row:
        """Return a row for *table* with every column set, after inserting the parent rows."""
        parents = {
            child: self.insert(connection, self.schema.table(key.parent))[parent]
            for key in table.foreign_keys
            for child, parent in zip(key.columns, key.parent_columns, strict=True)
        }
        return {
            column.name: parents.get(column.name, self._value(column, table))
            for column in table.columns
            if not (column.primary_key and table.autoincrement)
        }

    def insert(self, connection: sqlite3.Connection, table: Table) -> Row:
        """Insert a row into *table* and return it with its key."""
        row = self.row(connection, table)
        rowid = insert(connection, table.name, row)
        if table.autoincrement:
            row[next(column.name for column in table.columns if column.primary_key)] = rowid
        return row

    def _value(self, column: Column, table: Table) -> object:
        for check in table.checks:
            if check.columns == (column.name,):
                return accepted(check)[0]
        self.made += 1
        if column.type == "INTEGER":
            return 2**40 + self.made
        if column.type == "REAL":
            return self.made + 0.5
        if column.type == "TIMESTAMP":
            return f"2026-01-01 00:00:00.{self.made:06d}"
        return f"{table.name}.{column.name} {self.made}"


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert *row* and return its rowid.

    Raises:
        sqlite3.IntegrityError: A constraint refuses the row.
    """
    columns = ", ".join(connections.quoted(name) for name in row)
    places = ", ".join("?" * len(row))
    cursor = connection.execute(
        f"INSERT INTO {connections.quoted(table)} ({columns}) VALUES ({places})", tuple(row.values())
    )
    return cursor.lastrowid or 0


def no_id(connection: sqlite3.Connection, key: ForeignKey) -> int:
    """Return a number that no parent of *key* has as its id; ids may be negative."""
    (parent,) = key.parent_columns
    table, name = connections.quoted(key.parent), connections.quoted(parent)
    question = f"SELECT 1 FROM {table} WHERE {name} = ?"
    return next(-number for number in count(1) if connection.execute(question, (-number,)).fetchone() is None)


def accepted(check: Check) -> list[object]:
    """Return each value that a CHECK names as allowed: its list, or the ends of its range.

    Raises:
        UsageError: The CHECK is neither a list nor a range.
    """
    return [value for value, allowed in _boundaries(check) if allowed]


def refused(check: Check) -> list[object]:
    """Return values that a CHECK of one column must refuse: neighbours of the allowed values."""
    return [value for value, allowed in _boundaries(check) if not allowed]


def within(unique: Index) -> dict[str, object]:
    """Return the cells that bring a row under the condition of *unique*; none if it has no condition.

    Raises:
        UsageError: The condition is not one value of a column.
    """
    return dict([_equation(unique.where)]) if unique.where else {}


def outside(unique: Index, table: Table) -> list[dict[str, object]]:
    """Return the cells that keep a row of *table* from the condition of *unique*: each other value of its CHECK.

    Raises:
        UsageError: The condition is not one value of a column.
    """
    if unique.where is None:
        return []
    name, value = _equation(unique.where)
    values = [other for check in table.checks if check.columns == (name,) for other in accepted(check)]
    return [{name: other} for other in values if other != value]


def variants(unique: Index, table: Table) -> list[dict[str, object]]:
    """Return each value that a CHECK of another column names: *unique* holds for rows with any of them."""
    if unique.where is not None:
        return []
    own = {column.name for column in unique.columns}
    return [
        {name: value}
        for check in table.checks
        for name in check.columns
        if len(check.columns) == 1 and name not in own
        for value in accepted(check)
    ]


def _equation(condition: str) -> tuple[str, object]:
    tree = sqlglot.parse_one(condition, read="sqlite")
    if not (isinstance(tree, exp.EQ) and isinstance(tree.this, exp.Column) and tree.expression.is_string):
        raise UsageError(f"a condition of an index that is not one value of a column: {condition}")
    return tree.this.name, tree.expression.name


@cache
def _boundaries(check: Check) -> tuple[tuple[object, bool], ...]:
    """Return each value to try, and whether it is allowed; cached."""
    return tuple(_boundary(check))


def _boundary(check: Check) -> Iterator[tuple[object, bool]]:
    tree = sqlglot.parse_one(check.expression, read="sqlite")
    if isinstance(tree, exp.In):
        for literal in tree.expressions:
            yield literal.name, True
            # The list is exact: another letter case or an added blank is another word.
            yield literal.name.upper(), False
            yield f"{literal.name} ", False
        yield "", False
        return
    if not isinstance(tree, exp.And):
        raise UsageError(f"a CHECK that is neither a list nor a range: {check.expression}")
    for bound in tree.flatten():
        limit = float(bound.expression.name)
        yield limit, True
        yield math.nextafter(limit, -math.inf if isinstance(bound, exp.GTE) else math.inf), False
