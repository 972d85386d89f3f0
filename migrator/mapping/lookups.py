"""Lookups: work tables that mappings join, computed from several legacy tables by ``mapping/sql/lookups/*.sql``.

A lookup file has a header, one SELECT of evidence per source and variant (``-- from: jarvis.positions found``),
and one SELECT that makes the table from all evidence, with the columns column1, column2, ... (``-- gives:``).
A source that is absent, or has another shape, gives no evidence.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from migrator.errors import MappingError
from migrator.schema import reader as schema_reader
from migrator.schema import sql_header
from migrator.system.connections import quoted

_NAME = re.compile(r"(\w+)\(([\w, ]+)\)")
_PART = re.compile(r"^-- (?:from: *(\S+) +(\S+)|(gives):) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A work table.

    Attributes:
        name: Its name below ``ids``.
        columns: Its columns; the first is the key.
        evidence: Source table, variant and SELECT of each source of evidence.
        gives: The SELECT that makes the table from the evidence.
    """

    name: str
    columns: tuple[str, ...]
    evidence: tuple[tuple[str, str, str], ...]
    gives: str


@cache
def lookups() -> tuple[Lookup, ...]:
    """Return every lookup of the package.

    Raises:
        MappingError: A file is wrong.
    """
    folder = files("migrator.mapping") / "sql" / "lookups"
    texts = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir())
    return tuple(read(text, f"mapping/sql/lookups/{name}") for name, text in texts if name.endswith(".sql"))


def read(text: str, file: str) -> Lookup:
    """Return the lookup in *text*.

    Raises:
        MappingError: It has no header, or no SELECT that gives the table.
    """
    header, _ = sql_header.read(_PART.split(text, maxsplit=1)[0], {"lookup": None, "why": ""}, file)
    name = _NAME.fullmatch(header["lookup"])
    if name is None:
        raise MappingError("lacks the line '-- lookup: name(column, ...)'", where=f"{file}:1:1")
    marks = list(_PART.finditer(text))
    evidence, gives = [], ""
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)]
        ((_, statement),) = schema_reader.statements(body)
        if mark[3]:
            gives = statement.removesuffix(";")
        else:
            evidence.append((mark[1], mark[2], statement.removesuffix(";")))
    if not gives:
        raise MappingError("lacks the part '-- gives:'", where=f"{file}:1:1")
    columns = tuple(column.strip() for column in name[2].split(","))
    return Lookup(name=name[1], columns=columns, evidence=tuple(evidence), gives=gives)


def prepare(connection: sqlite3.Connection, lookup: Lookup, present: Collection[tuple[str, str]]) -> None:
    """Make the work table ``ids.<name>`` from the evidence of the tables that are *present*: (source, variant)."""
    selects = [select for source, variant, select in lookup.evidence if (source, variant) in present]
    width = 1 + max(_width(connection, select) for select in selects) if selects else 8
    connection.execute("DROP TABLE IF EXISTS temp.evidence")
    columns = ", ".join(f"column{number}" for number in range(1, width))
    connection.execute(f"CREATE TEMP TABLE evidence ({columns})")
    for select in selects:
        connection.execute(f"INSERT INTO temp.evidence {select}")
    name = quoted(lookup.name)
    connection.execute(f"CREATE TABLE ids.{name} ({', '.join(map(quoted, lookup.columns))})")
    connection.execute(f"INSERT INTO ids.{name} {lookup.gives}")
    connection.execute(f"CREATE INDEX ids.{quoted(f'{lookup.name}_key')} ON {name}({quoted(lookup.columns[0])})")
    connection.execute("DROP TABLE temp.evidence")


def _width(connection: sqlite3.Connection, select: str) -> int:
    return len(connection.execute(f"SELECT * FROM ({select}) LIMIT 0").description)
