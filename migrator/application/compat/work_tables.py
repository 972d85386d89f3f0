"""The tables of a mirror: the legacy schema in memory, and the TEMP tables and triggers that note what is written to it.

All of them are made when the connection is opened: a ROLLBACK takes away TEMP objects that were made in its transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from migrator.application.compat.plan import LegacyDatabase, LegacyTable, Plan, Source, Target
from migrator.system.connections import folded, quoted

#: Runs a statement beside those of the caller, and returns its cursor.
Run = Callable[..., sqlite3.Cursor]

#: Whether rows are being loaded, and whether foreign keys are to be checked.
STATE = 'temp."compat:state"'

#: The evidence of a lookup.
EVIDENCE = 'temp."compat:evidence"'
#: The key of a row that has a unique value of a new one.
RIVAL = 'temp."compat:rival"'
#: The rest of the staged rows of one legacy table: the row of lineage, whether back does not give the row, and the rest.
REST = 'temp."compat:rest"'
#: The keys of rows that another connection has written to, and the rowids that the mirror's rows of them had.
WRITTEN = 'temp."compat:written"'
#: Lineage that a reader gives to rows of new code: what the next writer records in the file.
ADOPTED = 'temp."compat:adopted"'
#: The source and the rowid of quarantined rows that rows in ADOPTED are, corrected.
TAKEN = 'temp."compat:taken"'
#: The keys that an adoption gives to target rows.
GIVEN = 'temp."compat:given"'
#: The source and the legacy key of rows in ADOPTED as they were loaded.
SHOWN = 'temp."compat:shown"'
#: A table whose rows give rowids that are known to be ours.
ROWID = 'temp."compat:rowid"'
#: The list of databases as the caller knows them; its name comes before that of SQLite's own, which main still has.
DATABASE_LIST = "pragma_database_list"
#: The most columns that evidence has.
_WIDTH = 16


def old(source: str) -> str:
    """Return the table of the rows of a legacy table as they were before the transaction changed them."""
    return f"temp.{quoted(f'compat:old:{source}')}"


def changed(source: str) -> str:
    """Return the table of the identities of rows that the transaction inserted or updated."""
    return f"temp.{quoted(f'compat:changed:{source}')}"


def staged(source: str) -> str:
    """Return the table of the legacy rows that are to be put into the consolidated set."""
    return f"temp.{quoted(f'compat:staged:{source}')}"


def gone(source: str) -> str:
    """Return the table of the keys of deleted legacy rows."""
    return f"temp.{quoted(f'compat:gone:{source}')}"


def forward(target: str) -> str:
    """Return the work table of the rows of a target table, as :mod:`migrator.mapping.refusals` judges them."""
    return f"temp.{quoted(f'compat:forward:{target}')}"


def former(target: str) -> str:
    """Return the table of what forward makes of the rows as they were before."""
    return f"temp.{quoted(f'compat:former:{target}')}"


def lookup(name: str) -> str:
    """Return the work table of a lookup."""
    return f"temp.{quoted(f'compat:ids:{name}')}"


def bound(value: object) -> tuple[str, object]:
    """Return SQL with one parameter for *value*, and the parameter: a text may hold undecodable bytes as surrogates."""
    if isinstance(value, str):
        return "CAST(? AS TEXT)", value.encode("utf-8", "surrogateescape")
    return "?", value


def insert_key(run: Run, key: object) -> None:
    """Insert the legacy *key* into :data:`RIVAL`."""
    sql, given = bound(key)
    run(f"INSERT INTO {RIVAL} VALUES ({sql})", (given,))


def identities(table: LegacyTable) -> list[str]:
    """Return the names of the columns that hold a row's identity in the work tables of *table*."""
    return [f"compat:{number}" for number, _ in enumerate(table.identity)]


def concerned(plan: Plan, database: LegacyDatabase) -> list[Target]:
    """Return the target tables that a write to *database* may change, parents before children."""
    names = {
        target.name for target in plan.targets if any(source.database == database.name for source in target.sources)
    }
    names |= {stub.target for stub in plan.stubs if stub.database == database.name}
    for target in plan.targets:
        if any(parent in names for _, parent, _ in target.references):
            names.add(target.name)
    return [target for target in plan.targets if target.name in names]


