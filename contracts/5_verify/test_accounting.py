"""Every legacy row is in exactly one place, and every consolidated row has an origin."""

from __future__ import annotations

import pytest

from contracts import judgement
from contracts.checks import row_accounting
from contracts.oracle.table_judge import target_key
from contracts.sets.case import Case
from contracts.sets.pair import LINEAGE, QUARANTINE
from migrator.config.extra_indexes import ExtraIndex
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.system.connections import folded, quoted

EVERY_TARGET = pytest.mark.parametrize("target", catalogue.TARGETS)


@pytest.mark.clause("L8")
def test_no_legacy_row_is_lost(case: Case, request: pytest.FixtureRequest) -> None:
    """No row is lost; without lineage the message names the skipped contracts."""
    losses = case.lineage.losses()
    if losses.rows:
        names = [name for item in request.session.items if (name := _needs_lineage(item))]
        skipped = f"\n  not judged without lineage: {len(names)} contracts: {', '.join(dict.fromkeys(names))}"
        pytest.fail(losses.sentence() + (skipped if case.lineage.missing else ""), pytrace=False)


def _needs_lineage(item: pytest.Item) -> str:
    """Return the name of a contract that cannot be judged without lineage; '' of any other."""
    if "traced" in getattr(item, "fixturenames", ()):
        return str(getattr(item, "originalname", item.name))
    tables = getattr(getattr(item, "contract", None), "tables", ())
    return item.path.stem if any(name.endswith(".lineage") for name in tables) else ""


@pytest.mark.clause("L1")
def test_every_legacy_table_has_one_fate(case: Case) -> None:
    """Each legacy table has exactly one fate, and each carried table has its legacy table."""
    finding = case.lineage.fates()
    judgement.none(str(case.judged.where), finding.what, finding.faults)


@pytest.mark.clause("L2")
@EVERY_TARGET
def test_every_mapped_row_is_accounted_for(case: Case, target: str) -> None:
    """Legacy rows = mapped + quarantined rows, key by key, counted in the legacy files."""
    finding = case.lineage.accounts(target)
    judgement.none(catalogue.TARGETS[target], finding.what, finding.faults)


@pytest.mark.clause("L3")
@EVERY_TARGET
def test_every_row_has_its_lineage(case: Case, target: str) -> None:
    """Each row has one lineage entry, and each lineage entry has its row."""
    for table, columns in (("lineage", LINEAGE), ("quarantine", QUARANTINE)):
        if problem := case.judged.unreadable(f"{target}.{table}", columns):
            what = f"has no {table}, so the origin of its rows is not recorded, and the way back is not proved"
            judgement.broken(f"{catalogue.TARGETS[target]}: {what}", expected=f"a table {table}", found=problem)
    wrong = row_accounting.lineage_faults(case, target)
    judgement.none(catalogue.TARGETS[target], "row and lineage do not match", wrong)


@pytest.mark.clause("L4")
@EVERY_TARGET
def test_carried_tables_are_verbatim(case: Case, target: str) -> None:
    """Columns and rows are the same: rows as a multiset of cells with storage classes."""
    finding = case.lineage.carried(target)
    judgement.none(catalogue.TARGETS[target], finding.what, finding.faults)


@pytest.mark.clause("L9")
@EVERY_TARGET
def test_carried_tables_are_declared_as_they_were(traced: Case, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """Constraints except foreign keys, and indexes, are those of the legacy table."""
    mine = {index.name for index in ordered if index.target == target}
    wrong = [
        fault
        for table in traced.legacy.every_table()
        if target in row_accounting.carried_in(traced, table)
        for fault in row_accounting.declared_unlike(traced, table, target, mine)
    ]
    judgement.none(catalogue.TARGETS[target], "carried table with another declaration", wrong)


@pytest.mark.clause("L5")
@EVERY_TARGET
def test_no_id_is_given_twice(case: Case, target: str) -> None:
    """The next id is above every id that the legacy tables ever assigned."""
    if problem := case.judged.unreadable(f"{target}.sqlite_sequence"):
        judgement.broken(f"{catalogue.TARGETS[target]}: sqlite_sequence", expected="a readable table", found=problem)
    with case.judged.read(target) as connection:
        marks: dict[str, int] = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    wrong = []
    for table in case.legacy.every_table():
        name, _, own = table.source.partition(".")
        mark = case.legacy.sequences(name).get(folded(own)) or 0
        carried = row_accounting.carried_name(table)
        if target in row_accounting.carried_in(case, table) and (found := marks.get(carried, 0)) != mark:
            # An UPDATE of an id does not change sqlite_sequence: SQLite goes on from the highest id, and so may the copy.
            with case.judged.read(target) as connection:
                (highest,) = connection.execute(f"SELECT max(rowid) FROM {quoted(carried)}").fetchone()
            if not mark < found <= (highest or 0):
                wrong.append(f"{target}.{carried}: sqlite_sequence: expected {mark}, found {marks.get(carried)}")
    for shape in schema_reader.target(target).tables:
        if not shape.autoincrement:
            continue
        readings = case.reader.readings(f"{target}.{shape.name}")
        given = max(
            (case.legacy.sequences(name).get(folded(own)) or 0 for name, own in map(_parted, readings)), default=0
        )
        key = target_key(f"{target}.{shape.name}")
        if problem := case.judged.unreadable(f"{target}.{shape.name}", [key]):
            wrong.append(f"{target}.{shape.name}: {problem}")
            continue
        with case.judged.read(target) as connection:
            least, most = connection.execute(f"SELECT min({key}), max({key}) FROM {quoted(shape.name)}").fetchone()
        mark = marks.get(shape.name, 0)
        highest = max(given, most) if isinstance(most, int) else given
        if mark < highest:
            wrong.append(f"{target}.{shape.name}: ids up to {highest} were assigned, the next will be {mark + 1}")
        if isinstance(least, int) and any(reading.assigned for reading in readings) and least <= given:
            wrong.append(f"{target}.{shape.name} {least}: is a new id, but legacy tables assigned ids up to {given}")
    judgement.none(catalogue.TARGETS[target], "id that may be assigned again", wrong)


def _parted(reading: object) -> tuple[str, str]:
    name, _, table = str(getattr(reading, "source", "")).partition(".")
    return name, table
