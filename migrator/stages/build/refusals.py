"""Constraints of the specification as predicates: which of them refuses a row of the work table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrator.mapping.model import TableMapping
from migrator.schema.model import Table
from migrator.system.connections import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A constraint as a predicate over the work table.

    Attributes:
        broken: Its name in the quarantine.
        where: SQL that is true for rows that break it, among those that no other constraint refuses.
        chooses: Whether it chooses among rows; else each row is judged by itself.
    """

    broken: str
    where: str
    chooses: bool = False


def refusals_of(shape: Table | None, target: str, sources: Sequence[TableMapping]) -> Iterator[Refusal]:
    """Yield each constraint of the table, those that choose among rows last."""
    if shape is None:
        yield no_integer("rowid")
        return
    numbered = any(source.number for source in sources)
    for column in shape.columns:
        if column.not_null:
            yield Refusal(broken=f"NOT NULL {column.name}", where=f"{quoted(column.name)} IS NULL")
    for check in shape.checks:
        yield Refusal(broken=f"CHECK {check.expression}", where=f"NOT ({check.expression})")
    for reference in shape.foreign_keys:
        (child,), (parent,) = reference.columns, reference.parent_columns
        yield Refusal(
            broken=f"FOREIGN KEY {child}",
            where=f"{quoted(child)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {target}.{quoted(reference.parent)} AS p"
            f" WHERE p.{quoted(parent)} = forward.{quoted(child)})",
        )
    keep = next((source.keep for source in sources if source.keep), "")
    key = next(column for column in shape.columns if column.primary_key)
    if not numbered:
        if key.type == "INTEGER":
            yield no_integer(key.name)
        yield _only_one([key.name], keep, f"PRIMARY KEY {key.name}")
    for unique in shape.uniques:
        if unique.origin == "unique":
            names = [str(column.name) for column in unique.columns]
            yield _only_one(names, keep, f"UNIQUE {', '.join(names)}")


def no_integer(key: str) -> Refusal:
    """Return the refusal of rows whose primary key is not an integer."""
    return Refusal(broken=f"PRIMARY KEY {key}", where=f"typeof({quoted(key)}) <> 'integer'")


def without_id(key: str) -> Refusal:
    """Return the refusal of placed rows whose assigned primary key is not an integer."""
    return Refusal(
        broken=f"PRIMARY KEY {key}", where="rowid IN (SELECT row FROM temp.placed WHERE typeof(id) <> 'integer')"
    )


def _only_one(names: Sequence[str], keep: str, broken: str) -> Refusal:
    partition = ", ".join(quoted(name) for name in names)
    present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
    order = f"{keep}, mapping, legacy_key, part" if keep else "mapping, legacy_key, part"
    return Refusal(
        broken=broken,
        where=f"rowid IN (SELECT other FROM (SELECT rowid AS other, row_number() OVER (PARTITION BY {partition}"
        f" ORDER BY {order}) AS place FROM temp.forward WHERE broken IS NULL AND {present}) WHERE place > 1)",
        chooses=True,
    )


def mark_broken(connection: sqlite3.Connection, refusals: Sequence[Refusal], *, whole_rows: bool) -> None:
    """Mark each row with the first constraint that it breaks; of a legacy row with several parts, all of them."""
    # What is asked of each row by itself is asked in one pass; what chooses among rows comes after, one by one.
    by_themselves = [refusal for refusal in refusals if not refusal.chooses]
    for together in (by_themselves, *([refusal] for refusal in refusals if refusal.chooses)):
        if together:
            first = " ".join(f"WHEN {refusal.where} THEN ?" for refusal in together)
            connection.execute(
                f"UPDATE temp.forward SET broken = CASE {first} END WHERE broken IS NULL"
                f" AND ({' OR '.join(f'({refusal.where})' for refusal in together)})",
                [refusal.broken for refusal in together],
            )
    if whole_rows:
        connection.execute(
            "UPDATE temp.forward SET broken = other.broken FROM (SELECT mapping AS from_mapping, legacy_key AS from_key,"
            " min(broken) AS broken FROM temp.forward WHERE broken IS NOT NULL GROUP BY 1, 2) AS other"
            " WHERE forward.broken IS NULL AND forward.mapping = from_mapping AND forward.legacy_key IS from_key"
        )
