"""SQL that rebuilds legacy rows from consolidated ones: the result of back, overlaid with rest.

This module only makes SQL text and executes none.  Cells are compared with their storage class: ``+a IS +b COLLATE BINARY
AND (+a >= '' OR typeof(a) = typeof(b))``; the unary plus removes a column's affinity, and BINARY its collation.  Only an
integer and a real can be equal and differ in class, so that for text and BLOBs, which sort from '' on, typeof is not called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from migrator.system.connections import quoted

if TYPE_CHECKING:
    from migrator.mapping.model import TableMapping


def cell_sql(expression: str) -> str:
    """Return SQL for *expression* as a JSON cell; text is passed as bytes, since it may not be UTF-8."""
    return (
        f"CASE typeof({expression}) WHEN 'text' THEN text_cell(CAST({expression} AS BLOB)) ELSE cell({expression}) END"
    )


def row_sql(alias: str, columns: Sequence[str], names: Sequence[str] = ()) -> str:
    """Return SQL for the cells *columns* of the row *alias* as a JSON object, under *names* if some are given."""
    members = [
        f"{_name(name)} || {cell_sql(f'{alias}.{quoted(column)}')} || ','"
        for name, column in zip(names or columns, columns, strict=True)
    ]
    return f"'{{' || rtrim({balanced(members, '||')}, ',') || '}}'"


def from_row_sql(row: str, column: str) -> str:
    """Return SQL for the cell *column* of the JSON object *row*, in its storage class."""
    return _decoded(row, column, f"$.{quoted(column)}.t")


def differ_sql(row: str, other: str, columns: Iterable[str]) -> str:
    """Return SQL that is true if the rows *row* and *other* differ in any cell."""
    same = [
        f"+{row}.{quoted(column)} IS +{other}.{quoted(column)} COLLATE BINARY"
        f" AND (+{row}.{quoted(column)} >= '' COLLATE BINARY"
        f" OR typeof({row}.{quoted(column)}) = typeof({other}.{quoted(column)}))"
        for column in columns
    ]
    return f"NOT ({balanced(same, 'AND')})"


def balanced(terms: Sequence[str], operator: str) -> str:
    """Return SQL that joins *terms* by *operator*, nested so that its depth grows with the logarithm of their number.

    SQLite nests a plain chain as deep as it is long, and refuses an expression deeper than 1,000.
    """
    if len(terms) <= 2:
        return f" {operator} ".join(terms)
    half = len(terms) // 2
    return f"({balanced(terms[:half], operator)}) {operator} ({balanced(terms[half:], operator)})"


def nameless_sql(mapping: TableMapping, key: str) -> str:
    """Return SQL that is true if the legacy key *key* does not identify one row: it is NULL, or several rows have it.

    A known shape does not include constraints: CREATE TABLE ... AS SELECT makes a table without its primary key.
    """
    if mapping.key == "rowid":
        return f"{key} IS NULL"
    name = quoted(mapping.key)
    primary = (
        f"SELECT group_concat(name) FROM pragma_table_info('{mapping.source_table}', '{mapping.database}') WHERE pk"
    )
    return (
        # SQLite evaluates a condition without a column once: if the key is the primary key, no row is read.
        f"({key} IS NULL OR {key} COLLATE BINARY IN (SELECT {name} FROM {_source(mapping)} WHERE ({primary}) COLLATE NOCASE"
        f" IS NOT '{mapping.key}' AND {name} IS NOT NULL GROUP BY {name} COLLATE BINARY HAVING count(*) > 1))"
    )


def rest_sql(mapping: TableMapping) -> str:
    """Return a SELECT of legacy_key and rest for each mapped legacy row that back alone does not rebuild.

    Back rebuilds every other row, cell by cell.  The rest of a key that no legacy row has is NULL.
    """
    key = f"s.{quoted(mapping.key)}"
    return (
        f"SELECT b.legacy_key AS legacy_key, CASE WHEN {key} IS NOT NULL THEN"
        f" {differences_sql('s', 'b', mapping.legacy_columns)} END AS rest\nFROM ({once(mapping.back)}) AS b\n"
        f"LEFT JOIN {_source(mapping)} AS s ON {key} = b.legacy_key COLLATE BINARY\n"
        f"WHERE {key} IS NULL OR {differ_sql('s', 'b', mapping.legacy_columns)}"
    )


def rebuilt_sql(mapping: TableMapping) -> str:
    """Return a SELECT of legacy_key and every legacy column: the cell in rest, else that of back.

    A cell in rest counts only while back still gives the value it gave then, so that a later edit is not hidden.
    """
    return overlaid_sql(mapping.back, mapping.legacy_columns)


def overlaid_sql(back: str, columns: Sequence[str]) -> str:
    """Return a SELECT of legacy_key and *columns* of the SELECT *back*, each overlaid with its cell in rest."""
    cells = ",\n".join(f"{_overlaid(column)} AS {quoted(column)}" for column in columns)
    return f"SELECT b.legacy_key AS legacy_key,\n{cells}\nFROM ({back}) AS b"


def differences_sql(row: str, other: str, columns: Iterable[str]) -> str:
    """Return SQL for the rest of the legacy row *row*: its cells that differ from those of *other*, and those, as JSON."""
    differences = " || ".join(
        f"CASE WHEN {differ_sql(row, other, [column])} THEN ',' || {_name(column)} || '['"
        f" || {cell_sql(f'{row}.{quoted(column)}')} || ',' || {cell_sql(f'{other}.{quoted(column)}')} || ']' ELSE '' END"
        for column in columns
    )
    return f"'{{' || substr({differences}, 2) || '}}'"


def back_sql(mapping: TableMapping, schema: str) -> str:
    """Return the back SELECT of *mapping* on the tables of *schema* instead of those of its consolidated database."""
    return re.sub(rf"\b{mapping.target}\.(?=\w)", f"{schema}.", mapping.back)


def mismatches_sql(mapping: TableMapping, among: str = "") -> str:
    """Return a SELECT of the keys of mapped rows that are not rebuilt cell by cell.

    With *among* only rows whose legacy_key is in that table.
    """
    key = f"s.{quoted(mapping.key)}"
    chosen = f" WHERE b.legacy_key IN (SELECT legacy_key FROM {among})" if among else ""
    return (
        f"SELECT r.legacy_key FROM ({once(f'{rebuilt_sql(mapping)}{chosen}')}) AS r\n"
        f"LEFT JOIN {_source(mapping)} AS s ON {key} = r.legacy_key COLLATE BINARY\n"
        f"WHERE {key} IS NULL OR {differ_sql('s', 'r', mapping.legacy_columns)}"
    )


def quarantine_mismatches_sql(mapping: TableMapping) -> str:
    """Return a SELECT of the keys of quarantined rows that are not rebuilt cell by cell from the quarantine.

    Rows without a key of their own are compared as multisets of whole rows.
    """
    columns = ", ".join(f"{from_row_sql('q.row', column)} AS {quoted(column)}" for column in mapping.legacy_columns)
    of_source = f"q.source = '{mapping.source}' AND q.target = '{mapping.table}'"
    key = f"s.{quoted(mapping.key)}"
    kept = (
        f"SELECT q.legacy_key AS legacy_key, {columns} FROM {mapping.target}.quarantine AS q"
        f" WHERE {of_source} AND q.legacy_key IS NOT NULL"
    )
    return (
        f"SELECT r.legacy_key FROM ({once(kept)}) AS r\n"
        f"LEFT JOIN {_source(mapping)} AS s ON {key} = r.legacy_key COLLATE BINARY\n"
        f"WHERE {key} IS NULL OR {differ_sql('s', 'r', mapping.legacy_columns)}\n"
        "UNION ALL\n"
        f"SELECT 'without a key' FROM (SELECT row FROM (SELECT q.row AS row, 1 AS side FROM {mapping.target}.quarantine"
        f" AS q WHERE {of_source} AND q.legacy_key IS NULL UNION ALL SELECT {row_sql('s', mapping.legacy_columns)}, -1"
        f" FROM {_source(mapping)} AS s WHERE {nameless_sql(mapping, key)}) GROUP BY row HAVING sum(side) <> 0)"
    )


def _overlaid(column: str) -> str:
    rebuilt = f"b.{quoted(column)}"
    path = f"$.{quoted(column)}"
    kept = _decoded("b.rest", f"{column}/0", f"{path}[0].t")
    then = f"(b.rest -> '{_literal(path)}[1]')"
    # The first condition saves the function call for the many cells that are not in rest.
    return (
        f"CASE WHEN {then} IS NULL THEN {rebuilt} WHEN {then} IS NOT {cell_sql(rebuilt)} THEN {rebuilt} ELSE {kept} END"
    )


def decided_sql(row: str, decision: str, column: str) -> str:
    """Return SQL for the cell *column* of the legacy *row*: as the *decision* has it read, while the row has the cell it is about."""
    path = f"$.{quoted(column)}"
    was = f"({decision}.cells -> '{_literal(path)}[0]')"
    cell = f"{row}.{quoted(column)}"
    now = _decoded(f"{decision}.cells", f"{column}/1", f"{path}[1].t")
    return f"CASE WHEN {was} IS NULL THEN {cell} WHEN {was} IS NOT {cell_sql(cell)} THEN {cell} ELSE {now} END"


def once(select: str) -> str:
    """Return *select* so that each expression is computed once per row, however often the outer statement uses it.

    SQLite folds a plain subquery into the outer statement, so that every use of a column repeats its expression; one
    with a LIMIT is not folded.
    """
    return f"SELECT * FROM ({select}) LIMIT -1"


def _decoded(json: str, path: str, text_path: str) -> str:
    cell = f"cell_of({json}, '{_literal(path)}')"
    return f"CASE WHEN json_type({json}, '{_literal(text_path)}') IS NOT NULL THEN CAST({cell} AS TEXT) ELSE {cell} END"


def _source(mapping: TableMapping) -> str:
    return f"{quoted(mapping.database)}.{quoted(mapping.source_table)}"


def _name(column: str) -> str:
    """Return an SQL literal of the JSON member's name and its colon."""
    escaped = column.replace("\\", "\\\\").replace('"', '\\"')
    return f"'\"{_literal(escaped)}\":'"


def literal(text: str) -> str:
    """Return *text* as an SQL literal."""
    return f"'{_literal(text)}'"


def _literal(text: str) -> str:
    return text.replace("'", "''")
