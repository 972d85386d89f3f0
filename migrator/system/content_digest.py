"""The digest of a database's content, independent of the layout of its file.

The digest is SHA-256 over content: it survives a change of the journal mode or the page size, and it changes with one bit of one
cell, with a cell's storage class, with the schema's text, and with all else that a migration carries: the numbers in the header and
the rowids.  So it survives VACUUM only where VACUUM keeps the rowids.  What exactly is hashed:

1. The line ``content 2``, and the encoding, ``user_version`` and ``application_id``.
2. The schema: ``(type, name, tbl_name, sql)`` of each entry of ``sqlite_schema``, sorted, without statistics
   (``sqlite_stat*``), without indexes that SQLite makes by itself, and without the shadow tables of virtual tables.
3. Per table, sorted by name: its name, its column names, its number of rows, and the SHA-256 of its rows.  Statistics
   and the shadow tables of a full-text index are left out but for ``<name>_content``, which holds the indexed rows.
   Nothing is read through a virtual table, so that no module's code runs over the file.
4. A row is its cells in declared order, virtual generated columns left out, behind its rowid if that is no column; so rows are sorted
   by the rowid.  In a table of as many columns as a SELECT may have, all rowids follow the rows instead.  Rows without a rowid that SQL
   can read are sorted by the primary key, then by the other columns, compared as bytes.  Those that compare equal and are not
   the same (1 and 1.0, 0.0 and -0.0) follow in the order of their encodings.

Everything is encoded by ``marshal`` in its version 2, which tells None, int, float, str and bytes apart, writes floats as
their eight bytes and knows no references between objects.  Text that is not UTF-8 is hashed with its odd bytes escaped
as ``surrogateescape`` does.  A test pins a digest, because the format of ``marshal`` is not promised for ever.

Format 1 had neither the numbers of the header nor rowids.  A record of an older version holds such a digest (:func:`as_recorded`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, islice
from marshal import dumps
from operator import eq
from typing import Any, NamedTuple

from migrator.system import rowids, virtual_tables
from migrator.system.connections import MARKS, quoted
from migrator.system.database_layout import Entry, Layout

#: Version of the ``marshal`` format that is hashed; see above.
_MARSHAL = 2
#: Bytes before the items of a list in ``marshal``: its type and its length.
_LIST_HEADER_BYTES = 5
#: Rows fetched at once: few while rows are large, so that memory stays bounded.  At most 256: from 700 tuples on Python looks
#: for garbage, in every batch.
_FETCH_MIN, _FETCH_MAX, _FETCH_BYTES = 8, 256, 1024 * 1024

#: Decodes TEXT of any bytes; two texts differ exactly if their bytes do.
any_text = partial(str, encoding="utf-8", errors="surrogateescape")


class TableContent(NamedTuple):
    """What one table holds.

    Attributes:
        name: Its name.
        rows: Number of its rows.
        digest: SHA-256 of its rows, in hex.
    """

    name: str
    rows: int
    digest: str


class Content(NamedTuple):
    """What a database holds.

    Attributes:
        digest: SHA-256 of schema and rows, in hex.
        tables: The tables that it covers, sorted by name.
    """

    digest: str
    tables: tuple[TableContent, ...]


def digest(connection: sqlite3.Connection, schema: str = "main") -> str:
    """Return the digest of the database attached as *schema*, in hex.

    Raises:
        sqlite3.Error: The database cannot be read to its end.
    """
    return content(connection, schema).digest


def as_recorded(connection: sqlite3.Connection, recorded: str, marks: tuple[int, ...] = ()) -> str:
    """Return *recorded* if it is the digest of ``main`` in any format, else the digest.

    With *marks* the numbers in the header count as these.

    Raises:
        sqlite3.Error: The database cannot be read to its end.
    """
    present = content(connection, marks=marks).digest
    former = recorded and present != recorded and content(connection, former=True).digest == recorded
    return recorded if former else present


def content(
    connection: sqlite3.Connection, schema: str = "main", *, marks: tuple[int, ...] = (), former: bool = False
) -> Content:
    """Read the database attached as *schema* to its end, in one read transaction, and digest it table by table.

    Args:
        connection: Where it is attached.
        schema: The name of the database.
        marks: Values of :data:`migrator.system.connections.MARKS` that count instead of its own.
        former: Digest it in format 1.

    Raises:
        sqlite3.Error: The database cannot be read to its end.
        UnicodeError: The name of a table or column is not UTF-8: SQL cannot name it.
    """
    with _one_snapshot(connection):
        parts = layout(connection, schema)
        whole = hashlib.sha256(b"content 1\n" if former else b"content 2\n")
        if not former:
            encoding, *own = (_pragma(connection, schema, name) for name in ("encoding", *MARKS))
            whole.update(dumps((encoding, *(marks or own)), _MARSHAL))
        whole.update(dumps([tuple(entry) for entry in parts.entries], _MARSHAL))
        tables = []
        for name in parts.tables:
            columns = _columns(connection, schema, name)
            rows, table_digest = _table(
                connection, schema, name, columns, "" if former else _rowid(connection, schema, name)
            )
            whole.update(dumps((name, [column for column, _ in columns], rows), _MARSHAL))
            whole.update(table_digest)
            tables.append(TableContent(name, rows, table_digest.hex()))
        return Content(whole.hexdigest(), tuple(tables))


def table_digest(
    connection: sqlite3.Connection,
    schema: str,
    table: str,
    like: tuple[str, str] | None = None,
    *,
    numbered: bool = True,
) -> str:
    """Return the SHA-256 of the rows of one table, in hex: the same for two tables that hold the same.

    Of a table that has more columns than another one, *like* names schema and name of the other: only its columns count.  Unless
    *numbered* the rowids do not count.

    Raises:
        sqlite3.Error: The table cannot be read to its end.
    """
    columns = _columns(connection, *(like or (schema, table)))
    number = _rowid(connection, schema, table) if numbered else ""
    return _table(connection, schema, table, columns, number)[1].hex()


def index_digest(connection: sqlite3.Connection) -> str:
    """Return the digest of the full-text indexes of ``main`` that stand over no stored rows, in hex; '' if there are none.

    What was written to such an index is in no table, so the digest of the content leaves it out.

    Raises:
        sqlite3.Error: The database cannot be read to its end.
    """
    names = indexes_alone(connection)
    whole = hashlib.sha256(dumps([(name, table_digest(connection, "main", name)) for name in names], _MARSHAL))
    return whole.hexdigest() if names else ""


def indexes_alone(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """Return the shadow tables of the full-text tables of *schema* whose rows no table holds.

    Raises:
        sqlite3.Error: The schema cannot be read.
    """
    parts = layout(connection, schema)
    sql = {entry.name: entry.sql or "" for entry in parts.entries if entry.type in ("table", "view")}
    others = {name.lower() for name in (*sql, *parts.shadows)}
    behind = {
        shadow
        for name, module in parts.virtual
        if module in virtual_tables.FULL_TEXT
        # A content table that was dropped holds no rows either.
        and (content := virtual_tables.content_of(sql[name])) is not None
        and content.lower() not in others
        for shadow in virtual_tables.shadows(name, module)[1]
    }
    return [name for name in parts.shadows if name.lower() in behind]


def layout(connection: sqlite3.Connection, schema: str = "main") -> Layout:
    """Return the layout of the database attached as *schema*, read from its ``sqlite_schema`` alone.

    Raises:
        sqlite3.Error: The schema cannot be read.
    """
    sql = f"SELECT type, name, tbl_name, sql FROM {quoted(schema)}.sqlite_schema ORDER BY 1, 2, 3, 4"
    with decoding(connection, any_text):
        entries = [Entry(*row) for row in _rows(connection, sql)]
    if not all(isinstance(value, str) for e in entries for value in (e.type, e.name, e.table, e.sql or "")):
        # SQLite itself does not check each of them.
        raise sqlite3.DatabaseError("malformed database schema: an entry is not text")
    tables = [entry for entry in entries if entry.type == "table" and not entry.name.startswith("sqlite_stat")]
    modules = {entry.name: module for entry in tables if (module := _module(entry)) is not None}
    index_shadows: set[str] = set()
    content_shadows: set[str] = set()
    for name, module in modules.items():
        holding_rows, holding_an_index = virtual_tables.shadows(name, module)
        content_shadows.update(holding_rows)
        index_shadows.update(holding_an_index)
    shadows = index_shadows | content_shadows
    return Layout(
        entries=tuple(
            entry
            for entry in entries
            if not entry.name.startswith(("sqlite_stat", "sqlite_autoindex")) and entry.table.lower() not in shadows
        ),
        tables=tuple(e.name for e in tables if e.name not in modules and e.name.lower() not in index_shadows),
        virtual=tuple(modules.items()),
        shadows=tuple(entry.name for entry in tables if entry.name.lower() in shadows),
    )


@contextmanager
def decoding(connection: sqlite3.Connection, factory: Any) -> Iterator[None]:
    """Let *factory* convert TEXT to Python values inside the ``with`` block."""
    before = connection.text_factory
    connection.text_factory = factory
    try:
        yield
    finally:
        connection.text_factory = before


def _module(entry: Entry) -> str | None:
    """Return the module of a virtual table, None for an ordinary one."""
    if not (entry.sql or "").lstrip()[:14].upper().startswith("CREATE VIRTUAL"):
        return None
    return virtual_tables.declaration(entry.sql or "")[0]


@contextmanager
def _one_snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    ours = not connection.in_transaction
    if ours:
        connection.execute("BEGIN")
    try:
        yield
    finally:
        if ours:
            # Some errors have ended the transaction already.
            with suppress(sqlite3.OperationalError):
                connection.execute("ROLLBACK")


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> list[tuple[str, int]]:
    """Return name and position in the primary key (0: none) of each stored column, in declared order."""
    with decoding(connection, any_text):
        described = _rows(connection, f"PRAGMA {quoted(schema)}.table_xinfo({quoted(table)})").fetchall()
    # hidden = 2 is a virtual generated column: it follows from the schema and the other cells.
    return [(name, key) for _, name, _, _, _, key, hidden in described if hidden in {0, 3}]


def _pragma(connection: sqlite3.Connection, schema: str, name: str) -> Any:
    return _rows(connection, f"PRAGMA {quoted(schema)}.{name}").fetchone()[0]


def _rowid(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return a name of the rowid of *table*; '' where it is a column, does not count, or cannot be read."""
    if table.startswith("sqlite_"):
        return ""
    with decoding(connection, any_text):
        return rowids.rowid(connection, schema, table)


