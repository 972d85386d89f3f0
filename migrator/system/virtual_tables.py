"""Virtual tables by module: the shadow tables of each, and whether it keeps rows that no other table has.

From SQLite's own pages on each module (fts3.html, fts5.html, rtree.html, geopoly.html, csv.html, dbstat.html, unionvtab.html,
swarmvtab.html, fts5.html#the_fts5vocab_virtual_table_module).  A module is known by its name, whether it is there or not.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from migrator.system.connections import quoted

if TYPE_CHECKING:
    from migrator.system.database_layout import Layout

#: Full-text modules -> suffixes of the shadow tables that hold an index and nothing else.  The suffix ``content`` holds rows.
FULL_TEXT: Mapping[str, tuple[str, ...]] = {
    "fts3": ("segments", "segdir", "docsize", "stat"),
    "fts4": ("segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "docsize", "config"),
}
CONTENT = "content"
#: R*Tree modules -> suffixes of the shadow tables that hold their rows.
BOXES: Mapping[str, tuple[str, ...]] = dict.fromkeys(("rtree", "rtree_i32", "geopoly"), ("node", "parent", "rowid"))
#: Modules that keep nothing in the file: they show other tables of it, or another file.
_SHOWING = frozenset({"csv", "dbstat", "fts3tokenize", "fts4aux", "fts5vocab", "swarmvtab", "unionvtab"})
#: CREATE VIRTUAL TABLE as SQLite stores it, with the module and the arguments, and one argument.
_DECLARATION = re.compile(
    r"""\s*CREATE\s+VIRTUAL\s+TABLE\s+
        (?: "(?:[^"]|"")*" | \[[^\]]*\] | `(?:[^`]|``)*` | '(?:[^']|'')*' | [^\s"\[`']+ )
        \s+USING\s+["\[`']?(\w+)["\]`']?\s*(?:\((.*)\))?""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_ARGUMENT = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^]]*\]|\([^()]*\)|[^,])+""")


class Kept(NamedTuple):
    """The rows of a virtual table.

    Attributes:
        rows: Rows that no other table has; None where they cannot be counted.
        problem: Why it cannot be left behind without a loss; '' if it can.
        about: What it is, if it can be left behind; else ''.
    """

    rows: int | None
    problem: str = ""
    about: str = ""


def shadows(name: str, module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the tables behind a virtual table that hold rows, and of those that hold an index, in lower case."""
    rows = (CONTENT,) if module in FULL_TEXT else BOXES.get(module, ())
    return tuple(f"{name}_{suffix}".lower() for suffix in rows), tuple(
        f"{name}_{suffix}".lower() for suffix in FULL_TEXT.get(module, ())
    )


def declaration(sql: str) -> tuple[str, list[str]]:
    """Return module and arguments of the CREATE VIRTUAL TABLE statement *sql*; module '' for any other statement."""
    if (match := _DECLARATION.match(sql)) is None:
        return "", []
    return match[1].lower(), [argument for argument in map(str.strip, _ARGUMENT.findall(match[2] or "")) if argument]


def content_of(sql: str) -> str | None:
    """Return the content table of a full-text table's statement; '' if its rows are kept nowhere.

    None without the option ``content``: the table keeps its rows itself.
    """
    for key, equals, value in (argument.partition("=") for argument in declaration(sql)[1]):
        if equals and key.strip().lower() == "content":
            return value.strip().strip("'\"[]`")
    return None


def kept(connection: sqlite3.Connection, parts: Layout) -> dict[str, Kept]:
    """Return what each virtual table of the ``main`` database keeps, without asking its module.

    Raises:
        sqlite3.OperationalError: A table behind one is not there.
    """
    sql = {entry.name: entry.sql or "" for entry in parts.entries if entry.type in ("table", "view")}
    others = {name.lower() for name in (*sql, *parts.shadows)}
    return {name: _kept(connection, name, module, sql[name], others) for name, module in parts.virtual}


def _kept(connection: sqlite3.Connection, name: str, module: str, sql: str, others: Collection[str]) -> Kept:
    """Return what the virtual table *name* keeps; *others* are the tables and views of its database, in lower case."""
    if module in BOXES or (module in FULL_TEXT and (module == "fts3" or content_of(sql) is None)):
        behind = quoted(f"{name}_{'rowid' if module in BOXES else CONTENT}")
        count = connection.execute(f"SELECT count(*) FROM main.{behind}").fetchone()[0]
        return Kept(count, f"keeps {count:,} rows of its own") if count else Kept(0, about="has no rows")
    if module in _SHOWING:
        return Kept(None, about="shows what lies elsewhere")
    if module not in FULL_TEXT:
        return Kept(None, "is of a module that is not known here: what it keeps cannot be told")
    content = content_of(sql) or ""
    if content.lower() in others:
        return Kept(None, about=f"is an index over {content}")
    # An index alone: two rows of fts5's data are there from the start.
    start = {f"{name}_data": 2} if module == "fts5" else {f"{name}_segdir": 0, f"{name}_docsize": 0}
    filled = [
        shadow
        for shadow, empty in start.items()
        if shadow.lower() in others
        and connection.execute(f"SELECT 1 FROM main.{quoted(shadow)} LIMIT 1 OFFSET {empty}").fetchone()
    ]
    return Kept(None, "is an index over rows that are kept nowhere else" if filled else "", "is an index without rows")
