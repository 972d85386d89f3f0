"""The judged legacy set, read through private copies."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from migrator.schema import catalogue, declaration, text_encoding
from migrator.schema.declaration import Statements
from migrator.system import connections, content_digest, own_files, private_copy, virtual_tables
from migrator.system.connections import folded, quoted

#: Attached databases per connection [databases]: SQLite's default limit, SQLITE_MAX_ATTACHED.
MOST_ATTACHED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyTable:
    """A table of a legacy database.

    Attributes:
        source: Database and table, such as ``jarvis.trades``.
        kind: ``table`` or ``virtual``; shadow tables are left out.
        variant: Name of its known shape; '' if the shape is unknown.
        columns: Its stored columns.
        problem: Why the rows of a virtual table exist only in it; '' if another table has them.
    """

    source: str
    kind: str
    variant: str
    columns: tuple[str, ...]
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class LegacySet:
    """The legacy databases of a folder, by their names.

    Attributes:
        where: The folder: a data directory or a snapshot of one.
        originals: Path of each database, by name; never opened.
        scratch: Our folder for the private copies.
        overlay: Returns the copy to read of the database with a name, for the private copy of it.
    """

    where: Path
    originals: Mapping[str, Path]
    scratch: Path
    overlay: Callable[[str, Path], Path] = lambda _, path: path
    _copies: dict[str, Path] = field(default_factory=dict)
    _found: dict[str, Path] = field(default_factory=dict)
    _tables: dict[str, tuple[LegacyTable, ...]] = field(default_factory=dict)
    _statements: dict[str, Mapping[str, Statements]] = field(default_factory=dict)
    _sequences: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def copy(self, name: str) -> Path:
        """Return a private copy of the database *name* with its text converted to UTF-8; made once."""
        if name not in self._copies:
            path = self.as_found(name)
            if text_encoding.of(path) != text_encoding.UTF8:
                path = path.with_name(f"{path.name}.utf8")
                text_encoding.write_anew(self.as_found(name), path, text_encoding.UTF8)
            self._copies[name] = self.overlay(name, path)
        return self._copies[name]

    def as_found(self, name: str) -> Path:
        """Return a private copy of the database *name*, WAL and hot journal applied; made once."""
        if name not in self._found:
            folder = self.scratch / "legacy"
            path = folder / f"{name.replace('/', '%')}.db"
            folder.mkdir(mode=0o700, exist_ok=True)
            private_copy.private_copy(self.originals[name], path)
            with closing(connections.scratch(path)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self._found[name] = path
        return self._found[name]

    def with_overlay(self, overlay: Callable[[str, Path], Path]) -> LegacySet:
        """Return the same set with *overlay* laid over the private copies, which are shared."""
        return replace(self, overlay=overlay, _copies={}, _sequences={})

    def read(self, name: str) -> closing[sqlite3.Connection]:
        """Open the private copy of *name* for reading."""
        return closing(connections.read(self.copy(name)))

    def tables(self, name: str) -> tuple[LegacyTable, ...]:
        """Return the tables of the database *name*, without SQLite's own and shadow tables."""
        if name not in self._tables:
            with self.read(name) as connection:
                parts = content_digest.layout(connection)
                behind = {*parts.shadows, "sqlite_sequence"}
                problems = {table: kept.problem for table, kept in virtual_tables.kept(connection, parts).items()}
                listed = sorted([*(table for table in parts.tables if table not in behind), *problems])
                self._tables[name] = tuple(_table(connection, name, table, problems.get(table)) for table in listed)
        return self._tables[name]

    def statements(self, name: str) -> Mapping[str, Statements]:
        """Return the statements that create each table of the database *name*, by its folded name; read once."""
        if name not in self._statements:
            with self.read(name) as connection:
                self._statements[name] = declaration.of_tables(content_digest.layout(connection).entries)
        return self._statements[name]

    def counted(self) -> Mapping[str, int]:
        """Return the number of rows of each ordinary table, by its source; each database is opened once."""
        counts: dict[str, int] = {}
        for name in sorted(self.originals):
            with self.read(name) as connection:
                for table in self.tables(name):
                    if table.kind == "table":
                        own = quoted(table.source.partition(".")[2])
                        (counts[table.source],) = connection.execute(f"SELECT count(*) FROM {own}").fetchone()
        return counts

    def every_table(self) -> Iterator[LegacyTable]:
        """Yield the tables of all databases."""
        for name in sorted(self.originals):
            yield from self.tables(name)

    def sequences(self, name: str) -> Mapping[str, int]:
        """Return the largest id ever assigned in each AUTOINCREMENT table of *name*, table in lower case; read once."""
        if name not in self._sequences:
            self._sequences[name] = self._read_sequences(name)
        return self._sequences[name]

    def _read_sequences(self, name: str) -> Mapping[str, int]:
        with self.read(name) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
                return {}
            # A sequence may be stored as text, or twice: SQLite goes on from its numeric value.
            marks = connection.execute(
                "SELECT lower(name), max(CAST(seq AS INTEGER)) FROM sqlite_sequence GROUP BY lower(name)"
            ).fetchall()
        return {table: mark for table, mark in marks if isinstance(mark, int)}


