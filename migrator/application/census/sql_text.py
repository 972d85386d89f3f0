"""Finds SQL in text: whether a string is SQL, its statements, and in other text the commands that name the legacy set."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from migrator.application.census import legacy_set, verdicts
from migrator.application.census.findings import Kind, Verdict
from migrator.application.census.python_values import Piece, Value
from migrator.application.census.verdicts import Judged
from migrator.errors import DdlError
from migrator.mapping import named_columns
from migrator.mapping.named_columns import Named, Statement
from migrator.schema import reader as schema_reader

#: Words with which a statement about tables begins.
VERBS = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "REPLACE",
        "WITH",
        "CREATE",
        "ALTER",
        "DROP",
        "PRAGMA",
        "ATTACH",
        "EXPLAIN",
    }
)
_WORD = re.compile(r"\w+")
_VERB = re.compile(rf"\b(?:{'|'.join(sorted(VERBS))})\b(?=\s)", re.IGNORECASE)
_QUOTES = ("'", '"', "`")
_INSERTED = re.compile(r"\$\{[^}]*\}")
#: Where SQL without quotes ends: at a semicolon, or an empty line.
_END = re.compile(r";|\n\s*\n|\n\w*EOF")
#: Longest statement that is read from the text of another language [characters].
_LONGEST = 20_000
#: Longest statement that a finding shows [characters].
_SHOWN = 80
#: A file name that ends as databases do.
_FILE = re.compile(r"[\w./~${}()@%+-]*\w\.(?:db|sqlite3?)\b")


@dataclass(frozen=True, slots=True)
class Part:
    """A statement in a longer text: its text, where it begins, and what fills the holes of the text."""

    text: str
    start: int
    filler: str


def statements(value: Value, databases: tuple[str, ...], target: str = "") -> Iterator[tuple[Part, Statement]]:
    """Yield each statement of the text *value*, with what it names.

    Args:
        value: The text.
        databases: The legacy databases in which it is to be understood; empty for any.
        target: The consolidated database in which it is to be understood instead; '' for none.
    """
    fillers = (verdicts.HOLE, "", "1") if value.holes else ("",)
    for number, part in enumerate(_parts(value.filled(fillers[0]), fillers[0])):
        read = _read(part.text, databases, target)
        if not read.whole:
            for filler in fillers[1:]:
                others = list(_parts(value.filled(filler), filler))
                if number < len(others) and (other := _read(others[number].text, databases, target)).whole:
                    part, read = others[number], other  # noqa: PLW2901 - the same statement, filled otherwise
                    break
        yield part, read


def _parts(text: str, filler: str) -> Iterator[Part]:
    closed = text if text.rstrip().endswith(";") else f"{text};"
    try:
        found = [statement for _, statement in schema_reader.statements(closed)]
    except DdlError:
        found = [text]
    start = 0
    for statement in found:
        bare = statement.removesuffix(";") if not text.rstrip().endswith(";") else statement
        start = max(text.find(bare, start), 0)
        yield Part(bare, start, filler)
        start += len(bare)


@lru_cache(maxsize=8192)
def _read(sql: str, databases: tuple[str, ...], target: str) -> Statement:
    return named_columns.read(sql, legacy_set.consolidated_tables(target) if target else legacy_set.tables(databases))


def looks_like_sql(text: str) -> bool:
    """Return whether *text*, of which no call shows that it is SQL, is a statement that names a legacy table."""
    first = _WORD.match(text.lstrip())
    if first is None or first[0].upper() not in VERBS:
        return False
    known = legacy_set.tables()
    return any(
        named.table in known
        for part in _parts(text, "")
        if (read := _read(part.text, (), "")).whole or first[0].isupper()
        for named in read.named
    )


def table_named(table: str, columns: tuple[str, ...]) -> Statement:
    """Return a statement that reads *columns* of *table*, for code that names them outside of SQL."""
    named = (Named(table=table), *(Named(table=table, column=column) for column in columns))
    return Statement(kind=named_columns.Kind.READ, named=named)


@dataclass(frozen=True, slots=True)
class Literal:
    """SQL that stands in the text of another language: where it begins, and how it is written there."""

    start: int
    text: str

    @property
    def value(self) -> Value:
        """The SQL, with a hole for each ``${expression}``."""
        nowhere = ast.Constant("")
        pieces: list[Piece] = []
        end = 0
        for match in _INSERTED.finditer(self.text):
            pieces += [Piece(self.text[end : match.start()], nowhere), Piece("", nowhere, match[0])]
            end = match.end()
        return Value((*pieces, Piece(self.text[end:], nowhere)))


def literals(text: str) -> Iterator[Literal]:
    """Yield each piece of SQL in *text*: in quotes, or at the beginning of a line in capital letters."""
    end = 0
    for match in _VERB.finditer(text):
        if match.start() < end:
            continue
        before = text[: match.start()].rstrip()
        quote = before[-1:] if before.endswith(_QUOTES) else ""
        at_line = not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
        if not quote and not (at_line and match[0].isupper()):
            continue
        closing = _closing(text, match.start(), quote) if quote else _END.search(text, match.start())
        end = closing.start() if closing is not None else len(text)
        yield Literal(match.start(), text[match.start() : min(end, match.start() + _LONGEST)])


def _closing(text: str, start: int, quote: str) -> re.Match[str] | None:
    return re.compile(rf"(?<!\\){re.escape(quote)}").search(text, start)


def named(judged: Judged, statement: str) -> str:
    """Return what a statement names, for a finding: the table with its columns, else the statement."""
    if judged.table:
        return f"{judged.table}: {', '.join(judged.columns)}" if judged.columns else judged.table
    shown = " ".join(statement.replace(verdicts.HOLE, "{}").split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def find_word(text: str, word: str, start: int) -> int:
    """Return where *word* stands in *text* from *start* on, as a whole word; -1 if it does not."""
    found = next((match for match in _WORD.finditer(text, start) if match[0].lower() == word.lower()), None)
    return -1 if found is None else found.start()


def databases_in(text: str) -> tuple[str, ...]:
    """Return the legacy databases whose files *text* names."""
    return tuple(
        dict.fromkeys(database for match in _FILE.finditer(text) for database in legacy_set.databases_at(match[0]))
    )


def files_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield position and path of each legacy file that *text* names."""
    for match in _FILE.finditer(text):
        if legacy_set.databases_at(match[0]):
            yield match.start(), match[0]


def of_program(databases: tuple[str, ...], *, by_shell: bool) -> Judged:
    """Return the verdict on a command that gets legacy files: of the sqlite3 shell, or of another program."""
    if all(map(legacy_set.is_standalone, databases)):
        verdict, why, change = Verdict.WORKS, "the file stays as it is", ""
    elif by_shell:
        verdict, why = Verdict.CHANGE, "the sqlite3 shell opens the consolidated file under this name"
        change = "use the new names, or a file of migrator compat export"
    else:
        verdict, why, change = Verdict.UNKNOWN, "another program gets the consolidated file under this name", ""
    return Judged(kind=Kind.SHELL, databases=databases, verdict=verdict, why=why, change=(change,) if change else ())
