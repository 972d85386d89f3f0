"""Carried tables: a legacy table without a home in the specification, copied verbatim under a prefixed name.

Columns, types, defaults, NOT NULL, PRIMARY KEY, UNIQUE and CHECK are as found.  Foreign keys are taken out, since a
renamed parent would break them; indexes, triggers and views stay in the backup.
"""

from __future__ import annotations

import re
import sqlite3
import string

from migrator.errors import DdlError
from migrator.sqlite import quoted

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|[xX]'[^']*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^]]*\]"""
    r"""|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w$])|\.\d+(?:[eE][+-]?\d+)?|[\w$]+|\|\||->>?|[<>=!]=|<>|<<|>>|.""",
    re.DOTALL,
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SPACE = re.compile(r"\s+|--[^\n]*|/\*.*?\*/", re.DOTALL)


def create_sql(sql: str, schema: str, name: str) -> str:
    """Return the CREATE TABLE statement *sql* under the name *schema.name* without its foreign keys.

    Raises:
        DdlError: *sql* is not a CREATE TABLE with a list of columns.
    """
    lexemes = _lexemes(sql)
    words = _words(lexemes)
    if words[:2] != ["CREATE", "TABLE"] or "(" not in words:
        raise DdlError("not a CREATE TABLE with columns", where=name)
    if ";" in words:
        # Somebody wrote to sqlite_schema by hand: SQLite reads the first statement, and takes no notice of the rest.
        raise DdlError("is more than one statement", where=name, hint="make the table anew: CREATE TABLE ... AS SELECT")
    opening = words.index("(")
    closing = _closing(words, opening)
    body = _unqualified(lexemes[opening + 1 : closing], _unquoted(words[opening - 1]))
    parts = [_without_references(part) for part in _split(body)]
    kept = ", ".join("".join(part).strip() for part in parts if part)
    options = "".join(lexemes[closing + 1 :])
    return f"CREATE TABLE {quoted(schema)}.{quoted(name)} ({kept}){options}"


def statements(connection: sqlite3.Connection, source: str) -> dict[str, str]:
    """Return the CREATE TABLE statement of each table of the attached *source*, by its :func:`folded` name."""
    found = connection.execute(f"SELECT name, sql FROM {quoted(source)}.sqlite_schema WHERE type = 'table'")
    return {folded(name): sql for name, sql in found}


def folded(name: str) -> str:
    """Return *name* in lower case as SQLite tells names apart: of letters beyond ASCII it knows no case."""
    return name.translate(_LOWER)


def copy(connection: sqlite3.Connection, source: str, table: str, sql: str, schema: str, name: str) -> None:
    """Copy *table* of the attached *source* to *schema.name*: every row, every stored column, and the high-water mark.

    Args:
        connection: Where both are attached.
        source: The legacy database.
        table: Its table.
        sql: The statement that made it.
        schema: The consolidated database.
        name: The name of the copy.

    Raises:
        sqlite3.Error: A row breaks a constraint that its own table declares, or the disk is full.
    """
    connection.execute(create_sql(sql, schema, name))
    columns = [
        quoted(column)
        for column, hidden in connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (table, source))
        if not hidden  # a generated column is computed again
    ]
    names = ", ".join(columns)
    connection.execute(
        f"INSERT INTO {quoted(schema)}.{quoted(name)} ({names}) SELECT {names} FROM {quoted(source)}.{quoted(table)}"
    )
    mark = high_water(connection, source, table)
    if mark is not None:
        set_high_water(connection, schema, name, mark)


def high_water(connection: sqlite3.Connection, schema: str, table: str) -> int | None:
    """Return the largest id that *table* ever gave, as AUTOINCREMENT remembers it, or None."""
    # Not out of sqlite_schema, which would be read to its end for each table.
    remembers = connection.execute("SELECT 1 FROM pragma_table_info('sqlite_sequence', ?)", (schema,)).fetchone()
    if not remembers:
        return None
    # Anybody may write there, a number as text too, and SQLite counts on from whatever number it is.
    (mark,) = connection.execute(
        f"SELECT max(CAST(seq AS INTEGER)) FROM {quoted(schema)}.sqlite_sequence WHERE name = ? COLLATE NOCASE",
        (table,),
    ).fetchone()
    return None if mark is None else int(mark)


def set_high_water(connection: sqlite3.Connection, schema: str, table: str, mark: int) -> None:
    """Make *table* give ids above *mark*."""
    sequence = f"{quoted(schema)}.sqlite_sequence"
    if connection.execute(f"UPDATE {sequence} SET seq = max(seq, ?) WHERE name = ?", (mark, table)).rowcount == 0:
        connection.execute(f"INSERT INTO {sequence} (name, seq) VALUES (?, ?)", (table, mark))


def _lexemes(sql: str) -> list[str]:
    """Return the lexemes of *sql*, a blank before each that had white space or a comment before it."""
    lexemes: list[str] = []
    blank = ""
    for lexeme in _TOKEN.findall(sql):
        if _SPACE.fullmatch(lexeme):
            blank = " "
        else:
            lexemes.append(blank + lexeme)
            blank = ""
    return lexemes


def _words(lexemes: list[str]) -> list[str]:
    return [lexeme.strip().upper() for lexeme in lexemes]


def _closing(words: list[str], opening: int) -> int:
    depth = 0
    for place in range(opening, len(words)):
        depth += (words[place] == "(") - (words[place] == ")")
        if depth == 0:
            return place
    raise DdlError("a bracket is never closed", where=" ".join(words[:opening]))


def _unquoted(word: str) -> str:
    return word[1:-1] if word[:1] in ('"', "`", "[", "'") else word


def _unqualified(lexemes: list[str], table: str) -> list[str]:
    """Return *lexemes* with the columns that name their own *table*, as in CHECK (t.a > 0), without it: it is renamed."""
    words = _words(lexemes)
    kept: list[str] = []
    place = 0
    while place < len(lexemes):
        if words[place + 1 : place + 2] == ["."] and _unquoted(words[place]) == table:
            kept.append(" ")
            place += 2
        else:
            kept.append(lexemes[place])
            place += 1
    return kept


def _split(lexemes: list[str]) -> list[list[str]]:
    """Split at the commas that stand outside brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for lexeme, word in zip(lexemes, _words(lexemes), strict=True):
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(lexeme)
    return parts


