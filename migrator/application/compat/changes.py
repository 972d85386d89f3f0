"""Counters of changes: how a mirror knows which table another connection has written to, and which rows of it.

The table ``compat_changes`` of the consolidated database has a counter for each table with legacy rows.  Triggers raise it with
each row that any connection writes, and with each row of lineage and quarantine that belongs to the table, in the writer's
transaction.  They note each row in ``compat_written``, under the number that the counter then has; the last ones are kept.
Full-text tables can have no trigger, and no counter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from migrator.application.compat import work_tables
from migrator.application.compat.plan import Plan
from migrator.application.compat.work_tables import Run
from migrator.schema.catalogue import MIRRORED_CHANGES, MIRRORED_ROWS, MIRRORED_SEQUENCE, MIRRORED_WRITTEN
from migrator.system.connections import quoted

#: Written rows that are noted for each table [rows].
KEPT = 500

#: The tables that mirrors add to a consolidated database, without its name.
_TABLES = (
    f"{MIRRORED_ROWS} (source TEXT NOT NULL, legacy_key, UNIQUE (source, legacy_key))",
    f"{MIRRORED_SEQUENCE} (source TEXT PRIMARY KEY, seq INTEGER NOT NULL)",
    f"{MIRRORED_CHANGES} (name TEXT PRIMARY KEY, changes INTEGER NOT NULL) WITHOUT ROWID",
    # key is of the table itself, or with a source the legacy key of a row whose lineage or quarantine changed.
    f"{MIRRORED_WRITTEN} (name TEXT, number INTEGER, source TEXT, key, PRIMARY KEY (name, number)) WITHOUT ROWID",
)


class _Unique(NamedTuple):
    """A UNIQUE constraint or index.

    Attributes:
        columns: Its columns; None where one of them is an expression.
        collations: The collation of each.
    """

    columns: tuple[str, ...] | None
    collations: tuple[str, ...]


def counters(run: Run, target: str, names: frozenset[str] = frozenset()) -> dict[str, int]:
    """Return the counter of each table of *target*, by default of all; empty where no mirror has written yet."""
    try:
        return dict(run(_counters_sql(target, names)).fetchall())
    except sqlite3.OperationalError:
        # Looking for the table first would take as long as the rest of a look for changes.
        if has(run, target, MIRRORED_CHANGES):
            raise
        return {}


@lru_cache(maxsize=1_000)
def _counters_sql(target: str, names: frozenset[str]) -> str:
    among = f" WHERE name IN ({', '.join(map(_literal, sorted(names)))})" if names else ""
    return f"SELECT name, changes FROM {target}.{MIRRORED_CHANGES}{among}"


def keys_since(target: str, name: str, was: int) -> str:
    """Return a SELECT of the noted keys of the table *name* since its counter was *was*, its own and those of legacy rows."""
    return f"SELECT key FROM {target}.{MIRRORED_WRITTEN} WHERE name = {_literal(name)} AND number > {was}"


def followed(run: Run, plan: Plan) -> frozenset[str]:
    """Return the names of those counters of *plan* whose triggers are all there.

    A program may have dropped a table and made it anew, or made a UNIQUE index whose conflicts no trigger notes yet.
    """
    if not has(run, plan.target, MIRRORED_WRITTEN):
        return frozenset()
    there = {name for (name,) in run(f"SELECT name FROM {plan.target}.sqlite_schema WHERE type = 'trigger'").fetchall()}
    if any(trigger not in there for trigger, _ in _triggers_of_keys()):
        return frozenset()
    counted = _counted(plan)
    tables = [
        name
        for name, key in counted.items()
        if all(trigger in there for trigger, _ in _triggers_of(name, key, _uniques(run, plan.target, name)))
    ]
    return frozenset([*tables, *(counter_of_keys(target.name) for target in plan.targets)])


def are_made(run: Run, plan: Plan) -> bool:
    """Return whether the tables of mirrors and all their triggers are there."""
    return len(followed(run, plan)) == len(_counted(plan)) + len(plan.targets)


def make_tables(run: Run, plan: Plan) -> None:
    """Make the tables of mirrors and the triggers that count, in the caller's transaction."""
    target = plan.target
    for table in _TABLES:
        run(f"CREATE TABLE IF NOT EXISTS {target}.{table}")
    declared = list(_triggers_of_keys())
    for name, key in _counted(plan).items():
        if not run(f"SELECT 1 FROM {target}.sqlite_schema WHERE type = 'table' AND name = ?", (name,)).fetchone():
            # A program has dropped it.
            continue
        run(f"INSERT OR IGNORE INTO {target}.{MIRRORED_CHANGES} VALUES (?, 0)", (name,))
        declared += _triggers_of(name, key, _uniques(run, target, name))
    for one in plan.targets:
        run(f"INSERT OR IGNORE INTO {target}.{MIRRORED_CHANGES} VALUES (?, 0)", (counter_of_keys(one.name),))
    for trigger, rest in (one for one in declared if one[1]):
        run(f"DROP TRIGGER IF EXISTS {target}.{quoted(trigger)}")
        run(f"CREATE TRIGGER {target}.{quoted(trigger)} {rest}")


