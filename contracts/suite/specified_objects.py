"""The cases of a contract that judges each object of the specification: ``@pytest.mark.each("UNIQUE")``.

They depend on the owners' amendments, which are known once the options are read, and therefore not when a module of
contracts is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrator.schema import catalogue
from migrator.schema.model import Index, Schema
from migrator.schema.specified import Specification

#: Kind of object -> the names of the parameters of such a contract.
PARAMETERS = {
    "table": ("target", "table"),
    "index": ("target", "index"),
    "virtual table": ("target", "table"),
    "NOT NULL": ("target", "table", "column"),
    "CHECK": ("target", "table", "check"),
    "UNIQUE": ("target", "table", "unique"),
    "FOREIGN KEY": ("target", "table", "key"),
}


def parametrize(metafunc: pytest.Metafunc, specification: Specification) -> None:
    """Give a contract with the mark ``each`` a case for each object of *specification* of that kind."""
    if (mark := metafunc.definition.get_closest_marker("each")) is not None:
        (kind,) = mark.args
        cases = [
            pytest.param(target, *values, id=f"{target}.{name}")
            for target in catalogue.TARGETS
            for name, values in _objects(kind, specification.schema(target))
        ]
        metafunc.parametrize(PARAMETERS[kind], cases)


def _objects(kind: str, schema: Schema) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the name of each object, and what a contract on it gets beside the database."""
    if kind == "index":
        yield from ((index.name, (index,)) for index in schema.indexes)
    elif kind == "virtual table":
        yield from ((table.name, (table,)) for table in schema.virtual_tables)
    for table in schema.tables:
        if kind == "table":
            yield table.name, (table,)
        elif kind == "NOT NULL":
            yield from ((f"{table.name}.{column.name}", (table, column)) for column in table.columns if column.not_null)
        elif kind == "CHECK":
            yield from ((f"{table.name}.{'.'.join(check.columns)}", (table, check)) for check in table.checks)
        elif kind == "UNIQUE":
            keys = [unique for unique in table.uniques if unique.origin == "primary key"]
            yield from (
                (f"{table.name}.{_columns(unique)}", (table, unique))
                for unique in sorted((*keys, *schema.uniques(table.name)), key=repr)
            )
        elif kind == "FOREIGN KEY":
            yield from ((f"{table.name}.{'.'.join(key.columns)}", (table, key)) for key in table.foreign_keys)


def _columns(unique: Index) -> str:
    return ".".join(str(column.name) for column in unique.columns)
