"""Applies the owners' decisions to a snapshot: which rows they are about, and the cells that the mappings read instead.

A decision changes what a mapping reads, never a legacy file: :mod:`migrator.stages.build.decided_rows` lays the decided
cells over a copy.  The legacy cells stay in ``lineage.rest``, so that a rollback restores them.
"""

from __future__ import annotations

import difflib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.config import values
from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql, sql_functions
from migrator.mapping.model import TableMapping
from migrator.quarantine import toml_cells
from migrator.records.decisions import DecidedRow, Decisions, Kind, RowDecision, Word, row_name
from migrator.records.plan import PlannedTable
from migrator.system import connections
from migrator.system.connections import quoted

#: Keys and words among which a near one is looked for [rows].
_LOOKED_AT = 100_000


def in_words(decision: RowDecision | Word) -> str:
    """Return *decision* as half a sentence."""
    if isinstance(decision, Word):
        return f"{decision.source}.{decision.column} {shown(decision.word)} is read as {shown(decision.cell)}"
    keys = ", ".join(shown(key) for key in decision.keys[:3])
    more = f" and {len(decision.keys) - 3:,} more" if len(decision.keys) > 3 else ""
    cells = ", ".join(f"{column} is read as {shown(cell)}" for column, cell in decision.cells.items())
    does = {Kind.SET: cells, Kind.KEEP: "stays", Kind.MAKE: "is made", Kind.DROP: "stays in quarantine"}
    why = f" ({decision.why})" if decision.why else ""
    return f"{decision.source} {keys}{more}: {does[decision.kind]}{why}"


def settled(
    decisions: Decisions, tables: Sequence[PlannedTable], paths: Mapping[str, Path]
) -> tuple[tuple[DecidedRow, ...], tuple[str, ...]]:
    """Return the rows that *decisions* are about, and the reasons against the decisions, one sentence each.

    Args:
        decisions: What the owners wrote.
        tables: The fates of the legacy tables.
        paths: Legacy database -> its file in the snapshot.

    Raises:
        sqlite3.Error: A file cannot be read.
    """
    rows: dict[tuple[str, str], dict[Kind, DecidedRow]] = {}
    faults: list[str] = []
    by_source = {table.source: table for table in tables}
    for source in dict.fromkeys(decision.source for decision in decisions):
        mapping = next((one for one in _mappings(by_source.get(source)) if not one.stub), None)
        mine = [decision for decision in decisions if decision.source == source]
        if mapping is None:
            fate = f"is {by_source[source].fate}" if source in by_source else "is not in this data directory"
            faults += [f"{in_words(decision)}: expected a mapped table; {source} {fate}" for decision in mine]
            continue
        with closing(connections.memory()) as connection:
            sql_functions.register(connection)
            connections.attach(connection, paths[mapping.database], mapping.database)
            for decision in mine:
                try:
                    for row in _rows(connection, mapping, decision):
                        _add(rows, row)
                except _Fault as fault:
                    faults.append(str(fault))
    return tuple(row for kinds in rows.values() for row in kinds.values()), tuple(faults)


class _Fault(Exception):
    """A decision does not fit the rows."""


def _mappings(table: PlannedTable | None) -> Sequence[TableMapping]:
    return () if table is None else mapping_reader.sources_of(table)


def _add(rows: dict[tuple[str, str], dict[Kind, DecidedRow]], row: DecidedRow) -> None:
    """Add *row* to the decided *rows*.

    Raises:
        _Fault: Another decision is about the same cell, or contradicts it.
    """
    before = rows.setdefault(row.name, {})
    where = f"{row.source} {shown(row.key)}"
    if former := before.get(row.kind):
        if row.kind is not Kind.SET:
            raise _Fault(f"{where}: expected one decision; found {row.kind} twice")
        if twice := former.cells.keys() & row.cells.keys():
            column = min(twice)
            both = f"{shown(former.cells[column][1])} and {shown(row.cells[column][1])}"
            raise _Fault(f"{where}: {column}: expected one decision on a cell; found two: {both}")
        row = replace(row, cells=MappingProxyType({**former.cells, **row.cells}), why=former.why or row.why)
    elif before and Kind.DROP in (row.kind, *before):
        raise _Fault(f"{where}: expected one decision; found {' and '.join((*before, row.kind))}")
    before[row.kind] = row


def _rows(connection: sqlite3.Connection, mapping: TableMapping, decision: RowDecision | Word) -> Iterator[DecidedRow]:
    """Yield the rows that *decision* is about.

    Raises:
        _Fault: There is none, or one is not as the decision expects it.
    """
    for column in [decision.column] if isinstance(decision, Word) else (*decision.cells, *decision.was):
        if column not in mapping.legacy_columns:
            near = values.near(column, mapping.legacy_columns)
            raise _Fault(f"{in_words(decision)}: expected a column of {mapping.source} here; found {column}{near}")
        if column == mapping.key and (isinstance(decision, Word) or column in decision.cells):
            raise _Fault(f"{in_words(decision)}: expected another column; {column} identifies the row")
    if isinstance(decision, Word):
        yield from _of_word(connection, mapping, decision)
        return
    for key in decision.keys:
        find = _made if decision.kind is Kind.MAKE else _there
        cells = find(connection, mapping, decision, key)
        yield DecidedRow(
            source=mapping.source, key=key, kind=decision.kind, cells=MappingProxyType(cells), why=decision.why
        )


