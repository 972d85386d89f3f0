"""The longer statements of a put.  Each is made once for a plan: to make it takes longer than to run it for a single row."""

from __future__ import annotations

from functools import lru_cache

from migrator.application.compat import legacy_rows, work_tables
from migrator.application.compat.plan import LegacyTable, Plan, Source, Target
from migrator.application.compat.work_tables import changed, former, forward, gone, identities, old, staged
from migrator.mapping import reverse_sql
from migrator.mapping.refusals import WORK, Refusal
from migrator.schema.catalogue import MADE
from migrator.system.connections import quoted

#: Statements that are kept: a put to each table of a database of production's needs about a hundred.
_MOST = 2_000

_made_once = lru_cache(maxsize=_MOST)


@_made_once
def stage_changes(source: Source, table: LegacyTable) -> str:
    """Return the statement that stages the rows of *table* which were changed."""
    columns = legacy_rows.columns_of(table)
    ids, names = ", ".join(map(quoted, identities(table))), ", ".join(map(quoted, table.identity))
    was, key = old(source.source), quoted(source.key)
    return (
        f'INSERT INTO {staged(source.source)} ({columns}, "compat:restaged", "compat:seen") SELECT {columns}, 0, 0'
        f" FROM main.{quoted(table.name)} AS s WHERE ({names}) IN"
        f" (SELECT {ids} FROM {changed(source.source)} UNION SELECT {ids} FROM {was})"
        # Not rows that were deleted and inserted again, or updated to what they were.
        f" AND NOT EXISTS (SELECT 1 FROM {was} AS o WHERE o.{key} = s.{key} COLLATE BINARY"
        f" AND NOT {reverse_sql.differ_sql('s', 'o', source.columns)})"
        f" AND NOT (s.{key} IS NULL AND EXISTS (SELECT 1 FROM {was} AS o WHERE {_unchanged(table)}))"
    )


@_made_once
def delete_carried(plan: Plan, source: str, table: LegacyTable) -> str:
    """Return the statement that deletes the rows of the carried copy of *table* that were changed or deleted."""
    ids, names = ", ".join(map(quoted, identities(table))), ", ".join(map(quoted, table.identity))
    return (
        f"DELETE FROM {plan.target}.{quoted(table.into)} WHERE ({names}) IN (SELECT {ids} FROM {old(source)} AS o"
        f" WHERE NOT EXISTS (SELECT 1 FROM main.{quoted(table.name)} AS s WHERE {_unchanged(table)}))"
    )


@_made_once
def insert_carried(plan: Plan, source: str, table: LegacyTable) -> str:
    """Return the statement that inserts the rows of *table* that were changed or inserted into its carried copy."""
    ids, names = ", ".join(map(quoted, identities(table))), ", ".join(map(quoted, table.identity))
    columns = ", ".join(map(quoted, (*((table.rowid,) if table.rowid else ()), *table.columns)))
    return (
        f"INSERT INTO {plan.target}.{quoted(table.into)} ({columns}) SELECT {columns} FROM main.{quoted(table.name)} AS s"
        f" WHERE ({names}) IN (SELECT {ids} FROM {old(source)} UNION SELECT {ids} FROM {changed(source)})"
        f" AND NOT EXISTS (SELECT 1 FROM {old(source)} AS o WHERE {_unchanged(table)})"
    )


def _unchanged(table: LegacyTable) -> str:
    """Return SQL that is true if the row ``s`` of *table* is the row ``o`` as it was before: a row that is not written makes no reader wait."""
    same = " AND ".join(
        f"s.{quoted(own)} = o.{quoted(noted)}" for own, noted in zip(table.identity, identities(table), strict=True)
    )
    return f"{same} AND NOT {reverse_sql.differ_sql('s', 'o', table.columns)}"


@_made_once
def note_deleted(source: Source, table: LegacyTable) -> str:
    """Return the statement that notes the keys of rows of *table* which were deleted."""
    key = quoted(source.key)
    return (
        f"INSERT INTO {gone(source.source)} SELECT o.{key} FROM {old(source.source)} AS o WHERE o.{key} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM main.{quoted(table.name)} AS s WHERE s.{key} = o.{key} COLLATE BINARY)"
    )


@_made_once
def rows_without_key(source: Source, table: LegacyTable) -> str:
    """Return a SELECT of the rows of *table* without a key as they were before they were changed or deleted, as JSON."""
    row = reverse_sql.row_sql("o", source.columns)
    return (
        f"SELECT {row} FROM {old(source.source)} AS o WHERE o.{quoted(source.key)} IS NULL"
        f" AND NOT EXISTS (SELECT 1 FROM main.{quoted(table.name)} AS s WHERE {_unchanged(table)})"
    )


