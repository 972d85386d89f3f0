"""Constraints of the specification as predicates: which of them refuses a row of the work table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from migrator.system.connections import quoted

if TYPE_CHECKING:
    from migrator.mapping.model import TableMapping
    from migrator.schema.model import Index, Schema

#: The work table of a build.
WORK = "temp.forward"


class Executes(Protocol):
    """A connection, or what runs statements on one."""

    def execute(self, sql: str, parameters: Sequence[object] = ..., /) -> sqlite3.Cursor:
        """Run a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A constraint as a predicate over the work table.

    Attributes:
        broken: Its name in the quarantine.
        columns: The target columns that it is about.
        where: SQL that is true for rows that break it, among those that no other constraint refuses.
        chooses: Whether it chooses among rows; else each row is judged by itself.
    """

    broken: str
    columns: tuple[str, ...]
    where: str
    chooses: bool = False


def refusals_of(
    schema: Schema, table: str, target: str, sources: Sequence[TableMapping], work: str = WORK, first: str = ""
) -> Iterator[Refusal]:
    """Yield each constraint of *table* in *schema*, those that choose among rows last, as predicates over *work*.

    Of several rows the first by the ORDER BY term *first* is kept; '' for the order of the mapping alone.
    """
    shape = next((one for one in schema.tables if one.name == table), None)
    if shape is None:
        yield no_integer("rowid")
        return
    numbered = any(source.number for source in sources)
    for column in shape.columns:
        if column.not_null:
            yield Refusal(
                broken=f"NOT NULL {column.name}", columns=(column.name,), where=f"{quoted(column.name)} IS NULL"
            )
    for check in shape.checks:
        yield Refusal(broken=f"CHECK {check.expression}", columns=check.columns, where=f"NOT ({check.expression})")
    for reference in shape.foreign_keys:
        (child,), (parent,) = reference.columns, reference.parent_columns
        yield Refusal(
            broken=f"FOREIGN KEY {child}",
            columns=(child,),
            where=f"{quoted(child)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {target}.{quoted(reference.parent)} AS p"
            f" WHERE p.{quoted(parent)} = forward.{quoted(child)})",
        )
    keep = ", ".join(filter(None, (first, next((source.keep for source in sources if source.keep), ""))))
    key = next(column for column in shape.columns if column.primary_key)
    if not numbered:
        if key.type == "INTEGER":
            yield no_integer(key.name)
        yield _only_one([key.name], "", keep, f"PRIMARY KEY {key.name}", work)
    for unique in schema.uniques(table):
        yield _only_one(_names(unique), unique.where or "", keep, unique.constraint, work)


def _names(unique: Index) -> list[str]:
    """Return the columns of an index, which is over columns alone in the specification and its amendments."""
    return [str(column.name) for column in unique.columns]


def no_integer(key: str) -> Refusal:
    """Return the refusal of rows whose primary key is not an integer."""
    return Refusal(broken=f"PRIMARY KEY {key}", columns=(key,), where=f"typeof({quoted(key)}) <> 'integer'")


def without_id(key: str) -> Refusal:
    """Return the refusal of placed rows whose assigned primary key is not an integer."""
    return Refusal(
        broken=f"PRIMARY KEY {key}",
        columns=(key,),
        where="rowid IN (SELECT row FROM temp.placed WHERE typeof(id) <> 'integer')",
    )


def _only_one(names: Sequence[str], where: str, keep: str, broken: str, work: str) -> Refusal:
    """Return the refusal of all but one of the rows with equal *names*, among those for which *where* is true."""
    partition = ", ".join(quoted(name) for name in names)
    present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names) + (f" AND ({where})" if where else "")
    order = f"{keep}, mapping, legacy_key, part" if keep else "mapping, legacy_key, part"
    return Refusal(
        broken=broken,
        columns=tuple(names),
        where=f"rowid IN (SELECT other FROM (SELECT rowid AS other, row_number() OVER (PARTITION BY {partition}"
        f" ORDER BY {order}) AS place FROM {work} WHERE broken IS NULL AND {present}) WHERE place > 1)",
        chooses=True,
    )


def mark_broken(connection: Executes, refusals: Sequence[Refusal], *, whole_rows: bool, work: str = WORK) -> None:
    """Mark each row of *work* with the first constraint it breaks; of a legacy row with several parts, all of them."""
    # What is asked of each row by itself is asked in one pass; what chooses among rows comes after, one by one.
    by_themselves = [refusal for refusal in refusals if not refusal.chooses]
    for together in (by_themselves, *([refusal] for refusal in refusals if refusal.chooses)):
        if together:
            first = " ".join(f"WHEN {refusal.where} THEN ?" for refusal in together)
            connection.execute(
                f"UPDATE {work} AS forward SET broken = CASE {first} END WHERE broken IS NULL"
                f" AND ({' OR '.join(f'({refusal.where})' for refusal in together)})",
                [refusal.broken for refusal in together],
            )
    if whole_rows:
        connection.execute(
            f"UPDATE {work} AS forward SET broken = other.broken FROM (SELECT mapping AS from_mapping, legacy_key AS from_key,"
            f" min(broken) AS broken FROM {work} WHERE broken IS NOT NULL GROUP BY 1, 2) AS other"
            " WHERE forward.broken IS NULL AND forward.mapping = from_mapping AND forward.legacy_key IS from_key"
        )
