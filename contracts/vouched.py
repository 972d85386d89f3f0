"""JSON columns and ``lineage.rest`` of every row: the second reader judges each row that SQLite cannot vouch for.

The second reader judges whole rows, and of a large set a sample.  Here SQLite passes over each table once.  It compares each
member of a JSON column with the legacy cell that it was taken from, and counts the members, so that a second one of the same name
shows.  It compares each legacy cell with what the row says of it, and where they differ, with what ``rest`` keeps of it.
A row where all of that agrees is right; each other row is judged by :mod:`contracts.second_reader`, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from contracts.pair import Pair
from contracts.second_reader.cells import Cell, text_of
from contracts.second_reader.reading import (
    Always,
    JsonOf,
    Member,
    Of,
    Only,
    OrElse,
    RawMember,
    Reading,
    SaidTime,
    Say,
    Time,
    taken_from,
)
from contracts.second_reader.rows import Judged, OneTable
from contracts.taken import USUAL
from migrator.sqlite import quoted

_CLASSES = {int: "integer", float: "real", str: "text"}
_JSON_TYPES: Mapping[type, str] = {dict: "object", list: "array"}


def doubted(pair: Pair, reading: Reading) -> Judged:
    """Judge each row of the legacy table of *reading* for which SQLite cannot vouch."""
    functions: dict[str, Callable[[str, Cell], Cell]] = {}
    right = [_document(reading, functions, *document) for document in reading.documents.items()]
    # What several rows say together of one legacy row, and which of them has its rest, SQL does not say in a line.
    if reading.parts is None:
        right += _rest(reading)
    judged = Judged()
    if right:
        table = OneTable(pair, pair.reader.affinity, reading, judged, at_most=1)
        table.judge_where(f"l.rowid IS NOT NULL AND ({' AND '.join(right)}) IS NOT TRUE", functions)
    return judged


def _document(
    reading: Reading, functions: dict[str, Callable[[str, Cell], Cell]], name: str, document: Mapping[str, Say]
) -> str:
    """Return SQL that is true where each member of the document is right, and no other is there."""
    column = f"t.{quoted(name)}"
    count = " + ".join(f"({column} -> '{_path(member)}' IS NOT NULL)" for member in document)
    members = " AND ".join(
        f"({_is_right(reading, functions, column, member, say)})" for member, say in document.items()
    )
    # CASE keeps SQLite from reading as JSON what is none, which it refuses.
    return (
        f"CASE WHEN {column} IS NULL OR json_valid({column}) AND json_type({column}) = 'object'"
        f" THEN (SELECT count(*) FROM json_each({column})) = {count} AND {members} END"
    )


def _is_right(
    reading: Reading, functions: dict[str, Callable[[str, Cell], Cell]], column: str, member: str, say: Say
) -> str:
    """Return SQL that is true where a member is right, and NULL where SQLite cannot tell."""
    found = f"({column} ->> '{_path(member)}')"
    if isinstance(say, Always):
        return _same(found, _literal(say.value))
    if not isinstance(say, Only | Time | Of | JsonOf) or say.name not in reading.columns:
        return "NULL"
    cell = f"s.{quoted(say.name)}"
    if isinstance(say, Only):
        held = f"typeof({cell}) = '{_CLASSES[say.kind]}' AND +{cell} IS NOT {_literal(say.but)}"
        return _same(found, f"CASE WHEN {held} THEN {cell} END")
    if isinstance(say, Time):
        usual = USUAL.format(at=cell)
        return f"CASE WHEN {cell} IS NULL OR {usual} IS NOT NULL THEN {_same(found, usual)} END"
    if isinstance(say, Of):
        function = f"said_{len(functions)}"
        functions[function] = _function(say)
        octets = f"CASE typeof({cell}) WHEN 'text' THEN CAST({cell} AS BLOB) ELSE {cell} END"
        return _same(found, f"{function}(typeof({cell}), {octets})")
    written = f"'\"{member}\":' || {cell}"
    return (
        f"CASE WHEN {cell} IS NULL THEN {column} -> '{_path(member)}' IS NULL"
        f" WHEN typeof({cell}) = 'text' AND json_valid({cell}) AND json_type({cell}) = '{_JSON_TYPES[say.kind]}'"
        f" THEN {column} -> '{_path(member)}' = json({cell})"
        f" AND (instr({column}, {written} || ',') OR instr({column}, {written} || '}}')) END"
    )


def _function(say: Of) -> Callable[[str, Cell], Cell]:
    """Return what *say* says, for SQLite; a BLOB, which no member is, where Python has to look at it."""

    def said(kind: str, cell: Cell) -> Cell:
        value = say.say(text_of(cell) if kind == "text" else cell)
        return value if not isinstance(value, str) or value.isascii() else b""

    return said


def _rest(reading: Reading) -> Iterator[str]:
    """Yield SQL that is true where each legacy cell is what the row says of it, or is in ``rest``."""
    yield "(l.rest IS NULL OR json_valid(l.rest))"
    for name in reading.columns:
        cell, kept = f"s.{quoted(name)}", f"$.{quoted(name)}"
        say = reading.back.get(name) or reading.homeless[name]
        in_rest = _same(f"(l.rest ->> '{kept}[0]')", cell)
        if said := _said(say):
            then = f"(l.rest ->> '{kept}[1]')"
            in_rest += f" AND {_same(then, said)}"
            yield f"CASE WHEN {_same(said, cell)} THEN l.rest -> '{kept}' IS NULL ELSE {in_rest} END"
        elif name in reading.homeless:
            yield in_rest
        else:
            yield f"(l.rest -> '{kept}' IS NULL OR {in_rest})"


def _said(say: Callable[[Cell], Cell]) -> str:
    """Return SQL for what the row *t* says of a legacy cell; '' where SQL has no words for it."""
    if isinstance(say, Always):
        return _literal(say.value)
    if isinstance(say, SaidTime):
        at = f"t.{quoted(say.name)}"
        return f"CASE WHEN {at} IS NULL THEN {_literal(say.otherwise)} ELSE replace({at}, ' ', 'T') || '+00:00' END"
    if isinstance(say, OrElse):
        return f"ifnull(t.{quoted(say.name)}, {_literal(say.otherwise)})"
    if isinstance(say, Member):
        return f"ifnull(t.{quoted(say.document)} ->> '{_path(say.name)}', {_literal(say.otherwise)})"
    if isinstance(say, RawMember):
        return ""
    name = taken_from(say)
    return "l.legacy_key" if name == "legacy_key" else f"t.{quoted(name)}" if name else ""


def _same(one: str, other: str) -> str:
    """Return SQL that is true where two cells are of one storage class and of the same bytes."""
    return f"(+{one} IS +({other}) COLLATE BINARY AND typeof({one}) = typeof({other}))"


def _path(member: str) -> str:
    return f'$."{member}"'


def _literal(value: Cell) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)
