"""The sets that one run of the contracts judges, each made on first use: the pair, or the consolidated set alone."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import pytest

from contracts.sets import consolidated as consolidated_set
from contracts.sets import made as made_sets
from contracts.sets.case import Case, Lineage, case_of
from contracts.sets.consolidated import Subject
from contracts.suite.options import Options
from migrator.config import config_file as config_config_file
from migrator.config.config_file import Config
from migrator.config.extra_indexes import ExtraIndex
from migrator.errors import MigratorError
from migrator.records.inventory import Inventory
from migrator.schema.specified import Specification
from migrator.stages.inventory import stage as inventory_stage
from migrator.system import paths

#: Errors of reading a set that is damaged, incomplete or cannot be migrated.
_UNREADABLE = (MigratorError, sqlite3.Error, OSError, UnicodeError, pytest.fail.Exception)


class Session:
    """The sets that this run judges.

    Both folders named: that pair.  The legacy folder alone: it and its migration.  None: a dirty specimen and its
    migration.  The consolidated folder alone: that set, without a pair.
    """

    def __init__(self, options: Options, choose: Callable[[Case], Lineage], shared: Path | None = None) -> None:
        self.options = options
        self._choose = choose
        self.legacy = options.legacy
        self.consolidated = options.consolidated
        self._folder = tempfile.TemporaryDirectory(prefix="contracts-")
        self.scratch = paths.resolved(Path(self._folder.name))
        self._shared = shared or self.scratch
        self._looked: Inventory | None = None

    @property
    def has_pair(self) -> bool:
        """Whether there is a legacy set to judge the consolidated set by."""
        return self.legacy is not None or self.consolidated is None

    @cached_property
    def legacy_dir(self) -> Path:
        """The named legacy set, else a dirty specimen at real size."""
        return self.legacy or self._once("specimen", lambda folder: made_sets.specimen(folder / "data"))

    def look(self) -> Inventory:
        """Take inventory of the legacy set and keep the result."""
        self._looked = inventory_stage.inventory(self.legacy_dir)
        return self._looked

    @property
    def looked(self) -> Inventory:
        """The newest inventory of the legacy set."""
        return self._looked or self.look()

    @cached_property
    def judged(self) -> Subject:
        """The named consolidated set, else the migration of the legacy set."""
        where = self.consolidated or self._once(
            "migrated", lambda folder: made_sets.migrated(self.legacy_dir, folder, self.options.config_path)
        )
        return consolidated_set.subject(where, self.scratch, self.specification)

    @cached_property
    def case(self) -> Case:
        """The case: both sets and what is needed to compare them."""
        return case_of(
            self.legacy_dir,
            self.judged,
            self.scratch,
            self.config_file,
            self._choose,
            show_values=self.options.show_values,
        )

    @property
    def config(self) -> Config:
        """The owners' configuration of this legacy set."""
        return config_config_file.load(self.config_file) if self.has_pair else Config()

    @property
    def config_file(self) -> Path | None:
        """Path of the owners' configuration; None without one."""
        return self.options.config_path or config_config_file.beside(self.legacy_dir)

    @property
    def specification(self) -> Specification:
        """The specification with the owners' amendments; a specimen that this run makes has none."""
        return self.options.config.specification

    @property
    def ordered(self) -> tuple[ExtraIndex, ...]:
        """The owners' indexes beyond the specification."""
        return (self.config if self.has_pair else self.options.config).extra_indexes

    def _once(self, name: str, make: Callable[[Path], Path]) -> Path:
        """Return the path that *make* makes in a folder, once for all parallel workers.

        Measured on two cores: to make specimen and migration in each of two workers costs 3.6 s more of processor time.
        """
        done = self._shared / f"{name}.done"
        with (self._shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder = self._shared / name
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(mode=0o700)
                done.write_bytes(os.fsencode(make(folder)))
        return Path(os.fsdecode(done.read_bytes()))

    def prepare(self) -> None:
        """Copy and read what several processes will need, so that none of them has to.

        What cannot be read is left to the contracts: each that needs it reads it again, and reports the error.
        """
        with suppress(*_UNREADABLE):
            for target in self.judged.originals:
                with suppress(*_UNREADABLE):
                    self.judged.schema(target)
            if self.has_pair:
                for name in self.case.legacy.originals:
                    with suppress(*_UNREADABLE):
                        self.case.decided_pair.legacy.copy(name)

    def describe(self) -> str:
        """Return the judged sets in words."""
        if self.consolidated is None:
            return f"the migration of {self.legacy or 'a dirty specimen'}"
        beside = (
            f" beside {self.legacy}" if self.legacy else "; no legacy set was named: contracts on the pair are skipped"
        )
        return f"{self.consolidated}{beside}"

    def close(self) -> None:
        """Remove the private copies."""
        self._folder.cleanup()


#: Key of the session in pytest's stash, for items without fixtures.
SESSION = pytest.StashKey[Session]()
#: Reason for which a contract on the pair is skipped.
NO_PAIR = "no legacy set was named"