def _table(
    connection: sqlite3.Connection, schema: str, table: str, columns: list[tuple[str, int]], number: str
) -> tuple[int, bytes]:
    """Return the number of rows of *table* and their SHA-256, with the rowid called *number* unless that is ''."""
    count, rows = _read(connection, rows_sql(schema, table, columns, number))
    if not number or len(columns) < rowids.MOST_COLUMNS:
        return count, rows
    _, numbers = _read(connection, rows_sql(schema, table, [], number))
    return count, hashlib.sha256(rows + numbers).digest()


def _read(connection: sqlite3.Connection, sql: str) -> tuple[int, bytes]:
    try:
        # By far the most text is UTF-8, and Python's own decoder is several times as fast as a function of ours.
        with decoding(connection, str):
            return _hashed(_rows(connection, sql))
    except sqlite3.OperationalError as error:
        if not str(error).startswith("Could not decode to UTF-8"):
            raise
        with decoding(connection, any_text):
            return _hashed(_rows(connection, sql))


def rows_sql(schema: str, table: str, columns: list[tuple[str, int]], number: str = "") -> str:
    """Return the SELECT of all rows in the order in which they are hashed: by the rowid called *number*, unless that is ''."""
    names = [f"t.{quoted(name)}" for name, _ in columns]
    if number:
        # SQLite's limit leaves no room for the rowid.
        names = names if len(names) >= rowids.MOST_COLUMNS else [f"t.{number}", *names]
        return f"SELECT {', '.join(names)} FROM {quoted(schema)}.{quoted(table)} AS t NOT INDEXED ORDER BY t.{number}"
    key = sorted((position, number) for number, (_, position) in enumerate(columns, 1) if position)
    rest = [number for number, (_, position) in enumerate(columns, 1) if not position]
    # NOT INDEXED: the rows come from the table itself, so that a damaged index can neither hide nor double one.
    # BINARY: a column's own collation may call different texts equal, or may not be known here.
    return (
        f"SELECT {', '.join(names)}"
        f" FROM {quoted(schema)}.{quoted(table)} AS t NOT INDEXED"
        f" ORDER BY {', '.join(f'{number} COLLATE BINARY' for number in chain((n for _, n in key), rest))}"
    )


