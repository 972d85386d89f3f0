"""Random sets, written to after a cutover and taken back, again and again: nothing is lost, and nothing is there twice.

A drawn legacy set (tables in each known shape, carried tables of odd columns, odd cells) is migrated and switched.  Then random
statements run on the consolidated set: new, changed, deleted and doubled rows of each table, with NULL keys and cells of any storage
class, columns that are added, tables that are dropped and made.  After the rollback the judge of :mod:`contracts.checks.rollback_diff` compares what was in
use with the legacy set and the residue, and the same legacy set goes on to the next cycle.

``HYPOTHESIS_PROFILE=nightly`` runs 2,000 examples.
"""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from unittest import mock

import generated
import odd_schemas
import pytest
import small_set
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from contracts.checks import finished_rollback
from contracts.specimens.drawn import model as drawn_model
from contracts.specimens.drawn.cells import anything, meanings
from contracts.specimens.drawn.legacy_sets import create_sql, legacy_sets
from contracts.specimens.drawn.model import OddText
from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.model import Column
from migrator.stages import cutover as cutover_stage
from migrator.stages.inventory import inspect_pool
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import connections

#: Whole lives of sets take long: fewer than the profile has, but for the one that runs 2,000.
EXAMPLES = (
    settings.default.max_examples if settings.default.max_examples > 1_000 else settings.default.max_examples // 8
)
#: Cycles of a set, and statements in each.
CYCLES, STATEMENTS = 5, 4
#: Tables of ours that no application writes to.
OURS = {"lineage", "quarantine"}
KINDS = ("insert", "insert", "update", "update", "delete", "twin", "add column", "make", "drop")


@dataclass(frozen=True)
class Write:
    """A statement to be: what it does, and to which of what there is, counted round and round."""

    kind: str
    database: int
    table: int
    row: int
    column: int
    keyed: bool


WRITES = st.builds(
    Write,
    kind=st.sampled_from(KINDS),
    database=st.integers(0, 2),
    table=st.integers(0, 30),
    row=st.integers(0, 5),
    column=st.integers(0, 20),
    keyed=st.booleans(),
)
LIVES = st.lists(st.lists(WRITES, min_size=1, max_size=STATEMENTS), min_size=1, max_size=CYCLES)


@pytest.mark.slow
@settings(max_examples=max(EXAMPLES, 3))
@given(legacy_sets(max_files=2), LIVES, st.data())
def test_what_was_written_is_in_the_legacy_set_or_in_the_residue(legacy, life, data):
    # plan refuses a set in which no file has a table: nothing of it would be switched.
    assume(any(file.tables for file in legacy.files))
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        live(home, legacy.config, life, data, may_be_refused=True)


@pytest.mark.slow
@settings(max_examples=max(EXAMPLES, 3))
@given(odd_schemas.files(), st.lists(WRITES, min_size=2, max_size=12), st.data())
def test_what_was_written_to_carried_tables_of_odd_schemas_comes_back(drawn, writes, data):
    config = Config(files={"custom.db": "carry:core"})
    with generated.scratch() as home, mock.patch.object(inspect_pool, "examine", generated.examined_with_reasons):
        (home / "data").mkdir()
        odd_schemas.write(drawn, home / "data" / "custom.db")
        # test_odd_schemas checks what plan refuses.
        assume(cut_over(home, config))
        for write in writes:
            # SQLite refuses some statements on generated columns and expressions.
            with suppress(sqlite3.OperationalError):
                perform(home, replace(write, database=0), data, only="legacy_custom_")
        done = switchover.rollback(Workspace(home / "data"), config, execute=True)

        assert done.executed, done.refusals
        assert [] == judged(home)


