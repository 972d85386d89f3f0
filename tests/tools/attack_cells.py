"""Plants odd but legal cells in synthetic legacy sets, migrates them, and prints each that is not GO: ``python tests/tools/attack_cells.py``.

Every set is one that the tool has to move or to refuse in one sentence; a broken contract, a row that is not rebuilt and
a traceback are findings.  The same seed plants the same cells.
"""

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
from contextlib import closing
from pathlib import Path

from contracts.specimens import generator
from contracts.specimens.drawn import cells as drawn_cells
from migrator.config import config_file
from migrator.errors import MigratorError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.switch.workspace import Workspace
from migrator.system.connections import quoted

#: TEXT whose bytes are no UTF-8: bound as BLOBs, cast by SQLite.
ODD_TEXTS = (b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"2026-01-17\xff", b'{"a":"\xff"}', b"\x00\xff", b"a\0b")
TIMES = (
    *drawn_cells.TIMES,
    "2026-03-08T02:30:00",  # an hour that the clocks of Chicago skip
    "2026-11-01T01:30:00",  # one that they show twice
    "2026-11-01T01:30:00-05:00",
    "0000-01-01T00:00:00",
    "2026-01-17T10:00:00,5",
    "20260117T100000",
    "2026-W03-6",
    "1768644000",
    " 2026-01-17",
    "2026-01-17T10:00:00+24:00",
)
VALUES = (
    None,
    *drawn_cells.INTEGER_KEYS,
    2**53,
    -(2**53) - 1,
    *drawn_cells.REALS,
    1e300,
    5e-324,
    2.0**63,
    -(2.0**63),
    *drawn_cells.TEXT_KEYS,
    *TIMES,
    *drawn_cells.JSONS,
    *drawn_cells.SYMBOLS,
    *drawn_cells.MINTS,
    *drawn_cells.LOTS,
    *drawn_cells.EPOCHS,
    "1e308",
    "9223372036854775808",
    "0x10",
    " 1",
    "\ufeff",
    "e\u0301",
    "\u00e9",
    "\u212b",
    "x" * 100_000,
    "user:007",
    "user:-1",
    "tp1",
    "open",
    "OPEN",
    "buy",
    b"",
    b"1",
    b"{}",
    b"2026-01-17",
    b"\x80\x04\x95.",
)
#: Values for the keys of rows.
ROWIDS = (-1, -2, 0, -(2**63), 2**53 + 1, 2**62)


def plant(folder, seed, share, only=()):
    """Replace cells in every database of *folder*; return what was planted where."""
    chance = random.Random(seed)  # noqa: S311 - it has to be the same again
    planted = []
    for path in sorted(folder.rglob("*.db")):
        if only and path.stem not in only:
            continue
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            planted += [(path.stem, *one) for one in _plant_in(connection, chance, share)]
    return planted


def _plant_in(connection, chance, share):
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (table,) in sorted(tables):
        name = quoted(table)
        columns = connection.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (table,)).fetchall()
        try:
            rowids = [one for (one,) in connection.execute(f"SELECT rowid FROM {name} ORDER BY rowid")]
        except sqlite3.OperationalError:
            continue
        for column, key in columns:
            for rowid in rowids:
                if chance.random() >= share / (4 if key else 1):
                    continue
                value = chance.choice(VALUES if not key else (*ROWIDS, *VALUES))
                odd = chance.random() < 0.1
                if odd:
                    value = chance.choice(ODD_TEXTS)
                expression = "CAST(? AS TEXT)" if odd else "?"
                try:
                    done = connection.execute(
                        f"UPDATE OR IGNORE {name} SET {quoted(column)} = {expression} WHERE rowid = ?", (value, rowid)
                    ).rowcount
                except sqlite3.Error:
                    continue
                if done:
                    yield table, column, rowid, value


def attempt(folder, variant, seed, *, rows, share, only=()):
    """Make a set, plant in it, migrate it; return what is wrong with what came of it."""
    data = folder / "data"
    generator.make(data, variant=variant, rows=rows, seed=seed, dirty=seed % 2 == 1)
    planted = plant(data, seed, share, only)
    toml = data / "migrator.toml"
    try:
        done = pipeline_migrate.migrate(Workspace(data), config_file.load(toml), toml)
    except MigratorError as error:
        return planted, [f"{type(error).__name__}: {error}"]
    except Exception:  # noqa: BLE001 - every error is a finding
        return planted, [traceback.format_exc()]
    wrong = [f"not rebuilt: {source}: {keys}" for source, keys in done.built.mismatches.items()]
    wrong += [f"{one.name}: {one.says}" for one in done.verified.broken]
    return planted, wrong


def main():
    """Try one seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=["found", "specified"], default="found")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--share", type=float, default=0.02, help="of the cells are replaced")
    parser.add_argument("--only", action="append", default=[], help="a database")
    parser.add_argument("--keep", type=Path, help="where sets that are not GO are kept")
    arguments = parser.parse_args()
    bad = 0
    for seed in range(arguments.first, arguments.first + arguments.sets):
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            planted, wrong = attempt(
                Path(folder), arguments.variant, seed, rows=arguments.rows, share=arguments.share, only=arguments.only
            )
            sys.stdout.write(f"seed {seed}: {len(planted)} cells, {len(wrong)} findings\n")
            for one in wrong:
                sys.stdout.write(f"    {one}\n".replace("\n", "\n        ").rstrip(" "))
            sys.stdout.flush()
            bad += bool(wrong)
            if wrong and arguments.keep:
                kept = arguments.keep / f"{arguments.variant}-{seed}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(Path(folder) / "data", kept, symlinks=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
