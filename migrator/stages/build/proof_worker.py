"""A reader that proves: it finds the rows that back alone does not rebuild, and rebuilds them with their rest.

It is given SQL, and so starts without what makes it; ``python -m migrator.stages.build.proof_worker`` is the same in a process of its own,
which is asked by lines.  Two threads would not do: a row makes SQLite ask Python and its own allocator so often that
both together take as long as one.
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

#: Pages in memory, for the target and for the work tables, in KiB.
CACHE_KIB = 8_000
#: How many keys of rows that are not rebuilt are kept of each source.
SHOWN = 5
#: How many rests are handed over at a time.
AT_ONCE = 2_000


class Proof(NamedTuple):
    """What is to be proved of one mapping.

    Attributes:
        source: The legacy table with its database.
        database: The legacy database.
        given: The named parameters of the statements.
        find: A SELECT of legacy_key, rest, and the lineage row that keeps it (``at``), of each row that differs.
        rebuilt: A SELECT of the keys of those rows, which are in :func:`differing`, that are not rebuilt with their rest.
        quarantined: A SELECT of the keys of quarantined rows that are not rebuilt.
    """

    source: str
    database: str
    given: Mapping[str, str | None]
    find: str
    rebuilt: str
    quarantined: str


def differing(source: str) -> str:
    """Return the work table of the rows of *source* that differ, as SQL."""
    return f"temp.{quoted(f'differing rows of {source}')}"


class Prover:
    """A connection that reads the target and, one at a time, the sources; its work tables hold what differs."""

    def __init__(self, target: str, paths: Mapping[str, Path]) -> None:
        self._connection = connections.memory()
        self._paths = paths
        sql_functions.register(self._connection)
        connections.attach(self._connection, paths[target], target)
        for name in (target, "temp"):
            self._connection.execute(f"PRAGMA {name}.cache_size = -{CACHE_KIB}")
        # Work tables are gone with the connection: to overwrite them with zeros before would hide nothing.
        self._connection.execute("PRAGMA temp.secure_delete = OFF")

    def find(self, proof: Proof) -> int:
        """Find the rows that differ, and return how many they are."""
        with self._beside(proof):
            self._connection.execute(f"CREATE TABLE {differing(proof.source)} AS {proof.find}", proof.given)
        (found,) = self._connection.execute(f"SELECT count(*) FROM {differing(proof.source)}").fetchone()
        return int(found)

    def rests(self, proof: Proof, above: int) -> list[tuple[int, str, int]]:
        """Return number, rest and lineage row of the next rows that were found to differ, numbered *above*; [] at the end."""
        return self._connection.execute(
            f"SELECT rowid, rest, at FROM {differing(proof.source)} WHERE rowid > ? ORDER BY 1 LIMIT {AT_ONCE}",
            (above,),
        ).fetchall()

    def rebuild(self, proof: Proof) -> list[str]:
        """Return keys of rows that rest, or quarantine, does not rebuild: no more than are shown."""
        with self._beside(proof):
            bad = [
                *self._connection.execute(proof.rebuilt, proof.given).fetchmany(SHOWN),
                *self._connection.execute(proof.quarantined).fetchmany(SHOWN),
            ]
        return [str(key) for (key,) in bad[:SHOWN]]

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()

    @contextlib.contextmanager
    def _beside(self, proof: Proof) -> Iterator[None]:
        connections.attach(self._connection, self._paths[proof.database], proof.database)
        yield
        self._connection.execute(f"DETACH {quoted(proof.database)}")


def main() -> int:
    """Answer by a line of JSON to each line that asks; the first says which databases it is about."""
    # Who is interrupted at a terminal is our parent as well, and it ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target, paths = json.loads(sys.stdin.readline())
    with contextlib.closing(Prover(target, {name: Path(path) for name, path in paths.items()})) as prover:
        for line in sys.stdin:
            what, proof, *given = json.loads(line)
            try:
                answer = {"answer": getattr(prover, what)(Proof(*proof), *given)}
            except sqlite3.Error as error:
                answer = {"error": str(error), "name": getattr(error, "sqlite_errorname", "")}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
