"""The judged databases, read through private copies: SQLite leaves no file beside the originals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from contracts import judgement
from contracts.oracle.cells import text_of
from migrator.errors import UsageError
from migrator.schema import catalogue, declaration
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import Statements
from migrator.schema.model import Schema
from migrator.schema.specified import AS_WRITTEN, Specification
from migrator.system import connections, content_digest, private_copy
from migrator.system.connections import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A consolidated set, or a single database of one.

    Attributes:
        where: The judged folder or file.
        originals: Path of each existing database, by ``core``, ``analytics`` and ``cache``; never opened.
        scratch: Our folder for the private copies.
        whole: Whether *where* is a folder, which must hold all three databases.
        specification: What the set must declare: the specification with the owners' amendments.
    """

    where: Path
    originals: Mapping[str, Path]
    scratch: Path
    whole: bool = True
    specification: Specification = AS_WRITTEN
    _copies: dict[str, Path] = field(default_factory=dict)
    _schemas: dict[str, Schema] = field(default_factory=dict)
    _tables: dict[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    _statements: dict[str, Mapping[str, Statements]] = field(default_factory=dict)

    def original(self, target: str) -> Path:
        """Return the path of *target*.

        Raises:
            pytest.fail.Exception: The judged set has no such database.
        """
        if target not in self.originals:
            judgement.fail(f"{catalogue.TARGETS[target]}: cannot be judged, because it is missing")
        return self.originals[target]

    def copy(self, target: str) -> Path:
        """Return the shared private copy of *target*; callers only read it.

        Raises:
            pytest.fail.Exception: The judged set has no such database.
        """
        if target not in self._copies:
            folder = self.scratch / "read"
            folder.mkdir(mode=0o700, exist_ok=True)
            self._copies[target] = private_copy.private_copy(self.original(target), folder / f"{target}.db")
        return self._copies[target]

    def fresh_copy(self, target: str, folder: Path) -> Path:
        """Return a new private copy of *target* below *folder*, which the caller may change."""
        return private_copy.private_copy(self.copy(target), folder / f"{target}.db", at_rest=True)

    def empty_copy(self, target: str, folder: Path) -> Path:
        """Return a database below *folder* with the tables and indexes of *target* and no rows.

        Raises:
            sqlite3.Error: A stored statement cannot be run.
        """
        with self.read(target) as connection:
            shadows = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'"
            statements = connection.execute(
                "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index')"
                f" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ({shadows}) ORDER BY type = 'index'"
            )
            ddl = [statement for (statement,) in statements]
        path = folder / f"{target}-empty.db"
        with closing(connections.create(path)) as connection:
            # A temporary file: it need not survive a power cut.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for statement in ddl:
                connection.execute(statement)
            connection.execute("COMMIT")
        return path

    def read(self, target: str) -> closing[sqlite3.Connection]:
        """Open the private copy of *target* for reading."""
        connection = connections.read(self.copy(target))
        # Names and declarations may hold any bytes too.
        connection.text_factory = text_of
        return closing(connection)

    def schema(self, target: str) -> Schema:
        """Return the schema that *target* declares, read once."""
        if target not in self._schemas:
            with self.read(target) as connection:
                self._schemas[target] = schema_reader.stored(connection)
        return self._schemas[target]

    def statements(self, target: str) -> Mapping[str, Statements]:
        """Return the statements that create each table of *target*, by its folded name; read once."""
        if target not in self._statements:
            with self.read(target) as connection:
                self._statements[target] = declaration.of_tables(content_digest.layout(connection).entries)
        return self._statements[target]

    def table_names(self, target: str) -> AbstractSet[str]:
        """Return the names of the tables of *target*, shadow tables included, read once."""
        return self.columns(target).keys()

    def columns(self, target: str) -> Mapping[str, frozenset[str]]:
        """Return each table of *target*, shadow tables included, with its columns in lower case; read once.

        Views are left out: a query of a view may never end.
        """
        if target not in self._tables:
            columns: dict[str, set[str]] = {}
            question = """
                SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
                WHERE t.type = 'table' AND c.hidden <> 1
            """
            with self.read(target) as connection:
                for table, column in connection.execute(question):
                    columns.setdefault(table, set()).add(folded(column))
            self._tables[target] = {table: frozenset(names) for table, names in columns.items()}
        return self._tables[target]

    def unreadable(self, name: str, columns: Iterable[str] = ()) -> str:
        """Return why these columns of the table *name*, such as ``core.trades``, cannot be read; '' if they can."""
        target, _, table = name.partition(".")
        if target not in self.originals:
            return f"there is no {catalogue.TARGETS[target]}"
        existing = {folded(name): names for name, names in self.columns(target).items()}.get(folded(table))
        if existing is None:
            return "there is no such table"
        lacking = [column for column in columns if folded(column) not in {*existing, "rowid"}]
        return f"has no column {', '.join(dict.fromkeys(lacking))}" if lacking else ""

    @contextmanager
    def attached(
        self, targets: tuple[str, ...], copies: Mapping[str, Path] | None = None
    ) -> Iterator[sqlite3.Connection]:
        """Open a connection with each of *targets* attached under its name: read-only, or *copies* writable."""
        connection = connections.memory()
        try:
            for target in targets:
                path = self.copy(target) if copies is None else copies[target]
                connections.attach(connection, path, target, mode="ro" if copies is None else "rw")
                if copies is not None:
                    connection.execute(f"PRAGMA {target}.synchronous = OFF")
            yield connection
        finally:
            connection.close()


def subject(where: Path, scratch: Path, specification: Specification = AS_WRITTEN) -> Subject:
    """Return the subject at *where*: a folder with the three databases, or a single database of any name.

    Raises:
        UsageError: *where* has no consolidated database.
    """
    if where.is_dir():
        originals = {target: where / name for target, name in catalogue.TARGETS.items() if (where / name).is_file()}
        if not originals:
            names = ", ".join(catalogue.TARGETS.values())
            raise UsageError(f"holds none of {names}", where=where, hint="name the folder that holds them")
        return Subject(where=where, originals=MappingProxyType(originals), scratch=scratch, specification=specification)
    if where.is_file():
        target = _recognise(where, scratch)
        return Subject(
            where=where,
            originals=MappingProxyType({target: where}),
            scratch=scratch,
            whole=False,
            specification=specification,
        )
    raise UsageError("no such file or folder", where=where, hint="name the consolidated set to judge")


def _recognise(path: Path, scratch: Path) -> str:
    """Return which of the three databases *path* is: by its file name, else by its specified tables."""
    for target, name in catalogue.TARGETS.items():
        if path.name == name:
            return target
    copied = private_copy.private_copy(path, scratch / "recognise.db")
    with closing(connections.read(copied)) as connection:
        try:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        except sqlite3.Error as error:
            raise UsageError(f"cannot be read as a database ({error})", where=path) from error
    shared = {
        target: len(names & {table.name for table in schema_reader.target(target).tables})
        for target in catalogue.TARGETS
    }
    best = max(shared, key=lambda target: shared[target])
    if not shared[best]:
        raise UsageError("has no table of the specification", where=path, hint="name one of the three databases")
    return best


def make_empty_set(
    folder: Path, changed: Mapping[str, str] = MappingProxyType({}), specification: Specification = AS_WRITTEN
) -> None:
    """Create the three databases in *folder* from the DDL of *specification*; *changed* replaces some of the DDL."""
    for target, name in catalogue.TARGETS.items():
        with closing(connections.create(folder / name)) as connection:
            connection.executescript(changed.get(target) or specification.ddl(target))
            connection.execute("ANALYZE")
