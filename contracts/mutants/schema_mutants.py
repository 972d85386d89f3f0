"""Mutants of the specified DDL: one constraint at a time removed, added or replaced.

The operators are those that SchemaAnalyst has for integrity constraints (McMinn, Wright, Kapfhammer: "The Effectiveness
of Test Coverage Criteria for Relational Database Schema Integrity Constraints", TOSEM 2015), and in addition faults of
SQLite's own features: AUTOINCREMENT, ON CONFLICT, collations, rowids, tokenizers.  The set is made again with the changed
statement and its rows are copied; if a row no longer fits, the mutant has no rows.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from contracts.mutants.fixtures import EMPTY, SPECIMENS, Stand
from contracts.mutants.mutant import Mutant, NotPlanted, Planted
from contracts.mutants.operators import indexes as operators_indexes
from contracts.mutants.operators import tables as operators_tables
from contracts.sets.consolidated import make_empty_set
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.schema.model import Schema
from migrator.system import connections
from migrator.system.connections import quoted

#: The object that a changed statement replaces: ``table``, ``rows`` or ``index``, and its name; ``addition`` for a new object.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared(Mutant):
    """A changed statement of the DDL.

    Attributes:
        target: Its database.
        instead: The object that it replaces.
        statements: The new declarations; empty to remove the object.
        amendments: The amendments of the specification that declare the object; then the set has no rows.
    """

    target: str
    instead: Place
    statements: tuple[str, ...]
    amendments: tuple[str, ...] = ()

    family = "declarations"

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Make the set again with the changed statement, with its rows if they fit."""
        name = catalogue.TARGETS[self.target]
        if self.amendments:
            return self._plant_amended(folder, name)
        for specimen in (self.specimen, EMPTY):
            stand.copy(specimen, folder)
            (folder / name).unlink()
            try:
                remade(stand.migrated(specimen) / name, folder / name, {self.instead: self.statements})
            except sqlite3.IntegrityError:
                continue
            except sqlite3.Error as error:
                raise NotPlanted(f"SQLite refuses it: {error}") from error
            return Planted(consolidated=folder, legacy=stand.legacy(specimen))
        raise NotPlanted("not even the rows that the DDL inserts fit")

    def _plant_amended(self, folder: Path, name: str) -> Planted:
        with tempfile.TemporaryDirectory(prefix="amended-") as original:
            for place in (folder, Path(original)):
                make_empty_set(place, specification=specified.chosen(self.amendments))
            (folder / name).unlink()
            try:
                remade(Path(original) / name, folder / name, {self.instead: self.statements})
            except sqlite3.Error as error:
                raise NotPlanted(f"SQLite refuses it: {error}") from error
        return Planted(consolidated=folder, legacy=None, amendments=self.amendments)


def mutants() -> Iterator[Declared]:
    """Yield every mutant of the declarations; a kind in one table has one specimen."""
    # Without rows and without a legacy set a run takes a third of the time, and rows do not matter for a declaration.
    names = (*[EMPTY] * 12, *SPECIMENS)
    for target in catalogue.TARGETS:
        for kind, where, instead, statements in _of_target(target):
            table = f"{target}.{where}".split(".")[1]
            # A set made from the DDL alone has no lineage.
            homes = tuple(SPECIMENS) if table in ("lineage", "quarantine") else names
            yield Declared(
                kind=kind,
                where=f"{target}.{where}",
                specimen=homes[zlib.crc32(f"{kind} {table}".encode()) % len(homes)],
                target=target,
                instead=instead,
                statements=statements,
            )


def of_amendments() -> Iterator[Declared]:
    """Yield every mutant of the tables and indexes that amendments declare, each planted without rows."""
    for name, amendment in specified.amendments().items():
        for amended in amendment.objects:
            of_object = [
                (kind, where, instead, statements)
                for kind, where, instead, statements in _of_schema(specified.chosen([name]).schema(amended.target))
                if instead == (amended.kind.lower(), amended.name)
            ]
            for kind, where, instead, statements in of_object:
                yield Declared(
                    kind=kind,
                    where=f"{amended.target}.{where} with {name}",
                    specimen=EMPTY,
                    target=amended.target,
                    instead=instead,
                    statements=statements,
                    amendments=(name,),
                )


#: Kind, text in the CREATE TABLE of a carried table, and its replacement.
_OF_CARRIED = (
    ("carried NOT NULL removed", r"\sNOT NULL", ""),
    ("carried DEFAULT changed", r"DEFAULT 0\b", "DEFAULT 7"),
    ("carried UNIQUE removed", r",\s*UNIQUE\s*\([^)]*\)|\sUNIQUE\b", ""),
    ("carried CHECK removed", r"\sCHECK\s*\([^()]*\)", ""),
    ("carried type changed", r"\bREAL\b", "TEXT"),
    ("carried AUTOINCREMENT removed", r"\sAUTOINCREMENT\b", ""),
    ("carried PRIMARY KEY removed", r"\sPRIMARY KEY( AUTOINCREMENT)?", ""),
)


