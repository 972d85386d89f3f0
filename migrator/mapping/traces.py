"""Traces each output column of a mapping's SELECT to the columns that it is computed from, by sqlglot's lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One output column of a SELECT.

    Attributes:
        name: The output column.
        sql: Its expression; where that only names a column of a WITH clause, the expression there.
        steps: All expressions on the way from the output column to columns of tables.
        reads: The columns of tables that it is computed from: ``database.table`` and column.
    """

    name: str
    sql: exp.Expr
    steps: tuple[exp.Expr, ...]
    reads: frozenset[tuple[str, str]]


def traces(tree: exp.Select, known: dict[str, dict[str, dict[str, str]]]) -> Mapping[str, Trace]:
    """Return the trace of each output column of a SELECT that a mapping's reader has checked.

    *known* is database -> table -> column -> type, for all tables of the SELECT or for none; it is needed where a column of
    a subquery is named without its table.
    """
    # Lineage qualifies the tree that it is given.
    found = lineage(None, tree.copy(), known, dialect="sqlite", copy=False, trim_selects=False)
    return {name: _trace(name, node) for name, node in found.items()}


@cache
def select(text: str) -> exp.Select:
    """Return a mapping's SELECT, parsed once: to be copied before it is changed.  Its reader has checked that it is one."""
    tree = sqlglot.parse_one(text, read="sqlite")
    if not isinstance(tree, exp.Select):
        raise TypeError(text)
    return tree


def _trace(name: str, node: Node) -> Trace:
    steps = tuple(step.expression.unalias() for step in node.walk() if not isinstance(step.source, exp.Table))
    reads = frozenset(
        (f"{leaf.source.db}.{leaf.source.name}", leaf.name.replace('"', "").rpartition(".")[2])
        for leaf in node.walk()
        if isinstance(leaf.source, exp.Table)
    )
    return Trace(name=name, sql=_first_computed(node), steps=steps, reads=reads)


def _first_computed(node: Node) -> exp.Expr:
    """Return the first expression on the way down that is more than the name of a column of a WITH clause."""
    expression = node.expression.unalias()
    below = [step for step in node.downstream if not isinstance(step.source, exp.Table)]
    if isinstance(expression, exp.Column) and len(below) == 1:
        return _first_computed(below[0])
    return expression
