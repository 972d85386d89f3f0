"""Mutants of a migrated set's content: cells, rows, links, lineage, quarantine."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from contracts.mutants.fixtures import DECIDED, SPECIMENS, Stand
from contracts.mutants.mutant import Mutant, NotPlanted, Planted
from contracts.mutants.operators import bookkeeping
from contracts.mutants.operators import cells as operators_cells
from contracts.mutants.statement import Mutation, Statement
from contracts.oracle.cells import text_of
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.model import ForeignKey, Schema, Table
from migrator.system import connections
from migrator.system.connections import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered(Mutant):
    """Statements on the finished database; each must change something.

    Attributes:
        target: The database.
        statements: The statements.
    """

    target: str
    statements: tuple[Statement, ...]

    family = "rows"

    @property
    def group(self) -> tuple[str, ...]:
        """One kind in one database and variant, or with decisions: its tables are judged in the same way."""
        return self.kind, self.target, DECIDED if self.specimen == DECIDED else SPECIMENS[self.specimen].variant

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Run the statements on a copy."""
        stand.copy(self.specimen, folder)
        with closing(connections.scratch(folder / catalogue.TARGETS[self.target])) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for statement in self.statements:
                before = connection.total_changes
                try:
                    connection.execute(*statement)
                except sqlite3.IntegrityError as error:
                    raise NotPlanted(f"SQLite refuses it: {error}") from error
                if connection.total_changes == before and not statement.sql.startswith(("DROP", "PRAGMA")):
                    raise NotPlanted(f"nothing to spoil: {statement.sql}")
            connection.execute("COMMIT")
        return Planted(consolidated=folder, legacy=stand.legacy(self.specimen))


def mutants(stand: Stand, specimen: str) -> Iterator[Altered]:
    """Yield every mutant of the rows of *specimen*."""
    for target, file in catalogue.TARGETS.items():
        with closing(connections.read(stand.migrated(specimen) / file)) as connection:
            connection.text_factory = text_of
            for kind, where, statements in _of_database(connection, target):
                yield Altered(
                    kind=kind, where=f"{target}.{where}", specimen=specimen, target=target, statements=statements
                )


def _of_database(connection: sqlite3.Connection, target: str) -> Iterator[Mutation]:
    schema = schema_reader.target(target)
    for table in schema.tables:
        if table.name != "config":
            yield from _cells(connection, table)
            yield from _rows(connection, schema, table.name)
            for key in table.foreign_keys:
                yield from _links(connection, table, key)
    for virtual in schema.virtual_tables:
        yield from _rows(connection, schema, virtual.name)
        yield from _full_text(connection, virtual.name)
    yield from bookkeeping.mutations(connection, target)


def _one(rows: Sequence[Any], *of: str) -> Any:
    """Return one of *rows*, always the same for the same place."""
    return rows[zlib.crc32(" ".join(of).encode()) % len(rows)]


def _cells(connection: sqlite3.Connection, table: Table) -> Iterator[Mutation]:
    referring = {name for key in table.foreign_keys for name in key.columns}
    name = quoted(table.name)
    for column in table.columns:
        if column.primary_key or column.name in referring:
            continue
        cell, where = quoted(column.name), f"{table.name}.{column.name}"
        for operator in operators_cells.operators(table, column):
            chosen = operator.chosen.format(c=cell)
            rows = connection.execute(f"SELECT rowid, {cell} FROM {name} WHERE {chosen} ORDER BY rowid").fetchall()
            changed = [
                (rowid, new)
                for rowid, old in rows
                if not _is_broken(old) and repr(new := operator.given(old)) != repr(old)
            ]
            if changed:
                rowid, new = _one(changed, operator.kind, where)
                update = f"UPDATE {name} SET {cell} = ? WHERE rowid = ?"
                yield operator.kind, where, (Statement(update, (new, rowid)),)
        for check in table.checks:
            if check.columns == (column.name,) and " IN " in check.expression:
                update = (
                    f"UPDATE {name} SET {cell} = (SELECT {cell} FROM {name} AS o WHERE o.{cell} <> {name}.{cell}"
                    f" ORDER BY rowid LIMIT 1) WHERE rowid = (SELECT min(rowid) FROM {name} AS t WHERE EXISTS"
                    f" (SELECT 1 FROM {name} AS o WHERE o.{cell} <> t.{cell}))"
                )
                yield "another listed value", where, (Statement(update),)
    yield from _exchanges(connection, table)


