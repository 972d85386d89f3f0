"""The legacy set as it lies there: every file is named, and looking changes nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from contracts import judgement
from contracts.session import SESSION
from migrator import inventory, sqlite
from migrator.records import Verdict


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
        return file.read(len(sqlite.MAGIC)) == sqlite.MAGIC


@pytest.mark.clause("I1")
def test_every_file_has_one_verdict(legacy_dir: Path, pytestconfig: pytest.Config) -> None:
    """Each file that begins as SQLite does is listed once, and what is no source has its fate from the owners."""
    listed = [database.path for database in inventory.inventory(legacy_dir).databases]
    ours = [legacy_dir.absolute() / name for name in ("backup", ".migrator")]
    missed = [
        path.relative_to(legacy_dir)
        for path in _files(legacy_dir)
        if _begins_as_sqlite(path)
        and listed.count(path.absolute()) != 1
        and not any(path.absolute().is_relative_to(folder) for folder in ours)
    ]
    judgement.none(str(legacy_dir), "SQLite file without exactly one verdict", missed)
    config = pytestconfig.stash[SESSION].config
    nameless = [
        f"{database.place}: {database.verdict}, {database.reason}"
        for database in inventory.inventory(legacy_dir).databases
        if database.verdict not in (Verdict.SOURCE, Verdict.STANDALONE, Verdict.OURS)
        and not config.fate(database.place)
    ]
    judgement.none(str(legacy_dir), "file that is no source: remove it, or say in the config what it is", nameless)


@pytest.mark.clause("I2")
def test_looking_changes_nothing(legacy_dir: Path) -> None:
    """Not a byte of any file, and no file more or less: neither a checkpoint nor a -shm."""
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(legacy_dir)}
    inventory.inventory(legacy_dir)
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(legacy_dir)}
    changed = [path.relative_to(legacy_dir) for path in before | after if before.get(path) != after.get(path)]
    judgement.none(str(legacy_dir), "file that inventory changed, made or removed", changed)
