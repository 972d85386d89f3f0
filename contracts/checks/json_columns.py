"""Compares JSON columns and ``lineage.rest`` of the rows outside of the sample by SQL.

The oracle judges whole rows; of a large table a sample.  Here SQLite reads the other rows of that table once.  It compares each
member of a JSON column with its legacy cell, and counts the members, so that two of the same name are detected.  It
compares each legacy cell with the value rebuilt from the row, and if they differ, with the value in ``rest``.  If all
agree, the row is right; otherwise the oracle judges the whole row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from contracts.checks.copied_columns import USUAL
from contracts.oracle.cells import Cell, same, text_of
from contracts.oracle.rules import (
    Always,
    JsonOf,
    LegacyTime,
    Member,
    Of,
    Only,
    OrElse,
    RawMember,
    Reading,
    Rule,
    Time,
    taken_from,
)
from contracts.oracle.table_judge import UNREADABLE_ROWS, Judged, OneTable
from contracts.sets.case import Case
from migrator.system.connections import quoted

_CLASSES = {int: "integer", float: "real", str: "text"}
_JSON_TYPES: Mapping[type, str] = {dict: "object", list: "array"}


def doubted(case: Case, reading: Reading) -> Judged:
    """Judge the legacy rows of *reading* outside of the sample that SQL cannot confirm."""
    judged = Judged()
    table = case.reader.table(reading, judged)
    functions: dict[str, Callable[..., Cell]] = {}
    right = [_document(reading, functions, *document) for document in reading.documents.items()]
    right += _rest(table, functions)
    table.judge_where(f"l.rowid IS NOT NULL AND ({' AND '.join(right)}) IS NOT TRUE", functions)
    return judged


def _document(
    reading: Reading, functions: dict[str, Callable[..., Cell]], name: str, document: Mapping[str, Rule]
) -> str:
    """Return SQL that is true if the members of the document are right, and no others."""
    column = f"t.{quoted(name)}"
    count = " + ".join(f"({column} -> '{_path(member)}' IS NOT NULL)" for member in document)
    members = " AND ".join(
        f"({_is_right(reading, functions, column, member, rule)})" for member, rule in document.items()
    )
    # CASE keeps SQLite from parsing text that is not JSON, which raises an error.
    return (
        f"CASE WHEN {column} IS NULL OR json_valid({column}) AND json_type({column}) = 'object'"
        f" THEN (SELECT count(*) FROM json_each({column})) = {count} AND {members} END"
    )


def _is_right(reading: Reading, functions: dict[str, Callable[..., Cell]], column: str, member: str, rule: Rule) -> str:
    """Return SQL that is true if a member is right, and NULL if SQL cannot decide."""
    value = f"({column} ->> '{_path(member)}')"
    if isinstance(rule, Always):
        return _same(value, _literal(rule.value))
    if not isinstance(rule, Only | Time | Of | JsonOf) or rule.name not in reading.columns:
        return "NULL"
    cell = f"s.{quoted(rule.name)}"
    if isinstance(rule, Only):
        held = f"typeof({cell}) = '{_CLASSES[rule.kind]}' AND +{cell} IS NOT {_literal(rule.but)}"
        return _same(value, f"CASE WHEN {held} THEN {cell} END")
    if isinstance(rule, Time):
        usual = USUAL.format(at=cell)
        return f"CASE WHEN {cell} IS NULL OR {usual} IS NOT NULL THEN {_same(value, usual)} END"
    if isinstance(rule, Of):
        return _same(value, _call(functions, rule.rule, [cell]))
    written = f"'\"{member}\":' || {cell}"
    return (
        f"CASE WHEN {cell} IS NULL THEN {column} -> '{_path(member)}' IS NULL"
        f" WHEN typeof({cell}) = 'text' AND json_valid({cell}) AND json_type({cell}) = '{_JSON_TYPES[rule.kind]}'"
        f" THEN {column} -> '{_path(member)}' = json({cell})"
        f" AND (instr({column}, {written} || ',') OR instr({column}, {written} || '}}')) END"
    )


def _call(functions: dict[str, Callable[..., Cell]], rule: Callable[..., Cell], cells: Sequence[str]) -> str:
    """Return SQL that calls *rule*; it returns a BLOB if the oracle must judge."""

    def said(kinds: str, *values: Cell) -> Cell:
        try:
            value = rule(*(text_of(cell) if kind == "t" else cell for kind, cell in zip(kinds, values, strict=True)))
        except UNREADABLE_ROWS:
            return b""
        # SQLite refuses text that is not UTF-8 and integers of more than 64 bits.
        plain = value.isascii() if isinstance(value, str) else not isinstance(value, int) or -(2**63) <= value < 2**63
        return value if plain else b""

    name = f"said_{len(functions)}"
    functions[name] = said
    kinds = " || ".join(f"substr(typeof({cell}), 1, 1)" for cell in cells)
    octets = ", ".join(f"CASE typeof({cell}) WHEN 'text' THEN CAST({cell} AS BLOB) ELSE {cell} END" for cell in cells)
    return f"{name}({kinds}, {octets})"


class _Target(dict[str, Any]):
    """A target row of *table*; its JSON documents are parsed on first use."""

    def __init__(self, table: OneTable, key: Cell, cells: Sequence[Cell]) -> None:
        super().__init__(zip(table.targets, cells, strict=True), legacy_key=key)
        self._table = table

    def __missing__(self, name: str) -> Any:
        self._table.read_documents(self)
        if name not in self:
            raise KeyError(name)
        return self[name]


def _rebuilds(table: OneTable, rule: Callable[[Any], Cell]) -> Callable[..., Cell]:
    """Return a function that rebuilds a legacy cell from a target row and compares it."""
    return lambda cell, key, *cells: same(rule(_Target(table, key, cells)), cell)


def _rest(table: OneTable, functions: dict[str, Callable[..., Cell]]) -> Iterator[str]:
    """Yield SQL that is true if each legacy cell can be rebuilt from the row or is in ``rest``."""
    yield "(l.rest IS NULL OR json_valid(l.rest))"
    reading = table.reading
    target = ["l.legacy_key", *(f"t.{quoted(name)}" for name in table.targets)]
    for name in reading.columns:
        cell, kept = f"s.{quoted(name)}", f"$.{quoted(name)}"
        rule = reading.back.get(name) or reading.homeless[name]
        was, then = (f"(l.rest ->> '{kept}[{at}]')" for at in (0, 1))
        if rebuilt := _rebuilt_sql(rule):
            is_said, was_said = _same(rebuilt, cell), _same(then, rebuilt)
        else:
            is_said, was_said = (_call(functions, _rebuilds(table, rule), [value, *target]) for value in (cell, then))
        yield (f"CASE WHEN {is_said} THEN l.rest -> '{kept}' IS NULL ELSE {_same(was, cell)} AND {was_said} END")


def _rebuilt_sql(rule: Callable[[Cell], Cell]) -> str:
    """Return SQL that rebuilds a legacy cell from the row *t*; '' if SQL cannot."""
    if isinstance(rule, Always):
        return _literal(rule.value)
    if isinstance(rule, LegacyTime):
        at = f"t.{quoted(rule.name)}"
        return f"CASE WHEN {at} IS NULL THEN {_literal(rule.otherwise)} ELSE replace({at}, ' ', 'T') || '+00:00' END"
    if isinstance(rule, OrElse):
        return f"ifnull(t.{quoted(rule.name)}, {_literal(rule.otherwise)})"
    if isinstance(rule, Member):
        return f"ifnull(t.{quoted(rule.document)} ->> '{_path(rule.name)}', {_literal(rule.otherwise)})"
    if isinstance(rule, RawMember):
        return ""
    name = taken_from(rule)
    return "l.legacy_key" if name == "legacy_key" else f"t.{quoted(name)}" if name else ""


def _same(first: str, second: str) -> str:
    """Return SQL that is true if two cells have the same storage class and the same bytes."""
    return f"(+{first} IS +({second}) COLLATE BINARY AND typeof({first}) = typeof({second}))"


def _path(member: str) -> str:
    return f'$."{member}"'


def _literal(value: Cell) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)
