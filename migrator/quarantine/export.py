"""Writes quarantined rows to a file of their owner alone: CSV for a spreadsheet, JSON, or an SQLite database."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from migrator.errors import UsageError
from migrator.quarantine import causes
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.decisions import Kind
from migrator.records.quarantine import Exported
from migrator.system import connections, durable_files
from migrator.system.connections import quoted

#: Columns before those of the legacy rows.  The owners fill in the last two: :mod:`migrator.quarantine.edited_export`.
ABOUT = ("source", "legacy_key", "target", "broken", "cause", "money", "content", "decision", "why")
#: How a text begins that a spreadsheet would run as a formula; such a text gets an apostrophe before it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Writer(Protocol):
    def __call__(self, rows: Sequence[QuarantinedRow], path: Path) -> None:
        """Write *rows* to the new file *path*."""


def export(rows: Iterable[QuarantinedRow], path: Path) -> Exported:
    """Write *rows* to the new file *path*, whole or not at all; the end of its name decides the form.

    Raises:
        UsageError: The name has no known end, the file is there, or its folder is not.
        OSError: The disk is full.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"{path.suffix or 'no suffix'} is not a form of export",
            where=path,
            hint="write FILE.csv, FILE.json or FILE.db",
        )
    if path.exists() or path.is_symlink():
        raise UsageError("exists already", where=path, hint="name a new file")
    if not path.parent.is_dir():
        raise UsageError("no such folder", where=path.parent, hint="name a file in a folder that is there")
    every = list(rows)
    writer(every, path)
    return Exported(path=path, rows=len(every))


def _about(row: QuarantinedRow) -> tuple[str, ...]:
    decision = Kind.DROP if row.dropped else ""
    return (
        *(row.source, row.name, row.target, row.broken, causes.cause(row), row.money, row.content),
        *(decision, row.dropped),
    )


def _csv(rows: Sequence[QuarantinedRow], path: Path) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row.cells))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*ABOUT, *(f"legacy {column}" for column in columns)])
    for row in rows:
        writer.writerow(map(_field, (*_about(row), *(_cell(row, column) for column in columns))))
    durable_files.write(path, text.getvalue())


def _cell(row: QuarantinedRow, column: str) -> str | int | float | None:
    value = row.value(column)
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def in_csv(row: QuarantinedRow, column: str) -> str:
    """Return the text of a cell of *row* in CSV."""
    field = _field(_cell(row, column))
    return "" if field is None else repr(field) if isinstance(field, float) else str(field)


def without_apostrophe(text: str) -> str:
    """Return *text* of CSV without the apostrophe that keeps a spreadsheet from running it as a formula."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _field(value: str | float | None) -> str | int | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _json(rows: Sequence[QuarantinedRow], path: Path) -> None:
    written = [dict(zip(ABOUT, _about(row), strict=True)) | {"row": dict(row.cells)} for row in rows]
    durable_files.write(path, json.dumps(written, indent=1) + "\n")


def _database(rows: Sequence[QuarantinedRow], path: Path) -> None:
    by_source: dict[str, list[QuarantinedRow]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    draft = durable_files.draft_of(path)
    draft.unlink(missing_ok=True)
    with closing(connections.create(draft)) as connection:
        connection.execute("BEGIN")
        for source, alike in by_source.items():
            columns = list(dict.fromkeys(column for row in alike for column in row.cells))
            names = [*(f"_{name}" for name in ABOUT), *columns]
            table = quoted(source.replace(".", "_", 1))
            connection.execute(f"CREATE TABLE {table} ({', '.join(map(quoted, names))})")
            places = ", ".join("?" * len(names))
            connection.executemany(
                f"INSERT INTO {table} VALUES ({places})",
                [(*_about(row), *(row.value(column) for column in columns)) for row in alike],
            )
        connection.execute("COMMIT")
    durable_files.sync_file(draft)
    durable_files.replace(draft, path)


_WRITERS: Mapping[str, _Writer] = MappingProxyType({".csv": _csv, ".json": _json, ".db": _database})