def _is_broken(cell: object) -> bool:
    """Return whether *cell* is text that is not UTF-8, which could not be written back."""
    return isinstance(cell, str) and not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell)


def _exchanges(connection: sqlite3.Connection, table: Table) -> Iterator[Mutation]:
    """Yield two columns of a row exchanged, and one column of two rows."""
    name = quoted(table.name)
    plain = [
        column
        for column in table.columns
        if not column.primary_key and not any(column.name in check.columns for check in table.checks)
    ]
    for first, second in pairwise(plain):
        if first.type != second.type:
            continue
        a, b = quoted(first.name), quoted(second.name)
        differing = connection.execute(f"SELECT rowid FROM {name} WHERE {a} IS NOT {b} ORDER BY rowid").fetchall()
        if differing:
            (rowid,) = _one(differing, table.name, first.name)
            update = f"UPDATE {name} SET {a} = {b}, {b} = {a} WHERE rowid = ?"
            yield "two columns exchanged", f"{table.name}.{first.name}", (Statement(update, (rowid,)),)
    for column in plain:
        cell = quoted(column.name)
        found = connection.execute(
            f"SELECT a.rowid, a.{cell}, b.rowid, b.{cell} FROM {name} AS a JOIN {name} AS b ON b.rowid > a.rowid"
            f" AND b.{cell} IS NOT a.{cell} ORDER BY 1, 3 LIMIT 50"
        ).fetchall()
        if found and not any(column.name == str(part.name) for unique in table.uniques for part in unique.columns):
            first_row, its, second_row, other_cell = _one(found, table.name, column.name)
            update = f"UPDATE {name} SET {cell} = ? WHERE rowid = ?"
            yield (
                "a cell of two rows exchanged",
                f"{table.name}.{column.name}",
                (Statement(update, (other_cell, first_row)), Statement(update, (its, second_row))),
            )


def _rows(connection: sqlite3.Connection, schema: Schema, table: str) -> Iterator[Mutation]:
    key = mapping_reader.target_key(schema, table)
    shape = next((specified for specified in schema.tables if specified.name == table), None)
    name, its_key = quoted(table), quoted(key)
    ids = [id_ for (id_,) in connection.execute(f"SELECT {its_key} FROM {name} ORDER BY rowid")]
    if not ids:
        return
    id_ = _one(ids, table)
    delete = Statement(f"DELETE FROM {name} WHERE {its_key} = ?", (id_,))
    forget = Statement("DELETE FROM lineage WHERE target = ? AND target_id = ?", (table, id_))
    yield "row lost", table, (delete,)
    yield "row lost, and its lineage with it", table, (delete, forget)
    yield "every row lost", table, (Statement(f"DELETE FROM {name}"),)
    yield "every row lost, and lineage with it", table, (
        Statement(f"DELETE FROM {name}"),
        Statement("DELETE FROM lineage WHERE target = ?", (table,)),
    )  # fmt: skip
    if shape is not None and not shape.autoincrement:
        return
    unique = {str(part.name) for index in (shape.uniques if shape else ()) for part in index.columns}
    names = [
        column for column in mapping_reader.target_columns(schema, table) if column != key and column not in unique
    ]
    needed = {column.name for column in shape.columns if column.not_null} if shape else set()
    listed, given = (", ".join(map(quoted, names)), ", ".join(map(quoted, names)))
    for lacking in sorted(unique & needed):
        listed, given = f"{quoted(lacking)}, {listed}", f"'another one', {given}"
    twin = Statement(f"INSERT INTO {name} ({listed}) SELECT {given} FROM {name} WHERE {its_key} = ?", (id_,))
    yield "row twice", table, (twin,)
    book = "INSERT INTO lineage (source, legacy_key, target, target_id) SELECT {}, target, (SELECT max({}) FROM {}) FROM lineage WHERE target = ? AND target_id = ?"
    for kind, source in (
        ("row twice, with a lineage of its own", "source, legacy_key"),
        ("row invented, under the name of a stub", "'stub:unknown reason', 'nothing'"),
    ):
        yield kind, table, (twin, Statement(book.format(source, its_key, name), (table, id_)))
    other = max(id_ for id_ in ids if isinstance(id_, int)) + 1000
    renamed = Statement(f"UPDATE {name} SET {its_key} = ? WHERE {its_key} = ?", (other, id_))
    yield "id changed", table, (renamed,)
    follows = Statement("UPDATE lineage SET target_id = ? WHERE target = ? AND target_id = ?", (other, table, id_))
    yield "id changed, and lineage with it", table, (renamed, follows)


