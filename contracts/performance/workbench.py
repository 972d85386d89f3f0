"""Makes a legacy set and its migration for the bot's queries, without quarantined rows."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.performance import questions
from contracts.sets import made as made_sets
from contracts.specimens import generator
from migrator.mapping.workload import Question
from migrator.schema import catalogue
from migrator.system import connections, private_copy
from migrator.system.connections import quoted

_PLACES = {database.name: database.place for database in catalogue.legacy_databases()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Private copies of both sets.

    Attributes:
        legacy: The folder of the legacy set, without the rows in quarantine.
        consolidated: The folder of the three databases.
    """

    legacy: Path
    consolidated: Path

    def paths(self, question: Question) -> tuple[Path, Path]:
        """Return the paths of the legacy and the consolidated database of *question*."""
        return self.legacy / _PLACES[question.legacy], self.consolidated / catalogue.TARGETS[question.target]

    @contextmanager
    def both(self, question: Question) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
        """Open both databases as the bot does."""
        legacy, ours = self.paths(question)
        with (
            closing(connections.as_it_was(legacy, isolation_level=None)) as before,
            closing(connections.application(ours)) as after,
        ):
            yield before, after

    def values(self, question: Question) -> list[dict[str, Any]]:
        """Return the named parameters of each run."""
        return questions.parameters(question, *self.paths(question))


def sets(folder: Path, *, rows: int | None, seed: int = 0) -> Sets:
    """Make a clean specimen of *rows* in *folder*, and its migration."""
    legacy = folder / "legacy"
    generator.make(legacy, rows=rows, seed=seed)
    return of(legacy, folder)


def of(legacy: Path, folder: Path) -> Sets:
    """Return both sets below *folder*: a copy of the legacy set at *legacy*, and its migration."""
    made = made_sets.migrated(legacy, folder)
    consolidated, asked = folder / "consolidated", folder / "asked"
    consolidated.mkdir()
    for name in catalogue.TARGETS.values():
        private_copy.private_copy(made / name, consolidated / name)
    for place in _PLACES.values():
        if (legacy / place).is_file():
            (asked / place).parent.mkdir(parents=True, exist_ok=True)
            private_copy.private_copy(legacy / place, asked / place)
    shutil.rmtree(folder / "migrated")
    both = Sets(legacy=asked, consolidated=consolidated)
    _without_quarantined(both)
    return both


def _without_quarantined(both: Sets) -> None:
    """Delete the quarantined rows from the legacy set, for equal results."""
    keys: dict[tuple[str, str], list[tuple[Any]]] = defaultdict(list)
    for name in catalogue.TARGETS.values():
        with closing(connections.read(both.consolidated / name)) as connection:
            for source, key in connection.execute("SELECT source, legacy_key FROM quarantine"):
                database, _, table = source.partition(".")
                keys[database, table].append((key,))
    for (database, table), refused in keys.items():
        with closing(connections.scratch(both.legacy / _PLACES[database])) as connection:
            columns = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk", (table,)).fetchall()
            ((key,),) = columns or [("rowid",)]
            connection.execute("BEGIN")
            connection.executemany(f"DELETE FROM {quoted(table)} WHERE {quoted(key)} = ?", refused)
            connection.execute("COMMIT")
