"""Finds which tables and columns an SQL statement names, aliases and subqueries resolved, as SQLite resolves them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TypeGuard

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from migrator.schema import sqlglot_reader

#: In place of a column's name: every column of the table.
EVERY = "*"
_ROWID = frozenset({"rowid", "oid", "_rowid_"})
_TABLE_FOLLOWS = frozenset({TokenType.FROM, TokenType.JOIN, TokenType.INTO, TokenType.UPDATE, TokenType.TABLE})


class Kind(Enum):
    """What a statement does."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    CHANGE_SCHEMA = "change schema"
    ATTACH = "attach"
    PRAGMA = "pragma"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A table or a column that a statement names.

    Attributes:
        table: The table's name, spelled as the schema spells it if it is known.
        schema: The database it is qualified with; '' without one.
        column: The column; :data:`EVERY` for all of them, '' for the table itself.
        offset: Where the name begins in the statement [characters]; None if a star stands for it.
    """

    table: str
    schema: str = ""
    column: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a statement names.

    Attributes:
        kind: What it does.
        named: The tables and columns, in the order of the text.
        detail: Of a pragma or a change of the schema its name; of ATTACH the file; '' otherwise.
        whole: Whether a parser read all of it; else the names are those behind FROM, JOIN, INTO and UPDATE.
    """

    kind: Kind
    named: tuple[Named, ...]
    detail: str = ""
    whole: bool = True


def read(sql: str, tables: Mapping[str, Collection[str]]) -> Statement:
    """Return what the one statement *sql* names.

    Args:
        sql: The statement.
        tables: Known table -> its columns, to find the table of a column that is not qualified.
    """
    prefix, text = _comparable(sql)
    try:
        with sqlglot_reader.listening():
            trees = [tree for tree in sqlglot.parse(text, read="sqlite") if tree is not None]
    except (SqlglotError, RecursionError):
        return _by_tokens(sql, tables)
    if not trees or not _is_read_whole(trees[0]):
        return _by_tokens(sql, tables)
    names = _Names(trees[0], {name.lower(): (name, columns) for name, columns in tables.items()}, prefix)
    kind, detail = _kind(trees[0])
    return Statement(kind=kind, named=tuple(names.all()), detail=detail)


def _is_read_whole(tree: exp.Expr) -> bool:
    """Return whether sqlglot made of a statement what it is, and not a command or a part of it."""
    if isinstance(tree, exp.Insert):
        into = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        return isinstance(into, exp.Table)
    return not isinstance(tree, exp.Command) and not (isinstance(tree, exp.Pragma | exp.Attach) and tree.this is None)


def _comparable(sql: str) -> tuple[int, str]:
    """Return *sql* in a form that sqlglot reads whole, and by how many characters its names lie earlier than in *sql*."""
    start = len(sql) - len(sql.lstrip())
    words = sql.split(None, 3)
    upper = [word.upper() for word in words]
    if upper[:3] == ["EXPLAIN", "QUERY", "PLAN"] and len(words) > 3:
        return len(sql) - len(words[3]), words[3]
    if upper[:1] == ["EXPLAIN"]:
        rest = sql.split(None, 1)[-1]
        return len(sql) - len(rest), rest
    if upper[:2] == ["REPLACE", "INTO"]:
        return start - len("INSERT OR "), f"INSERT OR {sql[start:]}"
    return 0, sql


def _tokens(sql: str) -> list[Token]:
    try:
        return list(sqlglot.tokenize(sql, read="sqlite"))
    except SqlglotError:
        return []


def _by_tokens(sql: str, tables: Mapping[str, Collection[str]]) -> Statement:
    """Return the tables of a statement that sqlglot does not parse: the names behind FROM, JOIN, INTO, UPDATE and ON."""
    known = {name.lower(): name for name in tables}
    tokens = _tokens(sql)
    words = [token.text for token in tokens]
    first = words[0].upper() if words else ""
    # Without IF NOT EXISTS and IF EXISTS, a name follows its word.
    spare = {place for start in range(len(words)) for place in _spare(words, start)}
    named = [token for place, token in enumerate(tokens) if place not in spare]
    found = [
        Named(table=known.get(token.text.lower(), token.text), offset=token.start)
        for before, token in pairwise(named)
        if (before.token_type in _TABLE_FOLLOWS or (first == "CREATE" and before.token_type is TokenType.ON))
        and token.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
    ]
    kind = _FIRST_WORDS.get(first, Kind.OTHER)
    made = _made([token.text for token in named]) if first == "CREATE" else first
    return Statement(kind=kind, named=tuple(found), detail=made, whole=False)


