"""Mutants of the mappings: changed SELECTs, run through the whole pipeline.

A changed file must pass the checks of the mappings, the plan and the build like any mapping; the stage that refuses it is
the door that caught it.  Only here is SQL executed that sqlglot wrote; a test checks that sqlglot's text of an unchanged
SELECT makes the same three databases (tests/contracts/test_mutants.py).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from unittest import mock

from contracts.mutants.fixtures import FOUND, MANY, Stand
from contracts.mutants.mutant import Mutant, NoDifference, Planted, Stopped
from contracts.mutants.operators import selects as operators_selects
from migrator.config import config_file
from migrator.errors import MigratorError
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.mapping.lookups import Lookup
from migrator.mapping.model import TableMapping
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.schema import catalogue
from migrator.switch.workspace import Workspace
from migrator.system import connections, private_copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistaken(Mutant):
    """A changed mapping file or lookup.

    Attributes:
        file: Its place below the folder of the mappings, such as ``core/trades.sql``.
        text: Its changed text.
    """

    file: str
    text: str

    family = "mappings"

    @property
    def group(self) -> tuple[str, ...]:
        """The kind, and one half of the files of one database."""
        return self.kind, self.file.partition("/")[0], str(zlib.crc32(self.file.encode()) % 2)

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Build with the changed file from the first specimen whose result differs."""
        for specimen in dict.fromkeys((self.specimen, *FOUND, *MANY)):
            legacy = stand.folder / specimen / "legacy"
            with self._in_place():
                built = built_again(legacy, folder)
            if built.digests != sound(legacy):
                return Planted(consolidated=folder, legacy=legacy, door="" if built.holds else "proof")
        raise NoDifference

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Replace the file by the changed file.

        Raises:
            Stopped: The checks of the mappings refuse the changed file.
        """
        name, module, all_of = f"mapping/sql/{self.file}", mapping_reader.__name__, "mappings"
        try:
            every: tuple[Lookup | TableMapping, ...]
            if self.file.startswith("lookups/"):
                lookup, module, all_of = lookups.read(self.text, name), lookups.__name__, "lookups"
                every = tuple(lookup if other.name == lookup.name else other for other in lookups.lookups())
            else:
                changed = mapping_reader.read(self.text, name)
                every = tuple(changed if other.file == name else other for other in mapping_reader.mappings())
        except MigratorError as error:
            raise Stopped("mapping checks", str(error)) from error
        with mock.patch(f"{module}.{all_of}", return_value=every):
            yield


def texts() -> Mapping[str, str]:
    """Return the text of every mapping and lookup, by its place below the folder of the mappings."""
    root = files("migrator.mapping") / "sql"
    # Beside them lie the bot's queries, which map nothing.
    return {
        f"{folder}/{file.name}": file.read_text(encoding="utf-8")
        for folder in sorted((*catalogue.TARGETS, "lookups"))
        for file in sorted((root / folder).iterdir(), key=lambda path: path.name)
        if file.name.endswith(".sql")
    }


def mutants(specimen: str) -> Iterator[Mistaken]:
    """Yield every mutant of the mappings, to be tried on *specimen*."""
    for file, text in texts().items():
        for kind, what, changed in operators_selects.mutations(text):
            yield Mistaken(kind=kind, where=f"{file}: {what}", specimen=specimen, file=file, text=changed)


def built_again(legacy: Path, folder: Path) -> Built:
    """Build the three databases in *folder* from the snapshot of *legacy*, as the pipeline does.

    Raises:
        Stopped: The plan or the build refuses the set.
    """
    home, snapshot = _snapshot(legacy)
    workspace = Workspace(home)
    shutil.rmtree(workspace.stage, ignore_errors=True)
    try:
        built = pipeline_migrate.build(workspace, config_file.load(config_file.beside(legacy)), snapshot)
    except MigratorError as error:
        raise Stopped("plan" if not workspace.stage.exists() else "build", str(error)) from error
    except sqlite3.Error as error:
        raise Stopped("build", str(error)) from error
    for file in catalogue.TARGETS.values():
        shutil.move(workspace.stage / file, folder / file)
    return replace(built, stage=folder)


@cache
def _snapshot(legacy: Path) -> tuple[Path, Snapshot]:
    """Return a copy of *legacy* and its snapshot, made once in each process."""
    home = legacy.parent / f"built-{os.getpid()}"
    if home.exists():
        shutil.rmtree(home)
    home.mkdir()
    for path in legacy.rglob("*"):
        if path.is_file() and not path.name.endswith((*connections.COMPANIONS, "-shm")):
            copied = home / path.relative_to(legacy)
            copied.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as file:
                database = file.read(len(connections.MAGIC)) == connections.MAGIC
            if database:
                private_copy.private_copy(path, copied)
            else:
                shutil.copyfile(path, copied)
    workspace, config = Workspace(home), config_file.load(config_file.beside(legacy))
    return home, pipeline_migrate.backup(pipeline_migrate.plan(workspace, config), workspace)


@cache
def sound(legacy: Path) -> Mapping[str, str]:
    """Return the digests of the three databases that the unchanged mappings make of *legacy*."""
    folder = legacy.parent / "sound"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return built_again(legacy, folder).digests
