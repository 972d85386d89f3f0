"""Nothing is lost: every legacy row is somewhere, once, and every row here came from somewhere."""

from __future__ import annotations

import pytest

from contracts import judgement
from contracts.checks import lost_rows, match_sets, row_accounting
from contracts.oracle.table_judge import target_key
from contracts.sets.pair import LINEAGE, QUARANTINE, Pair
from migrator.config.extra_indexes import ExtraIndex
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.declaration import folded
from migrator.system.connections import quoted

EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)


@pytest.mark.clause("L8")
def test_no_legacy_row_is_lost(pair: Pair, request: pytest.FixtureRequest) -> None:
    """Over all tables, in one sentence; and what nobody can tell is named."""
    counted = lost_rows.losses(pair)
    if counted.rows:
        names = [name for item in request.session.items if (name := _needs_lineage(item))]
        unasked = f"\n  not judged without lineage: {len(names)} contracts: {', '.join(dict.fromkeys(names))}"
        pytest.fail(counted.sentence() + (unasked if pair.without_lineage() else ""), pytrace=False)


def _needs_lineage(item: pytest.Item) -> str:
    """Return the name of a contract that cannot be judged without lineage; '' of any other."""
    if "traced" in getattr(item, "fixturenames", ()):
        return str(getattr(item, "originalname", item.name))
    asked = getattr(getattr(item, "contract", None), "tables", ())
    return item.path.stem if any(name.endswith(".lineage") for name in asked) else ""


@pytest.mark.clause("L1")
def test_every_legacy_table_has_one_fate(pair: Pair) -> None:
    """Mapped, carried, standing alone or an index over another table; and nothing here comes from nowhere."""
    if pair.without_lineage():
        judgement.none(str(pair.judged.where), "legacy table that is nowhere", match_sets.homeless(pair))
        return
    told = row_accounting.told_of(pair)
    wrong = []
    for table in pair.legacy.every_table():
        fate = row_accounting.fate(pair, table)
        into, copies = told.pop(table.source, set()), row_accounting.carried_in(pair, table)
        expected = [row_accounting.home(pair, table.source.partition(".")[0])] if fate == row_accounting.CARRIED else []
        if fate == row_accounting.DERIVED and table.problem and table.source not in pair.left_behind:
            wrong.append(f"{table.source}: {table.problem}, and nothing carries it")
        if copies != expected:
            wrong.append(f"{table.source}: is {fate}, expected as a carried table in {expected}, found in {copies}")
        if into and fate != row_accounting.MAPPED:
            wrong.append(f"{table.source}: is {fate}, yet lineage or quarantine take its rows to {sorted(into)}")
        homes = {reading.target for reading in row_accounting.readings(pair) if reading.source == table.source}
        if not into <= homes:
            wrong.append(f"{table.source}: goes to {sorted(homes)}, lineage or quarantine name {sorted(into - homes)}")
    wrong += [f"{source}: lineage or quarantine name it, the legacy set does not have it" for source in told]
    wrong += [f"{table}: no legacy table stands behind it" for table in row_accounting.stray_carried(pair)]
    judgement.none(str(pair.judged.where), "legacy table without exactly one fate", wrong)


@pytest.mark.clause("L2")
@EVERY_TARGET
def test_every_mapped_row_is_accounted_for(pair: Pair, target: str) -> None:
    """Rows in = mapped + quarantined, key by key, as counted in the legacy files."""
    if pair.without_lineage():
        gone = match_sets.refused_and_gone(pair, target)
        judgement.none(catalogue.TARGETS[target], "legacy row that is refused and kept nowhere", gone)
        return
    wrong = [
        fault
        for reading in row_accounting.readings(pair)
        if reading.target.startswith(f"{target}.")
        for fault in row_accounting.balance(pair, reading)
    ]
    judgement.none(catalogue.TARGETS[target], "legacy row that is not in exactly one place", wrong)


