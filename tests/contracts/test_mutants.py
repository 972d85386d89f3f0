"""Mutants: what they are made from is sound, a drawn part of them is caught, and the reverse: nothing is caught where nothing is.

The whole matrix is ``tox -e sabotage``.
"""

import json
import pickle
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.mutants import (
    clean,
    file_mutants,
    fixtures,
    mapping_mutants,
    matrix,
    mutant,
    page,
    record,
    row_mutants,
    schema_mutants,
    suite_run,
)
from contracts.mutants import recorded as mutants_recorded
from contracts.mutants.by_hand import declared as by_hand_declared
from contracts.mutants.journal import Journal
from contracts.mutants.matrix import Fate, Result
from contracts.mutants.operators import selects as operators_selects
from contracts.mutants.operators import tables as operators_tables
from contracts.suite import results  # fmt: skip
from migrator.schema import catalogue, specified
from migrator.schema import reader as schema_reader
from migrator.system import connections

HERE = Path(__file__).parents[2]
#: Mutants that the ordinary tests draw of each family, and by which seed.
DRAWN, SEED = 6, 20260131


@pytest.fixture(scope="session", name="place")
def _place(tmp_path_factory):
    """The specimens, migrated."""
    made = fixtures.Stand(tmp_path_factory.mktemp("stand"))
    made.make()
    return made


def every(place):
    """Every mutant by family, as the command plants them."""
    found = {"declarations": [*schema_mutants.mutants(), *schema_mutants.of_carried(place, fixtures.FOUND[0])]}
    found["amendments"] = list(schema_mutants.of_amendments())
    found["rows"] = [
        one
        for name in (*fixtures.FOUND, *fixtures.SPECIFIED, fixtures.DECIDED)
        for one in row_mutants.mutants(place, name)
    ]
    found["files"] = list(file_mutants.mutants(fixtures.FOUND[0]))
    found["mappings"] = list(mapping_mutants.mutants(fixtures.FOUND[0]))
    return found


@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_a_table_that_is_written_anew_is_declared_as_it_was(target):
    """Otherwise a mutant would have other faults than its kind."""
    schema = schema_reader.target(target)
    with closing(connections.memory()) as connection:
        for table in schema.tables:
            connection.execute(operators_tables.create(table))
        written = {table.name: table for table in schema_reader.stored(connection).tables}

    assert {table.name: table for table in schema.tables} == written


def test_every_operator_is_there_for_every_table_that_has_its_constraint():
    planted = {(one.kind, one.table) for one in schema_mutants.mutants()}
    wanted = set()
    for target in catalogue.TARGETS:
        for table in schema_reader.target(target).tables:
            where = f"{target}.{table.name}"
            wanted |= {
                (kind, where) for kind in ("PRIMARY KEY removed", "PRIMARY KEY on another column", "UNIQUE added")
            }
            wanted |= {("NOT NULL removed", where) for column in table.columns if column.not_null}
            wanted |= {("NOT NULL added", where) for column in table.columns if not column.not_null}
            wanted |= {("DEFAULT removed", where) for column in table.columns if column.default is not None}
            wanted |= {(f"UNIQUE {what}", where) for one in table.uniques if one.origin == "unique" for what in
                       ("removed", "on another column", "over one more column", "with a collation")}  # fmt: skip
            wanted |= {(f"FOREIGN KEY {what}", where) for _ in table.foreign_keys for what in
                       ("removed", "to another table", "of another column", "deferred")}  # fmt: skip
            wanted |= {(f"CHECK {what}", where) for _ in table.checks for what in
                       ("removed", "of another column", "turned into its opposite")}  # fmt: skip
            wanted |= {("AUTOINCREMENT removed", where)} if table.autoincrement else set()
        for index in schema_reader.target(target).indexes:
            wanted |= {(f"index {what}", f"{target}.{index.table}") for what in
                       ("removed", "of another direction", "on another column", "UNIQUE", "with a collation")}  # fmt: skip

    assert wanted - planted == set()


def test_each_object_of_an_amendment_has_the_mutants_of_its_kind():
    planted = {(one.amendments, *one.instead) for one in schema_mutants.of_amendments()}
    declared = {
        ((name,), thing.kind.lower(), thing.name)
        for name, amendment in specified.amendments().items()
        for thing in amendment.objects
    }

    assert declared == planted
    # A new kind would ask for a new record of the sabotage.
    assert {one.kind for one in schema_mutants.of_amendments()} <= {one.kind for one in schema_mutants.mutants()}


