"""Operators on the SELECTs of a mapping, through sqlglot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import sqlglot
from sqlglot import exp

from migrator.schema import reader as schema_reader

#: A kind, a place in the file, and the whole new text.
Mutation = tuple[str, str, str]

_MARK = re.compile(r"^-- (?:back|gives|from): *.*$", re.MULTILINE)
#: Functions that are replaced by their first argument.
_WRAPPERS = {"UTC": "time left as it was", "LOWER": "letter case left as it was"}
_RELATIONS: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.GT: exp.GTE, exp.LT: exp.LTE, exp.GTE: exp.GT, exp.LTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}  # fmt: skip

#: A change of a copy of a node: returns another node in its place, or the same node, changed.
Change = Callable[[Any], exp.Expr]
#: A kind, a text that distinguishes it from others of its kind at the node, and the change.
Operator = tuple[str, str, Change]


def mutations(text: str) -> Iterator[Mutation]:
    """Yield every mutation of the mapping file, or the lookup, *text*."""
    yield from _headers(text)
    for part, (begin, end) in _selects(text).items():
        tree = sqlglot.parse_one(text[begin:end], read="sqlite")
        whole = tree.sql("sqlite")
        for number, node in enumerate(tree.walk()):
            for kind, which, change in _operators(node):
                copy = tree.copy()
                spoilt = list(copy.walk())[number]
                changed = change(spoilt)
                if changed is not spoilt:
                    spoilt.replace(changed)
                sql = copy.sql("sqlite")
                if sql != whole:
                    yield (
                        kind,
                        " ".join((f"{part}:", _short(node), which)).strip(),
                        f"{text[:begin]}\n{sql}{text[end:]}",
                    )


def rewritten(text: str) -> str:
    """Return *text* with every SELECT rewritten by sqlglot: the base of the mutants."""
    for begin, end in reversed(_selects(text).values()):
        text = f"{text[:begin]}\n{sqlglot.parse_one(text[begin:end], read='sqlite').sql('sqlite')}{text[end:]}"
    return text


def _selects(text: str) -> dict[str, tuple[int, int]]:
    """Return begin and end of each SELECT of *text*, by its part of the file."""
    marks = [("forward", 0), *((mark[0].strip("-: "), mark.end()) for mark in _MARK.finditer(text))]
    ends = [mark.start() for mark in _MARK.finditer(text)] + [len(text)]
    selects = {}
    for (part, begin), end in zip(marks, ends, strict=True):
        statements = [statement for _, statement in schema_reader.statements(text[begin:end])]
        if statements:
            (statement,) = statements
            start = text.index(statement, begin)
            selects[part] = (start, start + len(statement.removesuffix(";").rstrip()))
    return selects


def _headers(text: str) -> Iterator[Mutation]:
    for line, new, kind in (
        (r"^-- number: *(\w+)$", "-- number: legacy_key", "ids by another order"),
        (r"^-- keep: .*$", "-- keep: legacy_key DESC", "another one of two rivals stays"),
        (r"^-- rest: .*\n", "", "columns that nothing holds not kept"),
    ):
        changed = re.sub(line, new, text, count=1, flags=re.MULTILINE)
        if changed != text:
            yield kind, "header", changed


def _operators(node: exp.Expr) -> Iterator[Operator]:
    """Yield the changes of *node*."""
    for of, operators in _OF.items():
        if isinstance(node, of):
            yield from operators(node)


def _cases(node: exp.Case) -> Iterator[Operator]:
    for number, _ in enumerate(node.args["ifs"]):
        yield "arm of a CASE dropped", str(number), partial(_without_arm, number=number)
    if node.args.get("default") is not None:
        yield "ELSE of a CASE dropped", "", lambda copied: _set(copied, "default", None)


def _conditions(node: exp.If) -> Iterator[Operator]:
    if isinstance(node.parent, exp.Select | exp.Alias):
        yield "condition left out", "", lambda copied: copied.args["true"].copy()


def _coalesces(_: exp.Coalesce) -> Iterator[Operator]:
    yield "COALESCE lost", "", _first
    yield "COALESCE of its second alone", "", lambda copied: copied.expressions[0].copy()


def _wrappers(node: exp.Func) -> Iterator[Operator]:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__.upper()
    if name in _WRAPPERS:
        yield _WRAPPERS[name], "", lambda copied: (copied.expressions[0] if copied.expressions else copied.this).copy()


def _relations(node: exp.Binary) -> Iterator[Operator]:
    if other := _RELATIONS.get(type(node)):
        yield "another relation", "", lambda copied: other(this=copied.this.copy(), expression=copied.expression.copy())


def _connectors(node: exp.Connector) -> Iterator[Operator]:
    if isinstance(node, exp.And):
        yield (
            "AND turned to OR",
            "",
            lambda copied: exp.Or(this=copied.this.copy(), expression=copied.expression.copy()),
        )
        yield "condition dropped", "", _first
    elif isinstance(node, exp.Or):
        yield (
            "OR turned to AND",
            "",
            lambda copied: exp.And(this=copied.this.copy(), expression=copied.expression.copy()),
        )


def _selects_of(node: exp.Select) -> Iterator[Operator]:
    if node.args.get("distinct"):
        yield "DISTINCT dropped", "", lambda copied: _set(copied, "distinct", None)
    if node.parent is None:
        yield from _projections(node)


def _only(kind: str, change: Change) -> Callable[[Any], Iterator[Operator]]:
    def operators(_: Any) -> Iterator[Operator]:
        yield kind, "", change

    return operators


def _first(node: Any) -> exp.Expr:
    argument: exp.Expr = node.this.copy()
    return argument


def _short(node: exp.Expr) -> str:
    if node.parent is None:
        return ""
    text = " ".join(node.sql("sqlite").split())
    column = node.find_ancestor(exp.Alias)
    of = f"{column.alias} " if column is not None else ""
    return of + (text if len(text) <= 60 else f"{text[:40]}...{text[-15:]}")


def _set(node: exp.Expr, name: str, value: object) -> exp.Expr:
    node.set(name, value)
    return node


def _drop(node: exp.Expr, name: str) -> exp.Expr:
    if node.parent is not None:
        node.parent.set(name, None)
    return node


def _without_arm(node: exp.Expr, number: int) -> exp.Expr:
    arms = node.args["ifs"]
    if len(arms) == 1:
        return (node.args.get("default") or exp.null()).copy()
    node.set("ifs", [arm for place, arm in enumerate(arms) if place != number])
    return node


def _joins(node: exp.Join) -> Iterator[Operator]:
    if str(node.args.get("side") or "").upper() == "LEFT":
        yield "LEFT JOIN turned to JOIN", "", lambda copied: _set(copied, "side", None)
    on = node.args.get("on")
    if on is None:
        return
    for number, column in enumerate(on.find_all(exp.Column)):
        if column.table == "s":
            yield "join on another key", str(number), partial(_rename, number=number, name="rowid")
    yield "join on nothing", "", lambda copied: _set(copied, "on", exp.false())


def _rename(node: exp.Expr, number: int, name: str) -> exp.Expr:
    column = list(node.args["on"].find_all(exp.Column))[number]
    column.set("this", exp.to_identifier(name))
    return node


def _literals(node: exp.Literal) -> Iterator[Operator]:
    if node.is_string:
        if node.name:
            yield "another text", "", lambda copied: exp.Literal.string(f"{copied.name}x")
        return
    number = float(node.name)
    if number > 1:
        yield "another scale", "", lambda copied: exp.Literal.number(f"{float(copied.name) * 10:g}")
    yield "another number", "", lambda copied: exp.Literal.number(f"{float(copied.name) + 1:g}")


def _projections(node: exp.Select) -> Iterator[Operator]:
    names = [projection.alias_or_name for projection in node.expressions]
    bare = [place for place, expression in enumerate(node.expressions) if isinstance(expression.unalias(), exp.Column)]
    for place, name in enumerate(names):
        if name in ("legacy_key", "rest", "part"):
            continue
        if not isinstance(node.expressions[place].unalias(), exp.Null):
            yield "column forgotten", name, partial(_projected, place=place, value=exp.null())
        else:
            yield "column invented", name, partial(_projected, place=place, value=exp.Literal.number(0))
    for place, other in pairwise(bare):
        if names[place] != "legacy_key":
            yield (
                "two columns exchanged",
                f"{names[place]} and {names[other]}",
                partial(_exchanged, place=place, other=other),
            )
            yield (
                "column of another",
                f"{names[place]} from {names[other]}",
                partial(_taken, place=place, other=other),
            )


def _projected(node: exp.Expr, place: int, value: exp.Expr) -> exp.Expr:
    name = node.expressions[place].alias_or_name
    projections = list(node.expressions)
    projections[place] = exp.alias_(value, name, quoted=True)
    node.set("expressions", projections)
    return node


def _taken(node: exp.Expr, place: int, other: int) -> exp.Expr:
    return _projected(node, place, node.expressions[other].unalias().copy())


def _exchanged(node: exp.Expr, place: int, other: int) -> exp.Expr:
    first, second = (node.expressions[at].unalias().copy() for at in (place, other))
    return _projected(_projected(node, place, second), other, first)


#: The changes by type of node.
_OF: dict[Any, Callable[[Any], Iterator[Operator]]] = {
    exp.Case: _cases,
    exp.If: _conditions,
    exp.Coalesce: _coalesces,
    exp.Nullif: _only("NULLIF lost", _first),
    exp.Func: _wrappers,
    exp.Join: _joins,
    exp.Where: _only("WHERE dropped", lambda node: _drop(node, "where")),
    exp.Group: _only("GROUP BY dropped", lambda node: _drop(node, "group")),
    exp.Ordered: _only("order turned round", lambda node: _set(node, "desc", not node.args.get("desc"))),
    exp.Binary: _relations,
    exp.Connector: _connectors,
    exp.Literal: _literals,
    (exp.Div, exp.Mul, exp.Add, exp.Sub): _only("arithmetic left out", _first),
    exp.Union: _only("part of a UNION dropped", _first),
    exp.Select: _selects_of,
}