def _spare(words: list[str], start: int) -> range:
    """Return the places of ``IF NOT EXISTS`` or ``IF EXISTS`` in *words*, if it begins at *start*."""
    upper = [word.upper() for word in words[start : start + 3]]
    length = 3 if upper == ["IF", "NOT", "EXISTS"] else 2 if upper[:2] == ["IF", "EXISTS"] else 0
    return range(start, start + length)


_FIRST_WORDS = {
    "SELECT": Kind.READ,
    "WITH": Kind.READ,
    "INSERT": Kind.WRITE,
    "UPDATE": Kind.WRITE,
    "DELETE": Kind.WRITE,
    "CREATE": Kind.CREATE,
    "ALTER": Kind.CHANGE_SCHEMA,
    "DROP": Kind.CHANGE_SCHEMA,
}


def _made(words: list[str]) -> str:
    """Return what a CREATE makes, of its words: ``CREATE TRIGGER facts_ai``."""
    upper = [word.upper() for word in words]
    kind = next((word for word in upper if word in {"TABLE", "INDEX", "TRIGGER", "VIEW"}), "")
    rest = words[upper.index(kind) + 1 :] if kind else []
    return f"CREATE {kind} {rest[0] if rest else ''}"


def _kind(tree: exp.Expr) -> tuple[Kind, str]:
    """Return what *tree* does, and the detail of it."""
    if isinstance(tree, exp.Create):
        made = tree.this.args.get("this") if isinstance(tree.this, exp.Schema) else tree.this
        kind = Kind.OTHER if tree.find(exp.TemporaryProperty) is not None else Kind.CREATE
        return kind, f"CREATE {tree.kind} {_name(made)}"
    if isinstance(tree, exp.Alter | exp.Drop):
        return Kind.CHANGE_SCHEMA, f"{'ALTER' if isinstance(tree, exp.Alter) else 'DROP'} {tree.args.get('kind') or ''}"
    if isinstance(tree, exp.Attach):
        file = tree.find(exp.Literal)
        return Kind.ATTACH, file.name if file is not None else ""
    if isinstance(tree, exp.Pragma):
        inner = tree.this
        if isinstance(inner, exp.EQ):
            return Kind.PRAGMA, f"{_name(inner.args.get('this'))} = {_name(inner.args.get('expression'))}"
        return Kind.PRAGMA, _name(inner)
    writes = isinstance(tree, exp.Insert | exp.Update | exp.Delete)
    return (Kind.WRITE if writes else Kind.READ if isinstance(tree, exp.Query) else Kind.OTHER), ""


def _name(tree: exp.Expr | None) -> str:
    """Return the name of *tree*; '' of nothing, which sqlglot makes of a statement that breaks off."""
    if isinstance(tree, exp.Dot):
        return _name(tree.args.get("expression"))
    return tree.name if isinstance(tree, exp.Expr) else ""