@pytest.mark.clause("L3")
@EVERY_TARGET
def test_every_row_has_its_lineage(pair: Pair, target: str) -> None:
    """No row without lineage, no lineage without row, none twice."""
    for table, columns in (("lineage", LINEAGE), ("quarantine", QUARANTINE)):
        if problem := pair.judged.unreadable(f"{target}.{table}", columns):
            what = f"has no {table}, so nothing says which legacy row became which row, and the way back is not proved"
            judgement.broken(f"{catalogue.TARGETS[target]}: {what}", expected=f"a table {table}", found=problem)
    wrong = row_accounting.lineage_faults(pair, target)
    judgement.none(catalogue.TARGETS[target], "row and lineage do not match", wrong)


@pytest.mark.clause("L4")
@EVERY_TARGET
def test_carried_tables_are_verbatim(pair: Pair, target: str) -> None:
    """Columns, and rows as a multiset of cells with their storage classes."""
    if pair.without_lineage():
        lost = match_sets.lost_of_carried(pair, target)
        judgement.none(catalogue.TARGETS[target], "row of a table that nobody specified is nowhere", lost)
        return
    wrong = list(row_accounting.carried_unlike(pair, target))
    judgement.none(catalogue.TARGETS[target], "carried table is not as it was", wrong)


@pytest.mark.clause("L9")
@EVERY_TARGET
def test_carried_tables_are_declared_as_they_were(traced: Pair, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """Every constraint but foreign keys, collations, generated columns and indexes: SQLite does the same with each row."""
    mine = {index.name for index in ordered if index.target == target}
    wrong = [
        fault
        for table in traced.legacy.every_table()
        if target in row_accounting.carried_in(traced, table)
        for fault in row_accounting.declared_unlike(traced, table, target, mine)
    ]
    judgement.none(catalogue.TARGETS[target], "carried table is declared otherwise", wrong)


@pytest.mark.clause("L5")
@EVERY_TARGET
def test_no_id_is_given_twice(pair: Pair, target: str) -> None:
    """The next id lies above every id that the legacy tables ever gave, also to rows that were deleted."""
    if problem := pair.judged.unreadable(f"{target}.sqlite_sequence"):
        judgement.broken(f"{catalogue.TARGETS[target]}: sqlite_sequence", expected="marks of ids", found=problem)
    with pair.judged.read(target) as connection:
        marks: dict[str, int] = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    wrong = []
    for table in pair.legacy.every_table():
        name, _, own = table.source.partition(".")
        mark = pair.legacy.sequences(name).get(folded(own)) or 0
        carried = row_accounting.carried_name(table)
        if target in row_accounting.carried_in(pair, table) and (found := marks.get(carried, 0)) != mark:
            # An UPDATE of an id moves no mark: SQLite counts on from the highest id that is there, and so may the copy.
            with pair.judged.read(target) as connection:
                (highest,) = connection.execute(f"SELECT max(rowid) FROM {quoted(carried)}").fetchone()
            if not mark < found <= (highest or 0):
                wrong.append(f"{target}.{carried}: expected the mark {mark}, found {marks.get(carried)}")
    for shape in schema_reader.target(target).tables:
        if not shape.autoincrement:
            continue
        readings = pair.reader.readings(f"{target}.{shape.name}")
        given = max(
            (pair.legacy.sequences(name).get(folded(own)) or 0 for name, own in map(_parted, readings)), default=0
        )
        key = target_key(f"{target}.{shape.name}")
        if problem := pair.judged.unreadable(f"{target}.{shape.name}", [key]):
            wrong.append(f"{target}.{shape.name}: {problem}")
            continue
        with pair.judged.read(target) as connection:
            least, most = connection.execute(f"SELECT min({key}), max({key}) FROM {quoted(shape.name)}").fetchone()
        mark = marks.get(shape.name, 0)
        highest = max(given, most) if isinstance(most, int) else given
        if mark < highest:
            wrong.append(f"{target}.{shape.name}: ids up to {highest} were given, the next will be {mark + 1}")
        if isinstance(least, int) and any(reading.assigned for reading in readings) and least <= given:
            wrong.append(f"{target}.{shape.name} {least}: was assigned, and given before: ids up to {given} were")
    judgement.none(catalogue.TARGETS[target], "id that may be given again", wrong)


def _parted(reading: object) -> tuple[str, str]:
    name, _, table = str(getattr(reading, "source", "")).partition(".")
    return name, table
