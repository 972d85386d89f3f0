"""Every mapped row follows the decisions, and every legacy row can be rebuilt from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import references, row_accounting
from contracts.oracle.cells import Cell, rows
from contracts.oracle.times import ONE_FORM, instant
from contracts.sets.case import Case
from contracts.sets.decided import MADE
from contracts.sets.pair import specified_tables
from contracts.suite.results import WHY
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.verify.evidence import Why
from migrator.system.connections import quoted

TABLES = [(target, table) for target in catalogue.TARGETS for table in specified_tables(target) if table != "config"]
# With this scope pytest runs the contracts on one table together: the oracle judges the table once for both, also when
# parallel processes share the contracts.
EVERY_TABLE = pytest.mark.parametrize(
    ("target", "table"), TABLES, ids=[f"{target}.{name}" for target, name in TABLES], scope="module"
)
EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)

#: SQL for the times that SQLite does not confirm to be in the target format; Python checks each of them.
DOUBTFUL = """
    SELECT {at} FROM {table}
    WHERE {at} IS NOT NULL AND (
        typeof({at}) <> 'text'
        OR length(CAST({at} AS BLOB)) NOT IN (19, 26)
        OR substr({at}, 1, 4) = '0000'
        OR strftime('%Y-%m-%d %H:%M:%S', substr({at}, 1, 19)) IS NOT substr({at}, 1, 19)
        OR length({at}) = 26
        AND (substr({at}, 20) NOT GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]' OR substr({at}, 20) = '.000000')
        OR length({at}) NOT IN (19, 26)
    )
"""
#: Rows that the specification's own DDL inserts.
DEFAULT = ("stub:specified default", "config")

Count = Callable[[str, int], None]


@pytest.mark.clause("M1")
@EVERY_TABLE
def test_row_says_what_was_decided(case: Case, target: str, table: str, count: Count) -> None:
    """Every cell equals the oracle's; rows are matched by key, without lineage by value."""
    finding = case.lineage.values(f"{target}.{table}")
    count("legacy_rows", finding.of)
    count("judged_rows", finding.rows)
    judgement.none(f"{target}.{table}", finding.what, finding.faults)


@pytest.mark.clause("U1")
@EVERY_TABLE
def test_legacy_row_is_rebuilt(traced: Case, target: str, table: str, count: Count) -> None:
    """Every legacy cell is rebuilt from the consolidated row and the rest in lineage."""
    judged = traced.reader.judge(f"{target}.{table}")
    count("legacy_rows", judged.of)
    count("judged_rows", judged.rows)
    judgement.none(f"{target}.{table}", "legacy row is not rebuilt", judged.rebuilt)


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("target", "link"),
    [(link.target.partition(".")[0], link) for link in references.EVERY],
    ids=[f"{link.source}.{link.column}" for link in references.EVERY],
)
def test_link_is_the_same_link(
    traced: Case, target: str, link: references.Link, request: pytest.FixtureRequest
) -> None:
    """Each link leads to the row that its parent became, or is NULL and kept in lineage."""
    if not references.applies(traced, link):
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has no {link.source} with {link.column}")
    judgement.none(catalogue.TARGETS[target], "link is lost or leads elsewhere", references.faults(traced, link))


@pytest.mark.clause("M3")
@EVERY_TARGET
def test_times_have_one_form(case: Case, target: str) -> None:
    """Each time is UTC with a blank before the hour, and six decimals or none."""
    wrong = []
    for table, column in _times(case, target):
        if problem := case.judged.unreadable(f"{target}.{table}", [column]):
            wrong.append(f"{target}.{table}.{column}: {problem}")
            continue
        with case.judged.read(target) as connection:
            doubtful = rows(connection, DOUBTFUL.format(at=quoted(column), table=quoted(table)))
            wrong += [
                f"{target}.{table}.{column}: {type(at).__name__} that is not a time in the target format"
                for (at,) in doubtful
                if not _in_one_form(at)
            ]
    judgement.none(catalogue.TARGETS[target], "time in another format", wrong)


def _times(case: Case, target: str) -> list[tuple[str, str]]:
    """Return the time columns of tables that did not have the target's shape already."""
    schema = schema_reader.target(target)
    columns = [
        (table.name, column.name) for table in schema.tables for column in table.columns if column.type == "TIMESTAMP"
    ]
    columns += [(table.name, "timestamp") for table in schema.virtual_tables]
    readings = row_accounting.readings(case)
    kept = {reading.target for reading in readings if reading.variant == catalogue.SPECIFIED_VARIANT}
    return [(table, column) for table, column in columns if f"{target}.{table}" not in kept]


def _in_one_form(at: Cell) -> bool:
    return isinstance(at, str) and ONE_FORM.fullmatch(at) is not None and instant(at) == at


@pytest.mark.clause("M4")
@EVERY_TARGET
def test_stub_claims_nothing(traced: Case, target: str) -> None:
    """A stub has only its key and the allowed values, and a migrated row refers to it."""
    wrong = []
    stubs = defaultdict(list)
    question = "SELECT source, legacy_key, target, target_id FROM lineage WHERE source LIKE 'stub:%' ORDER BY rowid"
    with traced.judged.read(target) as connection:
        for source, key, table, id_ in rows(connection, question):
            if (source, table) != DEFAULT:
                stubs[source, table].append((key, id_))
    for (source, table), made in stubs.items():
        if source == MADE:
            # The owners wrote its cells: the contracts on decisions and on values judge it.
            continue
        home, claims, name = references.STUBS.get(source, ("", {}, ""))
        if table != home:
            wrong.append(f"{target}.{table}: {source} is not a decided kind of stub")
            continue
        columns = [column.name for column in schema_reader.target(target).table(table).columns]
        of_key = columns.index("id") if "id" in columns else columns.index(name)
        by_key = {row[of_key]: row for row in traced.target_rows(f"{target}.{table}", *columns)}
        hanging = references.hanging_on(traced, table)
        for key, id_ in made:
            allowed = {"id": id_, name: key, **claims}
            wrong += [
                f"{target}.{table} {id_!r}: has a value in {column}"
                for column, value in zip(columns, by_key.get(id_, ()), strict=False)
                if value != allowed.get(column)
            ]
            if key not in hanging:
                wrong.append(f"{target}.{table} {id_!r}: no legacy row refers to it")
    judgement.none(catalogue.TARGETS[target], "stub with data, or without a row that refers to it", wrong)
