"""Identifies legacy databases: the name of each file, and the known shape of each of its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple

from migrator.records.inventory import Table
from migrator.schema import catalogue
from migrator.schema.catalogue import Shape
from migrator.system.connections import folded
from migrator.system.escaping import escaped

Columns = frozenset[tuple[str, str]]


class FoundTable(NamedTuple):
    """A table as the child process describes it, not yet identified.

    Attributes:
        table: Its name, module, rows and digest.
        columns: Its columns as in :class:`migrator.schema.catalogue.Shape`.
    """

    table: Table
    columns: Columns


class Identity(NamedTuple):
    """The legacy database that a file is.

    Attributes:
        name: Its name; '' if none.
        reason: Why it is not a legacy database; else ''.
    """

    name: str
    reason: str


@cache
def known_paths() -> Mapping[PurePosixPath, str]:
    """Return path below the data directory -> name of the legacy database that belongs there."""
    return {database.place: database.name for database in catalogue.legacy_databases()}


def name_from(path: PurePosixPath) -> str:
    """Return a name without points for the file *path*; no other file has it."""
    return path.with_suffix("").as_posix().replace(".", "_")


def identities(files: Mapping[PurePosixPath, Sequence[FoundTable] | None]) -> dict[PurePosixPath, Identity]:
    """Return which legacy database each of *files* is; they come with their tables, None where those cannot be read.

    A file at a known path is that database, readable or not.  Elsewhere the file's name decides, if no file has the known
    path, no other file has the name, and its tables fit; where two databases share a file name, the tables decide.
    """
    at_home = {known_paths()[path] for path in files if path in known_paths()}
    claims = {path: _by_name(path, tables, at_home) for path, tables in files.items() if path not in known_paths()}
    wanted = Counter(claim.name for claim in claims.values() if claim.name)
    known = {path: Identity(known_paths()[path], "") for path in files if path in known_paths()}
    for path, claim in claims.items():
        if wanted[claim.name] > 1:
            others = sorted(escaped(p) for p, c in claims.items() if c.name == claim.name and p != path)
            known[path] = Identity("", f"could be {claim.name}, and so could {', '.join(others)}")
        else:
            known[path] = claim
    return known


def _by_name(path: PurePosixPath, tables: Sequence[FoundTable] | None, at_home: set[str]) -> Identity:
    named = {name: home for home, name in known_paths().items() if home.name == path.name}
    if not named:
        return Identity("", "no legacy database has this name")
    scores = {name: _score(name, tables or ()) for name in named}
    best = max(scores, key=lambda name: scores[name])
    if tables and not scores[best]:
        return Identity("", f"is called like {' and '.join(map(str, named.values()))} and holds none of its tables")
    if len(named) > 1 and list(scores.values()).count(scores[best]) > 1:
        return Identity(
            "", f"is called like {' and '.join(map(str, named.values()))}, and its tables do not tell which"
        )
    if best in at_home:
        return Identity("", f"a second {best}: the first lies at its path, {named[best]}")
    return Identity(best, "")


def _score(name: str, tables: Sequence[FoundTable]) -> int:
    """Count the tables that have a known shape of the database *name*."""
    shapes = {(folded(shape.table), shape.columns) for shape in catalogue.shapes_of(name)}
    return sum((folded(described.table.name), described.columns) in shapes for described in tables)


def tables(name: str, described: Sequence[FoundTable]) -> tuple[tuple[Table, ...], tuple[str, ...]]:
    """Return the tables of the legacy database *name*, each with its variant or how it differs, and which are missing."""
    shapes: dict[str, list[Shape]] = {}
    for shape in catalogue.shapes_of(name):
        shapes.setdefault(folded(shape.table), []).append(shape)
    variant_of = {(folded(shape.table), shape.columns): shape.variant for shape in catalogue.shapes_of(name)}
    recognised = tuple(
        _recognised(table, columns, shapes.get(key := folded(table.name), []), variant_of.get((key, columns), ""))
        for table, columns in described
    )
    votes = Counter(table.variant for table in recognised if table.variant)
    if not votes:
        # No table has a known shape: take the variant with the most of these names.
        votes = Counter(s.variant for table, _ in described for s in shapes.get(folded(table.name), ()))
    variants = dict.fromkeys(shape.variant for shape in catalogue.shapes_of(name))
    variant = max(variants, key=votes.__getitem__, default="")
    present = {folded(table.name) for table, _ in described}
    wanted = (shape.table for shape in catalogue.shapes_of(name) if shape.variant == variant)
    return recognised, tuple(sorted(table for table in wanted if folded(table) not in present))


def _recognised(table: Table, columns: Columns, shapes: list[Shape], variant: str) -> Table:
    differs = ""
    if shapes and not variant:
        nearest = min(shapes, key=lambda shape: len(shape.columns ^ columns))
        differs = _difference(columns, nearest.columns)
    # SQL ignores letter case in names; a known table gets its known name.
    name = next((shape.table for shape in shapes if shape.variant == variant), table.name)
    return replace(table, name=name, variant=variant, differs=differs, unexpected=not shapes)


def _difference(columns: Columns, known: Columns) -> str:
    """Return a sentence about how *columns* differ from the *known* ones."""
    expected, now = dict(known), dict(columns)
    lacks = [f"{column} {expected[column]}".strip() for column in sorted(expected.keys() - now.keys())]
    has = [f"{column} {now[column]}".strip() for column in sorted(now.keys() - expected.keys())]
    other = [
        f"{column} is {now[column] or 'untyped'}, not {expected[column] or 'untyped'}"
        for column in sorted(expected.keys() & now.keys())
        if expected[column] != now[column]
    ]
    parts = [f"lacks {', '.join(lacks)}"] if lacks else []
    parts += [f"also has {', '.join(has)}"] if has else []
    return escaped("; ".join(parts + other))
