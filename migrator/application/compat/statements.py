"""Finds the tables that a statement reads and writes, and what it does to the transaction, by SQLite's own parser.

EXPLAIN compiles a statement without running it, and the authorizer is called for everything that the statement would do.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from migrator.system.connections import folded

#: Parameters of the authorizer: action, two names, and the schema.
Noted = tuple[int, str | None, str | None, str | None]
#: The actions that write rows.
WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
#: Statements that are remembered.
_MOST = 2_000
#: A comment, or text in quotes, in which there is none.
_COMMENT = re.compile(r"""(["'`]).*?\1|\[.*?\]|(--[^\n]*|/\*.*?(?:\*/|\Z))""", re.DOTALL)
#: A pragma runs when it is compiled, so it is not explained.
_PRAGMA = re.compile(
    r"""\s*PRAGMA\s+(?:["`\[]?(\w+)["`\]]?\s*\.\s*)?["`\[]?(\w+)["`\]]?\s*
        (?:=\s*(.+?)|\(\s*(.*?)\s*\))?\s*;?\s*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
#: VACUUM and ANALYZE, which the authorizer does not tell from what they are made of: what, the schema, and the table or the file.
_NAME = r"""(?:(\w+)|"([^"]+)"|`([^`]+)`|\[([^\]]+)\]|'([^']+)')"""
_VACUUM = re.compile(rf"\s*VACUUM(?:\s+(?!INTO\b){_NAME})?\s*(?:\bINTO\b\s*(.+?))?\s*;?\s*", re.IGNORECASE | re.DOTALL)
_ANALYZE = re.compile(rf"\s*ANALYZE(?:\s*{_NAME}\s*(?:\.\s*{_NAME})?)?\s*;?\s*", re.IGNORECASE)
_ATTACH = re.compile(r"\s*ATTACH\s+(?:DATABASE\s+)?(.+)\s+AS\s+.+", re.IGNORECASE | re.DOTALL)
_UNIQUE = re.compile(r"\s*CREATE\s+UNIQUE\b", re.IGNORECASE)
_MAKES = {
    sqlite3.SQLITE_CREATE_TABLE: "table",
    sqlite3.SQLITE_CREATE_VTABLE: "table",
    sqlite3.SQLITE_CREATE_VIEW: "view",
    sqlite3.SQLITE_CREATE_TRIGGER: "trigger",
}
_DROPS = (
    sqlite3.SQLITE_DROP_TABLE,
    sqlite3.SQLITE_DROP_VTABLE,
    sqlite3.SQLITE_DROP_VIEW,
    sqlite3.SQLITE_DROP_TRIGGER,
    sqlite3.SQLITE_DROP_INDEX,
)
#: What a statement may do that stays with the connection.
_LASTS = (
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_CREATE_TEMP_INDEX,
    sqlite3.SQLITE_CREATE_TEMP_TABLE,
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
    sqlite3.SQLITE_CREATE_TEMP_VIEW,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement does.

    Attributes:
        reads: Folded names of the tables that it reads.
        writes: Folded names of the tables that it writes.
        inserts: Whether it inserts rows, so that it may give a rowid.
        control: ``BEGIN``, ``COMMIT``, ``ROLLBACK``, ``SAVEPOINT``, ``RELEASE`` or ``ROLLBACK TO``; '' for another.
        name: The savepoint, or the value of a pragma.
        pragma: The name of a pragma.
        schema: The schema that a pragma names.
        lasting: Whether it makes something that stays with the connection.
        upkeep: ``VACUUM``, ``INTO`` or ``ANALYZE``; '' for another.
        attaches: The SQL of the file that it attaches, if that is no literal.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    inserts: bool = False
    control: str = ""
    name: str = ""
    pragma: str = ""
    schema: str = ""
    lasting: bool = False
    upkeep: str = ""
    attaches: str = ""


class Statements:
    """The statements of one legacy database, by their text."""

    def __init__(self, names: Collection[str], consolidated: Collection[str]) -> None:
        """Remember what the database has.

        Args:
            names: Folded names of everything in the legacy schema.
            consolidated: Paths that are consolidated databases, or lead to one.
        """
        self.known: OrderedDict[str, Statement] = OrderedDict()
        self._names, self._consolidated = names, {os.path.realpath(path) for path in consolidated}

    def pragma(self, sql: str) -> Statement | None:
        """Return what a PRAGMA does; None for another statement."""
        if "pragma" not in sql.lower():
            return None
        match = _PRAGMA.fullmatch(_without_comments(sql))
        if match is None:
            return None
        value = match[3] or match[4] or ""
        return Statement(pragma=match[2], schema=(match[1] or "").lower(), name=value.strip("'\" "))

    def upkeep(self, sql: str) -> Statement | None:
        """Return what VACUUM or ANALYZE is about: a schema, and a table or, as SQL, the file that is made; None for another statement."""
        if "vacuum" not in sql.lower() and "analyze" not in sql.lower():
            return None
        stripped = _without_comments(sql)
        if match := _VACUUM.fullmatch(stripped):
            *schema, into = match.groups("")
            return Statement(upkeep="INTO" if into else "VACUUM", schema=folded("".join(schema)), name=into)
        if match := _ANALYZE.fullmatch(stripped):
            names = match.groups("")
            first, second = folded("".join(names[:5])), folded("".join(names[5:]))
            return Statement(upkeep="ANALYZE", schema=first if second else "", name=second or first)
        return None

    def remember(self, sql: str, noted: Sequence[Noted]) -> Statement:
        """Return what the statement *sql* does, of which the authorizer *noted* all this."""
        reads, writes, control, name = set(), set(), "", ""
        for action, first, second, schema in noted:
            # A table of which no column is read has no schema here.
            if action == sqlite3.SQLITE_READ and schema in ("main", None):
                reads.add(folded(first or ""))
            elif action in WRITES and schema == "main":
                writes.add(folded(first or ""))
            elif action == sqlite3.SQLITE_TRANSACTION:
                control = first or ""
            elif action == sqlite3.SQLITE_SAVEPOINT:
                kinds = {"BEGIN": "SAVEPOINT", "RELEASE": "RELEASE"}
                control, name = kinds.get(first or "", "ROLLBACK TO"), second or ""
        actions = {action for action, *_ in noted}
        attached = (
            _ATTACH.fullmatch(_without_comments(sql)) if (sqlite3.SQLITE_ATTACH, None, None, None) in noted else None
        )
        statement = Statement(
            reads=frozenset(reads),
            writes=frozenset(one for one in writes if not one.startswith("sqlite_")),
            inserts=sqlite3.SQLITE_INSERT in actions,
            control=control,
            name=name,
            lasting=not actions.isdisjoint(_LASTS),
            attaches=attached[1] if attached else "",
        )
        self.known[sql] = statement
        if len(self.known) > _MOST:
            self.known.popitem(last=False)
        return statement

    def refusal(self, action: int, first: str | None, second: str | None, schema: str | None, sql: str) -> str:
        """Return why the caller's statement *sql* is refused that does *action*, '' if it is not."""
        if action == sqlite3.SQLITE_ATTACH:
            return self.refusal_to_attach(first)
        what, name = "", folded(first or "")
        if action == sqlite3.SQLITE_ALTER_TABLE and first == "main":
            what = f"alters {second!r}"
        elif schema != "main":
            # The caller's own tables, in temp or in a database that it attached.
            what = ""
        elif action in _MAKES and name not in self._names:
            what = f"makes the {_MAKES[action]} {first!r}, which the legacy database did not have"
        elif action == sqlite3.SQLITE_CREATE_INDEX and _UNIQUE.match(_without_comments(sql)):
            what = f"makes the unique index {first!r}, which the legacy database did not have"
        elif action in _DROPS and not (action == sqlite3.SQLITE_DROP_INDEX and name not in self._names):
            # An index that it did not have the connection itself has made, in memory.
            what = f"drops {first!r}"
        elif action in WRITES and first == "sqlite_sequence":
            what = "changes sqlite_sequence"
        return _refused(what)

    def refusal_to_attach(self, file: object) -> str:
        """Return why the *file* may not be attached, '' if it may."""
        path = file if isinstance(file, str) else ""
        if path.startswith("file:"):
            path = unquote(urlsplit(path).path)
        if not path or os.path.realpath(path) not in self._consolidated:
            return ""
        return _refused(f"attaches {file!r}, which the consolidated set replaces")


def _refused(what: str) -> str:
    prefix = "the legacy schema cannot be changed while the consolidated set is in use: this statement"
    return f"{prefix} {what}" if what else ""


def _without_comments(sql: str) -> str:
    return _COMMENT.sub(lambda found: " " if found[2] else found[0], sql)
