"""The contracts on the legacy set catch what is planted: in the folder, and in the tool."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

import contracts
from contracts.specimens import generator
from migrator.stages.inventory import stage as inventory_stage

pytestmark = pytest.mark.slow

FOLDER = Path(contracts.__file__).parent / "1_inventory"


@pytest.fixture(name="legacy")
def _legacy(tmp_path):
    folder = tmp_path / "data"
    generator.make(folder, rows=300, seed=1)
    return folder


def judge(pytester, folder):
    run = pytester.inline_run(
        str(FOLDER), "--legacy-dir", str(folder), "--import-mode=importlib", "-p", "no:cacheprovider"
    )
    passed, _, failed = run.listoutcomes()
    assert 2 == len(passed) + len(failed)
    return {report.nodeid.rpartition("::")[2]: report.longreprtext for report in failed}


def test_a_specimen_holds(pytester, legacy):
    assert {} == judge(pytester, legacy)


@pytest.mark.parametrize(
    ("name", "content", "verdict"),
    [("stranger.db", b"SQLite format 3\x00", "unreadable"), ("nothing.db", b"", "empty")],
)
def test_a_file_that_is_no_source_is_caught(pytester, legacy, name, content, verdict):
    (legacy / name).write_bytes(content)

    failed = judge(pytester, legacy)

    assert {"test_every_file_has_one_verdict"} == failed.keys()
    assert f"{name}: {verdict}" in failed["test_every_file_has_one_verdict"]


def test_a_stranger_whose_fate_the_owners_decided_holds(pytester, legacy):
    shutil.copy(legacy / "custom.db", legacy / "my.notes.db")
    with (legacy / "migrator.toml").open("a", encoding="utf-8") as file:
        file.write('\n[files]\n"my.notes.db" = "carry:core"\n')

    assert {} == judge(pytester, legacy)


def test_an_inventory_that_overlooks_a_file_is_caught(pytester, legacy, monkeypatch):
    honest = inventory_stage.inventory
    monkeypatch.setattr(
        inventory_stage,
        "inventory",
        lambda folder: dataclasses.replace(found := honest(folder), databases=found.databases[1:]),
    )

    failed = judge(pytester, legacy)

    assert "SQLite file without exactly one verdict" in failed["test_every_file_has_one_verdict"]


@pytest.mark.parametrize("deed", ["a -shm is left behind", "a byte is changed"])
def test_an_inventory_that_changes_something_is_caught(pytester, legacy, monkeypatch, deed):
    honest = inventory_stage.inventory

    def meddling(folder):
        if deed == "a -shm is left behind":
            (folder / "jarvis.db-shm").write_bytes(os.urandom(8))
        else:
            path = folder / "custom.db"
            path.write_bytes(path.read_bytes()[:-8] + os.urandom(8))
        return honest(folder)

    monkeypatch.setattr(inventory_stage, "inventory", meddling)

    assert "file that inventory changed" in judge(pytester, legacy)["test_looking_changes_nothing"]