def test_an_empty_text_in_a_table_that_had_the_targets_shape_is_what_it_was():
    table = next(one for one in schema_reader.target("analytics").tables if one.name == "llm_costs")
    made = drawn_model.DrawnTable(
        name=table.name,
        create=create_sql(table, table.columns, constrained=True, collation=""),
        columns=("id", "provider", "model", "cost_usd", "purpose", "timestamp"),
        rows=((3, "other", "", 0.5, "", "2026-02-30T10:00:00+00:00"),),
    )
    legacy = drawn_model.DrawnSet(files=(drawn_model.DrawnFile(place=PurePosixPath("llm_costs.db"), tables=(made,)),))
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        live(home, legacy.config, [[]], None)


def a_fact_of_an_unnamed_entity():
    """Return a set with one fact: no row of entities has the name of its entity, so that the build adds one."""
    source = next(one for one in catalogue.legacy_databases() if one.name == "jarvis_memory")
    shapes = {one.name: one for one in schema_reader.read(source.ddl).tables}
    row = {
        "id": 1,
        "entity": "somebody",
        "entity_id": 1,
        "fact": "Some Words",
        "confidence": 0.0,
        "source": "Some Words",
    }
    row |= {"learned_at": "2026-01-17T10:00:00+00:00"}
    made = tuple(
        drawn_model.DrawnTable(
            name=name,
            create=create_sql(shapes[name], shapes[name].columns, constrained=True, collation=""),
            columns=tuple(column.name for column in shapes[name].columns),
            rows=tuple(tuple(row.get(column.name) for column in shapes[name].columns) for row in rows),
        )
        for name, rows in (("entities", ()), ("facts", (row,)))
    )
    return drawn_model.DrawnSet(files=(drawn_model.DrawnFile(place=PurePosixPath("jarvis_memory.db"), tables=made),))


def test_an_entity_that_only_facts_name_is_theirs():
    legacy = a_fact_of_an_unnamed_entity()
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        live(home, legacy.config, [[]], None)


@pytest.mark.parametrize(
    ("written", "residue"),
    [
        (["DELETE FROM ai_facts"], {}),
        (["UPDATE ai_facts SET entity_id = NULL"], {}),
        (["UPDATE ai_entities SET description = 'd'", "DELETE FROM ai_facts"], {"analytics.ai_entities": 1}),
    ],
)
def test_an_entity_that_no_fact_names_any_more_is_kept_only_if_it_was_changed(written, residue):
    """In the legacy set no row would name it either, once its facts are deleted there."""
    legacy = a_fact_of_an_unnamed_entity()
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        assert cut_over(home, legacy.config)
        with closing(sqlite3.connect(home / "data" / catalogue.TARGETS["analytics"])) as connection, connection:
            for statement in written:
                connection.execute(statement)
        done = switchover.rollback(Workspace(home / "data"), legacy.config, execute=True)

        assert residue == dict(done.residue)
        assert [] == judged(home)


def test_a_table_of_the_targets_shape_is_judged_beside_one_of_another():
    ready = next(one for one in schema_reader.target("cache").tables if one.name == "cache_entries")
    source = next(one for one in catalogue.legacy_databases() if one.name == "cache_db")
    other = next(one for one in schema_reader.read(source.ddl).tables if one.name == "cache")
    cells = {
        ready: ("a", "said", "2026-01-17T10:00:00Z", "2026-01-17"),
        other: ("b", b"said", *["2026-01-17T10:00:00+00:00"] * 3, 1, 4, None),
    }
    made = tuple(
        drawn_model.DrawnTable(
            name=one.name,
            create=create_sql(one, one.columns, constrained=True, collation=""),
            columns=tuple(column.name for column in one.columns),
            rows=(row,),
        )
        for one, row in cells.items()
    )
    legacy = drawn_model.DrawnSet(files=(drawn_model.DrawnFile(place=PurePosixPath("cache.db"), tables=made),))
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        live(home, legacy.config, [[]], None)


