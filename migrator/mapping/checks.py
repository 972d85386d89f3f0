"""Checks of a mapping file: its columns, the tables it reads, and that no legacy column is lost."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

from migrator.errors import MappingError


def uses_of(forward: exp.Select, source: str, file: str, above: int) -> dict[str, tuple[str, ...]]:
    """Return column of *source* -> target columns that are computed from it, by sqlglot's lineage.

    A column that only joins a row of another table (``p.legacy_key = s.position_id``) feeds the columns of that table; one that
    only filters rows feeds ``(rows)``.  The SELECT begins *above* lines down the file.

    Raises:
        MappingError: A column is of no table, or of more than one.
    """
    fed: dict[str, list[str]] = {}
    finders = _finders(forward)
    try:
        # Without trimmed copies of the SELECT for every column, which take most of the time and are only for display.
        traced = lineage(None, forward, {}, dialect="sqlite", copy=False, trim_selects=False)
    except SqlglotError as error:
        lost = next((column.this for column in forward.find_all(exp.Column) if not column.table), forward)
        where = _at(lost, file, above)
        raise MappingError(str(error).splitlines()[0], where=where, hint="write the table before the column") from error
    for target, node in traced.items():
        for leaf in node.walk():
            alias, _, name = leaf.name.replace('"', "").partition(".")
            table = leaf.source if isinstance(leaf.source, exp.Table) else None
            if table is not None and f"{table.db}.{table.name}" == source:
                fed.setdefault(name, []).append(target)
            for finder in finders.get(alias, ()):
                fed.setdefault(finder, []).append(target)
    for column in forward.find_all(exp.Column):
        if column.table == "s":
            fed.setdefault(column.name, []).append("(rows)")
    # Sorted, since lineage iterates over sets, whose order differs from run to run.
    return {
        name: tuple(dict.fromkeys(target for target in targets if target != "(rows)")) or ("(rows)",)
        for name, targets in sorted(fed.items())
    }


def _finders(forward: exp.Select) -> dict[str, tuple[str, ...]]:
    """Return alias -> columns of the source that join its row."""
    return {
        join.this.alias_or_name: tuple(
            column.name for column in join.args["on"].find_all(exp.Column) if column.table == "s"
        )
        for join in forward.find_all(exp.Join)
        if join.args.get("on") is not None
    }


def check_back(back: exp.Select, legacy_columns: tuple[str, ...], file: str) -> None:
    """Check that back gives every legacy column, in order.

    Raises:
        MappingError: It does not.
    """
    names = tuple(projection.alias_or_name for projection in back.expressions)
    if names != ("legacy_key", "rest", *legacy_columns):
        wrong = [name for name in ("legacy_key", "rest", *legacy_columns) if name not in names]
        raise MappingError(
            f"the back SELECT has to give legacy_key, rest and every legacy column in order; "
            f"{'missing ' + ', '.join(wrong) if wrong else 'their order or number differs'}",
            where=f"{file}:1:1",
        )


def check_every_column_is_kept(
    legacy: tuple[str, ...], uses: Mapping[str, object], rest: tuple[str, ...], key: str, file: str
) -> None:
    """Check that each legacy column is used, kept in rest, or the key.

    Raises:
        MappingError: One is not, or is in rest without need.
    """
    for name in rest:
        if name not in legacy:
            raise MappingError(f"'rest' names {name}, which the source does not have", where=f"{file}:1:1")
        if name in uses:
            raise MappingError(f"{name} is used and is in 'rest' too", where=f"{file}:1:1", hint="take it out of rest")
    for name in legacy:
        if name not in uses and name not in rest and name != key:
            raise MappingError(
                f"legacy column {name} is neither used nor in 'rest'",
                where=f"{file}:1:1",
                hint="use it, or list it in 'rest'",
            )


def _at(node: exp.Expression, file: str, above: int) -> str:
    return f"{file}:{above + node.meta.get('line', 1)}:{node.meta.get('col', 1)}"


def check_reads(forward: exp.Select, allowed: set[str], file: str, above: int) -> None:
    """Check that only declared tables are read; the SELECT begins *above* lines down the file.

    Raises:
        MappingError: Another table is read.
    """
    for table in forward.find_all(exp.Table):
        name = f"{table.db}.{table.name}" if table.db else table.name
        # A table-valued function (json_each) reads its arguments.
        if name not in allowed and table.db and not isinstance(table.this, exp.Anonymous):
            raise MappingError(f"reads {name}, which its header does not declare", where=_at(table.this, file, above))


def check_columns(names: list[str], columns: tuple[str, ...], known: list[str], table: str, file: str) -> None:
    """Check that each column that a row of *table* fills is given exactly once.

    Raises:
        MappingError: One is missing, doubled or unknown.
    """
    if not known:
        raise MappingError(f"the specification has no table {table}", where=f"{file}:1:1")
    if names[:1] != ["legacy_key"]:
        raise MappingError("the forward SELECT has to begin with legacy_key", where=f"{file}:1:1")
    for name in columns:
        if name not in known:
            raise MappingError(
                f"{table} takes no column {name}", where=f"{file}:1:1", hint=f"it takes {', '.join(known)}"
            )
    for name in known:
        if columns.count(name) != 1:
            raise MappingError(f"column {name} of {table} appears {columns.count(name)} times", where=f"{file}:1:1")
