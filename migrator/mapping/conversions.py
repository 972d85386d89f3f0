"""Reads an expression of a mapping and says, in words, what it does to a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from sqlglot import exp

#: The form in which every time is stored.
UTC_TEXT = "UTC text, `YYYY-MM-DD HH:MM:SS[.ffffff]`"

#: Function of a mapping and the number of its arguments -> what it does to a time.
_TIMES: Mapping[tuple[str, int], str] = MappingProxyType(
    {
        ("utc", 1): f"time: ISO 8601 text becomes {UTC_TEXT}",
        ("utc", 2): f"time: local ISO 8601 text, at constants.local_utc_offset, becomes {UTC_TEXT}",
        ("utc_of_epoch", 1): f"time: seconds since 1970 become {UTC_TEXT}",
    }
)
_NOTHING: Mapping[str, str] = MappingProxyType({"": "'' becomes NULL", "0": "0 becomes NULL"})


def sentences(steps: Iterable[exp.Expr], column: str, joined: Mapping[str, str]) -> tuple[str, ...]:
    """Return what *steps* do to the legacy *column*, a sentence for each kind of change.

    Args:
        steps: The expressions between the legacy column and the target column.
        column: The legacy column.
        joined: Alias -> table for each table that the SELECT joins.
    """
    found = [sentence for step in steps for sentence in _of_step(step, column, joined)]
    return tuple(dict.fromkeys(found))


def _of_step(step: exp.Expr, column: str, joined: Mapping[str, str]) -> Iterator[str]:
    for node in step.walk():
        if _is_condition(node):
            continue
        if isinstance(node, exp.Anonymous) and (node.name, len(node.expressions)) in _TIMES and _names(node, column):
            yield _TIMES[node.name, len(node.expressions)]
        elif isinstance(node, exp.Nullif) and _names(node.this, column) and node.expression.name in _NOTHING:
            yield _NOTHING[node.expression.name]
        elif isinstance(node, exp.Lower) and _names(node, column):
            yield "upper case becomes lower case"
        elif isinstance(node, exp.Column) and node.table in joined:
            yield _joined(joined[node.table], node)


def _is_condition(node: exp.Expr) -> bool:
    """Return whether *node* only decides which value is taken: it is part of the test of a CASE or iif."""
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.If | exp.Case) and parent.args.get("this") is node:
            return True
        node = parent
    return False


def _joined(table: str, column: exp.Column) -> str:
    database, _, name = table.partition(".")
    if database != "ids":
        return f"the {column.name} of its row in {table}"
    if column.name == "id":
        return f"the legacy key becomes the new id in {name}"
    if isinstance(column.parent, exp.Coalesce) and column.parent.this is not column:
        return f"if it is empty or missing, the lookup {name} gives it"
    return f"the lookup {name} gives it"


def words(steps: Iterable[exp.Expr], column: str) -> tuple[tuple[str, str], ...]:
    """Return which words *steps* replace: (legacy, target), where a CASE tests *column* and gives a literal."""
    found = [
        (before, branch.args["true"].name)
        for step in steps
        for case in step.find_all(exp.Case)
        for branch in case.args["ifs"]
        if isinstance(branch.args["true"], exp.Literal) and branch.args["true"].is_string
        for before in _tested(case, branch, column)
        if branch.args["true"].name
    ]
    return tuple(dict.fromkeys(found))


def _tested(case: exp.Case, branch: exp.If, column: str) -> Iterator[str]:
    """Yield each literal that the *branch* of *case* compares *column* with."""
    if case.this is not None:
        if _is_value(case.this, column) and isinstance(branch.this, exp.Literal):
            yield branch.this.name
        return
    for test in branch.this.find_all(exp.EQ, exp.Glob, exp.In):
        literals = test.expressions if isinstance(test, exp.In) else [test.expression]
        if not _is_value(test.this, column):
            continue
        if isinstance(test.parent, exp.Not):
            yield f"any but {', '.join(literal.name for literal in literals)}"
        else:
            yield from (literal.name for literal in literals if isinstance(literal, exp.Literal))


def _is_value(expression: exp.Expr, column: str) -> bool:
    """Return whether *expression* is the column, or a member of the JSON in it."""
    inner = expression
    while isinstance(inner, exp.Lower | exp.JSONExtract | exp.JSONExtractScalar):
        inner = inner.this
    return isinstance(inner, exp.Column) and inner.name == column


def _names(expression: exp.Expr, column: str) -> bool:
    return any(named.name == column for named in expression.find_all(exp.Column))


def json_members(steps: Iterable[exp.Expr]) -> tuple[str, ...]:
    """Return each member of a JSON column that *steps* read: ``metadata $.tp_order_id``."""
    found = []
    for step in steps:
        for node in step.find_all(exp.JSONExtract, exp.JSONExtractScalar):
            column = node.this.find(exp.Column)
            if column is not None and isinstance(node.expression, exp.JSONPath):
                found.append(f"{column.name} {node.expression.sql('sqlite').strip(chr(39))}")
    return tuple(dict.fromkeys(found))