def test_the_names_of_mutants_are_their_own():
    twice = [mutant.ByHand(kind="x", where="core", specimen="empty", fault=by_hand_declared.FAULTS[0])] * 3

    assert ["x: core [empty]", "x: core (2) [empty]", "x: core (3) [empty]"] == [
        one.id for one in matrix.numbered(twice)
    ]


def test_every_fault_by_hand_can_be_sent_to_another_process():
    for planted in mutant.by_hand():
        assert planted.id == pickle.loads(pickle.dumps(planted)).id  # noqa: S301 - our own


def test_the_same_seed_draws_the_same():
    whole = list(schema_mutants.mutants())

    assert list(matrix.sampled(whole, seed=1)) == list(matrix.sampled(whole, seed=1))
    assert list(matrix.sampled(whole, seed=1)) != list(matrix.sampled(whole, seed=2))
    kinds = {one.kind for one in whole}
    assert kinds == {one.kind for one in matrix.drawn(whole, len(kinds), seed=3)}


def test_a_mutated_mapping_is_another_mapping_and_the_rest_of_its_file_stands():
    text = mapping_mutants.texts()["core/trades.sql"]
    found = list(operators_selects.mutations(text))

    assert {"column forgotten", "COALESCE lost", "LEFT JOIN turned to JOIN", "two columns exchanged"} <= {
        kind for kind, _, _ in found
    }
    for kind, what, changed in found:
        assert changed != text, (kind, what)
        assert changed.startswith("-- target: core.trades"), (kind, what)


def result(fate=Fate.CAUGHT, name="one", **more):
    fault = next(one for one in by_hand_declared.FAULTS if one.name == "table missing")
    return Result(mutant=mutant.ByHand(kind=name, where="core", specimen="empty", fault=fault), fate=fate, **more)


def test_a_journal_goes_on_with_a_run_of_the_same_and_with_no_other(tmp_path):
    path = tmp_path / "journal.jsonl"
    judged = result(caught_by=frozenset({"build/a"}), seconds=1.0)
    Journal(path, "these contracts").add(judged)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "cut sho')

    assert [judged] == Journal(path, "these contracts").known([judged.mutant])
    assert [] == Journal(path, "others").known([judged.mutant])


