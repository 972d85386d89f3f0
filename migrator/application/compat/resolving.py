"""Moves a row out of quarantine into its target table: by the mapping, with its lineage, in one transaction.

The row is written as code that was not rewritten would write it, through its legacy schema.  So a rollback knows it exactly,
and each connection sees it once.  Nothing is written if the row does not fit, or if another row would have to leave its table
for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from migrator.application.compat import opening, work_tables
from migrator.application.compat.connection import Connection
from migrator.application.compat.mirror import Mirror
from migrator.application.compat.plan import Source
from migrator.config import values
from migrator.errors import Refused, UsageError
from migrator.mapping import reverse_sql
from migrator.quarantine.rows import QuarantinedRow
from migrator.switch.state import Switch
from migrator.system.connections import folded, quoted
from migrator.system.escaping import escaped

#: Wait for a transaction of the application [s].
_PATIENCE_S = 5.0
#: How a cell is set to NULL on the command line.
_NULL = "NULL"
#: Source and legacy key of a row.
_Name = tuple[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What came of a row that was judged again.

    Attributes:
        row: The row as it is now, with the constraint that it breaks still; '' if it was let in.
        ids: The keys of the rows that it became.
        also: Legacy table and key of other rows that were let in with it.
        displaced: Legacy table and key of rows that would have to leave their table; if there are any nothing was written.
    """

    row: QuarantinedRow
    ids: tuple[object, ...] = ()
    also: tuple[_Name, ...] = ()
    displaced: tuple[_Name, ...] = ()


def resolve(switch: Switch, row: QuarantinedRow, cells: Mapping[str, str]) -> Resolution:
    """Move *row* into its table with *cells* set, if it fits; else change nothing.

    Raises:
        UsageError: *cells* has a column that the legacy table lacks, or the row's key; or the row has no key, and gets none.
        Refused: The legacy table refuses the cells, or its rows cannot be served.
        sqlite3.Error: The consolidated database cannot be written.
    """
    database, _, table = row.source.partition(".")
    name = next(name for name in switch.names if name.database == database)
    opened = opening.connect(
        switch, name, query="mode=rw", synchronous="FULL", timeout=_PATIENCE_S, isolation_level=None, factory=Connection
    )
    assert isinstance(opened, Connection)
    with closing(opened) as connection:
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        mirror = connection.mirror
        # Not for another caller: the file is closed at once, and a rollback need not wait for it.
        mirror.tainted = True
        source = mirror.plan.source(database, table)
        _check(row, cells, source)
        # The write lock first: the row must not change between reading and writing.
        connection.execute("BEGIN IMMEDIATE")
        try:
            mirror.fresh([folded(table)])
            now = _written(connection, row, cells, source) if cells else row
            mirror.judge_again(table, now.key)
            before = _quarantined(mirror)
            mirror.put_now()
            found = _found(mirror, now, source, before)
            if not (found.row.broken or found.displaced):
                connection.commit()
        except sqlite3.IntegrityError as error:
            where = f"{row.source} {row.handle}"
            raise Refused(
                str(error), where=where, hint="nothing was changed", logged=f"{where}: does not fit"
            ) from error
        finally:
            # Also where the caller interrupts: else the next user of the mirror would go on with it.
            connection.rollback()
        return found


def _check(row: QuarantinedRow, cells: Mapping[str, str], source: Source) -> None:
    """Check the columns of *cells*.

    Raises:
        UsageError: The legacy table lacks one, or the row's key is one, or the row has no key and none is given.
        Refused: Several rows of the legacy table have the row's key.
    """
    where = f"{row.source} {row.handle}"
    for column in cells:
        if column not in source.columns:
            near = values.near(column, source.columns).removeprefix("; ")
            raise UsageError(
                f"{row.source} has no column {column!r}", hint=near or f"its columns: {', '.join(source.columns)}"
            )
    if row.key is not None:
        if source.key in cells:
            raise UsageError(f"{source.key} names the row, and stays as it is", where=where)
    elif row.value(source.key) is not None:
        raise Refused(
            f"several legacy rows have this {source.key}, and a rollback could not tell them apart",
            where=where,
            hint="write the row into its target table as a new one",
        )
    elif source.key not in cells or cells[source.key] == _NULL:
        raise UsageError(f"no key names the row; give it one: --set {source.key}=VALUE", where=where)


