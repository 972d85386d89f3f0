"""A legacy set and the consolidated set that was made of it, side by side, read through private copies."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.second_reader.cells import Cell, rows, with_rowid
from contracts.second_reader.judge import Reader
from contracts.subject import Subject
from migrator.config import config_file
from migrator.errors import MigratorError
from migrator.schema import catalogue, declaration, text_encoding
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import Statements
from migrator.system import connections, content_digest, own_files, private_copy, user_files, virtual_tables
from migrator.system.connections import quoted

if TYPE_CHECKING:
    from contracts.matching import Matching

#: SQLite attaches so many databases at once.
MOST_ATTACHED = 10
#: What says which legacy row became which row, and which became none.
LINEAGE = ("source", "legacy_key", "target", "target_id", "rest")
QUARANTINE = ("source", "legacy_key", "target", "broken", "row")


def specified_tables(target: str) -> tuple[str, ...]:
    """Return the names of the specified tables of *target*, the full-text ones last."""
    schema = schema_reader.target(target)
    return (*(table.name for table in schema.tables), *(table.name for table in schema.virtual_tables))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyTable:
    """A table of a legacy database, as the second reader finds it.

    Attributes:
        source: Database and table.
        kind: ``table`` or ``virtual``; shadow tables are left out.
        variant: The known shape that it has, or ''.
        columns: Its stored columns.
        problem: What a virtual table keeps that nothing else has; '' if nothing.
    """

    source: str
    kind: str
    variant: str
    columns: tuple[str, ...]
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class LegacySet:
    """The legacy databases of a folder, by their names; none is ever opened itself.

    Attributes:
        where: The folder: a data directory or a snapshot of one.
        originals: Path of each database, by name.
        scratch: A folder of ours for the copies.
    """

    where: Path
    originals: Mapping[str, Path]
    scratch: Path
    _copies: dict[str, Path] = field(default_factory=dict)
    _found: dict[str, Path] = field(default_factory=dict)
    _tables: dict[str, tuple[LegacyTable, ...]] = field(default_factory=dict)
    _statements: dict[str, Mapping[str, Statements]] = field(default_factory=dict)
    _sequences: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def copy(self, name: str) -> Path:
        """Return a private copy of the database *name* with its text in UTF-8, as SQLite reads it; made once."""
        if name not in self._copies:
            path = self.as_found(name)
            if text_encoding.of(path) != text_encoding.UTF8:
                path = path.with_name(f"{path.name}.utf8")
                text_encoding.write_anew(self.as_found(name), path, text_encoding.UTF8)
            self._copies[name] = path
        return self._copies[name]

    def as_found(self, name: str) -> Path:
        """Return a private copy of the database *name*, made once; its WAL and hot journal count."""
        if name not in self._found:
            folder = self.scratch / "legacy"
            path = folder / f"{name.replace('/', '%')}.db"
            folder.mkdir(mode=0o700, exist_ok=True)
            private_copy.private_copy(self.originals[name], path)
            with closing(connections.scratch(path)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self._found[name] = path
        return self._found[name]

    def read(self, name: str) -> closing[sqlite3.Connection]:
        """Open the private copy of *name* for reading."""
        return closing(connections.read(self.copy(name)))

    def tables(self, name: str) -> tuple[LegacyTable, ...]:
        """Return the tables of the database *name*; SQLite's own and shadow tables are left out."""
        if name not in self._tables:
            with self.read(name) as connection:
                parts = content_digest.layout(connection)
                behind = {*parts.shadows, "sqlite_sequence"}
                problems = {table: kept.problem for table, kept in virtual_tables.kept(connection, parts).items()}
                listed = sorted([*(table for table in parts.tables if table not in behind), *problems])
                self._tables[name] = tuple(_table(connection, name, table, problems.get(table)) for table in listed)
        return self._tables[name]

    def statements(self, name: str) -> Mapping[str, Statements]:
        """Return what makes each table of the database *name*, by its folded name; read once."""
        if name not in self._statements:
            with self.read(name) as connection:
                self._statements[name] = declaration.of_tables(content_digest.layout(connection).entries)
        return self._statements[name]

    def counted(self) -> Mapping[str, int]:
        """Return the rows of each ordinary table, by its source; each database is opened once."""
        found: dict[str, int] = {}
        for name in sorted(self.originals):
            with self.read(name) as connection:
                for table in self.tables(name):
                    if table.kind == "table":
                        own = quoted(table.source.partition(".")[2])
                        (found[table.source],) = connection.execute(f"SELECT count(*) FROM {own}").fetchone()
        return found

    def every_table(self) -> Iterator[LegacyTable]:
        """Yield the tables of all databases."""
        for name in sorted(self.originals):
            yield from self.tables(name)

    def sequences(self, name: str) -> Mapping[str, int]:
        """Return the largest id that each AUTOINCREMENT table of the database *name*, in lower case, ever gave; read once."""
        if name not in self._sequences:
            self._sequences[name] = self._read_sequences(name)
        return self._sequences[name]

    def _read_sequences(self, name: str) -> Mapping[str, int]:
        with self.read(name) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
                return {}
            # A mark may be text, or there twice: SQLite counts on from the number that it is.
            marks = connection.execute(
                "SELECT lower(name), max(CAST(seq AS INTEGER)) FROM sqlite_sequence GROUP BY lower(name)"
            ).fetchall()
        return {table: mark for table, mark in marks if isinstance(mark, int)}


