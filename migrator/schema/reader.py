"""Reads DDL text, or a database, into the records of :mod:`migrator.schema.model`.

Two readers read every CREATE TABLE and CREATE INDEX: SQLite, by applying it and reading its pragmas, and sqlglot, by parsing
it in :mod:`migrator.schema.sqlglot_reader`.  They must agree on what both can read.  CHECK expressions and AUTOINCREMENT, which
no pragma shows, come from sqlglot alone.  A statement that sqlglot cannot parse is read by SQLite alone, and listed in
``Schema.differences``.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from migrator.errors import DdlError
from migrator.schema import catalogue, sqlglot_reader
from migrator.schema.model import (
    Column,
    Difference,
    ForeignKey,
    Index,
    IndexColumn,
    Program,
    Schema,
    Table,
    VirtualTable,
)
from migrator.system import connections
from migrator.system.virtual_tables import declaration

_LEADING_COMMENTS = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_PRAGMA = re.compile(r"PRAGMA\s+(\w+)\s*=\s*([^;]+?)\s*;", re.IGNORECASE)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each statement of *text*, without the comments before it.

    Raises:
        DdlError: The text ends in the middle of a statement.
    """
    line, buffer = 1, ""
    *pieces, rest = text.split(";")
    for piece in pieces:
        buffer += piece + ";"
        if sqlite3.complete_statement(buffer):
            skipped = _leading(buffer)
            yield line + buffer[:skipped].count("\n"), buffer[skipped:].strip()
            line, buffer = line + buffer.count("\n"), ""
    buffer += rest
    if buffer[_leading(buffer) :]:
        raise DdlError("the text ends within a statement", where=f"line {line}", hint="close it with a semicolon")


def _leading(text: str) -> int:
    match = _LEADING_COMMENTS.match(text)
    return match.end() if match else 0


def read(text: str) -> Schema:
    """Return what the DDL *text* declares, as SQLite and sqlglot agree on it.

    Raises:
        DdlError: SQLite refuses a statement, or the two readers contradict each other.
    """
    connection = connections.memory()
    pragmas: list[tuple[str, str]] = []
    inserts: list[str] = []
    try:
        for line, statement in statements(text):
            try:
                connection.execute(statement)
            except sqlite3.Error as error:
                raise DdlError(f"SQLite refuses the statement: {error}", where=f"line {line}") from error
            if match := _PRAGMA.fullmatch(statement):
                pragmas.append((match[1].lower(), match[2]))
            elif statement[:6].upper() == "INSERT":
                inserts.append(statement)
        schema = stored(connection)
    finally:
        connection.close()
    for difference in schema.differences:
        if difference.contradiction:
            raise DdlError(difference.what, where=difference.where)
    return replace(schema, pragmas=tuple(pragmas), inserts=tuple(inserts))


@cache
def target(name: str) -> Schema:
    """Return what the specification declares for ``core``, ``analytics`` or ``cache``."""
    return read(catalogue.target_ddl(name))


def specified_table(name: str) -> Table | None:
    """Return the specified table *name*, such as ``core.trades``; None if it is a full-text table or not specified."""
    database, _, own = name.partition(".")
    return next((table for table in target(database).tables if table.name == own), None)


class _Listed(NamedTuple):
    """The properties of a table in SQLite's ``pragma_table_list``, which is slow for a single table."""

    kind: str
    without_rowid: int
    strict: int


