"""Reads CREATE statements with sqlglot, and compares the result with what SQLite reads.

sqlglot's classes are never subclassed, and SQL that it writes is only compared, never executed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from migrator.schema.model import Check, Difference, ForeignKey, Index, Table


@lru_cache(maxsize=1024)
def reconcile_table(stored: Table, sql: str) -> tuple[Table, tuple[Difference, ...]]:
    """Return the table as *stored*, with what only sqlglot reads in *sql* added, and the differences."""
    create, reason = _parse(sql)
    if create is None:
        return stored, (Difference(where=stored.name, what=f"{reason}; SQLite alone decides, CHECKs are not read"),)
    differences = []
    definitions = {definition.name: definition for definition in create.this.find_all(exp.ColumnDef)}
    for column in stored.columns:
        where = f"{stored.name}.{column.name}"
        definition = definitions.get(column.name)
        if definition is None:
            continue
        written = definition.kind.sql("sqlite") if definition.kind else ""
        if written.upper() != column.type.upper():
            differences.append(Difference(where=where, what=f"the type {column.type} is written {written}"))
        kinds = [constraint.kind for constraint in definition.find_all(exp.ColumnConstraint)]
        defaults = [kind.this.unnest().sql("sqlite") for kind in kinds if isinstance(kind, exp.DefaultColumnConstraint)]
        differences += _contradiction(
            where, "DEFAULT", defaults, [] if column.default is None else [normalised(column.default)]
        )
        # A key of a WITHOUT ROWID or STRICT table is NOT NULL without a declaration.
        if not (column.primary_key and (stored.without_rowid or stored.strict)):
            not_null = any(
                isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null") for kind in kinds
            )
            differences += _contradiction(where, "NOT NULL", not_null, column.not_null)
    # A column without a type is a bare identifier to sqlglot.
    names = [part.name for part in create.this.expressions if isinstance(part, exp.ColumnDef | exp.Identifier)]
    uniques = [unique for unique in stored.uniques if unique.origin == "unique"]
    return (
        replace(
            stored,
            checks=_checks(create),
            autoincrement=create.find(exp.AutoIncrementColumnConstraint) is not None,
        ),
        (
            *differences,
            *_contradiction(stored.name, "columns", names, [column.name for column in stored.columns]),
            *_contradiction(stored.name, "PRIMARY KEY", _primary_key(create), _stored_primary_key(stored)),
            *_contradiction(
                stored.name,
                "UNIQUE",
                sorted(_uniques(create)),
                sorted(tuple(str(column.name) for column in unique.columns) for unique in uniques),
            ),
            *_contradiction(stored.name, "FOREIGN KEY", _foreign_keys(create), stored.foreign_keys),
        ),
    )


@lru_cache(maxsize=1024)
def reconcile_index(stored: Index, sql: str) -> tuple[Index, tuple[Difference, ...]]:
    """Return the index as *stored*, with the condition of a partial one, and the differences."""
    create, reason = _parse(sql)
    if create is None:
        return stored, (Difference(where=stored.name, what=f"{reason}; SQLite alone decides"),)
    parameters = create.this.args["params"]
    columns = [_index_column(ordered) for ordered in parameters.args["columns"]]
    where = parameters.args.get("where")
    return (
        replace(
            stored,
            where=where.this.sql("sqlite") if where else None,
            where_columns=tuple(sorted({column.name for column in where.find_all(exp.Column)})) if where else (),
        ),
        (
            *_contradiction(
                stored.name, "columns", columns, [(column.name, column.descending) for column in stored.columns]
            ),
            *_contradiction(stored.name, "UNIQUE", bool(create.args.get("unique")), stored.unique),
        ),
    )


def _index_column(ordered: exp.Ordered) -> tuple[str | None, bool]:
    indexed = ordered.this.this if isinstance(ordered.this, exp.Collate) else ordered.this
    return indexed.name if isinstance(indexed, exp.Column) else None, bool(ordered.args.get("desc"))


def normalised(expression: str) -> str:
    """Return the SQL *expression* as sqlglot writes it, or with its white space folded if sqlglot cannot parse it."""
    try:
        return sqlglot.parse_one(expression, read="sqlite").sql("sqlite")
    except SqlglotError:
        return " ".join(expression.split())


@lru_cache(maxsize=256)
def _parse(sql: str) -> tuple[exp.Create | None, str]:
    """Return the statement as a tree that callers must not change, or None and why sqlglot cannot parse it.

    Cached: a judged database mostly has the statements of the specification.
    """
    with listening() as heard:
        try:
            tree = sqlglot.parse_one(sql, read="sqlite")
        except SqlglotError as error:
            return None, f"sqlglot cannot read it ({str(error).splitlines()[0]})"
    if heard or not isinstance(tree, exp.Create):
        return None, "sqlglot reads it as an opaque command"
    return tree, ""


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect sqlglot's warnings instead of printing them: a warning means that it gave up on a statement."""
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("sqlglot")
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield heard
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def _contradiction(where: str, what: str, sqlglot_says: object, sqlite_says: object) -> list[Difference]:
    if sqlglot_says == sqlite_says:
        return []
    return [
        Difference(
            where=where,
            what=f"{what}: sqlglot reads {sqlglot_says}, SQLite stores {sqlite_says}",
            contradiction=True,
        )
    ]


def _primary_key(create: exp.Create) -> list[str]:
    for part in create.this.expressions:
        for key in part.find_all(exp.PrimaryKey):
            return [column.name for column in key.expressions]
    return [
        definition.name
        for definition in create.this.find_all(exp.ColumnDef)
        if definition.find(exp.PrimaryKeyColumnConstraint)
    ]


def _stored_primary_key(table: Table) -> list[str]:
    keyed = sorted((column.primary_key, column.name) for column in table.columns if column.primary_key)
    return [name for _, name in keyed]


def _uniques(create: exp.Create) -> Iterator[tuple[str, ...]]:
    for unique in create.this.find_all(exp.UniqueColumnConstraint):
        if isinstance(unique.this, exp.Schema):
            yield tuple(column.name for column in unique.this.expressions)
        elif (definition := unique.find_ancestor(exp.ColumnDef)) is not None:
            yield (definition.name,)


def _foreign_keys(create: exp.Create) -> tuple[ForeignKey, ...]:
    keys = []
    for reference in create.this.find_all(exp.Reference):
        owner = reference.find_ancestor(exp.ForeignKey)
        if owner is not None:
            columns = tuple(column.name for column in owner.expressions)
        else:
            definition = reference.find_ancestor(exp.ColumnDef)
            columns = (definition.name,) if definition is not None else ()
        parent = reference.this
        named = parent.expressions if isinstance(parent, exp.Schema) else []
        keys.append(
            ForeignKey(
                columns=columns,
                parent=parent.this.name if isinstance(parent, exp.Schema) else parent.name,
                parent_columns=tuple(column.name for column in named),
                on_delete=_action(reference, "ON DELETE "),
                on_update=_action(reference, "ON UPDATE "),
            )
        )
    return tuple(sorted(keys, key=repr))


def _action(reference: exp.Reference, event: str) -> str:
    for option in reference.args.get("options") or ():
        if str(option).upper().startswith(event):
            return str(option).upper().removeprefix(event)
    return "NO ACTION"


def _checks(create: exp.Create) -> tuple[Check, ...]:
    checks = [
        Check(
            expression=check.this.sql("sqlite"),
            columns=tuple(sorted({column.name for column in check.this.find_all(exp.Column)})),
        )
        for check in create.this.find_all(exp.CheckColumnConstraint)
    ]
    return tuple(sorted(checks, key=lambda check: check.expression))