def test_a_row_that_names_twins_names_nobody():
    """Both positions are in quarantine, so the trade's position is NULL."""
    source = next(one for one in catalogue.legacy_databases() if one.name == "jarvis")
    shapes = {one.name: one for one in schema_reader.read(source.ddl).tables}
    position = {
        "id": "p",
        "symbol": "SOL",
        "token_mint": "So11111111111111111111111111111111111111112",
        "status": "open",
    }
    position |= {
        "entry_price": 1.0,
        "entry_amount_sol": 1.0,
        "entry_amount_tokens": 1.0,
        "opened_at": "2026-01-17 10:00:00",
    }
    trade = {"id": "t", "symbol": "SOL", "token_mint": position["token_mint"], "side": "buy", "amount_sol": 1.0}
    trade |= {"amount_tokens": 1.0, "price": 1.0, "timestamp": "2026-01-17 10:00:00", "position_id": "p", "user_id": 1}
    made = tuple(
        drawn_model.DrawnTable(
            name=name,
            create=create_sql(shapes[name], shapes[name].columns, constrained=False, collation=""),
            columns=tuple(column.name for column in shapes[name].columns),
            rows=tuple(tuple(row.get(column.name) for column in shapes[name].columns) for row in rows),
        )
        for name, rows in (("positions", (position, position)), ("trades", (trade,)))
    )
    legacy = drawn_model.DrawnSet(files=(drawn_model.DrawnFile(place=PurePosixPath("jarvis.db"), tables=made),))
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        live(home, legacy.config, [[]], None)


def test_an_empty_time_in_a_table_that_no_legacy_row_fills_says_nothing():
    made = drawn_model.DrawnTable(name="notes", create="CREATE TABLE notes (text)", columns=("text",), rows=())
    legacy = drawn_model.DrawnSet(files=(drawn_model.DrawnFile(place=PurePosixPath("notes.db"), tables=(made,)),))
    with generated.scratch() as home, small_set.in_this_process():
        drawn_model.write(legacy, home / "data")
        assert cut_over(home, legacy.config)
        with closing(sqlite3.connect(home / "data" / catalogue.TARGETS["core"])) as connection, connection:
            connection.execute("UPDATE config SET updated_at = '' WHERE key = 'max_positions'")
        switchover.rollback(Workspace(home / "data"), legacy.config, execute=True)

        assert not judged(home)


def live(home, config, life, data, *, may_be_refused=False):
    """Take the set to the consolidated one and back, as often as *life* has writes for."""
    for writes in life:
        if not cut_over(home, config):
            # A set that is refused is left alone: nothing can be lost.
            assert may_be_refused
            return
        for write in writes:
            perform(home, write, data)
        done = switchover.rollback(Workspace(home / "data"), config, execute=True)

        assert done.executed, done.refusals
        found = judged(home)
        assert not found, found


def cut_over(home, config):
    """Migrate and switch, as the commands do; the contracts judge the build elsewhere.  Return whether it was let in."""
    workspace = Workspace(home / "data")
    try:
        planned = pipeline_migrate.plan(workspace, config)
        snapshot = pipeline_migrate.backup(planned, workspace)
        built = pipeline_migrate.build(workspace, config, snapshot)
    except Refused:
        return False
    assert built.holds
    wanted = cutover_stage.prepare(planned, snapshot, home / ".env")
    assert () == cutover_stage.refusals(wanted)
    cutover_stage.cutover(wanted, snapshot, observer=Observer())
    return True


def judged(home):
    made = switch_state.read(home / "data")
    scratch = home / "judging"
    scratch.mkdir(exist_ok=True)
    return list(finished_rollback.faults(made, scratch))


def perform(home, write, data, only=""):
    """Run a statement on a consolidated database, on a table whose name begins with *only*.

    A statement that a constraint refuses has no effect.
    """
    target = tuple(catalogue.TARGETS)[write.database]
    with closing(sqlite3.connect(home / "data" / catalogue.TARGETS[target], isolation_level=None)) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')"
                " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            )
            if name not in OURS and name.startswith(only)
        ]
        if not tables:
            return
        table = tables[write.table % len(tables)]
        carried = [name for name in tables if name.startswith("legacy_")]
        with suppress(sqlite3.IntegrityError):
            for statement, cells in statements(connection, target, table, carried, write, data):
                note(f"{target}: {statement} {cells}")
                connection.execute(statement, cells)


