"""The listed reasons for which a statement may do something else through the served legacy schema, each with its test.

A reason is taken only if its test holds for the very difference; where it can be measured, it is measured.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from migrator.application.compat.errors import Unsupported
from migrator.application.compat.plan import LegacyTable
from migrator.application.replay import outcomes
from migrator.application.replay.copies import Copies
from migrator.application.replay.outcomes import Content, Outcome
from migrator.application.replay.parameters import Parameters, without_limit
from migrator.application.replay.statements import Statement
from migrator.system.connections import quoted


class What(Enum):
    """What two runs of a statement differ in."""

    ERROR = "error"
    COLUMNS = "columns"
    ROWS = "rows"
    ORDER = "order"
    COUNT = "rowcount"
    LAST = "lastrowid"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What SQLite's parser says of a statement on the legacy file.

    Attributes:
        reads: The folded names of the tables that it reads.
        writes: The folded names of the tables that it writes.
        changes_rows: Whether it may change anything.
        defines: Whether it makes, alters or drops something, or is a PRAGMA or ATTACH.
        broken: The error with which the legacy file refuses to prepare it; '' if it does not.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    changes_rows: bool = True
    defines: bool = False
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between a statement on the legacy file and through the served legacy schema.

    Attributes:
        what: What differs.
        run: The number of the run, from 1; 0 for the content after all runs.
        told: The difference in one sentence without values of cells.
        legacy: What the run did on the legacy file.
        compat: What it did through the served legacy schema.
        tables: For content, the tables that differ.
    """

    what: What
    run: int
    told: str
    legacy: Outcome = outcomes.NOTHING
    compat: Outcome = outcomes.NOTHING
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A difference with all that a reason's test looks at.

    Attributes:
        statement: The statement.
        facts: What SQLite's parser says of it.
        runs: The parameters of each run.
        difference: The difference.
        tables: The legacy tables by folded name.
        copies: The two sets.
    """

    statement: Statement
    facts: Facts
    runs: Sequence[Parameters]
    difference: Difference
    tables: Mapping[str, LegacyTable]
    copies: Copies

    @property
    def named(self) -> list[LegacyTable]:
        """The known tables that the statement reads or writes."""
        names = self.facts.reads | self.facts.writes
        return [table for name, table in self.tables.items() if name in names]


def has_hidden_rowid(table: LegacyTable) -> bool:
    """Return whether the rowid of *table* is no column: the consolidated set does not keep it."""
    return table.kind == "mapped" and len(table.identity) == 1 and table.identity[0] not in table.columns


def _order(case: Judged) -> bool:
    if not any(has_hidden_rowid(table) for table in case.named):
        return False
    legacy, compat = (_rounded(rows) for rows in (case.difference.legacy.rows, case.difference.compat.rows))
    if case.difference.what is What.ORDER or legacy == compat:
        return True
    return case.difference.what is What.ROWS and _same_without_limit(case)


def _rounded(rows: Sequence[outcomes.Row]) -> Counter[outcomes.Row]:
    return Counter(map(outcomes.rounded, rows))


def _same_without_limit(case: Judged) -> bool:
    """Return whether both sides give the same rows if the result has no limit: then only the choice differs."""
    whole = without_limit(case.statement.sql, case.runs[case.difference.run - 1])
    if whole is None or case.facts.changes_rows:
        return False
    database = case.statement.database
    with closing(case.copies.legacy(database)) as legacy, closing(case.copies.compat(database)) as compat:
        first, second = outcomes.run(legacy, *whole), outcomes.run(compat, *whole)
    return first.error is None and second.error is None and _rounded(first.rows) == _rounded(second.rows)


def _hidden_rowid(case: Judged) -> bool:
    if not any(has_hidden_rowid(table) for table in case.named):
        return False
    if case.difference.what is What.LAST:
        return True
    sides = [_without_rowids(outcome) for outcome in (case.difference.legacy, case.difference.compat)]
    return case.difference.what is What.ROWS and None not in sides and sides[0] == sides[1]


def _without_rowids(outcome: Outcome) -> Counter[outcomes.Row] | None:
    """Return the rows of a result without the columns that are rowids; None if it has no such column."""
    kept = [place for place, name in enumerate(outcome.columns) if name.lower() not in _ROWIDS]
    if len(kept) == len(outcome.columns):
        return None
    return Counter(tuple(row[place] for place in kept) for row in outcome.rows)


def _rebuilt_index(case: Judged) -> bool:
    indexes = [table for table in case.named if table.kind == "index"]
    if not indexes or case.difference.what not in (What.ROWS, What.ORDER) or case.facts.changes_rows:
        return False
    database = case.statement.database
    with closing(case.copies.legacy(database)) as legacy:
        legacy.execute("BEGIN")
        try:
            for table in indexes:
                name = quoted(table.name)
                legacy.execute(f"INSERT INTO {name} ({name}) VALUES ('rebuild')")
            rebuilt = outcomes.run(legacy, case.statement.sql, case.runs[case.difference.run - 1])
        except sqlite3.Error:
            return False
        finally:
            legacy.rollback()
    return rebuilt.rows == case.difference.compat.rows


def _broken_before(case: Judged) -> bool:
    return bool(case.facts.broken) and case.difference.what is What.ERROR and case.difference.compat.error is not None


def _refused(case: Judged) -> bool:
    error = case.difference.compat.error
    return case.facts.defines and (case.difference.what is What.CONTENT or (error or ("",))[0] == Unsupported.__name__)


def _of_the_file(case: Judged) -> bool:
    return bool(_FILE_PRAGMA.match(case.statement.sql)) and case.difference.what is not What.CONTENT


def _left(case: Judged) -> bool:
    return case.difference.what is not What.CONTENT and any(table.kind == "left" for table in case.named)


def _unsteady(case: Judged) -> bool:
    """Return whether the legacy file itself does something else when the statement runs again a moment later."""
    # A second boundary is no reason: the statement is compared again before it is judged.
    time.sleep(_MOMENT_S)
    database = case.statement.database
    case.copies.restore_legacy(database)
    try:
        with closing(case.copies.legacy(database)) as legacy:
            again = [outcomes.run(legacy, case.statement.sql, parameters) for parameters in case.runs]
            if case.difference.what is not What.CONTENT:
                return _field(again[case.difference.run - 1], case.difference) != _field(
                    case.difference.legacy, case.difference
                )
            first = _content_of(legacy, case)
        time.sleep(_MOMENT_S)
        case.copies.restore_legacy(database)
        with closing(case.copies.legacy(database)) as legacy:
            for parameters in case.runs:
                outcomes.run(legacy, case.statement.sql, parameters)
            return _content_of(legacy, case) != first
    finally:
        case.copies.changed(database)


def _content_of(legacy: sqlite3.Connection, case: Judged) -> Content:
    return outcomes.content(legacy, {name: case.tables[name].columns for name in case.difference.tables})


def _field(outcome: Outcome, difference: Difference) -> object:
    match difference.what:
        case What.ERROR:
            return outcome.error
        case What.COUNT:
            return outcome.count
        case What.LAST:
            return outcome.last
    return outcome.rows


#: Names of columns that are rowids.
_ROWIDS = {"rowid", "oid", "_rowid_", "last_insert_rowid()"}
#: Time between two runs that must be equal to be steady [s]: longer than a second, which most clocks of SQL show.
_MOMENT_S = 1.05
_FILE_PRAGMA = re.compile(
    r"\s*PRAGMA\s+(\w+\.)?(journal_mode|wal_checkpoint|wal_autocheckpoint|page_count|page_size|freelist_count|data_version"
    r"|schema_version|database_list|synchronous|auto_vacuum|cache_size|mmap_size|locking_mode)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A listed reason.

    Attributes:
        name: Its name.
        text: What differs and why, for a person.
        holds: Whether it explains a difference.
    """

    name: str
    text: str
    holds: Callable[[Judged], bool]


