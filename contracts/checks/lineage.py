"""The recorded lineage, and the choice between it and an inferred lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from contracts.checks import row_accounting
from contracts.checks.match_sets import InferredLineage
from contracts.oracle.cells import Cell, rows
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case, Finding, Lineage, Losses
from contracts.sets.decided import MADE
from contracts.sets.pair import without_lineage
from migrator.system.connections import quoted


class RecordedLineage:
    """Which legacy row became which row, by the tables lineage and quarantine."""

    missing: tuple[str, ...] = ()

    def __init__(self, of: Case) -> None:
        self.case = of

    def became(self, *, source: str = "", target: str = "") -> Iterator[tuple[Cell, Cell]]:
        """Yield legacy key and target id of each row of a legacy or a target table, without stubs."""
        of_target, _, table = target.partition(".")
        where = "source = ?" if source else f"target = ? AND (source NOT LIKE 'stub:%' OR source = '{MADE}')"
        for database in self.case.judged.originals if source else [of_target]:
            with self.case.judged.read(database) as connection:
                question = f"SELECT legacy_key, target_id FROM lineage WHERE {where} ORDER BY rowid"
                yield from rows(connection, question, source or table)
        made, reading = self.case.keys_decided(source, "make"), self.case.reader.reading_of(source)
        if made and reading:
            database, _, table = reading.target.partition(".")
            of_made = self.case.target_rows(f"{database}.lineage", "legacy_key", "target_id", source=MADE, target=table)
            yield from ((key, id_) for key, id_ in of_made if key in made)

    def readable(self, table: str, columns: Iterable[str]) -> bool:  # noqa: ARG002 - we wrote it as specified
        """Return True: migrator made the table, so that an unreadable one is an error."""
        return True

    def fates(self) -> Finding:
        """Find legacy tables without exactly one fate."""
        case, wrong = self.case, []
        recorded = row_accounting.recorded_targets(case)
        for table in case.legacy.every_table():
            fate = row_accounting.fate(case, table)
            into, copies = recorded.pop(table.source, set()), row_accounting.carried_in(case, table)
            expected = (
                [row_accounting.home(case, table.source.partition(".")[0])] if fate == row_accounting.CARRIED else []
            )
            if fate == row_accounting.DERIVED and table.problem and table.source not in case.left_behind:
                wrong.append(f"{table.source}: {table.problem}, and nothing carries it")
            if copies != expected:
                wrong.append(f"{table.source}: is {fate}, expected as a carried table in {expected}, found in {copies}")
            if into and fate != row_accounting.MAPPED:
                wrong.append(f"{table.source}: is {fate}, yet lineage or quarantine take its rows to {sorted(into)}")
            homes = {reading.target for reading in row_accounting.readings(case) if reading.source == table.source}
            if not into <= homes:
                names = sorted(into - homes)
                wrong.append(f"{table.source}: goes to {sorted(homes)}, lineage or quarantine name {names}")
        wrong += [f"{source}: is in lineage or quarantine, but not in the legacy set" for source in recorded]
        wrong += [f"{table}: is a copy of no legacy table" for table in row_accounting.stray_carried(case)]
        return Finding(what="legacy table without exactly one fate", faults=wrong)

    def accounts(self, target: str) -> Finding:
        """Find legacy rows that *target* does not record exactly once."""
        wrong = [
            fault
            for reading in row_accounting.readings(self.case)
            if reading.target.startswith(f"{target}.")
            for fault in row_accounting.balance(self.case, reading)
        ]
        return Finding(what="legacy row that is not in exactly one place", faults=wrong)

    def carried(self, target: str) -> Finding:
        """Find carried tables of *target* that are not verbatim."""
        return Finding(
            what="carried table differs from the legacy table",
            faults=list(row_accounting.carried_unlike(self.case, target)),
        )

    def values(self, target: str) -> Finding:
        """Find rows of *target* that differ from what the decisions make of legacy rows."""
        judged = self.case.reader.judge(target)
        what = "row differs from what the decisions make of its legacy row"
        return Finding(what=what, faults=judged.values, of=judged.of, rows=judged.rows)

    def miscounted(self, target: str) -> str:
        """Return how the row count of *target* differs from that of its sources; '' if it does not."""
        database, _, table = target.partition(".")
        expected = sum(row_accounting.parts_let_in(self.case, reading) for reading in self.case.reader.readings(target))
        count = row_accounting.rows_of(self.case, target)
        with self.case.judged.read(database) as connection:
            asked = "SELECT count(*) FROM lineage WHERE source LIKE 'stub:%' AND target = ?"
            (stubs,) = connection.execute(asked, (table,)).fetchone()
        return "" if expected + stubs == count else f"{table}: expected {expected} and {stubs} stubs, found {count}"

    def losses(self) -> Losses:
        """Count the legacy rows that have neither a target row nor a quarantine entry."""
        losses = Losses()
        kept = _carried_rows(self.case)
        for table, count in row_accounting.counted(self.case):
            losses.of += count
            reading = self.case.reader.reading_of(table.source)
            if reading is None:
                losses.rows[table.source] += max(count - kept.get(table.source, 0), 0)
            elif reading.target in self.case.targets:
                losses.rows[reading.target] += _without_a_row(self.case, reading)
        losses.rows = +losses.rows
        return losses


def choose(of: Case) -> Lineage:
    """Return the recorded lineage, or an inferred one if a database has none."""
    return InferredLineage(of) if without_lineage(of.judged) else RecordedLineage(of)


def _carried_rows(case: Case) -> Counter[str]:
    """Count the rows in the carried copies of each legacy table."""
    counts: Counter[str] = Counter()
    for target in case.judged.originals:
        with case.judged.read(target) as connection:
            for table in case.legacy.every_table():
                if target in row_accounting.carried_in(case, table):
                    name = quoted(row_accounting.carried_name(table))
                    counts[table.source] += connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    return counts


def _without_a_row(case: Case, reading: Reading) -> int:
    """Count the legacy rows that have neither a target row nor a quarantine entry."""
    if row_accounting.adds_up(case, reading) and not _names_a_missing_row(case, reading):
        return 0
    database, _, name = reading.source.partition(".")
    target, _, table = reading.target.partition(".")
    key = f"+s.{quoted(reading.key)}"
    question = f"""
        SELECT count(*) FROM {quoted(database)}.{quoted(name)} AS s
        WHERE NOT EXISTS (
            SELECT 1 FROM {target}.lineage AS l
            WHERE l.source = :source AND l.target = :table AND l.legacy_key = {key} AND (
                l.target_id IS NULL
                OR EXISTS (SELECT 1 FROM {target}.{quoted(table)} AS t WHERE t.{target_key(reading.target)} = +l.target_id)
            )
        ) AND NOT EXISTS (
            SELECT 1 FROM {target}.quarantine AS q
            WHERE q.source = :source AND q.target = :table AND q.legacy_key IS {key}
        )
    """
    with case.pair.beside(database, target) as connection:
        asked = connection.execute(question, {"source": reading.source, "table": table})
        (count,) = asked.fetchone()
    return int(count)


def _names_a_missing_row(case: Case, reading: Reading) -> bool:
    """Return whether any lineage of a legacy table names a missing row."""
    target, _, table = reading.target.partition(".")
    question = f"""
        SELECT 1 FROM lineage AS l WHERE l.source = ? AND l.target = ? AND l.target_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM {quoted(table)} AS t WHERE t.{target_key(reading.target)} = +l.target_id)
    """
    with case.judged.read(target) as connection:
        return connection.execute(question, (reading.source, table)).fetchone() is not None
