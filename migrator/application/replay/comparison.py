"""Replays statements on the three sides, and says what breaks with links alone and what differs when it is served."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from migrator.application.compat.plan import LegacyTable
from migrator.application.compat.statements import Noted, Statements
from migrator.application.replay import outcomes, parameters
from migrator.application.replay.copies import Copies
from migrator.application.replay.outcomes import Outcome
from migrator.application.replay.parameters import Parameters
from migrator.application.replay.reasons import REASONS, Difference, Facts, Judged, What, reason_of
from migrator.application.replay.statements import Statement, first_word
from migrator.system.connections import quoted

#: First words of statements that only read, those with WITH if they write no table; and of those that change rows alone.
_READING, _WRITING = {"SELECT", "VALUES", "EXPLAIN"}, {"INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"}


#: When content is compared.
_AFTER, _AFRESH = "after all runs: ", "after all runs, read by a new connection: "


class Link(Enum):
    """What a statement does if the legacy name is a link to the consolidated database, and nothing more."""

    FAILS = "fails"
    OTHERWISE = "differs without an error"
    SAME = "same"


class Served(Enum):
    """What a statement does through the served legacy schema."""

    DIFFERS = "differs"
    LISTED = "differs for a listed reason"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A statement, replayed.

    Attributes:
        name: How it is shown.
        database: The legacy database.
        sql: Its text.
        runs: The number of runs, each with other parameters.
        recorded: How often it was recorded, 0 if unknown.
        writes: Whether it may change rows.
        broken: The error with which the legacy file refuses it; '' if it does not.
        link: What it does through a bare link.
        link_told: How that differs, in one sentence; '' if it does not.
        compat: What it does through the served legacy schema.
        reasons: The listed reasons for which it differs there.
        differences: How it differs there, one sentence each.
        plan_legacy: SQLite's query plan on the legacy file.
        plan_compat: SQLite's query plan through the served legacy schema.
        steps_legacy: Steps of SQLite's virtual machine for the first run, once more, on the legacy file.
        steps_compat: The same through the served legacy schema, its tables loaded.
    """

    name: str
    database: str
    sql: str
    runs: int
    recorded: int
    writes: bool
    broken: str
    link: Link
    link_told: str
    compat: Served
    reasons: tuple[str, ...]
    differences: tuple[str, ...]
    plan_legacy: tuple[str, ...]
    plan_compat: tuple[str, ...]
    steps_legacy: int
    steps_compat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """A statement that was not replayed.

    Attributes:
        name: How it is shown.
        why: Why it was not.
    """

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result of a replay.

    Attributes:
        source: The two sets that were compared.
        link: Number of statements by what they do through a bare link.
        compat: Number of statements by what they do through the served legacy schema.
        statements: The statements that were replayed.
        not_run: Those that were not.
        reasons: The listed reasons that were found: name -> what differs and why.
    """

    source: str
    link: Mapping[str, int]
    compat: Mapping[str, int]
    statements: tuple[Replayed, ...]
    not_run: tuple[NotRun, ...]
    reasons: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether no statement differs through the served legacy schema without a listed reason."""
        return not self.compat[Served.DIFFERS.value]


def replay(
    wanted: Sequence[Statement], copies: Copies, *, source: str = "", done: Callable[[int], object] = int
) -> Replay:
    """Replay each statement of *wanted* on *copies*; call *done* with the number of those that were replayed.

    Raises:
        sqlite3.Error: A copy cannot be read.
        OSError: There is no room.
    """
    compared: list[Replayed] = []
    not_run: list[NotRun] = []
    try:
        for number, statement in enumerate(wanted, start=1):
            for known, why in _at_home(statement, copies):
                if why:
                    not_run.append(NotRun(name=known.name, why=why))
                else:
                    compared.append(Replaying(known, copies).result())
            done(number)
    finally:
        copies.close()
    found = {reason for one in compared for reason in one.reasons}
    return Replay(
        source=source,
        link=MappingProxyType({kind.value: sum(one.link is kind for one in compared) for kind in Link}),
        compat=MappingProxyType({kind.value: sum(one.compat is kind for one in compared) for kind in Served}),
        statements=tuple(compared),
        not_run=tuple(not_run),
        reasons=MappingProxyType({reason.name: reason.text for reason in REASONS if reason.name in found}),
    )


def tables_that_differ(database: str, copies: Copies) -> list[str]:
    """Return how the tables of *database*, read whole through the served legacy schema, differ from the legacy file.

    Raises:
        sqlite3.Error: A copy cannot be opened.
    """
    copies.restore(database)
    with closing(copies.legacy(database)) as legacy, closing(copies.compat(database)) as compat:
        columns = _compared(copies.schema(database).tables)
        found = _content_differs(outcomes.content(legacy, columns), outcomes.content(compat, columns))
    return [difference.told for difference in found]


def _compared(tables: Mapping[str, LegacyTable]) -> dict[str, tuple[str, ...]]:
    """Return the columns of the tables whose rows are compared."""
    return {name: table.columns for name, table in tables.items() if table.kind in ("mapped", "carried")}


