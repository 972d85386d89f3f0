"""The parts of a database: schema entries, tables, virtual tables and their shadow tables."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One row of ``sqlite_schema``."""

    type: str
    name: str
    table: str
    sql: str | None


class Layout(NamedTuple):
    """The parts of a database.

    Attributes:
        entries: The schema, sorted, without statistics, automatic indexes and shadow tables.
        tables: Names of the ordinary tables with content of their own, sorted.
        virtual: Name and module (lower case, '' if it cannot be told) of each virtual table.
        shadows: Names of the shadow tables of known modules, sorted; those that are in *tables* too hold rows.
    """

    entries: tuple[Entry, ...]
    tables: tuple[str, ...]
    virtual: tuple[tuple[str, str], ...]
    shadows: tuple[str, ...]
