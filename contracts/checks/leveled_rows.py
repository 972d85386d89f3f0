"""Normalises the rows that were in use, for the comparison with legacy rows.

These differences are no loss and are removed: a default of the specification in a new row; a JSON member that is absent while
a legacy column has a value; another spelling of a time that the oracle reads; the last digits of a computed number; line
breaks at the end of a full text, which no index holds; and an untouched JSON member of a changed row that moved to a column.
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
from contracts.oracle.rules import Always, Raw, Reading, Rule, taken_from
from contracts.oracle.table_judge import UNREADABLE, UNREADABLE_ROWS, target_key
from contracts.oracle.times import instant
from contracts.sets.case import Case
from contracts.sets.pair import specified_tables
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system import connections
from migrator.system.connections import folded, quoted

#: Compared precision of a computed number [decimal places]: a percent or a score needs no more.
PLACES = 9
#: The legacy table that stores each row as JSON.
ORDERS = "jarvis.treasury_orders"
#: Returns the rows of a consolidated table by id: in the baseline, and in use.
Both = Callable[[str], tuple[Mapping[Typed, list[Row]], Mapping[Typed, list[Row]]]]


def leveled_reading(reading: Reading, siblings: Iterable[Reading]) -> Reading:
    """Return *reading* with normalised values, and with a new rowid of full text.

    *siblings* are all readings of the same target table: a column that one of them normalises is normalised in every row.
    """
    forward = dict(reading.forward)
    if target_key(reading.target) == "rowid":
        del forward["rowid"]
        reading = replace(reading, assigned="rowid")
    as_found = [sibling for sibling in siblings if sibling.variant == "found"]
    if reading.variant == catalogue.SPECIFIED_VARIANT and as_found:
        for name in _times(reading.target) & forward.keys():
            forward[name] = _then(forward[name], _leveled_cell)
    for name in {column for sibling in as_found for column in _nullable(sibling)} & forward.keys():
        forward[name] = _then(forward[name], lambda cell: None if cell == "" else cell)
    rounds = {column for sibling in as_found for column in sibling.rounds}
    for name, rule in forward.items():
        if name in rounds or (as_found and reading.assigned == "rowid" and name == "content"):
            forward[name] = _then(rule, _plain)
    if reading.source == ORDERS and as_found:
        # The JSON of an order repeats its columns, and is rewritten with them.
        reading = replace(reading, documents={"metadata": {"order": lambda _: None}})
    return replace(reading, forward=forward)


def _then(rule: Rule, plain: Callable[[Cell], Cell]) -> Rule:
    return lambda row: plain(rule(row))


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, float) and math.isfinite(cell):
        return round(cell, PLACES)
    return cell.rstrip("\n") if isinstance(cell, str) else cell


def level(connection: sqlite3.Connection, target: str, baseline: Path, in_use: Case, both: Both) -> None:
    """Normalise the rows of a private copy of the database *target*."""
    connection.create_function("leveled", 1, _leveled, deterministic=True)
    connection.create_function("plain", 1, _plain, deterministic=True)
    connection.create_function("unended", 1, lambda octets: octets.rstrip(b"\n"), deterministic=True)
    connections.attach(connection, baseline, "baseline")
    # A trigger of the application would change other rows.
    for (trigger,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER main.{quoted(trigger)}")
    for table in specified_tables(target):
        if lacks_columns(in_use, f"{target}.{table}"):
            continue
        every = in_use.reader.readings(f"{target}.{table}")
        readings = [reading for reading in every if reading.variant == "found"]
        # A legacy table with the target's shape keeps its spelling of times; a table without legacy rows is normalised.
        times = set() if every and not readings else _times(f"{target}.{table}")
        _level_cells(connection, table, readings, times)
        for reading in readings:
            if reading.documents and reading.parts is None:
                _add_members(connection, reading, both)
        _level_defaults(connection, target, table, _always(readings), times)


def lacks_columns(in_use: Case, target: str) -> bool:
    """Return whether a specified table was dropped, or lacks a specified column, in the set that was in use."""
    database, _, table = target.partition(".")
    columns = next(
        (names for name, names in in_use.judged.columns(database).items() if folded(name) == table), frozenset[str]()
    )
    shape = schema_reader.specified_table(target)
    return not columns or bool(shape and {folded(column.name) for column in shape.columns} - columns)


def _level_cells(connection: sqlite3.Connection, table: str, readings: list[Reading], times: set[str]) -> None:
    name = quoted(table)
    for at in map(quoted, times):
        one_form = f"CAST(leveled(CAST({at} AS BLOB)) AS TEXT)"
        connection.execute(f"UPDATE {name} SET {at} = {one_form} WHERE typeof({at}) = 'text'")
    for at in {quoted(column) for reading in readings for column in reading.rounds}:
        connection.execute(f"UPDATE {name} SET {at} = plain({at}) WHERE typeof({at}) = 'real'")
    for at in {quoted(column) for reading in readings for column in _nullable(reading)}:
        connection.execute(f"UPDATE {name} SET {at} = NULL WHERE {at} = ''")
    if any(target_key(reading.target) == "rowid" for reading in readings):
        ends = "CAST(unended(CAST(content AS BLOB)) AS TEXT)"
        connection.execute(f"UPDATE {name} SET content = {ends} WHERE typeof(content) = 'text'")
    if any(reading.source == ORDERS for reading in readings):
        connection.execute(
            f"UPDATE {name} SET metadata = json_remove(metadata, '$.order') WHERE CASE WHEN json_valid(metadata)"
            " THEN json_type(metadata) = 'object' END AND instr(CAST(metadata AS BLOB), x'00') = 0"
        )


def _level_defaults(
    connection: sqlite3.Connection, target: str, table: str, always: Mapping[str, Cell], times: set[str]
) -> None:
    """Replace a new row's default by the value that migrated rows always have in that column."""
    name, key = quoted(table), quoted(target_key(f"{target}.{table}"))
    for column, value in always.items():
        (default,) = connection.execute(
            "SELECT dflt_value FROM pragma_table_xinfo(?) WHERE name = ?", (table, column)
        ).fetchone() or (None,)
        takes = f"{quoted(column)} IS {default} AND {key} NOT IN (SELECT {key} FROM baseline.{name} WHERE {key} IS NOT NULL)"
        if default == "CURRENT_TIMESTAMP":
            # Two columns of a row have the same default: the current time.
            takes = f"{quoted(column)} IN ({', '.join(map(quoted, times - {column}))})"
        if default is not None:
            connection.execute(f"UPDATE {name} SET {quoted(column)} = ? WHERE {takes}", (value,))


