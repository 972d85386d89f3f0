"""Finds the rows that back alone does not rebuild, and rebuilds them with their rest.

A prover gets SQL and imports no code that makes it, so that it starts fast.  ``python -m migrator.stages.build.proof_worker``
runs one in a process of its own, with a request and an answer a line.  A second thread would save no time: for each row
SQLite calls Python functions and its allocator, which one thread at a time can use.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from migrator.mapping import sql_functions
from migrator.system import connections
from migrator.system.connections import quoted

#: Cache of the target and of the work tables [KiB].
CACHE_KIB = 8_000
#: Maximum number of keys that are returned of the rows of a source that are not rebuilt.
SHOWN = 5
#: Number of rests that are returned at a time.
AT_ONCE = 2_000


class Proof(NamedTuple):
    """The statements that prove one mapping.

    Attributes:
        source: The legacy table with its database.
        database: The legacy database.
        given: The named parameters of the statements.
        find: Selects legacy_key, rest, and the lineage row for it (``at``), of each row that differs.
        rebuilt: Selects the keys of those rows, which are in :func:`differing`, that are not rebuilt with their rest.
        quarantined: Selects the keys of quarantined rows that are not rebuilt.
    """

    source: str
    database: str
    given: Mapping[str, str | None]
    find: str
    rebuilt: str
    quarantined: str


def differing(source: str) -> str:
    """Return the SQL name of the work table of the rows of *source* that differ."""
    return f"temp.{quoted(f'differing rows of {source}')}"


class Prover:
    """Reads the target and, one at a time, the sources; its work tables hold the rows that differ."""

    def __init__(self, target: str, paths: Mapping[str, Path]) -> None:
        self._connection = connections.memory()
        self._paths = paths
        sql_functions.register(self._connection)
        connections.attach(self._connection, paths[target], target)
        for name in (target, "temp"):
            self._connection.execute(f"PRAGMA {name}.cache_size = -{CACHE_KIB}")
        # The work tables are deleted with the connection: overwriting deleted content with zeros is not needed.
        self._connection.execute("PRAGMA temp.secure_delete = OFF")

    def find(self, proof: Proof) -> int:
        """Find the rows that differ; return their number."""
        with self._beside(proof):
            self._connection.execute(f"CREATE TABLE {differing(proof.source)} AS {proof.find}", proof.given)
        (rows,) = self._connection.execute(f"SELECT count(*) FROM {differing(proof.source)}").fetchone()
        return int(rows)

    def rests(self, proof: Proof, above: int) -> list[tuple[int, str, int]]:
        """Return number, rest and lineage row of the next differing rows with a number *above*; [] after the last."""
        return self._connection.execute(
            f"SELECT rowid, rest, at FROM {differing(proof.source)} WHERE rowid > ? ORDER BY 1 LIMIT {AT_ONCE}",
            (above,),
        ).fetchall()

    def rebuild(self, proof: Proof) -> list[str]:
        """Return the keys of rows that rest, or quarantine, does not rebuild; at most ``SHOWN``."""
        with self._beside(proof):
            bad = [
                *self._connection.execute(proof.rebuilt, proof.given).fetchmany(SHOWN),
                *self._connection.execute(proof.quarantined).fetchmany(SHOWN),
            ]
        return [str(key) for (key,) in bad[:SHOWN]]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextlib.contextmanager
    def _beside(self, proof: Proof) -> Iterator[None]:
        connections.attach(self._connection, self._paths[proof.database], proof.database)
        yield
        self._connection.execute(f"DETACH {quoted(proof.database)}")


def main() -> int:
    """Answer each request line with a line of JSON; the first line names the databases."""
    # Ctrl-C at a terminal also interrupts the parent process, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target, paths = json.loads(sys.stdin.readline())
    with contextlib.closing(Prover(target, {name: Path(path) for name, path in paths.items()})) as prover:
        for line in sys.stdin:
            method, proof, *arguments = json.loads(line)
            try:
                answer = {"answer": getattr(prover, method)(Proof(*proof), *arguments)}
            except sqlite3.Error as error:
                answer = {"error": str(error), "name": getattr(error, "sqlite_errorname", "")}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
