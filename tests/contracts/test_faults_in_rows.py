"""Every fault planted in the rows of a migrated set turns the contract red that has to catch it."""

from pathlib import Path

import pytest

import contracts
from contracts.mutants.by_hand import amended as by_hand_amended
from contracts.mutants.by_hand import decided as by_hand_decided
from contracts.mutants.by_hand import rows as by_hand_rows
from contracts.oracle import table_judge
from contracts.sets import made as made_sets

pytestmark = pytest.mark.slow

VERIFY = Path(contracts.__file__).parent / "5_verify"
#: Rows asked for beside the hazards: few, because every fault has its own run.
ROWS = 300


@pytest.fixture(scope="session", name="sets")
def _sets(tmp_path_factory):
    """A dirty legacy set and what the migration makes of it."""
    scratch = tmp_path_factory.mktemp("sets")
    legacy = made_sets.specimen(scratch / "legacy", rows=ROWS)
    return legacy, made_sets.migrated(legacy, scratch)


def judge(pytester, legacy, consolidated, *names, config=None):
    """Run the contracts on the pair; return the message of each that failed, by its name."""
    chosen = ["-k", " or ".join(names)] if names else []
    sets = ["--legacy-dir", str(legacy), "--consolidated-dir", str(consolidated)]
    sets += ["--contracts-config", str(config)] if config else []
    run = pytester.inline_run(str(VERIFY), *sets, "--import-mode=importlib", "-p", "no:cacheprovider", *chosen)
    passed, _, failed = run.listoutcomes()
    assert passed or failed, "no contract ran"
    return {report.nodeid.removeprefix(f"{VERIFY}/"): report.longreprtext for report in failed}


@pytest.mark.parametrize("fault", by_hand_rows.FAULTS, ids=lambda fault: fault.name)
def test_fault_is_caught(pytester, tmp_path, sets, fault):
    legacy, migrated = sets
    by_hand_rows.plant(fault, migrated, tmp_path)

    failed = judge(pytester, legacy, tmp_path, *fault.caught_by)

    red = {name: next(contract for contract in fault.caught_by if contract in name) for name in failed}
    assert set(fault.caught_by) == set(red.values())
    messages = [text for name, text in failed.items() if red[name] == fault.caught_by[0]]
    assert any(all(word in message for word in fault.mentions) for message in messages), messages


@pytest.fixture(scope="session", name="amended")
def _amended(tmp_path_factory, sets):
    """The same legacy set, migrated with every amendment of the specification; and the configuration with them."""
    legacy, _ = sets
    scratch = tmp_path_factory.mktemp("amended")
    path = scratch / "migrator.toml"
    written = (legacy / "migrator.toml").read_text(encoding="utf-8")
    path.write_text(by_hand_amended.configuration(written), encoding="utf-8")
    return made_sets.migrated(legacy, scratch, path), path


@pytest.mark.parametrize("fault", by_hand_amended.ROW_FAULTS, ids=lambda fault: fault.name)
def test_fault_in_an_amended_set_is_caught(pytester, tmp_path, sets, amended, fault):
    migrated, decided = amended
    by_hand_rows.plant(fault, migrated, tmp_path)

    failed = judge(pytester, sets[0], tmp_path, *fault.caught_by, config=decided)

    red = {name for contract in fault.caught_by for name in failed if contract in name}
    assert red == failed.keys()
    assert red
    assert any(all(word in message for word in fault.mentions) for message in failed.values()), failed


@pytest.fixture(scope="session", name="decided")
def _decided(tmp_path_factory, sets):
    """The same legacy set, migrated with decisions about rows; and the configuration with them."""
    legacy, _ = sets
    scratch = tmp_path_factory.mktemp("decided")
    path = scratch / "migrator.toml"
    written = (legacy / "migrator.toml").read_text(encoding="utf-8")
    path.write_text(by_hand_decided.configuration(written), encoding="utf-8")
    return made_sets.migrated(legacy, scratch, path), path


@pytest.mark.parametrize("fault", by_hand_decided.FAULTS, ids=lambda fault: fault.name)
def test_fault_in_a_decided_set_is_caught(pytester, tmp_path, sets, decided, fault):
    migrated, configuration = decided
    by_hand_rows.plant(fault, migrated, tmp_path)

    failed = judge(pytester, sets[0], tmp_path, *fault.caught_by, config=configuration)

    red = {name: next(contract for contract in fault.caught_by if contract in name) for name in failed}
    assert set(fault.caught_by) == set(red.values())
    messages = [text for name, text in failed.items() if red[name] == fault.caught_by[0]]
    assert any(all(word in message for word in fault.mentions) for message in messages), messages


