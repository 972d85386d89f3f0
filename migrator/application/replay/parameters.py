"""Draws parameters for a statement, from the legacy columns that each is compared with or written to."""

from __future__ import annotations

import contextlib
import random
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlglot

from migrator.application.replay.slots import SLOT, Slot, slots_of, with_marks
from migrator.application.replay.statements import Statement
from migrator.system.connections import quoted

#: Parameters of one run: in order, or by name.
Parameters = tuple[Any, ...] | Mapping[str, Any]

#: Rows of a table from which parameters are drawn.
ROWS = 3
#: A value that no column has, by kind.
_ABSENT: Mapping[str, Any] = {"int": -987_654_321, "real": -987_654_321.5, "text": "no such value", "blob": b"\x00no"}
_EXAMPLE: Mapping[str, Any] = {"int": 1, "real": 1.5, "text": "a", "blob": b"\x01", "null": None}
#: Values of parameters that meet no column: limits, modifiers of SQLite's time functions and numbers within these.
_IN_TURN: Mapping[str, tuple[Any, ...]] = {
    "limit": (20, 1, 5_000),
    "offset": (0, 1, 2),
    "span": ("-3650 days", "-30 days", "-24 hours"),
    "hours": (24, 1, 87_600),
}


def drawn(statement: Statement, legacy: sqlite3.Connection, *, seed: str = "replay") -> list[Parameters]:
    """Return the parameters of each run of *statement*, read from the *legacy* database; the same for the same *seed*.

    The last run meets no row, unless the statement has no parameters.
    """
    text, names = with_marks(statement.sql)
    if not names:
        return [()]
    choice = random.Random(f"{seed}:{statement.name}:{statement.sql}")  # noqa: S311 - a repeatable choice
    slots = slots_of(text, names)
    given = _taken(statement, legacy)
    rows = list(_rows(slots, legacy, choice))
    by_name = not names[0].isdigit()
    runs = [_run(slots, row, number, statement.kinds, legacy) for number, row in enumerate(rows)]
    runs += [_changed(slots, rows[0], statement.kinds, legacy), _absent(slots, statement.kinds)]
    bound = [run if by_name else tuple(run[name] for name in _in_order(run)) for run in runs]
    unique: list[Parameters] = []
    for run in (*given, *bound):
        if run not in unique:
            unique.append(run)
    return unique


def without_limit(sql: str, parameters: Parameters) -> tuple[str, dict[str, Any]] | None:
    """Return *sql* and its parameters without the limit of its result; None if it has none, or cannot be read."""
    text, names = with_marks(sql)
    try:
        tree = sqlglot.parse_one(text, read="sqlite")
    except sqlglot.errors.SqlglotError:
        return None
    if tree.args.get("limit") is None:
        return None
    tree.set("limit", None)
    tree.set("offset", None)
    whole = tree.sql(dialect="sqlite")
    given: dict[str, Any] = {str(number): value for number, value in enumerate(parameters, start=1)}
    if isinstance(parameters, Mapping):
        given = dict(parameters)
    values = {f"{SLOT}{number}": given[name] for number, name in enumerate(names)}
    return whole, {name: value for name, value in values.items() if f":{name}" in whole}


def _in_order(run: Mapping[str, Any]) -> list[str]:
    return [str(number) for number in range(1, max(map(int, run), default=0) + 1)]


def _taken(statement: Statement, legacy: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return the named parameters that the statement's own SELECT gives, of a few rows; none if a table is missing."""
    if not statement.takes:
        return []
    # The SELECT names the database as if it were attached.
    takes = re.sub(rf"\b{statement.database}\.(?=\w)", "main.", statement.takes)
    try:
        cursor = legacy.execute(takes)
    except sqlite3.OperationalError:
        return []
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(ROWS) if None not in row]


