"""Records of the inventory: each file, its verdict and its tables.

Sizes are in bytes.  Names from files are kept as found, odd bytes as lone surrogates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

#: Names that are in use on a connection that builds: SQLite's own, the three, and the work tables.
_ATTACHED = frozenset({"main", "temp", "core", "analytics", "cache", "ids"})


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
        indexes: Names of its indexes that CREATE INDEX made.
        problem: Why it can neither be carried nor be left behind without a loss; else ''.
        about: What a virtual table is that can be left behind; else ''.
    """

    name: str
    module: str = ""
    rows: int | None
    digest: str
    variant: str = ""
    differs: str = ""
    unexpected: bool = False
    indexes: tuple[str, ...] = ()
    problem: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file that is a database, should be one, or is one of ours.

    What was found out before a reason came up is kept, the rest is None or empty.

    Attributes:
        path: Absolute path.
        place: Its path below the data directory; the absolute path if it was included from outside.
        verdict: What it is.
        name: The legacy database that it is or stands in for; '' if none.
        alias: What tells it from other files with the same stem, made of its path; '' where the stem is enough.
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
        digest: SHA-256 of the content of a consistent copy, in hex (:mod:`migrator.system.content_digest`).
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
    alias: str = ""
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
    def known_as(self) -> str:
        """The name under which it is attached and its tables are carried: its own, else the stem of its file.

        ``name.table`` has one point, and some names are taken on every connection.
        """
        stem = self.place.stem.replace(".", "_")
        return self.name or self.alias or (f"{stem}_db" if stem.lower() in _ATTACHED else stem)

    @property
    def path_in_snapshot(self) -> PurePosixPath:
        """The path of its copy below a snapshot; that of a database from outside is ``included/NAME``."""
        return PurePosixPath("included", self.place.name) if self.place.is_absolute() else self.place

    @property
    def variants(self) -> tuple[str, ...]:
        """The known shapes that its tables have, each once."""
        return tuple(sorted({table.variant for table in self.tables if table.variant}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lies in a data directory: from ``inventory`` to ``plan``.

    Attributes:
        data_dir: Absolute path of the data directory.
        databases: Every file with a verdict, in the order of their paths.
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
