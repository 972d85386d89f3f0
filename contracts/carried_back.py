"""What a rollback did to the legacy files: compared with their originals, and with what was written to the three."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from contracts import standing
from contracts.accounting import Typed, typed
from contracts.second_reader.cells import rows
from migrator import sqlite
from migrator.records import Fate
from migrator.sqlite import quoted
from migrator.switch import Name, Switch


def written_since(made: Switch, name: Name) -> bool:
    """Tell whether a legacy file was written to after the rollback had come to its end: then it is its owners' again."""
    ended = (made.root / "switch.json").stat().st_mtime_ns
    wal = sqlite.beside(name.path, "-wal")
    there = [path for path in (name.path, wal) if path.is_file() and (path is not wal or path.stat().st_size)]
    return any(path.stat().st_mtime_ns > ended for path in there)


def faults(made: Switch, name: Name, scratch: Path) -> Iterator[str]:
    """Yield each table of a legacy file that differs from its original by something else than what was written.

    Method: rows that are gone and rows that are new are counted as multisets, in the legacy table between original and
    now, in its consolidated tables between what was installed and what was left behind.  One row written there is at
    most one here; and what was written is here, or in the residue.
    """
    original, now = made.originals / name.place, name.path
    for table in made.tables:
        database, _, own = table.source.partition(".")
        if database != name.database or table.fate not in (Fate.MAPPED, Fate.CARRIED):
            continue
        here = _changed(original, now, own, scratch)
        there = sum(
            _changed(made.baseline / path.name, made.left_behind / path.name, table.into.partition(".")[2], scratch)
            for path in [made.installed(table.into.partition(".")[0])]
        )
        if here > there:
            yield f"{table.source}: {here:,} rows differ from the original, {there:,} were written to {table.into}"
        elif there and not here and not _is_kept(made, table.into, scratch) and _written_here(made, table.into):
            yield f"{table.source}: {there:,} rows were written to {table.into}; none is here, none in the residue"


def _written_here(made: Switch, into: str) -> bool:
    """Tell whether a consolidated table was made of one legacy table alone: then what was written can be nowhere else."""
    return sum(table.into == into for table in made.tables) == 1


def _changed(was: Path, now: Path, table: str, scratch: Path) -> int:
    """Return how many rows of a table are gone or new, whichever are more."""
    # The rows of a full-text table lie in a table behind it.
    tables = [{one.name: one for one in standing.content(path, scratch).tables} for path in (was, now)]
    held = table if any(table in known for known in tables) else f"{table}_content"
    if tables[0].get(held) == tables[1].get(held):
        return 0
    before, after = (
        _rows(path, held, scratch) if held in known else Counter()
        for path, known in zip((was, now), tables, strict=True)
    )
    return max((before - after).total(), (after - before).total())


def _rows(path: Path, table: str, scratch: Path) -> Counter[tuple[Typed, ...]]:
    with standing.opened(path, scratch) as connection:
        return Counter(tuple(map(typed, cells)) for cells in rows(connection, f"SELECT * FROM {quoted(table)}"))


def _is_kept(made: Switch, into: str, scratch: Path) -> bool:
    """Tell whether the residue has rows of a consolidated table."""
    kept = made.left_behind / "residue.db"
    if not kept.is_file():
        return False
    with standing.opened(kept, scratch) as connection:
        try:
            return connection.execute(f"SELECT 1 FROM {quoted(into.replace('.', '_', 1))}").fetchone() is not None
        except sqlite3.OperationalError:
            return False
