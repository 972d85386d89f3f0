"""Faults in the declarations, indexes and rowids of carried tables, and the contracts that catch them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from contracts.mutants.by_hand.data_fault import DataFault

_PICKS = "legacy_jarvis_pick_performance"
_DECLARED = ("test_carried_tables_are_declared_as_they_were",)


def _declared(old: str, new: str) -> Callable[[sqlite3.Connection], None]:
    """Return a deed that puts *new* for the text *old* into the statement that made the carried table of picks."""

    def deed(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ? AND instr(sql, ?)",
            (old, new, _PICKS, old),
        )

    return deed


#: What is wrong -> text of the declaration, and what stands there instead.
_CHANGES = {
    "collation added to a carried column": ("timeframe        TEXT", "timeframe        TEXT COLLATE NOCASE"),
    "CHECK added to a carried table": ("timeframe        TEXT", "timeframe        TEXT CHECK (timeframe <> 'never')"),
    "conflict clause added to a carried UNIQUE": ("UNIQUE (pick_date, symbol)", "UNIQUE (pick_date, symbol) ON CONFLICT REPLACE"),
    "conflict clause added to a carried NOT NULL": ("asset_class      TEXT    NOT NULL", "asset_class      TEXT    NOT NULL ON CONFLICT IGNORE"),
    "conflict clause added to a carried key": ("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY ON CONFLICT REPLACE AUTOINCREMENT"),
    "AUTOINCREMENT of a carried table lost": ("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY"),
}  # fmt: skip

FAULTS: tuple[DataFault, ...] = (
    *(
        DataFault(name=name, caught_by=_DECLARED, mentions=(f"core.{_PICKS}",), deed=_declared(old, new))
        for name, (old, new) in _CHANGES.items()
    ),
    DataFault(
        name="generated column added to a carried table",
        caught_by=("test_carried_tables_are_verbatim", *_DECLARED),
        mentions=(f"core.{_PICKS}", "columns are not those"),
        deed=_declared("timeframe        TEXT", "timeframe        TEXT, gain AS (current_price - entry_price)"),
    ),
    DataFault(
        name="foreign key added to a carried table",
        caught_by=_DECLARED,
        mentions=(f"core.{_PICKS}", "has a foreign key"),
        deed=_declared("timeframe        TEXT", "timeframe        TEXT REFERENCES config(key)"),
    ),
    DataFault(
        name="index of a carried table lost",
        caught_by=_DECLARED,
        mentions=("core.legacy_jarvis_error_logs", "indexes are not those"),
        statements=("DROP INDEX legacy_jarvis_idx_errors_component",),
    ),
    DataFault(
        name="index of a carried table made unique",
        caught_by=_DECLARED,
        mentions=(f"core.{_PICKS}", "indexes are not those"),
        statements=(f"CREATE UNIQUE INDEX legacy_jarvis_by_id ON {_PICKS} (symbol, id)",),
    ),
    DataFault(
        name="rowids of a carried table counted anew",
        caught_by=("test_carried_tables_are_verbatim",),
        mentions=("core.legacy_alerts_alerts",),
        statements=("UPDATE legacy_alerts_alerts SET rowid = rowid + 1000",),
    ),
)