def _made(
    connection: sqlite3.Connection, mapping: TableMapping, decision: RowDecision, key: Any
) -> dict[str, tuple[Any, Any]]:
    """Return the cells of the row *key* that is to be made."""
    where = f"{mapping.source} {shown(key)}"
    stored = _stored(connection, mapping, key)
    if _typed(stored) != _typed(key):
        raise _Fault(
            f"{where}: expected a key that {mapping.key} stores as it is; it stores {shown(stored)}: write key ="
            f" {toml_cells.cell(stored)}"
        )
    if _with_key(connection, mapping, key, []):
        raise _Fault(f"{where}: expected no row with this key, which is to be made; found one")
    return {column: (None, cell) for column, cell in ((mapping.key, key), *decision.cells.items())}


def _stored(connection: sqlite3.Connection, mapping: TableMapping, key: Any) -> Any:
    """Return the cell that the key column stores of *key*: its affinity makes text of a number, or a number of a text."""
    column = quoted(mapping.key)
    # A table that is made from a SELECT has the affinities of its columns.
    connection.execute(f"CREATE TEMP TABLE stored AS SELECT {column} AS cell FROM {_table(mapping)} LIMIT 0")
    sql, value = placed(key)
    connection.execute(f"INSERT INTO stored VALUES ({sql})", (value,))
    ((cell,),) = connection.execute(f"SELECT {reverse_sql.cell_sql('cell')} FROM stored").fetchall()
    connection.execute("DROP TABLE stored")
    return json.loads(cell)


def _there(
    connection: sqlite3.Connection, mapping: TableMapping, decision: RowDecision, key: Any
) -> dict[str, tuple[Any, Any]]:
    """Return the decided cells of the legacy row *key*, each as it is and as it is read."""
    where = f"{mapping.source} {shown(key)}"
    if key is None and decision.kind is Kind.DROP:
        nameless = reverse_sql.nameless_sql(mapping, f"s.{quoted(mapping.key)}")
        if connection.execute(f"SELECT 1 FROM {_table(mapping)} AS s WHERE {nameless}").fetchone():
            return {}
        raise _Fault(f"{where}: expected rows that no {mapping.key} of their own identifies; found none")
    columns = list(dict.fromkeys((*decision.cells, *decision.was)))
    found = _with_key(connection, mapping, key, columns)
    if len(found) != 1:
        what = f"found {len(found):,}" if found else f"found none{_near(connection, mapping, mapping.key, key)}"
        raise _Fault(f"{where}: expected one row with this {mapping.key}; {what}")
    now = dict(zip(columns, found[0], strict=False))
    for column, cell in decision.was.items():
        # By hand 1 is written for 1.0 too.
        if cell != now[column]:
            raise _Fault(f"{where}: {column}: expected {shown(cell)}, as was has it; found {shown(now[column])}")
    for column, cell in decision.cells.items():
        if _typed(cell) == _typed(now[column]):
            raise _Fault(f"{where}: {column}: expected another value than {shown(cell)}, which the row has")
    if lacking := decision.cells.keys() - decision.was.keys():
        # Without it the decision would overwrite what the application writes to the cell after a rollback.
        line = toml_cells.inline_table({column: now[column] for column in decision.cells})
        names = ", ".join(column for column in decision.cells if column in lacking)
        raise _Fault(f"{where}: {names}: expected the value that the row has in was; found none; add: was = {line}")
    read = decision.cells if decision.kind is Kind.SET else {column: now[column] for column in decision.was}
    return {column: (now[column], cell) for column, cell in read.items()}


def _of_word(connection: sqlite3.Connection, mapping: TableMapping, word: Word) -> Iterator[DecidedRow]:
    if word.cell == word.word:
        raise _Fault(f"{in_words(word)}: the decision changes nothing")
    key = f"s.{quoted(mapping.key)}"
    keys = connection.execute(
        f"SELECT {reverse_sql.cell_sql(key)} FROM {_table(mapping)} AS s"
        f" WHERE +s.{quoted(word.column)} IS ? COLLATE BINARY AND NOT {reverse_sql.nameless_sql(mapping, key)} ORDER BY 1",
        (word.word,),
    ).fetchall()
    if not keys:
        near = _near(connection, mapping, word.column, word.word)
        raise _Fault(f"{mapping.source}: expected a row with {word.column} {shown(word.word)}; found none{near}")
    cells = MappingProxyType({word.column: (word.word, word.cell)})
    for (cell,) in keys:
        yield DecidedRow(source=mapping.source, key=json.loads(cell), kind=Kind.SET, cells=cells)