def statements(connection, target, table, carried, write, data):
    """Yield what *write* means where these tables are, with its cells."""
    quoted = connections.quoted
    stored = [
        Column(name=name, type=kind, primary_key=key, not_null=bool(full))
        for _, name, kind, full, _, key, hidden in connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
        if hidden == 0
    ]
    column = stored[write.column % len(stored)]
    if write.kind in ("update", "delete", "twin"):
        row = chosen(connection, table, stored, write.row)
        if row is None:
            return
    if write.kind == "insert":
        yield inserted(table, [one for one in stored if write.keyed or not one.primary_key], data)
    elif write.kind == "update":
        mark, cell = bound(draw(data, column, table))
        yield f"UPDATE {quoted(table)} SET {quoted(column.name)} = {mark} WHERE {row[0]}", (cell, *row[1])
    elif write.kind == "delete":
        yield f"DELETE FROM {quoted(table)} WHERE {row[0]}", row[1]
    elif write.kind == "twin":
        some = ", ".join(quoted(one.name) for one in stored if not one.primary_key)
        if some:
            yield f"INSERT INTO {quoted(table)} ({some}) SELECT {some} FROM {quoted(table)} WHERE {row[0]}", row[1]
    elif write.kind == "add column" and table not in {one.name for one in schema_reader.target(target).virtual_tables}:
        if "added" not in {one.name for one in stored}:
            yield f"ALTER TABLE {quoted(table)} ADD COLUMN added", ()
            yield f"UPDATE {quoted(table)} SET added = ?", (write.row or None,)
    elif write.kind == "make":
        names = [name.split("_", 2)[2] for name in carried if name.count("_") > 1]
        name = names[write.row % len(names)] if names and write.keyed else f"made {write.row}"
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE", (name,)).fetchone():
            yield f"CREATE TABLE {quoted(name)} (a, b)", ()
            yield f"INSERT INTO {quoted(name)} VALUES (1, 'x'), (1, 'x'), (NULL, 2.5)", ()
    elif write.kind == "drop" and carried:
        yield f"DROP TABLE {quoted(carried[write.row % len(carried)])}", ()


def inserted(table, columns, data):
    """Return the statement that makes a row with a drawn cell in each of these columns, and the cells."""
    if not columns:
        return f"INSERT INTO {connections.quoted(table)} DEFAULT VALUES", ()
    marks, cells = zip(*(bound(draw(data, one, table)) for one in columns), strict=True)
    names = ", ".join(connections.quoted(one.name) for one in columns)
    return f"INSERT INTO {connections.quoted(table)} ({names}) VALUES ({', '.join(marks)})", cells


def draw(data, column, table):
    return data.draw(meanings(column, table) | anything() if not table.startswith("legacy_") else anything())


def bound(cell):
    return ("CAST(? AS TEXT)", cell.octets) if isinstance(cell, OddText) else ("?", cell)


def chosen(connection, table, stored, place):
    """Return the condition that only one row meets, and its values: the row at that place, counted round and round."""
    quoted = connections.quoted
    free = [name for name in ("rowid", "_rowid_", "oid") if name not in {one.name.lower() for one in stored}]
    (without,) = connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (table,)).fetchone()
    keys = [one.name for one in stored if one.primary_key] if without else free[:1]
    if not keys:
        return None
    names = ", ".join(map(quoted, keys))
    connection.text_factory = OddText
    found = connection.execute(f"SELECT {names} FROM {quoted(table)} ORDER BY {names}").fetchall()
    connection.text_factory = str
    if not found:
        return None
    marks, cells = zip(*map(bound, found[place % len(found)]), strict=True)
    return " AND ".join(f"{quoted(key)} IS {mark}" for key, mark in zip(keys, marks, strict=True)), cells