def of_carried(stand: Stand, specimen: str) -> Iterator[Declared]:
    """Yield every mutant of the declarations of the carried tables of *specimen*."""
    named = (
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 'legacy\\_%' ESCAPE '\\' ORDER BY name"
    )
    for target, file in catalogue.TARGETS.items():
        with closing(connections.read(stand.migrated(specimen) / file)) as connection:
            for name, sql in connection.execute(named):
                for kind, pattern, instead in _OF_CARRIED:
                    changed = re.sub(pattern, instead, sql, count=1)
                    if changed != sql:
                        yield Declared(
                            kind=kind,
                            where=f"{target}.carried.{name}",
                            specimen=specimen,
                            target=target,
                            instead=("table", name),
                            statements=(changed,),
                        )


def _of_target(target: str) -> Iterator[tuple[str, str, Place, tuple[str, ...]]]:
    yield from _of_schema(schema_reader.target(target))
    yield from _of_ours()


def _of_schema(schema: Schema) -> Iterator[tuple[str, str, Place, tuple[str, ...]]]:
    for table in schema.tables:
        for kind, where, sql in operators_tables.mutations(table, schema):
            yield kind, where, ("table", table.name), (sql,) if sql else ()
        for kind, where, sql in operators_tables.additions(table):
            yield kind, where, ("addition", where), (sql,)
    for index in schema.indexes:
        for kind, sql in operators_indexes.mutations(index, schema):
            yield kind, f"{index.table}.{index.name}", ("index", index.name), (sql,) if sql else ()
    for virtual in schema.virtual_tables:
        for kind, sql in operators_indexes.of_virtual(virtual):
            yield kind, virtual.name, ("table", virtual.name), (sql,) if sql else ()


def _of_ours() -> Iterator[tuple[str, str, Place, tuple[str, ...]]]:
    """Yield faults in the declarations of lineage and quarantine."""
    ours = schema_reader.read(catalogue.our_ddl())
    for index in ours.indexes:
        yield "our index removed", f"{index.table}.{index.name}", ("index", index.name), ()
    for table in ours.tables:
        for kind, where, sql in operators_tables.loosened(table):
            yield kind, where, ("table", table.name), (sql,)


def remade(original: Path, path: Path, instead: Mapping[Place, tuple[str, ...]] = MappingProxyType({})) -> None:
    """Make the database *original* again at *path*, with statements *instead* of its own.

    Raises:
        sqlite3.IntegrityError: A row no longer fits.
        sqlite3.Error: SQLite refuses a statement.
    """
    with closing(connections.create(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        connections.attach(connection, original, "whole")
        shadows = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'whole' AND type = 'shadow'"
            )
        }
        stored = connection.execute(
            "SELECT type, name, sql FROM whole.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        stored = [(kind, name, sql) for kind, name, sql in stored if name not in shadows]
        objects = {(kind, name) for kind, name, _ in stored}
        if lacking := [name for kind, name in instead if kind != "addition" and (kind, name) not in objects]:
            raise NotPlanted(f"there is no {', '.join(lacking)}")
        # An index on a removed or renamed column is removed too.
        changed = {name for kind, name in instead if kind == "table"}
        connection.execute("BEGIN")
        for kind in ("table", "rows", "index", "addition"):
            if kind == "rows":
                for name, sql in [(name, sql) for kind, name, sql in stored if kind == "table"]:
                    _take_over(connection, name, virtual=sql.upper().startswith("CREATE VIRTUAL"))
            for _, name, sql in [entry for entry in stored if entry[0] == kind]:
                for statement in instead.get((kind, name), (sql,)):
                    _run(connection, statement, forgiving=kind == "index" and bool(changed))
            if kind == "addition":
                for statement in [added for (of, _), many in instead.items() if of == kind for added in many]:
                    connection.execute(statement)
        _take_over_sequences(connection)
        connection.execute("COMMIT")
        connection.execute("DETACH whole")
        connection.execute("ANALYZE main")
        connection.execute("PRAGMA journal_mode = WAL")


def _run(connection: sqlite3.Connection, statement: str, *, forgiving: bool) -> None:
    try:
        connection.execute(statement)
    except sqlite3.OperationalError:
        if not forgiving:
            raise


def _take_over(connection: sqlite3.Connection, name: str, *, virtual: bool) -> None:
    """Copy the rows of the table *name* in the common columns, if it still exists."""
    here, original = (
        [
            column
            for column, hidden in connection.execute(
                "SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (name, schema)
            )
            if not hidden
        ]
        for schema in ("main", "whole")
    )
    # SQL compares names without letter case.
    known = {column.lower() for column in here}
    both = [quoted(column) for column in original if column.lower() in known]
    if not both:
        return
    names = ", ".join([*(["rowid"] if virtual else []), *both])
    connection.execute(f"INSERT INTO main.{quoted(name)} ({names}) SELECT {names} FROM whole.{quoted(name)}")


def _take_over_sequences(connection: sqlite3.Connection) -> None:
    """Copy the AUTOINCREMENT sequence of every table that still exists."""
    if not connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return
    with_marks = [
        name
        for name, sql in connection.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'")
        if sql and "AUTOINCREMENT" in sql.upper()
    ]
    connection.execute("DELETE FROM main.sqlite_sequence")
    connection.executemany(
        "INSERT INTO main.sqlite_sequence SELECT name, seq FROM whole.sqlite_sequence WHERE name = ?",
        [(name,) for name in with_marks],
    )
