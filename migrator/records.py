"""What the stages hand to each other: frozen records, one per arrow of the pipeline.

Sizes are in bytes, names of fields carry their unit.  Names from files are kept as found, odd bytes as lone surrogates;
sentences (``reason``, ``findings``) are ready to be shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from pathlib import Path, PurePath, PurePosixPath
from typing import Any


class Verdict(StrEnum):
    """What inventory takes a file for; each file has exactly one."""

    SOURCE = "source"
    STANDALONE = "standalone"
    UNKNOWN = "unknown"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of a database, as found.

    Attributes:
        name: Its name.
        module: The module of a virtual table, such as ``fts5``; '' for an ordinary one.
        rows: Number of rows; None for a virtual table that keeps none of its own or of a module unknown here.
        digest: SHA-256 of its rows, in hex; '' for a virtual table, whose rows count with the database.
        variant: The known shape that it has; '' if none.
        differs: Which columns keep a table of a known name from the nearest known shape; else ''.
        unexpected: True for a table of a name that is not known in this database.
    """

    name: str
    module: str = ""
    rows: int | None
    digest: str
    variant: str = ""
    differs: str = ""
    unexpected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file that is a database, should be one, or is one of ours.

    What was found out before a reason came up is kept, the rest is None or empty.

    Attributes:
        path: Absolute path.
        place: Where it lies below the data directory; the absolute path if it was included from outside.
        verdict: What it is.
        name: The legacy database that it is or stands in the place of; '' if none.
        reason: Why it is unreadable, unknown or ours; else ''.
        size_bytes: The main file.
        wal_bytes: The WAL beside it; None without one.
        journal_bytes: The rollback journal beside it; None without one.
        hot_journal: True if a transaction was cut short that the journal undoes; all facts are after that.
        journal_mode: ``wal`` or ``delete``, as the file's header says.
        page_size_bytes: One page.
        encoding: Of text, as SQLite names it.
        user_version: The application's own number.
        application_id: The application's own mark.
        mode: Permission bits.
        digest: SHA-256 of the content of a consistent copy, in hex (:mod:`migrator.digest`).
        integrity: ``ok``, or the first messages of SQLite's integrity check.
        rows: Rows of all tables; None if they could not be read.
        tables: Its tables, by name; SQLite's own and the shadow tables of full-text indexes are left out.
        missing: Tables that its variant has and it lacks.
        views: Names of its views; none was queried.
        triggers: Names of its triggers; none was fired.
    """

    path: Path
    place: PurePosixPath
    verdict: Verdict
    name: str = ""
    reason: str = ""
    size_bytes: int | None = None
    wal_bytes: int | None = None
    journal_bytes: int | None = None
    hot_journal: bool = False
    journal_mode: str = ""
    page_size_bytes: int | None = None
    encoding: str = ""
    user_version: int | None = None
    application_id: int | None = None
    mode: int | None = None
    digest: str = ""
    integrity: tuple[str, ...] = ()
    rows: int | None = None
    tables: tuple[Table, ...] = ()
    missing: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """The known shapes that its tables have, each once."""
        return tuple(sorted({table.variant for table in self.tables if table.variant}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lies in a data directory: from ``inventory`` to ``plan``.

    Attributes:
        data_dir: Absolute path of the data directory.
        databases: Every file with a verdict, in the order of their places.
        passed_over: Number of other files.
        findings: One sentence each on what a person should know and no verdict says.
    """

    data_dir: Path
    databases: tuple[Database, ...]
    passed_over: int
    findings: tuple[str, ...]

    def with_verdict(self, *verdicts: Verdict) -> tuple[Database, ...]:
        """Return the databases of these verdicts."""
        return tuple(database for database in self.databases if database.verdict in verdicts)


def escaped(name: object) -> str:
    """Return *name* as a terminal may show it: odd bytes, control and invisible characters as escapes, all on one line."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        character if character == " " or unicodedata.category(character)[0] not in "CZ" else _escape(character)
        for character in text
    )


def plain(value: object) -> Any:
    """Return a record, or anything made of records, as values that JSON knows.

    Raises:
        TypeError: There is something in it that a record should not hold.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | PurePath):
        return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, set | frozenset) else items
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