def test_the_score_counts_what_nobody_caught_and_what_made_no_difference_apart():
    found = record.summed(
        [
            result(name="caught", caught_by=frozenset({"build/a", "build/b"})),
            result(Fate.STOPPED, name="stopped", door="plan"),
            result(Fate.SURVIVED, name="survived"),
            result(Fate.SAME, name="same"),
            result(Fate.UNPLANTED, name="unplanted"),
        ],
        ["build/a", "build/c"],
        "a command",
    )

    assert (4, 3, 2, "66.66 %") == (found.planted, found.faults, found.caught, found.score)
    assert ("survived: core [empty]",) == found.survivors
    assert [("build/a", 1, 1), ("build/c", 0, 0)] == [(one.contract, one.caught, one.others) for one in found.needs]
    assert ["build/c"] == [one.contract for one in found.needs if page.unneeded(one)]
    assert (
        "100 %" != replace(found, kinds=tuple(replace(one, planted=9_999, caught=9_998) for one in found.kinds)).score
    )


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants_recorded, "RECORDED", tmp_path / "record.json")
    found = record.summed([result(caught_by=frozenset({"build/a"}))], ["build/a"], "a command")

    record.write(found)

    assert found == mutants_recorded.read((tmp_path / "record.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("specimen", [fixtures.EMPTY, *fixtures.SPECIMENS])
def test_a_set_that_is_made_anew_without_a_change_holds(tmp_path, place, specimen):
    place.copy(specimen, tmp_path)
    for name in catalogue.TARGETS.values():
        (tmp_path / name).unlink()
        schema_mutants.remade(place.migrated(specimen) / name, tmp_path / name)
    (tmp_path / "scratch").mkdir()

    verdict = suite_run.judge(tmp_path, place.legacy(specimen), tmp_path / "scratch")

    assert verdict.go, verdict.said


@pytest.mark.slow
def test_what_sqlglot_writes_of_an_unchanged_mapping_makes_the_same_set(tmp_path, place):
    for file, text in mapping_mutants.texts().items():
        same = mapping_mutants.Mistaken(
            kind="none", where=file, specimen=fixtures.FOUND[0], file=file, text=operators_selects.rewritten(text)
        )
        with pytest.raises(mutant.NoDifference):
            same.plant(place, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["declarations", "amendments", "rows", "files", "mappings"])
def test_a_drawn_part_of_the_mutants_is_caught(place, family):
    drawn = matrix.drawn(every(place)[family], DRAWN, seed=SEED)

    found = [matrix.tried(one, place) for one in drawn]

    assert any(one.fate in (Fate.CAUGHT, Fate.STOPPED) for one in found)
    assert [] == [one.mutant.id for one in found if one.fate is Fate.SURVIVED and not record.reason(one)]
    assert [] == [(one.mutant.id, sorted(one.crashed)) for one in found if one.crashed]


@pytest.mark.slow
def test_a_row_that_the_build_adds_takes_the_place_of_no_legacy_row(place):
    """With this condition dropped, unknown wallets are made of known ones too, which then end in quarantine."""
    (planted,) = [
        one
        for one in mapping_mutants.mutants(fixtures.FOUND[0])
        if (one.kind, one.file) == ("condition dropped", "analytics/whale_wallets_unknown.sql")
        and "FROM temp.forward" not in one.text
    ]

    assert {"verify/constraint_refuses_what_it_is_named_for"} == set(matrix.tried(planted, place).caught_by)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_nothing_is_caught_where_nothing_is_wrong(number):
    made = [one for one, _ in zip(clean.kinds(), range(16), strict=False)][number * 5 % 16]

    found = clean.judged(made)

    assert found.verdict.go, (made, found.verdict.said)


def test_the_page_is_what_was_recorded():
    found = mutants_recorded.recorded()

    assert page.markdown(found) == (HERE / "docs" / "reference" / "sabotage.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_recorded_kinds_are_those_that_there_are():
    """A kind that was added since, or taken away, asks for a new run: python -m contracts.mutants --record."""
    there = {("declarations", one.kind) for one in schema_mutants.mutants()}
    there |= {("files", one.kind) for one in file_mutants.mutants(fixtures.FOUND[0])}
    there |= {("mappings", one.kind) for one in mapping_mutants.mutants(fixtures.FOUND[0])}

    recorded = {(one.family, one.kind) for one in mutants_recorded.recorded().kinds}

    derived = {one for one in recorded if one[0] not in {"by hand", "rows"} and not one[1].startswith("carried ")}
    assert there == derived
    # A fault by hand that was added since has a test of its own.
    assert {kind for family, kind in recorded if family == "by hand"} <= {one.kind for one in mutant.by_hand()}


@pytest.mark.slow
def test_the_recorded_kinds_of_rows_are_those_that_there_are(place):
    found = every(place)
    there = {(one.family, one.kind) for one in (*found["rows"], *found["declarations"])}

    recorded = {(one.family, one.kind) for one in mutants_recorded.recorded().kinds}

    assert set() == {one for one in recorded if one[0] in {"rows", "declarations"}} - there
    # Missed by the draw of the record: it chose a table with one parent row, where there is no elsewhere.
    assert {kind for _, kind in there} - {kind for _, kind in recorded} <= {"link leads elsewhere"}


def test_every_contract_is_needed_or_has_a_reason_to_stay(pytester):
    """One that was added since the record has to stand in stays.toml, until the next."""
    recorded = {one.contract for one in mutants_recorded.recorded().needs}
    items, _ = pytester.inline_genitems(str(results.HERE), "--import-mode=importlib", "-p", "no:cacheprovider")
    there = {results.named(item).id.partition("[")[0] for item in items if suite_run.asks(item)}

    assert set() == there - recorded - set(record.staying())
    assert set() == recorded - there
    assert [] == [one.contract for one in mutants_recorded.recorded().needs if page.unneeded(one)]
    assert set() == set(record.staying()) - there


def test_every_reason_is_a_sentence_and_about_something():
    recorded = mutants_recorded.recorded()

    for one in record.equivalents():
        re.compile(one.where)
        assert one.reason.endswith("."), one
        assert one.kind in {kind.kind for kind in recorded.kinds}, one
    assert all(why.endswith(".") for why in record.staying().values())
    assert json.loads(Path(mutants_recorded.RECORDED).read_text(encoding="utf-8"))["survivors"] == []