def counter_of_keys(name: str) -> str:
    """Return the name of the counter that is raised when a row of the table *name* gets or loses its legacy key."""
    return f"lineage {name}"


def are_all_noted(run: Run, target: str, name: str, was: int, now: int) -> bool:
    """Return whether each row is noted that was written or replaced between the counters *was* and *now* of the table *name*."""
    noted = f"SELECT count(*) FROM {target}.{MIRRORED_WRITTEN} WHERE name = ? AND number > ?"
    return bool(run(noted, (name, was)).fetchone() == (now - was,))


def copy_written(run: Run, target: str, name: str, source: str, was: int) -> None:
    """Insert the keys of the noted rows of the table *name* since its counter was *was*.

    With a *source* they are legacy keys, else keys of the table itself.
    """
    written = f"{target}.{MIRRORED_WRITTEN} AS w"
    since = "w.name = ? AND w.number > ?"
    if not source:
        run(f"INSERT INTO {work_tables.WRITTEN} (key) SELECT DISTINCT w.key FROM {written} WHERE {since}", (name, was))
    else:
        run(
            f"INSERT INTO {work_tables.WRITTEN} (key) SELECT w.key FROM {written} WHERE {since} AND w.source = ?"
            f" UNION SELECT l.legacy_key FROM {written} CROSS JOIN {target}.lineage AS l ON l.target = w.name"
            f" AND l.target_id = +w.key WHERE {since} AND w.source IS NULL AND l.source = ?",
            (name, was, source, name, was, source),
        )


def _counted(plan: Plan) -> dict[str, str]:
    """Return the key of each table of *plan* with legacy rows that can have triggers; '' if it has several columns."""
    keys = {target.name: "" if target.virtual else target.key for target in plan.targets}
    counted = {}
    for database in plan.databases.values():
        for table in database.tables.values():
            if table.kind == "mapped" and keys[table.into]:
                counted[table.into] = keys[table.into]
            elif table.kind == "carried":
                counted[table.into] = table.identity[0] if len(table.identity) == 1 else ""
    return dict(sorted(counted.items()))


def _triggers_of_keys() -> Iterator[tuple[str, str]]:
    """Yield name and declaration of each trigger on lineage and quarantine."""
    for name in ("lineage", "quarantine"):
        for when, rows in (("INSERT", ("new",)), ("UPDATE", ("old", "new")), ("DELETE", ("old",))):
            body = " ".join(_noted(f"{row}.target", f"{row}.source", f"{row}.legacy_key") for row in rows)
            yield f"{MIRRORED_CHANGES} {when.lower()} {name}", f"AFTER {when} ON {name} BEGIN {body} END"
    keys = "UPDATE OF source, legacy_key, target, target_id"
    for when, rows in (("INSERT", ("new",)), (keys, ("old", "new")), ("DELETE", ("old",))):
        body = " ".join(_raised(f"'lineage ' || {row}.target") for row in rows)
        yield f"{MIRRORED_CHANGES} keys {when.split()[0].lower()}", f"AFTER {when} ON lineage BEGIN {body} END"


