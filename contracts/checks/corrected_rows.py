"""Completes new rows that are corrected copies of quarantined rows, for the comparison with legacy rows.

A rollback recognizes such a copy, and corrects its legacy row: a legacy cell stays as it was where the copy holds nothing.  So the
copy gets what its legacy row has beyond it, and the quarantined row had.  The two are a pair if they differ in nothing else, agree
in at least :data:`_ALIKE` cells, and neither has another such row.  A row without a parent may get the one that was corrected.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from contracts.oracle.cells import Affinity, Cell, Row, kept_row, members, rows, same
from contracts.oracle.row_signature import LOST, Faces, is_near
from contracts.oracle.rules import Near, Raw, Reading
from contracts.oracle.table_judge import UNREADABLE_ROWS, parts_of, target_key
from contracts.sets.legacy import LegacySet
from migrator.schema import reader as schema_reader
from migrator.system.connections import quoted

#: Least number of equal cells with information in two rows that are one.
_ALIKE = 3


def aside(connection: sqlite3.Connection, reading: Reading) -> list[tuple[Cell, Row]]:
    """Return key and row of each quarantined row of a legacy table; none if the quarantine was dropped."""
    asked = "SELECT legacy_key, row FROM quarantine WHERE source = ? AND target = ?"
    try:
        found = rows(connection, asked, reading.source, reading.target.partition(".")[2]).fetchall()
    except sqlite3.OperationalError:
        return []
    return [(key, kept_row(row)) for key, row in found]


def complete(
    connection: sqlite3.Connection,
    reading: Reading,
    affinity: Affinity,
    quarantined: Sequence[tuple[Cell, Row]],
    legacy: tuple[LegacySet, LegacySet],
    new: Sequence[Row],
) -> dict[Cell, Cell]:
    """Complete the rows *new* that are corrected copies of *quarantined* rows; return legacy key -> id of each such row.

    Args:
        connection: The normalised copy of the database that was in use; it is written.
        reading: The normalised reading of the legacy table.
        affinity: How the target stores a value.
        quarantined: Key and row of each row that was in quarantine at the cutover.
        legacy: The legacy set before the cutover and after the rollback.
        new: The rows of the target table without a row in the baseline, normalised.
    """
    faces, refers = Faces(reading, affinity, {}), references(reading)
    pairs = [
        (now[reading.key], number, missing)
        for was, now in _candidates(reading, quarantined, *legacy)
        for number, row in enumerate(new)
        if (missing := _missing(faces, was, now, row, refers)) is not None
    ]
    by_legacy, by_new = Counter(key for key, _, _ in pairs), Counter(number for _, number, _ in pairs)
    certain = [pair for pair in pairs if by_legacy[pair[0]] == by_new[pair[1]] == 1]
    for _, number, missing in certain:
        _fill(connection, reading, new[number], missing)
    return {key: new[number][target_key(reading.target)] for key, number, _ in certain}


def references(reading: Reading) -> dict[str, str]:
    """Return the columns of the target table that refer to a row by its assigned id -> the parent table."""
    shape = schema_reader.specified_table(reading.target)
    keys = shape.foreign_keys if shape else ()
    return {
        key.columns[0]: key.parent
        for key in keys
        if shape and key.columns[0] in reading.forward and shape.column(key.columns[0]).type == "INTEGER"
    }


def adopt(
    connection: sqlite3.Connection,
    reading: Reading,
    became: Mapping[Cell, Cell],
    back: LegacySet,
    corrected: Mapping[str, Collection[Cell]],
) -> None:
    """Give rows without a parent the *corrected* one that their legacy rows name.

    Args:
        connection: The normalised copy of the database that was in use; it is written.
        reading: The reading of the legacy table after the rollback, beside the completed rows.
        became: Legacy key -> id of the rows of the target table.
        back: The legacy set after the rollback.
        corrected: Parent table -> ids of its corrected rows.
    """
    table, key = quoted(reading.target.partition(".")[2]), quoted(target_key(reading.target))
    for column, parent in references(reading).items():
        own = quoted(column)
        without = {id_ for (id_,) in rows(connection, f"SELECT {key} FROM {table} WHERE {own} IS NULL")}
        if not without or not corrected.get(parent):
            continue
        for legacy_key, found in _by_key(back, reading).items():
            id_, parts = became.get(legacy_key), [part for row in found for part in parts_of(reading, row)]
            if len(parts) == 1 and id_ in without and (named := reading.forward[column](parts[0])) in corrected[parent]:
                connection.execute(f"UPDATE {table} SET {own} = ? WHERE {key} = ?", (named, id_))


def _candidates(
    reading: Reading, quarantined: Sequence[tuple[Cell, Row]], originals: LegacySet, back: LegacySet
) -> Iterator[tuple[Row, Row]]:
    """Yield each quarantined row with the legacy row that may be it now; one without a key may have got any new key."""
    before, after = _by_key(originals, reading), _by_key(back, reading)
    fresh = [row for key, found in after.items() if key not in before for row in found]
    for key, was in quarantined:
        for now in fresh if key is None else after.get(key, []):
            yield was, now


def _by_key(legacy: LegacySet, reading: Reading) -> dict[Cell, list[Row]]:
    database, _, table = reading.source.partition(".")
    names = tuple(dict.fromkeys((*reading.columns, reading.key)))
    by_key: dict[Cell, list[Row]] = {}
    if database not in legacy.originals:
        return by_key
    with legacy.read(database) as connection:
        for cells in rows(connection, f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table)}"):
            row = dict(zip(names, cells, strict=True))
            by_key.setdefault(row[reading.key], []).append(row)
    return by_key


def _missing(faces: Faces, was: Row, now: Row, row: Row, refers: Collection[str]) -> Row | None:
    """Return what the row in use lacks of its legacy row *now* and *was* has; None if they are not one row."""
    try:
        had, wanted = faces.expected(was), faces.expected(now)
    except UNREADABLE_ROWS:
        return None
    found = faces.found(row)
    lacks = {name: cell for name, cell in wanted.items() if cell is not None and found.get(name) is None}
    # The match by value compares references.
    compared = {*wanted, *found} - lacks.keys() - set(refers)
    unlike = [name for name in compared if not is_near(wanted.get(name), found.get(name))]
    alike = [name for name in compared & wanted.keys() if found.get(name) not in (None, "", 0)]
    if unlike or len(alike) < _ALIKE or not all(_equal(had.get(name), cell) for name, cell in lacks.items()):
        return None
    return {name: cell for name, cell in lacks.items() if cell != LOST}


def _equal(first: Cell, second: Cell) -> bool:
    return first == second if isinstance(first, Raw | Near) else same(first, second)


def _fill(connection: sqlite3.Connection, reading: Reading, row: Row, missing: Mapping[str, Cell]) -> None:
    table, key = quoted(reading.target.partition(".")[2]), target_key(reading.target)
    changed: Row = {}
    for name, cell in missing.items():
        column, _, member = name.partition(".")
        if not member:
            changed[column] = cell.value if isinstance(cell, Near) else cell
            continue
        text = changed.get(column, row[column])
        written = {own: raw for own, (_, raw) in (members("{}" if text is None else text) or {}).items()}
        written[member] = cell.text if isinstance(cell, Raw) else json.dumps(cell)
        changed[column] = "{" + ",".join(f"{json.dumps(own)}:{raw}" for own, raw in written.items()) + "}"
    for column, cell in changed.items():
        connection.execute(f"UPDATE {table} SET {quoted(column)} = ? WHERE {quoted(key)} = ?", (cell, row[key]))