def stored(connection: sqlite3.Connection, schema: str = "main") -> Schema:
    """Return what the database attached as *schema* declares.

    The database may be of any origin, so a contradiction between the two readers is recorded and not raised.
    """
    listed = {
        name: _Listed(*properties)
        for name, *properties in connection.execute(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = ?", (schema,)
        )
    }
    sql = {
        (kind, name): (table, text)
        for kind, name, table, text in connection.execute(
            f"SELECT type, name, tbl_name, sql FROM {connections.quoted(schema)}.sqlite_schema ORDER BY type, name"
        )
    }
    tables: list[Table] = []
    indexes: list[Index] = []
    virtual_tables: list[VirtualTable] = []
    programs: list[Program] = []
    differences: list[Difference] = []
    for (kind, name), (table, text) in sql.items():
        entry = listed.get(name)
        if name.startswith("sqlite_") or (entry and entry.kind == "shadow"):
            continue
        if kind in ("trigger", "view"):
            programs.append(Program(kind=kind, name=name, table=table))
        elif kind == "index":
            index, noted = sqlglot_reader.reconcile_index(_stored_index(connection, schema, table, name), text)
            indexes.append(index)
            differences += noted
        elif entry and entry.kind == "virtual":
            virtual_tables.append(virtual_table(name, text))
        else:
            read_table, noted = sqlglot_reader.reconcile_table(
                _stored_table(connection, schema, name, listed[name]), text
            )
            tables.append(read_table)
            differences += noted
    return Schema(
        tables=tuple(tables),
        indexes=tuple(indexes),
        virtual_tables=tuple(virtual_tables),
        programs=tuple(programs),
        differences=tuple(differences),
    )


def _stored_table(connection: sqlite3.Connection, schema: str, name: str, listed: _Listed) -> Table:
    columns = tuple(
        Column(
            name=column,
            type=declared,
            not_null=bool(not_null),
            default=default,
            primary_key=position,
            generated=hidden in (2, 3),
        )
        for column, declared, not_null, default, position, hidden in connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)', (name, schema)
        )
    )
    automatic = connection.execute(
        "SELECT name FROM pragma_index_list(?, ?) WHERE origin <> 'c'", (name, schema)
    ).fetchall()
    uniques = [replace(_stored_index(connection, schema, name, index), name="") for (index,) in automatic]
    return Table(
        name=name,
        columns=columns,
        uniques=tuple(sorted(uniques, key=repr)),
        foreign_keys=_stored_foreign_keys(connection, schema, name),
        without_rowid=bool(listed.without_rowid),
        strict=bool(listed.strict),
    )


def _stored_index(connection: sqlite3.Connection, schema: str, table: str, name: str) -> Index:
    unique, origin = connection.execute(
        'SELECT "unique", origin FROM pragma_index_list(?, ?) WHERE name = ?', (table, schema, name)
    ).fetchone()
    columns = connection.execute(
        'SELECT name, "desc", coll FROM pragma_index_xinfo(?, ?) WHERE key ORDER BY seqno', (name, schema)
    )
    return Index(
        name=name,
        table=table,
        columns=tuple(
            IndexColumn(name=column, descending=bool(descending), collation=collation)
            for column, descending, collation in columns
        ),
        unique=bool(unique),
        origin={"c": "index", "u": "unique", "pk": "primary key"}[origin],
    )


def _stored_foreign_keys(connection: sqlite3.Connection, schema: str, table: str) -> tuple[ForeignKey, ...]:
    rows = connection.execute(
        'SELECT id, "table", "from", "to", on_delete, on_update FROM pragma_foreign_key_list(?, ?) ORDER BY id, seq',
        (table, schema),
    ).fetchall()
    keys = []
    for number in sorted({row[0] for row in rows}):
        parts = [row for row in rows if row[0] == number]
        keys.append(
            ForeignKey(
                columns=tuple(part[2] for part in parts),
                parent=parts[0][1],
                parent_columns=tuple(part[3] for part in parts if part[3] is not None),
                on_delete=parts[0][4],
                on_update=parts[0][5],
            )
        )
    return tuple(sorted(keys, key=repr))


def virtual_table(name: str, sql: str) -> VirtualTable:
    """Return the virtual table *name* that the statement *sql* declares.

    Raises:
        DdlError: It declares none.
    """
    module, arguments = declaration(sql)
    if not module:
        raise DdlError("the virtual table's declaration cannot be read", where=name)
    columns: list[str] = []
    options: list[tuple[str, str]] = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals:
            options.append((key.strip().lower(), value.strip().strip("'\"")))
        else:
            columns.append(" ".join(argument.split()))
    return VirtualTable(name=name, module=module, columns=tuple(columns), options=tuple(sorted(options)))
