"""Judges carried tables and declarations of legacy files after a rollback.

A carried table is compared as a multiset of whole rows, by storage class and bytes.  Expected are its earlier rows, without the
rows deleted from the table in use, plus the rows written to it.  If its legacy table refuses a changed row, the changed row must
be in the residue and the earlier row stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import repeat
from pathlib import Path

from contracts.checks.rollback_diff import Cells, Judge
from contracts.checks.row_accounting import carried_name, typed
from contracts.oracle.cells import rows
from contracts.sets.case import Case
from contracts.sets.legacy import LegacyTable
from migrator.schema import catalogue
from migrator.schema.declaration import free_rowid
from migrator.system import connections
from migrator.system.connections import folded, quoted

#: Numbers in a database's header that the application sets.
_PRAGMAS = ("user_version", "application_id")
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2, 3"
_MARK = "SELECT max(CAST(seq AS INTEGER)) FROM sqlite_sequence WHERE name = ? COLLATE NOCASE"


def faults(judge: Judge) -> Iterator[str]:
    """Yield the faults of carried tables and of the declarations of legacy files."""
    mapped = {reading.source for reading in judge.before.reader.all_readings}
    for name in sorted(judge.sets.originals.originals.keys() - judge.left_out):
        if name not in judge.sets.back.originals:
            yield f"{name}: its file is missing"
            continue
        yield from _declared(judge, name)
        for table in judge.sets.originals.tables(name):
            if table.source not in mapped and table.kind == "table":
                yield from _carried(judge, table)
            yield from _marks(judge, table)


def _carried(judge: Judge, table: LegacyTable) -> Iterator[str]:
    database, _, name = table.source.partition(".")
    target, own = home(judge, table)
    columns = table.columns
    # The application may have renamed the table in other letter case.
    in_use = (
        next((own_now for own_now in judge.in_use.judged.table_names(target) if folded(own_now) == folded(own)), "")
        if target
        else ""
    )
    if in_use:
        # A column that was dropped since the cutover is not compared.
        used = judge.in_use.judged.columns(target)[in_use]
        columns = tuple(column for column in columns if folded(column) in used)
    was, now = (_rows(legacy.copy(database), name, columns) for legacy in (judge.sets.originals, judge.sets.back))
    wanted, gone, kept, whole = was, Counter[Cells](), Counter[Cells](), Counter[Cells]()
    # A table that was dropped or renamed since the cutover counts as unchanged.
    if in_use:
        installed, used_last = (_rows(case.judged.copy(target), own, columns) for case in (judge.before, judge.in_use))
        gone = installed - used_last
        wanted = was - gone + (used_last - installed)
        kept = _residue(judge, f"{target}.{own}", columns)
        # A table that was altered is kept whole beside the legacy table, which stays as it was.
        if whole := _residue(judge, f"{target}.{own} as it stands", columns):
            wanted, gone = was, Counter[Cells]()
            if lost := used_last - whole:
                yield f"{table.source}: {lost.total():,} rows in use are missing and not in the residue"
    lost, more = wanted - now - kept, now - wanted
    stayed = more & gone if kept else Counter[Cells]()
    more -= stayed
    if lost:
        yield f"{table.source}: {lost.total():,} of {wanted.total():,} rows are missing and not in the residue"
    if more.total() > judge.made_anew(table.source):
        yield f"{table.source}: {more.total():,} rows were not in use"
    if stayed.total() > kept.total():
        yield f"{table.source}: {stayed.total():,} deleted rows exist, but the residue has only {kept.total():,}"
    if not lost and (moved := _moved(judge, table, target, in_use and own, columns, whole=bool(whole)) - kept):
        yield f"{table.source}: {moved.total():,} rows have another rowid"


def _moved(
    judge: Judge, table: LegacyTable, target: str, own: str, columns: tuple[str, ...], *, whole: bool
) -> Counter[Cells]:
    """Return the rows that are missing under their rowid; *own* is the carried table in use, '' without one."""
    database, _, name = table.source.partition(".")
    was, now = (
        _rows(legacy.copy(database), name, columns, rowid=True) for legacy in (judge.sets.originals, judge.sets.back)
    )
    wanted = was
    if own and not whole:
        installed, used = (
            _rows(case.judged.copy(target), own, columns, rowid=True) for case in (judge.before, judge.in_use)
        )
        if installed != was:
            # The carried table was installed without the legacy rowids.
            return Counter()
        wanted = used
    return Counter(row[1:] for row in (wanted - now).elements())


def _residue(judge: Judge, table: str, columns: tuple[str, ...]) -> Counter[Cells]:
    return Counter(tuple(typed(row.get(column)) for column in columns) for row in judge.residue(table))


def home(judge: Judge, table: LegacyTable) -> tuple[str, str]:
    """Return the database that carries a legacy table, or '', and the table's name there."""
    name = carried_name(table)
    carrying = (target for target in catalogue.TARGETS if name in judge.before.judged.table_names(target))
    return next(carrying, ""), name


