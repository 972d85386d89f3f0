"""The specification with amendments: DDL and schema of each database, and what no amendment may change."""

import itertools
import re
from contextlib import closing
from dataclasses import replace

import pytest

from migrator.errors import DdlError, UsageError
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.schema.specified import AS_WRITTEN, AmendedObject
from migrator.system import connections

EVERY = tuple(specified.amendments())


def test_the_specification_without_amendments_is_the_text_as_written():
    for target in catalogue.TARGETS:
        assert catalogue.target_ddl(target) == AS_WRITTEN.ddl(target)
        assert AS_WRITTEN.schema(target) is schema_reader.target(target)
    assert AS_WRITTEN is specified.chosen([])


def test_the_order_of_the_names_makes_no_difference():
    assert specified.chosen(EVERY) == specified.chosen(reversed([*EVERY, EVERY[0]]))
    assert EVERY == specified.chosen(EVERY).amendments


def test_an_unknown_name_is_a_usage_error_with_the_nearest_one():
    with pytest.raises(UsageError, match="unknown amendment 'positions_history'") as raised:
        specified.chosen(["positions_history"])

    assert "did you mean position_history?" == raised.value.hint


@pytest.mark.parametrize("name", EVERY)
def test_each_amendment_has_a_header_and_changes_what_it_declares(name):
    amendment = specified.amendments()[name]
    amended = specified.chosen([name])

    assert all((amendment.why, amendment.changes, amendment.costs, *amendment.answers))
    assert amendment.objects
    for thing in amendment.objects:
        own = [
            sql
            for _, sql in schema_reader.statements(amended.ddl(thing.target))
            if re.match(rf"CREATE [A-Z ]*{thing.kind} {thing.name}\b", sql)
        ]
        assert [thing.sql] == own
        assert thing.sql not in catalogue.target_ddl(thing.target)


def test_no_two_amendments_declare_one_object():
    for one, other in itertools.combinations(specified.amendments().values(), 2):
        assert {(each.target, each.name) for each in one.objects}.isdisjoint(
            (each.target, each.name) for each in other.objects
        )


@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_the_amended_ddl_keeps_every_other_statement(target):
    """Also with all of them: a statement is replaced or added, none is lost."""
    written = [sql for _, sql in schema_reader.statements(catalogue.target_ddl(target))]
    amended = [sql for _, sql in schema_reader.statements(specified.chosen(EVERY).ddl(target))]
    declared = [each.sql for name in EVERY for each in specified.amendments()[name].objects if each.target == target]

    assert set(declared) == set(amended) - set(written)
    assert len(amended) >= len(written)
    assert {sql.split("(")[0] for sql in written} <= {sql.split("(")[0] for sql in amended}


def test_an_amendment_that_changes_a_column_is_refused(monkeypatch):
    (name, amendment), *_ = specified.amendments().items()
    spoilt = AmendedObject(
        target="cache",
        kind="TABLE",
        name="sessions",
        sql="CREATE TABLE sessions (session_id TEXT PRIMARY KEY, user_id INTEGER, expires_at TIMESTAMP);",
    )
    monkeypatch.setattr(specified, "amendments", lambda: {name: replace(amendment, objects=(spoilt,))})
    for cached in (specified._ddl, specified._schema):
        cached.cache_clear()

    try:
        with pytest.raises(DdlError, match="an amendment changes a column, a key or a reference"):
            specified.Specification((name,)).schema("cache")
    finally:
        for cached in (specified._ddl, specified._schema):
            cached.cache_clear()


def test_with_position_history_a_token_has_one_open_position_and_any_number_of_others():
    row = (
        "INSERT INTO positions (symbol, token_address, entry_price, amount, amount_sol, status, wallet_address)"
        " VALUES ('BONK', 'mint', 1.0, 1.0, 1.0, ?, 'wallet')"
    )
    with closing(connections.memory()) as core:
        core.executescript(specified.chosen(["position_history"]).ddl("core"))
        for status in ("closed", "closed", "partial", "open", "partial", "closed"):
            core.execute(row, (status,))
        with pytest.raises(connections.sqlite3.IntegrityError, match="UNIQUE constraint failed"):
            core.execute(row, ("open",))
        plan = core.execute("EXPLAIN QUERY PLAN SELECT * FROM positions WHERE token_address = 'mint'").fetchall()

    assert any("idx_positions_token (token_address=?)" in step[3] for step in plan)
