"""Indexes beyond the specification, which the owners order: ``[decisions] extra_indexes``.

Each is one statement that names its database, ``CREATE INDEX core.idx_lots_symbol ON tax_lots(symbol)``.  It is read
when the configuration is, so that a misspelt column is a usage error and not a build that fails at its end.  The word
``recommended`` stands for the statements of ``recommended_indexes.sql``.  It is replaced here, so that the plan, the build
and the evidence have the statements and not the word.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from migrator.errors import UsageError
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.specified import AS_WRITTEN, Specification
from migrator.system import connections
from migrator.system.connections import folded

#: Prefix of a carried table's name.
CARRIED = "legacy_"

#: The word in ``extra_indexes`` for the indexes that the findings recommend.
RECOMMENDED = "recommended"

_STATEMENT = re.compile(
    rf"CREATE\s+INDEX\s+({'|'.join(catalogue.TARGETS)})\.(\w+)\s+(ON\s+(\w+)\s*\(.+)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraIndex:
    """An index that the owners order.

    Attributes:
        target: ``core``, ``analytics`` or ``cache``.
        name: Its name there.
        table: The table there.
        statement: The CREATE INDEX, with the name of the database.
    """

    target: str
    name: str
    table: str
    statement: str

    @property
    def stored(self) -> str:
        """The statement as SQLite stores it: without the name of the database."""
        return re.sub(rf"\b{self.target}\.", "", self.statement, count=1, flags=re.IGNORECASE)


def recommended() -> tuple[str, ...]:
    """Return the statements of the indexes that the findings recommend."""
    texts = (statement for _, statement in schema_reader.statements(catalogue.recommended_indexes()))
    return tuple(text.rstrip(";") for text in texts)


def read(
    statements: Iterable[str], specification: Specification = AS_WRITTEN, path: Path | None = None
) -> tuple[ExtraIndex, ...]:
    """Return the indexes that *statements* make, and the word ``recommended`` if it is one of them.

    A recommended statement that *statements* also hold in full is made once.  Each is tried beside the tables and indexes
    of *specification*.

    Raises:
        UsageError: A statement is not a CREATE INDEX, or the database cannot have such an index; *path* is the configuration.
    """
    indexes: list[ExtraIndex] = []
    for statement in _replaced(tuple(statements)):
        match = _STATEMENT.fullmatch(statement.strip().rstrip(";").rstrip())
        if match is None or ";" in match[0]:
            raise UsageError(
                f'decisions.extra_indexes: {statement!r} must be a CREATE INDEX, or the word "{RECOMMENDED}"', where=path,
                hint=f'write "{RECOMMENDED}", or for example ["CREATE INDEX core.idx_tax_lots_symbol ON tax_lots(symbol)"]',
            )  # fmt: skip
        indexes.append(ExtraIndex(target=folded(match[1]), name=match[2], table=match[4], statement=match[0]))
    for target in {index.target for index in indexes}:
        with closing(connections.memory()) as connection:
            connection.executescript(specification.ddl(target) + catalogue.our_ddl())
            for index in indexes:
                if index.target == target:
                    _try(connection, index, path)
    return tuple(indexes)


def _replaced(statements: tuple[str, ...]) -> Iterator[str]:
    """Yield *statements*, with the recommended ones in the place of the word."""
    for statement in statements:
        if statement == RECOMMENDED:
            yield from (each for each in recommended() if each not in statements)
        else:
            yield statement


def _try(connection: sqlite3.Connection, index: ExtraIndex, path: Path | None) -> None:
    """Make *index* on empty tables, to find errors in it."""
    specified = {folded(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if folded(index.table) not in specified:
        if not folded(index.table).startswith(CARRIED):
            raise UsageError(f"decisions.extra_indexes: {index.target} has no table {index.table}", where=path)
        known = _carried().get(folded(index.table))
        if known is None:
            # A table of an unknown file: its columns are known only to the build.
            return
        connection.execute(
            f"CREATE TABLE {connections.quoted(index.table)} ({', '.join(map(connections.quoted, known))})"
        )
    try:
        connection.execute(index.stored)
    except sqlite3.Error as error:
        raise UsageError(f"decisions.extra_indexes: {index.statement!r}: {error}", where=path) from error


@cache
def _carried() -> dict[str, tuple[str, ...]]:
    """Return carried name, in lower case -> columns, for each known legacy table."""
    return {
        folded(f"{CARRIED}{database.name}_{shape.table}"): shape.names
        for database in catalogue.legacy_databases()
        for shape in database.shapes
    }
