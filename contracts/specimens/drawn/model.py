"""Records of a drawn legacy set, and the function that writes it into a folder.

A row that its table's constraints refuse is left out, because the bot could not have written it either.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.schema import catalogue
from migrator.system import connections
from migrator.system.connections import quoted

#: Constants in the configuration of a drawn set.
CONSTANTS: Mapping[str, str] = MappingProxyType(
    {"wallet_address": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU", "local_utc_offset": "-06:00"}
)


@dataclass(frozen=True, slots=True)
class OddText:
    """TEXT that cannot be bound as a Python ``str``: not UTF-8, or with a lone surrogate."""

    octets: bytes


Cell = str | bytes | int | float | OddText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTable:
    """One table with its rows.

    Attributes:
        name: Its name.
        create: The statement that makes it.
        columns: The columns that rows fill.
        rows: In the order in which they are inserted.
        mark: Its value in ``sqlite_sequence``; None keeps the value that the inserts set.
    """

    name: str
    create: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    mark: Cell = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFile:
    """One database.

    Attributes:
        place: Where it lies below the data directory.
        tables: In the order in which they are made and filled.
        afterwards: Statements once the tables are there, such as those of an index or a trigger; one that finds no
            table is passed over.
    """

    place: PurePosixPath
    tables: tuple[DrawnTable, ...]
    afterwards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSet:
    """A legacy set.

    Attributes:
        files: Its databases.
        order_amount_sol: The decision of the configuration.
    """

    files: tuple[DrawnFile, ...]
    order_amount_sol: str = ""

    @property
    def config(self) -> Config:
        """The configuration with which the plan accepts the set: every table may be missing."""
        known = {database.place for database in catalogue.legacy_databases()}
        return Config(
            constants=CONSTANTS,
            files={str(file.place): "carry:analytics" for file in self.files if file.place not in known},
            order_amount_sol=self.order_amount_sol,
            absent=tuple(
                f"{database.name}.{shape.table}"
                for database in catalogue.legacy_databases()
                for shape in catalogue.shapes_of(database.name)
            ),
        )


def write(drawn: DrawnSet, folder: Path) -> Path:
    """Write the set *drawn* into *folder* and return it."""
    for file in drawn.files:
        path = folder / file.place
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(connections.create(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            # An empty file is not a database yet.
            connection.execute("PRAGMA user_version = 1")
            connection.execute("BEGIN")
            for statement in [*(table.create for table in file.tables), *file.afterwards]:
                with contextlib.suppress(sqlite3.OperationalError):
                    connection.execute(statement)
            for table in file.tables:
                insert(connection, table.name, table.columns, table.rows)
                if table.mark is not None:
                    _set_mark(connection, table)
            connection.execute("COMMIT")
    return folder


def insert(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Insert the *rows* that the table's constraints accept."""
    names = ", ".join(map(quoted, columns))
    for row in rows:
        marks = ", ".join("CAST(? AS TEXT)" if isinstance(cell, OddText) else "?" for cell in row)
        values = [cell.octets if isinstance(cell, OddText) else cell for cell in row]
        with contextlib.suppress(sqlite3.IntegrityError):
            connection.execute(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", values)


def _set_mark(connection: sqlite3.Connection, table: DrawnTable) -> None:
    # A file without AUTOINCREMENT has no sqlite_sequence.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        mark = table.mark.octets if isinstance(table.mark, OddText) else table.mark
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, mark))
