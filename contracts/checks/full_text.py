"""Runs the same searches in the legacy full-text index and in the consolidated one.

The specification orders a stemming tokenizer, so some results must differ.  To explain each difference, SQLite builds
two more indexes over the legacy rows: one with the specified tokenizer, and one with the legacy tokenizer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.oracle.cells import Cell, bound, rows, shown
from contracts.sets.case import Case
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.model import VirtualTable
from migrator.system.connections import quoted

TARGET, TABLE, COLUMN = "analytics", "ai_reflections", "content"
#: By variant: the legacy table, its index, and the columns that can be searched in both indexes.
INDEXES = {
    "found": ("jarvis_memory.reflections", "reflections_fts", ("trigger", "lesson", "new_approach")),
    catalogue.SPECIFIED_VARIANT: ("jarvis_memory.ai_reflections", "ai_reflections", ("content",)),
}
#: Words to search for [words], evenly spread over the vocabulary.
WORDS = 300
#: SQLite's default tokenizer: words as they are in the text.
_PLAIN = "unicode61"


@dataclass(slots=True)
class Answers:
    """How the results of the same searches compare.

    Attributes:
        words: Words searched for.
        same: Words with the same result in both indexes.
        by_tokenizer: Words whose result differs because of the specified tokenizer.
        by_stale_index: Words whose result differs because the legacy index does not match its rows.
        wrong: Other differences, one sentence each.
    """

    words: int = 0
    same: int = 0
    by_tokenizer: int = 0
    by_stale_index: int = 0
    wrong: list[str] = field(default_factory=list)


def index_of(case: Case) -> tuple[str, str, tuple[str, ...]] | None:
    """Return the legacy table of reflections, its index and the searched columns, or None."""
    for variant, (source, index, columns) in INDEXES.items():
        names = {table.source for table in case.legacy.tables("jarvis_memory")} if _has_memory(case) else set()
        if case.variant(source) == variant and f"jarvis_memory.{index}" in names:
            return source, index, columns
    return None


def _has_memory(case: Case) -> bool:
    return "jarvis_memory" in case.legacy.originals


def compare(case: Case, source: str, index: str, columns: tuple[str, ...]) -> Answers:
    """Search both indexes for words of the legacy rows, and explain each difference."""
    answers = Answers()
    database, _, table = source.partition(".")
    key = "rowid" if table == index else "id"
    declared = next(table_ for table_ in schema_reader.target(TARGET).virtual_tables if table_.name == TABLE)
    with case.beside(database, TARGET) as connection:
        asked = f"SELECT sql FROM {database}.sqlite_schema WHERE type = 'table' AND name = ?"
        (sql,) = connection.execute(asked, (index,)).fetchone()
        tokenizers = {
            "plain": _PLAIN,
            "anew": _tokenizer(schema_reader.virtual_table(index, sql)),
            "stemmed": _tokenizer(declared),
        }
        listed = ", ".join(map(quoted, columns))
        for name, tokenizer in tokenizers.items():
            connection.execute(
                f"CREATE VIRTUAL TABLE temp.{name} USING fts5({listed}, tokenize = {_literal(tokenizer)})"
            )
            connection.execute(
                f"INSERT INTO temp.{name} (rowid, {listed}) SELECT {key}, {listed} FROM {database}.{quoted(table)}"
            )
        here = {id_ for (id_,) in connection.execute(f"SELECT rowid FROM {TARGET}.{TABLE}")}
        legacy = {id_ for (id_,) in connection.execute("SELECT rowid FROM temp.plain")}
        for word in _words(connection):
            answers.words += 1
            try:
                was = _answer(connection, f"{database}.{quoted(index)}", index, columns, word)
            except sqlite3.DatabaseError:
                # A legacy index that raises an error counts as stale.
                was = set()
            anew = _answer(connection, "temp.anew", "anew", columns, word)
            wanted = _answer(connection, "temp.stemmed", "stemmed", columns, word) & here
            now = _answer(connection, f"{TARGET}.{TABLE}", TABLE, (COLUMN,), word)
            # Other contracts report rows that exist on one side only.
            now, was, anew = now & legacy, was & here, anew & here
            if now != wanted:
                ids = ", ".join(repr(id_) for id_ in sorted(now ^ wanted)[:3])
                answers.wrong.append(f"{shown(word, values=case.show_values)} finds other rows than it should: {ids}")
            elif now == was:
                answers.same += 1
            elif was != anew:
                answers.by_stale_index += 1
            else:
                answers.by_tokenizer += 1
    return answers


def _tokenizer(table: VirtualTable) -> str:
    """Return the tokenizer that a full-text table declares."""
    return dict(table.options).get("tokenize", _PLAIN)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _words(connection: sqlite3.Connection) -> Iterator[Cell]:
    """Yield words of the legacy rows, evenly spread over the alphabet."""
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(temp, plain, row)")
    every = [term for (term,) in rows(connection, "SELECT term FROM temp.words ORDER BY term")]
    yield from every[:: max(-(-len(every) // WORDS), 1)]


def _answer(connection: sqlite3.Connection, table: str, name: str, columns: tuple[str, ...], word: str) -> set[Cell]:
    asked = f"{{{' '.join(map(quoted, columns))}}} : " + '"' + word.replace('"', '""') + '"'
    place, value = bound(asked)
    return {
        id_ for (id_,) in connection.execute(f"SELECT rowid FROM {table} WHERE {quoted(name)} MATCH {place}", (value,))
    }
