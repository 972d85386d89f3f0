"""Judges what becomes of a connection, a statement or a path in the code: works, through compat, or must change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from migrator.application.census import legacy_set
from migrator.application.census.findings import Kind, Verdict
from migrator.mapping import named_columns
from migrator.mapping.named_columns import EVERY, Named, Statement
from migrator.records.plan import Fate

#: The one change that makes a connection speak the legacy schema after the cutover.
ONE_CHANGE = "migrator.connect in place of {api}"
#: The change for a library that opens its connections itself.
RUN_UNDER_COMPAT = "none in this file: run the program by python -m migrator.compat, or migrator compat install"
#: Stands for what a hole fills where a name is expected.
HOLE = "_census_hole_"
#: Pragmas that write what belongs to a whole file, which several legacy names share after the cutover.
_FILE_PRAGMAS = frozenset({"user_version", "application_id"})
#: Beginnings of names of tables that SQLite itself provides.
_INTERNAL = ("sqlite_", "pragma_", "json_each", "json_tree", "generate_series", "dbstat")


#: What every table has.
_ALWAYS = frozenset({EVERY, "rowid", "oid", "_rowid_"})


class Api(Enum):
    """How a connection is opened."""

    SQLITE = "sqlite3.connect"
    BOUND = "a name imported from sqlite3"
    CLASS = "sqlite3.Connection"
    LIBRARY = "a library"
    MIGRATOR = "migrator.connect"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A connection, as far as the code shows it.

    Attributes:
        api: How it is opened.
        called: The function, as the code calls it.
        path: The path or name that it opens, as text; '' if that cannot be seen.
        databases: The legacy databases that this can mean.
        target: The consolidated database that it opens; '' for none.
        factory: Whether the caller gives a function as factory; a class of connections is served.
        consolidated: Whether a legacy name is opened with the consolidated schema.
    """

    api: Api
    called: str = ""
    path: str = ""
    databases: tuple[str, ...] = ()
    target: str = ""
    factory: bool = False
    consolidated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict on one thing that a place in the code names.

    Attributes:
        kind: What the place does.
        databases: The legacy databases that it can mean.
        table: The legacy table; '' if it names none.
        columns: The columns that it names.
        verdict: What becomes of it.
        why: The reason.
        change: What to write instead.
        offset: Where in the statement the table is named [characters]; None if that is not known.
    """

    kind: Kind
    databases: tuple[str, ...] = ()
    table: str = ""
    columns: tuple[str, ...] = ()
    verdict: Verdict
    why: str
    change: tuple[str, ...] = ()
    offset: int | None = None


def of_connection(opened: Opened) -> Judged:
    """Return the verdict on opening a connection."""
    verdict, why, change = _of_connection(opened)
    return Judged(
        kind=Kind.CONNECTION,
        databases=opened.databases,
        verdict=verdict,
        why=why,
        change=(change,) if change else (),
    )


def _of_connection(opened: Opened) -> tuple[Verdict, str, str]:
    if opened.target:
        return Verdict.WORKS, "it opens a consolidated database", ""
    if not opened.path:
        return Verdict.UNKNOWN, "what it opens is computed while the program runs", ""
    if all(map(legacy_set.is_standalone, opened.databases)):
        why = (
            "the file stays as it is"
            if opened.databases
            else "no legacy database has this name; if it is the bot's, [files] in migrator.toml decides about it"
        )
        return Verdict.WORKS, why, ""
    return _of_source(opened)


def _of_source(opened: Opened) -> tuple[Verdict, str, str]:
    """Return the verdict on opening a legacy database whose rows move."""
    if opened.factory:
        why = "a function makes the connection, and cannot be replaced as a class of connections can"
        return Verdict.CHANGE, why, "give factory= a class that derives from sqlite3.Connection"
    change = ONE_CHANGE.format(api=opened.called)
    schema = "the consolidated" if opened.consolidated else "the legacy"
    bound = "the name is bound when the module is imported, before a hook can replace it"
    return {
        Api.MIGRATOR: (Verdict.WORKS, f"migrator.connect opens the set in use, with {schema} schema", ""),
        Api.CLASS: (Verdict.CHANGE, "the class is called directly, and no hook is reached", change),
        Api.BOUND: (Verdict.CHANGE, bound, "import connect from migrator"),
        Api.LIBRARY: (Verdict.COMPAT, f"{opened.called} opens the legacy schema through compat", RUN_UNDER_COMPAT),
    }.get(opened.api, (Verdict.COMPAT, "the legacy schema is served once migrator opens it", change))


def of_statement(
    statement: Statement, opened: Opened | None, near: tuple[str, ...], *, served: bool | None = True
) -> Iterator[Judged]:
    """Yield the verdict on each table that *statement* names, and on what it does to the schema.

    Args:
        statement: The statement.
        opened: The connection that runs it; None if that cannot be seen.
        near: The legacy databases that its file opens, for a statement whose connection cannot be seen.
        served: Whether Python runs it, which compat serves: not the sqlite3 shell, nor another language; None if unseen.
    """
    if statement.kind is named_columns.Kind.ATTACH:
        yield _attached(statement, opened)
        return
    if opened is not None and (opened.target or opened.consolidated):
        yield from _on_consolidated(statement, opened)
        return
    known = opened.databases if opened is not None else ()
    if known and not all(map(legacy_set.is_standalone, known)):
        yield from _of_whole_file(statement, known)
    for named in _tables(statement):
        judged = _on_legacy(named, known, near, _way(opened, served=served))
        if judged is not None:
            yield judged


def _way(opened: Opened | None, *, served: bool | None) -> tuple[Verdict, str]:
    """Return the verdict on a legacy table that a connection reads, and the reason."""
    if served is None:
        return Verdict.UNKNOWN, "what runs it decides: compat serves Python, not the sqlite3 shell"
    if not served:
        return Verdict.CHANGE, "compat serves Python alone: here the consolidated file is read"
    if opened is not None and opened.api is Api.MIGRATOR:
        return Verdict.WORKS, "migrator.connect gives it the legacy schema"
    return Verdict.COMPAT, "the legacy schema is served once its connection is migrator's"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A table that a statement names, with what is needed to judge it."""

    statement: Statement
    name: str
    schema: str
    columns: tuple[str, ...]
    offset: int | None

    def judged(
        self, verdict: Verdict, why: str, databases: tuple[str, ...] = (), change: tuple[str, ...] = ()
    ) -> Judged:
        """Return the verdict on this table."""
        return Judged(
            kind=Kind.SCHEMA if self.statement.kind in _SCHEMA else Kind.STATEMENT,
            databases=databases,
            table="" if HOLE in self.name else self.name,
            columns=tuple(column for column in self.columns if HOLE not in column),
            verdict=verdict,
            why=why,
            change=change,
            offset=self.offset,
        )


