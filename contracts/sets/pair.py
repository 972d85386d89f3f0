"""A legacy set and the consolidated set made from it, read together through private copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from contracts.sets.consolidated import Subject
from contracts.sets.legacy import LegacySet
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections

#: Columns of the tables that record which legacy row became which row, and which rows are in quarantine.
LINEAGE = ("source", "legacy_key", "target", "target_id", "rest")
QUARANTINE = ("source", "legacy_key", "target", "broken", "row")


def specified_tables(target: str) -> tuple[str, ...]:
    """Return the names of the specified tables of *target*, the full-text ones last."""
    schema = schema_reader.target(target)
    return (*(table.name for table in schema.tables), *(table.name for table in schema.virtual_tables))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two sets that contracts compare.

    Attributes:
        legacy: The legacy set.
        judged: The consolidated set.
    """

    legacy: LegacySet
    judged: Subject

    @contextmanager
    def beside(self, *names: str) -> Iterator[sqlite3.Connection]:
        """Open a connection that reads these databases, each attached under its name."""
        with closing(connections.memory()) as connection:
            for name in names:
                path = self.judged.copy(name) if name in catalogue.TARGETS else self.legacy.copy(name)
                connections.attach(connection, path, name)
            yield connection


def without_lineage(judged: Subject) -> list[str]:
    """Return the consolidated databases without a readable lineage or quarantine table."""
    return [
        catalogue.TARGETS[target]
        for target in judged.originals
        if judged.unreadable(f"{target}.lineage", LINEAGE) or judged.unreadable(f"{target}.quarantine", QUARANTINE)
    ]