def _rows(connection: sqlite3.Connection, sql: str) -> sqlite3.Cursor:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(sql)


def _hashed(cursor: sqlite3.Cursor) -> tuple[int, bytes]:
    """Return the number of rows and the SHA-256 of their encodings."""
    sha = hashlib.sha256()
    count, fetch = 0, _FETCH_MIN
    last: Any = None
    # The rows that compare equal to the last one, not hashed yet: encoding -> how often.
    held: Counter[bytes] = Counter()
    while rows := cursor.fetchmany(fetch):
        count += len(rows)
        if rows[0] == last or any(map(eq, rows, islice(rows, 1, None))):
            size = 0
            for row in rows:
                encoding = dumps(row, _MARSHAL)
                if row != last:
                    _release(held, sha)
                    last = row
                held[encoding] += 1
                size += len(encoding)
        else:
            _release(held, sha)
            last = rows.pop()
            held[dumps(last, _MARSHAL)] = 1
            # All rows in one call: the items of a list are encoded as each is by itself.
            joined = memoryview(dumps(rows, _MARSHAL))[_LIST_HEADER_BYTES:]
            sha.update(joined)
            size = len(joined)
        fetch = min(2 * fetch, _FETCH_MAX) if size < _FETCH_BYTES else max(fetch // 2, 1)
    _release(held, sha)
    return count, sha.digest()


def _release(held: Counter[bytes], sha: Any) -> None:
    for encoding in sorted(held):
        for _ in range(held[encoding]):
            sha.update(encoding)
    held.clear()
