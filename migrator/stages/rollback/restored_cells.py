"""Restores legacy cells that were written and do not migrate to the row in use.

A new migration of the legacy copies shows how each row comes out.  If a cell is lost, as
:mod:`migrator.stages.rollback.cell_comparison` compares it, the legacy columns from which it is computed are restored: the row
in use goes to the residue, and the legacy row keeps its old content.  A legacy row that became several rows is restored whole.

A row in use may have lost what decides between rivals for a unique value, as a position that was closed beside an open one in quarantine.
Its legacy row is right: the rows are migrated again, and it keeps its place.

An unchanged row may come out different too, because a lookup returns another value now.  If its legacy table has a column
for the value of the lookup, and the column is empty, it is filled.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from migrator.mapping import reader as mapping_reader
from migrator.mapping import reverse_sql
from migrator.mapping.model import TableMapping
from migrator.quarantine import recognition
from migrator.records.decisions import DecidedRow, Kind
from migrator.schema import catalogue
from migrator.stages.rollback import cell_comparison, changed_rows, mirrored_rows
from migrator.stages.rollback import triggers as rollback_triggers
from migrator.stages.rollback.session import Session, Sets, WrittenBack
from migrator.system import connections
from migrator.system.connections import quoted


def settle(sets: Sets, done: WrittenBack, rebuild: Callable[..., Mapping[str, Path]]) -> Mapping[str, Path]:
    """Restore cells until a migration of the legacy copies needs no more; return the databases of that migration.

    Args:
        sets: The databases of the write-back.
        done: Its result; the numbers of updated rows are corrected.
        rebuild: Migrates the legacy copies, in which the rows ``stay`` keep their place before rivals: ``core`` -> database.
    """
    rebuilt = rebuild()
    if stay := _displaced(sets, done, rebuilt):
        rebuild = partial(rebuild, stay=stay)
        rebuilt = rebuild()
    # Rows that were written through the legacy schema may be why a lookup returns another value: legacy rows stay as they are.
    fill = not any(_is_mirrored(path) for path in sets.current.values())
    while _restore(sets, done, rebuilt, fill=fill):
        rebuilt = rebuild()
        # A cell that was filled in vain is restored, and not filled again.
        fill = False
    return rebuilt


def _displaced(sets: Sets, done: WrittenBack, rebuilt: Mapping[str, Path]) -> Sequence[DecidedRow]:
    """Return the decisions by which rows in use keep their place before rivals that are not in use."""
    stay: list[DecidedRow] = []
    for target in catalogue.TARGETS:
        with sets.opened(target, done, rebuilt) as session:
            for table in sets.last.tables:
                for mapping in mapping_reader.sources_of(table):
                    if mapping.target == target and mapping.back and not mapping.parts:
                        stay += _displaced_of(session, mapping)
    return stay


def _displaced_of(session: Session, mapping: TableMapping) -> Iterator[DecidedRow]:
    connection, table = session.connection, quoted(mapping.table)
    comparison = cell_comparison.Comparison(mapping.target, mapping.table)
    asked = "SELECT DISTINCT broken FROM again.quarantine WHERE source = ? AND target = ? AND broken GLOB 'UNIQUE *'"
    for (broken,) in connection.execute(asked, (mapping.source, mapping.table)).fetchall():
        columns = broken.removeprefix("UNIQUE ").split(", ")
        if not set(columns) <= set(comparison.columns):
            continue
        equal = " AND ".join(f"f.{quoted(column)} = w.{quoted(column)}" for column in columns)
        in_use = (
            f"SELECT 1 FROM {mapping.target}.lineage AS x JOIN {mapping.target}.{table} AS y ON y.{comparison.key} = x.target_id"
            " WHERE x.source = m.source AND x.legacy_key IS m.legacy_key AND x.target = m.target"
        )
        rival = (
            f"SELECT 1 FROM again.{table} AS f JOIN again.lineage AS m ON m.target = '{mapping.table}'"
            f" AND m.target_id = +f.{comparison.key} WHERE {equal} AND m.source NOT LIKE 'stub:%' AND NOT EXISTS ({in_use})"
        )
        displaced = connection.execute(
            f"SELECT {reverse_sql.cell_sql('q.legacy_key')} FROM again.quarantine AS q JOIN {mapping.target}.lineage AS l"
            f" ON l.source = q.source AND l.legacy_key IS q.legacy_key AND l.target = q.target"
            f" JOIN {mapping.target}.{table} AS w ON w.{comparison.key} = l.target_id"
            f" WHERE q.source = ? AND q.target = ? AND q.broken = ? AND EXISTS ({rival})",
            (mapping.source, mapping.table, broken),
        ).fetchall()
        for (key,) in displaced:
            yield DecidedRow(source=mapping.source, key=json.loads(key), kind=Kind.KEEP)


def _is_mirrored(path: Path) -> bool:
    """Return whether rows of the consolidated database at *path* were written through a legacy schema."""
    with contextlib.closing(connections.lenient(connections.read(path))) as connection:
        return mirrored_rows.has_rows(connection, "main")


def _restore(sets: Sets, done: WrittenBack, rebuilt: Mapping[str, Path], *, fill: bool) -> bool:
    """Restore the cells that came out wrong in *rebuilt*; return whether any legacy cell was written."""
    wrote = False
    for target in catalogue.TARGETS:
        with sets.opened(target, done, rebuilt) as session:
            changed_rows.make_views(session.connection, target)
            mirrored_rows.list_rows(session.connection, target)
            for table in sets.last.tables:
                for mapping in mapping_reader.sources_of(table):
                    if mapping.target == target and mapping.back and _note_wrong(session, mapping):
                        with _without_triggers(session, mapping):
                            wrote |= _write(session, mapping, fill=fill)
    return wrote


@contextlib.contextmanager
def _without_triggers(session: Session, mapping: TableMapping) -> Iterator[None]:
    """Remove the triggers of the legacy table's file for a while; rebuild its full-text indexes at the end."""
    own = {mapping.database: session.legacy[mapping.database]}
    taken = rollback_triggers.take_triggers(own)
    yield
    written = WrittenBack(written={mapping.source: Counter()})
    rollback_triggers.give_back_triggers(own, taken, written)
    session.done.told += written.told