@_made_once
def quarantine_rows_without_key(plan: Plan, source: Source) -> str:
    """Return the statement that puts the staged rows without a key into the quarantine: source, target, broken."""
    return (
        f"INSERT INTO {plan.target}.quarantine (source, legacy_key, target, broken, row) SELECT ?, NULL, ?, ?,"
        f" {reverse_sql.row_sql('s', source.columns)} FROM {staged(source.source)} AS s WHERE s.{quoted(source.key)} IS NULL"
    )


@_made_once
def quarantine_refused(plan: Plan, source: Source, number: int) -> str:
    """Return the statement that puts the refused rows of *source* into the quarantine: source, target."""
    rows, key = staged(source.source), quoted(source.key)
    return (
        f"INSERT INTO {plan.target}.quarantine (source, legacy_key, target, broken, row) SELECT ?, s.{key}, ?, f.broken,"
        f" {reverse_sql.row_sql('s', source.columns)} FROM (SELECT legacy_key, min(broken) AS broken FROM"
        f" {forward(source.target)} WHERE mapping = {number} AND broken IS NOT NULL GROUP BY legacy_key) AS f JOIN {rows} AS s"
        f" ON s.{key} = f.legacy_key COLLATE BINARY"
    )


@_made_once
def refusals(target: Target) -> tuple[Refusal, ...]:
    """Return the constraints of *target* as predicates over its work table."""
    work = forward(target.name)
    return tuple(
        Refusal(broken=broken, columns=(), where=where.replace(WORK, work), chooses=chooses)
        for broken, where, chooses in target.refusals
    )


@_made_once
def made_rows(plan: Plan, source: Source, rows: str, target: Target) -> str:
    """Return the forward SELECT of *source* over the legacy *rows*."""
    rows = _as_decided(plan, source, rows) if source.decided else rows
    sql = legacy_rows.replaced(source.forward, f"{source.database}.{source.table}", rows)
    existing = f"(SELECT NULL AS broken, * FROM {plan.target}.{quoted(target.name)})"
    sql = legacy_rows.replaced(sql, WORK, existing)
    for name in plan.lookups:
        sql = legacy_rows.replaced(sql, f"ids.{name}", work_tables.lookup(name))
    for parent in plan.targets:
        if f"ids.{parent.name}" in sql:
            # No legacy row describes a row that the owners made, but others refer to it.
            sources = ", ".join(
                f"'{name}'" for name in (*(one.source for one in parent.sources), *[MADE][: parent.made])
            )
            ids = (
                f"(SELECT legacy_key, target_id AS id FROM {plan.target}.lineage"
                f" WHERE target = '{parent.name}' AND source IN ({sources}))"
            )
            sql = legacy_rows.replaced(sql, f"ids.{parent.name}", ids)
    return sql


def _as_decided(plan: Plan, source: Source, rows: str) -> str:
    """Return the legacy *rows* with the cells as the owners decided, where the legacy cell is still the one they decided on."""
    columns = ", ".join(
        f"{reverse_sql.decided_sql('r', 'd', column) if column in source.decided else f'r.{quoted(column)}'} AS {quoted(column)}"
        for column in source.columns
    )
    return (
        f"(SELECT {columns} FROM {rows} AS r LEFT JOIN {plan.target}.decisions AS d ON d.source = '{source.source}'"
        f" AND d.decision = 'set' AND d.legacy_key = r.{quoted(source.key)} COLLATE BINARY)"
    )


@_made_once
def make_rows(plan: Plan, target: Target, source: Source, number: int) -> str:
    """Return the statement that makes target rows of the staged rows of *source* which were not seen yet."""
    given, part = ", ".join(map(quoted, source.given)), "part" if source.parts else "0"
    # Few rows: for many SQLite would read the whole lineage into a Bloom filter first.
    rows = f'(SELECT * FROM {staged(source.source)} WHERE likelihood("compat:seen" = 0, 0.000001))'
    return (
        f"INSERT INTO {forward(target.name)} ({given}, legacy_key, part, mapping, tid, restaged) SELECT {given}, legacy_key,"
        f" {part}, {number}, (SELECT l.target_id FROM {plan.target}.lineage AS l WHERE l.source = '{source.source}'"
        f" AND l.legacy_key = +f.legacy_key AND +l.target = '{target.name}' AND EXISTS (SELECT 1 FROM"
        f" {plan.target}.{quoted(target.name)} AS g WHERE g.{quoted(target.key)} = l.target_id)),"
        f' (SELECT s."compat:restaged" FROM {staged(source.source)} AS s WHERE s.{quoted(source.key)} = f.legacy_key'
        f" COLLATE BINARY) FROM ({made_rows(plan, source, rows, target)}) AS f WHERE legacy_key IS NOT NULL"
    )


