"""The same searches, asked of the legacy full-text index and of the one here.

The specification orders a stemming tokenizer, so the answers cannot all be the same: what an index with that tokenizer
finds in the legacy rows is worked out by SQLite itself, and so is what the legacy index would find if it were built anew.
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
#: By variant: the legacy index, and its columns that can be searched in both.
INDEXES = {
    "found": ("jarvis_memory.reflections", "reflections_fts", ("trigger", "lesson", "new_approach")),
    catalogue.SPECIFIED_VARIANT: ("jarvis_memory.ai_reflections", "ai_reflections", ("content",)),
}
#: So many words are asked for, from all over the vocabulary.
WORDS = 300
#: The tokenizer that SQLite takes where a table names none: words as they stand in a text.
_PLAIN = "unicode61"


@dataclass(slots=True)
class Answers:
    """How the answers to the same searches compare.

    Attributes:
        words: Words that were asked for.
        same: Those with the same answer on both sides.
        by_tokenizer: Those of which the specified tokenizer alone makes another answer.
        by_stale_index: Those of which the legacy index says something else than its rows do.
        wrong: What is neither, one sentence each.
    """

    words: int = 0
    same: int = 0
    by_tokenizer: int = 0
    by_stale_index: int = 0
    wrong: list[str] = field(default_factory=list)


def index_of(case: Case) -> tuple[str, str, tuple[str, ...]] | None:
    """Return the legacy table of reflections that is there, its index, and what can be searched; None without one."""
    for variant, (source, index, columns) in INDEXES.items():
        names = {table.source for table in case.legacy.tables("jarvis_memory")} if _has_memory(case) else set()
        if case.variant(source) == variant and f"jarvis_memory.{index}" in names:
            return source, index, columns
    return None


def _has_memory(case: Case) -> bool:
    return "jarvis_memory" in case.legacy.originals


def compare(case: Case, source: str, index: str, columns: tuple[str, ...]) -> Answers:
    """Ask both sides for words of the legacy rows, and explain each difference or name it as wrong."""
    found = Answers()
    database, _, table = source.partition(".")
    key = "rowid" if table == index else "id"
    declared = next(one for one in schema_reader.target(TARGET).virtual_tables if one.name == TABLE)
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
            found.words += 1
            try:
                was = _answer(connection, f"{database}.{quoted(index)}", index, columns, word)
            except sqlite3.DatabaseError:
                # A legacy index that cannot answer any more is as stale as can be.
                was = set()
            anew = _answer(connection, "temp.anew", "anew", columns, word)
            wanted = _answer(connection, "temp.stemmed", "stemmed", columns, word) & here
            now = _answer(connection, f"{TARGET}.{TABLE}", TABLE, (COLUMN,), word)
            # Of rows that are not here, or only here, the contracts on accounting speak.
            now, was, anew = now & legacy, was & here, anew & here
            if now != wanted:
                told = ", ".join(repr(id_) for id_ in sorted(now ^ wanted)[:3])
                found.wrong.append(f"{shown(word, values=case.show_values)} finds other rows than it should: {told}")
            elif now == was:
                found.same += 1
            elif was != anew:
                found.by_stale_index += 1
            else:
                found.by_tokenizer += 1
    return found


def _tokenizer(table: VirtualTable) -> str:
    """Return the tokenizer that a full-text table orders."""
    return dict(table.options).get("tokenize", _PLAIN)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _words(connection: sqlite3.Connection) -> Iterator[Cell]:
    """Yield words that stand in the legacy rows, from all over the alphabet."""
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(temp, plain, row)")
    every = [term for (term,) in rows(connection, "SELECT term FROM temp.words ORDER BY term")]
    yield from every[:: max(-(-len(every) // WORDS), 1)]


def _answer(connection: sqlite3.Connection, table: str, name: str, columns: tuple[str, ...], word: str) -> set[Cell]:
    asked = f"{{{' '.join(map(quoted, columns))}}} : " + '"' + word.replace('"', '""') + '"'
    place, value = bound(asked)
    return {
        id_ for (id_,) in connection.execute(f"SELECT rowid FROM {table} WHERE {quoted(name)} MATCH {place}", (value,))
    }
