"""The judged databases declare what the specification's DDL declares, object by object."""

from __future__ import annotations

import pytest

from contracts import judgement
from contracts.sets.consolidated import Subject
from migrator.config.extra_indexes import ExtraIndex
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.schema.model import Index, Schema, Table, VirtualTable
from migrator.schema.specified import AmendedObject, Specification
from migrator.system.connections import quoted

#: The objects that each database has in addition to the specification: lineage and quarantine.
OURS = schema_reader.read(catalogue.our_ddl())


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
@pytest.mark.each("table")
def test_table_has_its_columns(judged: Subject, target: str, table: Table) -> None:
    """Columns, their declarations and the table's options are as specified."""
    found = _found_table(judged, target, table.name)
    where = f"{target}.{table.name}"
    judgement.same(
        where,
        "columns in order",
        expected=[column.name for column in table.columns],
        found=[column.name for column in found.columns],
    )
    for want, have in zip(table.columns, found.columns, strict=True):
        judgement.same(f"{where}.{want.name}", "declaration", expected=want, found=have)
    judgement.same(where, "AUTOINCREMENT", expected=table.autoincrement, found=found.autoincrement)
    judgement.same(where, "WITHOUT ROWID", expected=table.without_rowid, found=found.without_rowid)
    judgement.same(where, "STRICT", expected=table.strict, found=found.strict)


@pytest.mark.clause("S2")
@pytest.mark.each("table")
def test_table_has_its_checks(judged: Subject, target: str, table: Table) -> None:
    """The CHECK expressions are as specified, as sqlglot reads them in the stored statement."""
    found = _found_table(judged, target, table.name)
    judgement.same(
        f"{target}.{table.name}",
        "CHECK constraints",
        expected=[check.expression for check in table.checks],
        found=[check.expression for check in found.checks],
    )


@pytest.mark.clause("S3")
@pytest.mark.each("table")
def test_table_has_its_unique_constraints(judged: Subject, target: str, table: Table) -> None:
    """Columns and collation of each UNIQUE and PRIMARY KEY are as specified."""
    found = _found_table(judged, target, table.name)
    judgement.same(f"{target}.{table.name}", "UNIQUE constraints", expected=table.uniques, found=found.uniques)


@pytest.mark.clause("S4")
@pytest.mark.each("table")
def test_table_has_its_foreign_keys(judged: Subject, target: str, table: Table) -> None:
    """Columns, parents and actions of each foreign key are as specified."""
    found = _found_table(judged, target, table.name)
    judgement.same(f"{target}.{table.name}", "FOREIGN KEYs", expected=table.foreign_keys, found=found.foreign_keys)


@pytest.mark.clause("S5")
@pytest.mark.each("index")
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
@pytest.mark.each("virtual table")
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
    expected = judged.specification.schema(target)
    names = {*(table.name for table in expected.tables), *(index.name for index in expected.indexes)}
    judgement.none(
        target,
        "sqlglot and SQLite contradict each other",
        [
            f"{difference.where}: {difference.what}"
            for difference in judged.schema(target).differences
            if difference.contradiction and difference.where.partition(".")[0] in names
        ],
    )


@pytest.mark.clause("S18")
def test_amendments_are_those_that_were_decided(judged: Subject) -> None:
    """The set declares what each chosen amendment declares, and nothing of another amendment."""
    here = {
        name: amendment
        for name, amendment in specified.amendments().items()
        if {amended.target for amended in amendment.objects} <= judged.originals.keys()
    }
    found = {
        name
        for name, amendment in here.items()
        if all(_declares(judged, specified.chosen([name]), amended) for amended in amendment.objects)
    }
    chosen = here.keys() & judged.specification.amendments
    judgement.none(
        str(judged.where), "amendment that the configuration chooses and the set does not have", chosen - found
    )
    judgement.none(str(judged.where), "amendment of the set that the configuration does not choose", found - chosen)


def _declares(judged: Subject, amended_by: Specification, amended: AmendedObject) -> bool:
    """Return whether the set has a table or an index as an amendment declares it."""
    wanted, found = amended_by.schema(amended.target), judged.schema(amended.target)
    return _named(found, amended.name) == _named(wanted, amended.name)


def _named(schema: Schema, name: str) -> list[Table | Index | VirtualTable]:
    things: list[Table | Index | VirtualTable] = [*schema.tables, *schema.indexes, *schema.virtual_tables]
    return [thing for thing in things if thing.name == name]


@pytest.mark.clause("S11")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_every_object_is_specified_or_ordered(judged: Subject, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """Only specified objects, our own, carried tables and extra indexes exist."""
    expected, found = judged.specification.schema(target), judged.schema(target)
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