def _links(connection: sqlite3.Connection, table: Table, key: ForeignKey) -> Iterator[Mutation]:
    name, child, where = quoted(table.name), quoted(key.columns[0]), f"{table.name}.{key.columns[0]}"
    rows = connection.execute(f"SELECT rowid FROM {name} WHERE {child} IS NOT NULL ORDER BY rowid").fetchall()
    if not rows:
        return
    (rowid,) = _one(rows, where)
    parent, its_key = quoted(key.parent), quoted(key.parent_columns[0])
    elsewhere = (
        f"UPDATE {name} SET {child} = (SELECT max({its_key}) FROM {parent} AS p WHERE p.{its_key} <> {name}.{child})"
        " WHERE rowid = ?"
    )
    if connection.execute(f"SELECT count(*) FROM {parent}").fetchone()[0] > 1:
        yield "link leads elsewhere", where, (Statement(elsewhere, (rowid,)),)
    yield "link leads nowhere", where, (Statement(f"UPDATE {name} SET {child} = -1 WHERE rowid = ?", (rowid,)),)
    if not table.column(key.columns[0]).not_null:
        yield "link lost", where, (Statement(f"UPDATE {name} SET {child} = NULL WHERE rowid = ?", (rowid,)),)
        yield "every link lost", where, (Statement(f"UPDATE {name} SET {child} = NULL WHERE {child} IS NOT NULL"),)


def _full_text(connection: sqlite3.Connection, table: str) -> Iterator[Mutation]:
    """Yield faults of a full-text table beyond its rows."""
    rowids = connection.execute(f"SELECT rowid FROM {quoted(table)} ORDER BY rowid").fetchall()
    if not rowids:
        return
    (rowid,) = _one(rowids, table)
    name = quoted(table)
    for column, new in (("content", "haste"), ("tags", "haste"), ("timestamp", "2001-01-01 00:00:00")):
        update = f"UPDATE {name} SET {column} = ? WHERE rowid = ?"
        yield "text of a reflection changed", f"{table}.{column}", (Statement(update, (new, rowid)),)
    for place in range(3):
        update = f"UPDATE {quoted(f'{table}_content')} SET c{place} = 'haste' WHERE id = ?"
        yield "text of a reflection changed under its index", f"{table}.c{place}", (Statement(update, (rowid,)),)
    yield "full-text row gone under its index", table, (
        Statement(f"DELETE FROM {quoted(f'{table}_content')} WHERE id = ?", (rowid,)),
    )  # fmt: skip
    yield "full-text index emptied", table, (Statement(f"DELETE FROM {quoted(f'{table}_data')} WHERE id > 10"),)
    sizes = quoted(f"{table}_docsize")
    yield "full-text sizes of another row", table, (Statement(f"UPDATE {sizes} SET sz = x'7f0000'"),)
    yield "full-text settings lost", table, (Statement(f"DELETE FROM {quoted(f'{table}_config')}"),)