class _Names:
    """The names in one parsed statement."""

    def __init__(self, tree: exp.Expr, tables: Mapping[str, tuple[str, Collection[str]]], moved: int) -> None:
        self._tree = tree
        self._tables = tables
        self._moved = moved
        self._derived = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}

    def all(self) -> Iterator[Named]:
        """Yield each table, then each column, in the order in which they are written."""
        found = [*self._named_tables(), *self._named_columns(), *self._stars()]
        found.sort(key=lambda named: -1 if named.offset is None else named.offset)
        yield from dict.fromkeys(found)

    def _named_tables(self) -> Iterator[Named]:
        made = self._tree.this if isinstance(self._tree, exp.Create) else None
        # A view and a temporary table are made of others; what they are called names no table that was there.
        own = made if made is not None and (self._tree.args.get("kind") == "VIEW" or self._is_temporary()) else None
        for table in self._tree.find_all(exp.Table):
            if own is not None and own is (table.parent if isinstance(own, exp.Schema) else table):
                continue
            if isinstance(table.this, exp.Identifier) and not self._is_derived(table):
                yield Named(table=self._spelled(table.name), schema=table.db, offset=self._offset(table.this))
        if isinstance(self._tree, exp.Pragma) and isinstance(self._tree.this, exp.EQ):
            value = self._tree.this.expression
            if value.name.lower() in self._tables:
                yield Named(table=self._spelled(value.name), offset=self._offset(value.this))

    def _is_temporary(self) -> bool:
        return self._tree.find(exp.TemporaryProperty) is not None

    def _named_columns(self) -> Iterator[Named]:
        for column in self._tree.find_all(exp.Column):
            if isinstance(column.this, exp.Identifier) and not column.name.startswith("$"):
                yield from self._resolved(column)
        if isinstance(self._tree, exp.Insert):
            table = self._inserted(self._tree)
            listed = self._tree.this.expressions if isinstance(self._tree.this, exp.Schema) else []
            for identifier in [*listed, *self._conflicting()]:
                yield from self._column_of(table, identifier)
            if not listed:
                yield Named(table=self._spelled(table.name), schema=table.db, column=EVERY)
        if isinstance(self._tree, exp.Alter):
            for action in self._tree.args.get("actions", ()):
                for identifier in [action.this] if isinstance(action, exp.RenameColumn) else []:
                    yield from self._column_of(self._tree.this, identifier.this)

    def _conflicting(self) -> list[exp.Identifier]:
        conflict = self._tree.args.get("conflict")
        keys = conflict.args.get("conflict_keys") or [] if conflict is not None else []
        return [identifier for key in keys if (identifier := key.find(exp.Identifier)) and not key.find(exp.Column)]

    def _stars(self) -> Iterator[Named]:
        for star in self._tree.find_all(exp.Star):
            select = star.parent.parent if isinstance(star.parent, exp.Column) else star.parent
            if not isinstance(select, exp.Select | exp.Returning):
                continue
            wanted = star.parent.table.lower() if isinstance(star.parent, exp.Column) else ""
            for table in self._sources(select):
                if self._is_real(table) and wanted in ("", table.alias_or_name.lower()):
                    yield Named(table=self._spelled(table.name), schema=table.db, column=EVERY)

    def _resolved(self, column: exp.Column) -> Iterator[Named]:
        node: exp.Expr | None = column
        while (node := node.parent if node is not None else None) is not None:
            for table in self._sources(node):
                if column.table and table.alias_or_name.lower() != column.table.lower():
                    continue
                if not self._is_real(table):
                    if column.table:
                        return
                    continue
                found = list(self._column_of(table, column.this, only_known=not column.table))
                if found:
                    yield from found
                    return
        if not column.table and (only := self._only_source(column)) is not None:
            yield from self._column_of(only, column.this)

    def _only_source(self, column: exp.Column) -> exp.Table | None:
        """Return the one known table that a column without a known home can be meant of; None if it can be another thing.

        A name in double quotes can be a text, and a name that is given in the statement is that of an expression.
        """
        node: exp.Expr | None = column.parent
        while node is not None and not (sources := self._sources(node)):
            node = node.parent
        given = {alias.alias.lower() for alias in self._tree.find_all(exp.Alias)} | {"rank", "excluded"}
        if node is None or len(sources) != 1 or column.this.quoted or column.name.lower() in given:
            return None
        (only,) = sources
        known = self._is_real(only) and only.name.lower() in self._tables
        return only if known and isinstance(only, exp.Table) and column.name.lower() != only.name.lower() else None

    def _column_of(self, table: exp.Table, identifier: exp.Identifier, *, only_known: bool = False) -> Iterator[Named]:
        """Yield the column; with *only_known* nothing if the table is not known to have it."""
        spelled, columns = self._tables.get(table.name.lower(), (table.name, ()))
        name = next((known for known in columns if known.lower() == identifier.name.lower()), None)
        if name is None and (identifier.name.lower() in _ROWID or not only_known):
            name = identifier.name
        if name is not None:
            yield Named(table=spelled, schema=table.db, column=name, offset=self._offset(identifier))

    def _sources(self, node: exp.Expr) -> list[exp.Table | exp.Subquery]:
        """Return the tables, and what stands for one, of the statement or subquery *node*; empty if it is another node."""
        if isinstance(node, exp.Returning):
            return self._sources(node.parent) if node.parent is not None else []
        if isinstance(node, exp.Insert):
            return [self._inserted(node)]
        if isinstance(node, exp.Create) and isinstance(node.this, exp.Index):
            return [node.this.args["table"]]
        if not isinstance(node, exp.Select | exp.Update | exp.Delete):
            return []
        parts = [node.this] if not isinstance(node, exp.Select) else []
        start = node.args.get("from_")
        parts += [start.this] if start is not None else []
        parts += [join.this for join in node.args.get("joins") or ()]
        nested = [join.this for part in parts if isinstance(part, exp.Expr) for join in part.args.get("joins") or ()]
        return [part for part in (*parts, *nested) if isinstance(part, exp.Table | exp.Subquery)]

    @staticmethod
    def _inserted(insert: exp.Insert) -> exp.Table:
        """Return the table into which *insert* inserts."""
        into: exp.Table = insert.this.this if isinstance(insert.this, exp.Schema) else insert.this
        return into

    def _is_real(self, table: exp.Expr) -> TypeGuard[exp.Table]:
        return isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier) and not self._is_derived(table)

    def _is_derived(self, table: exp.Table) -> bool:
        return not table.db and table.name.lower() in self._derived

    def _spelled(self, name: str) -> str:
        return self._tables.get(name.lower(), (name, ()))[0]

    def _offset(self, identifier: exp.Expr) -> int | None:
        start = identifier.meta.get("start")
        return None if start is None else start + self._moved
