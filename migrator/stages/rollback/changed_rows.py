"""Merges changes of mapped rows into the legacy rows from which they were made, cell by cell.

Only legacy rows behind rows that were inserted, changed or deleted since the cutover are rebuilt, and the rows that refer to
such rows: once as the installed set rebuilds them (*then*), once as the set in use does (*now*).  A legacy cell changes where
*now* differs from *then*:

- It follows *now* if it was what *then* says.
- It differs from *then*, and a target column that is computed from it was changed: it follows *now*.
- It differs from *then*, and no such column was changed: it stays.

Times are read in every format that the forward mappings read, and written in that of the legacy column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.quarantine import recognition
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import free_rowid
from migrator.stages.rollback import cell_comparison, mirrored_rows, new_rows
from migrator.stages.rollback.session import Session
from migrator.system.connections import quoted

#: Rounds in which an inserted row gives way to an old one; a chain of rows takes one round for each.
_ROUNDS = 100


def merge(session: Session, sources: Sequence[TableMapping]) -> None:
    """Write changes of mapped rows to the legacy tables of the mappings *sources*."""
    tables = list(mapping_reader.in_order(session.target))
    make_views(session.connection, session.target)
    for table in tables:
        _note_touched(session, cell_comparison.Comparison(session.target, table))
    for table in tables:
        new_rows.part_from_former_rows(session, table, [mapping for mapping in sources if mapping.table == table])
        new_rows.follow_changed_keys(session, table, [mapping for mapping in sources if mapping.table == table])
    for mapping in sources:
        cells = ", ".join(("legacy_key", *map(quoted, mapping.legacy_columns)))
        session.connection.execute(f"CREATE TABLE before.{quoted(mapping.source)} ({cells})")
        session.connection.execute(
            f"CREATE INDEX before.{quoted(f'{mapping.source} by key')} ON {quoted(mapping.source)}(legacy_key)"
        )
        _delete_gone(session, mapping)
    for mapping in sources:
        mirrored_rows.write_back(session, mapping)
    for table in tables:
        new_rows.name_new_rows(session, table, [mapping for mapping in sources if mapping.table == table])
    for mapping in sources:
        new_rows.tell_dropped(session, mapping)
        _apply(session, mapping)


def make_views(connection: sqlite3.Connection, target: str) -> None:
    """Make a TEMP view of each target table with every time in the format of forward, NULL if it is not a time."""
    for table in mapping_reader.in_order(target):
        comparison = cell_comparison.Comparison(target, table)
        times = comparison.times()
        columns = ", ".join(
            f"utc(CAST({quoted(name)} AS BLOB)) AS {quoted(name)}" if name in times else quoted(name)
            for name in dict.fromkeys((comparison.key, *comparison.columns))
        )
        connection.execute(f"CREATE TEMP VIEW {quoted(table)} AS SELECT {columns} FROM {target}.{quoted(table)}")
    connection.execute(f"CREATE TEMP VIEW lineage AS SELECT * FROM {target}.lineage")


def _note_touched(session: Session, comparison: cell_comparison.Comparison) -> None:
    table, key = quoted(comparison.table), comparison.key
    now, installed = f"{session.target}.{table}", f"baseline.{table}"
    refer = "".join(
        f" UNION SELECT {key} FROM {side} WHERE {quoted(column)} IN (SELECT id FROM {new_rows.touched(parent)})"
        for column, parent in comparison.references.items()
        for side in (now, installed)
    )
    session.connection.execute(
        f"CREATE TABLE {new_rows.touched(comparison.table)} AS"
        f" SELECT w.{key} AS id FROM {now} AS w LEFT JOIN {installed} AS b ON b.{key} = w.{key}"
        f" WHERE b.{key} IS NULL OR {reverse_sql.differ_sql('w', 'b', comparison.columns)}"
        f" UNION SELECT b.{key} FROM {installed} AS b WHERE NOT EXISTS (SELECT 1 FROM {now} AS w WHERE w.{key} = b.{key}){refer}"
    )


def _keys_sql(session: Session, mapping: TableMapping, *schemas: str) -> str:
    """Return a SELECT of the legacy keys of the changed rows of a mapping, by the lineage of *schemas*."""
    return " UNION ".join(
        # CROSS JOIN fixes the order: through the index of lineage, whose ids have no affinity.
        f"SELECT l.legacy_key AS legacy_key FROM {new_rows.touched(mapping.table)} AS k CROSS JOIN {schema}.lineage AS l"
        f" ON l.target = '{mapping.table}' AND l.target_id = +k.id WHERE l.source = '{mapping.source}'"
        f" AND NOT {mirrored_rows.is_mirrored('l.source', 'l.legacy_key')}"
        for schema in schemas or (session.target, "baseline")
    )


def _delete_gone(session: Session, mapping: TableMapping) -> None:
    """Delete the legacy rows of which no consolidated row remains."""
    key = mapping_reader.target_key(schema_reader.target(mapping.target), mapping.table)
    session.connection.execute("DROP TABLE IF EXISTS temp.no_row_left")
    session.connection.execute(
        f"CREATE TEMP TABLE no_row_left AS SELECT o.legacy_key FROM ({_keys_sql(session, mapping, 'baseline')}) AS o WHERE NOT EXISTS"
        f" (SELECT 1 FROM {session.target}.lineage AS m JOIN {session.target}.{quoted(mapping.table)} AS t ON t.{key} = m.target_id"
        f" WHERE m.source = '{mapping.source}' AND m.legacy_key IS o.legacy_key AND m.target = '{mapping.table}')"
        f" AND o.legacy_key NOT IN (SELECT former FROM {new_rows.REKEYED} WHERE source = '{mapping.source}')"
    )
    if session.connection.execute("SELECT 1 FROM temp.no_row_left").fetchone():
        with session.beside(mapping.database):
            deleted = session.connection.execute(
                f"DELETE FROM {source_of(mapping)} WHERE {quoted(mapping.key)} COLLATE BINARY IN (SELECT legacy_key FROM temp.no_row_left)"
            ).rowcount
            session.done.did(mapping.source, "deleted", deleted)


def source_of(mapping: TableMapping) -> str:
    """Return the legacy table of a mapping, as SQL."""
    return f"{quoted(mapping.database)}.{quoted(mapping.source_table)}"


def _apply(session: Session, mapping: TableMapping) -> None:
    """Write the merged rows to the legacy table of a mapping."""
    connection = session.connection
    for name in ("keys", "back_then", "back_now", "merged"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
    connection.execute(f"CREATE TEMP TABLE keys AS {_keys_sql(session, mapping)}")
    if not connection.execute("SELECT 1 FROM temp.keys").fetchone():
        return
    given = mapping.given(session.constants)
    rebuild_now(session, mapping, "temp.keys")
    connection.execute(
        f"CREATE TEMP TABLE back_then AS SELECT * FROM ({reverse_sql.back_sql(mapping, 'baseline')})"
        " WHERE legacy_key IN (SELECT legacy_key FROM temp.keys)",
        given,
    )
    # A new row under a former number has nothing in common with the former row.
    connection.execute(
        f"DELETE FROM temp.back_then WHERE legacy_key IN (SELECT legacy_key FROM {new_rows.NAMED} WHERE source = ?)",
        (mapping.source,),
    )
    connection.execute(
        f"UPDATE temp.back_then SET legacy_key = r.legacy_key FROM {new_rows.REKEYED} AS r"
        " WHERE r.source = ? AND r.former = back_then.legacy_key",
        (mapping.source,),
    )
    connection.execute("CREATE INDEX temp.then_key ON back_then(legacy_key)")
    with session.beside(mapping.database):
        connection.execute(f"CREATE TEMP TABLE merged AS {_merged_sql(session, mapping)}")
        refused = {**_update(session, mapping), **_insert(session, mapping)}
        _leave(session, mapping, refused)


def rebuild_now(session: Session, mapping: TableMapping, keys: str) -> None:
    """Make ``temp.back_now``: the legacy rows of the table *keys* as the back SELECT rebuilds them now."""
    # A table of the target's own shape keeps the format of times.
    schema = "temp" if mapping.file else mapping.target
    session.connection.execute(
        f"CREATE TEMP TABLE back_now AS SELECT * FROM ({reverse_sql.back_sql(mapping, schema)})"
        f" WHERE legacy_key IN (SELECT legacy_key FROM {keys})",
        mapping.given(session.constants),
    )


def _merged_sql(session: Session, mapping: TableMapping) -> str:
    """Return a SELECT of legacy_key, former (the key of the legacy row), is_new (no legacy row), and each merged cell."""
    key = quoted(mapping.key)
    changed = {name: _changed(session, mapping, name) for name in mapping.legacy_columns}
    cells = {
        name: f"CASE WHEN s.{key} IS NULL THEN n.{quoted(name)}"
        f" WHEN t.legacy_key IS NULL THEN {_mended(mapping, name)}"
        f" WHEN NOT {reverse_sql.differ_sql('n', 't', [name])} THEN s.{quoted(name)}"
        f" WHEN NOT {reverse_sql.differ_sql('s', 't', [name])} THEN n.{quoted(name)}"
        f" WHEN {changed[name]} THEN n.{quoted(name)} ELSE s.{quoted(name)} END"
        for name in mapping.legacy_columns
    }
    if mapping.key in cells:
        cells[mapping.key] = (
            f"CASE WHEN k.former IS NOT n.legacy_key AND k.former IS NOT NULL THEN n.legacy_key ELSE {cells[mapping.key]} END"
        )
    empty = _required(session, mapping)
    listed = ", ".join(
        f"{f'coalesce({sql}, {empty[name]})' if name in empty else sql} AS {quoted(name)}"
        for name, sql in cells.items()
    )
    return (
        f"SELECT n.legacy_key AS legacy_key, coalesce(k.former, n.legacy_key) AS former, s.{key} IS NULL AS is_new, {listed}"
        f" FROM temp.back_now AS n LEFT JOIN {new_rows.REKEYED} AS k ON k.source = '{mapping.source}'"
        f" AND k.legacy_key = n.legacy_key"
        f" LEFT JOIN {source_of(mapping)} AS s ON s.{key} = coalesce(k.former, n.legacy_key) COLLATE BINARY"
        f" LEFT JOIN temp.back_then AS t ON t.legacy_key = n.legacy_key"
    )


def _required(session: Session, mapping: TableMapping) -> dict[str, str]:
    """Return legacy column -> SQL of the empty value, for NOT NULL texts that forward does not read as times.

    An empty text instead of a time would make the application fail; such a row is refused instead.
    """
    times = set(cell_comparison.Comparison(mapping.target, mapping.table).times())
    required = session.connection.execute(
        "SELECT name FROM pragma_table_info(?, ?) WHERE \"notnull\" AND dflt_value IS NULL AND upper(type) = 'TEXT'",
        (mapping.source_table, mapping.database),
    ).fetchall()
    return {name: "''" for (name,) in required if times.isdisjoint(mapping.uses.get(name, ()))}


def _mended(mapping: TableMapping, name: str) -> str:
    """Return SQL for a cell of a quarantined legacy row: that of the corrected row, if it carries information."""
    if name not in mapping.uses:
        return f"s.{quoted(name)}"
    return f"CASE WHEN {recognition.informs(f'n.{quoted(name)}')} THEN n.{quoted(name)} ELSE s.{quoted(name)} END"


def _changed(session: Session, mapping: TableMapping, column: str) -> str:
    """Return SQL that is true if a target column that is computed from the legacy *column* was changed."""
    comparison = cell_comparison.Comparison(mapping.target, mapping.table)
    fed = [name for name in mapping.uses.get(column, ()) if name in comparison.columns and name != comparison.key]
    if not fed:
        return "0"
    key, table = comparison.key, quoted(mapping.table)
    return (
        f"EXISTS (SELECT 1 FROM {session.target}.lineage AS l JOIN {session.target}.{table} AS w ON w.{key} = l.target_id"
        f" LEFT JOIN baseline.{table} AS b ON b.{key} = w.{key} WHERE l.source = '{mapping.source}'"
        f" AND l.legacy_key = n.legacy_key AND l.target = '{mapping.table}' AND {reverse_sql.differ_sql('w', 'b', fed)})"
    )


def _update(session: Session, mapping: TableMapping) -> dict[int, str]:
    """Update the legacy rows that differ, all at once if their constraints allow it; return those refused, and why."""
    connection = session.connection
    key = f"s.{quoted(mapping.key)}"
    connection.execute("DROP TABLE IF EXISTS temp.changed")
    connection.execute(
        f"CREATE TEMP TABLE changed AS SELECT r.rowid AS row FROM temp.merged AS r JOIN {source_of(mapping)} AS s"
        f" ON {key} = r.former COLLATE BINARY WHERE NOT r.is_new AND {reverse_sql.differ_sql('s', 'r', mapping.legacy_columns)}"
    )
    (wanted,) = connection.execute("SELECT count(*) FROM temp.changed").fetchone()
    if not wanted:
        return {}
    _remember(session, mapping)
    rekeyed = connection.execute("SELECT 1 FROM temp.merged WHERE former IS NOT legacy_key").fetchone()
    settings = ", ".join(
        f"{quoted(name)} = r.{quoted(name)}" for name in mapping.legacy_columns if name != mapping.key or rekeyed
    )
    update = (
        f"UPDATE OR ABORT {source_of(mapping)} AS s SET {settings} FROM temp.merged AS r"
        f" WHERE {{}} AND {key} = r.former COLLATE BINARY"
    )
    refused: dict[int, str] = {}
    if session.tried(update.format("r.rowid IN (SELECT row FROM temp.changed)"), ()):
        refused = {
            row: why
            for row in _exchange(session, mapping)
            if (why := session.tried(update.format("r.rowid = ?"), (row,)))
        }
    session.done.did(mapping.source, "updated", wanted - len(refused))
    return refused


def _remember(session: Session, mapping: TableMapping) -> None:
    """Copy the legacy rows that will be changed to ``before``."""
    kept = f"before.{quoted(mapping.source)}"
    rows = (
        f"FROM {source_of(mapping)} AS s JOIN temp.merged AS r ON s.{quoted(mapping.key)} = r.former COLLATE BINARY"
        " WHERE r.rowid IN (SELECT row FROM temp.changed)"
    )
    columns = ", ".join(f"s.{quoted(name)} AS {quoted(name)}" for name in mapping.legacy_columns)
    session.connection.execute(f"INSERT INTO {kept} SELECT r.legacy_key, {columns} {rows}")


def _exchange(session: Session, mapping: TableMapping) -> list[int]:
    """Delete the changed rows and insert them as they are now: they may have exchanged unique values.

    Return those that are refused, or that have to be tried one by one; the legacy table has these as they were.  A row that
    another of them kept out gives way in turn, so that each is moved at most twice.
    """
    connection = session.connection
    source, key = source_of(mapping), quoted(mapping.key)
    rowid = free_rowid(connection, mapping.database, mapping.source_table)
    columns = [quoted(name) for name in mapping.legacy_columns]
    rowids = [rowid] if rowid and rowid not in columns else []
    into = ", ".join((*rowids, *columns))
    connection.execute("DROP TABLE IF EXISTS temp.taken_out")
    connection.execute(
        f"CREATE TEMP TABLE taken_out AS SELECT r.rowid AS row, {', '.join([*(f's.{rowid} AS legacy_rowid' for _ in rowids), '0 AS refused'])},"
        f" r.legacy_key AS legacy_key, r.former AS former, {', '.join(f's.{name} AS {name}' for name in columns)} FROM {source} AS s"
        f" JOIN temp.merged AS r ON s.{key} = r.former COLLATE BINARY WHERE r.rowid IN (SELECT row FROM temp.changed) ORDER BY 1"
    )
    connection.execute(f"DELETE FROM {source} WHERE {key} COLLATE BINARY IN (SELECT former FROM temp.taken_out)")
    # If the rowid is the key, it changes with it.
    moved = ["iif(o.legacy_rowid IS o.former, r.legacy_key, o.legacy_rowid)" for _ in rowids]
    now = ", ".join((*moved, *(f"r.{name}" for name in columns)))
    _admit(
        session,
        f"INSERT OR IGNORE INTO {source} ({into}) SELECT {now} FROM temp.taken_out AS o"
        " CROSS JOIN temp.merged AS r ON r.rowid = o.row WHERE o.rowid",
        "temp.taken_out",
    )
    old = ", ".join((*("o.legacy_rowid" for _ in rowids), *(f"o.{name}" for name in columns)))
    missing = (
        "UPDATE temp.taken_out SET refused = 1 WHERE NOT refused AND legacy_key COLLATE BINARY NOT IN"
        f" (SELECT {key} FROM {source} WHERE {key} IS NOT NULL)"
    )
    for rounds in count(1):
        if not connection.execute(missing).rowcount:
            break
        if rounds > _ROUNDS:
            # A long chain: restore all, and let the caller try each by itself.
            connection.execute(
                f"DELETE FROM {source} WHERE {key} COLLATE BINARY IN (SELECT legacy_key FROM temp.taken_out WHERE NOT refused)"
            )
            connection.execute("UPDATE temp.taken_out SET refused = 1")
        # The old rows fit beside all others, so that they only replace inserted ones.
        connection.execute(
            f"INSERT OR REPLACE INTO {source} ({into}) SELECT {old} FROM temp.taken_out AS o WHERE o.refused = 1"
        )
        connection.execute("UPDATE temp.taken_out SET refused = 2 WHERE refused = 1")
    return [row for (row,) in connection.execute("SELECT row FROM temp.taken_out WHERE refused ORDER BY row")]


def _admit(session: Session, statement: str, table: str) -> None:
    """Run *statement* for the rows of *table*, halving them if it fails: ``IGNORE`` does not skip every error."""
    (last,) = session.connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()
    waiting = [(1, last)]
    while waiting:
        first, last = waiting.pop()
        if session.tried(f"{statement} BETWEEN ? AND ?", (first, last)) and first < last:
            middle = (first + last) // 2
            waiting += [(middle + 1, last), (first, middle)]


def _insert(session: Session, mapping: TableMapping) -> dict[int, str]:
    """Insert the rows that the legacy table lacks; return those that it refuses, and why."""
    connection = session.connection
    (wanted,) = connection.execute("SELECT count(*) FROM temp.merged WHERE is_new").fetchone()
    if not wanted:
        return {}
    # A rowid is not among the columns, and would be assigned anew.
    named = {"rowid": "legacy_key"} if mapping.key == "rowid" else {}
    columns = [quoted(name) for name in mapping.legacy_columns]
    into, taken = ", ".join((*columns, *named)), ", ".join((*columns, *named.values()))
    insert = f"INSERT OR {{}} INTO {source_of(mapping)} ({into}) SELECT {taken} FROM temp.merged WHERE is_new"
    refused: dict[int, str] = {}
    if session.tried(insert.format("ABORT"), ()):
        _admit(session, f"{insert.format('IGNORE')} AND rowid", "temp.merged")
        missing = connection.execute(
            f"SELECT rowid FROM temp.merged WHERE is_new AND legacy_key COLLATE BINARY NOT IN"
            f" (SELECT {quoted(mapping.key)} FROM {source_of(mapping)} WHERE {quoted(mapping.key)} IS NOT NULL) ORDER BY 1"
        ).fetchall()
        each = f"{insert.format('ABORT')} AND rowid = ?"
        refused = {row: why for (row,) in missing if (why := session.tried(each, (row,)))}
    session.done.did(mapping.source, "inserted", wanted - len(refused))
    return refused


def _leave(session: Session, mapping: TableMapping, refused: Mapping[int, str]) -> None:
    """Record the consolidated rows behind the rows *refused* of temp.merged as not written back."""
    key = mapping_reader.target_key(schema_reader.target(mapping.target), mapping.table)
    for row, refusal in refused.items():
        for (handle,) in _rows_behind(session.connection, mapping, key, row):
            session.done.leave(f"{mapping.target}.{mapping.table}", handle, f"{mapping.source} refuses it: {refusal}")
    # A legacy row whose new key is refused stays; it does not count as deleted.
    session.connection.executemany(
        f"INSERT INTO {mapping.target}.lineage (source, legacy_key, target) SELECT ?, former, ? FROM temp.merged"
        " WHERE rowid = ? AND NOT is_new AND former IS NOT legacy_key",
        [(mapping.source, mapping.table, row) for row in refused],
    )


def _rows_behind(connection: sqlite3.Connection, mapping: TableMapping, key: str, row: int) -> Iterator[tuple[int]]:
    yield from connection.execute(
        f"SELECT t.rowid FROM temp.merged AS r JOIN {mapping.target}.lineage AS l ON l.legacy_key IS r.legacy_key"
        f" JOIN {mapping.target}.{quoted(mapping.table)} AS t ON t.{key} = l.target_id"
        " WHERE r.rowid = ? AND l.source = ? AND l.target = ?",
        (row, mapping.source, mapping.table),
    ).fetchall()