_SCHEMA = frozenset({named_columns.Kind.CREATE, named_columns.Kind.CHANGE_SCHEMA})


def _tables(statement: Statement) -> Iterator[_Named]:
    found: dict[tuple[str, str], list[Named]] = {}
    for named in statement.named:
        if not named.table.startswith(_INTERNAL) and named.schema.lower() != "temp":
            schema = "" if named.schema.lower() == "main" else named.schema
            found.setdefault((named.table, schema), []).append(named)
    for (name, schema), places in found.items():
        yield _Named(
            statement=statement,
            name=name,
            schema=schema,
            columns=tuple(dict.fromkeys(place.column for place in places if place.column)),
            offset=next((place.offset for place in places if not place.column and place.offset is not None), None),
        )


def _on_legacy(named: _Named, known: tuple[str, ...], near: tuple[str, ...], way: tuple[Verdict, str]) -> Judged | None:
    """Return the verdict on one table; None if it is no legacy table and nothing shows that it is meant as one."""
    if HOLE in named.name:
        return named.judged(Verdict.UNKNOWN, "the name of the table is computed while the program runs", known or near)
    # A schema is an attached database: which, only its tables can show.
    known = () if named.schema else known
    databases = _meant(named, known, near)
    if not databases:
        return _no_legacy_table(named, known)
    fates = {legacy_set.fate(f"{database}.{named.name}") for database in databases}
    if fates == {Fate.STANDALONE}:
        return named.judged(Verdict.WORKS, "the file stays as it is", databases)
    if Fate.STANDALONE in fates:
        why = f"{' and '.join(databases)} have such a table, and one of the files stays as it is"
        return named.judged(Verdict.UNKNOWN, why, databases)
    change = tuple(
        line for database in databases for line in legacy_set.column_map(f"{database}.{named.name}", named.columns)
    )
    refused = _refused(named.statement, databases)
    if refused and way[0] is not Verdict.CHANGE:
        return named.judged(Verdict.CHANGE, refused, databases, change)
    verdict, why = way
    if missing := _missing(named, databases):
        why = f"{why}; {' and '.join(databases)} had no column {', '.join(missing)} there"
    if len(databases) > 1:
        why = f"{why}; {' and '.join(databases)} have such a table"
    return named.judged(verdict, why, databases, change if verdict is not Verdict.WORKS else ())


def _meant(named: _Named, known: tuple[str, ...], near: tuple[str, ...]) -> tuple[str, ...]:
    """Return the databases whose table is meant: of the connection, else of the file, else all with such columns."""
    if known:
        return legacy_set.databases_with(named.name, known)
    found = legacy_set.databases_with(named.name, near) if near else ()
    found = found or legacy_set.databases_with(named.name)
    return tuple(database for database in found if not _missing(named, (database,))) or found