def _triggers_of(name: str, key: str, uniques: list[_Unique]) -> Iterator[tuple[str, str]]:
    """Yield name and declaration of each trigger on the table *name*."""
    table, literal, column = quoted(name), _literal(name), quoted(key)
    for when, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
        body = _noted(literal, "NULL", f"{row}.{column}") if key else _raised(literal)
        yield f"{MIRRORED_CHANGES} {when.lower()} {name}", f"AFTER {when} ON {table} BEGIN {body} END"
    if not key:
        return
    moved = _noted(literal, "NULL", f"old.{column}")
    yield (
        f"{MIRRORED_CHANGES} move {name}",
        f"AFTER UPDATE ON {table} WHEN old.{column} IS NOT new.{column} BEGIN {moved} END",
    )
    for unique in uniques:
        if unique.columns is None:
            # Its conflicts cannot be noted: no trigger has this name, so that the table counts as not followed.
            yield _conflict(name, "insert", unique), ""
            continue
        if unique == ((key,), ("BINARY",)):
            continue
        same = " AND ".join(
            f"v.{quoted(one)} = new.{quoted(one)} COLLATE {quoted(collation)}"
            for one, collation in zip(unique.columns, unique.collations, strict=True)
        )
        for when, itself in (("INSERT", "new"), ("UPDATE", "old")):
            # Before an INSERT a key that SQLite is to give is -1.
            other = f"(v.{column} IS NOT {itself}.{column} COLLATE BINARY OR {itself}.{column} IS -1)"
            replaced = f"FROM {table} AS v WHERE {same} AND {other}"
            # Of a partial index several rows may have the values: each has a number.
            body = (
                f"INSERT INTO {MIRRORED_WRITTEN} SELECT {literal}, (SELECT changes FROM {MIRRORED_CHANGES} WHERE name = {literal})"
                f" + row_number() OVER (), NULL, v.{column} {replaced};"
                f" UPDATE {MIRRORED_CHANGES} SET changes = changes + (SELECT count(*) {replaced}) WHERE name = {literal};"
            )
            yield (
                _conflict(name, when.lower(), unique),
                f"BEFORE {when} ON {table} WHEN EXISTS (SELECT 1 {replaced}) BEGIN {body} END",
            )


def _conflict(name: str, when: str, unique: _Unique) -> str:
    """Return the name of the trigger that notes the rows of the table *name* with the values of a new row."""
    columns = "an expression" if unique.columns is None else ", ".join(unique.columns)
    return f"{MIRRORED_CHANGES} conflict {when} {name} ({columns}) {' '.join(unique.collations)}"


def _raised(name: str) -> str:
    """Return the statement that raises the counter of the table whose name the SQL *name* gives."""
    return f"UPDATE {MIRRORED_CHANGES} SET changes = changes + 1 WHERE name = {name};"


def _noted(name: str, source: str, key: str) -> str:
    """Return the statements that count and note a row, and forget the oldest.

    No INSERT OR REPLACE: with an OR of its own the writer's statement would decide what happens in a conflict.
    """
    return (
        f"{_raised(name)} INSERT INTO {MIRRORED_WRITTEN} SELECT name, changes, {source}, {key} FROM {MIRRORED_CHANGES}"
        f" WHERE name = {name}; DELETE FROM {MIRRORED_WRITTEN} WHERE name = {name} AND number <="
        f" (SELECT changes - {KEPT} FROM {MIRRORED_CHANGES} WHERE name = {name});"
    )


def has(run: Run, target: str, table: str) -> bool:
    """Return whether the consolidated database *target* has *table*."""
    return run(f"SELECT 1 FROM {target}.sqlite_schema WHERE name = ?", (table,)).fetchone() is not None


def _uniques(run: Run, target: str, name: str) -> list[_Unique]:
    """Return the UNIQUE constraints and indexes of the table *name*; a primary key that is the rowid is none."""
    indexes = run('SELECT name FROM pragma_index_list(?, ?) WHERE "unique" ORDER BY seq', (name, target)).fetchall()
    found = []
    for (index,) in indexes:
        asked = "SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key ORDER BY seqno"
        parts = run(asked, (index, target)).fetchall()
        whole = all(column is not None for column, _ in parts)
        columns = tuple(column for column, _ in parts) if whole else None
        found.append(_Unique(columns, tuple(collation for _, collation in parts)))
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
