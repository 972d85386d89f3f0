"""Lays the decided cells over copies of the legacy files, which the mappings read, and records what was decided.

The proof compares with the legacy files themselves, so that ``lineage.rest`` keeps each legacy cell that was decided
otherwise.  A decided cell that was written since is read as it is, as the legacy schema reads it: a rollback builds again from
the files as they are then.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.mapping import reverse_sql, sql_functions
from migrator.mapping.model import TableMapping
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.decisions import DecidedRow, Kind, row_name
from migrator.schema.catalogue import MADE
from migrator.system import connections, durable_files, private_copy
from migrator.system.connections import quoted

#: Under which name a copy is attached.
_COPY = "copy"


def overlaid(
    decided: Sequence[DecidedRow], keys: Mapping[str, str], paths: Mapping[str, Path], folder: Path
) -> tuple[dict[str, Path], tuple[DecidedRow, ...]]:
    """Return database -> path to read, a copy in *folder* if its rows are decided, and the decisions as they were applied.

    Args:
        decided: What was decided.
        keys: Legacy table -> its key column.
        paths: Database -> its legacy file.
        folder: Where copies are made.

    Raises:
        sqlite3.Error: The disk is full.
    """
    read = dict(paths)
    applied = [row for row in decided if row.kind not in (Kind.SET, Kind.MAKE)]
    changed = [row for row in decided if row.kind in (Kind.SET, Kind.MAKE) and row.source in keys]
    for database in dict.fromkeys(row.source.partition(".")[0] for row in changed):
        durable_files.make_private_folder(folder)
        read[database] = private_copy.private_copy(paths[database], folder / f"{database}.db", at_rest=True)
        with connections.closing_scratch(read[database]) as connection:
            # A trigger is code of unknown content, and would write rows that are not decided.
            connections.lenient(connection)
            connection.execute("DELETE FROM sqlite_schema WHERE type = 'trigger'")
        with closing(connections.memory()) as connection:
            connections.attach(connection, read[database], _COPY, mode="rw")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("BEGIN")
            mine = (row for row in changed if row.source.partition(".")[0] == database)
            written = (_written(connection, row, keys[row.source]) for row in mine)
            applied += [row for row in written if row is not None]
            connection.execute("COMMIT")
    return read, tuple(applied)


def _written(connection: sqlite3.Connection, row: DecidedRow, key: str) -> DecidedRow | None:
    """Write a decided *row* to the legacy copy; return it with the cells that the copy has now, or None."""
    table = f"{_COPY}.{quoted(row.source.partition('.')[2])}"
    key_sql, key_value = quarantine_decisions.placed(row.key)
    named = quarantine_decisions.is_cell_sql(quoted(key), key_sql)
    if row.kind is Kind.MAKE:
        question, asked, rows = "1", [], 0
    else:
        there = [(column, *quarantine_decisions.placed(was)) for column, (was, _) in row.cells.items()]
        question = ", ".join(quarantine_decisions.is_cell_sql(quoted(column), sql) for column, sql, _ in there)
        asked, rows = [value for *_, value in there for _ in range(3)], 1
    found = connection.execute(f"SELECT {question} FROM {table} WHERE {named}", [*asked, *[key_value] * 3]).fetchall()
    if len(found) != rows:
        return None
    as_decided = found[0] if found else [True] * len(row.cells)
    cells = {column: cell for (column, cell), fits in zip(row.cells.items(), as_decided, strict=True) if fits}
    if not cells:
        return None
    now = [quarantine_decisions.placed(cell) for _, cell in cells.values()]
    names, places = ", ".join(map(quoted, cells)), ", ".join(sql for sql, _ in now)
    values = [value for _, value in now]
    try:
        if row.kind is Kind.MAKE:
            connection.execute(f"INSERT OR ABORT INTO {table} ({names}) VALUES ({places})", values)
        else:
            sql = f"UPDATE OR ABORT {table} SET ({names}) = ({places}) WHERE {named}"
            connection.execute(sql, [*values, *[key_value] * 3])
    except sqlite3.IntegrityError:
        # The legacy table refuses it.
        return None
    return replace(row, cells=MappingProxyType(cells))


def record(
    connection: sqlite3.Connection,
    applied: Sequence[DecidedRow],
    mappings: Sequence[TableMapping],
    legacy: Mapping[str, Path],
) -> dict[tuple[str, str], str]:
    """Record the decisions *applied* in the target, and keep in its quarantine legacy rows as they are.

    Args:
        connection: The target is attached under its name, loaded, with its indexes.
        applied: The decisions that were applied.
        mappings: The mappings of the target, without stubs.
        legacy: Database -> its legacy file.

    Returns:
        Row -> the constraint that refuses it, of the decided rows that are in quarantine.
    """
    refused: dict[tuple[str, str], str] = {}
    for mapping in mappings:
        rows = [row for row in applied if row.source == mapping.source]
        if not rows:
            continue
        broken = _quarantined(connection, mapping)
        refused |= {row.name: broken[row.name] for row in rows if row.name in broken}
        for row in rows:
            key_sql, key = quarantine_decisions.placed(row.key)
            connection.execute(
                f"INSERT INTO {mapping.target}.decisions (source, legacy_key, decision, cells, why)"
                f" VALUES (?, {key_sql}, ?, ?, ?)",
                (row.source, key, row.kind, _json(row.cells), row.why),
            )
        of_made = (
            f"source = ? AND legacy_key IN (SELECT legacy_key FROM {mapping.target}.decisions"
            f" WHERE source = ? AND decision = '{Kind.MAKE}')"
        )
        connection.execute(
            f"UPDATE {mapping.target}.lineage SET source = '{MADE}' WHERE {of_made}", (mapping.source, mapping.source)
        )
        connection.execute(f"DELETE FROM {mapping.target}.quarantine WHERE {of_made}", (mapping.source, mapping.source))
        _keep_as_they_are(
            connection,
            mapping,
            [row for row in rows if row.kind is Kind.SET and row.name in broken],
            legacy[mapping.database],
        )
    return refused


def _quarantined(connection: sqlite3.Connection, mapping: TableMapping) -> dict[tuple[str, str], str]:
    """Return row -> the constraint that refuses it, of a legacy table."""
    found = connection.execute(
        f"SELECT {reverse_sql.cell_sql('legacy_key')}, broken FROM {mapping.target}.quarantine WHERE source = ?",
        (mapping.source,),
    )
    return {row_name(mapping.source, json.loads(key)): broken for key, broken in found}


def _keep_as_they_are(
    connection: sqlite3.Connection, mapping: TableMapping, rows: Sequence[DecidedRow], legacy: Path
) -> None:
    """Put the legacy rows of those decided *rows* that are in quarantine there, in place of what the mapping read."""
    with closing(connections.memory()) as reader:
        sql_functions.register(reader)
        connections.attach(reader, legacy, mapping.database)
        for row in rows:
            key_sql, key = quarantine_decisions.placed(row.key)
            whole = reader.execute(
                f"SELECT {reverse_sql.row_sql('s', mapping.legacy_columns)} FROM"
                f" {quoted(mapping.database)}.{quoted(mapping.source_table)} AS s"
                f" WHERE {quarantine_decisions.is_cell_sql(f's.{quoted(mapping.key)}', key_sql)}",
                [key] * 3,
            ).fetchone()
            if whole:
                connection.execute(
                    f"UPDATE {mapping.target}.quarantine SET row = ? WHERE source = ?"
                    f" AND {quarantine_decisions.is_cell_sql('legacy_key', key_sql)}",
                    [*whole, mapping.source, *[key] * 3],
                )


def _json(cells: Mapping[str, tuple[Any, Any]]) -> str:
    members = (f"{_text(column)}:[{_cell(was)},{_cell(now)}]" for column, (was, now) in cells.items())
    return f"{{{','.join(members)}}}"


def _cell(cell: Any) -> str:
    # Python writes Infinity, which SQLite does not read.
    return sql_functions.cell(cell) if isinstance(cell, float) else _text(cell)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
