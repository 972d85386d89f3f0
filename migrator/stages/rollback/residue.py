"""Residue: keeps and counts the rows written since the cutover that no legacy table can hold.

Method: the legacy copies that :mod:`migrator.stages.rollback.write_back` wrote are migrated again.  Each row has to come out
with all the information that it holds now, as :mod:`migrator.stages.rollback.cell_comparison` compares it; a row that does not
is residue.  So is an unchanged row that comes out different because it depends on another row.  Deleted rows must not come out.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from migrator.errors import MigratorError
from migrator.mapping import reader as mapping_reader
from migrator.mapping import sql_functions
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import stored_columns
from migrator.stages.rollback import cell_comparison, mirrored_rows, residue_database
from migrator.stages.rollback.session import BASELINE, CANNOT, WrittenBack, handle_sql
from migrator.switch import consolidated_set
from migrator.system import connections
from migrator.system.connections import folded, quoted
from migrator.system.escaping import escaped

#: Reasons of the residue; "this row" is the row of the consolidated set beside the reason.
_CHANGED = "the legacy table cannot hold what this row has in: "
_REFUSED = "a new migration would not build this row: it would quarantine the legacy row, or there is none"
_MEANS = (
    "this row was not changed since the cutover, but a new migration would build a different row from its legacy row"
)
_TORN = "this row and a deleted row came from the same legacy row: a new migration would build the deleted row again"


def keep(
    done: WrittenBack,
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    rebuilt: Mapping[str, Path],
    into: Path,
) -> dict[str, int]:
    """Write the rows that were not written back to the new database *into*; return consolidated table -> rows.

    Args:
        done: What was written back, and what was not.
        current: ``core`` -> a private copy of the consolidated database as it is now, with the lineage of new rows.
        baseline: ``core`` -> the consolidated database as it was installed.
        rebuilt: ``core`` -> the database that a migration makes of the legacy copies.
        into: The residue, made if it does not exist; each table is called ``<database>_<table>``, its first column is the reason.

    Raises:
        MigratorError: A deleted row is in the legacy copies.
    """
    counts: dict[str, int] = {}
    for target in catalogue.TARGETS:
        with _opened(target, current[target], baseline[target], rebuilt[target], into) as connection:
            left = {name.partition(".")[2]: rows for name, rows in done.left.items() if name.startswith(f"{target}.")}
            # The proof after a build rebuilds nothing: it would compare the rows with themselves.
            for table in mapping_reader.in_order(target) if rebuilt[target] != baseline[target] else ():
                _nothing_comes_back(connection, target, table)
                for handle, why in (*_differing(connection, target, table), *_torn(connection, target, table)):
                    left.setdefault(table, {}).setdefault(handle, why)
            for table, handle, why in _in_new_columns(connection, target):
                left.setdefault(table, {}).setdefault(handle, why)
            for table, rows in left.items():
                counts[f"{target}.{table}"] = _kept(connection, target, table, rows)
            for name, why in done.kept_whole.items():
                if name.startswith(f"{target}."):
                    counts[name] = _kept_whole(connection, target, name.partition(".")[2], why, done)
    return {name: rows for name, rows in counts.items() if rows}


@contextlib.contextmanager
def _opened(target: str, current: Path, baseline: Path, rebuilt: Path, into: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(connections.lenient(connections.memory())) as connection:
        sql_functions.register(connection)
        connections.attach(connection, current, target)
        connections.attach(connection, baseline, BASELINE)
        connections.attach(connection, rebuilt, "again")
        residue_database.open_beside(connection, into)
        consolidated_set.stand_in_collations(connection, target)
        mirrored_rows.list_rows(connection, target)
        yield connection


def _differing(connection: sqlite3.Connection, target: str, table: str) -> Iterator[tuple[object, str]]:
    """Yield handle and reason of each row that does not come out of the new migration with all its information."""
    comparison = cell_comparison.Comparison(target, table)
    for statement in cell_comparison.pair_up(comparison):
        connection.execute(statement)
    rebuilt = cell_comparison.again_sql(comparison)
    # What was written through a legacy schema may be why an unchanged row comes out different: the legacy rows are right.
    written = connection.execute(f"SELECT 1 FROM {mirrored_rows.MIRRORED} LIMIT 1").fetchone() is not None
    stub = (
        f"SELECT 1 FROM {target}.lineage AS l WHERE l.target = '{table}' AND l.target_id = +w.{comparison.key}"
        f" AND l.source LIKE 'stub:%' AND {mirrored_rows.is_mirrored('l.source', 'l.legacy_key')}"
    )
    # A build adds a stub again if a legacy row still names it.  A row in the residue may refer to it too.
    ours = (
        f"SELECT 1 FROM {target}.lineage AS l WHERE l.target = '{table}' AND l.target_id = +w.{comparison.key}"
        f" AND l.source LIKE 'stub:%'{''.join(f' AND NOT EXISTS ({child})' for child in _children(comparison))}"
    )
    lost = comparison.lost_names(comparison.judged, new="p.new", touched="p.touched")
    yield from connection.execute(
        f"SELECT p.handle, CASE WHEN NOT EXISTS (SELECT 1 {rebuilt}) THEN ? WHEN p.touched"
        f" THEN ? || replace(rtrim((SELECT min({lost}) {rebuilt})), ' ', ', ') ELSE ? END"
        f" {cell_comparison.rows_sql(comparison)} WHERE NOT EXISTS (SELECT 1 {rebuilt}"
        f" AND {comparison.kept(new='p.new', touched='p.touched')}) AND (p.touched OR NOT EXISTS ({ours}))"
        f" AND (p.touched OR {int(not written)}) AND NOT EXISTS ({stub})",
        (_REFUSED, _CHANGED, _MEANS),
    ).fetchall()


def _children(comparison: cell_comparison.Comparison) -> Iterator[str]:
    """Yield SQL for the rows in use that refer to the row ``w``."""
    for child in schema_reader.target(comparison.target).tables:
        for reference in child.foreign_keys:
            if reference.parent == comparison.table:
                column = quoted(reference.columns[0])
                yield (
                    f"SELECT 1 FROM {comparison.target}.{quoted(child.name)} AS c WHERE c.{column} = +w.{comparison.key}"
                )


def _torn(connection: sqlite3.Connection, target: str, table: str) -> Iterator[tuple[object, str]]:
    """Yield handle and reason of each row of a legacy row of which another part was deleted and comes out again."""
    key = mapping_reader.target_key(schema_reader.target(target), table)
    parts = f"l.source = o.source AND l.legacy_key IS o.legacy_key AND l.target = '{table}'"
    yield from connection.execute(
        f"SELECT w.rowid, ? FROM (SELECT DISTINCT l.source, l.legacy_key FROM baseline.lineage AS l WHERE l.target = ?"
        f" AND l.target_id IS NOT NULL AND l.target_id NOT IN (SELECT {key} FROM {target}.{quoted(table)})) AS o"
        f" JOIN {target}.lineage AS l ON {parts} JOIN {target}.{quoted(table)} AS w ON w.{key} = l.target_id"
        f" WHERE (SELECT count(*) FROM {target}.lineage AS l JOIN {target}.{quoted(table)} AS t ON t.{key} = l.target_id"
        f" WHERE {parts}) < (SELECT count(l.target_id) FROM again.lineage AS l WHERE {parts})",
        (_TORN, table),
    ).fetchall()


#: The rows that the new migration makes of the legacy row of the lineage ``l``.
_AGAIN = (
    "SELECT 1 FROM again.lineage AS m WHERE m.source = l.source AND m.legacy_key IS l.legacy_key"
    " AND m.target = l.target AND m.target_id IS NOT NULL"
)


def _nothing_comes_back(connection: sqlite3.Connection, target: str, table: str) -> None:
    """Check that no deleted row comes out of the new migration."""
    key = mapping_reader.target_key(schema_reader.target(target), table)
    (back,) = connection.execute(
        f"SELECT count(*) FROM baseline.lineage AS l WHERE l.target = ? AND l.target_id IS NOT NULL"
        f" AND l.source NOT LIKE 'stub:%' AND NOT EXISTS (SELECT 1 FROM {target}.lineage AS n LEFT JOIN"
        f" {target}.{quoted(table)} AS t ON t.{key} = n.target_id WHERE n.source = l.source AND n.legacy_key IS l.legacy_key"
        # A legacy row that stays because its new key is refused has no row in use.
        f" AND n.target = l.target AND (t.{key} IS NOT NULL OR n.target_id IS NULL))"
        # One that was set aside through the legacy schema is there.
        f" AND NOT EXISTS (SELECT 1 FROM {target}.quarantine AS q WHERE q.source = l.source AND q.target = l.target"
        f" AND q.legacy_key IS l.legacy_key) AND EXISTS ({_AGAIN})",
        (table,),
    ).fetchone()
    if back:
        raise MigratorError(
            f"{back} deleted rows would come back",
            where=escaped(f"{target}.{table}"),
            hint="nothing was switched; please report this as a bug",
        )


def _in_new_columns(connection: sqlite3.Connection, target: str) -> Iterator[tuple[str, object, str]]:
    """Yield table, handle and reason of each row with a value in a column that was added since the cutover."""
    tables = connection.execute(
        "SELECT now.name FROM pragma_table_list AS now JOIN pragma_table_list AS was ON was.name = now.name"
        " WHERE now.schema = ? AND was.schema = 'baseline' AND now.type = 'table' AND now.name NOT GLOB 'sqlite_*'",
        (target,),
    ).fetchall()
    for (table,) in tables:
        before = {folded(column) for column in stored_columns(connection, "baseline", table)}
        for column in stored_columns(connection, target, table):
            if folded(column) not in before:
                handle = handle_sql(connection, target, table)
                handles = connection.execute(
                    f"SELECT {handle} FROM {target}.{quoted(table)} AS t WHERE +t.{quoted(column)} COLLATE BINARY IS NOT {_default(connection, target, table, column)}"
                ).fetchall()
                yield from ((table, row, f"the legacy table has no column {column}") for (row,) in handles)


def _default(connection: sqlite3.Connection, target: str, table: str, column: str) -> str:
    """Return SQL for the value of *column* in a row that does not set it: a literal default, else NULL."""
    (default,) = connection.execute(
        "SELECT dflt_value FROM pragma_table_xinfo(?, ?) WHERE name = ?", (table, target, column)
    ).fetchone()
    return default if default and cell_comparison.LITERAL.fullmatch(default) else "NULL"


def _kept(connection: sqlite3.Connection, target: str, table: str, left: Mapping[object, str]) -> int:
    """Copy the rows *left* (handle -> why) to the residue."""
    connection.execute("CREATE TEMP TABLE left_over (handle PRIMARY KEY, why)")
    connection.executemany("INSERT INTO temp.left_over VALUES (?, ?)", list(left.items()))
    source = (
        f"{target}.{quoted(table)} AS t"
        # The plus removes the affinity, so that the index is used.  CROSS: old statistics must not choose the order.
        f" CROSS JOIN temp.left_over AS o ON o.handle = +{handle_sql(connection, target, table)}"
    )
    columns = stored_columns(connection, target, table, computed=True)
    rows = residue_database.keep(connection, f"{target}_{table}", columns, source, "o.why")
    connection.execute("DROP TABLE temp.left_over")
    return rows


def _kept_whole(connection: sqlite3.Connection, target: str, table: str, why: str, done: WrittenBack) -> int:
    """Copy all rows of a table to the residue; if SQLite cannot read it here, it stays only in the kept database."""
    columns = stored_columns(connection, target, table, computed=True)
    literal = why.replace("'", "''").replace("\0", "")
    try:
        return residue_database.keep(
            connection, f"{target}_{table}", columns, f"{target}.{quoted(table)} AS t", f"'{literal}'"
        )
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in CANNOT:
            raise
        done.tell(
            f"{target}.{escaped(table)}: cannot be read here ({escaped(error)}); it stays in {catalogue.TARGETS[target]}"
        )
        return 0
