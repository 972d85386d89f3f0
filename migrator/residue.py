"""Residue: what was written since the cutover and no legacy table can hold, kept whole and counted.

Method: the legacy copies that :mod:`migrator.carryback` wrote are migrated once more.  A row that is new or changed
since the cutover has to come out of that as it is in use now, up to the ids that a build assigns; one that does not is
residue.  Rows that nobody touched have to come out at all, and deleted ones must not.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from migrator import catalogue, ddl, functions, mapping, rebuild, sqlite
from migrator.carryback import CarriedBack
from migrator.errors import MigratorError
from migrator.plain import escaped
from migrator.sqlite import quoted

#: The column of JSON in which mappings keep what has no column.
_SPARE = "metadata"
_CHANGED = "the legacy table holds only a part of it"


def keep(
    done: CarriedBack,
    current: Mapping[str, Path],
    baseline: Mapping[str, Path],
    again: Mapping[str, Path],
    into: Path,
) -> dict[str, int]:
    """Write to the new database *into* what was not carried back; return consolidated table -> rows.  Without any, no file.

    Args:
        done: What was carried back, and what was not.
        current: ``core`` -> a private copy of the consolidated database as it is now, with the lineage of new rows.
        baseline: ``core`` -> the consolidated database as it was installed.
        again: ``core`` -> what a migration makes of the legacy copies.
        into: The residue; each table is called ``<database>_<table>`` and says why in its first column.

    Raises:
        MigratorError: A row that nobody touched is not in the legacy copies, or a deleted one is.
    """
    counts: dict[str, int] = {}
    sqlite.create(into).close()
    for target in catalogue.TARGETS:
        with _opened(target, current[target], baseline[target], again[target], into) as connection:
            for table in mapping.in_order(target):
                name = f"{target}.{table}"
                left = done.left.get(name, {}) | {
                    key: done.left.get(name, {}).get(key, why) for key, why in _differing(connection, target, table)
                }
                _nothing_lost(connection, target, table, left)
                if left:
                    key = mapping.target_key(ddl.target(target), table)
                    counts[name] = _kept(connection, target, table, key, left)
            specified = {f"{target}.{table}" for table in mapping.in_order(target)}
            for name, left in done.left.items():
                if name.startswith(f"{target}.") and name not in specified:
                    counts[name] = _kept(connection, target, name.partition(".")[2], "rowid", left)
            for name in done.strangers:
                if name.startswith(f"{target}."):
                    counts[name] = _kept_whole(connection, target, name.partition(".")[2])
    found = {name: rows for name, rows in counts.items() if rows}
    if not found:
        into.unlink()
    return found


@contextlib.contextmanager
def _opened(target: str, current: Path, baseline: Path, again: Path, into: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite.memory()) as connection:
        functions.register(connection)
        connection.execute("PRAGMA trusted_schema = OFF")
        sqlite.attach(connection, current, target)
        sqlite.attach(connection, baseline, "baseline")
        sqlite.attach(connection, again, "again")
        sqlite.attach(connection, into, "residue", mode="rw")
        yield connection


def _differing(connection: sqlite3.Connection, target: str, table: str) -> Iterator[tuple[object, str]]:
    """Yield key and reason of each row that is new or changed and does not come out of another migration as it is."""
    schema = ddl.target(target)
    key = mapping.target_key(schema, table)
    columns = [column for column in mapping.target_columns(schema, table) if column != "rowid"]
    references = {
        reference.columns[0]: reference.parent
        for one in schema.tables
        if one.name == table
        for reference in one.foreign_keys
    }
    # An assigned id may come out as another one; a kept one is the lineage's key, which is compared anyway.
    plain = [column for column in columns if column not in references and column not in (key, _SPARE)]
    touched = rebuild.differ_sql("w", "b", columns)
    same = [f"NOT {rebuild.differ_sql('w', 'f', plain)}"] if plain else []
    same += [f"{_said('w')} IS {_said('f')}"] if _SPARE in columns else []
    same += [_same_parent(target, column, parent) for column, parent in references.items()]
    name = quoted(table)
    # The plus takes the column's affinity away: with it the index of lineage, whose ids have none, would go unused.
    yield from connection.execute(
        f"SELECT w.{key}, ? FROM {target}.{name} AS w LEFT JOIN baseline.{name} AS b ON b.{key} = w.{key}"
        f" WHERE (b.{key} IS NULL OR {touched}) AND NOT EXISTS (SELECT 1 FROM {target}.lineage AS l"
        f" JOIN again.lineage AS m ON m.source = l.source AND m.legacy_key IS l.legacy_key AND m.target = l.target"
        f" JOIN again.{name} AS f ON f.{key} = m.target_id"
        f" WHERE l.target = ? AND l.target_id = +w.{key} AND l.source NOT LIKE 'stub:%' AND {' AND '.join(same)})",
        (_CHANGED, table),
    ).fetchall()


def _said(row: str) -> str:
    """Return SQL for what the JSON of *row* says, whatever its white space; an empty object says nothing, as NULL does."""
    column = f"{row}.{quoted(_SPARE)}"
    return f"CASE WHEN json_valid({column}) THEN nullif(json({column}), '{{}}') ELSE {column} END"


def _same_parent(target: str, column: str, parent: str) -> str:
    """Return SQL that is true where both rows refer to what became of the same legacy row."""
    ours, theirs = f"w.{quoted(column)}", f"f.{quoted(column)}"
    return (
        f"(({ours} IS NULL AND {theirs} IS NULL) OR EXISTS (SELECT 1 FROM {target}.lineage AS x JOIN again.lineage AS y"
        f" ON y.source = x.source AND y.legacy_key IS x.legacy_key AND y.target = x.target"
        f" WHERE x.target = '{parent}' AND x.target_id = +{ours} AND y.target_id = +{theirs}))"
    )


def _nothing_lost(connection: sqlite3.Connection, target: str, table: str, left: Mapping[object, str]) -> None:
    """See that every row in use comes out of another migration, and no deleted one does."""
    key = mapping.target_key(ddl.target(target), table)
    name = quoted(table)
    again = (
        "SELECT 1 FROM again.lineage AS m WHERE m.source = l.source AND m.legacy_key IS l.legacy_key"
        " AND m.target = l.target AND m.target_id IS NOT NULL"
    )
    missing = connection.execute(
        f"SELECT w.{key} FROM {target}.{name} AS w JOIN {target}.lineage AS l ON l.target = ? AND l.target_id = w.{key}"
        f" WHERE l.source NOT LIKE 'stub:%' AND NOT EXISTS ({again})",
        (table,),
    ).fetchall()
    if lost := [found for (found,) in missing if found not in left]:
        _give_up(f"{len(lost)} rows would be lost, the first with the key {lost[0]!r}", f"{target}.{table}")
    deleted = connection.execute(
        f"SELECT l.legacy_key FROM baseline.lineage AS l WHERE l.target = ? AND l.target_id IS NOT NULL"
        f" AND l.source NOT LIKE 'stub:%' AND NOT EXISTS (SELECT 1 FROM baseline.lineage AS n JOIN {target}.{name} AS t"
        f" ON t.{key} = n.target_id WHERE n.source = l.source AND n.legacy_key IS l.legacy_key AND n.target = l.target)"
        f" AND EXISTS ({again})",
        (table,),
    ).fetchall()
    if deleted:
        _give_up(f"{len(deleted)} deleted rows would come back", f"{target}.{table}")


def _give_up(what: str, where: str) -> None:
    raise MigratorError(what, where=escaped(where), hint="nothing was switched; please report this as a bug")


def _kept(connection: sqlite3.Connection, target: str, table: str, key: str, left: Mapping[object, str]) -> int:
    """Copy the rows *left* (key -> why) to the residue."""
    connection.execute("CREATE TEMP TABLE left_over (key, why)")
    connection.executemany("INSERT INTO temp.left_over VALUES (?, ?)", list(left.items()))
    columns = _columns(connection, target, table)
    kept = f"residue.{quoted(f'{target}_{table}')}"
    connection.execute(
        f"CREATE TABLE {kept} AS SELECT o.why AS why, {columns} FROM temp.left_over AS o"
        f" JOIN {target}.{quoted(table)} AS t ON t.{key} = o.key"
    )
    connection.execute("DROP TABLE temp.left_over")
    return _count(connection, kept)


def _kept_whole(connection: sqlite3.Connection, target: str, table: str) -> int:
    kept = f"residue.{quoted(f'{target}_{table}')}"
    connection.execute(
        f"CREATE TABLE {kept} AS SELECT 'no legacy table of this name' AS why, {_columns(connection, target, table)}"
        f" FROM {target}.{quoted(table)} AS t"
    )
    return _count(connection, kept)


def _columns(connection: sqlite3.Connection, target: str, table: str) -> str:
    found: Sequence[tuple[str]] = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid", (table, target)
    ).fetchall()
    return ", ".join(f"t.{quoted(name)} AS {quoted(name)}" for (name,) in found)


def _count(connection: sqlite3.Connection, table: str) -> int:
    rows: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return rows
