"""The judged databases declare what the specification's DDL declares, object by object."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contracts import judgement
from contracts.sets.consolidated import Subject
from migrator.config.extra_indexes import ExtraIndex
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.model import Index, Table, VirtualTable
from migrator.system.connections import quoted

SPECIFIED = {target: schema_reader.target(target) for target in catalogue.TARGETS}
#: The objects that each database has in addition to the specification: lineage and quarantine.
OURS = schema_reader.read(catalogue.our_ddl())
TABLES = [(target, table) for target, schema in SPECIFIED.items() for table in schema.tables]
INDEXES = [(target, index) for target, schema in SPECIFIED.items() for index in schema.indexes]
VIRTUAL_TABLES = [(target, table) for target, schema in SPECIFIED.items() for table in schema.virtual_tables]


def _ids(objects: Sequence[tuple[str, Table | Index | VirtualTable]]) -> list[str]:
    return [f"{target}.{thing.name}" for target, thing in objects]


@pytest.mark.clause("S12")
def test_the_three_databases_are_there(judged: Subject) -> None:
    """A consolidated set has all three databases."""
    if judged.whole:
        judgement.same(
            str(judged.where),
            "consolidated databases",
            expected=sorted(catalogue.TARGETS.values()),
            found=sorted(path.name for path in judged.originals.values()),
        )


@pytest.mark.clause("S1")
@pytest.mark.parametrize(("target", "table"), TABLES, ids=_ids(TABLES))
def test_table_has_its_columns(judged: Subject, target: str, table: Table) -> None:
    """Columns, their declarations and the table's options are as specified."""
    expected = SPECIFIED[target].table(table.name)
    found = _found_table(judged, target, expected.name)
    where = f"{target}.{expected.name}"
    judgement.same(
        where,
        "columns in order",
        expected=[column.name for column in expected.columns],
        found=[column.name for column in found.columns],
    )
    for want, have in zip(expected.columns, found.columns, strict=True):
        judgement.same(f"{where}.{want.name}", "declaration", expected=want, found=have)
    judgement.same(where, "AUTOINCREMENT", expected=expected.autoincrement, found=found.autoincrement)
    judgement.same(where, "WITHOUT ROWID", expected=expected.without_rowid, found=found.without_rowid)
    judgement.same(where, "STRICT", expected=expected.strict, found=found.strict)


@pytest.mark.clause("S2")
@pytest.mark.parametrize(("target", "table"), TABLES, ids=_ids(TABLES))
def test_table_has_its_checks(judged: Subject, target: str, table: Table) -> None:
    """The CHECK expressions are as specified, as sqlglot reads them in the stored statement."""
    expected = SPECIFIED[target].table(table.name)
    found = _found_table(judged, target, expected.name)
    judgement.same(
        f"{target}.{expected.name}",
        "CHECK constraints",
        expected=[check.expression for check in expected.checks],
        found=[check.expression for check in found.checks],
    )


@pytest.mark.clause("S3")
@pytest.mark.parametrize(("target", "table"), TABLES, ids=_ids(TABLES))
def test_table_has_its_unique_constraints(judged: Subject, target: str, table: Table) -> None:
    """Columns and collation of each UNIQUE and PRIMARY KEY are as specified."""
    expected = SPECIFIED[target].table(table.name)
    found = _found_table(judged, target, expected.name)
    judgement.same(f"{target}.{expected.name}", "UNIQUE constraints", expected=expected.uniques, found=found.uniques)


@pytest.mark.clause("S4")
@pytest.mark.parametrize(("target", "table"), TABLES, ids=_ids(TABLES))
def test_table_has_its_foreign_keys(judged: Subject, target: str, table: Table) -> None:
    """Columns, parents and actions of each foreign key are as specified."""
    expected = SPECIFIED[target].table(table.name)
    found = _found_table(judged, target, expected.name)
    judgement.same(
        f"{target}.{expected.name}", "FOREIGN KEYs", expected=expected.foreign_keys, found=found.foreign_keys
    )


