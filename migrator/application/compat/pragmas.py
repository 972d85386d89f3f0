"""What becomes of each PRAGMA on a legacy schema: which database it is about, and which settings are refused.

The database of the connection is in memory; what a program asks about its file is answered of the consolidated file.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What becomes of a pragma; the value is the sentence of the page."""

    SERVED = "as on the legacy file: it is about the schema, its rows, or the connection alone"
    PASSED_ON = "passed on to the consolidated file, settings too"
    ANSWERED = "answered with what holds for the consolidated file; a setting changes nothing"
    REFUSED = "answered; another value is refused"
    #: The five that are about more than one database, or that SQLite's own would break.
    ADAPTED = "adapted"


#: Each pragma of SQLite -> what becomes of it.  One that is not here SQLite itself does not know, or only in a debug build.
KINDS: dict[str, Kind] = dict.fromkeys(
    [
        "analysis_limit",
        "automatic_index",
        "busy_timeout",
        "cache_size",
        "cache_spill",
        "case_sensitive_like",
        "cell_size_check",
        "checkpoint_fullfsync",
        "collation_list",
        "compile_options",
        "defer_foreign_keys",
        "empty_result_callbacks",
        "encoding",
        "foreign_key_check",
        "foreign_key_list",
        "fullfsync",
        "function_list",
        "hard_heap_limit",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "legacy_alter_table",
        "module_list",
        "pragma_list",
        "quick_check",
        "read_uncommitted",
        "recursive_triggers",
        "reverse_unordered_selects",
        "shrink_memory",
        "soft_heap_limit",
        "table_info",
        "table_xinfo",
        "temp_store_directory",
        "threads",
        "trusted_schema",
    ],
    Kind.SERVED,
)
KINDS |= dict.fromkeys(
    [
        "incremental_vacuum",
        "journal_size_limit",
        "mmap_size",
        "optimize",
        "secure_delete",
        "wal_autocheckpoint",
        "wal_checkpoint",
    ],
    Kind.PASSED_ON,
)
KINDS |= dict.fromkeys(
    [
        "auto_vacuum",
        "data_version",
        "freelist_count",
        "journal_mode",
        "locking_mode",
        "max_page_count",
        "page_count",
        "page_size",
    ],
    Kind.ANSWERED,
)
KINDS |= dict.fromkeys(
    [
        "application_id",
        "count_changes",
        "default_cache_size",
        "full_column_names",
        "ignore_check_constraints",
        "schema_version",
        "short_column_names",
        "user_version",
        "writable_schema",
    ],
    Kind.REFUSED,
)
KINDS |= dict.fromkeys(
    ["database_list", "foreign_keys", "query_only", "synchronous", "table_list", "temp_store"], Kind.ADAPTED
)

#: What becomes of those that are adapted.
ADAPTED = {
    "database_list": "shows `main` with the legacy path, and what the program attached; `pragma_database_list` likewise",
    "foreign_keys": "checked by triggers of migrator at each statement, where the program switches it on; begins switched off",
    "query_only": "refuses the program's own writes; migrator goes on loading tables",
    "synchronous": "answered with what holds for the consolidated file; a setting is passed on if it waits for the disk more often",
    "table_list": "without the tables of the consolidated file and those of migrator",
    "temp_store": "answered; a setting changes nothing, since it would delete the tables in which migrator notes what changed",
}
#: Those that hold for all databases of the connection, whichever is named.
OF_CONNECTION = frozenset(
    [
        "count_changes",
        "foreign_keys",
        "full_column_names",
        "ignore_check_constraints",
        "query_only",
        "short_column_names",
        "temp_store",
        "writable_schema",
    ]
)
#: Levels of ``synchronous``, as the pragma takes and returns them.
SYNCHRONOUS = {"off": 0, "normal": 1, "full": 2, "extra": 3}
#: Settings that leave nothing behind for the next program that gets the connection.
HARMLESS = frozenset(name for name, kind in KINDS.items() if kind in (Kind.ANSWERED, Kind.REFUSED)) | frozenset(
    [
        "busy_timeout",
        "cache_size",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "foreign_keys",
        "incremental_vacuum",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "optimize",
        "query_only",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "temp_store",
        "wal_checkpoint",
    ]
)
#: Pragmas that read rows of every table.
CHECKS = ("integrity_check", "quick_check", "foreign_key_check")
#: Values that switch something on or off -> as SQLite returns them.
SWITCHES = {"1": "1", "on": "1", "true": "1", "yes": "1", "0": "0", "off": "0", "false": "0", "no": "0"}
#: A number, with its hexadecimal digits if it has some.
_NUMBER = re.compile(r"0x([0-9a-f]+)|\d+", re.IGNORECASE | re.ASCII)
#: Of those that are answered: SQLite returns nothing for a setting.
WITHOUT_RESULT = ("auto_vacuum", "page_size")


def is_on(value: str) -> bool:
    """Return whether the *value* of a setting switches it on, as SQLite reads it (sqlite3GetBoolean): text is off, but for some words."""
    number = _NUMBER.match(value)
    if number is None:
        return SWITCHES.get(value.lower()) == "1"
    whole = int(number[1], 16) if number[1] else int(number[0])
    # SQLite keeps the last byte of a number of 32 bits; a longer one it reads as 0.
    return whole < 2**31 and whole & 0xFF != 0


def table() -> str:
    """Return what becomes of each pragma as a table in Markdown."""
    lines = ["| pragma | on a legacy schema |", "|---|---|"]
    for kind in Kind:
        names = sorted(name for name, its in KINDS.items() if its is kind)
        if kind is Kind.ADAPTED:
            lines += [f"| `{name}` | {ADAPTED[name]} |" for name in names]
        else:
            lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {kind} |")
    return "\n".join(lines) + "\n"