def _table(connection: sqlite3.Connection, database: str, table: str, problem: str | None) -> LegacyTable:
    """Return the table with its known shape; *problem* is None for an ordinary table."""
    try:
        columns = connection.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    except sqlite3.OperationalError as error:
        if problem is None or error.sqlite_errorname != "SQLITE_ERROR":
            raise
        # Its module or its tokenizer is not installed: its rows cannot be read.
        columns = []
    shape = frozenset((folded(name), declared.upper()) for name, declared, hidden in columns if hidden != 1)
    # SQL compares names without letter case; a known table gets the catalogue's spelling.
    shapes = [known for known in catalogue.shapes_of(database) if folded(known.table) == folded(table)]
    fitting = [known for known in shapes if known.columns == shape]
    return LegacyTable(
        source=f"{database}.{fitting[0].table if fitting else table}",
        kind="table" if problem is None else "virtual",
        problem=problem or "",
        variant=fitting[0].variant if fitting else "",
        columns=tuple(name for name, _, hidden in columns if not hidden),
    )


def legacy_set(where: Path, scratch: Path) -> LegacySet:
    """Find the legacy databases below *where*: by their place, else by a file name that only one of them has."""
    places = {database.place: database.name for database in catalogue.legacy_databases()}
    files = {
        PurePosixPath(path.relative_to(where).as_posix()): path
        for path in regular_files(where)
        if path.name not in catalogue.TARGETS.values() and begins_as_sqlite(path)
    }
    originals = {places[place]: path for place, path in files.items() if place in places}
    unknown = {}
    for place, path in files.items():
        if place not in places:
            names = {name for home, name in places.items() if home.name == place.name} - originals.keys()
            if len(names) == 1:
                originals[next(iter(names))] = path
            else:
                unknown[place] = path
    taken = Counter(folded(name) for name in (*originals, *map(_name_of_unknown, unknown)))
    for place, path in unknown.items():
        # Several files may have one stem: then the name is the place.
        alone = taken[folded(_name_of_unknown(place))] == 1
        originals[_name_of_unknown(place) if alone else place.with_suffix("").as_posix().replace(".", "_")] = path
    return LegacySet(where=where, originals=MappingProxyType(originals), scratch=scratch)


def _name_of_unknown(place: PurePosixPath) -> str:
    """Return the name of an unknown database: the stem of its file, without dots and distinct from reserved names."""
    stem = place.stem.replace(".", "_")
    return f"{stem}_db" if folded(stem) in {"main", "temp", "core", "analytics", "cache", "ids"} else stem


def regular_files(where: Path) -> Iterator[Path]:
    """Yield every regular file below *where* outside the tool's own folders."""
    ours = own_files.paths(where)
    for folder, folders, names in os.walk(where):
        folders[:] = [name for name in folders if Path(folder) / name not in ours]
        paths = (Path(folder) / name for name in names)
        yield from (path for path in paths if path not in ours and not path.is_symlink() and path.is_file())


def begins_as_sqlite(path: Path) -> bool:
    """Return whether the file begins with the header of an SQLite database."""
    with connections.open_source(path) as file:
        return file.read(len(connections.MAGIC)) == connections.MAGIC
