"""Makes private copies of the consolidated databases in use readable for a rollback, after any change by the application.

An application may add objects that SQLite here cannot open, and it may drop or alter tables that a rollback needs.  A
rollback must still be possible:

1. Views, triggers and indexes that the cutover did not install are removed from the copy.  They hold no rows.
2. So is a virtual table whose module is missing; its shadow tables hold its rows, and become ordinary tables.
3. An installed table that is missing, or lacks a column, is restored as installed, so that the legacy table keeps its
   rows.  The table in use is kept whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from migrator.schema import catalogue
from migrator.schema.declaration import free_rowid, is_without_rowid, stored_columns
from migrator.stages.rollback.session import BASELINE, WrittenBack
from migrator.system import connections, content_digest, rowids
from migrator.system.connections import folded, quoted
from migrator.system.escaping import escaped

#: Names that a sentence lists.
_LISTED = 5
#: Tables of migrator, which have no legacy rows.
_OURS = ("lineage", "quarantine")


def make_readable(current: Mapping[str, Path], baseline: Mapping[str, Path], done: WrittenBack) -> None:
    """Make the private copies *current* readable, with *baseline* as the reference; record what was removed or restored."""
    for target, path in current.items():
        with connections.closing_scratch(path) as connection:
            connections.attach(connections.lenient(connection), baseline[target], BASELINE)
            left_out = list(_take_out(connection))
        with connections.closing_scratch(path) as connection:
            connections.attach(connections.lenient(connection), baseline[target], BASELINE)
            connection.execute("PRAGMA foreign_keys = OFF")
            # References keep the old name of a table that is renamed.
            connection.execute("PRAGMA legacy_alter_table = ON")
            connection.execute("BEGIN")
            for table, sql in _installed(connection):
                if what := _lacking(connection, table):
                    _put_back(connection, target, table, sql, what, done)
            connection.execute("COMMIT")
        if left_out:
            more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
            done.tell(
                f"{catalogue.TARGETS[target]}: made after the cutover, without a legacy home: {', '.join(left_out[:_LISTED])}{more}"
            )


def _take_out(connection: sqlite3.Connection) -> Iterator[str]:
    """Remove objects without rows that were not installed from the schema; yield each kind and name."""
    with content_digest.decoding(connection, content_digest.any_text):
        added = connection.execute(
            "SELECT rowid, type, name FROM main.sqlite_schema AS s WHERE type IN ('view', 'trigger', 'index')"
            f" AND sql IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {BASELINE}.sqlite_schema AS b"
            " WHERE b.type = s.type AND b.name = s.name AND b.tbl_name = s.tbl_name AND b.sql = s.sql)"
        ).fetchall()
        virtual = connection.execute(
            "SELECT rowid, name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0 ORDER BY name"
        ).fetchall()
    for rowid, name in virtual:
        try:
            connection.execute("SELECT 1 FROM pragma_table_xinfo(?, 'main')", (name,)).fetchone()
            connection.execute(f"SELECT 1 FROM main.{quoted(name)} LIMIT 1").fetchone()
        except sqlite3.Error:
            added.append((rowid, "virtual table", name))
    connection.executemany("DELETE FROM main.sqlite_schema WHERE rowid = ?", [(rowid,) for rowid, *_ in added])
    # The triggers that count changes for connections with a legacy schema are migrator's own.
    ours = f"{catalogue.MIRRORED_CHANGES} "
    yield from (f"{kind} {escaped(name)}" for _, kind, name in added if not name.startswith(ours))


def _installed(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return name and DDL of each installed table, without SQLite's own and shadow tables."""
    return connection.execute(
        f"SELECT s.name, s.sql FROM {BASELINE}.sqlite_schema AS s JOIN pragma_table_list AS l ON l.schema = '{BASELINE}'"
        " AND l.name = s.name WHERE s.type = 'table' AND l.type IN ('table', 'virtual') AND s.name NOT GLOB 'sqlite_*'"
        " ORDER BY s.rowid"
    ).fetchall()


def _lacking(connection: sqlite3.Connection, table: str) -> str:
    """Return what *table* lacks compared with the installed one, or ''."""
    asked = "SELECT type FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE"
    now, installed = (connection.execute(asked, (schema, table)).fetchone() for schema in ("main", BASELINE))
    if now is None:
        return "is not there any more"
    if now != installed or is_without_rowid(connection, "main", table) != is_without_rowid(connection, BASELINE, table):
        return "is a table of another kind now"
    columns = {folded(column) for column in stored_columns(connection, "main", table)}
    lacks = [column for column in stored_columns(connection, BASELINE, table) if folded(column) not in columns]
    return f"has no column {escaped(lacks[0])} any more" if lacks else ""


def _put_back(connection: sqlite3.Connection, target: str, table: str, sql: str, what: str, done: WrittenBack) -> None:
    """Restore *table* as it was installed; the table in use is renamed and kept whole."""
    kept = "the one of the cutover is used" if table in _OURS else "its legacy rows stay as they were at the cutover"
    sentence = f"{target}.{escaped(table)} {what}: {kept}"
    done.tell(sentence)
    asked = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE"
    if connection.execute(asked, (table,)).fetchone():
        aside = f"{table} as it stands"
        connection.execute(f"ALTER TABLE main.{quoted(table)} RENAME TO {quoted(aside)}")
        done.kept_whole[f"{target}.{aside}"] = sentence
    connection.execute(sql)
    columns = stored_columns(connection, BASELINE, table)
    named = [quoted(column) for column in columns]
    rowid = free_rowid(connection, BASELINE, table)
    beside = rowid and len(named) < rowids.MOST_COLUMNS
    if beside:
        named.insert(0, rowid)
    listed = ", ".join(named)
    baseline = f"{BASELINE}.{quoted(table)}"
    connection.execute(f"INSERT INTO main.{quoted(table)} ({listed}) SELECT {listed} FROM {baseline} NOT INDEXED")
    if not beside and (number := rowids.rowid(connection, BASELINE, table)):
        rowids.renumber(connection, f"main.{quoted(table)}", number, rowids.listed(connection, baseline, number))
