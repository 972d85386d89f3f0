"""The second reader: every mapped row says what the decisions say, and every legacy row is rebuilt from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from contracts import judgement
from contracts.checks import references, row_accounting
from contracts.oracle.cells import Cell, rows
from contracts.oracle.times import ONE_FORM, instant
from contracts.sets.case import Case
from contracts.sets.pair import specified_tables
from contracts.suite.results import WHY
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.verify.evidence import Why
from migrator.system.connections import quoted

TABLES = [(target, table) for target in catalogue.TARGETS for table in specified_tables(target) if table != "config"]
# By its scope pytest asks all that is asked of one table together: whoever judges it for one contract has judged it for the
# other, and processes that share the contracts take runs of them.
EVERY_TABLE = pytest.mark.parametrize(
    ("target", "table"), TABLES, ids=[f"{target}.{name}" for target, name in TABLES], scope="module"
)
EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)

#: The times that SQLite does not vouch for; each of them is looked at.
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
    """Every cell of every mapped row, worked out again from the legacy row: by key, or by value without lineage."""
    found = case.lineage.values(f"{target}.{table}")
    count("legacy_rows", found.of)
    count("judged_rows", found.rows)
    judgement.none(f"{target}.{table}", found.what, found.faults)


@pytest.mark.clause("U1")
@EVERY_TABLE
def test_legacy_row_is_rebuilt(traced: Case, target: str, table: str, count: Count) -> None:
    """Every cell of every mapped legacy row, from the row here and the rest that lineage keeps."""
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
    """Declared or not: it leads to the row that its parent became, or is NULL and kept in lineage."""
    if not references.applies(traced, link):
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"the legacy set has no {link.source} with {link.column}")
    judgement.none(catalogue.TARGETS[target], "link is lost or leads elsewhere", references.faults(traced, link))


@pytest.mark.clause("M3")
@EVERY_TARGET
def test_times_have_one_form(case: Case, target: str) -> None:
    """UTC, a blank between, a fraction of six digits only where there is one; so that order and range are right."""
    wrong = []
    for table, column in _times(case, target):
        if problem := case.judged.unreadable(f"{target}.{table}", [column]):
            wrong.append(f"{target}.{table}.{column}: {problem}")
            continue
        with case.judged.read(target) as connection:
            doubtful = rows(connection, DOUBTFUL.format(at=quoted(column), table=quoted(table)))
            wrong += [
                f"{target}.{table}.{column}: {type(at).__name__} that is no time in the one form"
                for (at,) in doubtful
                if not _in_one_form(at)
            ]
    judgement.none(catalogue.TARGETS[target], "time in another form", wrong)


def _times(case: Case, target: str) -> list[tuple[str, str]]:
    """Return the columns of times, but of tables that had the target's shape: there a cell is what it was."""
    schema = schema_reader.target(target)
    found = [
        (table.name, column.name) for table in schema.tables for column in table.columns if column.type == "TIMESTAMP"
    ]
    found += [(table.name, "timestamp") for table in schema.virtual_tables]
    kept = {one.target for one in row_accounting.readings(case) if one.variant == catalogue.SPECIFIED_VARIANT}
    return [(table, column) for table, column in found if f"{target}.{table}" not in kept]


def _in_one_form(at: Cell) -> bool:
    return isinstance(at, str) and ONE_FORM.fullmatch(at) is not None and instant(at) == at


@pytest.mark.clause("M4")
@EVERY_TARGET
def test_stub_claims_nothing(traced: Case, target: str) -> None:
    """A row without a legacy row says that its kind is unknown, and is named by a row that hangs on it."""
    wrong = []
    stubs = defaultdict(list)
    question = "SELECT source, legacy_key, target, target_id FROM lineage WHERE source LIKE 'stub:%' ORDER BY rowid"
    with traced.judged.read(target) as connection:
        for source, key, table, id_ in rows(connection, question):
            if (source, table) != DEFAULT:
                stubs[source, table].append((key, id_))
    for (source, table), made in stubs.items():
        home, claims, name = references.STUBS.get(source, ("", {}, ""))
        if table != home:
            wrong.append(f"{target}.{table}: nobody decided on {source}")
            continue
        columns = [column.name for column in schema_reader.target(target).table(table).columns]
        of_key = columns.index("id") if "id" in columns else columns.index(name)
        found = {row[of_key]: row for row in traced.target_rows(f"{target}.{table}", *columns)}
        hanging = references.hanging_on(traced, table)
        for key, id_ in made:
            allowed = {"id": id_, name: key, **claims}
            wrong += [
                f"{target}.{table} {id_!r}: claims {column}"
                for column, value in zip(columns, found.get(id_, ()), strict=False)
                if value != allowed.get(column)
            ]
            if key not in hanging:
                wrong.append(f"{target}.{table} {id_!r}: no legacy row hangs on it")
    judgement.none(catalogue.TARGETS[target], "stub that claims something", wrong)
