"""What was lost, in rows: one sentence on a whole pair, with lineage or without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from contracts.checks import match_sets, row_accounting
from contracts.oracle.rules import Reading
from contracts.oracle.table_judge import target_key
from contracts.sets.legacy import LegacyTable
from contracts.sets.pair import Pair
from migrator.system.connections import quoted

#: So many tables are named.
_NAMED = 3


@dataclass(slots=True, kw_only=True)
class Losses:
    """Legacy rows that have no row in the consolidated set.

    Attributes:
        of: Legacy rows that should.
        rows: Those that do not, by the table that should have them.
        refused: How many of them a constraint of the specification refuses.
    """

    of: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def sentence(self) -> str:
        """Say it."""
        most = ", ".join(f"{table} ({count:,})" for table, count in self.rows.most_common(_NAMED))
        refused = (
            f"; the specification's constraints refuse {self.refused:,} of them, and nothing keeps them"
            if self.refused
            else ""
        )
        return f"{self.rows.total():,} of {self.of:,} legacy rows have no row in the consolidated set; most: {most}{refused}"


def losses(pair: Pair) -> Losses:
    """Count the legacy rows that are nowhere: by lineage and quarantine, or by value where there are none."""
    found = Losses()
    kept = _carried(pair)
    without_lineage = bool(pair.without_lineage())
    for table, rows in _counted(pair):
        found.of += rows
        reading = next((one for one in pair.reader.all_readings if one.source == table.source), None)
        if without_lineage:
            if reading is None and (gone := len(pair.by_value.carried(table).lost)):
                found.rows[table.source] += gone
        elif reading is None:
            found.rows[table.source] += max(rows - kept.get(table.source, 0), 0)
        elif reading.target in pair.targets:
            found.rows[reading.target] += _without_a_row(pair, reading)
    if without_lineage:
        _by_value(pair, found)
    found.rows = +found.rows
    return found


def _counted(pair: Pair) -> Iterator[tuple[LegacyTable, int]]:
    """Yield each legacy table that has a home, and its rows; a database is opened once for all of them."""
    by_database = groupby(pair.legacy.every_table(), key=lambda table: table.source.partition(".")[0])
    for database, tables in by_database:
        with pair.legacy.read(database) as connection:
            for table in tables:
                if match_sets.home_of(pair, table):
                    name = quoted(table.source.partition(".")[2])
                    yield table, connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def _carried(pair: Pair) -> Counter[str]:
    """Count the rows that the carried copies of each legacy table have."""
    found: Counter[str] = Counter()
    for target in pair.judged.originals:
        with pair.judged.read(target) as connection:
            for table in pair.legacy.every_table():
                if target in row_accounting.carried_in(pair, table):
                    name = quoted(row_accounting.carried_name(table))
                    found[table.source] += connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    return found


def _by_value(pair: Pair, found: Losses) -> None:
    for target in dict.fromkeys(one.target for one in pair.reader.all_readings):
        refused = sum(1 for _ in pair.by_value.refused_and_gone(target))
        found.refused += refused
        found.rows[target] += refused + sum(not one.refused for one in pair.by_value.table(target).missing)


def _without_a_row(pair: Pair, reading: Reading) -> int:
    """Count the legacy rows whose lineage leads nowhere, or that have none and are not in quarantine."""
    if row_accounting.adds_up(pair, reading) and not _leads_nowhere(pair, reading):
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
    with pair.beside(database, target) as connection:
        asked = connection.execute(question, {"source": reading.source, "table": table})
        (count,) = asked.fetchone()
    return int(count)


def _leads_nowhere(pair: Pair, reading: Reading) -> bool:
    """Tell whether any lineage of a legacy table names a row that is not there."""
    target, _, table = reading.target.partition(".")
    question = f"""
        SELECT 1 FROM lineage AS l WHERE l.source = ? AND l.target = ? AND l.target_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM {quoted(table)} AS t WHERE t.{target_key(reading.target)} = +l.target_id)
    """
    with pair.judged.read(target) as connection:
        return connection.execute(question, (reading.source, table)).fetchone() is not None