def _table(connection: sqlite3.Connection, database: str, table: str, problem: str | None) -> LegacyTable:
    """Return the table as found; *problem* is None of an ordinary one."""
    try:
        columns = connection.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    except sqlite3.OperationalError as error:
        if problem is None or error.sqlite_errorname != "SQLITE_ERROR":
            raise
        # Its module or its tokenizer is not here: no row of it can be read.
        columns = []
    shape = frozenset((name.lower(), declared.upper()) for name, declared, hidden in columns if hidden != 1)
    # SQL does not tell names apart by letter case; a table that is known goes by the name it is known by.
    shapes = [one for one in catalogue.shapes_of(database) if one.table.lower() == table.lower()]
    known = [one for one in shapes if one.columns == shape]
    return LegacyTable(
        source=f"{database}.{known[0].table if known else table}",
        kind="table" if problem is None else "virtual",
        problem=problem or "",
        variant=known[0].variant if known else "",
        columns=tuple(name for name, _, hidden in columns if not hidden),
    )


def legacy_set(where: Path, scratch: Path) -> LegacySet:
    """Find the legacy databases below *where*: by their place, else by a file name that only one of them has."""
    places = {database.place: database.name for database in catalogue.legacy_databases()}
    found = {
        PurePosixPath(path.relative_to(where).as_posix()): path
        for path in _regular_files(where)
        if path.name not in catalogue.TARGETS.values() and _begins_as_sqlite(path)
    }
    originals = {places[place]: path for place, path in found.items() if place in places}
    strangers = {}
    for place, path in found.items():
        if place not in places:
            names = {name for home, name in places.items() if home.name == place.name} - originals.keys()
            if len(names) == 1:
                originals[next(iter(names))] = path
            else:
                strangers[place] = path
    taken = Counter(name.lower() for name in (*originals, *map(_called, strangers)))
    for place, path in strangers.items():
        # Where several files have one stem, the place tells them apart.
        alone = taken[_called(place).lower()] == 1
        originals[_called(place) if alone else place.with_suffix("").as_posix().replace(".", "_")] = path
    return LegacySet(where=where, originals=MappingProxyType(originals), scratch=scratch)


def _called(place: PurePosixPath) -> str:
    """Return the name of a database that nobody knows: the stem of its file, without points and not a name in use."""
    stem = place.stem.replace(".", "_")
    return f"{stem}_db" if stem.lower() in {"main", "temp", "core", "analytics", "cache", "ids"} else stem


def _regular_files(where: Path) -> Iterator[Path]:
    ours = own_files.paths(where)
    for folder, folders, names in os.walk(where):
        folders[:] = [name for name in folders if Path(folder) / name not in ours]
        paths = (Path(folder) / name for name in names)
        yield from (path for path in paths if path not in ours and not path.is_symlink() and path.is_file())


def _begins_as_sqlite(path: Path) -> bool:
    with connections.open_source(path) as file:
        return file.read(len(connections.MAGIC)) == connections.MAGIC


