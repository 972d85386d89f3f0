"""Rows that were in use, in the one form in which what a legacy row becomes can be compared with them.

A new row that takes a default of the specification, or whose JSON says nothing where a legacy column holds something, has lost
nothing by what the legacy table holds instead; a time may be spelled in each way that the second reader reads.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contracts.accounting import Typed
from contracts.pair import Pair, specified_tables
from contracts.second_reader.cells import Cell, Row, members, said_members
from contracts.second_reader.reading import Always, Raw, Reading, Time
from contracts.second_reader.rows import UNREADABLE, UNREADABLE_ROWS, target_key
from contracts.second_reader.times import instant
from migrator import sqlite
from migrator.sqlite import quoted

#: Id -> rows of a consolidated table in the baseline, and in use.
Both = Callable[[str], tuple[Mapping[Typed, list[Row]], Mapping[Typed, list[Row]]]]


def level(connection: sqlite3.Connection, target: str, baseline: Path, in_use: Pair, both: Both) -> None:
    """Let the rows of a private copy of the database *target* say what they say in the one form."""
    connection.create_function("leveled", 1, _leveled, deterministic=True)
    sqlite.attach(connection, baseline, "baseline")
    for table in specified_tables(target):
        name, key = quoted(table), quoted(target_key(f"{target}.{table}"))
        readings = [one for one in in_use.reader.readings(f"{target}.{table}") if one.variant == "found"]
        for column in {column for one in readings for column, say in one.forward.items() if isinstance(say, Time)}:
            at = quoted(column)
            connection.execute(f"UPDATE {name} SET {at} = leveled({at}) WHERE typeof({at}) = 'text'")
        for reading in readings:
            if reading.documents and reading.parts is None:
                _add_members(connection, reading, both)
        for column, value in _always(readings).items():
            # A new row that takes a default says no more by it than what is always stored there.
            (default,) = connection.execute(
                "SELECT dflt_value FROM pragma_table_xinfo(?) WHERE name = ?", (table, column)
            ).fetchone() or (None,)
            if default is not None:
                connection.execute(
                    f"UPDATE {name} SET {quoted(column)} = ? WHERE {quoted(column)} IS {default}"
                    f" AND {key} NOT IN (SELECT {key} FROM baseline.{name} WHERE {key} IS NOT NULL)",
                    (value,),
                )


def _add_members(connection: sqlite3.Connection, reading: Reading, both: Both) -> None:
    """Add to the JSON of new rows what the legacy columns hold where it says nothing."""
    table, key = quoted(reading.target.partition(".")[2]), quoted(target_key(reading.target))
    was, now = both(reading.target)
    for id_, found in now.items():
        if found == was.get(id_) or len(found) > 1:
            continue
        legacy = says(reading, found, None)
        for name in reading.documents:
            text = _with_members(reading, name, found[0][name], was[id_][0][name] if was.get(id_) else None, legacy)
            if text:
                connection.execute(f"UPDATE {table} SET {quoted(name)} = ? WHERE {key} = ?", (text, id_[1]))


def _with_members(reading: Reading, name: str, text: Cell, before: Cell, legacy: Row) -> str:
    """Return the JSON with the members that it lacks; '' where it lacks none, or is none.

    What a row that is not new said before, and says no more, is missing where the legacy row says something again.
    """
    there = {} if text is None else said_members(text)
    had = said_members(before) if before is not None else None
    if there is None:
        return ""
    said = {one: say(legacy) for one, say in reading.documents[name].items() if one not in there}
    more = [
        f'"{one}":{cell.text if isinstance(cell, Raw) else json.dumps(cell)}'
        for one, cell in said.items()
        if cell is not None and (had is None or one in had)
    ]
    begun = ("{}" if text is None else str(text)).rstrip().removesuffix("}").rstrip()
    return f"{begun}{'' if begun.endswith('{') else ','}{','.join(more)}}}" if more else ""


def _always(readings: list[Reading]) -> dict[str, Cell]:
    """Return the columns in which each reading stores one value, with the value."""
    first = readings[0].forward.items() if readings else ()
    return {
        name: say.value
        for name, say in first
        if isinstance(say, Always) and all(one.forward.get(name) == say for one in readings)
    }


def says(reading: Reading, there: list[Row], key: Cell) -> Row:
    """Return what the rows that a legacy row became say of each of its columns."""
    read = [{**row, "legacy_key": key} for row in there]
    for row in read:
        for name in reading.documents:
            both = members(row[name]) or {}
            row[f"{name}."] = {one: value for one, (value, _) in both.items() if value is not None}
            row[f"{name}:"] = {one: text for one, (_, text) in both.items()}
    seen: Any = read if reading.parts is not None else read[0] if read else {}
    found: Row = {}
    for column, say in (*reading.back.items(), *reading.homeless.items()):
        try:
            found[column] = say(seen)
        except UNREADABLE_ROWS:
            found[column] = UNREADABLE
    return found


def _leveled(text: str) -> Cell:
    return None if text == "" else instant(text) or text
