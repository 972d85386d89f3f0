"""Gives rows that are new since the cutover a lineage, with a key in the format of the legacy table that takes them.

A row that the owner corrected and took out of quarantine is not new: its legacy row exists, and is updated.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.mapping.new_keys import text_key
from migrator.quarantine import recognition
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import free_rowid
from migrator.stages.rollback.cell_comparison import Comparison
from migrator.stages.rollback.mirrored_rows import MIRRORED, is_mirrored
from migrator.stages.rollback.session import Session
from migrator.system.connections import quoted
from migrator.system.escaping import escaped

_LARGEST = 2**63 - 1
#: Work table: source and legacy key of each row that got its key here.
NAMED = "temp.named"
#: Work table: source, former and present legacy key of each row whose key was changed.
REKEYED = "temp.rekeyed"


def touched(table: str) -> str:
    """Return the name of the work table with the keys of rows of *table* that changed, or refer to rows that changed."""
    return f"temp.{quoted(f'touched {table}')}"


def part_from_former_rows(session: Session, table: str, sources: Sequence[TableMapping]) -> None:
    """Delete the lineage of rows of *table* that are new under an old number, or that a legacy table can take now.

    The latter are stubs, parents that the build added, that were written to since.
    """
    comparison = Comparison(session.target, table)
    key = comparison.key
    if not sources:
        return
    differ = reverse_sql.differ_sql("w", "b", comparison.columns)
    session.connection.execute(
        f"DELETE FROM {session.target}.lineage WHERE rowid IN (SELECT l.rowid FROM {touched(table)} AS k"
        f" CROSS JOIN {session.target}.{quoted(table)} AS w ON w.{key} = k.id CROSS JOIN baseline.{quoted(table)} AS b"
        f" ON b.{key} = w.{key} CROSS JOIN {session.target}.lineage AS l ON l.target = ? AND l.target_id = +k.id"
        f" WHERE CASE WHEN l.source LIKE 'stub:%' THEN {differ} ELSE NOT {comparison.same_row('w', 'b')} END"
        f" AND NOT {is_mirrored('l.source', 'l.legacy_key')})",
        (table,),
    )


def follow_changed_keys(session: Session, table: str, sources: Sequence[TableMapping]) -> None:
    """Keep the lineage of a row of *table* whose key was changed: it equals a deleted row in every other cell.

    If the key is the legacy row's own, :data:`REKEYED` lists the legacy row that gets it.
    """
    comparison = Comparison(session.target, table)
    columns = [name for name in comparison.columns if name != comparison.key]
    connection, key = session.connection, comparison.key
    now, installed = f"{session.target}.{quoted(table)}", f"baseline.{quoted(table)}"
    row = reverse_sql.row_sql("t", columns)
    for name, side, other in (("appeared", now, installed), ("vanished", installed, now)):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
        # Equal rows cannot be told apart.
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT min(t.{key}) AS id, {row} AS row FROM {touched(table)} AS k CROSS JOIN {side}"
            f" AS t ON t.{key} = k.id WHERE t.{key} NOT IN (SELECT {key} FROM {other} WHERE {key} IS NOT NULL)"
            f" AND NOT EXISTS (SELECT 1 FROM {session.target}.lineage AS l WHERE l.target = '{table}'"
            f" AND l.target_id = +t.{key} AND {is_mirrored('l.source', 'l.legacy_key')})"
            f" GROUP BY row HAVING count(*) = 1"
        )
    connection.execute("CREATE INDEX temp.vanished_row ON vanished(row)")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {REKEYED} (source, former, legacy_key)")
    if connection.execute("SELECT 1 FROM temp.appeared AS a JOIN temp.vanished AS v ON v.row = a.row").fetchone():
        for mapping in sources:
            with session.beside(mapping.database):
                _follow(session, mapping)


def _follow(session: Session, mapping: TableMapping) -> None:
    connection = session.connection
    source, name = f"{quoted(mapping.database)}.{quoted(mapping.source_table)}", quoted(mapping.key)
    legacy_key = "l.legacy_key" if mapping.number else "a.id"
    # A key that another legacy row has stays with that row.
    free = f"NOT EXISTS (SELECT 1 FROM {source} AS s WHERE s.{name} = a.id)"
    moved = (
        f"FROM temp.appeared AS a JOIN temp.vanished AS v ON v.row = a.row JOIN {session.target}.lineage AS l"
        f" ON l.source = '{mapping.source}' AND l.target = '{mapping.table}' AND l.target_id = +v.id"
        f" WHERE {1 if mapping.number else free}"
    )
    connection.execute("DROP TABLE IF EXISTS temp.moving")
    connection.execute(
        f"CREATE TEMP TABLE moving AS SELECT l.rowid AS lineage_row, +a.id AS id, +l.legacy_key AS former,"
        f" {legacy_key} AS legacy_key {moved}"
    )
    connection.execute(f"INSERT INTO {REKEYED} SELECT '{mapping.source}', former, legacy_key FROM temp.moving")
    connection.execute(
        f"UPDATE {session.target}.lineage AS x SET target_id = y.id, legacy_key = y.legacy_key"
        " FROM temp.moving AS y WHERE x.rowid = y.lineage_row"
    )


def name_new_rows(session: Session, table: str, sources: Sequence[TableMapping]) -> None:
    """Give every row of *table* without a lineage one, in the first of the legacy tables *sources* that takes such rows."""
    key = mapping_reader.target_key(schema_reader.target(session.target), table)
    name = f"{session.target}.{table}"
    session.connection.execute(f"CREATE TABLE IF NOT EXISTS {NAMED} (source, legacy_key)")
    new = session.connection.execute(
        f"SELECT t.rowid, t.{key} IS NULL FROM {session.target}.{quoted(table)} AS t WHERE (t.{key} IS NULL OR t.{key} IN"
        f" (SELECT id FROM {touched(table)})) AND NOT EXISTS (SELECT 1 FROM"
        f" {session.target}.lineage AS l WHERE l.target = ? AND l.target_id = +t.{key}) ORDER BY t.{key}, t.rowid",
        (table,),
    ).fetchall()
    takers = [mapping for mapping in sources if not mapping.parts]
    why = "one legacy row holds several of these" if sources else "no legacy table holds such rows"
    for rowid, nameless in new:
        if nameless:
            session.done.leave(name, rowid, "its key is NULL")
    unnamed = [rowid for rowid, nameless in new if not nameless]
    if unnamed and takers:
        with session.beside(takers[0].database):
            _name(session, takers[0], name, key, unnamed)
        for mapping in takers:
            with session.beside(mapping.database):
                _recognise_mended(session, mapping, takers[0])
        return
    for mapping in [mapping for mapping in sources if unnamed and mapping.takes]:
        with session.beside(mapping.database):
            _name_together(session, mapping, name, key)
    for rowid in unnamed:
        named = f"SELECT 1 FROM {session.target}.lineage WHERE target = ? AND target_id = (SELECT +{key} FROM {name} WHERE rowid = ?)"
        if not session.connection.execute(named, (table, rowid)).fetchone():
            session.done.leave(name, rowid, why)


def _name_together(session: Session, taker: TableMapping, name: str, key: str) -> None:
    """Give new rows that together make one legacy row one key."""
    largest = _largest(session, taker)
    session.connection.execute(
        f"INSERT INTO {session.target}.lineage (source, legacy_key, target, target_id)"
        f" SELECT ?, ? + dense_rank() OVER (ORDER BY {', '.join(map(quoted, taker.together))}), ?, t.{key} FROM {name} AS t"
        f" WHERE t.{key} IN (SELECT id FROM {touched(taker.table)}) AND ({taker.takes}) AND NOT EXISTS"
        f" (SELECT 1 FROM {session.target}.lineage AS l WHERE l.target = ? AND l.target_id = +t.{key}) ORDER BY t.{key}",
        (taker.source, largest, taker.table, taker.table),
    )


def _largest(session: Session, taker: TableMapping) -> int:
    """Return the largest key that a legacy table has assigned."""
    largest: int
    (largest,) = session.connection.execute(
        f"SELECT coalesce(max({quoted(taker.key)}), 0) FROM {quoted(taker.database)}.{quoted(taker.source_table)}"
        f" WHERE typeof({quoted(taker.key)}) = 'integer'"
    ).fetchone()
    return max(largest, _high_water(session, taker.database, taker.source_table))


def _name(session: Session, taker: TableMapping, name: str, key: str, new: Sequence[int]) -> None:
    connection = session.connection
    source = f"{quoted(taker.database)}.{quoted(taker.source_table)}"
    legacy_key = quoted(taker.key)
    used = {key for (key,) in connection.execute(f"SELECT CAST({legacy_key} AS BLOB) FROM {source}")}
    if not taker.number:
        # A kept key of a quarantined row belongs to that row, which the owner corrected.
        used -= {
            key
            for (key,) in connection.execute(
                "SELECT CAST(legacy_key AS BLOB) FROM baseline.quarantine WHERE source = ? AND target = ?",
                (taker.source, taker.table),
            )
        }
    largest = _largest(session, taker)
    declared = connection.execute(
        "SELECT upper(type) FROM pragma_table_xinfo(?, ?) WHERE name = ? COLLATE NOCASE",
        (taker.source_table, taker.database, taker.key),
    ).fetchone()
    numbers = declared is None or declared[0].startswith("INT")
    named = (
        f"INSERT INTO {session.target}.lineage (source, legacy_key, target, target_id)"
        f" SELECT ?, {{}}, ?, t.{key} FROM {name} AS t WHERE t.rowid = ?"
    )
    for number, rowid in enumerate(new, start=1):
        if not taker.number:
            (kept,) = connection.execute(f"SELECT CAST({key} AS BLOB) FROM {name} WHERE rowid = ?", (rowid,)).fetchone()
            if kept in used:
                session.done.leave(name, rowid, f"{taker.source} has another row with its key")
                continue
            connection.execute(named.format(f"t.{key}"), (taker.source, taker.table, rowid))
        elif numbers and largest + number > _LARGEST:
            session.done.leave(name, rowid, f"{taker.source} has no number left above its largest")
        else:
            given = largest + number if numbers else text_key(f"{name}:{rowid}", used)
            if not numbers:
                used.add(str(given).encode())
            connection.execute(named.format("?"), (taker.source, given, taker.table, rowid))
        connection.execute(
            f"INSERT INTO {NAMED} SELECT source, legacy_key FROM {session.target}.lineage WHERE rowid = last_insert_rowid()"
        )


def _recognise_mended(session: Session, mapping: TableMapping, taker: TableMapping) -> None:
    """Give new rows that are corrected rows from the quarantine of *mapping* the keys of their legacy rows.

    A kept key identifies the row.  With assigned ids :mod:`migrator.quarantine.recognition` compares the cells; a new row that may be one
    which was deleted from quarantine, but is not surely, is left over.
    """
    connection = session.connection
    refused = (
        f"SELECT legacy_key FROM baseline.quarantine WHERE source = '{mapping.source}' AND target = '{mapping.table}'"
    )
    # Without reading the key, which may be text that is not UTF-8.
    if not connection.execute(f"SELECT 1 FROM ({refused}) LIMIT 1").fetchone():
        return
    if not mapping.number:
        of_taker = f"source = '{taker.source}' AND legacy_key IN ({refused}) AND legacy_key IN (SELECT legacy_key FROM {NAMED})"
        for work in (f"{session.target}.lineage", NAMED):
            connection.execute(f"UPDATE {work} SET source = '{mapping.source}' WHERE {of_taker}")
        return
    found = _paired_with_quarantined(
        session, mapping, refused, "temp", f"SELECT legacy_key FROM {NAMED} WHERE source = '{mapping.source}'"
    )
    for new, old in found.same:
        _join(session, mapping, new, old)
    for new, old in found.doubtful:
        _leave_doubtful(session, mapping, new, old)


def release_adopted(session: Session, mapping: TableMapping) -> None:
    """Unlist mirrored rows that are corrected rows of *mapping*, deleted from quarantine: a legacy schema gave them other keys.

    They count as new rows then, and are recognized as such.
    """
    if not mapping.number or mapping.parts:
        return
    known = "x.source = m.source AND x.legacy_key IS m.legacy_key"
    keys = (
        f"SELECT m.legacy_key FROM {MIRRORED} AS m WHERE m.source = '{mapping.source}' AND m.legacy_key IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM baseline.lineage AS x WHERE {known})"
        f" AND NOT EXISTS (SELECT 1 FROM baseline.quarantine AS x WHERE {known})"
    )
    refused = f"SELECT legacy_key FROM ({_dropped_sql(session, mapping)})"
    connection = session.connection
    if not all(connection.execute(f"SELECT 1 FROM ({asked}) LIMIT 1").fetchone() for asked in (keys, refused)):
        return
    with session.beside(mapping.database):
        for new, _ in _paired_with_quarantined(session, mapping, refused, session.target, keys).same:
            connection.execute(
                f"DELETE FROM {MIRRORED} WHERE source = ? AND legacy_key IS"
                f" (SELECT legacy_key FROM {recognition.NEW} WHERE rowid = ?)",
                (mapping.source, new),
            )


def tell_dropped(session: Session, mapping: TableMapping) -> None:
    """Tell the owner of rows that were deleted from quarantine and are in no table: their legacy rows stay."""
    (dropped,) = session.connection.execute(
        f"SELECT count(*) FROM ({_dropped_sql(session, mapping)}) AS b WHERE NOT EXISTS (SELECT 1 FROM"
        f" {session.target}.lineage AS l WHERE l.source = '{mapping.source}' AND l.legacy_key IS b.legacy_key)"
    ).fetchone()
    if dropped:
        session.done.tell(
            f"{mapping.source}: {dropped:,} rows were deleted from quarantine and not moved; their legacy rows stay as they were"
        )


def _dropped_sql(session: Session, mapping: TableMapping) -> str:
    """Return a SELECT of the legacy key of each row of *mapping* that other code deleted from quarantine."""
    of_source = f"source = '{mapping.source}' AND target = '{mapping.table}'"
    return (
        f"SELECT b.legacy_key AS legacy_key FROM baseline.quarantine AS b WHERE b.{of_source} AND NOT EXISTS (SELECT 1 FROM"
        f" {session.target}.quarantine AS q WHERE q.source = b.source AND q.target = b.target"
        f" AND q.legacy_key IS b.legacy_key AND (b.legacy_key IS NOT NULL OR q.row = b.row))"
        f" AND NOT {is_mirrored('b.source', 'b.legacy_key')}"
    )


def _paired_with_quarantined(
    session: Session, mapping: TableMapping, refused: str, schema: str, keys: str
) -> recognition.Pairs:
    """Return which new rows with the legacy *keys*, read from *schema*, are quarantined rows of *mapping*."""
    connection = session.connection
    for name in (recognition.NEW, recognition.SET_ASIDE):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    connection.execute(
        f"CREATE TABLE {recognition.NEW} AS SELECT * FROM ({reverse_sql.back_sql(mapping, schema)}) WHERE legacy_key IN"
        f" ({keys})",
        mapping.given(session.constants),
    )
    source, key = f"{quoted(mapping.database)}.{quoted(mapping.source_table)}", f"s.{quoted(mapping.key)}"
    rowid = free_rowid(connection, mapping.database, mapping.source_table)
    nameless = reverse_sql.nameless_sql(mapping, key) if rowid else "0"
    cells = ", ".join(f"s.{quoted(name)} AS {quoted(name)}" for name in mapping.legacy_columns)
    kept = f"FROM {session.target}.quarantine AS q WHERE q.source = '{mapping.source}' AND q.target = '{mapping.table}'"
    dropped = (
        f"CASE WHEN {nameless} THEN {reverse_sql.row_sql('s', mapping.legacy_columns)} NOT IN (SELECT q.row {kept}"
        f" AND q.legacy_key IS NULL) ELSE NOT EXISTS (SELECT 1 {kept} AND q.legacy_key IS +{key}) END"
    )
    connection.execute(
        f"CREATE TABLE {recognition.SET_ASIDE} AS SELECT {f's.{rowid}' if rowid else 'NULL'} AS legacy_rowid,"
        f" CASE WHEN NOT {nameless} THEN {key} END AS legacy_key, {dropped} AS dropped, {cells} FROM {source} AS s"
        f" WHERE ({key} COLLATE BINARY IN ({refused}) OR {nameless})"
        f" AND NOT {is_mirrored(reverse_sql.literal(mapping.source), key)}"
    )
    return recognition.pairs(connection.execute, mapping.legacy_columns, mapping.uses, mapping.key, mapping.number)


def _leave_doubtful(session: Session, mapping: TableMapping, new: int, old: int) -> None:
    """Leave over the new row *new*, which may be the row *old*: in two legacy rows a position would count twice."""
    connection = session.connection
    of_new = f"source = '{mapping.source}' AND legacy_key = (SELECT legacy_key FROM {recognition.NEW} WHERE rowid = ?)"
    (key,) = connection.execute(
        "SELECT CAST(CASE typeof(legacy_key) WHEN 'blob' THEN lower(hex(legacy_key)) ELSE legacy_key END AS BLOB)"
        f" FROM {recognition.SET_ASIDE} WHERE rowid = ?",
        (old,),
    ).fetchone()
    name = mapping_reader.target_key(schema_reader.target(session.target), mapping.table)
    (rowid,) = connection.execute(
        f"SELECT rowid FROM {session.target}.{quoted(mapping.table)} WHERE {name} ="
        f" (SELECT +target_id FROM {session.target}.lineage WHERE {of_new})",
        (new,),
    ).fetchone()
    for work in (f"{session.target}.lineage", NAMED):
        connection.execute(f"DELETE FROM {work} WHERE {of_new}", (new,))
    known = "a row without a key" if key is None else escaped(key.decode("utf-8", "surrogateescape"))
    session.done.leave(
        f"{session.target}.{mapping.table}",
        rowid,
        f"it may be {mapping.source} {known}, which was deleted from quarantine; that legacy row stays as it was",
    )


def _join(session: Session, mapping: TableMapping, new: int, old: int) -> None:
    """Join the new row *new* with the legacy row *old*, by the rowids of the tables of :mod:`migrator.quarantine.recognition`."""
    connection = session.connection
    ours = f"(SELECT legacy_key FROM {recognition.NEW} WHERE rowid = :new)"
    theirs = f"(SELECT legacy_key FROM {recognition.SET_ASIDE} WHERE rowid = :old)"
    rows = {"new": new, "old": old}
    # A legacy row without a key gets the key that was made for the new row.
    connection.execute(
        f"UPDATE OR ABORT {quoted(mapping.database)}.{quoted(mapping.source_table)} SET {quoted(mapping.key)} = {ours}"
        f" WHERE {theirs} IS NULL AND rowid = (SELECT legacy_rowid FROM {recognition.SET_ASIDE} WHERE rowid = :old)",
        rows,
    )
    for work in (f"{session.target}.lineage", NAMED):
        connection.execute(
            f"UPDATE {work} SET legacy_key = coalesce({theirs}, legacy_key) WHERE source = '{mapping.source}'"
            f" AND legacy_key = {ours}",
            rows,
        )


def _high_water(session: Session, database: str, table: str) -> int:
    has = f"SELECT 1 FROM {quoted(database)}.sqlite_schema WHERE name = 'sqlite_sequence'"
    if not session.connection.execute(has).fetchone():
        return 0
    sequence = session.connection.execute(
        f"SELECT seq FROM {quoted(database)}.sqlite_sequence WHERE name = ? COLLATE NOCASE", (table,)
    ).fetchone()
    return sequence[0] if sequence and isinstance(sequence[0], int) else 0
