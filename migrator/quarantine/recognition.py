"""Recognizes a corrected copy of a quarantined row among new rows: by its cells, since no lineage leads to it.

Two tables of legacy rows are compared.  *New* rows are rebuilt from new rows of the target table; *set aside* ones are in
quarantine, or were deleted from it while the set was in use.  Who deletes a row from quarantine and inserts one like it has moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrator.mapping import reverse_sql
from migrator.system.connections import quoted

#: Work tables: the new legacy rows, and the quarantined ones with ``dropped``: whether the row was deleted from quarantine.
NEW, SET_ASIDE = "temp.back_now", "temp.set_aside"
#: Least number of equal cells for which a new row counts as a quarantined one: two may be equal by chance.
_ALIKE = 3
#: Most quarantined rows with an equal cell among which a new row is searched.
_FEW = 8
#: Characters of a time to the second: a person who copies a row may leave out fractions.
_TO_THE_SECOND = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """New rows and the quarantined rows that they are, by the rowids of :data:`NEW` and :data:`SET_ASIDE`.

    Attributes:
        same: Pairs that are the same row.
        doubtful: Pairs of a new row and one that was deleted from quarantine, which have a cell in common and are not surely one.
    """

    same: tuple[tuple[int, int], ...]
    doubtful: tuple[tuple[int, int], ...]


def informs(expression: str) -> str:
    """Return SQL that is true if a legacy cell carries information: it is not NULL, '' or 0."""
    return f"coalesce({expression} NOT IN ('', 0), 0)"


def pairs(
    run: Callable[..., Any], columns: Iterable[str], uses: Mapping[str, Sequence[str]], key: str, number: str
) -> Pairs:
    """Return which rows of :data:`NEW` are rows of :data:`SET_ASIDE`; each row is in one pair at most.

    They are the same if more than half of the cells with information in both are equal, and at least :data:`_ALIKE`; if no other pair
    agrees better, or as well with a row that was deleted from quarantine; if at most a third of the texts in both differ, since rows of two tokens may have every number in common; and, unless
    the quarantined row was deleted from quarantine, if both have the same time to the second, or the quarantined row has none.

    Args:
        run: Runs a statement.
        columns: The legacy columns.
        uses: Legacy column -> target columns that are computed from it.
        key: The legacy column that names a row.
        number: The target column that holds the time of a row.
    """
    compared = [name for name in columns if name in uses and name != key]
    # Only pairs with an equal cell that few quarantined rows have, not all pairs.
    candidates = " UNION ".join(
        f"SELECT n.rowid AS new, q.rowid AS old FROM {SET_ASIDE} AS q JOIN {NEW} AS n"
        f" ON n.{quoted(name)} = q.{quoted(name)} WHERE {informs(f'q.{quoted(name)}')} AND q.{quoted(name)} IN"
        f" (SELECT {quoted(name)} FROM {SET_ASIDE} GROUP BY 1 HAVING count(*) <= {_FEW})"
        for name in compared
    )
    both = [f"({informs(f'q.{quoted(name)}')} AND {informs(f'n.{quoted(name)}')})" for name in compared]
    agree = [
        f"({inform} AND NOT {reverse_sql.differ_sql('q', 'n', [name])})"
        for inform, name in zip(both, compared, strict=True)
    ]
    times = [name for name in compared if tuple(uses[name]) == (number,)]
    same_time = " AND ".join(["1", *(_same_time(quoted(name)) for name in times)])
    texts = {
        name: f"({inform} AND typeof(q.{quoted(name)}) = 'text' AND typeof(n.{quoted(name)}) = 'text')"
        for inform, name in zip(both, compared, strict=True)
        if name not in times
    }
    clashes = [f"({text} AND q.{quoted(name)} <> n.{quoted(name)})" for name, text in texts.items()]
    found = run(f"""
        SELECT new, old, agree * 2 > informs AND agree >= {_ALIKE} AND clashes * 3 <= texts AND (timely OR dropped), dropped
        FROM (
            SELECT
                new, old, q.dropped AS dropped, {same_time} AS timely,
                {_sum(agree)} AS agree, {_sum(both)} AS informs, {_sum(clashes)} AS clashes, {_sum(texts.values())} AS texts
            FROM ({candidates}) AS p
            CROSS JOIN {NEW} AS n ON n.rowid = p.new
            CROSS JOIN {SET_ASIDE} AS q ON q.rowid = p.old
        )
        ORDER BY agree DESC, dropped DESC, old, new
    """).fetchall()
    same = _matched((new, old) for new, old, sure, _ in found if sure)
    new_ones, old_ones = {new for new, _ in same}, {old for _, old in same}
    doubtful = _matched(
        (new, old) for new, old, _, dropped in found if dropped and new not in new_ones and old not in old_ones
    )
    return Pairs(same=same, doubtful=doubtful)


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms) or "0"


def _same_time(name: str) -> str:
    """Return SQL that is true if the column *name* has one time in both rows, or the quarantined row has none there."""
    was, now = (f"substr(utc(CAST({row}.{name} AS BLOB)), 1, {_TO_THE_SECOND})" for row in "qn")
    return f"coalesce({was} IS {now} OR {was} IS NULL, 1)"


def _matched(found: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return those of the pairs, the best first, of which neither row is in a better one."""
    taken: set[tuple[str, int]] = set()
    matched = []
    for new, old in found:
        if not taken & {("new", new), ("old", old)}:
            taken |= {("new", new), ("old", old)}
            matched.append((new, old))
    return tuple(matched)