def _times(target: str) -> set[str]:
    """Return the time columns of the table *target*, such as ``core.trades``."""
    shape = schema_reader.specified_table(target)
    return {column.name for column in shape.columns if column.type == "TIMESTAMP"} if shape else {"timestamp"}


def _nullable(reading: Reading) -> list[str]:
    """Return the nullable columns of copied text, in which '' equals NULL."""
    shape = schema_reader.specified_table(reading.target)
    nullable = {
        column.name
        for column in (shape.columns if shape else ())
        if column.type == "TEXT" and not column.not_null and not column.primary_key
    }
    return [name for name, rule in reading.forward.items() if name in nullable and taken_from(rule)]


def _add_members(connection: sqlite3.Connection, reading: Reading, both: Both) -> None:
    """Add to the JSON of changed rows the members that it lacks and the legacy columns have."""
    table, key = quoted(reading.target.partition(".")[2]), quoted(target_key(reading.target))
    was, now = both(reading.target)
    for id_, rows_ in now.items():
        if rows_ == was.get(id_) or len(rows_) > 1:
            continue
        legacy = rebuilt_row(reading, rows_, None)
        old = was.get(id_)
        earlier = rebuilt_row(reading, old, None) if old else None
        for name in reading.documents:
            text = _with_members(reading, name, rows_[0][name], legacy, old[0][name] if old else None, earlier)
            if text and text != "{}":
                connection.execute(f"UPDATE {table} SET {quoted(name)} = ? WHERE {key} = ?", (text, id_[1]))


def _with_members(reading: Reading, name: str, text: Cell, legacy: Row, before: Cell, was: Row | None) -> str:
    """Return the JSON *text* with the members that only the legacy row has, or ''."""
    now = members("{}" if text is None else text)
    had = (members(before) if before is not None else None) or {}
    if now is None or TWINS in now:
        return ""
    written = {member: raw for member, (_, raw) in now.items()}
    for member, rule in reading.documents[name].items():
        value = rule(legacy)
        # In a row that existed before: an untouched member whose column has changed since.
        if was is None or (member in had and member not in now):
            taken_over = member not in now
        else:
            taken_over = now.get(member) == had.get(member) and value != rule(was)
        if taken_over and value is None:
            written.pop(member, None)
        elif taken_over:
            written[member] = value.text if isinstance(value, Raw) else json.dumps(value)
    return "{" + ",".join(f"{json.dumps(member)}:{raw}" for member, raw in written.items()) + "}"


def _always(readings: list[Reading]) -> dict[str, Cell]:
    """Return the columns in which all readings store the same fixed value, with the value."""
    first = readings[0].forward.items() if readings else ()
    return {
        name: rule.value
        for name, rule in first
        if isinstance(rule, Always) and all(reading.forward.get(name) == rule for reading in readings)
    }


def rebuilt_row(reading: Reading, became: list[Row], key: Cell) -> Row:
    """Return the legacy row that is rebuilt from the rows *became*."""
    read = [{**row, "legacy_key": key} for row in became]
    for row in read:
        for name in reading.documents:
            both = members(row[name]) or {}
            row[f"{name}."] = {member: value for member, (value, _) in both.items() if value is not None}
            row[f"{name}:"] = {member: text for member, (_, text) in both.items()}
    seen: Any = read if reading.parts is not None else read[0] if read else {}
    legacy: Row = {}
    for column, rule in (*reading.back.items(), *reading.homeless.items()):
        try:
            legacy[column] = rule(seen)
        except UNREADABLE_ROWS:
            legacy[column] = UNREADABLE
    return legacy


def _leveled_cell(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    octets = _leveled(bytes_of(cell))
    return None if octets is None else text_of(octets)


def _leveled(octets: bytes) -> bytes | None:
    text = text_of(octets)
    return None if text == "" else bytes_of(instant(text) or text)
