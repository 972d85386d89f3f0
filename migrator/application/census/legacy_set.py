"""What the census knows of the legacy set: which database a path names, where a table went, how its columns are called now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import PurePosixPath
from types import MappingProxyType

from migrator.mapping import columns
from migrator.mapping.explained import Destination, ExplainedColumn
from migrator.mapping.named_columns import EVERY
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader


@cache
def file_names() -> Mapping[str, tuple[str, ...]]:
    """Return the name of each legacy file, without its folders -> the databases of this name."""
    found: dict[str, list[str]] = {}
    for known in catalogue.legacy_databases():
        found.setdefault(known.place.name, []).append(known.name)
    return MappingProxyType({name: tuple(dict.fromkeys(databases)) for name, databases in found.items()})


@cache
def databases_at(path: str) -> tuple[str, ...]:
    """Return the legacy databases that *path* can mean: those whose place is the longest end of it."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or parts[-1] not in file_names():
        return ()
    fitting = {
        known.name: len(known.place.parts)
        for known in catalogue.legacy_databases()
        if parts[-len(known.place.parts) :] == known.place.parts
    }
    if not fitting:
        return file_names()[parts[-1]]
    longest = max(fitting.values())
    return tuple(name for name, length in fitting.items() if length == longest)


def target_at(path: str) -> str:
    """Return the consolidated database at *path*: ``core``; '' if it is another file."""
    name = PurePosixPath(path).name
    return next((target for target, file in catalogue.TARGETS.items() if file == name), "")


@cache
def is_standalone(database: str) -> bool:
    """Return whether the file of *database* stays as it is."""
    return next(known.standalone for known in catalogue.legacy_databases() if known.name == database)


@cache
def home(database: str) -> str:
    """Return the file in which the rows of *database* lie after the cutover."""
    known = next(known for known in catalogue.legacy_databases() if known.name == database)
    return known.place.name if known.standalone else catalogue.TARGETS[known.home]


@cache
def databases() -> tuple[str, ...]:
    """Return every legacy database."""
    return tuple(dict.fromkeys(known.name for known in catalogue.legacy_databases()))


def databases_with(table: str, among: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the databases that have a table called *table*, of all or of those *among*."""
    return tuple(database for database in (tuple(among) or databases()) if table in columns.tables_of(database))


@cache
def tables(among: tuple[str, ...] = ()) -> Mapping[str, tuple[str, ...]]:
    """Return table -> columns over all legacy databases, or over those *among*."""
    found: dict[str, list[str]] = {}
    for database in among or databases():
        for table, names in columns.tables_of(database).items():
            found.setdefault(table, []).extend(names)
    return MappingProxyType({table: tuple(dict.fromkeys(names)) for table, names in found.items()})


@cache
def programs(database: str) -> frozenset[str]:
    """Return the names of the triggers and views that the files of *database* declare, in lower case."""
    return frozenset(
        program.name.lower()
        for known in catalogue.legacy_databases()
        if known.name == database
        for program in schema_reader.read(known.ddl).programs
    )


@cache
def consolidated_tables(target: str) -> Mapping[str, tuple[str, ...]]:
    """Return table -> columns of a consolidated database: specified, migrator's own, and carried."""
    found: dict[str, tuple[str, ...]] = {}
    for ddl in (catalogue.target_ddl(target), catalogue.our_ddl()):
        schema = schema_reader.read(ddl)
        found |= {table.name: tuple(column.name for column in table.columns) for table in schema.tables}
        found |= {table.name: ("rowid", *table.columns) for table in schema.virtual_tables}
    for source in columns.sources():
        database, _, table = source.partition(".")
        where, _, into = columns.carried_into(source).partition(".")
        if where == target:
            found[into] = columns.tables_of(database)[table]
    return MappingProxyType(found)


@cache
def fate(source: str) -> Fate:
    """Return what becomes of the rows of *source*."""
    return columns.fate(source)


def column_map(source: str, names: Collection[str]) -> tuple[str, ...]:
    """Return where the table *source* and its columns *names* are now; of columns only what differs."""
    table = columns.explained(source)
    if not table.into:
        return ()
    everything = EVERY in names
    head = f"{source} -> {table.into} ({table.into_file})"
    lines = [_column_line(source, column) for column in table.columns if everything or column.name in names]
    return (head, *filter(None, lines))


def _column_line(source: str, column: ExplainedColumn) -> str:
    """Return where a column is now; '' if it has its name and its values still."""
    places = [_place(destination, f"{source}.{column.name}") for destination in column.becomes]
    if not places:
        places = [f"{column.kept} $.{column.name}" if column.kept == "lineage.rest" else column.kept]
    if len(places) == 1 and places[0].rpartition(".")[2] == column.name:
        return ""
    return f"{source.partition('.')[2]}.{column.name} -> {' and '.join(places)}"


def _place(destination: Destination, legacy: str) -> str:
    if destination.members:
        table, _, name = destination.column.rpartition(".")
        members = " and ".join(f"json_extract({name}, '{member}')" for member in destination.members)
        return f"{table} {members}"
    notes = [_SHORT.get(change.partition(":")[0], change.partition(";")[0]) for change in destination.changes]
    notes += [f"{before} is {after}" for before, after in destination.words]
    if destination.formula and not notes:
        notes.append(f"computed (migrator explain {legacy})")
    return ", ".join([destination.column, *(note for note in notes if not note.endswith(" gives it"))])


#: Beginning of a change -> what a map says of it.
_SHORT = {"time": "UTC text"}
