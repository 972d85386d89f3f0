"""Writes one database of a specimen: schema, rows, journal mode, WAL."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from contracts.specimens.population import World
from contracts.specimens.registry import Table, insertion
from migrator.system import connections

#: Rows of a table that stay in the WAL [rows]: one in ten, at least one, at most this many.
WAL_ROWS = 100

_JOURNAL = re.compile(r"^PRAGMA (?:journal_mode = (\w+)|\w+ = \w+);$", re.MULTILINE)


class Writer:
    """One new database: created, filled, finished.

    While it is filled it has no journal and no syncing.  :meth:`finish` gives it the journal mode of
    production.  With *wal*, the last rows of each table are held back until :meth:`late`, which leaves them, and
    everything written after, in a WAL that is not checkpointed.
    """

    def __init__(self, path: Path, ddl: str, *, wal: bool) -> None:
        journal = _JOURNAL.search(ddl)
        self.path = path
        self.journal = journal[1].lower() if journal else "delete"
        self.wal = wal and self.journal == "wal"
        self._early = 0
        self._late: list[tuple[str, Iterator[tuple[Any, ...]]]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = connections.create(path)
        # The bot's files have SQLite's default mode: readable by all users.
        path.chmod(0o644)
        # After a crash the set is made again, so no journal is needed.
        self._pragmas("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -16384")
        self.connection.executescript(_JOURNAL.sub("", ddl))
        # Parents may be in another file, and the bot did not enforce declared keys.
        self._pragmas("foreign_keys = OFF")

    def _pragmas(self, *pragmas: str) -> None:
        for pragma in pragmas:
            self.connection.execute(f"PRAGMA {pragma}").fetchall()

    def fill(self, tables: Mapping[str, Table], world: World, database: str, names: Sequence[str]) -> None:
        """Write the rows of the tables *names* of *database*, in the numbers of *world*."""
        for name in names:
            key = f"{database}.{name}"
            count = world.count(key)
            if not count:
                continue
            table = tables[key]
            insert = insertion(self.connection, name, table.columns.split(", "))
            rows = table.make(world, count)
            early = count - min(WAL_ROWS, max(1, count // 10)) if self.wal else count
            self._many(insert, islice(rows, early))
            self._late.append((insert, rows))

    def _many(self, insert: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany(insert, rows)
        self.connection.execute("COMMIT")

    def late(self) -> sqlite3.Connection:
        """Write the rows that were held back and return the connection."""
        if self.wal:
            self._early = sum(self.rows().values())
            self._pragmas("locking_mode = NORMAL", "journal_mode = WAL", "wal_autocheckpoint = 0")
        for insert, rows in self._late:
            self._many(insert, rows)
        self._late.clear()
        return self.connection

    def rows(self) -> dict[str, int]:
        """Return the number of rows of each table, without indexes over another table."""
        tables = self.connection.execute(
            "SELECT l.name FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name"
            " WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " AND (l.type = 'table' OR l.type = 'virtual' AND s.sql NOT LIKE '%content=%') ORDER BY l.name"
        ).fetchall()
        count = "SELECT count(*) FROM "
        return {name: self.connection.execute(count + connections.quoted(name)).fetchone()[0] for (name,) in tables}

    def rows_in_wal(self) -> int:
        """Return the number of rows that are only in the WAL."""
        return sum(self.rows().values()) - self._early if self.wal else 0

    def finish(self) -> None:
        """Close the database in its journal mode, or with *wal* as a killed writer leaves it."""
        if not self.wal:
            self._pragmas("locking_mode = NORMAL", f"journal_mode = {self.journal}")
            if not self.path.stat().st_size:
                # Before the first table SQLite has written nothing.
                self.connection.executescript("CREATE TABLE t (x); DROP TABLE t; VACUUM")
            self.connection.close()
            return
        # Closing checkpoints and deletes the WAL: copy both files before, and restore them afterwards.
        kept = [(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal")]
        for path in kept:
            shutil.copyfile(path, path.with_name(path.name + ".kept"))
        self.connection.close()
        for path in kept:
            path.with_name(path.name + ".kept").replace(path)
            path.chmod(0o644)
