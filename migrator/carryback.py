"""Carry back: what was written to the consolidated databases since the cutover, into copies of the legacy ones.

Method, for each consolidated database as it is now, beside the baseline (as it was installed):

1. A row without a lineage is new.  It gets one, with a key in the format of the legacy table that takes it.
2. The back mappings rebuild every legacy row from the rows as they are now.  Rows that differ from the legacy copy are
   updated, rows that it lacks are inserted, and rows whose consolidated rows are all gone are deleted.
3. Carried tables go back as they are (:mod:`migrator.verbatim`), and each is compared with the legacy table afterwards.
4. A table that has appeared under a legacy name gives its rows to that legacy table.

A row that its legacy table refuses, or that no legacy table takes, is left over; :mod:`migrator.residue` keeps it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from migrator import catalogue, ddl, functions, mapping, rebuild, sqlite, strangers, untriggered, verbatim
from migrator.bench import BASELINE, Bench, CarriedBack
from migrator.mapping import TableMapping
from migrator.newcomers import name_newcomers
from migrator.records import Fate, PlannedTable
from migrator.sqlite import quoted

#: What SQLite says of a statement that it cannot run here, for a collation or function that only the application has.
_CANNOT = ("SQLITE_ERROR", "SQLITE_TOOBIG")


def carry_back(
    tables: Sequence[PlannedTable],
    homes: Mapping[str, str],
    legacy: Mapping[str, Path],
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    constants: Mapping[str, str],
) -> CarriedBack:
    """Write into the copies *legacy* what distinguishes *current* from *baseline*.

    Args:
        tables: The fate of every legacy table, as the cutover had it.
        homes: Legacy database -> the consolidated one that its name stood for.
        legacy: Legacy database -> a private copy of it, which is written.
        current: ``core`` -> a private copy of the consolidated database as it is now; its lineage is written.
        baseline: ``core`` -> the consolidated database as it was installed.
        constants: What the mappings were given when it was built.

    Raises:
        sqlite3.Error: A consolidated database lacks a table or column of the specification.
    """
    done = CarriedBack()
    triggers = untriggered.take_triggers(legacy)
    for target in catalogue.TARGETS:
        with _opened(target, current[target], baseline[target]) as connection:
            bench = Bench(connection, target, legacy, constants, done)
            sources = [
                one for table in tables for one in mapping.sources_of(table) if one.target == target and one.back
            ]
            for name in mapping.in_order(target):
                name_newcomers(bench, name, [one for one in sources if one.table == name])
            for one in sources:
                _apply(bench, one)
            for table in tables:
                if table.fate is Fate.CARRIED and table.into.partition(".")[0] == target:
                    _apply_carried(bench, table.source, table.into.partition(".")[2])
            of_this_home = [one for one in tables if homes.get(one.source.partition(".")[0]) == target]
            strangers.take_in(bench, [one.source for one in of_this_home if one.fate is not Fate.DERIVED])
    untriggered.give_back_triggers(legacy, triggers, done)
    return done


@contextlib.contextmanager
def _opened(target: str, current: Path, baseline: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite.lenient(sqlite.memory())) as connection:
        functions.register(connection)
        connection.execute("PRAGMA foreign_keys = OFF")
        sqlite.attach(connection, current, target, mode="rw")
        sqlite.attach(connection, baseline, BASELINE)
        # Only what we wrote ourselves counts as lineage.
        connection.execute(f"DELETE FROM {target}.lineage")
        connection.execute(f"INSERT INTO {target}.lineage SELECT * FROM baseline.lineage")
        yield connection


def _apply_carried(bench: Bench, source: str, table: str) -> None:
    """Make the legacy table *source* what its carried copy is now; if it cannot be written, keep the copy whole.

    Raises:
        sqlite3.Error: The disk fails or is full.
    """
    try:
        verbatim.write_back(bench, source, table)
        if f"{bench.target}.{table}" not in bench.done.left:
            verbatim.compare(bench, source, table)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in _CANNOT:
            raise
        bench.done.strangers[f"{bench.target}.{table}"] = f"{source} cannot be written here: {error}"


def _apply(bench: Bench, one: TableMapping) -> None:
    """Make the legacy table of a mapping what the back mapping says of the rows as they are now."""
    connection = bench.connection
    source = f"{quoted(one.database)}.{quoted(one.source_table)}"
    key = quoted(one.key)
    columns = [quoted(column) for column in one.legacy_columns]
    target_key = mapping.target_key(ddl.target(one.target), one.table)
    with bench.beside(one.database):
        connection.execute(f"CREATE TEMP TABLE rebuilt AS {rebuild.rebuilt_sql(one)}", one.given(bench.constants))
        connection.execute(
            f"CREATE TEMP TABLE gone AS SELECT DISTINCT l.legacy_key FROM baseline.lineage AS l WHERE l.source = ?"
            f" AND l.target = ? AND l.target_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM baseline.lineage AS m"
            f" JOIN {bench.target}.{quoted(one.table)} AS t ON t.{target_key} = m.target_id"
            f" WHERE m.source = l.source AND m.legacy_key IS l.legacy_key AND m.target = l.target)",
            (one.source, one.table),
        )
        deleted = connection.execute(
            f"DELETE FROM {source} WHERE {key} COLLATE BINARY IN (SELECT legacy_key FROM temp.gone)"
        ).rowcount
        bench.done.did(one.source, "deleted", deleted)
        joined = f"FROM temp.rebuilt AS r JOIN {source} AS s ON s.{key} = r.legacy_key COLLATE BINARY"
        changed = connection.execute(
            f"SELECT r.rowid {joined} WHERE {rebuild.differ_sql('s', 'r', one.legacy_columns)} ORDER BY 1"
        ).fetchall()
        settings = ", ".join(f"{column} = r.{column}" for column in columns if column != key)
        update = (
            f"UPDATE {source} AS s SET {settings} FROM temp.rebuilt AS r"
            f" WHERE r.rowid = ? AND s.{key} = r.legacy_key COLLATE BINARY"
        )
        delete = (
            f"DELETE FROM {source} WHERE {key} COLLATE BINARY IN (SELECT legacy_key FROM temp.rebuilt WHERE rowid = ?)"
        )
        # A rowid that names a row is no column, and would be given anew.
        named = {"rowid": "legacy_key"} if one.key == "rowid" else {}
        into, taken = ", ".join((*columns, *named)), ", ".join((*columns, *named.values()))
        insert = f"INSERT INTO {source} ({into}) SELECT {taken} FROM temp.rebuilt WHERE rowid = ?"
        refused = _each(bench, one, "updated", [row for (row,) in changed], update)
        if refused and _at_once(bench, refused, delete, insert):
            bench.done.did(one.source, "updated", len(refused))
            refused = {}
        new = connection.execute(
            f"SELECT r.rowid FROM temp.rebuilt AS r LEFT JOIN {source} AS s"
            f" ON s.{key} = r.legacy_key COLLATE BINARY WHERE s.{key} IS NULL ORDER BY 1"
        ).fetchall()
        refused |= _each(bench, one, "inserted", [row for (row,) in new], insert)
        _leave(bench, one, refused)
    connection.execute("DROP TABLE temp.rebuilt")
    connection.execute("DROP TABLE temp.gone")


def _each(bench: Bench, one: TableMapping, what: str, rows: Sequence[int], statement: str) -> dict[int, str]:
    """Run *statement* for each of the *rows* of temp.rebuilt; return those that the legacy table refuses, and why."""
    while rows:
        refused = {row: refusal for row in rows if (refusal := bench.tried(statement, (row,)))}
        bench.done.did(one.source, what, len(rows) - len(refused))
        if len(refused) == len(rows):
            return refused
        # A row may have waited for the value that another has let go of.
        rows = list(refused)
    return {}


def _at_once(bench: Bench, rows: Collection[int], delete: str, insert: str) -> bool:
    """Take all *rows* out and put them in as they are now: they may have traded what is unique; tell whether it went."""
    bench.connection.execute("SAVEPOINT all_of_them")
    for row in rows:
        bench.connection.execute(delete, (row,))
    went = not any(bench.tried(insert, (row,)) for row in rows)
    if not went:
        bench.connection.execute("ROLLBACK TO all_of_them")
    bench.connection.execute("RELEASE all_of_them")
    return went


def _leave(bench: Bench, one: TableMapping, refused: Mapping[int, str]) -> None:
    """Note that the consolidated rows of which the rows *refused* of temp.rebuilt are made are left over."""
    target_key = mapping.target_key(ddl.target(one.target), one.table)
    for row, refusal in refused.items():
        for (handle,) in bench.connection.execute(
            f"SELECT t.rowid FROM temp.rebuilt AS r JOIN {bench.target}.lineage AS l ON l.legacy_key IS r.legacy_key"
            f" JOIN {bench.target}.{quoted(one.table)} AS t ON t.{target_key} = l.target_id"
            " WHERE r.rowid = ? AND l.source = ? AND l.target = ?",
            (row, one.source, one.table),
        ).fetchall():
            bench.done.leave(f"{bench.target}.{one.table}", handle, f"{one.source} refuses it: {refusal}")
