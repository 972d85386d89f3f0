"""The inventory of the legacy set: it lists every file once, and changes nothing."""

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
    """Return every regular file below *folder*, by os.walk; does not follow links."""
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
    """The inventory of the legacy set, and the digest of every file before and after."""

    inventory: Inventory
    before: Mapping[Path, str]
    after: Mapping[Path, str]


@pytest.fixture(scope="module")
def look(legacy_dir: Path, pytestconfig: pytest.Config) -> Look:
    """One inventory of the legacy set, for both contracts and for the plan."""
    before = _digests(legacy_dir)
    inventory = pytestconfig.stash[SESSION].look()
    return Look(inventory, before, _digests(legacy_dir))


def _digests(folder: Path) -> dict[Path, str]:
    digests = {}
    for path in _files(folder):
        with path.open("rb") as file:
            digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


@pytest.mark.clause("I1")
def test_every_file_has_one_verdict(legacy_dir: Path, look: Look, pytestconfig: pytest.Config) -> None:
    """Each SQLite file is listed once; each that is not a source has its fate."""
    listed = [database.path for database in look.inventory.databases]
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
        for database in look.inventory.databases
        if database.verdict not in (Verdict.SOURCE, Verdict.STANDALONE, Verdict.OURS) and not config.fate(database)
    ]
    judgement.none(
        str(legacy_dir), "unknown file without a fate in migrator.toml: remove it, or add it to [files]", nameless
    )


@pytest.mark.clause("I2")
def test_looking_changes_nothing(legacy_dir: Path, look: Look) -> None:
    """No byte changes, and no file appears or disappears, such as a -shm."""
    every = dict.fromkeys((*look.before, *look.after))
    changed = [path.relative_to(legacy_dir) for path in every if look.before.get(path) != look.after.get(path)]
    judgement.none(str(legacy_dir), "file that inventory changed, made or removed", changed)
