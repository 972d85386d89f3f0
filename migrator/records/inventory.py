"""Records of the inventory: each file, its verdict and its tables.

Sizes are in bytes.  Names from files are kept as found, undecodable bytes as lone surrogates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

#: Names that a build attaches: SQLite's own, the three, and the work tables.
_ATTACHED = frozenset({"main", "temp", "core", "analytics", "cache", "ids"})


class Verdict(StrEnum):
    """What a file is for the migration; each file has exactly one verdict."""

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
        differs: How its columns differ from the nearest known shape, if its name is known; else ''.
        unexpected: True for a table of a name that is not known in this database.
        indexes: Names of its indexes that CREATE INDEX made.
        parents: Names of the tables that its foreign keys refer to, each once.
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
    parents: tuple[str, ...] = ()
    problem: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file that is a database, has a database's name, or is one of the three.

    A file that cannot be read to its end has the fields that were read before; the others are None or empty.

    Attributes:
        path: Absolute path.
        place: Its path below the data directory; the absolute path if it was included from outside.
        verdict: What it is.
        name: The legacy database that it is or stands in for; '' if none.
        alias: A name made of its path, if another file has the same stem; else ''.
        reason: Why it is unreadable, unknown or ours; else ''.
        size_bytes: The main file.
        wal_bytes: The WAL beside it; None without one.
        journal_bytes: The rollback journal beside it; None without one.
        hot_journal: True if a transaction was interrupted; the other fields describe the database after its rollback.
        journal_mode: ``wal`` or ``delete``, as the file's header says.
        page_size_bytes: One page.
        encoding: Of text, as SQLite names it.
        user_version: The pragma of that name.
        application_id: The pragma of that name.
        mode: Permission bits.
        digest: SHA-256 of the content of a consistent copy, in hex (:mod:`migrator.system.content_digest`).
        integrity: ``ok``, or the first messages of SQLite's integrity check.
        lost_text: Columns with text in UTF-16 that SQLite reads as other text, so that it could not be written back; with their rows.
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
    lost_text: tuple[str, ...] = ()
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
    """The databases in a data directory: from ``inventory`` to ``plan``.

    Attributes:
        data_dir: Absolute path of the data directory.
        databases: Every file with a verdict, in the order of their paths.
        passed_over: Number of other files.
        findings: One sentence each about what the verdicts do not show.
    """

    data_dir: Path
    databases: tuple[Database, ...]
    passed_over: int
    findings: tuple[str, ...]

    def with_verdict(self, *verdicts: Verdict) -> tuple[Database, ...]:
        """Return the databases of these verdicts."""
        return tuple(database for database in self.databases if database.verdict in verdicts)
