"""Every specified constraint accepts and refuses the right rows, in a private copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from contracts import judgement
from contracts.checks import constraint_probe
from contracts.sets.consolidated import Subject
from contracts.suite.deadline import ROW_S, deadline
from migrator.schema import catalogue
from migrator.schema.model import Check, Column, ForeignKey, Index, Table, VirtualTable
from migrator.system import connections


@dataclass(slots=True)
class Trial:
    """A writable private copy of one database, and a maker of rows for it."""

    connection: sqlite3.Connection
    maker: constraint_probe.RowMaker


@pytest.fixture(scope="session")
def trials(judged: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trial]]:
    """A trial for each database; each test rolls its changes back."""
    made = {
        target: Trial(
            connection=connections.application(judged.fresh_copy(target, tmp_path_factory.mktemp("alive"))),
            maker=constraint_probe.RowMaker(judged.specification.schema(target)),
        )
        for target in judged.originals
    }
    yield made
    for trial in made.values():
        trial.connection.close()


@contextmanager
def trying(
    trials: dict[str, Trial], target: str, where: str
) -> Iterator[tuple[sqlite3.Connection, constraint_probe.RowMaker]]:
    """Yield the trial of *target* within a transaction that is rolled back."""
    if target not in trials:
        judgement.broken(where, expected="a database to try the constraint in", found=f"no {catalogue.TARGETS[target]}")
    connection = trials[target].connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        with deadline(connection, ROW_S):
            yield connection, trials[target].maker
    except sqlite3.Error as error:
        judgement.broken(f"{where}: rows that satisfy the specification", expected="accepted", found=error)
    finally:
        # After a full disk or used-up ids SQLite has ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def is_accepted(connection: sqlite3.Connection, where: str, table: Table, row: constraint_probe.Row) -> None:
    """Fail unless SQLite accepts *row*."""
    try:
        constraint_probe.insert(connection, table.name, row)
    except sqlite3.Error as error:
        judgement.broken(f"{where}: a row that satisfies the specification", expected="accepted", found=error)


def is_refused(connection: sqlite3.Connection, where: str, table: Table, row: constraint_probe.Row, why: str) -> None:
    """Fail unless a constraint of the kind *why* refuses *row*."""
    try:
        constraint_probe.insert(connection, table.name, row)
    except sqlite3.IntegrityError as error:
        if why not in str(error):
            judgement.broken(f"{where}: a violating row", expected=f"refused: {why}", found=f"refused: {error}")
    except sqlite3.Error as error:
        judgement.broken(f"{where}: a violating row", expected=f"refused: {why}", found=error)
    else:
        judgement.broken(f"{where}: a violating row", expected=f"refused: {why}", found="accepted")


@pytest.mark.clause("S1")
@pytest.mark.each("NOT NULL")
def test_not_null_refuses_null(trials: dict[str, Trial], target: str, table: Table, column: Column) -> None:
    """NULL is refused, and the same row with a value is accepted."""
    where = f"{target}.{table.name}.{column.name}: NOT NULL"
    with trying(trials, target, where) as (connection, maker):
        row = maker.row(connection, table)
        is_refused(connection, where, table, row | {column.name: None}, "NOT NULL constraint failed")
        is_accepted(connection, where, table, row)


@pytest.mark.clause("S2")
@pytest.mark.each("CHECK")
def test_check_is_exact(trials: dict[str, Trial], target: str, table: Table, check: Check) -> None:
    """Listed values are accepted, also NULL in a nullable column; neighbours are refused."""
    (name,) = check.columns
    where = f"{target}.{table.name}.{name}: CHECK ({check.expression})"
    with trying(trials, target, where) as (connection, maker):
        values = constraint_probe.accepted(check) + ([] if table.column(name).not_null else [None])
        for value in values:
            is_accepted(connection, f"{where} with {value!r}", table, maker.row(connection, table) | {name: value})
        for value in constraint_probe.refused(check):
            row = maker.row(connection, table) | {name: value}
            is_refused(connection, f"{where} with {value!r}", table, row, "CHECK constraint failed")


@pytest.mark.clause("S3")
@pytest.mark.each("UNIQUE")
def test_unique_refuses_a_second_row(trials: dict[str, Trial], target: str, table: Table, unique: Index) -> None:
    """A second row with the same value is refused, a row with another value is accepted.

    So are rows with the same value, before and after, for which the condition of a partial index is not true.  Without
    a condition no value of another column makes a difference.
    """
    names = [column.name for column in unique.columns if column.name is not None]
    condition = f" WHERE {unique.where}" if unique.where else ""
    where = f"{target}.{table.name}({', '.join(names)}){condition}: {unique.origin.upper()}"
    restricted, free = constraint_probe.within(unique), constraint_probe.outside(unique, table)
    with trying(trials, target, where) as (connection, maker):
        first = maker.row(connection, table) | restricted
        of_first = {name: first[name] for name in names}
        for cells in free:
            is_accepted(connection, f"{where}: with {cells}", table, maker.row(connection, table) | of_first | cells)
        is_accepted(connection, where, table, first)
        second = maker.row(connection, table) | restricted
        is_refused(connection, where, table, second | of_first, "UNIQUE constraint failed")
        is_accepted(connection, where, table, second)
        for cells in constraint_probe.variants(unique, table):
            varied = maker.row(connection, table) | cells
            is_accepted(connection, where, table, varied)
            is_refused(connection, where, table, second | of_first | cells, "UNIQUE constraint failed")
            of_varied = {name: varied[name] for name in names}
            is_refused(connection, where, table, maker.row(connection, table) | of_varied, "UNIQUE constraint failed")
        for cells in free:
            is_accepted(connection, f"{where}: with {cells}", table, maker.row(connection, table) | of_first | cells)


@pytest.mark.clause("S3")
@pytest.mark.each("table")
def test_primary_key_refuses_a_second_row(trials: dict[str, Trial], target: str, table: Table) -> None:
    """The same key twice is refused; an integer key refuses text that is not a number."""
    key = next(column for column in table.columns if column.primary_key)
    where = f"{target}.{table.name}.{key.name}: PRIMARY KEY"
    with trying(trials, target, where) as (connection, maker):
        first = maker.row(connection, table)
        used = constraint_probe.insert(connection, table.name, first) if key.type == "INTEGER" else None
        if used is None:
            is_accepted(connection, where, table, first)
        second = maker.row(connection, table) | {key.name: first[key.name] if used is None else used}
        is_refused(connection, where, table, second, "UNIQUE constraint failed")
        if used is not None:
            # An INTEGER PRIMARY KEY refuses a text id, as legacy tables have, with "datatype mismatch".
            is_refused(connection, where, table, second | {key.name: "e90867f9"}, "datatype mismatch")


@pytest.mark.clause("S4")
@pytest.mark.each("FOREIGN KEY")
def test_foreign_key_acts(trials: dict[str, Trial], target: str, table: Table, key: ForeignKey) -> None:
    """It refuses an orphan, and acts as specified when the parent is deleted."""
    (child,), (parent,) = key.columns, key.parent_columns
    where = f"{target}.{table.name}.{child}: FOREIGN KEY to {key.parent} ON DELETE {key.on_delete}"
    with trying(trials, target, where) as (connection, maker):
        row = maker.row(connection, table)
        orphan = row | {
            child: "no such parent" if isinstance(row[child], str) else constraint_probe.no_id(connection, key)
        }
        is_refused(connection, where, table, orphan, "FOREIGN KEY constraint failed")
        is_accepted(connection, where, table, row)
        delete = f"DELETE FROM {connections.quoted(key.parent)} WHERE {connections.quoted(parent)} = ?"
        try:
            connection.execute(delete, (row[child],))
            outcome = "deleted"
        except sqlite3.IntegrityError:
            outcome = "refused"
        children = connection.execute(
            f"SELECT {connections.quoted(child)} FROM {connections.quoted(table.name)} WHERE rowid = last_insert_rowid()"
        ).fetchall()
    expected = {
        "SET NULL": ("deleted", [(None,)]),
        "CASCADE": ("deleted", []),
        "NO ACTION": ("refused", [(row[child],)]),
    }[key.on_delete]
    judgement.same(where, "result of deleting the parent", expected=expected, found=(outcome, children))


@pytest.mark.clause("S6")
@pytest.mark.parametrize("target", ["analytics"])
def test_full_text_search_stems(trials: dict[str, Trial], target: str) -> None:
    """An inflected word, another letter case and an accent find the same row."""
    where = "analytics.ai_reflections"
    with trying(trials, target, where) as (connection, _):
        connection.execute(
            "INSERT INTO ai_reflections (rowid, content) VALUES (?, ?)", (2**40, "Qwertzing café trades")
        )
        found = {
            word: connection.execute(
                "SELECT rowid FROM ai_reflections WHERE ai_reflections MATCH ? AND rowid = ?", (word, 2**40)
            ).fetchall()
            for word in ("qwertz", "TRADING", "cafe", "qwertzish")
        }
    expected = {"qwertz": [(2**40,)], "TRADING": [(2**40,)], "cafe": [(2**40,)], "qwertzish": []}
    judgement.same(where, "result of a search", expected=expected, found=found)


@pytest.mark.clause("S6")
@pytest.mark.each("virtual table")
def test_full_text_search_reads_the_indexed_columns(trials: dict[str, Trial], target: str, table: VirtualTable) -> None:
    """A word in a column is found, unless the column is declared UNINDEXED."""
    where, name = f"{target}.{table.name}", connections.quoted(table.name)
    found = {}
    with trying(trials, target, where) as (connection, _):
        for number, declared in enumerate(table.columns):
            word, rowid = f"qwertz{number}", 2**40 + number
            column = connections.quoted(declared.split()[0])
            connection.execute(f"INSERT INTO {name} (rowid, {column}) VALUES (?, ?)", (rowid, word))
            searched = f"SELECT count(*) FROM {name} WHERE {name} MATCH ? AND rowid = ?"
            (found[declared],) = connection.execute(searched, (word, rowid)).fetchone()
    expected = {declared: int("UNINDEXED" not in declared.upper().split()) for declared in table.columns}
    judgement.same(where, "rows that a search for a word in each column finds", expected=expected, found=found)


@pytest.mark.clause("S16")
@pytest.mark.each("table")
def test_text_is_compared_byte_by_byte(trials: dict[str, Trial], target: str, table: Table) -> None:
    """Every column has the collation BINARY.

    SQLite lists collations only for indexes, so the contract makes an index over all columns of an empty copy.
    """
    where = f"{target}.{table.name}"
    names = [column.name for column in table.columns]
    with (
        trying(trials, target, where) as (connection, _),
        closing(connections.memory()) as empty,
        deadline(empty, ROW_S),
    ):
        declared = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)"
        for (statement,) in connection.execute(declared, (table.name,)):
            empty.execute(statement)
        listed = ", ".join(map(connections.quoted, names))
        empty.execute(f"CREATE INDEX contracts_probe ON {connections.quoted(table.name)} ({listed})")
        found = empty.execute("SELECT name, coll FROM pragma_index_xinfo('contracts_probe') WHERE key").fetchall()
    judgement.none(
        where,
        "column with another collation than BINARY: it treats different texts as equal",
        [f"{name}: {collation}" for name, collation in found if collation != "BINARY"],
    )