def _note_wrong(session: Session, mapping: TableMapping) -> bool:
    """Make ``temp.wrong``, legacy key and lost columns of each row that came out wrong; return whether there is any."""
    connection = session.connection
    comparison = cell_comparison.Comparison(mapping.target, mapping.table)
    for statement in cell_comparison.pair_up(comparison):
        connection.execute(statement)
    connection.execute("DROP TABLE IF EXISTS temp.wrong")
    select = _wrong_parts_sql(mapping, comparison) if mapping.parts else _wrong_sql(mapping, comparison)
    connection.execute(f"CREATE TEMP TABLE wrong AS {select}")
    # What was written through the legacy schema is a legacy row as it is.
    connection.execute(
        f"DELETE FROM temp.wrong AS x WHERE"
        f" {mirrored_rows.is_mirrored(reverse_sql.literal(mapping.source), 'x.legacy_key')}"
    )
    return connection.execute("SELECT 1 FROM temp.wrong").fetchone() is not None


def _wrong_sql(mapping: TableMapping, comparison: cell_comparison.Comparison) -> str:
    # JSON is compared by member, and a legacy row can hold some members without the others.
    judged = [column for column in comparison.judged if not comparison.is_json(column)]
    lost = comparison.lost_names(judged, new="p.new", touched="p.touched")
    missing = f"f.{comparison.key} IS NULL"
    return (
        f"SELECT * FROM (SELECT l.legacy_key AS legacy_key,"
        f" CASE WHEN {missing} THEN '{' '.join(comparison.columns)}' ELSE {lost} END AS lost"
        f" {cell_comparison.rows_sql(comparison)} JOIN {mapping.target}.lineage AS l ON l.target = '{mapping.table}'"
        f" AND l.target_id = +w.{comparison.key} LEFT JOIN again.lineage AS m ON m.source = l.source"
        f" AND m.legacy_key IS l.legacy_key AND m.target = l.target"
        f" LEFT JOIN again.{quoted(mapping.table)} AS f ON f.{comparison.key} = m.target_id"
        f" WHERE l.source = '{mapping.source}') WHERE lost <> ''"
    )


def _wrong_parts_sql(mapping: TableMapping, comparison: cell_comparison.Comparison) -> str:
    """Return a SELECT of the legacy rows of which a part came out wrong, or one part too many came out."""
    key, table = comparison.key, quoted(mapping.table)
    kept = comparison.kept(new="p.new", touched="p.touched")
    count = (
        "(SELECT count(m.target_id) FROM {}.lineage AS m WHERE m.source = o.source AND m.legacy_key IS o.legacy_key)"
    )
    in_table = f"AND l.target_id IN (SELECT {key} FROM {mapping.target}.{table})"
    return (
        f"SELECT DISTINCT o.legacy_key AS legacy_key, '{' '.join(comparison.columns)}' AS lost"
        f" FROM {mapping.target}.lineage AS o WHERE o.source = '{mapping.source}' AND o.legacy_key IN"
        f" (SELECT legacy_key FROM before.{quoted(mapping.source)})"
        f" AND ((SELECT count(*) FROM {mapping.target}.lineage AS l WHERE l.source = o.source AND l.legacy_key IS o.legacy_key"
        f" {in_table}) <> {count.format('again')} OR o.target_id IN (SELECT w.{key} {cell_comparison.rows_sql(comparison)}"
        f" WHERE NOT EXISTS (SELECT 1 {cell_comparison.again_sql(comparison)} AND {kept})))"
    )


