"""What the application's connection costs beside a plain one, in CPU time: ``python tests/tools/connector_cost.py``."""

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

import generated
import small_set

import migrator
from migrator.system import connections

ROWS = "WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s LIMIT 10000) SELECT x FROM s"
#: What is done, how often, and how many of what is counted it makes each time.
DEEDS = {
    "a statement": (lambda connection: connection.execute("SELECT 1"), 20_000, 1),
    "a statement and its row": (lambda connection: connection.execute("SELECT 1").fetchone(), 20_000, 1),
    "a row by for": (lambda connection: [None for _ in connection.execute(ROWS)], 20, 10_000),
    "a row by fetchall": (lambda connection: connection.execute(ROWS).fetchall(), 20, 10_000),
    "a row inserted": (lambda connection: connection.execute("INSERT INTO scorecard DEFAULT VALUES"), 500, 1),
}


def spent(connection, deed, times, each):
    """Return the microseconds of CPU time for one."""
    begun = time.process_time()
    for _ in range(times):
        deed(connection)
    return (time.process_time() - begun) / times / each * 1e6


def main():
    """Measure by turns, and print the least of each."""
    with generated.scratch() as folder:
        home = small_set.make(folder / "home")
        small_set.cut_over(home)
        path = home / "data" / "jarvis_core.db"
        with (
            closing(migrator.connect("jarvis_core.db", data_dir=home / "data", isolation_level=None)) as counted,
            closing(connections.application(path, synchronous="FULL")) as plain,
        ):
            for name, deed in DEEDS.items():
                turns = [(spent(plain, *deed), spent(counted, *deed)) for _ in range(7)]
                least = [min(turn) for turn in zip(*turns, strict=True)]
                sys.stdout.write(f"{name:24} plain {least[0]:6.2f} us  counted {least[1]:6.2f} us\n")
    sys.stdout.write(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}\n")


if __name__ == "__main__":
    main()