def make(run: Run, plan: Plan, database: LegacyDatabase, path: Path) -> None:
    """Make the legacy schema of *database*, whose file was at *path*, in ``main``, and every work table.

    Raises:
        sqlite3.Error: The schema needs a module, collation or function that is not here.
    """
    for _, _, _, sql in database.schema:
        run(sql)
    for mark, number in zip(("user_version", "application_id"), database.marks, strict=True):
        run(f"PRAGMA main.{mark} = {number}")
    for statement in _work_tables(plan, database):
        run(statement)
    run(
        f"CREATE TEMP VIEW {DATABASE_LIST} AS SELECT seq, name, CASE name WHEN 'main' THEN CAST(x'{os.fsencode(path).hex()}' AS TEXT)"
        f" ELSE file END AS file FROM main.{DATABASE_LIST} WHERE name <> '{plan.target}' AND (name <> 'temp' OR EXISTS ("
        f"SELECT 1 FROM temp.sqlite_schema WHERE name NOT LIKE 'compat:%' AND name <> '{DATABASE_LIST}'))"
    )


def _work_tables(plan: Plan, database: LegacyDatabase) -> Iterator[str]:
    yield f"CREATE TABLE {STATE} (loading, references_checked)"
    yield f"INSERT INTO {STATE} VALUES (0, 0)"
    for table in database.tables.values():
        if table.kind in ("mapped", "carried"):
            mapped = plan.source_of(database.name, table.name)
            yield from _noting(database, table, mapped.key if mapped else "")
            yield from _checking_references(database, table)
    for target in concerned(plan, database):
        declared = ", ".join(
            f"{quoted(name)} {type_}" for name, type_ in zip(target.columns, target.types, strict=True)
        )
        work = "legacy_key, part, mapping, broken, tid, restaged"
        yield f"CREATE TABLE {forward(target.name)} ({declared}, {work})"
        yield f"CREATE TABLE {former(target.name)} ({declared}, legacy_key, mapping)"
        for source in target.sources:
            yield from _staging(plan, source)
    yield f"CREATE TABLE {RIVAL} (key)"
    yield f"CREATE TABLE {WRITTEN} (key, row INTEGER)"
    yield f"CREATE TABLE {ROWID} (row)"
    yield f"CREATE TABLE {ADOPTED} (source, legacy_key, target, target_id, rest)"
    yield f"CREATE TABLE {TAKEN} (source, quarantined)"
    yield f"CREATE TABLE {GIVEN} (key, id)"
    yield f"CREATE TABLE {SHOWN} (source, key)"
    yield f"CREATE TABLE {REST} (lineage_row INTEGER, missing, rest)"
    yield f"CREATE TABLE {EVIDENCE} ({', '.join(f'column{number}' for number in range(1, _WIDTH + 1))})"
    for name, one in plan.lookups.items():
        yield f"CREATE TABLE {lookup(name)} ({', '.join(map(quoted, one.columns))})"
        yield f"CREATE INDEX temp.{quoted(f'compat:key:{name}')} ON {_bare(lookup(name))} ({quoted(one.columns[0])})"


def _staging(plan: Plan, source: Source) -> Iterator[str]:
    table = plan.databases[source.database].tables[folded(source.table)]
    yield f'CREATE TABLE {staged(source.source)} ({_typed(table)}, "compat:restaged", "compat:seen")'
    yield (
        f"CREATE INDEX temp.{quoted(f'compat:staged key:{source.source}')}"
        f" ON {_bare(staged(source.source))} ({quoted(source.key)} COLLATE BINARY)"
    )
    yield f"CREATE TABLE {gone(source.source)} (key)"


def _noting(database: LegacyDatabase, table: LegacyTable, key: str) -> Iterator[str]:
    """Yield the tables and triggers that note each row as it was, and each row that was written.

    SQLite fires no trigger for a row that REPLACE deletes: BEFORE INSERT and UPDATE note the rows in conflict.
    """
    source = f"{database.name}.{table.name}"
    was, now, names = old(source), changed(source), identities(table)
    ids = ", ".join(map(quoted, names))
    # In the types of the table: a column without a type could not be searched for a value with one.
    types = dict(zip(table.columns, table.types, strict=True))
    typed = ", ".join(
        f"{quoted(name)} {types.get(own, 'INTEGER')}" for name, own in zip(names, table.identity, strict=True)
    )
    yield f"CREATE TABLE {was} ({typed}, {_typed(table)}, PRIMARY KEY ({ids})) WITHOUT ROWID"
    yield f"CREATE TABLE {now} ({typed}, PRIMARY KEY ({ids})) WITHOUT ROWID"
    if key:
        yield f"CREATE INDEX temp.{quoted(f'compat:old key:{source}')} ON {_bare(was)} ({quoted(key)} COLLATE BINARY)"

    def copy(alias: str, condition: str) -> str:
        """Note the row *alias* as it was, unless it is noted or was inserted by this transaction."""
        cells = ", ".join(f"{alias}.{quoted(name)}" for name in (*table.identity, *table.columns))
        unknown = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {_bare(noted)} AS n WHERE {_same('n', names, alias, table.identity)})"
            for noted in (was, now)
        )
        rows = "" if alias == "old" else f" FROM {quoted(table.name)} AS {alias}"
        return f"INSERT INTO {_bare(was)} SELECT {cells}{rows} WHERE ({condition}) AND {unknown};"

    def note(row: str) -> str:
        cells = ", ".join(f"{row}.{quoted(name)}" for name in table.identity)
        known = f"SELECT 1 FROM {_bare(now)} AS n WHERE {_same('n', names, row, table.identity)}"
        return f"INSERT INTO {_bare(now)} SELECT {cells} WHERE NOT EXISTS ({known});"

    keys = [*table.uniques, table.identity] if table.identity not in table.uniques else list(table.uniques)
    conflicts = " OR ".join(
        "(" + " AND ".join(f"v.{quoted(name)} = new.{quoted(name)}" for name in key) + ")" for key in keys
    )
    rows_in_conflict = copy("v", "1" if table.opaque else conflicts)
    yield _trigger(source, "before insert", table, "BEFORE INSERT", rows_in_conflict)
    yield _trigger(source, "before update", table, "BEFORE UPDATE", rows_in_conflict + copy("old", "1"))
    yield _trigger(source, "before delete", table, "BEFORE DELETE", copy("old", "1"))
    yield _trigger(source, "after insert", table, "AFTER INSERT", note("new"))
    yield _trigger(source, "after update", table, "AFTER UPDATE", note("new"))


