"""Write-back: writes what was written to the consolidated databases since the cutover to copies of the legacy ones.

Method, for each consolidated database as it is now, beside the baseline (as it was installed):

1. A row without lineage is new.  It gets one, with a key in the format of the legacy table that takes it.
2. The back mappings rebuild the legacy rows behind rows that were written, and :mod:`migrator.stages.rollback.changed_rows` lays what has
   changed over the legacy copy: cells are updated, rows that it lacks inserted, and rows of which nothing is left deleted.
3. Carried tables go back as they are (:mod:`migrator.stages.rollback.carried_tables`), and each is compared with the legacy table afterwards.
4. The rows of a table created since under a legacy name go to that legacy table.

A row that its legacy table refuses, or that no legacy table takes, is left over; :mod:`migrator.stages.rollback.residue` keeps it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from migrator.errors import MigratorError
from migrator.mapping import reader as mapping_reader
from migrator.mapping import sql_functions
from migrator.records.plan import Fate, PlannedTable
from migrator.schema import catalogue
from migrator.stages.rollback import carried_tables, changed_rows, new_tables
from migrator.stages.rollback import triggers as rollback_triggers
from migrator.stages.rollback.session import BASELINE, BEFORE, CANNOT, LEGACY, Bench, CarriedBack
from migrator.system import connections


def carry_back(
    tables: Sequence[PlannedTable],
    homes: Mapping[str, str],
    legacy: Mapping[str, Path],
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    constants: Mapping[str, str],
    done: CarriedBack,
) -> None:
    """Write the differences between *baseline* and *current* to the copies *legacy*.

    Args:
        tables: The fate of every legacy table, as the cutover had it.
        homes: Legacy database -> the consolidated one to which its name led.
        legacy: Legacy database -> a private copy of it, which is written.
        current: ``core`` -> a private copy of the consolidated database as it is now; its lineage is written.
        baseline: ``core`` -> the consolidated database as it was installed.
        constants: The constants of the mappings, as in the build.
        done: Receives what was written, and what was not.

    Raises:
        sqlite3.Error: A consolidated database lacks a table or column of the specification.
    """
    triggers = rollback_triggers.take_triggers(legacy)
    for target in catalogue.TARGETS:
        with _opened(target, current[target], baseline[target]) as connection:
            bench = Bench(connection, target, legacy, constants, done)
            sources = [
                mapping
                for table in tables
                for mapping in mapping_reader.sources_of(table)
                if mapping.target == target and mapping.back
            ]
            changed_rows.carry(bench, sources)
            for mapping in sources:
                # The legacy table never assigns an id that a build assigned.
                if not mapping.number:
                    with bench.beside(mapping.database, under=LEGACY):
                        carried_tables.raise_mark(bench, mapping.source_table, mapping.table)
            for table in tables:
                if table.fate is Fate.CARRIED and table.into.partition(".")[0] == target:
                    _apply_carried(bench, table.source, table.into.partition(".")[2])
            of_this_home = [table for table in tables if homes.get(table.source.partition(".")[0]) == target]
            new_tables.take_in(bench, [table.source for table in of_this_home if table.fate is not Fate.DERIVED])
    rollback_triggers.give_back_triggers(legacy, triggers, done)


def before(current: Path, target: str) -> Path:
    """Return the path of the work file, beside the copy *current*, with legacy rows as they were before their change."""
    return current.with_name(f"{BEFORE}-{target}.db")


@contextlib.contextmanager
def _opened(target: str, current: Path, baseline: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(connections.lenient(connections.memory())) as connection:
        sql_functions.register(connection)
        connection.execute("PRAGMA foreign_keys = OFF")
        connections.attach(connection, current, target, mode="rw")
        connections.attach(connection, baseline, BASELINE)
        connections.create(before(current, target)).close()
        connections.attach(connection, before(current, target), BEFORE, mode="rw")
        # Only the lineage of the build counts.
        connection.execute(f"DELETE FROM {target}.lineage")
        connection.execute(f"INSERT INTO {target}.lineage SELECT * FROM baseline.lineage")
        yield connection


def _apply_carried(bench: Bench, source: str, table: str) -> None:
    """Make the legacy table *source* equal to its carried copy; if it cannot be written, keep the copy whole.

    Raises:
        sqlite3.Error: The disk fails or is full.
    """
    try:
        carried_tables.write_back(bench, source, table)
    except (sqlite3.OperationalError, sqlite3.DataError, MigratorError) as error:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorname not in CANNOT:
            raise
        # Its transaction was rolled back; remove its counts.
        bench.done.written.pop(source, None)
        bench.done.left.pop(f"{bench.target}.{table}", None)
        what = error.what if isinstance(error, MigratorError) else f"cannot be written here: {error}"
        bench.done.strangers[f"{bench.target}.{table}"] = f"{source} {what}"