@dataclass(kw_only=True)
class Pair:
    """What is judged: where rows came from, and where they went.

    Attributes:
        legacy: The legacy set.
        judged: The consolidated set.
        constants: The constants and decisions of the owners' configuration, as text.
        fates: What the configuration says of files that nobody knows: place -> fate.
        show_values: Whether reports may show what cells hold.
        left_behind: Virtual tables that the owners leave in the backup.
        settled: Legacy tables of which it is known whether each row is in exactly one place.
    """

    legacy: LegacySet
    judged: Subject
    constants: Mapping[str, str]
    fates: Mapping[str, str]
    show_values: bool = False
    left_behind: Collection[str] = ()
    settled: dict[str, bool] = field(default_factory=dict, repr=False)

    @cached_property
    def reader(self) -> Reader:
        """The second reader, at work on this pair."""
        return Reader(self)

    @cached_property
    def targets(self) -> frozenset[str]:
        """The specified tables of the databases that are judged."""
        return frozenset(f"{target}.{name}" for target in self.judged.originals for name in specified_tables(target))

    @cached_property
    def by_value(self) -> Matching:
        """The rows of both sides matched by what they say, for a set that does not say which became which."""
        from contracts.matching import Matching  # noqa: PLC0415 - it is about pairs

        return Matching(self)

    def decided_fate(self, name: str) -> str:
        """Return what the catalogue or the owners' configuration says of a whole database; '' where they say nothing."""
        place = self.legacy.originals[name].relative_to(self.legacy.where)
        decided = config_file.fate_at(self.fates, PurePosixPath(place.as_posix()))
        alone = any(one.standalone for one in catalogue.legacy_databases() if one.name == name)
        return "standalone" if alone and decided != "ignore" else decided

    def without_lineage(self) -> list[str]:
        """Return the databases of the consolidated set that do not say which legacy row became which row."""
        return [
            catalogue.TARGETS[target]
            for target in self.judged.originals
            if self.judged.unreadable(f"{target}.lineage", LINEAGE)
            or self.judged.unreadable(f"{target}.quarantine", QUARANTINE)
        ]

    def variant(self, source: str) -> str:
        """Return the variant of a legacy table, '' where it is not there, has no known shape, or stays where it is."""
        name, _, _ = source.partition(".")
        moved = name in self.legacy.originals and self.decided_fate(name) not in {"standalone", "ignore"}
        tables = self.legacy.tables(name) if moved else ()
        return next((table.variant for table in tables if table.source == source), "")

    def legacy_rows(self, source: str, *columns: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a legacy table, by rowid."""
        name, _, table = source.partition(".")
        if self.variant(source):
            with self.legacy.read(name) as connection:
                of_table = with_rowid(connection, "main", table)
                yield from rows(connection, f"SELECT {_listed(columns)} FROM {of_table} ORDER BY rowid")

    def target_rows(self, table_of: str, /, *columns: str, **where: str) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells *columns* of every row of a table of the consolidated set, or of those that have these cells."""
        database, _, table = table_of.partition(".")
        if self.without_lineage() and self.judged.unreadable(table_of, columns):
            # That the table is not as specified is said elsewhere; here it has no such rows.
            return
        if database in self.judged.originals:
            chosen = " AND ".join(f"{quoted(name)} = ?" for name in where) or "true"
            with self.judged.read(database) as connection:
                question = f"SELECT {_listed(columns)} FROM {quoted(table)} WHERE {chosen} ORDER BY rowid"
                yield from rows(connection, question, *where.values())

    def lineage(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each lineage of a legacy table, or of each in a target table but stubs."""
        if self.without_lineage():
            yield from self.by_value.lineage(source) if source else self.by_value.lineage_of(target)
            return
        of_target, _, table = target.partition(".")
        where = "source = ?" if source else "target = ? AND source NOT LIKE 'stub:%'"
        for database in self.judged.originals if source else [of_target]:
            with self.judged.read(database) as connection:
                question = f"SELECT legacy_key, target_id FROM lineage WHERE {where} ORDER BY rowid"
                yield from rows(connection, question, source or table)

    @contextmanager
    def beside(self, *names: str) -> Iterator[sqlite3.Connection]:
        """Open a connection with these databases attached under their names, for reading."""
        with closing(connections.memory()) as connection:
            for name in names:
                path = self.judged.copy(name) if name in catalogue.TARGETS else self.legacy.copy(name)
                connections.attach(connection, path, name)
            yield connection


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, columns))


def pair(legacy: Path, judged: Subject, scratch: Path, config: Path | None, *, show_values: bool = False) -> Pair:
    """Return the pair of the legacy databases below *legacy* and *judged*."""
    written = tomllib.loads(user_files.text(config)) if config else {}
    decisions = written.get("decisions", {})
    order_amount = decisions.get("order_amount_sol", "")
    return Pair(
        legacy=legacy_set(legacy, scratch),
        judged=judged,
        constants=MappingProxyType({"order_amount_sol": order_amount, **written.get("constants", {})}),
        fates=MappingProxyType(written.get("files", {})),
        show_values=show_values,
        left_behind=decisions.get("left_behind", ()),
    )


def specimen(folder: Path, *, rows: int | None = None, seed: int = 7, variant: str = "found") -> Path:
    """Make a dirty specimen in *folder*, rows in its WALs included, and return it."""
    from contracts import specimens  # noqa: PLC0415 - faker is slow to load and only needed here

    specimens.make(folder, rows=rows, seed=seed, dirty=True, wal=True, variant=variant)
    return folder


def migrated(legacy: Path, scratch: Path, config_path: Path | None = None) -> Path:
    """Migrate a private copy of the data directory *legacy* below *scratch*; return the consolidated set.

    The configuration is the one at *config_path*, else that of the data directory.

    Raises:
        MigratorError: The plan refuses it, or the build fails.
    """
    from migrator.config import config_file  # noqa: PLC0415 - the tool is not needed to judge what is there
    from migrator.pipeline import migrate as pipeline_migrate  # noqa: PLC0415 - the tool is not needed to judge what is there
    from migrator.switch import workspace  # noqa: PLC0415 - the tool is not needed to judge what is there

    home = scratch / "migrated"
    for path in _regular_files(legacy):
        copied = home / path.relative_to(legacy)
        copied.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _begins_as_sqlite(path):
            private_copy.private_copy(path, copied)
        elif not path.name.endswith(connections.COMPANIONS) and not path.name.endswith("-shm"):
            shutil.copyfile(path, copied)
    written = config_file.load(config_path or config_file.beside(legacy))
    place = workspace.Place(home)
    pipeline_migrate.backup(pipeline_migrate.plan(place, written), place)
    built = pipeline_migrate.build(place, written)
    if not built.stage.is_dir():
        raise MigratorError("the build left no stage", where=home)
    return built.stage
