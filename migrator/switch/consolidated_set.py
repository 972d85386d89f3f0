"""Reads the consolidated databases in use, also with what the application has added to them.

An index, a CHECK or a table's key may use a function or a collation that only the application has.  The rows can be
read all the same; what cannot be checked without it is not checked.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path, PurePosixPath

from migrator.records.inventory import Database, Inventory, Verdict
from migrator.schema import catalogue
from migrator.system import connections, content_digest, private_copy
from migrator.system.temporary_folders import private_folder

#: The collations that SQLite has by itself.
_BUILT_IN = {"BINARY", "NOCASE", "RTRIM"}
#: Byte 18 of the header is the file format write version; 2 is WAL (sqlite.org/fileformat.html, section 1.3.3).
_WRITTEN_BY, _WAL = 18, 2


def inventory(folder: Path) -> Inventory:
    """Return the inventory of the consolidated databases in *folder*; one that is missing or cannot be read has no digest.

    Raises:
        OSError: There is no room for a private copy.
    """
    with private_folder() as scratch:
        databases = tuple(_described(folder, name, scratch / name) for name in sorted(catalogue.TARGETS.values()))
    return Inventory(data_dir=folder, databases=databases, passed_over=0, findings=())


def stand_in_collations(connection: sqlite3.Connection, schema: str = "main") -> None:
    """Let *connection* read tables whose key has a missing collation: rows come in their stored order.

    Only for reading: with another order than its own a key is not found, and a row would be inserted at a wrong position.
    """
    for (table,) in connection.execute("SELECT name FROM pragma_table_list WHERE schema = ?", (schema,)).fetchall():
        indexes = connection.execute("SELECT name FROM pragma_index_list(?, ?)", (table, schema)).fetchall()
        for (index,) in indexes:
            asked = "SELECT DISTINCT coll FROM pragma_index_xinfo(?, ?) WHERE coll IS NOT NULL"
            for (name,) in connection.execute(asked, (index, schema)).fetchall():
                if name.upper() not in _BUILT_IN:
                    connection.create_collation(name, _in_place)


def _in_place(text: str, other: str) -> int:
    return (text > other) - (text < other)


def _described(folder: Path, name: str, copy: Path) -> Database:
    path = folder / name
    absent = Database(path=path, place=PurePosixPath(name), verdict=Verdict.OURS)
    if path.is_symlink() or not path.is_file():
        return absent
    private_copy.private_copy(path, copy)
    with copy.open("rb") as file:
        wal = file.read(_WRITTEN_BY + 1)[_WRITTEN_BY:] == bytes([_WAL])
    log = connections.beside(copy, "-wal")
    wal_bytes = log.stat().st_size if log.exists() else None
    try:
        with closing(connections.lenient(connections.scratch(copy))) as connection:
            stand_in_collations(connection)
            integrity = _integrity(connection)
            held = content_digest.content(connection)
    except sqlite3.DatabaseError as error:
        return Database(path=path, place=absent.place, verdict=Verdict.UNREADABLE, reason=str(error))
    return Database(
        path=path,
        place=absent.place,
        verdict=Verdict.OURS,
        reason="a consolidated database",
        size_bytes=path.stat().st_size,
        wal_bytes=wal_bytes,
        journal_mode="wal" if wal else "delete",
        mode=path.stat().st_mode & 0o7777,
        digest=held.digest,
        integrity=integrity,
        rows=sum(table.rows for table in held.tables),
    )


def _integrity(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the messages of SQLite's check; if the schema needs missing objects, only those about pages and records."""
    # A key in a missing collation is in another order than the one that replaces it.
    stands_in = bool({name for _, name in connection.execute("PRAGMA collation_list")} - _BUILT_IN)
    try:
        messages = [] if stands_in else connection.execute("PRAGMA integrity_check(10)").fetchall()
    except sqlite3.OperationalError:
        messages = []
    if not messages:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        messages = connection.execute("PRAGMA quick_check(10)").fetchall()
    return tuple(message for (message,) in messages)
