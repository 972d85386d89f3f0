"""SQL for the rows of legacy tables, as the consolidated set has them: rebuilt by back and rest, or out of the quarantine."""

from __future__ import annotations

import re
from functools import lru_cache

from migrator.application.compat import work_tables
from migrator.application.compat.plan import LegacyTable, Plan, Source
from migrator.mapping import reverse_sql
from migrator.system.connections import quoted

#: SQL that is kept, since to make it takes longer than to run it for a single row.
_MOST = 2_000


@lru_cache(maxsize=_MOST)
def rows_sql(plan: Plan, source: Source, keys: str = "", *, adopted: bool = False, naming: bool = False) -> str:
    """Return a SELECT of every column of the legacy rows of *source*.

    Args:
        plan: The plan of the consolidated database.
        source: The mapping.
        keys: A SELECT: only of rows with these keys.
        adopted: Whether this connection has adopted rows of *source* in memory.
        naming: Whether it has adopted rows in memory that those of *source* name.
    """
    among = f" AND l.legacy_key IN ({keys})" if keys else ""
    back = back_sql(source, among)
    if naming:
        back = naming_adopted(plan, back)
    columns = ", ".join(map(quoted, source.columns))
    kept = ", ".join(f"{reverse_sql.from_row_sql('q.row', name)} AS {quoted(name)}" for name in source.columns)
    among_kept = f" AND q.legacy_key IN ({keys})" if keys else ""
    if adopted:
        among_kept += (
            f" AND q.rowid NOT IN (SELECT quarantined FROM {work_tables.TAKEN} WHERE source = '{source.source}')"
        )
    backs = [back, of_adopted(plan, back)] if adopted else [back]
    rows = [f"SELECT {columns} FROM ({reverse_sql.overlaid_sql(one, source.columns)})" for one in backs]
    quarantined = (
        f"FROM {plan.target}.quarantine AS q WHERE q.source = '{source.source}' AND q.target = '{source.target}'"
    )
    return "\nUNION ALL\n".join([*rows, f"SELECT {kept} {quarantined}{among_kept}"])


def of_adopted(plan: Plan, back: str) -> str:
    """Return the *back* SELECT of the rows that were adopted in memory."""
    return re.sub(rf"\b{plan.target}\.lineage AS l\b", f"{work_tables.ADOPTED} AS l", back)


def naming_adopted(plan: Plan, back: str) -> str:
    """Return the *back* SELECT with the keys of rows that were adopted in memory, where it names rows of other tables."""
    columns = "SELECT source, legacy_key, target, target_id, rest FROM"
    every = f"({columns} {plan.target}.lineage UNION ALL {columns} {work_tables.ADOPTED})"
    return re.sub(rf"\b{plan.target}\.lineage AS (?!l\b)", f"{every} AS ", back)


@lru_cache(maxsize=_MOST)
def back_sql(source: Source, condition: str = "") -> str:
    """Return the back SELECT of *source*, with *condition* on its lineage ``l``."""
    mark = f"l.target = '{source.target}'"
    if source.back.count(mark) != 1:
        raise ValueError(f"{source.source}: the back SELECT has to name its target once")
    # With a condition on keys, the index on source and key: statistics speak for that on the target, which reads every row.
    return source.back.replace(mark, f"+{mark}{condition}") if condition else source.back


@lru_cache(maxsize=_MOST)
def are_of_their_own(plan: Plan, source: Source) -> bool:
    """Return whether a legacy row of *source* depends on no other rows of its target table than those that lineage gives it."""
    return len(re.findall(rf"\b{plan.target}\.{re.escape(source.target)}\b", source.back)) == 1


@lru_cache(maxsize=_MOST)
def replaced(statement: str, name: str, by: str) -> str:
    """Return *statement* with the qualified table *name* replaced."""
    return re.sub(rf"\b{re.escape(name)}\b(?!\.)", lambda _: by, statement)


@lru_cache(maxsize=_MOST)
def columns_of(table: LegacyTable) -> str:
    """Return the columns of *table* as SQL."""
    return ", ".join(map(quoted, table.columns))
