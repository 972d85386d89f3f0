"""The specification, word for word or with amendments that the owners chose: DDL and schema of each database.

An amendment is one SQL file in ``amendments`` with a header of facts and the statements as they should be.  A statement
replaces the object of the specification with its kind and name; without such an object it is added at the end.  No
amendment changes a column, a key or a reference: the mappings and a rollback depend on these alone, and therefore read
the specification as it is written (:func:`migrator.schema.reader.target`).  Code that depends on constraints, indexes or
full-text options takes a :class:`Specification`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from migrator.errors import DdlError, UsageError
from migrator.schema import catalogue, sql_header
from migrator.schema import reader as schema_reader
from migrator.schema.model import Schema, Table

#: Key of an amendment's header; each is required.
HEADER: Mapping[str, None] = MappingProxyType(
    {
        "amendment": None,  # its name, that of the file
        "why": None,  # the problem that it solves
        "changes": None,  # what differs from the specification
        "costs": None,  # what the application's code has to observe, and what it takes
        "answers": None,  # the findings that it answers, by their headings in docs/reference/findings.md
    }
)

_STATEMENT = re.compile(
    rf"CREATE (?:UNIQUE )?(?:VIRTUAL )?(?P<kind>TABLE|INDEX) (?P<target>{'|'.join(catalogue.TARGETS)})\.(?P<name>\w+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendedObject:
    """A table or index as an amendment declares it.

    Attributes:
        target: Its database.
        kind: ``TABLE`` or ``INDEX``.
        name: Its name.
        sql: The statement as SQLite stores it: without the name of the database.
    """

    target: str
    kind: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """An opt-in change of the specification.

    Attributes:
        name: Its name in ``[decisions] amendments``.
        why: The problem that it solves.
        changes: What differs from the specification.
        costs: What the application's code has to observe, and what it takes.
        answers: The findings that it answers: their headings.
        objects: What it declares, in order.
    """

    name: str
    why: str
    changes: str
    costs: str
    answers: tuple[str, ...]
    objects: tuple[AmendedObject, ...]


@dataclass(frozen=True, slots=True)
class Specification:
    """The specification with some amendments.

    Attributes:
        amendments: Their names, in the order of :func:`amendments`.
    """

    amendments: tuple[str, ...] = ()

    def ddl(self, target: str) -> str:
        """Return the DDL of *target*: ``core``, ``analytics`` or ``cache``."""
        return _ddl(target, self.amendments)

    def schema(self, target: str) -> Schema:
        """Return what the DDL of *target* declares."""
        return _schema(target, self.amendments)

    @property
    def constants(self) -> Mapping[str, str]:
        """The parameters of mappings that depend on the amendments."""
        return {"llm_providers": "named" if "llm_providers" in self.amendments else ""}

    def table(self, name: str) -> Table | None:
        """Return the table *name*, such as ``core.trades``; None if it is a full-text table or not specified."""
        database, _, own = name.partition(".")
        return next((table for table in self.schema(database).tables if table.name == own), None)


#: The specification word for word.
AS_WRITTEN = Specification()


@cache
def amendments() -> Mapping[str, Amendment]:
    """Return the amendments of the package: name -> amendment, in the order of their names.

    Raises:
        MappingError: A file lacks its header.
        DdlError: A statement creates neither a table nor an index of one of the three databases.
    """
    folder = files("migrator.schema") / "amendments"
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir()}
    found = (_read(name, text) for name, text in sorted(texts.items()) if text.startswith("-- amendment:"))
    return MappingProxyType({amendment.name: amendment for amendment in found})


def chosen(names: Iterable[str]) -> Specification:
    """Return the specification with the amendments *names*, in whichever order.

    Raises:
        UsageError: There is no such amendment.
    """
    wanted = set(names)
    if not wanted:
        return AS_WRITTEN
    for name in sorted(wanted - amendments().keys()):
        near = difflib.get_close_matches(name, amendments(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(amendments())}"
        raise UsageError(f"unknown amendment {name!r}", hint=hint)
    return Specification(tuple(name for name in amendments() if name in wanted))


def _read(file_name: str, text: str) -> Amendment:
    where = f"amendments/{file_name}"
    header, ddl = sql_header.read(text, HEADER, where)
    objects = []
    for line, statement in schema_reader.statements(ddl):
        match = _STATEMENT.match(statement)
        if match is None:
            raise DdlError("creates neither a table nor an index", where=f"{where}, statement in line {line}")
        target = match["target"]
        objects.append(
            AmendedObject(
                target=target, kind=match["kind"], name=match["name"], sql=statement.replace(f"{target}.", "", 1)
            )
        )
    return Amendment(
        name=header["amendment"],
        why=header["why"],
        changes=header["changes"],
        costs=header["costs"],
        answers=tuple(answer.strip() for answer in header["answers"].split(",")),
        objects=tuple(objects),
    )


@cache
def _ddl(target: str, names: tuple[str, ...]) -> str:
    text = catalogue.target_ddl(target)
    for amended in (amended for name in names for amended in amendments()[name].objects if amended.target == target):
        own = re.compile(rf"CREATE (UNIQUE )?(VIRTUAL )?{amended.kind} {amended.name}\b")
        former = next((sql for _, sql in schema_reader.statements(text) if own.match(sql)), None)
        text = f"{text.rstrip()}\n\n{amended.sql}\n" if former is None else text.replace(former, amended.sql, 1)
    return text


@cache
def _schema(target: str, names: tuple[str, ...]) -> Schema:
    """Return what the amended DDL declares.

    Raises:
        DdlError: An amendment changes a column, a key or a reference.
    """
    if not names:
        return schema_reader.target(target)
    schema = schema_reader.read(_ddl(target, names))
    if _unamendable(schema) != _unamendable(schema_reader.target(target)):
        raise DdlError("an amendment changes a column, a key or a reference", where=f"{target}: {', '.join(names)}")
    return schema


def _unamendable(schema: Schema) -> tuple[object, ...]:
    """Return the declarations that no amendment may change."""
    tables = tuple(
        replace(
            table,
            checks=(),
            uniques=tuple(unique for unique in table.uniques if unique.origin == "primary key"),
        )
        for table in schema.tables
    )
    names = tuple(
        (table.name, table.module, [column.split()[0] for column in table.columns]) for table in schema.virtual_tables
    )
    return tables, names, schema.programs, schema.pragmas, schema.inserts