@_made_once
def make_former_rows(plan: Plan, target: Target, source: Source, number: int) -> str:
    """Return the statement that makes target rows of the staged rows of *source* as they were before."""
    given = ", ".join(map(quoted, source.given))
    before = (
        f"(SELECT * FROM {old(source.source)} WHERE {quoted(source.key)} IN"
        f" (SELECT legacy_key FROM {forward(target.name)}))"
    )
    return (
        f"INSERT INTO {former(target.name)} ({given}, legacy_key, mapping) SELECT {given}, legacy_key, {number}"
        f" FROM ({made_rows(plan, source, before, target)}) WHERE legacy_key IS NOT NULL"
    )


@_made_once
def update_cells(plan: Plan, target: Target, source: Source, number: int) -> str:
    """Return the statement that writes the cells which changed legacy cells feed; '' if none is fed."""
    work, into, key = forward(target.name), f"{plan.target}.{quoted(target.name)}", quoted(target.key)
    fed = {name for names in source.uses.values() for name in names} - {target.key}
    # A column may be found through rows of other tables alone.
    fed |= {column for column, _, _ in target.references}
    linked = {name for column in source.follows for name in source.uses.get(column, ())}
    linked |= {column for column, _, _ in target.references}
    if "*" in source.follows:
        linked |= fed
    parents = {column: plan.target_table(parent) for column, parent, _ in target.references}
    settings = []
    for name in (name for name in target.columns if name in fed):
        cell = quoted(name)
        restaged = f"f.{cell}" if name in linked else f"g.{cell}"
        dangling = ""
        if name in parents:
            into_parent = f"{plan.target}.{quoted(parents[name].name)}"
            # Both forwards find no parent that has just gone.
            dangling = (
                f" WHEN NOT EXISTS (SELECT 1 FROM {into_parent} AS x WHERE x.{quoted(parents[name].key)} = g.{cell})"
                f" THEN f.{cell}"
            )
        settings.append(
            f"{cell} = CASE WHEN f.restaged THEN {restaged} WHEN o.legacy_key IS NULL THEN f.{cell}{dangling}"
            f" WHEN o.{cell} IS f.{cell} THEN g.{cell} WHEN g.{cell} IS o.{cell} THEN f.{cell}"
            f" ELSE merged_json(g.{cell}, o.{cell}, f.{cell}) END"
        )
    if not settings:
        return ""
    alias = quoted(target.name) if target.virtual else "g"
    statement = f"UPDATE {into}{'' if target.virtual else ' AS g'} SET {', '.join(settings)}"
    if target.virtual:
        statement = statement.replace("g.", f"{alias}.")
    return (
        f"{statement} FROM (SELECT * FROM {work} WHERE mapping = {number} AND tid IS NOT NULL) AS f"
        f" LEFT JOIN {former(target.name)} AS o ON o.legacy_key = f.legacy_key AND o.mapping = {number}"
        f" WHERE {alias}.{key} = f.tid"
    )


@_made_once
def compute_rest(plan: Plan, source: Source) -> str:
    """Return the statement that computes the rest of the staged rows of *source*: source, target."""
    rows, key = staged(source.source), quoted(source.key)
    back = legacy_rows.back_sql(source, f" AND l.legacy_key IN (SELECT +{key} FROM {rows})")
    # Of a legacy row that became several, the first has the rest.
    first = (
        f"SELECT min(l.rowid) FROM {plan.target}.lineage AS l WHERE l.source = ? AND l.legacy_key = +s.{key}"
        " AND +l.target = ?"
    )
    return (
        f"INSERT INTO {work_tables.REST} SELECT ({first}), b.legacy_key IS NULL,"
        f" CASE WHEN {reverse_sql.differ_sql('s', 'b', source.columns)}"
        f" THEN {reverse_sql.differences_sql('s', 'b', source.columns)} END"
        f" FROM {rows} AS s LEFT JOIN ({reverse_sql.once(back)}) AS b ON b.legacy_key = +s.{key} COLLATE BINARY"
    )