def _with_key(
    connection: sqlite3.Connection, mapping: TableMapping, key: Any, columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return the cells *columns* of each row with the legacy *key*."""
    key_sql, value = placed(key)
    cells = ", ".join(reverse_sql.cell_sql(f"s.{quoted(column)}") for column in columns) or "'null'"
    found = connection.execute(
        f"SELECT {cells} FROM {_table(mapping)} AS s WHERE {is_cell_sql(f's.{quoted(mapping.key)}', key_sql)}",
        (value, value, value),
    )
    return [tuple(map(json.loads, row)) for row in found]


def _table(mapping: TableMapping) -> str:
    return f"{quoted(mapping.database)}.{quoted(mapping.source_table)}"


def placed(cell: Any) -> tuple[str, Any]:
    """Return the SQL of a parameter for *cell*, and the parameter."""
    return ("CAST(? AS TEXT)" if isinstance(cell, dict) and "t" in cell else "?"), sql_functions.value_of(cell)


def is_cell_sql(column: str, cell: str) -> str:
    """Return SQL that is true if *column* holds the *cell*, SQL with one parameter, in its storage class.

    The first comparison, which follows the affinity of the column, lets SQLite use an index.
    """
    return f"{column} IS {cell} AND +{column} IS {cell} COLLATE BINARY AND typeof({column}) = typeof({cell})"


def kept_first(rows: Sequence[DecidedRow], sources: Sequence[TableMapping]) -> str:
    """Return an ORDER BY term that puts the rows first which the owners keep; '' for none."""
    kept = [
        f"({number}, {_literal(row.key)})"
        for number, source in enumerate(sources)
        for row in rows
        if row.kind is Kind.KEEP and row.source == source.source
    ]
    return f"(mapping, legacy_key) NOT IN (VALUES {', '.join(kept)})" if kept else ""


def _literal(cell: object) -> str:
    if isinstance(cell, dict):
        return f"x'{cell['b']}'" if "b" in cell else f"CAST(x'{cell['t']}' AS TEXT)"
    return reverse_sql.literal(cell) if isinstance(cell, str) else str(cell)


def _near(connection: sqlite3.Connection, mapping: TableMapping, column: str, cell: Any) -> str:
    """Return ``; did you mean ...?`` for the value of *column* that is nearest to *cell*; '' if none is near."""
    name = quoted(column)
    found = connection.execute(
        f"SELECT DISTINCT {reverse_sql.cell_sql(name)} FROM {_table(mapping)} LIMIT {_LOOKED_AT}"
    )
    by_text = {
        str(value): value for value in (json.loads(text) for (text,) in found) if isinstance(value, str | int | float)
    }
    near = difflib.get_close_matches(str(cell), by_text, n=1)
    return f"; did you mean {shown(by_text[near[0]])}?" if near else ""


def shown(cell: Any) -> str:
    """Return *cell* for a sentence: a text in quotes, so that '1' and 1 differ."""
    if isinstance(cell, dict):
        return f"x'{cell.get('b') or cell.get('t')}'"
    return "NULL" if cell is None else repr(cell)


def _typed(cell: Any) -> str:
    """Return a text that differs for cells that differ in value or storage class."""
    return row_name("", cell)[1]


def unsettled(
    decisions: Decisions, decided: Sequence[DecidedRow], refused: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """Yield the reasons against *decisions* that a build shows, one sentence each.

    Args:
        decisions: What the owners wrote.
        decided: The rows that they are about.
        refused: Row -> the constraint that refuses it, of the decided rows that are in quarantine.
    """
    by_word: dict[tuple[str, str, str], list[DecidedRow]] = {}
    for row in decided:
        for column, (was, _) in row.cells.items() if row.kind is Kind.SET else ():
            by_word.setdefault((row.source, column, _typed(was)), []).append(row)
    for decision in decisions:
        if isinstance(decision, Word):
            rows = by_word.get((decision.source, decision.column, _typed(decision.word)), [])
            if rows and all(row.name in refused for row in rows):
                first = rows[0]
                yield (
                    f"{in_words(decision)}: expected rows in the target table; found all {len(rows):,} in quarantine:"
                    f" {refused[first.name]} refuses {shown(first.key)}"
                )
            continue
        for key in decision.keys:
            broken = refused.get(row_name(decision.source, key))
            where = f"{decision.source} {shown(key)}"
            if decision.kind is Kind.DROP and broken is None:
                yield f"{where}: expected a row in quarantine, to drop it; found it in the target table"
            elif decision.kind is not Kind.DROP and broken is not None:
                yield f"{in_words(decision)}: expected {shown(key)} in the target table; {broken} refuses it still"