def _at_home(statement: Statement, copies: Copies) -> Iterator[tuple[Statement, str]]:
    """Yield the statement for each database that it may be meant for, and why it is not run."""
    if statement.is_control:
        yield statement, "begins or ends a transaction, or rewrites the file"
    elif statement.database in copies.names:
        refusal = copies.refusal(statement.database)
        yield statement, refusal and f"the schema of {statement.database} cannot be made in memory: {refusal}"
    elif statement.database:
        yield statement, f"{statement.database} is no legacy database that a cutover switches: it stays as it is"
    else:
        homes = [name for name in copies.names if not copies.refusal(name) and _prepares(statement, name, copies)]
        for name in homes:
            known = Statement(
                name=f"{statement.name} ({name})" if len(homes) > 1 else statement.name,
                database=name,
                sql=statement.sql,
                kinds=statement.kinds,
                runs=statement.runs,
            )
            yield known, ""
        if not homes:
            yield statement, "no legacy database can prepare it; name one above it: -- database: NAME"


def _prepares(statement: Statement, database: str, copies: Copies) -> bool:
    copies.restore(database)
    with closing(copies.legacy(database)) as legacy:
        return not _facts(statement.sql, parameters.drawn(statement, legacy)[0], legacy).broken


def _facts(sql: str, values: Parameters, legacy: sqlite3.Connection) -> Facts:
    """Return what SQLite's parser says of *sql*."""
    statements = Statements((), ())
    if statements.pragma(sql) is not None:
        # SQLite runs a PRAGMA while it prepares it.
        return Facts(defines=True)
    noted: list[Noted] = []

    def note(action: int, first: str | None, second: str | None, schema: str | None, _: str | None) -> int:
        noted.append((action, first, second, schema))
        return sqlite3.SQLITE_OK

    legacy.set_authorizer(note)
    try:
        legacy.execute(f"EXPLAIN {sql}", values).close()
    except outcomes.FAILURES as error:
        return Facts(broken=str(error))
    finally:
        legacy.set_authorizer(None)
    known = statements.remember(sql, noted)
    word = first_word(sql)
    only_reads = word in _READING or (word == "WITH" and not known.writes)
    return Facts(
        reads=known.reads,
        writes=known.writes,
        changes_rows=not only_reads,
        defines=not only_reads and word not in _WRITING,
    )


