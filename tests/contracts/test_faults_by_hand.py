"""Every planted fault turns the contract red that has to catch it, with a message that names the place."""

import json
from pathlib import Path

import pytest

import contracts
from contracts.mutants.by_hand import amended as by_hand_amended
from contracts.mutants.by_hand import declared as by_hand_declared
from contracts.sets import consolidated as consolidated_set
from migrator.schema import specified
from migrator.system import connections

pytestmark = pytest.mark.slow

CONTRACTS = Path(contracts.__file__).parent


def judge(pytester, folder, *names, amendments=()):
    """Run the contracts on *folder*; return the message of each that failed, by its name."""
    chosen = ["-k", " or ".join(names)] if names else []
    # Not in the folder: judging leaves it as it was.
    decided = folder.with_name(f"{folder.name}.toml")
    decided.write_text(f"[decisions]\namendments = {json.dumps(amendments)}\n", encoding="utf-8")
    chosen += ["--contracts-config", str(decided)]
    run = pytester.inline_run(
        str(CONTRACTS), "--consolidated-dir", str(folder), "--import-mode=importlib", "-p", "no:cacheprovider", *chosen
    )
    passed, _, failed = run.listoutcomes()
    assert passed or failed, "no contract ran"
    return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}


@pytest.mark.parametrize("fault", [*by_hand_declared.FAULTS, *by_hand_amended.FAULTS], ids=lambda fault: fault.name)
def test_fault_is_caught(pytester, tmp_path, fault):
    by_hand_declared.plant(fault, tmp_path)

    failed = judge(pytester, tmp_path, *fault.caught_by, amendments=fault.told)

    red = {name.partition("[")[0] for name in failed}
    assert set(fault.caught_by) <= red
    messages = [text for name, text in failed.items() if name.startswith(fault.caught_by[0])]
    assert any(all(word in message for word in fault.mentions) for message in messages), messages


def test_a_set_as_specified_holds(pytester, tmp_path):
    consolidated_set.make_empty_set(tmp_path)

    assert {} == judge(pytester, tmp_path)


@pytest.mark.parametrize("names", [*([name] for name in specified.amendments()), list(specified.amendments())], ids=str)
def test_a_set_with_amendments_holds(pytester, tmp_path, names):
    consolidated_set.make_empty_set(tmp_path, specification=specified.chosen(names))

    assert {} == judge(pytester, tmp_path, amendments=names)


def test_a_connection_without_foreign_keys_is_caught(pytester, tmp_path, monkeypatch):
    """The one fault that is not in a database but in how ours are opened."""
    consolidated_set.make_empty_set(tmp_path)
    monkeypatch.setattr(connections, "application", connections.scratch)

    failed = judge(pytester, tmp_path, "test_our_connection_enforces_what_the_specification_asks")

    assert 3 == len(failed)
    assert all("PRAGMA foreign_keys" in message for message in failed.values())


def test_a_single_database_is_judged_under_any_name(pytester, tmp_path):
    consolidated_set.make_empty_set(tmp_path)
    renamed = (tmp_path / "jarvis_core.db").rename(tmp_path / "copy.sqlite")

    run = pytester.inline_run(
        str(CONTRACTS), "--consolidated-dir", str(renamed), "--import-mode=importlib", "-p", "no:cacheprovider"
    )

    passed, skipped, failed = run.listoutcomes()
    assert [] == failed
    assert passed
    assert {
        "the legacy folder has no finished backup",
        "no cutover was made in a named folder",
        "no rollback was made in a named folder",
        "not judged: jarvis_core.db has no decisions, lineage, quarantine",
    } == {report.longrepr[2].removeprefix("Skipped: ") for report in skipped}
    assert not [report.nodeid for report in passed if "analytics" in report.nodeid]


def test_judging_leaves_the_judged_folder_as_it_was(pytester, tmp_path):
    consolidated_set.make_empty_set(tmp_path)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}

    judge(pytester, tmp_path)

    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--consolidated-dir", "nowhere"], "nowhere: no such file or folder"),
        (["--consolidated-dir", "."], ": holds none of jarvis_core.db"),
        (["--legacy-dir", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_a_folder_that_cannot_be_judged_is_a_usage_error(pytester, arguments, message):
    result = pytester.runpytest_inprocess(str(CONTRACTS), *arguments)

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"*{message}*"])
