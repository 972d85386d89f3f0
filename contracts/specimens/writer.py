"""Writing one database of a specimen: shape, rows, journal mode, and what is left in the WAL."""

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

#: How many rows of a table stay in the WAL at most; at least one in ten does, and the only row of a table.
WAL_ROWS = 100

_JOURNAL = re.compile(r"^PRAGMA (?:journal_mode = (\w+)|\w+ = \w+);$", re.MULTILINE)


class Writer:
    """One new database: created, filled, finished.

    While it is being filled it is scratch: no journal, no syncing.  :meth:`finish` gives it the journal mode of
    production.  With *wal*, the last rows of each table are held back until :meth:`late`, which leaves them, and
    everything written after, in a WAL that nobody checkpointed.
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
        # The bot's files have the mode that SQLite gives: readable by everybody.
        path.chmod(0o644)
        # A set that was not finished is thrown away: no crash is worth a journal here.
        self._pragmas("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -16384")
        self.connection.executescript(_JOURNAL.sub("", ddl))
        # Parents may live in another file, and nobody enforced keys that were declared.
        self._pragmas("foreign_keys = OFF")

    def _pragmas(self, *pragmas: str) -> None:
        for pragma in pragmas:
            self.connection.execute(f"PRAGMA {pragma}").fetchall()

    def fill(self, tables: Mapping[str, Table], world: World, database: str, names: Sequence[str]) -> None:
        """Write the rows of the tables *names* of *database*, as many of each as *world* counts."""
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
        """Write what was held back and return the connection, for what else is to come last."""
        if self.wal:
            self._early = sum(self.rows().values())
            self._pragmas("locking_mode = NORMAL", "journal_mode = WAL", "wal_autocheckpoint = 0")
        for insert, rows in self._late:
            self._many(insert, rows)
        self._late.clear()
        return self.connection

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has; an index over another table has none of its own."""
        tables = self.connection.execute(
            "SELECT l.name FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name"
            " WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " AND (l.type = 'table' OR l.type = 'virtual' AND s.sql NOT LIKE '%content=%') ORDER BY l.name"
        ).fetchall()
        count = "SELECT count(*) FROM "
        return {name: self.connection.execute(count + connections.quoted(name)).fetchone()[0] for (name,) in tables}

    def rows_in_wal(self) -> int:
        """Return how many rows would be missing from a copy without the WAL."""
        return sum(self.rows().values()) - self._early if self.wal else 0

    def finish(self) -> None:
        """Close the database in its journal mode; with *wal*, as a process leaves it that was killed."""
        if not self.wal:
            self._pragmas("locking_mode = NORMAL", f"journal_mode = {self.journal}")
            if not self.path.stat().st_size:
                # Without a table SQLite has not written anything yet.
                self.connection.executescript("CREATE TABLE t (x); DROP TABLE t; VACUUM")
            self.connection.close()
            return
        # Closing would checkpoint and delete the WAL: keep both files as they are now and put them back.
        kept = [(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal")]
        for path in kept:
            shutil.copyfile(path, path.with_name(path.name + ".kept"))
        self.connection.close()
        for path in kept:
            path.with_name(path.name + ".kept").replace(path)
            path.chmod(0o644)
