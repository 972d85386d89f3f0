"""Finds the legacy database, table or column that a user names."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache

from migrator.errors import UsageError
from migrator.mapping import columns
from migrator.schema import catalogue

#: Names that are proposed for one that is unknown.
PROPOSED = 3
#: Names that are listed for one that means several.
LISTED = 20


def find(name: str) -> tuple[str, ...]:
    """Return what *name* means: the one table or column, or every table of a database, each with its database.

    *name* is ``jarvis``, ``jarvis.db``, ``jarvis.positions``, ``positions``, ``positions.token_mint`` or
    ``jarvis.positions.token_mint``; letter case is ignored.

    Raises:
        UsageError: Nothing has this name, or several tables or columns have it.
    """
    wanted = name.lower()
    of_database = _databases().get(wanted)
    if of_database is not None:
        return of_database
    found = _index().get(wanted, ())
    if len(found) == 1:
        return found
    if found:
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise UsageError(
            f"{len(found)} legacy tables or columns have this name: {', '.join(found[:LISTED])}{more}",
            where=name,
            hint=f"name one, such as: migrator explain {found[0]}",
        )
    raise UsageError("no legacy table or column has this name", where=name, hint=_hint(wanted))


def _hint(wanted: str) -> str:
    takes = _consolidated().get(wanted, ())
    if takes:
        return f"it is a name of the consolidated set, and takes {', '.join(takes[:LISTED])}; run: migrator explain {takes[0]}"
    near = get_close_matches(wanted, [*_databases(), *_index()], n=PROPOSED)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "docs/reference/columns.md lists all"


@cache
def _databases() -> dict[str, tuple[str, ...]]:
    """Return each name of a legacy database or file, in lower case -> its tables."""
    found: dict[str, list[str]] = {}
    for known in catalogue.legacy_databases():
        tables = [f"{known.name}.{shape.table}" for shape in known.shapes]
        for name in (known.name, str(known.place)):
            found.setdefault(name, []).extend(tables)
    return {name: tuple(dict.fromkeys(tables)) for name, tables in found.items() if tables}


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """Return each spelling of a table or column, in lower case -> what it can mean."""
    found: dict[str, list[str]] = {}
    for spelling, meaning in _spellings():
        found.setdefault(spelling.lower(), []).append(meaning)
    return {spelling: tuple(dict.fromkeys(meanings)) for spelling, meanings in found.items()}


def _spellings() -> Iterator[tuple[str, str]]:
    for source in columns.sources():
        database, _, table = source.partition(".")
        yield table, source
        yield source, source
        for column in columns.tables_of(database)[table]:
            yield column, f"{source}.{column}"
            yield f"{table}.{column}", f"{source}.{column}"
            yield f"{source}.{column}", f"{source}.{column}"


@cache
def _consolidated() -> dict[str, tuple[str, ...]]:
    """Return each spelling of a consolidated table or column, in lower case -> the legacy ones that it takes."""
    found: dict[str, list[str]] = {}
    for source in columns.sources():
        table = columns.explained(source)
        meanings = [(table.into, source)] if table.into else []
        meanings += [
            (destination.column, f"{source}.{column.name}")
            for column in table.columns
            for destination in column.becomes
        ]
        for full, legacy in meanings:
            parts = full.split(".")
            for spelling in (".".join(parts[start:]) for start in range(len(parts))):
                found.setdefault(spelling.lower(), []).append(legacy)
    return {spelling: tuple(dict.fromkeys(legacy)) for spelling, legacy in found.items()}
