"""Private copies of the legacy set and of the consolidated set, as they are after a cutover; each can be restored."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from migrator.application.compat import opening
from migrator.application.compat.connection import POOL, Connection
from migrator.application.compat.plan import LegacyDatabase
from migrator.switch.state import Name, Switch
from migrator.system import connections, private_copy


class Copies:
    """The two sets in a private folder.

    ``set`` is a data directory after a cutover, with the legacy files as they were copied in its snapshot; ``kept`` has the
    consolidated databases as they were copied, and ``legacy`` the legacy files on which statements run.
    """

    def __init__(
        self, folder: Path, switch: Switch, legacy: Mapping[str, Path], consolidated: Mapping[str, Path]
    ) -> None:
        """Copy the files of the cutover *switch*, made or not, into *folder*.

        Args:
            folder: A private folder.
            switch: The cutover.
            legacy: The legacy databases by name; they are at rest.
            consolidated: The consolidated databases by target.

        Raises:
            MigratorError: A file keeps changing, or cannot be read.
            OSError: There is no room.
        """
        self._kept, self._legacy = folder / "kept", folder / "legacy"
        home = folder / "set"
        self.switch = replace(
            switch,
            data_dir=home,
            finished=True,
            env_file=folder / ".env",
            names=tuple(replace(name, path=home / name.place) for name in switch.names if name.database in legacy),
        )
        self.names: Mapping[str, Name] = {name.database: name for name in self.switch.names}
        for name in self.switch.names:
            kept = self.switch.snapshot / name.place
            kept.parent.mkdir(parents=True, exist_ok=True)
            private_copy.private_copy(legacy[name.database], kept)
        self._kept.mkdir(exist_ok=True)
        for target in self.switch.targets:
            copy = private_copy.private_copy(consolidated[target], self._kept / f"{target}.db")
            with connections.closing_scratch(copy) as connection:
                # Its WAL is folded into the file, so that the copy is one file.
                connections.set_journal_mode(connection, "delete")
                connections.set_journal_mode(connection, "wal")
        self._changed = set(self.names)
        self._refusals: dict[str, str] = {}

    def changed(self, database: str) -> None:
        """Note that the next statement on *database* needs new copies."""
        self._changed |= {name for name, known in self.names.items() if known.target == self.names[database].target}

    def restore(self, database: str) -> None:
        """Copy the legacy file *database* and its consolidated database again, if a statement may have changed them."""
        if database not in self._changed:
            return
        POOL.clear()
        name = self.names[database]
        self.restore_legacy(database)
        _copy(self._kept / f"{name.target}.db", self.switch.installed(name.target))
        self._changed.discard(database)

    def restore_legacy(self, database: str) -> None:
        """Copy the legacy file *database* again."""
        place = self.names[database].place
        _copy(self.switch.snapshot / place, self._legacy / place)

    def legacy(self, database: str) -> sqlite3.Connection:
        """Open the copy of the legacy file *database*, as the application does."""
        return _opened(self._legacy / self.names[database].place)

    def link(self, database: str) -> sqlite3.Connection:
        """Open what the name *database* leads to after a cutover: the consolidated database itself.

        The caller must roll back what it does.
        """
        return _opened(self._kept / f"{self.names[database].target}.db")

    def compat(self, database: str) -> sqlite3.Connection:
        """Open the legacy schema of *database* on the consolidated database."""
        connection = opening.connect(
            self.switch,
            self.names[database],
            query="mode=rw",
            synchronous="NORMAL",
            timeout=5.0,
            detect_types=0,
            isolation_level=None,
            check_same_thread=True,
            factory=Connection,
            cached_statements=128,
        )
        connection.text_factory = _any_text
        return connection

    def refusal(self, database: str) -> str:
        """Return why the legacy schema of *database* cannot be served, such as a module that is missing; '' if it can."""
        if database not in self._refusals:
            self.restore(database)
            try:
                self.compat(database).close()
                self._refusals[database] = ""
            except sqlite3.Error as error:
                self._refusals[database] = str(error)
        return self._refusals[database]

    def schema(self, database: str) -> LegacyDatabase:
        """Return what is known of the legacy schema of *database*."""
        with closing(self.compat(database)) as connection:
            assert isinstance(connection, Connection)
            return connection.served.database

    def forget(self) -> None:
        """Close idle connections with a legacy schema, so that the next one loads its tables anew."""
        POOL.clear()

    def close(self) -> None:
        """Close what is still open."""
        POOL.clear()


def _any_text(raw: bytes) -> str:
    """Return TEXT that need not be UTF-8."""
    return raw.decode("utf-8", "surrogateescape")


def _opened(path: Path) -> sqlite3.Connection:
    connection = connections.as_it_was(path, isolation_level=None)
    connection.text_factory = _any_text
    return connection


def _copy(source: Path, into: Path) -> None:
    """Copy the database *source*, which is one file, over *into*, and remove the journals of the latter."""
    into.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (*connections.COMPANIONS, "-shm"):
        connections.beside(into, suffix).unlink(missing_ok=True)
    shutil.copyfile(source, into)
