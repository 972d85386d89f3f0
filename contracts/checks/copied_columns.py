"""What is taken over as it is, and times: asked by SQL of every row, however many there are.

The second reader judges whole rows, and of a large set a sample.  Here a question is one pass over a table: SQLite lays
each legacy row beside its row and hands out those that are not plainly the same; each of these is looked at.
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

#: What the usual spellings of a time are in the one form.  What is spelled otherwise is NULL here, and looked at.
USUAL = """
    CASE
        WHEN length({at}) = 25 AND substr({at}, 20) = '+00:00' THEN substr({at}, 1, 10) || ' ' || substr({at}, 12, 8)
        WHEN length({at}) = 32 AND substr({at}, 27) = '+00:00' AND substr({at}, 20, 7) <> '.000000'
        THEN substr({at}, 1, 10) || ' ' || substr({at}, 12, 15)
    END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One cell of every row of a table.

    Attributes:
        was: The legacy column.
        now: The column here.
        plainly: SQL that is true where SQLite can see that the cell is right.
        right: Tells it of the others, from the legacy cell and the cell here.
    """

    was: str
    now: str
    plainly: str
    right: Callable[[Cell, Cell], bool]


def cells(case: Case, reading: Reading) -> list[Asked]:
    """Return the cells that have to be what they were, byte for byte and bit for bit."""
    types = column_types(reading.target)
    # A piece of a row may lay something else over a cell.
    taken = {now: taken_from(say) for now, say in reading.forward.items() if reading.parts is None}
    return [
        Asked(
            was=was,
            now=now,
            plainly=f"+t.{quoted(now)} IS +s.{quoted(was)} AND typeof(t.{quoted(now)}) = typeof(s.{quoted(was)})",
            right=_kept(case, types.get(now, ""), empty_is_null=isinstance(reading.forward[now], Filled)),
        )
        for now, was in taken.items()
        if was
    ]


def times(_: Case, reading: Reading) -> list[Asked]:
    """Return the times, each of which has to be the instant that it was."""
    return [
        Asked(
            was=say.name,
            now=now,
            plainly=f"t.{quoted(now)} IS {USUAL.format(at=f's.{quoted(say.name)}')}",
            right=_at_once(say.local),
        )
        for now, say in reading.forward.items()
        if isinstance(say, Time) and say.name in reading.columns
    ]


def _kept(case: Case, declared: str, *, empty_is_null: bool) -> Callable[[Cell, Cell], bool]:
    def right(was: Cell, now: Cell) -> bool:
        wanted = None if empty_is_null and was == "" else was
        return same(wanted, now) or same(case.reader.affinity.stored(wanted, declared), now)

    return right


def _at_once(local: str) -> Callable[[Cell, Cell], bool]:
    return lambda was, now: same(instant(was, local), now)


def unlike(case: Case, reading: Reading, asked: list[Asked]) -> Iterator[str]:
    """Yield each cell of what is *asked* that is wrong, in any row of the legacy table of *reading*."""
    database, _, name = reading.source.partition(".")
    target, _, table = reading.target.partition(".")
    columns = ", ".join(f"s.{quoted(one.was)}, t.{quoted(one.now)}" for one in asked)
    question = (
        f"SELECT s.{quoted(reading.key)}, {columns} FROM {quoted(database)}.{quoted(name)} AS s"
        f" JOIN {target}.lineage AS l ON l.source = ? AND l.target = ? AND l.legacy_key = +s.{quoted(reading.key)}"
        f" JOIN {target}.{quoted(table)} AS t ON t.{quoted(target_key(reading.target))} = +l.target_id"
        f" WHERE NOT ({' AND '.join(f'({one.plainly})' for one in asked)})"
    )
    with case.beside(database, target) as connection:
        for key, *found in rows(connection, question, reading.source, table):
            for one, was, now in zip(asked, found[::2], found[1::2], strict=True):
                if not one.right(was, now):
                    said = f"was {shown(was, values=case.show_values)}, is {shown(now, values=case.show_values)}"
                    yield f"{reading.source} {key!r} -> {reading.target}: {one.was} -> {one.now}: {said}"
