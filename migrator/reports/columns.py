"""Shows where legacy tables and columns went: on a terminal, and as the page docs/reference/columns.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from migrator.mapping.examples import Cell
from migrator.mapping.explained import Destination, Explained, ExplainedColumn, ExplainedTable
from migrator.records.plan import Fate

#: Target columns that the first line names in full.
_FEW = 3
#: Longest cell of an example that is shown whole [characters].
_CELL_CHARACTERS = 40
_REST, _OLD_KEY = "lineage.rest", "lineage.legacy_key"


def text(explained: Explained) -> RenderableType:
    """Return where the named database, table or column went."""
    if len(explained.tables) > 1:
        return _database(explained)
    (table,) = explained.tables
    if explained.name == table.source:
        return _table(table)
    return _column(table, table.columns[0])


def _database(explained: Explained) -> RenderableType:
    listed = Table("table", "fate", "into", box=None, pad_edge=False)
    for table in explained.tables:
        listed.add_row(table.source, table.fate.value, table.into or _stays(table))
    return Group(Text(f"{explained.name}: {len(explained.tables)} tables"), listed)


def _table(table: ExplainedTable) -> RenderableType:
    listed = Table("column", "becomes", "what changes", box=None, pad_edge=False)
    for column in table.columns:
        for cells in zip_longest([column.name], _becomes(column, table), _changes(column), fillvalue=""):
            listed.add_row(*cells)
    parts: list[RenderableType] = [Text(_headline(table)), *map(Text, _facts(table))]
    if table.columns and table.fate is not Fate.DERIVED:
        parts += [Text(), listed]
    return Group(*parts, *_statements(table))


def _column(table: ExplainedTable, column: ExplainedColumn) -> RenderableType:
    places = ", ".join(_becomes(column, table))
    if len(column.becomes) > _FEW:
        names = ", ".join(destination.column.rpartition(".")[2] for destination in column.becomes)
        places = f"{len(column.becomes)} columns of {table.into}: {names}"
    parts: list[RenderableType] = [_plain(f"{table.source}.{column.name} becomes {places}")]
    parts += [_plain(f"  {name:<12} {value}") for name, value in _column_facts(table, column)]
    return Group(*parts, *_statements(table))


def _column_facts(table: ExplainedTable, column: ExplainedColumn) -> Iterator[tuple[str, str]]:
    yield "file", f"{table.file} -> {table.into_file}" if table.into else f"{table.file}, {_stays(table)}"
    for destination in column.becomes:
        yield from _destination_facts(column, destination)
    if column.serves:
        yield "also for", ", ".join(column.serves)
    if column.reading:
        yield "read it by", column.reading
    elif table.fate is Fate.MAPPED:
        yield "read it by", "no plain SQL: migrator rebuilds it at a rollback"
    if column.example is not None:
        yield "example", _example(column)


def _destination_facts(column: ExplainedColumn, destination: Destination) -> Iterator[tuple[str, str]]:
    into = destination.column.rpartition(".")[2]
    yield "declared", f"{column.declared or 'without a type'} -> {into} {destination.declared}".rstrip()
    if destination.formula:
        yield "computed", f"{into} = {destination.formula}"
    yield from (("changes", change) for change in destination.changes)
    yield from (("word", word) for word in _words(destination))
    if destination.allowed:
        yield "allowed", f"{into}: {', '.join(destination.allowed)}"
    if destination.refuses:
        yield "quarantine", f"the row, if it breaks {' or '.join(destination.refuses)}"


def _headline(table: ExplainedTable) -> str:
    if table.into:
        return f"{table.source} ({table.file}) is {table.fate.value} into {table.into} ({table.into_file})"
    return f"{table.source} ({table.file}) {_stays(table)}"


def _stays(table: ExplainedTable) -> str:
    return (
        "stays in its own file" if table.fate is Fate.STANDALONE else "stays in the backup: an index over other tables"
    )


def _facts(table: ExplainedTable) -> Iterator[str]:
    yield f"  {table.why}"
    if table.fate is not Fate.STANDALONE:
        yield f"  {table.keys}"
    for added in table.adds:
        yield f"  It adds rows to {added}."
    for lookup in table.lookups:
        yield f"  The lookup {lookup}."
    if table.quarantine:
        yield f"  A row goes to quarantine if it breaks: {'; '.join(table.quarantine)}."


def _statements(table: ExplainedTable) -> Iterator[RenderableType]:
    for statement in table.statements:
        yield Text()
        yield Text(f"Statement {statement.name}, {statement.asked}")
        yield _plain(_indented(statement.legacy))
        yield Text(f"becomes, on {table.into_file}" if table.into else "becomes")
        yield _plain(_indented(statement.consolidated))
        for note in _notes(statement.differs, statement.costs, statement.index):
            yield Text(f"  {note}")


def _notes(differs: str, costs: str, index: str) -> Iterator[str]:
    if differs:
        yield f"The results differ: {differs}."
    if costs:
        yield f"It is slower: {costs}."
    if index:
        yield f"This index repairs it: {index}."


def _becomes(column: ExplainedColumn, table: ExplainedTable) -> list[str]:
    places = [
        f"{destination.column}{''.join(f' {member}' for member in destination.members)}"
        for destination in column.becomes
    ]
    if column.kept and column.kept != _OLD_KEY:
        places.append(f"{column.kept} $.{column.name}" if column.kept == _REST else column.kept)
    return places or [_stays(table)]


def _changes(column: ExplainedColumn) -> Iterator[str]:
    for destination in column.becomes:
        said = [*destination.changes, *_words(destination)]
        if destination.formula and not said:
            said = [destination.formula]
        yield "; ".join(said)


def _words(destination: Destination) -> list[str]:
    return [f"{before} -> {after}" for before, after in destination.words]


def _example(column: ExplainedColumn) -> str:
    if column.example is None:
        return ""
    before = ", ".join(_cell(cell) for cell in column.example.legacy.values())
    after = ", ".join(f"{name} {_cell(cell)}" for name, cell in column.example.target.items())
    return f"{before} -> {after or column.kept}"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "NULL"
    written = json.dumps(cell, ensure_ascii=False) if not isinstance(cell, str) else f"'{cell}'"
    return written if len(written) <= _CELL_CHARACTERS else f"{written[: _CELL_CHARACTERS - 2]}…'"


def _plain(line: str) -> Text:
    """Return text that is not folded: SQL can be copied."""
    return Text(line, no_wrap=True, overflow="ignore")


def _indented(sql: str) -> str:
    return "\n".join(f"  {line}" for line in sql.splitlines())


def markdown(tables: Iterable[ExplainedTable]) -> str:
    """Return the page about all *tables*."""
    listed = list(tables)
    mapped = [table for table in listed if table.fate is Fate.MAPPED]
    carried = [table for table in listed if table.fate is Fate.CARRIED]
    return (
        "\n".join(
            [
                *_INTRODUCTION,
                "## Tables",
                "",
                *_overview(listed),
                "",
                "## Mapped tables",
                "",
                *(line for table in mapped for line in _section(table)),
                "## Statements on carried tables",
                "",
                "Only the name of the table changes.",
                "",
                *(line for table in carried for line in _statement_blocks(table)),
            ]
        ).rstrip("\n")
        + "\n"
    )


_INTRODUCTION = (
    "# Columns",
    "",
    "Where each legacy table and column went, and the statement that replaces each of the bot's. `migrator explain NAME` prints the same about",
    "one database, table or column. It is generated from the mappings; `tests/docs/test_columns.py` keeps it true.",
    "",
    "- `read it by` is a SELECT on the consolidated database that gives what the legacy column held. For a row of the legacy set whose cell was",
    "  spelled otherwise, `lineage.rest` keeps that cell: [lineage](../concepts/lineage.md).",
    "- Examples come from a synthetic set. The columns of a carried table are the same as before.",
    "- A table that has the specified shape already keeps its columns; only references get the new ids.",
    "",
)


def _overview(tables: list[ExplainedTable]) -> Iterator[str]:
    yield "| legacy table | fate | into |"
    yield "|---|---|---|"
    for table in tables:
        name = f"[{table.source}](#{_anchor(table.source)})" if table.fate is Fate.MAPPED else table.source
        yield f"| {name} | {table.fate.value} | {table.into or _stays(table)} |"


def _anchor(source: str) -> str:
    return source.replace(".", "").lower()


def _section(table: ExplainedTable) -> Iterator[str]:
    yield f"### {table.source}"
    yield ""
    yield f"`{table.file}` to `{table.into}` in `{table.into_file}`."
    yield ""
    yield from (f"- {_code(fact.strip())}" for fact in _facts(table))
    yield ""
    yield "| column | becomes | what changes | read it by | example |"
    yield "|---|---|---|---|---|"
    for column in table.columns:
        cells = [
            f"`{column.name}` {column.declared}",
            ", ".join(f"`{place}`" for place in _becomes(column, table)),
            "; ".join(_code(change) for change in _changes(column) if change),
            f"`{column.reading}`" if column.reading else "",
            f"`{_example(column)}`" if column.example is not None else "",
        ]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    yield from _statement_blocks(table)


def _code(sentence: str) -> str:
    """Return *sentence* so that Markdown shows each character of it."""
    return sentence if "`" in sentence else sentence.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def _statement_blocks(table: ExplainedTable) -> Iterator[str]:
    for statement in table.statements:
        yield f"Statement `{statement.name}` on `{table.source}`, {statement.asked}:"
        yield ""
        yield from ("```sql", f"{statement.legacy};", "-- becomes", f"{statement.consolidated};", "```")
        yield ""
        for note in _notes(statement.differs, statement.costs, statement.index):
            yield note
            yield ""
