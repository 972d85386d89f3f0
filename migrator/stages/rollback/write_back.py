"""Write-back: writes what was written to the consolidated databases since the cutover to copies of the legacy ones.

Method, for each consolidated database as it is now, beside the baseline (as it was installed):

0. Rows that were written through the legacy schema go back as they are (:mod:`migrator.stages.rollback.mirrored_rows`).
1. A row without lineage is new.  It gets one, with a key in the format of the legacy table that takes it.
2. The back mappings rebuild the legacy rows behind rows that were written, and :mod:`migrator.stages.rollback.changed_rows` lays what has
   changed over the legacy copy: cells are updated, rows that it lacks inserted, and rows of which nothing is left deleted.
3. Carried tables go back as they are (:mod:`migrator.stages.rollback.carried_tables`), and each is compared with the legacy table afterwards.
4. The rows of a table created since under a legacy name go to that legacy table.

A row that its legacy table refuses, or that no legacy table takes, is left over; :mod:`migrator.stages.rollback.residue` keeps it.
"""

from __future__ import annotations

import sqlite3

from migrator.errors import MigratorError
from migrator.mapping import reader as mapping_reader
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.stages.rollback import carried_tables, changed_rows, mirrored_rows, new_rows, new_tables
from migrator.stages.rollback import triggers as rollback_triggers
from migrator.stages.rollback.session import CANNOT, LEGACY, Session, Sets, WrittenBack


def write(sets: Sets, done: WrittenBack) -> None:
    """Write the differences between the baseline and the set in use to the legacy copies of *sets*.

    Raises:
        sqlite3.Error: A consolidated database lacks a table or column of the specification.
    """
    tables, legacy = sets.last.tables, sets.legacy
    homes = {name.database: name.target for name in sets.last.names}
    triggers = rollback_triggers.take_triggers(legacy)
    for target in catalogue.TARGETS:
        with sets.opened(target, done) as session:
            sources = [
                mapping
                for table in tables
                for mapping in mapping_reader.sources_of(table)
                if mapping.target == target and mapping.back
            ]
            mirrored_rows.list_rows(session.connection, target)
            for mapping in sources:
                new_rows.release_adopted(session, mapping)
            mirrored_rows.take_lineage(session)
            changed_rows.merge(session, sources)
            for mapping in sources:
                # The legacy table never assigns an id that a build assigned.
                if not mapping.number:
                    added = mirrored_rows.added_parents(session, mapping.table)
                    with session.beside(mapping.database, under=LEGACY):
                        carried_tables.raise_mark(session, mapping.source_table, mapping.table, added)
            for table in tables:
                if table.fate is Fate.CARRIED and table.into.partition(".")[0] == target:
                    _apply_carried(session, table.source, table.into.partition(".")[2])
            of_this_home = [table for table in tables if homes.get(table.source.partition(".")[0]) == target]
            new_tables.take_in(session, [table.source for table in of_this_home if table.fate is not Fate.DERIVED])
    rollback_triggers.give_back_triggers(legacy, triggers, done)


def _apply_carried(session: Session, source: str, table: str) -> None:
    """Make the legacy table *source* equal to its carried copy; if it cannot be written, keep the copy whole.

    Raises:
        sqlite3.Error: The disk fails or is full.
    """
    try:
        carried_tables.write_back(session, source, table)
    except (sqlite3.OperationalError, sqlite3.DataError, MigratorError) as error:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorname not in CANNOT:
            raise
        # Its transaction was rolled back; remove its counts.
        session.done.written.pop(source, None)
        session.done.left.pop(f"{session.target}.{table}", None)
        what = error.what if isinstance(error, MigratorError) else f"cannot be written here: {error}"
        session.done.kept_whole[f"{session.target}.{table}"] = f"{source} {what}"