def _declared(judge: Judge, name: str) -> Iterator[str]:
    """Yield each difference between the declarations of a legacy file and of its original."""
    declared, numbers = [], []
    for legacy in (judge.sets.originals, judge.sets.back):
        with legacy.read(name) as connection:
            declared.append(Counter(rows(connection, _SCHEMA)))
            numbers.append([connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in _PRAGMAS])
    for differs in (declared[0] - declared[1]) + (declared[1] - declared[0]):
        yield f"{name}: the declaration of {differs[0]} {differs[1]} changed"
    for pragma, was, now in zip(_PRAGMAS, *numbers, strict=True):
        if now != was and now not in _in_use(judge, pragma):
            yield f"{name}: {pragma} was {was}, is {now}"


def _in_use(judge: Judge, pragma: str) -> list[int]:
    values = []
    for target in catalogue.TARGETS:
        with judge.in_use.judged.read(target) as connection:
            values.append(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
    return values


def _marks(judge: Judge, table: LegacyTable) -> Iterator[str]:
    """Yield a fault if *table* would assign an id that was assigned before."""
    database, _, name = table.source.partition(".")
    was, now = (legacy.sequences(database).get(folded(name)) for legacy in (judge.sets.originals, judge.sets.back))
    if was is None and now is None:
        return
    target, own = home(judge, table)
    # If ids are kept and the target has a single source, ids assigned in use belong to that legacy table.
    readings = judge.before.reader.all_readings
    kept = [reading for reading in readings if reading.source == table.source and not reading.assigned]
    if kept and len(judge.before.reader.readings(kept[0].target)) == 1:
        target, _, own = kept[0].target.partition(".")
    given = [was or 0]
    if target:
        marks = [_mark(case, target, own) for case in (judge.before, judge.in_use)]
        # Rows that the migration added have ids too, which no application assigned.
        given += marks[1:] if marks[1] > marks[0] else []
    if (now or 0) < max(given):
        yield f"{table.source}: ids up to {max(given)} were assigned, the next would be {(now or 0) + 1}"


def _mark(case: Case, target: str, table: str) -> int:
    with case.judged.read(target) as connection:
        (mark,) = connection.execute(_MARK, (table,)).fetchone()
    return mark or 0


def _rows(path: Path, table: str, columns: tuple[str, ...], *, rowid: bool = False) -> Counter[Cells]:
    """Return the rows of a table; with *rowid* each begins with its rowid, NULL without one that can be read."""
    with closing(connections.read(path)) as connection:
        number = free_rowid(connection, "main", table) if rowid else ""
        source = f"FROM {quoted(table)}{f' NOT INDEXED ORDER BY {number}' if number else ''}"
        question = f"SELECT {', '.join(map(quoted, columns)) or '1'} {source}"
        found = (tuple(map(typed, cells)) for cells in rows(connection, question))
        if not rowid:
            return Counter(found)
        # Apart from the columns, since SQLite selects no more than a table can have.
        numbers = (row for (row,) in rows(connection, f"SELECT {number} {source}")) if number else repeat(None)
        return Counter((typed(row), *cells) for row, cells in zip(numbers, found, strict=False))
