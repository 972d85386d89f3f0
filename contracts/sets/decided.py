"""The owners' decisions about rows, read from their configuration and laid over a private copy of the legacy set.

Independent of migrator's own reading: a decision changes what the oracle reads, as it changes what a mapping reads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.oracle.cells import Cell, bound, rows, text_of
from migrator.system import connections, private_copy
from migrator.system.connections import quoted

#: The kinds of a decision about named rows.
KINDS = ("set", "keep", "make", "drop")
#: What lineage names as the source of a row that the owners made.
MADE = "stub:decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision about one row of a legacy table.

    Attributes:
        key: Its legacy key.
        kind: One of :data:`KINDS`.
        cells: Legacy column -> the legacy cell, and the cell to read; of a row that is made, None and its cell; of a row that
            is kept or dropped, each cell named in ``was``, unchanged.
        why: The owners' reason.
    """

    key: Cell
    kind: str
    cells: Mapping[str, tuple[Cell, Cell]] = field(default_factory=dict)
    why: str = ""


def written(decisions: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Return legacy table -> its entries of the section ``[decisions]``; of a word the key is its column and the word."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for entry in decisions.get("rows", ()):
        by_source.setdefault(entry["table"], []).append(entry)
    for database, tables in decisions.get("vocabulary", {}).items():
        for table, columns in tables.items():
            for column, words in columns.items():
                for word, value in words.items():
                    entry = {"word": word, "column": column, "set": {column: value}}
                    by_source.setdefault(f"{database}.{table}", []).append(entry)
    return by_source


def resolved(
    connection: sqlite3.Connection, table: str, key: str, entries: Iterable[Mapping[str, Any]]
) -> list[Decided]:
    """Return the decisions *entries* on the rows of the legacy *table* with the column *key*, each row and kind once."""
    found: dict[tuple[type, Cell, str], Decided] = {}
    for entry in entries:
        for decided in _of_entry(connection, table, key, entry):
            name = type(decided.key), decided.key, decided.kind
            former = found.get(name, decided)
            found[name] = Decided(
                key=decided.key,
                kind=decided.kind,
                cells={**former.cells, **decided.cells},
                why=former.why or decided.why,
            )
    return list(found.values())


def _of_entry(connection: sqlite3.Connection, table: str, key: str, entry: Mapping[str, Any]) -> Iterator[Decided]:
    if "word" in entry:
        column, value = entry["column"], _cell(entry["set"][entry["column"]])
        asked = f"SELECT {quoted(key)} FROM {quoted(table)} WHERE +{quoted(column)} = ? COLLATE BINARY"
        keys = [cell for (cell,) in rows(connection, asked, entry["word"])]
        for cell in keys:
            if cell is not None and keys.count(cell) == 1:
                yield Decided(key=cell, kind="set", cells={column: (entry["word"], value)})
        return
    kind = next(kind for kind in KINDS if kind in entry)
    cells = {column: _cell(value) for column, value in entry[kind].items()} if kind in {"set", "make"} else {}
    named = list(cells or (entry.get("was", ()) if kind in {"keep", "drop"} else ()))
    why = entry["drop"] if kind == "drop" else entry.get("why", "")
    for written_key in entry["key"] if isinstance(entry["key"], list) else [entry["key"]]:
        own = _cell(written_key)
        read, was = dict(cells), dict[str, Cell]()
        if kind == "make":
            read = {key: own, **cells}
        elif named and own is not None:
            place, value = bound(own)
            asked = f"SELECT {', '.join(map(quoted, named))} FROM {quoted(table)} WHERE {quoted(key)} = {place}"
            was = dict(zip(named, rows(connection, asked, value).fetchone() or (), strict=False))
        both = {column: (was.get(column), value) for column, value in (read or was).items()}
        yield Decided(key=own, kind=kind, cells=both, why=why)


def _cell(value: Any) -> Cell:
    """Return the cell that a value of the configuration stands for."""
    if isinstance(value, dict):
        if "null" in value:
            return None
        return bytes.fromhex(value["b"]) if "b" in value else text_of(bytes.fromhex(value["t"]))
    cell: Cell = value
    return cell


def overlaid(legacy: Path, copy: Path, decided: Mapping[str, tuple[str, Iterable[Decided]]]) -> Path:
    """Copy the private copy *legacy* to *copy*, and write the *decided* cells there: table -> its key, and the decisions."""
    private_copy.private_copy(legacy, copy, at_rest=True)
    with closing(connections.scratch(copy)) as connection:
        connections.lenient(connection)
        connection.execute("DELETE FROM sqlite_schema WHERE type = 'trigger'")
    with closing(connections.memory()) as connection:
        connections.attach(connection, copy, "decided", mode="rw")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for table, (key, of_table) in decided.items():
            for row in of_table:
                _write(connection, f"decided.{quoted(table)}", quoted(key), row)
    return copy


def _write(connection: sqlite3.Connection, table: str, key: str, row: Decided) -> None:
    placed = [bound(value) for _, value in row.cells.values()]
    values = [value for _, value in placed]
    if row.kind == "make":
        names = ", ".join(map(quoted, row.cells))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(place for place, _ in placed)})", values)
    elif row.kind == "set":
        cells = ", ".join(f"{quoted(column)} = {place}" for column, (place, _) in zip(row.cells, placed, strict=True))
        place, own = bound(row.key)
        connection.execute(f"UPDATE {table} SET {cells} WHERE {key} = {place}", [*values, own])