def _trigger(source: str, name: str, table: LegacyTable, when: str, body: str, condition: str = "loading = 0") -> str:
    return (
        f"CREATE TEMP TRIGGER {quoted(f'compat:{name}:{source}')} {when} ON main.{quoted(table.name)}"
        f" WHEN (SELECT {condition} FROM {_bare(STATE)}) BEGIN {body} END"
    )


def _checking_references(database: LegacyDatabase, table: LegacyTable) -> Iterator[str]:
    """Yield triggers that check the foreign keys of *table* where the caller asks for it.

    SQLite's own check is off: rows may refer to none in the legacy set, and loading them would fail.
    """
    for number, (columns, parent, others, on_delete, on_update) in enumerate(table.references):
        known = database.tables.get(folded(parent))
        if known is None or len(columns) != len(others):
            continue
        given = " AND ".join(f"new.{quoted(column)} IS NOT NULL" for column in columns)
        match = " AND ".join(
            f"p.{quoted(other)} = new.{quoted(column)}" for column, other in zip(columns, others, strict=True)
        )
        fails = "SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed')"
        orphan = f"{fails} WHERE {given} AND NOT EXISTS (SELECT 1 FROM {quoted(known.name)} AS p WHERE {match});"
        source = f"{database.name}.{table.name}"
        checked = "loading = 0 AND references_checked"
        for when in ("insert", "update"):
            yield _trigger(source, f"reference {number} {when}", table, f"AFTER {when.upper()}", orphan, checked)
        children = " AND ".join(
            f"{quoted(column)} = old.{quoted(other)}" for column, other in zip(columns, others, strict=True)
        )
        child = quoted(table.name)
        moved = " OR ".join(f"new.{quoted(other)} IS NOT old.{quoted(other)}" for other in others)
        for when, action, only in (("delete", on_delete, "1"), ("update", on_update, moved)):
            new = [f"new.{quoted(other)}" if when == "update" else "NULL" for other in others]
            cascade = {
                "SET NULL": f"UPDATE {child} SET {_set(columns, ['NULL'] * len(columns))} WHERE {children} AND ({only});",
                "CASCADE": f"DELETE FROM {child} WHERE {children};"
                if when == "delete"
                else f"UPDATE {child} SET {_set(columns, new)} WHERE {children} AND ({only});",
            }.get(action, f"{fails} WHERE ({only}) AND EXISTS (SELECT 1 FROM {child} WHERE {children});")
            yield _trigger(f"{source}.{number}", f"parent {when}", known, f"AFTER {when.upper()}", cascade, checked)


def _set(columns: Iterable[str], values: Iterable[str]) -> str:
    return ", ".join(f"{quoted(column)} = {value}" for column, value in zip(columns, values, strict=True))


def _same(alias: str, names: Iterable[str], other: str, columns: Iterable[str]) -> str:
    pairs = zip(names, columns, strict=True)
    return " AND ".join(f"{alias}.{quoted(name)} = {other}.{quoted(column)}" for name, column in pairs)


def _typed(table: LegacyTable) -> str:
    return ", ".join(f"{quoted(name)} {type_}" for name, type_ in zip(table.columns, table.types, strict=True))


def _bare(name: str) -> str:
    """Return the *name* of a TEMP table without its schema, as triggers and indexes have to name it."""
    return name.removeprefix("temp.")