def _rows(
    slots: Sequence[Slot], legacy: sqlite3.Connection, choice: random.Random
) -> Iterator[Mapping[tuple[str, str], Any]]:
    """Yield cells for each run, those of one table from one row: the first, the last, and some between."""
    wanted: dict[str, list[str]] = {}
    for slot in slots:
        if slot.column:
            for table in _homes(slot, legacy):
                wanted.setdefault(table, []).append(slot.column)
    cells: list[dict[tuple[str, str], Any]] = [{} for _ in range(ROWS)]
    for table, columns in wanted.items():
        known = [column for (column,) in legacy.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        named = {c: known[int(c[1:])] if c[0] == "#" and int(c[1:]) < len(known) else c for c in dict.fromkeys(columns)}
        read = [c for c in named if c[0] == "=" or named[c].lower() in {one.lower() for one in known}]
        if not read or not known:
            continue
        with contextlib.suppress(sqlite3.Error):
            _read(cells, legacy, table, read, named, choice)
    yield from cells


def _read(
    cells: list[dict[tuple[str, str], Any]],
    legacy: sqlite3.Connection,
    table: str,
    read: Sequence[str],
    named: Mapping[str, str],
    choice: random.Random,
) -> None:
    """Put the columns *read* of a few rows of *table* into *cells*."""
    (count,) = legacy.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
    listed = ", ".join(column[1:] if column[0] == "=" else quoted(named[column]) for column in read)
    places = sorted({0, max(count - 1, 0), *(choice.randrange(count) for _ in range(ROWS - 2) if count)})
    for number, place in enumerate((places * ROWS)[:ROWS]):
        row = legacy.execute(f"SELECT {listed} FROM {quoted(table)} LIMIT 1 OFFSET ?", (place,)).fetchone()
        for column, value in zip(read, row or (), strict=False):
            # TEXT that is not UTF-8 can be read, but not be bound.
            kept = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            cells[number][table.lower(), column.lower()] = kept


def _homes(slot: Slot, legacy: sqlite3.Connection) -> list[str]:
    """Return the table of a slot; without one each table that has its column."""
    if slot.table:
        return [slot.table]
    found = legacy.execute(
        "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND c.name = ? COLLATE NOCASE LIMIT 1",
        (slot.column,),
    )
    return [str(name) for (name,) in found]


def _run(
    slots: Sequence[Slot],
    row: Mapping[tuple[str, str], Any],
    number: int,
    kinds: Mapping[str, tuple[str, ...]] | None,
    legacy: sqlite3.Connection,
) -> dict[str, Any]:
    """Return the parameters of one run, from the cells *row*."""
    return {slot.name: _of_kind(_value(slot, row, number, legacy), slot, kinds) for slot in reversed(slots)}


def _value(slot: Slot, row: Mapping[tuple[str, str], Any], number: int, legacy: sqlite3.Connection) -> Any:
    tables = _homes(slot, legacy) if slot.column else []
    cell = next((row[key] for key in ((table.lower(), slot.column.lower()) for table in tables) if key in row), None)
    if slot.role in _IN_TURN:
        values = _IN_TURN[slot.role]
        return values[number % len(values)]
    if slot.role == "like":
        text = cell if isinstance(cell, str) else ""
        return ("%" + text[:4] + "%", "%", text)[number % 3]
    if slot.role == "match":
        return _word(slot, number, legacy)
    if slot.role == "unknown" and cell is None:
        return ("a", 1, None)[number % 3]
    return cell


def _word(slot: Slot, number: int, legacy: sqlite3.Connection) -> str:
    """Return a word of the texts of a full-text table."""
    table = slot.table or slot.column
    words: list[str] = []
    try:
        for row in legacy.execute(f"SELECT * FROM {quoted(table)} LIMIT 50"):
            for cell in row:
                words += re.findall(r"[A-Za-z]{3,}", cell) if isinstance(cell, str) else []
    except sqlite3.Error:
        return "a"
    words = sorted(set(words))
    return words[(number * 7) % len(words)] if words else "a"


def _of_kind(value: Any, slot: Slot, kinds: Mapping[str, tuple[str, ...]] | None) -> Any:
    """Return *value* as one of the kinds that were recorded for this parameter."""
    recorded = (kinds or {}).get(slot.name, ())
    if not recorded or _kind(value) in recorded:
        return value
    for kind in recorded:
        try:
            if kind == "text" and isinstance(value, int | float):
                return str(value)
            if kind == "int" and isinstance(value, str | float):
                return int(value)
            if kind == "real" and isinstance(value, str | int):
                return float(value)
        except ValueError:
            continue
    return _EXAMPLE.get(recorded[0])


def _kind(value: Any) -> str:
    names = {int: "int", float: "real", str: "text", bytes: "blob", type(None): "null"}
    return names.get(type(value), "")


def _changed(
    slots: Sequence[Slot],
    row: Mapping[tuple[str, str], Any],
    kinds: Mapping[str, tuple[str, ...]] | None,
    legacy: sqlite3.Connection,
) -> dict[str, Any]:
    """Return parameters that write a row like one of the table, with other values in the columns of its keys."""
    run = _run(slots, row, 0, kinds, legacy)
    for slot in slots:
        value = run[slot.name]
        if slot.role == "given" and _is_key(slot, legacy):
            run[slot.name] = (
                f"{value}-replayed" if isinstance(value, str) else 987_654_321 if value is not None else None
            )
    return run


def _is_key(slot: Slot, legacy: sqlite3.Connection) -> bool:
    """Return whether the column is part of a primary key or of a unique index."""
    for table in _homes(slot, legacy):
        keys = legacy.execute("SELECT name FROM pragma_table_info(?) WHERE pk", (table,)).fetchall()
        keys += legacy.execute(
            'SELECT c.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c WHERE i."unique"', (table,)
        ).fetchall()
        columns = [name for (name,) in legacy.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        place = int(slot.column[1:]) if slot.column.startswith("#") else -1
        name = columns[place] if 0 <= place < len(columns) else slot.column
        if name.lower() in {str(key).lower() for (key,) in keys}:
            return True
    return False


def _absent(slots: Sequence[Slot], kinds: Mapping[str, tuple[str, ...]] | None) -> dict[str, Any]:
    """Return parameters that no row meets."""
    instead = {"limit": 0, "offset": 0, "hours": 0, "span": "+1 day"}
    run: dict[str, Any] = {}
    for slot in slots:
        recorded = [kind for kind in (kinds or {}).get(slot.name, ()) if kind in _ABSENT]
        run[slot.name] = instead.get(slot.role, _ABSENT[recorded[0] if recorded else "text"])
    return run
