"""The limits and the usual ways to copy databases, with which migrator is compared.

Each takes the legacy databases and a folder to write to.  They copy the consolidated tables, without full-text tables
and SQLite's own.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from migrator.system import connections
from migrator.system.connections import quoted

#: Size of a read [bytes].
_CHUNK = 1024 * 1024


def tables(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """Return the ordinary tables of the database attached as *schema*."""
    listed = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = ? AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        (schema,),
    )
    return [name for (name,) in listed]


def _opened(
    legacy: Sequence[Path], into: Path | None, *, indexes: bool = False
) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection, str]]:
    """Yield a source, a new database with its tables, and the tables' names."""
    for number, path in enumerate(legacy):
        new = connections.memory() if into is None else connections.create(into / f"{number}.db")
        with closing(connections.read(path)) as source, closing(new) as made:
            for table in tables(source):
                for (sql,) in source.execute(
                    "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL AND (type = 'table' OR ?)"
                    " AND type IN ('table', 'index') ORDER BY type DESC",
                    (table, indexes),
                ):
                    made.execute(sql)
                made.execute("BEGIN")
                yield source, made, table
                made.execute("COMMIT")


def _insert(source: sqlite3.Connection, table: str) -> str:
    columns = source.execute("SELECT count(*) FROM pragma_table_info(?)", (table,)).fetchone()[0]
    return f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * columns)})"


def naive(legacy: Sequence[Path], into: Path | None) -> None:
    """Copy row by row, with one INSERT per row and one transaction per table.

    Without a folder the copies are in memory, so that no disk is involved.
    """
    for source, made, table in _opened(legacy, into, indexes=True):
        insert = _insert(source, table)
        for row in source.execute(f"SELECT * FROM {quoted(table)}"):
            made.execute(insert, row)


def executemany(legacy: Sequence[Path], into: Path) -> None:
    """Copy with executemany, without the indexes."""
    for source, made, table in _opened(legacy, into):
        made.executemany(_insert(source, table), source.execute(f"SELECT * FROM {quoted(table)}"))


def dump(legacy: Sequence[Path], into: Path) -> None:
    """``sqlite3 OLD .dump | sqlite3 NEW`` for each file."""
    shell = shutil.which("sqlite3") or "sqlite3"
    for number, path in enumerate(legacy):
        with subprocess.Popen([shell, path, ".dump"], stdout=subprocess.PIPE) as reading:  # noqa: S603 - a known program
            subprocess.run([shell, into / f"{number}.db"], stdin=reading.stdout, check=True)  # noqa: S603


def sqlite_utils(legacy: Sequence[Path], into: Path) -> None:
    """``Database[table].insert_all(rows)`` of sqlite-utils."""
    import sqlite_utils as utils  # noqa: PLC0415 - measured only if it is installed

    for number, path in enumerate(legacy):
        with closing(connections.read(path)) as source, closing(connections.create(into / f"{number}.db")) as made:
            database = utils.Database(made)
            for table in tables(source):
                cursor = source.execute(f"SELECT * FROM {quoted(table)}")
                names = [name for name, *_ in cursor.description]
                database.table(table).insert_all(dict(zip(names, row, strict=True)) for row in cursor)


def vacuum_into(consolidated: Sequence[Path], into: Path) -> None:
    """``VACUUM INTO``: the limit of a build, which writes the same rows and indexes once."""
    for path in consolidated:
        with closing(connections.scratch(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(into / path.name),))


def cp(consolidated: Sequence[Path], into: Path) -> None:
    """``cp``."""
    for path in consolidated:
        shutil.copyfile(path, into / path.name)


def read_bytes(files: Sequence[Path], into: Path) -> None:
    """Read every byte once."""
    del into
    for path in files:
        with path.open("rb") as file:
            while file.read(_CHUNK):
                pass


def read_rows(legacy: Sequence[Path], into: Path) -> None:
    """Read every cell once through SQL: the limit of a proof."""
    del into
    for path in legacy:
        with closing(connections.read(path)) as source:
            for table in tables(source):
                names = [name for (name,) in source.execute("SELECT name FROM pragma_table_info(?)", (table,))]
                cells = ", ".join(f"total(length({quoted(name)}))" for name in names)
                source.execute(f"SELECT {cells} FROM {quoted(table)}").fetchone()


def except_both_ways(legacy: Sequence[Path], into: Path) -> None:
    """``EXCEPT`` both ways between each file and a copy, without types and duplicates."""
    for path in legacy:
        with closing(connections.memory()) as connection:
            connections.attach(connection, path, "one")
            connections.attach(connection, into / path.name, "other")
            for table in tables(connection, "one"):
                for left, right in (("one", "other"), ("other", "one")):
                    connection.execute(
                        f"SELECT count(*) FROM (SELECT * FROM {left}.{quoted(table)}"
                        f" EXCEPT SELECT * FROM {right}.{quoted(table)})"
                    ).fetchone()


def sqldiff(legacy: Sequence[Path], into: Path) -> None:
    """``sqldiff`` between each file and a copy of it in *into*."""
    program = shutil.which("sqldiff") or "sqldiff"
    for path in legacy:
        subprocess.run([program, path, into / path.name], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
