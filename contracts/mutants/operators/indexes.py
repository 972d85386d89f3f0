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
    (own,) = index.columns
    column = quoted(str(own.name))
    direction = " DESC" if own.descending else ""
    other = next(quoted(column.name) for column in table.columns if not column.primary_key and column.name != own.name)

    def made(of: str, *, name: str = index.name, on: str = index.table, unique: str = "", tail: str = "") -> str:
        return f"CREATE {unique}INDEX {quoted(name)} ON {quoted(on)}({of}){tail}"

    yield "index removed", ""
    yield "index of another direction", made(column + ("" if own.descending else " DESC"))
    yield "index on another column", made(other + direction)
    yield "index over one more column", made(f"{column}{direction}, {other}")
    yield "index behind another column", made(f"{other}, {column}{direction}")
    yield "index UNIQUE", made(column + direction, unique="UNIQUE ")
    yield "index with a collation", made(f"{column} COLLATE NOCASE{direction}")
    yield "index of some rows only", made(column + direction, tail=f" WHERE {column} IS NOT NULL")
    yield "index on an expression", made(f"lower({column}){direction}")
    yield "index renamed", made(column + direction, name=f"{index.name}_1")
    elsewhere = [other_table for other_table in schema.tables if other_table.name != table.name]
    first = next(column.name for column in elsewhere[0].columns if not column.primary_key)
    yield "index on another table", made(quoted(first) + direction, on=elsewhere[0].name)


def of_virtual(table: VirtualTable) -> Iterator[Mutation]:
    """Yield every mutation of a full-text table."""
    columns = list(table.columns)
    options = {key: f"{key} = '{value}'" for key, value in table.options}

    def made(columns: list[str] = columns, module: str = table.module, **changes: str) -> str:
        arguments = [*columns, *(options | changes).values()]
        return f"CREATE VIRTUAL TABLE {quoted(table.name)} USING {module}({', '.join(argument for argument in arguments if argument)})"

    yield "full-text table removed", ""
    yield "full-text table as an ordinary one", f"CREATE TABLE {quoted(table.name)} ({', '.join(columns)})"
    yield "full-text table of another module", made(module="fts4", tokenize="tokenize=porter")
    for tokenizer in ("unicode61", "ascii", "porter ascii", "trigram", "porter unicode61 remove_diacritics 0"):
        yield f"tokenizer {tokenizer}", made(tokenize=f"tokenize = '{tokenizer}'")
    yield "tokenizer removed", made(tokenize="")
    yield "full-text column removed", made(columns[:-1])
    yield "full-text column added", made([*columns, "more"])
    yield "full-text columns in another order", made(columns[::-1])
    yield "full-text column not indexed", made([*columns[:-1], f"{columns[-1]} UNINDEXED"])
    yield "full-text prefixes added", made(prefix="prefix = '2'")
    yield "full-text index without positions", made(detail="detail = none")
    yield "full-text index without sizes", made(columnsize="columnsize = 0")
