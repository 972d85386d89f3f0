"""A specimen that was migrated and cut over, and its legacy files as they were."""

import shutil
import sqlite3

import small_set

import migrator
from contracts.specimens import generator
from migrator.switch import state as switch_state


def make(home, *, rows=400, seed=7, dirty=True, variant="found"):
    """Make a specimen of every legacy database below the new folder *home*, build it and cut over; return its data directory."""
    generator.make(home / "data", seed=seed, rows=rows, dirty=dirty, variant=variant, wal=True)
    small_set.build(home)
    small_set.cut_over(home)
    return home / "data"


def legacy_copy(data, database, into):
    """Open a copy of a legacy file as it was at the cutover."""
    switch = switch_state.read(data)
    (name,) = (name for name in switch.names if name.database == database)
    shutil.copy(switch.originals / name.place, into)
    return sqlite3.connect(into)


def compat(data, database, **options):
    """Open a legacy database by its legacy name on the consolidated set."""
    (name,) = (name for name in switch_state.read(data).names if name.database == database)
    return migrator.connect(name.path, **options)
