"""Rewrites the declaration of a table under another name without foreign keys, and compares declarations by meaning.

Method: SQLite itself makes the table and its indexes in an empty database and renames the table.  The text that it then
stores is used, without the clauses of foreign keys.  Two declarations mean the same if SQLite's pragmas agree on them, and
SQLite compiles the same program to insert or read a row: the program shows checks, generated columns, collations, conflict
clauses and indexes, which no pragma lists.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from migrator.errors import DdlError
from migrator.system import connections
from migrator.system.connections import folded, quoted
from migrator.system.database_layout import Entry
from migrator.system.rowids import rowid_name

#: SQLite's tokens (tokenize.c), as far as the end of each matters here.  Every character beyond ASCII is a letter.
_TOKEN = re.compile(
    r"""[ \t\n\f\r]+|--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^]]*\]"""
    r"""|[0-9A-Za-z_$\x80-\U0010ffff]+|.""",
    re.DOTALL,
)
_BLANK = re.compile(r"[ \t\n\f\r]|--|/\*")
#: Instructions of SQLite whose operand is only a name: a message, the schema's version.
_NAMING = {"Halt", "HaltIfNull", "Transaction"}
#: What CREATE TABLE and CREATE INDEX may do; a stored text that does more was written into the schema by hand.
_MAKING = {
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_UPDATE,
}
#: The name under which declarations are compared.
_COMPARED = "the compared table"


class Statements(NamedTuple):
    """The statements that make a table.

    Attributes:
        table: CREATE TABLE.
        indexes: Name and CREATE INDEX of each of its indexes that SQLite does not make by itself.
    """

    table: str
    indexes: tuple[tuple[str, str], ...] = ()


def of_tables(entries: Iterable[Entry]) -> dict[str, Statements]:
    """Return folded name -> statements, for each ordinary table of the schema *entries*."""
    tables = {folded(entry.name): Statements(entry.sql or "") for entry in entries if entry.type == "table"}
    for entry in entries:
        if entry.type == "index" and entry.sql and (table := folded(entry.table)) in tables:
            tables[table] = Statements(tables[table].table, (*tables[table].indexes, (entry.name, entry.sql)))
    return tables


def index_name(table: str, carried: str, index: str) -> str:
    """Return the name of *index* if its *table* is called *carried*; names of indexes are unique in a file."""
    return f"{carried.removesuffix(table)}{index}"


def renamed(made: Statements, table: str, name: str) -> Statements:
    """Return the statements that make *table* under *name*: without foreign keys, each index with the prefix of *name*.

    Raises:
        DdlError: SQLite here cannot make the table, or it would not mean the same.
    """
    with _alone(made, name) as connection:
        listed = "SELECT name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL AND name NOT GLOB 'sqlite_*'"
        ((_, sql),) = connection.execute(listed, ("table",)).fetchall()
        indexes = connection.execute(f"{listed} ORDER BY rowid", ("index",)).fetchall()
        before = _meaning(connection, name)
    copy = Statements(
        _without_references(sql),
        tuple(
            (index_name(table, name, index), _index_renamed(text, index_name(table, name, index)))
            for index, text in indexes
        ),
    )
    with _alone(copy, name) as connection:
        if _meaning(connection, name) != before or _references(connection, name):
            raise DdlError("its copy would be declared otherwise", where=table, hint="please report this as a bug")
    return copy


def meaning(made: Statements) -> tuple[object, ...]:
    """Return a value that is equal for declarations of one meaning; foreign keys and names of table and indexes do not count.

    Raises:
        DdlError: SQLite here cannot make the table.
    """
    with _alone(made, _COMPARED) as connection:
        return _meaning(connection, _COMPARED)


def in_schema(statement: str, schema: str) -> str:
    """Return the CREATE *statement*, which names no schema, for the attached database *schema*."""
    # SQLite stores the name right behind CREATE TABLE, CREATE INDEX or CREATE UNIQUE INDEX, and here it is quoted.
    return statement.replace(' "', f' {quoted(schema)}."', 1)


def free_rowid(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """Return a name by which the rowid of *table* can be read and written; '' if it has none, or columns have all three names."""
    return "" if is_without_rowid(connection, schema, table) else rowid_name(connection, schema, table)


def is_without_rowid(connection: sqlite3.Connection, schema: str, table: str) -> bool:
    """Return whether *table* has no rowids."""
    asked = "SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE"
    return bool(connection.execute(asked, (schema, table)).fetchone()[0])


def stored_columns(connection: sqlite3.Connection, schema: str, table: str, *, computed: bool = False) -> list[str]:
    """Return the columns that a row of *table* fills, with *computed* also the generated ones that are stored."""
    asked = f"SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden IN (0{', 3' if computed else ''}) ORDER BY cid"
    return [name for (name,) in connection.execute(asked, (table, schema))]


@contextmanager
def _alone(made: Statements, name: str) -> Iterator[sqlite3.Connection]:
    """Make a table and its indexes in an empty database, name the table *name*, and yield the connection."""
    with closing(connections.memory()) as connection:
        connection.set_authorizer(_may)
        try:
            for statement in (made.table, *(sql for _, sql in made.indexes)):
                connection.execute(statement)
            connection.set_authorizer(None)
            asked = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
            ((own,),) = connection.execute(asked).fetchall()
            if own != name:
                connection.execute(f"ALTER TABLE {quoted(own)} RENAME TO {quoted(name)}")
            yield connection
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            # ValueError: text that Python cannot pass to SQLite, such as bytes that are not UTF-8.
            raise DdlError(f"cannot be made here ({error})", where=name) from error


def _may(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _MAKING else sqlite3.SQLITE_DENY


def _meaning(connection: sqlite3.Connection, name: str) -> tuple[object, ...]:
    """Return the meaning of the only table of *connection*, which is called *name*."""
    columns = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,)
    ).fetchall()
    stored = [quoted(column) for column, *_, hidden in columns if not hidden]
    kind = connection.execute("SELECT wr, strict FROM pragma_table_list(?) WHERE schema = 'main'", (name,)).fetchall()
    indexes = [
        (*facts, tuple(connection.execute('SELECT cid, "desc", coll, key FROM pragma_index_xinfo(?)', (index,))))
        for index, *facts in connection.execute(
            'SELECT name, "unique", origin, partial FROM pragma_index_list(?)', (name,)
        ).fetchall()
    ]
    programs = [
        tuple(
            (opcode, *(() if opcode in _NAMING else operands))
            for _, opcode, *operands, _ in connection.execute(f"EXPLAIN {statement}", values)
        )
        for statement, values in (
            (
                f"INSERT INTO {quoted(name)} ({', '.join(stored)}) VALUES ({', '.join(':cell' for _ in stored)})",
                {"cell": None},
            ),
            (f"SELECT * FROM {quoted(name)}", ()),
        )
    ]
    connection.execute("SAVEPOINT collations")
    every = ", ".join(quoted(column) for column, *_ in columns)
    connection.execute(f"CREATE INDEX every_column ON {quoted(name)} ({every})")
    collations = connection.execute("SELECT coll FROM pragma_index_xinfo('every_column') ORDER BY seqno").fetchall()
    connection.execute("ROLLBACK TO collations")
    return columns, kind, sorted(indexes, key=repr), programs, collations


def _references(connection: sqlite3.Connection, name: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM pragma_foreign_key_list(?)", (name,)).fetchall())


def _tokens(sql: str) -> list[str]:
    """Return the tokens of *sql*, each behind the white space and comments before it."""
    tokens: list[str] = []
    blank = ""
    for token in _TOKEN.findall(sql):
        if _BLANK.match(token):
            blank += token
        else:
            tokens.append(blank + token)
            blank = ""
    return tokens


def _word(token: str) -> str:
    """Return *token* in upper case without white space and comments before it; a quoted name keeps its quotes."""
    word: str = next(part for part in _TOKEN.findall(token) if not _BLANK.match(part))
    return word.upper()


def _index_renamed(sql: str, name: str) -> str:
    """Return the CREATE INDEX statement *sql*, as SQLite stores it, under *name*."""
    tokens = _tokens(sql)
    words = [_word(token) for token in tokens]
    unique = "UNIQUE " if words[1] == "UNIQUE" else ""
    # ON is a reserved word: the first is the keyword.
    return f"CREATE {unique}INDEX {quoted(name)}{''.join(tokens[words.index('ON') :])}"


def _without_references(sql: str) -> str:
    """Return the CREATE TABLE statement *sql*, as SQLite stores it, without its foreign keys.

    REFERENCES and FOREIGN are reserved words: where they stand unquoted, they begin a foreign key.  A name before it
    (CONSTRAINT link) stays: SQLite gives it to the next constraint, and so does the copy.
    """
    tokens = _tokens(sql)
    words = [_word(token) for token in tokens]
    kept: list[str] = []
    position = 0
    while position < len(tokens):
        if words[position] == "REFERENCES":
            position = _after_reference(words, position)
            if words[position] == "GENERATED":
                # Behind a type SQLite reads these two words as its part, and cuts them off unless a comment is between.
                kept += [f" {word}" for word in words[position : position + 2]]
                position += 2
        elif words[position] == "FOREIGN":
            position = _after_reference(words, words.index("REFERENCES", position))
            # A list must not end with a comma, nor have two in a row.
            if _word(kept[-1]) == ",":
                if words[position] == ")":
                    kept.pop()
                elif words[position] == ",":
                    position += 1
        else:
            kept.append(tokens[position])
            position += 1
    return "".join(kept)


def _after_reference(words: Sequence[str], position: int) -> int:
    """Return the position after the clause REFERENCES at *position* (``refargs`` and ``defer_subclause`` in SQLite's parse.y)."""
    position += 2
    if words[position] == "(":
        position = words.index(")", position) + 1
    while True:
        if words[position] == "ON":
            position += 4 if words[position + 2] in ("SET", "NO") else 3
        elif words[position] == "MATCH":
            position += 2
        elif words[position] == "DEFERRABLE" or words[position : position + 2] == ["NOT", "DEFERRABLE"]:
            position += 1 if words[position] == "DEFERRABLE" else 2
            position += 2 if words[position] == "INITIALLY" else 0
        else:
            return position
