"""What a fault in the rows of a migrated set is, and how it is planted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator.schema import catalogue
from migrator.system import connections

#: The end of a statement on one trade of those that ..., and on one with a fraction of a second.
ONE_TRADE = "WHERE id = (SELECT min(id) FROM trades WHERE"
FRACTION = "timestamp GLOB '* ??:??:??.*'"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFault:
    """Something wrong with the rows of a migrated set.

    Attributes:
        name: What is wrong, in a few words.
        target: The database it is planted in.
        caught_by: Names of the contracts that each have to turn red.
        mentions: What the message of the first of them has to name.
        statements: What is run on the finished database, each of which has to change something.
        deed: What is done through a connection to it.
    """

    name: str
    target: str = "core"
    caught_by: tuple[str, ...]
    mentions: tuple[str, ...]
    statements: tuple[str, ...] = ()
    deed: Callable[[sqlite3.Connection], None] | None = None


def plant(fault: DataFault, migrated: Path, folder: Path) -> None:
    """Copy the set *migrated* to *folder* and plant *fault* there.

    Raises:
        ValueError: A statement changed nothing: the fault was not planted.
    """
    for name in catalogue.TARGETS.values():
        shutil.copyfile(migrated / name, folder / name)
    with closing(connections.scratch(folder / catalogue.TARGETS[fault.target])) as connection:
        before = connection.total_changes
        for statement in fault.statements:
            connection.execute(statement)
            if not statement.startswith(("CREATE", "DROP")) and connection.total_changes == before:
                raise ValueError(f"{fault.name}: nothing to spoil: {statement}")
            before = connection.total_changes
        if fault.deed:
            fault.deed(connection)
            if connection.total_changes == before:
                raise ValueError(f"{fault.name}: nothing to spoil")