def _written(connection: Connection, row: QuarantinedRow, cells: Mapping[str, str], source: Source) -> QuarantinedRow:
    """Set *cells* of the legacy row; return it as it is now, in the storage classes that its legacy table gives.

    Raises:
        Refused: Its legacy table does not show the row, or shows another with the key that the row gets.
    """
    served = connection.mirror.tables[folded(source.table)]
    table, name = quoted(served.name), quoted(source.key)
    whole = reverse_sql.row_sql("t", source.columns)
    identity = ", ".join(map(quoted, served.identity))
    if row.key is None:
        rows = connection.mirror.ours(f"SELECT {whole}, {identity} FROM main.{table} AS t WHERE t.{name} IS NULL")
        same = (found for found in rows.fetchall() if replace(row, cells=json.loads(found[0])).content == row.content)
        _, *place = next(same, (None, *(None for _ in served.identity)))
    else:
        key, given = work_tables.bound(row.key)
        rows = connection.mirror.ours(
            f"SELECT {identity} FROM main.{table} AS t WHERE t.{name} = {key} COLLATE BINARY", (given,)
        )
        place = rows.fetchone() or [None for _ in served.identity]
    settings = ", ".join(f"{quoted(column)} = ?" for column in cells)
    at = " AND ".join(f"{quoted(column)} = ?" for column in served.identity)
    given_cells = [None if value == _NULL else value for value in cells.values()]
    if not connection.execute(f"UPDATE {table} SET {settings} WHERE {at}", (*given_cells, *place)).rowcount:
        raise Refused("its legacy table does not show the row", where=f"{row.source} {row.handle}")
    now = connection.mirror.ours(f"SELECT t.{name}, {whole} FROM main.{table} AS t WHERE {at}", tuple(place)).fetchone()
    # A legacy table may have no primary key, and so take a key twice.
    alike = f"SELECT count(*) FROM main.{table} AS t WHERE t.{name} COLLATE BINARY IN (SELECT t.{name} FROM main.{table} AS t WHERE {at})"
    if connection.mirror.ours(alike, tuple(place)).fetchone() != (1,):
        raise Refused(
            f"another row has the {source.key} {escaped(now[0])!r}",
            where=f"{row.source} {row.handle}",
            hint="nothing was changed",
        )
    return replace(row, key=now[0], cells=json.loads(now[1]))


def _quarantined(mirror: Mirror) -> set[_Name]:
    """Return source and legacy key of each quarantined row of the consolidated database."""
    asked = f"SELECT source, legacy_key FROM {mirror.plan.target}.quarantine WHERE legacy_key IS NOT NULL"
    return set(mirror.ours(asked).fetchall())


def _found(mirror: Mirror, row: QuarantinedRow, source: Source, before: set[_Name]) -> Resolution:
    """Return what came of *row*, when *before* was in quarantine."""
    target, own = mirror.plan.target, (row.source, row.key)
    now = _quarantined(mirror)
    key, given = work_tables.bound(row.key)
    of_row = f"source = ? AND target = ? AND legacy_key = {key}"
    values_of_row = (row.source, source.target, given)
    refused = mirror.ours(f"SELECT broken FROM {target}.quarantine WHERE {of_row}", values_of_row).fetchone()
    ids = mirror.ours(f"SELECT target_id FROM {target}.lineage WHERE {of_row}", values_of_row).fetchall()
    return Resolution(
        row=replace(row, broken=refused[0] if refused else ""),
        ids=tuple(identity for (identity,) in ids),
        also=tuple(sorted(before - now - {own}, key=str)),
        displaced=tuple(sorted(now - before - {own}, key=str)),
    )