#: Every listed reason; the first that holds is taken, so those that cost a run come last.
REASONS = (
    Reason(
        "broken_before",
        "the statement fails on the legacy file too; only the text of the error differs",
        _broken_before,
    ),
    Reason(
        "refused",
        "the statement changes the schema, attaches a file or sets a mark of the file, which is refused with one sentence",
        _refused,
    ),
    Reason(
        "of_the_file",
        "the PRAGMA describes the file or the connection: the served schema is in memory, over a file in WAL mode",
        _of_the_file,
    ),
    Reason(
        "left",
        "the rows of the table are not in the consolidated database, so that it is not served; cutover lists it",
        _left,
    ),
    Reason(
        "hidden_rowid",
        "the key of the table is not its rowid: the number, and lastrowid after an INSERT, is another one",
        _hidden_rowid,
    ),
    Reason(
        "order",
        "rows of a table whose key is not its rowid come in another order where ORDER BY leaves it open: so do ties, the"
        " choice of a LIMIT, and the last digits of sums",
        _order,
    ),
    Reason(
        "rebuilt_index",
        "the full-text index is built from its table, and the legacy index had an older text; the legacy file gives the same"
        " rows once its index is rebuilt",
        _rebuilt_index,
    ),
    Reason(
        "unsteady",
        "the legacy file itself gives another result a moment later: the statement reads the clock or a random number",
        _unsteady,
    ),
)


def reason_of(case: Judged) -> str:
    """Return the name of the listed reason for a difference; '' without one."""
    return next((reason.name for reason in REASONS if reason.holds(case)), "")
