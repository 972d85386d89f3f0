"""Compares copied cells and times of every row by SQL, in a set of any size.

The oracle judges whole rows, and of a large set a sample.  Here one query joins each legacy row with its row and
returns the rows whose cells SQLite does not find equal.  Python then compares those cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.oracle.cells import Cell, rows, same, shown
from contracts.oracle.rules import Filled, Reading, Time, taken_from
from contracts.oracle.table_judge import column_types, target_key
from contracts.oracle.times import instant
from contracts.sets.case import Case
from migrator.system.connections import quoted

#: SQL that converts the usual spellings of a time to the target's form.  Other spellings give NULL, for Python to compare.
USUAL = """
    CASE
        WHEN length({at}) = 25 AND substr({at}, 20) = '+00:00' THEN substr({at}, 1, 10) || ' ' || substr({at}, 12, 8)
        WHEN length({at}) = 32 AND substr({at}, 27) = '+00:00' AND substr({at}, 20, 7) <> '.000000'
        THEN substr({at}, 1, 10) || ' ' || substr({at}, 12, 15)
    END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison of one legacy column with one target column.

    Attributes:
        was: The legacy column.
        now: The target column.
        plainly: SQL that is true if SQLite finds the cell right.
        right: Returns for the other rows whether the target cell is right, given the legacy cell and the target cell.
    """

    was: str
    now: str
    plainly: str
    right: Callable[[Cell, Cell], bool]


def cells(case: Case, reading: Reading) -> list[Comparison]:
    """Return the comparisons of cells that must be copied byte for byte and bit for bit."""
    types = column_types(reading.target)
    # If a legacy row becomes several, a part may replace a cell.
    taken = {now: taken_from(rule) for now, rule in reading.forward.items() if reading.parts is None}
    return [
        Comparison(
            was=was,
            now=now,
            plainly=f"+t.{quoted(now)} IS +s.{quoted(was)} AND typeof(t.{quoted(now)}) = typeof(s.{quoted(was)})",
            right=_kept(case, types.get(now, ""), empty_is_null=isinstance(reading.forward[now], Filled)),
        )
        for now, was in taken.items()
        if was
    ]


def times(_: Case, reading: Reading) -> list[Comparison]:
    """Return the comparisons of times, which must be the same instants."""
    return [
        Comparison(
            was=rule.name,
            now=now,
            plainly=f"t.{quoted(now)} IS {USUAL.format(at=f's.{quoted(rule.name)}')}",
            right=_at_once(rule.local),
        )
        for now, rule in reading.forward.items()
        if isinstance(rule, Time) and rule.name in reading.columns
    ]


def _kept(case: Case, declared: str, *, empty_is_null: bool) -> Callable[[Cell, Cell], bool]:
    def right(was: Cell, now: Cell) -> bool:
        wanted = None if empty_is_null and was == "" else was
        return same(wanted, now) or same(case.reader.affinity.stored(wanted, declared), now)

    return right


def _at_once(local: str) -> Callable[[Cell, Cell], bool]:
    return lambda was, now: same(instant(was, local), now)


def unlike(case: Case, reading: Reading, comparisons: list[Comparison]) -> Iterator[str]:
    """Yield each wrong cell by these *comparisons*, in the legacy table of *reading*."""
    database, _, name = reading.source.partition(".")
    target, _, table = reading.target.partition(".")
    columns = ", ".join(f"s.{quoted(cell.was)}, t.{quoted(cell.now)}" for cell in comparisons)
    question = (
        f"SELECT s.{quoted(reading.key)}, {columns} FROM {quoted(database)}.{quoted(name)} AS s"
        f" JOIN {target}.lineage AS l ON l.source = ? AND l.target = ? AND l.legacy_key = +s.{quoted(reading.key)}"
        f" JOIN {target}.{quoted(table)} AS t ON t.{quoted(target_key(reading.target))} = +l.target_id"
        f" WHERE NOT ({' AND '.join(f'({cell.plainly})' for cell in comparisons)})"
    )
    with case.beside(database, target) as connection:
        for key, *pairs in rows(connection, question, reading.source, table):
            for cell, was, now in zip(comparisons, pairs[::2], pairs[1::2], strict=True):
                if not cell.right(was, now):
                    change = f"was {shown(was, values=case.show_values)}, is {shown(now, values=case.show_values)}"
                    yield f"{reading.source} {key!r} -> {reading.target}: {cell.was} -> {cell.now}: {change}"
