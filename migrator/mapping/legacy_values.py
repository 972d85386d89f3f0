"""Makes, from a mapping's back SELECT, a SELECT that reads one legacy column's values in the consolidated database."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from migrator.mapping.model import TableMapping
from migrator.mapping.traces import select

#: Functions of migrator's own, which no other connection has.
OWN_FUNCTIONS = frozenset({"utc", "utc_of_epoch", "epoch_of_utc", "local_time", "cell", "text_cell", "cell_of"})
#: Aliases in every back SELECT: the entry in lineage, and the target table.
_LINEAGE, _TARGET = "l", "t"


def reading(mapping: TableMapping, column: str) -> str:
    """Return a SELECT, for a connection to the one consolidated database, of what the legacy *column* held.

    '' if only migrator can compute it: the back SELECT calls a function of migrator's own.
    """
    if column == mapping.key:
        return (
            f"SELECT DISTINCT legacy_key FROM lineage WHERE source = '{mapping.source}' AND target = '{mapping.table}'"
        )
    made = select(mapping.back).copy()
    expression = next(part for part in made.expressions if part.alias_or_name == column).unalias()
    if is_in_rest(mapping, column):
        rest = "max(l.rest)" if made.args.get("group") else "l.rest"
        expression = _from_rest(column, expression, rest)
    made.set("expressions", [expression])
    if not made.args.get("group") and not made.args.get("with_"):
        _prune(made, mapping.table)
    for table in made.find_all(exp.Table):
        table.set("db", None)
    called = {function.name if isinstance(function, exp.Anonymous) else function.sql_name() for function in
              made.find_all(exp.Func)}  # fmt: skip
    return "" if OWN_FUNCTIONS & {name.lower() for name in called} else written(made)


def written(tree: exp.Expr) -> str:
    """Return *tree* as SQL for SQLite on one line."""
    return tree.sql("sqlite", normalize_functions="lower", comments=False)


def is_in_rest(mapping: TableMapping, column: str) -> bool:
    """Return whether only lineage.rest holds the legacy *column*: back computes the same for every row."""
    computed = next(part for part in select(mapping.back).expressions if part.alias_or_name == column)
    return column in mapping.rest or computed.find(exp.Column) is None


def _from_rest(column: str, computed: exp.Expr, rest: str) -> exp.Expr:
    """Return the expression of a cell that lineage.rest keeps where it differs from what back computes."""
    path = f"$.{column}"
    return sqlglot.parse_one(
        f"iif(json_type({rest}, '{path}') IS NULL, {computed.sql('sqlite')}, json_extract({rest}, '{path}[0]'))",
        read="sqlite",
    )


def _prune(made: exp.Select, table: str) -> None:
    """Take from *made* the tables that its one expression does not need."""
    joins = {join.this.alias_or_name: join for join in made.args.get("joins", ())}
    (expression,) = made.expressions
    needed: set[str] = set()
    waiting = {column.table for column in expression.find_all(exp.Column)} or {_TARGET}
    while waiting:
        alias = waiting.pop()
        needed.add(alias)
        if alias in joins and alias != _TARGET:
            waiting |= {column.table for column in joins[alias].args["on"].find_all(exp.Column)} - needed
    if _TARGET in joins and isinstance(joins[_TARGET].this, exp.Subquery):
        used = {column.name for column in expression.find_all(exp.Column) if column.table == _TARGET}
        if used <= _only_guarded(joins[_TARGET].this):
            joins[_TARGET].set("this", exp.alias_(exp.to_table(table), _TARGET, table=True))
    if _LINEAGE not in needed:
        made.set("from_", exp.From(this=joins[_TARGET].this))
        made.set("where", None)
        needed.discard(_TARGET)
    made.set("joins", [join for alias, join in joins.items() if alias in needed])
    if not made.args["joins"] and _LINEAGE not in needed and isinstance(made.args["from_"].this, exp.Table):
        made.set("from_", exp.From(this=exp.to_table(table)))
        for column in made.find_all(exp.Column):
            column.set("table", None)


def _only_guarded(subquery: exp.Subquery) -> set[str]:
    """Return the columns of *subquery* that are columns of its table, at most guarded against invalid JSON."""
    return {
        part.alias_or_name
        for part in subquery.this.expressions
        if isinstance(part, exp.Column) or {column.name for column in part.find_all(exp.Column)} == {part.alias}
    }
