"""The legacy set as it lies there: every file is named, and looking changes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts import judgement
from contracts.suite.session import SESSION
from migrator.records.inventory import Inventory, Verdict
from migrator.system import connections, own_files


def _files(folder: Path) -> list[Path]:
    """Return every regular file below *folder*, links not followed; found by os.walk, not by the tool."""
    return sorted(
        Path(where) / name
        for where, _, names in os.walk(folder)
        for name in names
        if not (Path(where) / name).is_symlink() and (Path(where) / name).is_file()
    )


def _begins_as_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(connections.MAGIC)) == connections.MAGIC


@dataclass(frozen=True, slots=True)
class Look:
    """What inventory says of the legacy set, and the digest of every file before and after it looked."""

    said: Inventory
    before: Mapping[Path, str]
    after: Mapping[Path, str]


@pytest.fixture(scope="module")
def look(legacy_dir: Path, pytestconfig: pytest.Config) -> Look:
    """One look at the legacy set; both contracts are about it, and so is the plan."""
    before = _digests(legacy_dir)
    said = pytestconfig.stash[SESSION].look()
    return Look(said, before, _digests(legacy_dir))


def _digests(folder: Path) -> dict[Path, str]:
    found = {}
    for path in _files(folder):
        with path.open("rb") as file:
            found[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


@pytest.mark.clause("I1")
def test_every_file_has_one_verdict(legacy_dir: Path, look: Look, pytestconfig: pytest.Config) -> None:
    """Each file that begins as SQLite does is listed once, and what is no source has its fate from the owners."""
    listed = [database.path for database in look.said.databases]
    ours = own_files.paths(legacy_dir)
    missed = [
        path.relative_to(legacy_dir)
        for path in _files(legacy_dir)
        if _begins_as_sqlite(path)
        and listed.count(path) != 1
        and not any(path.is_relative_to(folder) for folder in ours)
    ]
    judgement.none(str(legacy_dir), "SQLite file without exactly one verdict", missed)
    config = pytestconfig.stash[SESSION].config
    nameless = [
        f"{database.place}: {database.verdict}, {database.reason}"
        for database in look.said.databases
        if database.verdict not in (Verdict.SOURCE, Verdict.STANDALONE, Verdict.OURS) and not config.fate(database)
    ]
    judgement.none(str(legacy_dir), "file that is no source: remove it, or say in the config what it is", nameless)


@pytest.mark.clause("I2")
def test_looking_changes_nothing(legacy_dir: Path, look: Look) -> None:
    """Not a byte of any file, and no file more or less: neither a checkpoint nor a -shm."""
    every = dict.fromkeys((*look.before, *look.after))
    changed = [path.relative_to(legacy_dir) for path in every if look.before.get(path) != look.after.get(path)]
    judgement.none(str(legacy_dir), "file that inventory changed, made or removed", changed)
