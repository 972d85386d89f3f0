"""Rewrites databases with UTF-16 text in UTF-8, and back: SQLite attaches only databases of one encoding.

Method: as VACUUM does it (tables with their rowids, indexes after the rows, views, triggers and virtual tables as entries of
the schema), but each text passes through Python with its length, since a dump ends a text at its first NUL.  Then every
table is read back and compared.  Of text that is not valid UTF-16 the new database holds what SQLite reads.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from marshal import dumps
from pathlib import Path
from typing import Any, NamedTuple

from migrator.errors import MigratorError
from migrator.schema.declaration import free_rowid, stored_columns
from migrator.system import connections, rowids
from migrator.system.connections import quoted
from migrator.system.escaping import escaped

#: The encoding of every attached database.
UTF8 = "UTF-8"
#: Rows that are written with one call.
_TOGETHER = 1_000
#: Pragmas that have to be set in a new file before it has any content.
_LAYOUT = ("page_size", "auto_vacuum")


class _Odd(NamedTuple):
    """A text that is not UTF-8; Python passes it to SQLite as bytes, and a CAST makes it text."""

    content: bytes


def of(path: Path) -> str:
    """Return the encoding of text in the database at *path*, a private copy: ``UTF-8``, ``UTF-16le`` or ``UTF-16be``."""
    with closing(connections.read(path)) as connection:
        return str(connection.execute("PRAGMA encoding").fetchone()[0])


def write_anew(source: Path, into: Path, encoding: str) -> None:
    """Write the content of *source*, a private copy, to the new database *into*, with text in *encoding*.

    Raises:
        MigratorError: A table cannot be written, or does not read back as it was.
    """
    with closing(connections.scratch(source)) as reading, closing(connections.create(into)) as writing:
        for connection in (reading, writing):
            connections.lenient(connection)
            connection.text_factory = _text
        writing.execute(f"PRAGMA encoding = '{encoding}'")
        for name in _LAYOUT:
            writing.execute(f"PRAGMA {name} = {reading.execute(f'PRAGMA {name}').fetchone()[0]}")
        # Rows that violate the schema are copied as they are.
        writing.execute("PRAGMA ignore_check_constraints = ON")
        writing.execute("BEGIN")
        try:
            _write(reading, writing, encoding)
        except sqlite3.Error as error:
            raise MigratorError(f"cannot be written in {encoding}: {error}", where=escaped(source.name)) from error
        writing.execute("COMMIT")
        for name in connections.MARKS:
            writing.execute(f"PRAGMA {name} = {reading.execute(f'PRAGMA {name}').fetchone()[0]}")


def _write(reading: sqlite3.Connection, writing: sqlite3.Connection, encoding: str) -> None:
    entries = reading.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid").fetchall()
    tables = {name: sql for kind, name, _, page, sql in entries if kind == "table" and page}
    # sqlite_sequence last: SQLite makes it itself, and updates it during the inserts.
    for name, sql in tables.items():
        if name != "sqlite_sequence":
            writing.execute(sql)
    for name in sorted(tables, key=lambda name: name == "sqlite_sequence"):
        if name == "sqlite_sequence":
            writing.execute("DELETE FROM sqlite_sequence")
        _fill(reading, writing, name, encoding)
        if _content(reading, name) != _content(writing, name):
            raise MigratorError("does not read back as it was in another encoding", where=escaped(name))
    for kind, _, _, _, sql in entries:
        if kind == "index" and sql:
            writing.execute(sql)
    writing.executemany(
        "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
        [(kind, name, of, sql) for kind, name, of, page, sql in entries if kind != "index" and not page],
    )


def _fill(reading: sqlite3.Connection, writing: sqlite3.Connection, table: str, encoding: str) -> None:
    columns = _columns(reading, table)
    into = f"INSERT INTO {quoted(table)} ({', '.join(columns)}) VALUES"
    plain = f"{into} ({', '.join('?' * len(columns))})"
    # By rowid, so that rows keep their order in a table whose rowid has no name.
    for rows in _rows(reading, table, columns):
        odd = [row for row in rows if any(isinstance(cell, _Odd) for cell in row)]
        writing.executemany(plain, (row for row in rows if row not in odd) if odd else rows)
        for row in odd:
            # As a literal: SQLite 3.40 always casts bound bytes as UTF-8.
            cells = (
                f"CAST(x'{_bytes_in(encoding, cell).hex()}' AS TEXT)" if isinstance(cell, _Odd) else "?" for cell in row
            )
            writing.execute(f"{into} ({', '.join(cells)})", [cell for cell in row if not isinstance(cell, _Odd)])
    if number := _apart(reading, table):
        rowids.renumber(writing, quoted(table), number, rowids.listed(reading, quoted(table), number))


def lost(encoding: str, text: str, raw: bytes) -> bool:
    """Return whether *text*, which SQLite reads for the bytes *raw* in *encoding*, would be written back as other bytes.

    SQLite reads half of a surrogate pair and the character behind it as one other character.
    """
    return _bytes_in(encoding, _Odd(text.encode(errors="surrogateescape"))) != raw


def _bytes_in(encoding: str, odd: _Odd) -> bytes:
    """Return the bytes of a text that strict UTF-8 cannot encode; half of a surrogate pair can be written in both.

    Raises:
        MigratorError: It cannot be encoded either way.
    """
    if encoding == UTF8:
        return odd.content
    try:
        return odd.content.decode("utf-8", "surrogatepass").encode(f"{encoding[:-2]}-{encoding[-2:]}", "surrogatepass")
    except UnicodeDecodeError:
        raise MigratorError(f"holds a text that cannot be written in {encoding}") from None


def _content(connection: sqlite3.Connection, table: str) -> tuple[int, int, list[int]]:
    """Return the number of rows, a sum over their values, rowids and storage classes, and rowids that had no room beside the values.

    The order of the rows has no effect.
    """
    count = whole = 0
    columns = _columns(connection, table)
    for rows in _rows(connection, table, columns):
        count += len(rows)
        for row in rows:
            cells: tuple[Any, ...] = tuple((cell.content, "odd") if isinstance(cell, _Odd) else cell for cell in row)
            whole += int.from_bytes(hashlib.sha256(dumps(cells, 2)).digest())
    number = _apart(connection, table)
    apart = rowids.listed(connection, quoted(table), number) if number else []
    return count, whole % 2**256, apart


def _rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[list[tuple[object, ...]]]:
    cursor = connection.execute(f"SELECT {', '.join(columns)} FROM {quoted(table)} NOT INDEXED")
    while rows := list(islice(cursor, _TOGETHER)):
        yield rows


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of *table* with stored values, as SQL, after the rowid if it has a name and there is room for it."""
    rowid = free_rowid(connection, "main", table)
    columns = stored_columns(connection, "main", table)
    return [*([rowid] if rowid and len(columns) < rowids.MOST_COLUMNS else []), *map(quoted, columns)]


def _apart(connection: sqlite3.Connection, table: str) -> str:
    """Return a name of the rowid of *table* if it is no column, and there is no room for it beside the columns; else ''."""
    wide = len(stored_columns(connection, "main", table)) >= rowids.MOST_COLUMNS
    return rowids.rowid(connection, "main", table) if wide else ""


def _text(content: bytes) -> str | _Odd:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _Odd(content)