def _write(session: Session, mapping: TableMapping, *, fill: bool) -> bool:
    """Restore or fill the legacy cells of the rows of ``temp.wrong``; return whether any was written."""
    connection = session.connection
    wrote = False
    kinds = connection.execute("SELECT DISTINCT lost FROM temp.wrong").fetchall()
    with session.beside(mapping.database):
        for (lost,) in kinds:
            columns = [
                name
                for name in mapping.legacy_columns
                if name != mapping.key
                and (mapping.parts or not set(lost.split()).isdisjoint(mapping.uses.get(name, ())))
            ]
            if columns:
                if fill and not mapping.parts:
                    wrote |= _fill(session, mapping, columns, lost)
                # Columns without a target column are computed from the cells that are restored.
                columns += [name for name in mapping.rest if name not in columns]
                changed = reverse_sql.differ_sql("s", "o", columns)
                wrote |= bool(_set(session, mapping, columns, f"before.{quoted(mapping.source)} AS o", changed, lost))
        if wrote:
            _count_anew(session, mapping)
    return wrote


def _fill(session: Session, mapping: TableMapping, columns: Sequence[str], lost: str) -> bool:
    """Fill those legacy *columns* whose value came from a lookup; the row is compared again after that."""
    session.connection.execute("DROP TABLE IF EXISTS temp.back_now")
    changed_rows.rebuild_now(session, mapping, "temp.wrong")
    wrote = False
    for column in columns:
        name = quoted(column)
        empty = f"NOT {recognition.informs(f's.{name}')} AND {recognition.informs(f'o.{name}')}"
        session.connection.execute(
            f"INSERT INTO before.{quoted(mapping.source)} SELECT s.{quoted(mapping.key)},"
            f" {', '.join(f's.{quoted(own)}' for own in mapping.legacy_columns)} FROM temp.wrong AS x JOIN temp.back_now AS o"
            f" ON o.legacy_key = x.legacy_key JOIN {changed_rows.source_of(mapping)} AS s ON s.{quoted(mapping.key)} = x.legacy_key"
            f" COLLATE BINARY WHERE x.lost = ? AND {empty} AND x.legacy_key NOT IN"
            f" (SELECT legacy_key FROM before.{quoted(mapping.source)})",
            (lost,),
        )
        filled = _set(session, mapping, [column], "temp.back_now AS o", empty, lost)
        wrote |= bool(filled)
        session.connection.executemany("DELETE FROM temp.wrong WHERE rowid = ?", filled)
    return wrote


def _set(
    session: Session, mapping: TableMapping, columns: Sequence[str], rows: str, where: str, lost: str
) -> list[tuple[int]]:
    """Set *columns* of the legacy rows ``s`` behind ``temp.wrong`` to those of ``o`` of *rows*; return the rows that were."""
    settings = ", ".join(f"{quoted(name)} = o.{quoted(name)}" for name in columns)
    of = (
        f"FROM {rows} JOIN temp.wrong AS x ON x.legacy_key = o.legacy_key"
        f" WHERE x.lost = ? AND s.{quoted(mapping.key)} = o.legacy_key COLLATE BINARY AND {where}"
    )
    rows_behind = session.connection.execute(
        f"SELECT x.rowid {of.replace('JOIN', f'CROSS JOIN {changed_rows.source_of(mapping)} AS s JOIN', 1)}", (lost,)
    ).fetchall()
    update = f"UPDATE OR ABORT {changed_rows.source_of(mapping)} AS s SET {settings} {of}"
    if not rows_behind or not session.tried(update, (lost,)):
        return rows_behind
    # Another row has a unique value by now: try row by row.
    return [(row,) for (row,) in rows_behind if not session.tried(f"{update} AND x.rowid = ?", (lost, row))]


def _count_anew(session: Session, mapping: TableMapping) -> None:
    """Count the updated legacy rows again: those that differ from before."""
    (updated,) = session.connection.execute(
        f"SELECT count(*) FROM before.{quoted(mapping.source)} AS o JOIN {changed_rows.source_of(mapping)} AS s"
        f" ON s.{quoted(mapping.key)} = o.legacy_key COLLATE BINARY WHERE {reverse_sql.differ_sql('s', 'o', mapping.legacy_columns)}"
    ).fetchone()
    counts = session.done.written.setdefault(mapping.source, Counter())
    counts["updated"] = updated
    session.done.written[mapping.source] = +counts
    if not session.done.written[mapping.source]:
        del session.done.written[mapping.source]
