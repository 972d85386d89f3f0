"""The proof of a build: what back cannot know of a row is kept beside its lineage, and every row is rebuilt.

Nearly all of it is reading, which two readers share, each on a thread with a connection of its own: SQLite works outside
of Python's lock.  What is kept is written by the one connection that writes, between their two rounds.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from migrator import functions, rebuild, sqlite
from migrator.errors import BuildError
from migrator.mapping import TableMapping
from migrator.sqlite import quoted

#: How many read at once: more would wait for each other in the functions that are Python's.
READERS = 2
#: Pages in memory of each reader, for the target and for its work tables, in KiB.
CACHE_KIB = 8_000
#: How many keys of rows that are not rebuilt are kept of each source.
SHOWN = 5


def prove(
    connection: sqlite3.Connection,
    target: str,
    paths: Mapping[str, Path],
    mapped: Sequence[TableMapping],
    constants: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Keep the rest of every mapped row, and return the keys of rows that are not rebuilt, by source: none is the proof.

    Args:
        connection: Has the *target* attached for writing, loaded and committed, with its indexes.
        target: ``core``, ``analytics`` or ``cache``.
        paths: The file of each database that is read, the target's under its own name.
        mapped: The mappings of the target whose rows have a legacy row.
        constants: What the mappings are given.

    Raises:
        BuildError: A row that differs has no lineage that could keep how.
        sqlite3.Error: The disk is full, or a mapping asks what SQLite cannot answer.
    """
    size = {
        one.source: connection.execute(
            f"SELECT count(*) FROM {target}.lineage WHERE source = ?", (one.source,)
        ).fetchone()
        for one in mapped
    }
    readers = [_Reader(target, paths, constants) for _ in range(min(READERS, len(mapped)))]
    with contextlib.ExitStack() as stack:
        for reader in readers:
            stack.enter_context(contextlib.closing(reader.connection))
        waiting = deque(sorted(mapped, key=lambda one: size[one.source], reverse=True))
        _by_each(readers, lambda reader: reader.find(waiting))
        connection.execute("BEGIN")
        for reader in readers:
            for one in reader.found:
                _keep(connection, reader, one)
        connection.execute("COMMIT")
        _by_each(readers, _Reader.rebuild)
        return {source: keys for reader in readers for source, keys in reader.mismatches.items()}


def _by_each(readers: Sequence[_Reader], work: Callable[[_Reader], None]) -> None:
    with ThreadPoolExecutor(max(len(readers), 1)) as threads:
        for done in [threads.submit(work, reader) for reader in readers]:
            done.result()


def _keep(connection: sqlite3.Connection, reader: _Reader, one: TableMapping) -> None:
    (differing,) = reader.connection.execute(f"SELECT count(*) FROM {reader.rests(one)}").fetchone()
    kept = connection.executemany(
        f"UPDATE {reader.target}.lineage SET rest = ? WHERE rowid = ?",
        reader.connection.execute(f"SELECT rest, at FROM {reader.rests(one)}"),
    ).rowcount
    if differing and kept != differing:
        raise BuildError(
            f"{differing:,} rows differ and {kept:,} could keep how",
            where=one.source,
            hint="please report this as a bug",
        )


class _Reader:
    """A connection that reads the target and, one at a time, the sources; its work tables hold what differs.

    Attributes:
        connection: It is used by one thread at a time.
        target: The name under which the target is attached.
        found: The mappings whose differing rows it has found, in this order.
        mismatches: Keys of rows that are not rebuilt, by source.
    """

    def __init__(self, target: str, paths: Mapping[str, Path], constants: Mapping[str, str]) -> None:
        self.connection = sqlite.memory(across_threads=True)
        self.target = target
        self.found: list[TableMapping] = []
        self.mismatches: dict[str, tuple[str, ...]] = {}
        self._paths = paths
        self._constants = constants
        functions.register(self.connection)
        sqlite.attach(self.connection, paths[target], target)
        for name in (target, "temp"):
            self.connection.execute(f"PRAGMA {name}.cache_size = -{CACHE_KIB}")
        # Work tables are gone with the connection: to overwrite them with zeros before would hide nothing.
        self.connection.execute("PRAGMA temp.secure_delete = OFF")

    def rests(self, one: TableMapping) -> str:
        """Return the work table of the rows of *one* that differ: legacy_key, rest, and the lineage row that keeps it."""
        return f"temp.{quoted(f'rests of {one.source}')}"

    def find(self, waiting: deque[TableMapping]) -> None:
        """Find the rows that differ, of one mapping after the other that is *waiting*."""
        with contextlib.suppress(IndexError):
            while True:
                one = waiting.popleft()
                try:
                    self._find(one)
                except sqlite3.Error:
                    # The other need not go on.
                    waiting.clear()
                    raise
                self.found.append(one)

    def _find(self, one: TableMapping) -> None:
        first = (
            f"SELECT min(x.rowid) FROM {self.target}.lineage AS x"
            f" WHERE x.source = '{one.source}' AND x.legacy_key = +d.legacy_key AND x.target = '{one.table}'"
        )
        with self._beside(one):
            self.connection.execute(
                f"CREATE TEMP TABLE {quoted(f'rests of {one.source}')} AS SELECT d.legacy_key AS legacy_key,"
                f" d.rest AS rest, ({first}) AS at FROM ({rebuild.rest_sql(one)}) AS d",
                one.given(self._constants),
            )

    def rebuild(self) -> None:
        """Rebuild the rows that were found to differ by back and rest, and those in quarantine from where they are."""
        for one in self.found:
            with self._beside(one):
                mapped = rebuild.mismatches_sql(one, self.rests(one))
                bad = [
                    *self.connection.execute(mapped, one.given(self._constants)).fetchmany(SHOWN),
                    *self.connection.execute(rebuild.quarantine_mismatches_sql(one)).fetchmany(SHOWN),
                ]
            if bad:
                self.mismatches[one.source] = tuple(str(key) for (key,) in bad[:SHOWN])

    @contextlib.contextmanager
    def _beside(self, one: TableMapping) -> Iterator[None]:
        sqlite.attach(self.connection, self._paths[one.database], one.database)
        yield
        self.connection.execute(f"DETACH {quoted(one.database)}")
