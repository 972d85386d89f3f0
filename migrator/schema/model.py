"""The schema of a database, as frozen records: Table, Column, Index, ForeignKey, Check, VirtualTable, Schema."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: The declared type, as written; '' where there is none.
        not_null: Whether NOT NULL is declared.
        default: SQL text of the default, or None.
        primary_key: Position in the primary key from 1, or 0.
        generated: Whether its value is computed.
    """

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    primary_key: int = 0
    generated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexColumn:
    """A column of an index, at its position.

    Attributes:
        name: The column's name, or None for an expression.
        descending: Whether it is ordered DESC.
        collation: The collating sequence, ``BINARY`` by default.
    """

    name: str | None
    descending: bool = False
    collation: str = "BINARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index, or the uniqueness that a table declares.

    Attributes:
        name: Its name; '' where SQLite made it for a UNIQUE or PRIMARY KEY.
        table: The table it is on.
        columns: What it orders by.
        unique: Whether it refuses a second row.
        where: The condition of a partial index as normalised text, or None.
        where_columns: The columns that the condition names, in order of their names.
        origin: ``index``, ``unique`` or ``primary key``.
    """

    name: str
    table: str
    columns: tuple[IndexColumn, ...]
    unique: bool = False
    where: str | None = None
    where_columns: tuple[str, ...] = ()
    origin: str = "index"

    @property
    def constraint(self) -> str:
        """Its name in the quarantine, of an index over columns: ``UNIQUE token_address WHERE status = 'open'``."""
        listed = ", ".join(str(column.name) for column in self.columns)
        return f"UNIQUE {listed}{f' WHERE {self.where}' if self.where else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key.

    Attributes:
        columns: The child's columns.
        parent: The parent table.
        parent_columns: The parent's columns; empty where its primary key is meant.
        on_delete: The action, ``NO ACTION`` by default.
        on_update: The action, ``NO ACTION`` by default.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A CHECK constraint.

    Attributes:
        expression: Its expression, as sqlglot writes it for SQLite, so that white space makes no difference.
        columns: The columns it names, in order of their names.
    """

    expression: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An ordinary table.

    Attributes:
        name: Its name.
        columns: In declared order.
        uniques: UNIQUE constraints and primary keys that have an index, in order of their columns.
        foreign_keys: In order of their columns.
        checks: In order of their expressions; empty where sqlglot could not read the table (see differences).
        autoincrement: Whether it is declared AUTOINCREMENT.
        without_rowid: Whether it is declared WITHOUT ROWID.
        strict: Whether it is declared STRICT.
    """

    name: str
    columns: tuple[Column, ...]
    uniques: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    autoincrement: bool = False
    without_rowid: bool = False
    strict: bool = False

    def column(self, name: str) -> Column:
        """Return the column called *name*; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTable:
    """A virtual table.

    Attributes:
        name: Its name.
        module: The module, in lower case, such as ``fts5``.
        columns: Its columns, with what is declared of them.
        options: Key and value of each option, white space and quotes taken off, in order of their keys.
    """

    name: str
    module: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A trigger or a view: SQL stored in the schema.

    Attributes:
        kind: ``trigger`` or ``view``.
        name: Its name.
        table: The table a trigger is on; for a view its own name.
    """

    kind: str
    name: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between what sqlglot and SQLite read; SQLite counts.

    Attributes:
        where: Table, column or index.
        what: What sqlglot read.
        contradiction: Whether both read the statement, and one of them reads it wrongly.
    """

    where: str
    what: str
    contradiction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The declarations of a DDL text or of a database.

    Attributes:
        tables: Ordinary tables by name; shadow tables and ``sqlite_...`` left out.
        indexes: Indexes made by CREATE INDEX, by name.
        virtual_tables: By name.
        programs: Triggers and views by kind and name.
        pragmas: Name and value of each PRAGMA of the text; empty for a database.
        inserts: The INSERT statements of the text; empty for a database.
        differences: What sqlglot read differently from SQLite.
    """

    tables: tuple[Table, ...]
    indexes: tuple[Index, ...]
    virtual_tables: tuple[VirtualTable, ...]
    programs: tuple[Program, ...]
    pragmas: tuple[tuple[str, str], ...] = ()
    inserts: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def table(self, name: str) -> Table:
        """Return the table called *name*; KeyError if there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def uniques(self, name: str) -> tuple[Index, ...]:
        """Return what lets a row in only once into the table *name*, but for its primary key: constraints and indexes."""
        declared = (unique for table in self.tables if table.name == name for unique in table.uniques)
        return (
            *(unique for unique in declared if unique.origin == "unique"),
            *(index for index in self.indexes if index.table == name and index.unique),
        )
