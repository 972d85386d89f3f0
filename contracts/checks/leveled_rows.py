"""Rows that were in use, in the one form in which what a legacy row becomes can be compared with them.

A new row that takes a default of the specification, or whose JSON says nothing where a legacy column holds something, has lost
nothing by what the legacy table holds instead.  A time may be spelled in each way that the second reader reads, a number that is worked out
in doubles may end in other digits, and line breaks at the end of a full text are in no index.  A member of JSON that was not touched, in a
row that was, may have gone over to another column.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts.checks.row_accounting import Typed
from contracts.oracle.cells import TWINS, Cell, Row, bytes_of, members, text_of
from contracts.oracle.rules import Always, Raw, Reading, Say, taken_from
from contracts.oracle.table_judge import UNREADABLE, UNREADABLE_ROWS, target_key
from contracts.oracle.times import instant
from contracts.sets.case import Case
from contracts.sets.pair import specified_tables
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections
from migrator.system.connections import quoted

#: Places behind the point of a number that is worked out: an application means no more of a percent or a score.
PLACES = 9
#: The legacy table whose rows are JSON.
ORDERS = "jarvis.treasury_orders"
#: Id -> rows of a consolidated table in the baseline, and in use.
Both = Callable[[str], tuple[Mapping[Typed, list[Row]], Mapping[Typed, list[Row]]]]


def leveled_reading(reading: Reading, siblings: Iterable[Reading]) -> Reading:
    """Return *reading* so that what it says is in the one form, and the rowid of a full-text table is given anew.

    *siblings* are the readings of the same target table, this one among them: what is leveled for one is leveled in each row.
    """
    forward = dict(reading.forward)
    if target_key(reading.target) == "rowid":
        del forward["rowid"]
        reading = replace(reading, assigned="rowid")
    found = [one for one in siblings if one.variant == "found"]
    if reading.variant == catalogue.SPECIFIED_VARIANT and found:
        for name in _times(reading.target) & forward.keys():
            forward[name] = _then(forward[name], _leveled_cell)
    for name in {column for one in found for column in _nullable(one)} & forward.keys():
        forward[name] = _then(forward[name], lambda cell: None if cell == "" else cell)
    rounds = {column for one in found for column in one.rounds}
    for name, say in forward.items():
        if name in rounds or (found and reading.assigned == "rowid" and name == "content"):
            forward[name] = _then(say, _plain)
    if reading.source == ORDERS and found:
        # The JSON of an order repeats what its columns say, and is rewritten with them.
        reading = replace(reading, documents={"metadata": {"order": lambda _: None}})
    return replace(reading, forward=forward)


def _then(say: Say, plain: Callable[[Cell], Cell]) -> Say:
    return lambda row: plain(say(row))


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, float) and math.isfinite(cell):
        return round(cell, PLACES)
    return cell.rstrip("\n") if isinstance(cell, str) else cell


def level(connection: sqlite3.Connection, target: str, baseline: Path, in_use: Case, both: Both) -> None:
    """Let the rows of a private copy of the database *target* say what they say in the one form."""
    connection.create_function("leveled", 1, _leveled, deterministic=True)
    connection.create_function("plain", 1, _plain, deterministic=True)
    connection.create_function("unended", 1, lambda octets: octets.rstrip(b"\n"), deterministic=True)
    connections.attach(connection, baseline, "baseline")
    for table in specified_tables(target):
        every = in_use.reader.readings(f"{target}.{table}")
        readings = [one for one in every if one.variant == "found"]
        # A table that had the target's shape keeps every spelling; one that no legacy row fills is compared like the found ones.
        times = set() if every and not readings else _times(f"{target}.{table}")
        _level_cells(connection, table, readings, times)
        for reading in readings:
            if reading.documents and reading.parts is None:
                _add_members(connection, reading, both)
        _level_defaults(connection, target, table, _always(readings), times)


def _level_cells(connection: sqlite3.Connection, table: str, readings: list[Reading], times: set[str]) -> None:
    name = quoted(table)
    for at in map(quoted, times):
        one_form = f"CAST(leveled(CAST({at} AS BLOB)) AS TEXT)"
        connection.execute(f"UPDATE {name} SET {at} = {one_form} WHERE typeof({at}) = 'text'")
    for at in {quoted(column) for one in readings for column in one.rounds}:
        connection.execute(f"UPDATE {name} SET {at} = plain({at}) WHERE typeof({at}) = 'real'")
    for at in {quoted(column) for one in readings for column in _nullable(one)}:
        connection.execute(f"UPDATE {name} SET {at} = NULL WHERE {at} = ''")
    if any(target_key(one.target) == "rowid" for one in readings):
        ends = "CAST(unended(CAST(content AS BLOB)) AS TEXT)"
        connection.execute(f"UPDATE {name} SET content = {ends} WHERE typeof(content) = 'text'")
    if any(one.source == ORDERS for one in readings):
        connection.execute(
            f"UPDATE {name} SET metadata = json_remove(metadata, '$.order') WHERE CASE WHEN json_valid(metadata)"
            " THEN json_type(metadata) = 'object' END AND instr(CAST(metadata AS BLOB), x'00') = 0"
        )


def _level_defaults(
    connection: sqlite3.Connection, target: str, table: str, always: Mapping[str, Cell], times: set[str]
) -> None:
    """Let a row that takes a default say no more by it than what is always stored there."""
    name, key = quoted(table), quoted(target_key(f"{target}.{table}"))
    for column, value in always.items():
        (default,) = connection.execute(
            "SELECT dflt_value FROM pragma_table_xinfo(?) WHERE name = ?", (table, column)
        ).fetchone() or (None,)
        takes = f"{quoted(column)} IS {default} AND {key} NOT IN (SELECT {key} FROM baseline.{name} WHERE {key} IS NOT NULL)"
        if default == "CURRENT_TIMESTAMP":
            # The clock, asked twice for one row.
            takes = f"{quoted(column)} IN ({', '.join(map(quoted, times - {column}))})"
        if default is not None:
            connection.execute(f"UPDATE {name} SET {quoted(column)} = ? WHERE {takes}", (value,))


def _times(target: str) -> set[str]:
    """Return the columns of times of the table *target*, ``core.trades``."""
    database, _, table = target.partition(".")
    shape = next((one for one in schema_reader.target(database).tables if one.name == table), None)
    return {one.name for one in shape.columns if one.type == "TIMESTAMP"} if shape else {"timestamp"}


def _nullable(reading: Reading) -> list[str]:
    """Return the columns of text that is taken over and may be NULL: '' says no more there, and a legacy table may refuse NULL."""
    database, _, table = reading.target.partition(".")
    shape = next((one for one in schema_reader.target(database).tables if one.name == table), None)
    nullable = (
        {one.name for one in shape.columns if one.type == "TEXT" and not one.not_null and not one.primary_key}
        if shape
        else set()
    )
    return [name for name, say in reading.forward.items() if name in nullable and taken_from(say)]


def _add_members(connection: sqlite3.Connection, reading: Reading, both: Both) -> None:
    """Add to the JSON of new rows what the legacy columns hold where it says nothing."""
    table, key = quoted(reading.target.partition(".")[2]), quoted(target_key(reading.target))
    was, now = both(reading.target)
    for id_, found in now.items():
        if found == was.get(id_) or len(found) > 1:
            continue
        legacy = says(reading, found, None)
        old = was.get(id_)
        said = says(reading, old, None) if old else None
        for name in reading.documents:
            text = _with_members(reading, name, found[0][name], legacy, old[0][name] if old else None, said)
            if text and text != "{}":
                connection.execute(f"UPDATE {table} SET {quoted(name)} = ? WHERE {key} = ?", (text, id_[1]))


def _with_members(reading: Reading, name: str, text: Cell, legacy: Row, before: Cell, was: Row | None) -> str:
    """Return the JSON with the members that a legacy row says where it says nothing; '' where it is none."""
    there = members("{}" if text is None else text)
    had = (members(before) if before is not None else None) or {}
    if there is None or TWINS in there:
        return ""
    written = {one: raw for one, (_, raw) in there.items()}
    for one, say in reading.documents[name].items():
        said = say(legacy)
        # Of a row that was there before, what its columns now say otherwise of a member that was not touched.
        if was is None or (one in had and one not in there):
            taken_over = one not in there
        else:
            taken_over = there.get(one) == had.get(one) and said != say(was)
        if taken_over and said is None:
            written.pop(one, None)
        elif taken_over:
            written[one] = said.text if isinstance(said, Raw) else json.dumps(said)
    return "{" + ",".join(f"{json.dumps(one)}:{raw}" for one, raw in written.items()) + "}"


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


def _leveled_cell(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    octets = _leveled(bytes_of(cell))
    return None if octets is None else text_of(octets)


def _leveled(octets: bytes) -> bytes | None:
    text = text_of(octets)
    return None if text == "" else bytes_of(instant(text) or text)