def _missing(named: _Named, databases: tuple[str, ...]) -> list[str]:
    """Return the columns that the table has in none of the *databases*."""
    known = {column for database in databases for column in legacy_set.tables((database,))[named.name]}
    return [column for column in named.columns if column not in known | _ALWAYS and HOLE not in column]


def _no_legacy_table(named: _Named, known: tuple[str, ...]) -> Judged | None:
    sources = tuple(database for database in known if not legacy_set.is_standalone(database))
    if not sources:
        return None
    if named.statement.kind in _SCHEMA:
        why = f"{' and '.join(sources)} had no such table, and the file is shared after the cutover"
        return named.judged(Verdict.CHANGE, why, sources, (f"make {named.name} in a database of its own",))
    return named.judged(Verdict.UNKNOWN, f"{' and '.join(sources)} had no table {named.name}", sources)


def _refused(statement: Statement, databases: tuple[str, ...]) -> str:
    """Return why compat refuses the change of the schema that *statement* makes; '' if it makes none or is let through."""
    if statement.kind is named_columns.Kind.CHANGE_SCHEMA:
        return "the legacy schema is served as it was and cannot be changed"
    if statement.kind is named_columns.Kind.CREATE:
        _, kind, name = statement.detail.split(" ", 2)
        known = any(name.lower() in legacy_set.programs(database) for database in databases)
        if kind in {"VIEW", "TRIGGER"} and not known:
            return f"the legacy schema is served as it was, and had no {kind.lower()} {name}"
    return ""


def _of_whole_file(statement: Statement, known: tuple[str, ...]) -> Iterator[Judged]:
    """Yield the verdict on what a statement changes that is no table: the numbers of the file."""
    name, _, value = statement.detail.partition(" = ")
    why, change = "", ""
    if statement.kind is named_columns.Kind.PRAGMA and name in _FILE_PRAGMAS and value:
        why = f"{name} is served as it was and cannot be changed"
        change = "keep the number in a table of your own"
    elif statement.kind is named_columns.Kind.WRITE and any(
        named.table == "sqlite_sequence" for named in statement.named
    ):
        why, change = "sqlite_sequence is served as it was and cannot be changed", "leave the numbering to SQLite"
    if why:
        yield Judged(kind=Kind.SCHEMA, databases=known, verdict=Verdict.CHANGE, why=why, change=(change,))


def _attached(statement: Statement, opened: Opened | None) -> Judged:
    path = statement.detail
    databases = legacy_set.databases_at(path)
    verdict, why, change = Verdict.WORKS, "the attached file stays as it is", ""
    if not path or HOLE in path:
        verdict, why = Verdict.UNKNOWN, "what it attaches is computed while the program runs"
    elif legacy_set.target_at(path) or not all(map(legacy_set.is_standalone, databases)):
        verdict, why = Verdict.CHANGE, "one connection cannot attach a second name of the consolidated set"
        change = "open the other database by a connection of its own"
        homes = {legacy_set.home(database) for database in (*databases, *(opened.databases if opened else ()))}
        if opened is not None and opened.databases and len(homes) == 1:
            change = f"no ATTACH, with the new names: both lie in {homes.pop()}"
    return Judged(kind=Kind.ATTACH, databases=databases, verdict=verdict, why=why, change=(change,) if change else ())


def _on_consolidated(statement: Statement, opened: Opened) -> Iterator[Judged]:
    """Yield the verdict on each table of a statement that runs on a consolidated database."""
    targets = [opened.target] if opened.target else [
        target for database in opened.databases if (target := legacy_set.target_at(legacy_set.home(database)))
    ]  # fmt: skip
    for named in _tables(statement):
        there = [names for target in targets if (names := legacy_set.consolidated_tables(target).get(named.name))]
        missing = [
            column
            for column in named.columns
            if column not in _ALWAYS and HOLE not in column and not any(column in names for names in there)
        ]
        databases = _meant(named, (), opened.databases)
        if there and not missing:
            yield named.judged(Verdict.WORKS, "the consolidated database has it")
        elif databases and (not there or set(missing) - set(_missing(named, databases))):
            change = tuple(
                line
                for database in databases
                for line in legacy_set.column_map(f"{database}.{named.name}", named.columns)
            )
            yield named.judged(Verdict.CHANGE, "the consolidated schema has other names", databases, change)
        else:
            why = f"the consolidated database has no {'column ' + ', '.join(missing) if there else 'such table'}"
            yield named.judged(Verdict.UNKNOWN, why)
