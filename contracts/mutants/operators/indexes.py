"""Operators on the specified indexes, and on the full-text table."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.schema.model import Index, Schema, VirtualTable
from migrator.system.connections import quoted

#: A kind, and the new statement; '' to remove the object.
Mutation = tuple[str, str]


def mutations(index: Index, schema: Schema) -> Iterator[Mutation]:
    """Yield every mutation of *index*."""
    table = schema.table(index.table)
    columns = [f"{quoted(str(column.name))}{' DESC' if column.descending else ''}" for column in index.columns]
    own, others = index.columns[0], columns[1:]
    column, direction = quoted(str(own.name)), " DESC" if own.descending else ""
    named = {part.name for part in index.columns}
    other = next(quoted(name.name) for name in table.columns if not name.primary_key and name.name not in named)
    condition = f" WHERE {index.where}" if index.where else ""

    def made(
        *of: str, name: str = index.name, on: str = index.table, unique: bool = index.unique, tail: str = ""
    ) -> str:
        kind = "UNIQUE INDEX" if unique else "INDEX"
        return f"CREATE {kind} {quoted(name)} ON {quoted(on)}({', '.join(of)}){tail or condition}"

    yield "index removed", ""
    yield "index of another direction", made(column + ("" if own.descending else " DESC"), *others)
    yield "index on another column", made(other + direction, *others)
    yield "index over one more column", made(*columns, other)
    yield "index behind another column", made(other, *columns)
    if not index.unique:
        yield "index UNIQUE", made(*columns, unique=True)
    yield "index with a collation", made(f"{column} COLLATE NOCASE{direction}", *others)
    more = f"{condition} AND {column} > ''" if condition else f" WHERE {column} IS NOT NULL"
    yield "index of some rows only", made(*columns, tail=more)
    yield "index on an expression", made(f"lower({column}){direction}", *others)
    yield "index renamed", made(*columns, name=f"{index.name}_1")
    elsewhere = [other_table for other_table in schema.tables if other_table.name != table.name]
    free = next(name.name for name in elsewhere[0].columns if not name.primary_key)
    yield (
        "index on another table",
        f"CREATE INDEX {quoted(index.name)} ON {quoted(elsewhere[0].name)}({quoted(free)}{direction})",
    )


def of_virtual(table: VirtualTable) -> Iterator[Mutation]:
    """Yield every mutation of a full-text table."""
    columns = list(table.columns)
    plain = [column.split()[0] for column in columns]
    options = {key: f"{key} = '{value}'" for key, value in table.options}

    def made(columns: list[str] = columns, module: str = table.module, **changes: str) -> str:
        arguments = [*columns, *(options | changes).values()]
        return f"CREATE VIRTUAL TABLE {quoted(table.name)} USING {module}({', '.join(argument for argument in arguments if argument)})"

    yield "full-text table removed", ""
    yield "full-text table as an ordinary one", f"CREATE TABLE {quoted(table.name)} ({', '.join(plain)})"
    yield "full-text table of another module", made(module="fts4", tokenize="tokenize=porter")
    for tokenizer in ("unicode61", "ascii", "porter ascii", "trigram", "porter unicode61 remove_diacritics 0"):
        yield f"tokenizer {tokenizer}", made(tokenize=f"tokenize = '{tokenizer}'")
    yield "tokenizer removed", made(tokenize="")
    yield "full-text column removed", made(columns[:-1])
    yield "full-text column added", made([*columns, "more"])
    yield "full-text columns in another order", made(columns[::-1])
    last = next(column for column in reversed(columns) if column in plain)
    hidden = [f"{column} UNINDEXED" if column == last else column for column in columns]
    yield "full-text column not indexed", made(hidden)
    yield "full-text prefixes added", made(prefix="prefix = '2'")
    yield "full-text index without positions", made(detail="detail = none")
    yield "full-text index without sizes", made(columnsize="columnsize = 0")