class Replaying:
    """The replay of one statement."""

    def __init__(self, statement: Statement, copies: Copies) -> None:
        """Draw the parameters of *statement* from the legacy file of its database, which is in *copies*."""
        self._statement, self._copies = statement, copies
        self._database = statement.database
        copies.restore(self._database)
        self._tables: Mapping[str, LegacyTable] = copies.schema(self._database).tables
        with closing(copies.legacy(self._database)) as legacy:
            self._runs = parameters.drawn(statement, legacy)
            self._facts = _facts(statement.sql, self._runs[0], legacy)

    @property
    def broken(self) -> str:
        """The error with which the legacy file refuses the statement; '' if it does not."""
        return self._facts.broken

    def differences(self) -> list[tuple[Difference, str]]:
        """Return how the served legacy schema differs from the legacy file, each with its listed reason, '' without one."""
        # Compared anew before a difference counts: a clock may have ticked between the two sides.
        found = self._compare() and self._compare()
        return [(difference, reason_of(self._judged(difference))) for difference in found]

    def result(self) -> Replayed:
        """Run the statement on the three sides, and compare."""
        differences = self.differences()
        reasons = [reason for _, reason in differences]
        plans, steps = self._costs()
        link, link_told = self._linked()
        served = Served.SAME if not differences else Served.LISTED if all(reasons) else Served.DIFFERS
        return Replayed(
            name=self._statement.name,
            database=self._database,
            sql=self._statement.sql,
            runs=len(self._runs),
            recorded=self._statement.runs,
            writes=self._facts.changes_rows,
            broken=self.broken,
            link=link,
            link_told=link_told,
            compat=served,
            reasons=tuple(dict.fromkeys(filter(None, reasons))),
            differences=tuple(dict.fromkeys(difference.told for difference, _ in differences)),
            plan_legacy=plans[0],
            plan_compat=plans[1],
            steps_legacy=steps[0],
            steps_compat=steps[1],
        )

    def _judged(self, difference: Difference) -> Judged:
        return Judged(
            statement=self._statement,
            facts=self._facts,
            runs=self._runs,
            difference=difference,
            tables=self._tables,
            copies=self._copies,
        )

    def _compare(self) -> list[Difference]:
        """Run the statement on the legacy file and through the served legacy schema; return what differs."""
        copies, database, sql = self._copies, self._database, self._statement.sql
        copies.restore(database)
        found: list[Difference] = []
        with closing(copies.legacy(database)) as legacy, closing(copies.compat(database)) as compat:
            for number, values in enumerate(self._runs, start=1):
                ours, theirs = outcomes.run(legacy, sql, values), outcomes.run(compat, sql, values)
                found += differences_of(ours, theirs, number, writes=self._facts.changes_rows)
            if not self._facts.changes_rows:
                return found
            copies.changed(database)
            columns = _compared(self._tables)
            expected = outcomes.content(legacy, columns)
            found += _content_differs(expected, outcomes.content(compat, columns), _AFTER)
        if not found:
            # What another process reads comes from the consolidated database alone.
            copies.forget()
            with closing(copies.compat(database)) as compat:
                found += _content_differs(expected, outcomes.content(compat, columns), _AFRESH)
        return found

    def _costs(self) -> tuple[list[tuple[str, ...]], list[int]]:
        """Return plan and steps on both sides, of the first run, in a transaction that is rolled back."""
        copies, database, sql = self._copies, self._database, self._statement.sql
        copies.restore(database)
        plans: list[tuple[str, ...]] = []
        steps: list[int] = []
        with closing(copies.legacy(database)) as legacy, closing(copies.compat(database)) as compat:
            for side in (legacy, compat):
                if self._facts.defines or self._facts.broken:
                    plans.append(())
                    steps.append(0)
                    continue
                for table in self._facts.reads | self._facts.writes:
                    # In no transaction, since with its ROLLBACK the served schema would forget what it has loaded.
                    outcomes.run(side, f"SELECT 1 FROM {quoted(table)} LIMIT 1", ())
                side.execute("BEGIN")
                with outcomes.counted(side) as counted:
                    outcomes.run(side, sql, self._runs[0])
                side.execute("ROLLBACK")
                plans.append(outcomes.plan(side, sql, self._runs[0]))
                steps.append(counted.count)
        return plans, steps

    def _linked(self) -> tuple[Link, str]:
        """Run the statement on the consolidated database itself, as a bare link would, and undo it."""
        copies, database, sql = self._copies, self._database, self._statement.sql
        columns = {name: names for name, names in _compared(self._tables).items() if name in self._facts.writes}
        copies.restore(database)
        found: list[Difference] = []
        with closing(copies.legacy(database)) as legacy, closing(copies.link(database)) as link:
            for side in (legacy, link):
                side.execute("BEGIN")
            for number, values in enumerate(self._runs, start=1):
                ours, theirs = outcomes.run(legacy, sql, values), outcomes.run(link, sql, values)
                found += differences_of(ours, theirs, number, writes=self._facts.changes_rows)
            found += _content_differs(outcomes.content(legacy, columns), outcomes.content(link, columns), _AFTER)
            for side in (legacy, link):
                side.rollback()
        # An order that no ORDER BY asked for, and the number of a row, break no caller for sure.
        wrong = [one for one in found if one.what not in (What.ORDER, What.LAST)]
        if not wrong:
            return Link.SAME, ""
        fails = next((one for one in wrong if one.compat.error and not one.legacy.error), None)
        if fails is not None and fails.compat.error is not None:
            return Link.FAILS, fails.compat.error[1]
        return Link.OTHERWISE, wrong[0].told


def differences_of(legacy: Outcome, compat: Outcome, run: int, *, writes: bool) -> list[Difference]:
    """Return what differs between two outcomes of one run; the lastrowid counts if the statement *writes*."""

    def differ(what: What, told: str) -> Difference:
        return Difference(what=what, run=run, told=f"run {run}: {told}", legacy=legacy, compat=compat)

    if legacy.error != compat.error:
        first, second = (": ".join(error) if error else "no error" for error in (legacy.error, compat.error))
        return [differ(What.ERROR, f"error: {first} on the legacy file, {second} here")]
    found = []
    if legacy.columns != compat.columns:
        found.append(differ(What.COLUMNS, "the columns of the result differ"))
    if legacy.rows != compat.rows:
        missing, more = Counter(legacy.rows) - Counter(compat.rows), Counter(compat.rows) - Counter(legacy.rows)
        if missing or more:
            numbers = (
                f"{missing.total():,} of {len(legacy.rows):,} rows are missing or changed, {more.total():,} are new"
            )
            found.append(differ(What.ROWS, numbers))
        else:
            found.append(differ(What.ORDER, f"the {len(legacy.rows):,} rows come in another order"))
    if legacy.count != compat.count:
        found.append(differ(What.COUNT, f"rowcount: {legacy.count} on the legacy file, {compat.count} here"))
    if writes and legacy.last != compat.last:
        found.append(differ(What.LAST, f"lastrowid: {legacy.last} on the legacy file, {compat.last} here"))
    return found


def _content_differs(legacy: outcomes.Content, compat: outcomes.Content, when: str = "") -> list[Difference]:
    """Return a difference for the tables with other rows; the text of an error is no row."""
    tables = tuple(name for name, rows in legacy.items() if rows != compat[name])
    if not tables:
        return []
    numbers = [
        f"{name} ({(legacy[name] - compat[name]).total():,} rows missing or changed, {(compat[name] - legacy[name]).total():,} new)"
        for name in tables
    ]
    return [Difference(what=What.CONTENT, run=0, told=f"{when}{', '.join(numbers)}", tables=tables)]