def test_a_decided_set_holds(pytester, sets, decided):
    migrated, configuration = decided

    assert {} == judge(pytester, sets[0], migrated, config=configuration)


def test_decisions_of_which_the_contracts_were_not_told_are_caught(pytester, sets, decided, tmp_path):
    migrated, _ = decided
    amendments = tmp_path / "migrator.toml"
    amendments.write_text(decided[1].read_text(encoding="utf-8").partition("[[decisions.rows]]")[0], encoding="utf-8")

    failed = judge(pytester, sets[0], migrated, config=amendments)

    recorded = [text for name, text in failed.items() if "test_decisions_about_rows_are_those_of_the_owners" in name]
    assert any("is recorded, and the owners did not decide it" in text for text in recorded)
    assert any("test_row_says_what_was_decided" in name for name in failed)


def test_decisions_that_were_not_applied_are_caught(pytester, sets, decided):
    failed = judge(pytester, *sets, config=decided[1])

    recorded = [text for name, text in failed.items() if "test_decisions_about_rows_are_those_of_the_owners" in name]
    assert any("jarvis.positions '0bb3beef': set: is not recorded" in text for text in recorded)
    assert any("test_constraint_refuses_what_it_is_named_for" in name for name in failed)


def test_an_amended_set_holds(pytester, sets, amended):
    migrated, decided = amended

    assert {} == judge(pytester, sets[0], migrated, config=decided)


def test_a_migrated_set_holds(pytester, sets):
    assert {} == judge(pytester, *sets)


def test_a_migrated_set_of_the_specified_variant_holds(pytester, tmp_path):
    legacy = made_sets.specimen(tmp_path / "legacy", rows=ROWS, variant="specified")

    assert {} == judge(pytester, legacy, made_sets.migrated(legacy, tmp_path))


def test_without_a_legacy_set_the_pair_is_skipped_and_said_so(pytester, sets):
    _, migrated = sets

    result = pytester.runpytest_inprocess(str(VERIFY), "--consolidated-dir", str(migrated), "-rs")

    result.stdout.fnmatch_lines(
        ["*no legacy set was named: contracts on the pair are skipped*", "SKIPPED*no legacy set was named"]
    )
    assert "failed" not in result.parseoutcomes()


def test_private_values_are_shown_only_when_asked_for(pytester, tmp_path, sets):
    legacy, migrated = sets
    fault = next(fault for fault in by_hand_rows.FAULTS if fault.name == "'' instead of NULL")
    by_hand_rows.plant(fault, migrated, tmp_path)
    asked = [str(VERIFY), "--legacy-dir", str(legacy), "--consolidated-dir", str(tmp_path), "-k", fault.caught_by[0]]

    quiet = pytester.runpytest_inprocess(*asked)
    open_ = pytester.runpytest_inprocess(*asked, "--show-values")

    quiet.stdout.fnmatch_lines(["*signature: expected NULL, found TEXT #*"])
    open_.stdout.fnmatch_lines(["*signature: expected NULL, found TEXT ''*"])


IN_EVERY_ROW = "test_json_and_rest_keep_what_they_have_to"


@pytest.mark.parametrize(
    "fault", [fault for fault in by_hand_rows.FAULTS if IN_EVERY_ROW in fault.caught_by], ids=lambda fault: fault.name
)
def test_fault_in_json_or_rest_is_caught_in_a_set_of_any_size(pytester, tmp_path, sets, monkeypatch, fault):
    """Of a large set the oracle judges a sample; here the sample is empty."""
    legacy, migrated = sets
    monkeypatch.setattr(table_judge, "_hash", lambda _: 1)
    monkeypatch.setattr(table_judge, "EVERY_ROW_UP_TO", 1)
    by_hand_rows.plant(fault, migrated, tmp_path)

    failed = judge(pytester, legacy, tmp_path, *fault.caught_by)

    assert [IN_EVERY_ROW] == [name.rpartition("::")[2].partition("[")[0] for name in failed]
    assert all(word in next(iter(failed.values())) for word in fault.mentions)