def _without_references(part: list[str]) -> list[str]:
    """Return a column or table constraint without its foreign key; empty if it is nothing else."""
    words = _words(part)
    start = 2 if words[:1] == ["CONSTRAINT"] else 0
    if words[start : start + 2] == ["FOREIGN", "KEY"]:
        return []
    kept: list[str] = []
    place = depth = 0
    while place < len(part):
        depth += (words[place] == "(") - (words[place] == ")")
        if words[place] == "REFERENCES" and depth == 0 and place > 0:
            # A name may stand before it: CONSTRAINT link REFERENCES parent(id).
            if len(kept) >= 2 and _words(kept)[-2] == "CONSTRAINT":
                del kept[-2:]
            place = _after_reference(words, place)
        else:
            kept.append(part[place])
            place += 1
    return kept


def _after_reference(words: list[str], place: int) -> int:
    place += 2
    if words[place : place + 1] == ["("]:
        place = _closing(words, place) + 1
    while place < len(words):
        if words[place] == "ON" and words[place + 1] in ("DELETE", "UPDATE"):
            place += 4 if words[place + 2] in ("SET", "NO") else 3
        elif words[place] == "MATCH":
            place += 2
        elif words[place] == "DEFERRABLE" or words[place : place + 2] == ["NOT", "DEFERRABLE"]:
            place += 1 if words[place] == "DEFERRABLE" else 2
            place += 2 if words[place : place + 1] == ["INITIALLY"] else 0
        else:
            break
    return place
