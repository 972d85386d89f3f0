"""Finds what each parameter of a statement meets: the column that it is compared with, or the cell that it fills."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

#: Beginning of the names by which parameters are replaced, so that sqlglot reads each kind of them.
SLOT = "slot_"
_TIMES = {"datetime", "date", "time", "julianday", "strftime", "unixepoch"}
#: Literals, comments and names in quotes, and between them the parameters.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|(?P<slot>\?\d*|[:@$][A-Za-z_]\w*)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter in the text of a statement.

    Attributes:
        name: Its name without the sign before it, or its number.
        table: The table of the column that it meets, as the statement names it; '' if it meets none.
        column: The column; '' if it meets none.
        role: ``equal``, ``like``, ``match``, ``limit``, ``offset``, ``span`` (a modifier of a time), ``hours`` (a number in one),
            ``given`` (a cell that is written) or ``unknown``.
    """

    name: str
    table: str = ""
    column: str = ""
    role: str = "equal"


def with_marks(sql: str) -> tuple[str, list[str]]:
    """Return *sql* with each parameter as ``:slot_N``, and the name or number of each in the order of the text."""
    names: list[str] = []
    largest = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal largest
        found = match["slot"]
        if not found:
            return match[0]
        if found[0] == "?":
            largest = max(largest, int(found[1:])) if found[1:] else largest + 1
            names.append(found[1:] or str(largest))
        else:
            names.append(found[1:])
        return f":{SLOT}{len(names) - 1}"

    return _TOKEN.sub(mark, sql), names


def slots_of(text: str, names: Sequence[str]) -> list[Slot]:
    """Return what each parameter meets; nothing where sqlglot cannot read the statement."""
    slots = [Slot(name, role="unknown") for name in names]
    try:
        tree = sqlglot.parse_one(text, read="sqlite")
    except sqlglot.errors.SqlglotError:
        return slots
    for node in tree.find_all(exp.Placeholder):
        found = re.fullmatch(rf"{SLOT}(\d+)", str(node.this))
        if found:
            number = int(found[1])
            slots[number] = _met(node, names[number])
    return slots


def _met(node: exp.Expr, name: str) -> Slot:
    """Return what the parameter *node* meets: the column on the other side of its comparison, or the cell it fills."""
    values, insert = node.find_ancestor(exp.Values), node.find_ancestor(exp.Insert)
    if values is not None and insert is not None and values.parent is insert:
        return _inserted(node, insert, name)
    below, above = node, node.parent
    while above is not None and not isinstance(above, exp.Select | exp.Update | exp.Insert | exp.Delete):
        found = _met_in(above, below, name)
        if found is not None:
            return found
        below, above = above, above.parent
    return Slot(name, role="unknown")


def _met_in(above: exp.Expr, below: exp.Expr, name: str) -> Slot | None:
    """Return what the parameter in the part *below* of *above* meets there; None if that is decided further up."""
    role, meets = "", {}
    if isinstance(above, exp.Limit | exp.Offset):
        role = "limit" if isinstance(above, exp.Limit) else "offset"
    elif isinstance(above, exp.DPipe):
        role = "hours" if _within_time(above) else "like"
    elif isinstance(above, exp.Func) and _is_time(above) and below is not _first(above):
        role = "span"
    elif isinstance(above, exp.Like | exp.Glob | exp.Match):
        role, meets = "match" if isinstance(above, exp.Match) else "like", _other(above, below)
    elif isinstance(above, exp.Binary | exp.Between | exp.In) and (meets := _other(above, below)):
        sets = isinstance(above, exp.EQ) and isinstance(above.parent, exp.Update | exp.OnConflict)
        role = "given" if sets else "equal"
    return Slot(name, role=role, **meets) if role else None


def _first(function: exp.Expr) -> object:
    return next(iter(function.iter_expressions()), None)


def _is_time(function: exp.Expr) -> bool:
    called = (
        function.name
        if isinstance(function, exp.Anonymous)
        else function.sql_name()
        if isinstance(function, exp.Func)
        else ""
    )
    return called.lower() in _TIMES or any(word in type(function).__name__.lower() for word in ("date", "time"))


def _within_time(node: exp.Expr) -> bool:
    above = node.parent
    while isinstance(above, exp.DPipe | exp.Paren):
        above = above.parent
    return isinstance(above, exp.Func) and _is_time(above)


def _other(comparison: exp.Expr, mine: exp.Expr | None = None) -> dict[str, str]:
    """Return table and column of the first column in *comparison* beside the part that is *mine*.

    A computed value is returned as ``=`` and its SQL, so that what it gives is drawn: ``=STRFTIME('%Y', sale_date)``.
    """
    for part in comparison.iter_expressions():
        if part is mine:
            continue
        column = part if isinstance(part, exp.Column) else part.find(exp.Column)
        if column is not None:
            table = _table(column, column.table)
            computed = isinstance(part, exp.Func) and not part.find(exp.AggFunc, exp.Placeholder, exp.Select)
            return {"table": table, "column": f"={_unqualified(part)}" if computed and table else column.name}
    return {}


def _unqualified(expression: exp.Expr) -> str:
    """Return the SQL of an expression over the columns of one table, without the name of that table."""
    copy = expression.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return str(copy.sql(dialect="sqlite"))


def _table(node: exp.Expr, alias: str) -> str:
    """Return the table that *alias* names around *node*; with '' the only table there, '' if there are several."""
    scope = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    while scope is not None:
        tables = list(scope.find_all(exp.Table))
        for table in tables:
            if alias and alias.lower() in (table.alias_or_name.lower(), table.name.lower()):
                return str(table.name)
        if not alias and tables:
            return str(tables[0].name) if len({table.name.lower() for table in tables}) == 1 else ""
        scope = scope.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    return ""


def _inserted(node: exp.Expr, insert: exp.Insert, name: str) -> Slot:
    """Return the cell that the parameter *node* fills; its place counts if the INSERT lists no columns."""
    into = insert.this
    table = into.find(exp.Table) if not isinstance(into, exp.Table) else into
    row = node.find_ancestor(exp.Tuple)
    if table is None or row is None:
        return Slot(name, role="unknown")
    place = next(
        (
            number
            for number, cell in enumerate(row.expressions)
            if node is cell or node in cell.find_all(exp.Placeholder)
        ),
        0,
    )
    listed = [column.name for column in into.expressions] if isinstance(into, exp.Schema) else []
    column = listed[place] if place < len(listed) else f"#{place}"
    return Slot(name, str(table.name), column, "given")
