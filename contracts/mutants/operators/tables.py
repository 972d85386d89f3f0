"""Operators on a specified table: its constraints, its columns, and the table itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from contracts.mutants.operators import checks as operators_checks
from migrator.schema.model import Column, ForeignKey, Index, IndexColumn, Schema, Table
from migrator.system.connections import quoted

#: A kind, a place, and the new CREATE TABLE; '' to remove the table.
Mutation = tuple[str, str, str]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ACTIONS = ("SET NULL", "CASCADE", "RESTRICT", "SET DEFAULT", "NO ACTION")
#: By type: a type of another affinity, and another name for the same affinity.
_OTHER = {"INTEGER": "TEXT", "REAL": "TEXT", "TEXT": "INTEGER", "TIMESTAMP": "INTEGER"}
_ALIAS = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR(255)", "TIMESTAMP": "DATETIME"}


def create(table: Table, after: Mapping[str, str] = _NOTHING, tail: str = "") -> str:
    """Return the CREATE TABLE of *table*, with text *after* columns and at the *tail*."""
    alone = sum(bool(column.primary_key) for column in table.columns) == 1
    lines = [_column(column, table, after.get(column.name, ""), keyed=alone) for column in table.columns]
    if not alone and any(column.primary_key for column in table.columns):
        keyed = sorted((column.primary_key, column.name) for column in table.columns if column.primary_key)
        lines.append(f"PRIMARY KEY ({', '.join(quoted(name) for _, name in keyed)})")
    lines += [
        f"UNIQUE ({', '.join(quoted(str(column.name)) for column in unique.columns)})"
        for unique in table.uniques
        if unique.origin == "unique"
    ]
    lines += [f"CHECK ({check.expression})" for check in table.checks]
    lines += [_reference(key) for key in table.foreign_keys]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)}){tail}"


def _column(column: Column, table: Table, after: str, *, keyed: bool) -> str:
    words = [quoted(column.name), column.type]
    if column.primary_key and keyed:
        words.append("PRIMARY KEY AUTOINCREMENT" if table.autoincrement else "PRIMARY KEY")
    if column.not_null:
        words.append("NOT NULL")
    if column.default is not None:
        words.append(f"DEFAULT {column.default}")
    return " ".join(word for word in (*words, after) if word)


def _reference(key: ForeignKey) -> str:
    columns, parents = ", ".join(map(quoted, key.columns)), ", ".join(map(quoted, key.parent_columns))
    return (
        f"FOREIGN KEY ({columns}) REFERENCES {quoted(key.parent)}({parents})"
        f" ON DELETE {key.on_delete} ON UPDATE {key.on_update}"
    )


def mutations(table: Table, schema: Schema) -> Iterator[Mutation]:
    """Yield every mutation of *table*."""
    yield from _keys(table)
    for column in table.columns:
        yield from _not_nulls(table, column)
        yield from _defaults(table, column)
        yield from _columns(table, column)
    yield from _order(table)
    yield from _uniques(table)
    yield from _references(table, schema)
    for kind, where, checks in operators_checks.mutations(table):
        yield kind, where, create(replace(table, checks=checks))
    yield "table removed", table.name, ""
    yield "table renamed", table.name, create(replace(table, name=f"{table.name}_new"))


def _with(table: Table, of: str, /, **changes: object) -> Table:
    """Return *table* with its column *of* changed."""
    columns = tuple(replace(column, **changes) if column.name == of else column for column in table.columns)  # type: ignore[arg-type]  # the mutant names the fields
    return replace(table, columns=columns)


def _keys(table: Table) -> Iterator[Mutation]:
    key = next(column for column in table.columns if column.primary_key)
    where = f"{table.name}.{key.name}"
    other = next(column for column in table.columns if not column.primary_key)
    without = replace(_with(table, key.name, primary_key=0), autoincrement=False)
    yield "PRIMARY KEY removed", where, create(without)
    yield "PRIMARY KEY on another column", where, create(_with(without, other.name, primary_key=1))
    yield (
        "PRIMARY KEY over one more column",
        where,
        create(_with(_with(without, key.name, primary_key=1), other.name, primary_key=2)),
    )
    whole = create(table)
    yield "PRIMARY KEY that replaces", where, whole.replace("PRIMARY KEY", "PRIMARY KEY ON CONFLICT REPLACE", 1)
    if table.autoincrement:
        yield "AUTOINCREMENT removed", where, create(replace(table, autoincrement=False))
        yield (
            "integer PRIMARY KEY that is no rowid",
            where,
            whole.replace("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY DESC", 1),
        )
    elif key.type == "INTEGER":
        yield "AUTOINCREMENT added", where, create(replace(table, autoincrement=True))
    else:
        yield "WITHOUT ROWID added", table.name, create(table, tail=" WITHOUT ROWID")
        yield "PRIMARY KEY with a collation", where, create(table, {key.name: "COLLATE NOCASE"})


def _not_nulls(table: Table, column: Column) -> Iterator[Mutation]:
    where = f"{table.name}.{column.name}"
    if column.not_null:
        yield "NOT NULL removed", where, create(_with(table, column.name, not_null=False))
        ignoring = create(table).replace(
            f"{quoted(column.name)} {column.type} NOT NULL",
            f"{quoted(column.name)} {column.type} NOT NULL ON CONFLICT IGNORE",
        )
        yield "NOT NULL that ignores", where, ignoring
    elif not column.primary_key:
        yield "NOT NULL added", where, create(_with(table, column.name, not_null=True))


def _defaults(table: Table, column: Column) -> Iterator[Mutation]:
    where = f"{table.name}.{column.name}"
    if column.default is None:
        if not column.primary_key:
            yield "DEFAULT added", where, create(_with(table, column.name, default="0"))
        return
    yield "DEFAULT removed", where, create(_with(table, column.name, default=None))
    other = "CURRENT_DATE" if column.default == "CURRENT_TIMESTAMP" else "7"
    yield "DEFAULT of another value", where, create(_with(table, column.name, default=other))
    if column.default != "CURRENT_TIMESTAMP":
        yield (
            "DEFAULT of another storage class",
            where,
            create(_with(table, column.name, default=f"'{column.default}'")),
        )


def _columns(table: Table, column: Column) -> Iterator[Mutation]:
    where = f"{table.name}.{column.name}"
    if column.primary_key:
        return
    kept = tuple(kept_column for kept_column in table.columns if kept_column.name != column.name)
    named = {name for check in table.checks for name in check.columns}
    named |= {name for key in table.foreign_keys for name in key.columns}
    named |= {str(part.name) for unique in table.uniques for part in unique.columns}
    if column.name not in named:
        yield "column removed", where, create(replace(table, columns=kept))
        yield "column renamed", where, create(_with(table, column.name, name=f"{column.name}_1"))
        if not column.not_null and column.default is None:
            # A column that another tool may have added and left empty.
            yield "column computed", where, create(table, {column.name: "GENERATED ALWAYS AS (NULL)"})
    yield "column in capitals", where, create(_with(table, column.name, name=column.name.upper()))
    yield "type of another affinity", where, create(_with(table, column.name, type=_OTHER[column.type]))
    yield "type under another name", where, create(_with(table, column.name, type=_ALIAS[column.type]))
    if column.type == "TEXT":
        yield "collation added", where, create(table, {column.name: "COLLATE NOCASE"})


def _order(table: Table) -> Iterator[Mutation]:
    *first, last = table.columns
    yield "columns in another order", table.name, create(replace(table, columns=(first[0], last, *first[1:])))
    added = Column(name="added_by_somebody", type="TEXT")
    yield "column added", table.name, create(replace(table, columns=(*table.columns, added)))


def _unique(table: Table, *names: str) -> Index:
    return Index(name="", table=table.name, columns=tuple(IndexColumn(name=name) for name in names), origin="unique")


def _uniques(table: Table) -> Iterator[Mutation]:
    own = [unique for unique in table.uniques if unique.origin == "unique"]
    taken = {unique.columns[0].name for unique in own}
    plain = [column for column in table.columns if not column.primary_key and column.name not in taken]
    for unique in own:
        name = str(unique.columns[0].name)
        where, rest = f"{table.name}.{name}", tuple(other for other in table.uniques if other is not unique)
        yield "UNIQUE removed", where, create(replace(table, uniques=rest))
        for other in plain[:1]:
            wider, moved = _unique(table, name, other.name), _unique(table, other.name)
            yield "UNIQUE over one more column", where, create(replace(table, uniques=(*rest, wider)))
            yield "UNIQUE on another column", where, create(replace(table, uniques=(*rest, moved)))
        whole = create(table)
        unique_sql = f"UNIQUE ({quoted(name)})"
        yield "UNIQUE that replaces", where, whole.replace(unique_sql, f"{unique_sql} ON CONFLICT REPLACE")
        yield "UNIQUE that ignores", where, whole.replace(unique_sql, f"{unique_sql} ON CONFLICT IGNORE")
        yield "UNIQUE with a collation", where, create(table, {name: "COLLATE NOCASE"})
    for column in plain:
        more = (*table.uniques, _unique(table, column.name))
        yield "UNIQUE added", f"{table.name}.{column.name}", create(replace(table, uniques=more))


def _references(table: Table, schema: Schema) -> Iterator[Mutation]:
    for key in table.foreign_keys:
        where = f"{table.name}.{key.columns[0]}"
        others = tuple(other for other in table.foreign_keys if other is not key)

        def changed(key: ForeignKey = key, others: tuple[ForeignKey, ...] = others, **changes: object) -> str:
            return create(replace(table, foreign_keys=(*others, replace(key, **changes))))  # type: ignore[arg-type]  # the mutant names the fields

        yield "FOREIGN KEY removed", where, create(replace(table, foreign_keys=others))
        for parent in (candidate for candidate in schema.tables if candidate.name not in (key.parent, table.name)):
            its_key = next(column for column in parent.columns if column.primary_key)
            yield (
                "FOREIGN KEY to another table",
                where,
                changed(parent=parent.name, parent_columns=(its_key.name,)),
            )
        child = next(column for column in table.columns if column.name not in (*key.columns, "id"))
        yield "FOREIGN KEY of another column", where, changed(columns=(child.name,))
        own = {
            unique.columns[0].name for parent in schema.tables if parent.name == key.parent for unique in parent.uniques
        }
        for name in sorted(str(unique_column) for unique_column in own if unique_column not in key.parent_columns):
            yield "FOREIGN KEY to another column", where, changed(parent_columns=(name,))
        for action in _ACTIONS:
            if action != key.on_delete:
                yield f"ON DELETE {action} instead", where, changed(on_delete=action)
            if action != key.on_update:
                yield f"ON UPDATE {action} instead", where, changed(on_update=action)
        whole = create(table)
        deferred = _reference(key) + " DEFERRABLE INITIALLY DEFERRED"
        yield "FOREIGN KEY deferred", where, whole.replace(_reference(key), deferred)
    free = next(
        (column for column in table.columns if column.type == "INTEGER" and not column.primary_key and not
         any(column.name in key.columns for key in table.foreign_keys)), None)  # fmt: skip
    parents = [parent for parent in schema.tables if parent.name != table.name and parent.autoincrement]
    if free and parents:
        more = ForeignKey(columns=(free.name,), parent=parents[0].name, parent_columns=("id",))
        added = replace(table, foreign_keys=(*table.foreign_keys, more))
        yield "FOREIGN KEY added", f"{table.name}.{free.name}", create(added)


def additions(table: Table) -> Iterator[Mutation]:
    """Yield additional objects on *table* or beside it."""
    name, column = quoted(table.name), quoted(table.columns[1].name)
    yield "trigger that deletes", table.name, f"CREATE TRIGGER t AFTER INSERT ON {name} BEGIN DELETE FROM {name}; END"
    ignoring = "CREATE TRIGGER t BEFORE INSERT ON {} BEGIN SELECT RAISE(IGNORE); END"
    yield "trigger that ignores", table.name, ignoring.format(name)
    yield "view on it", table.name, f"CREATE VIEW {quoted(table.name + '_v')} AS SELECT * FROM {name}"
    yield "copy of it", table.name, f"CREATE TABLE {quoted(table.name + '_old')} AS SELECT * FROM {name}"
    yield "index that was not ordered", table.name, f"CREATE INDEX {quoted('idx_' + table.name)} ON {name}({column})"


def loosened(table: Table) -> Iterator[Mutation]:
    """Yield faults in the declaration of lineage or quarantine."""
    for column in table.columns:
        if column.not_null:
            where = f"{table.name}.{column.name}"
            yield "our NOT NULL removed", where, create(_with(table, column.name, not_null=False))
        if not column.type:
            # An untyped column keeps a key as stored; with an affinity '1' becomes 1.
            where = f"{table.name}.{column.name}"
            yield "our untyped column given a type", where, create(_with(table, column.name, type="INTEGER"))
