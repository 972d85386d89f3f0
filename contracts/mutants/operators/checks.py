"""Operators on the CHECK constraints of a table, through sqlglot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sqlglot
from sqlglot import exp

from migrator.schema.model import Check, Table

#: A kind, a place, and the new CHECKs of the table.
Mutation = tuple[str, str, tuple[Check, ...]]

_RELATIONS: dict[type[exp.Expr], tuple[type[exp.Binary], ...]] = {
    exp.GTE: (exp.GT, exp.LTE, exp.EQ, exp.NEQ),
    exp.LTE: (exp.LT, exp.GTE, exp.EQ, exp.NEQ),
}


def mutations(table: Table) -> Iterator[Mutation]:
    """Yield every mutation of the CHECKs of *table*, and an additional CHECK."""
    for check in table.checks:
        where = f"{table.name}.{check.columns[0]}"
        others = tuple(other for other in table.checks if other is not check)
        yield "CHECK removed", where, others
        for kind, expression in _expressions(check, table):
            yield kind, where, (*others, replace(check, expression=expression))
    column = next(candidate for candidate in table.columns if not candidate.primary_key)
    more = Check(expression=f"{column.name} IS NULL OR length({column.name}) < 1000000", columns=(column.name,))
    yield "CHECK added", f"{table.name}.{column.name}", (*table.checks, more)


def _expressions(check: Check, table: Table) -> Iterator[tuple[str, str]]:
    (name,) = check.columns
    yield "CHECK that is always true", f"{check.expression} OR 1"
    yield "CHECK that takes NULL for false", f"coalesce({check.expression}, 0)"
    yield "CHECK turned into its opposite", f"NOT ({check.expression})"
    other = next(candidate for candidate in table.columns if candidate.name != name and not candidate.primary_key)
    yield "CHECK of another column", _of_column(check, other.name)
    tree = sqlglot.parse_one(check.expression, read="sqlite")
    if isinstance(tree, exp.In):
        values = [literal.name for literal in tree.expressions]
        for value in values:
            yield "CHECK without one of its values", _listed(name, [kept for kept in values if kept != value])
            yield (
                "CHECK with a value in capitals",
                _listed(name, [listed.upper() if listed == value else listed for listed in values]),
            )
        yield "CHECK with one value more", _listed(name, [*values, "other one"])
        yield "CHECK with the empty string", _listed(name, [*values, ""])
        yield "CHECK blind to letter case", f"{name} COLLATE NOCASE IN ({', '.join(map(repr, values))})"
        yield "CHECK blind to blanks behind", f"rtrim({name}) IN ({', '.join(map(repr, values))})"
        return
    for number, bound in enumerate(tree.flatten()):
        for relation in _RELATIONS[type(bound)]:
            yield "CHECK with another relation", _bound(check, number, relation=relation)
        yield "CHECK with another limit", _bound(check, number, limit=float(bound.expression.name) + 0.5)
        yield "CHECK without one of its limits", _bound(check, 1 - number, only=True)
    yield "CHECK with OR for AND", check.expression.replace(" AND ", " OR ")


def _listed(name: str, values: list[str]) -> str:
    return f"{name} IN ({', '.join(map(repr, values))})"


def _bound(
    check: Check,
    number: int,
    *,
    relation: type[exp.Binary] | None = None,
    limit: float | None = None,
    only: bool = False,
) -> str:
    """Return the range with its bound *number* changed, or only that bound."""
    bounds = list(sqlglot.parse_one(check.expression, read="sqlite").flatten())
    bound = bounds[number]
    if only:
        return str(bound.sql("sqlite"))
    changed = (relation or type(bound))(
        this=bound.this.copy(), expression=exp.Literal.number(limit) if limit is not None else bound.expression.copy()
    )
    bounds[number] = changed
    return " AND ".join(bound.sql("sqlite") for bound in bounds)


def _of_column(check: Check, name: str) -> str:
    tree = sqlglot.parse_one(check.expression, read="sqlite")
    return str(tree.transform(lambda node: exp.column(name) if isinstance(node, exp.Column) else node).sql("sqlite"))