@pytest.mark.clause("S5")
@pytest.mark.parametrize(("target", "index"), INDEXES, ids=_ids(INDEXES))
def test_index_is_there(judged: Subject, target: str, index: Index) -> None:
    """Table, columns, direction, UNIQUE and WHERE of the index are as specified."""
    found = [have for have in judged.schema(target).indexes if have.name == index.name]
    judgement.same(f"{target}.{index.name}", "index", expected=[index], found=found)


@pytest.mark.clause("S14")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_ordered_index_is_there(judged: Subject, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """The extra index is stored as written, apart from letter case and white space."""
    with judged.read(target) as connection:
        stored = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index'").fetchall())
    for index in ordered:
        if index.target == target:
            judgement.same(
                f"{target}.{index.name}",
                "index that [decisions] extra_indexes orders",
                expected=" ".join(index.stored.lower().split()),
                found=" ".join((stored.get(index.name) or "").lower().split()),
            )


@pytest.mark.clause("S6")
@pytest.mark.parametrize(("target", "table"), VIRTUAL_TABLES, ids=_ids(VIRTUAL_TABLES))
def test_virtual_table_is_there(judged: Subject, target: str, table: VirtualTable) -> None:
    """Module, columns and options are as specified, and no option was set later.

    The tokenizer decides the rows that a search finds, the option ``rank`` their order.
    """
    found = [have for have in judged.schema(target).virtual_tables if have.name == table.name]
    judgement.same(f"{target}.{table.name}", "virtual table", expected=[table], found=found)
    with judged.read(target) as connection:
        settings = connection.execute(
            f"SELECT k, v FROM {quoted(f'{table.name}_config')} WHERE k <> 'version'"
        ).fetchall()
    judgement.same(f"{target}.{table.name}", "options set later, such as rank", expected=[], found=settings)


@pytest.mark.clause("S1")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_two_readers_agree_on_the_specified_tables(judged: Subject, target: str) -> None:
    """Sqlglot and SQLite read the stored statements in the same way."""
    names = {table.name for table in SPECIFIED[target].tables}
    judgement.none(
        target,
        "sqlglot and SQLite contradict each other",
        [
            f"{difference.where}: {difference.what}"
            for difference in judged.schema(target).differences
            if difference.contradiction and difference.where.partition(".")[0] in names
        ],
    )


@pytest.mark.clause("S11")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_nothing_is_there_that_nobody_ordered(judged: Subject, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """Only specified objects, our own, carried tables and extra indexes exist."""
    expected, found = SPECIFIED[target], judged.schema(target)
    names = {
        *(table.name for table in expected.tables),
        *(index.name for index in expected.indexes),
        *(table.name for table in expected.virtual_tables),
        *(table.name for table in OURS.tables),
        *(index.name for index in OURS.indexes),
        *(index.name for index in ordered if index.target == target),
    }
    things: list[Table | Index | VirtualTable] = [*found.tables, *found.indexes, *found.virtual_tables]
    unexpected = [
        f"{type(thing).__name__.lower()} {thing.name}"
        for thing in things
        # The indexes of carried tables are compared with those of the legacy tables by the contract on clause L9.
        if thing.name not in names
        and not (thing.table if isinstance(thing, Index) else thing.name).startswith("legacy_")
    ]
    programs = [f"{program.kind} {program.name} on {program.table}" for program in found.programs]
    judgement.none(target, "unexpected object", sorted({*programs, *unexpected}))


@pytest.mark.clause("S17")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_lineage_is_declared_as_it_has_to_be(judged: Subject, target: str) -> None:
    """Lineage and quarantine have their columns without affinity, and their indexes."""
    if missing := [table.name for table in OURS.tables if table.name not in judged.table_names(target)]:
        pytest.skip(f"not judged: {catalogue.TARGETS[target]} has no {', '.join(missing)}")
    for table in OURS.tables:
        found = _found_table(judged, target, table.name)
        judgement.same(f"{target}.{table.name}", "declaration", expected=table.columns, found=found.columns)
    indexes = {index.name: index for index in judged.schema(target).indexes}
    for index in OURS.indexes:
        judgement.same(f"{target}.{index.name}", "index", expected=index, found=indexes.get(index.name))


def _found_table(judged: Subject, target: str, name: str) -> Table:
    try:
        return judged.schema(target).table(name)
    except KeyError:
        judgement.broken(f"{target}.{name}: table", expected="declared", found="no such table")
