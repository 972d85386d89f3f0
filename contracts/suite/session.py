"""What one run of the contracts judges, made when it is first asked for: the pair, or one side of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
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
from migrator.records.inventory import Inventory
from migrator.stages.inventory import stage as inventory_stage
from migrator.system import paths


class Session:
    """The sets under judgement.

    With both folders named, that pair.  With the legacy folder alone, what a migration makes of it.  With neither, a
    dirty specimen and what a migration makes of that.  With the consolidated folder alone there is no pair.
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
        """Whether there is a legacy set to judge the consolidated one by."""
        return self.legacy is not None or self.consolidated is None

    @cached_property
    def legacy_dir(self) -> Path:
        """The legacy set that was named, else a dirty specimen at real size."""
        return self.legacy or self._once("specimen", lambda folder: made_sets.specimen(folder / "data"))

    def look(self) -> Inventory:
        """Have inventory look at the legacy set, and remember what it says."""
        self._looked = inventory_stage.inventory(self.legacy_dir)
        return self._looked

    @property
    def looked(self) -> Inventory:
        """What inventory said of the legacy set when it looked last."""
        return self._looked or self.look()

    @cached_property
    def judged(self) -> Subject:
        """The consolidated set that was named, else what a migration makes of the legacy set."""
        where = self.consolidated or self._once(
            "migrated", lambda folder: made_sets.migrated(self.legacy_dir, folder, self.options.config_path)
        )
        return consolidated_set.subject(where, self.scratch)

    @cached_property
    def case(self) -> Case:
        """Both, side by side."""
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
        """What the owners decided about this legacy set."""
        return config_config_file.load(self.config_file) if self.has_pair else Config()

    @property
    def config_file(self) -> Path | None:
        """Where the owners wrote it; None where they did not."""
        return self.options.config_path or config_config_file.beside(self.legacy_dir)

    @property
    def ordered(self) -> tuple[ExtraIndex, ...]:
        """The indexes that the owners order beyond the specification."""
        return (self.config if self.has_pair else self.options.config).extra_indexes

    def _once(self, name: str, make: Callable[[Path], Path]) -> Path:
        """Return what *make* makes in a folder; of the workers that share one, the first makes it for all.

        Measured on two cores: making specimen and migration for each of two workers costs 3.6 s more of processor time.
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

    def describe(self) -> str:
        """Say what is judged."""
        if self.consolidated is None:
            return f"what a migration makes of {self.legacy or 'a dirty specimen'}"
        beside = (
            f" beside {self.legacy}" if self.legacy else "; no legacy set was named: contracts on the pair are skipped"
        )
        return f"{self.consolidated}{beside}"

    def close(self) -> None:
        """Remove the private copies."""
        self._folder.cleanup()


#: Where the plugin keeps the session, for items that have no fixtures.
SESSION = pytest.StashKey[Session]()
#: Why a contract on the pair is skipped.
NO_PAIR = "no legacy set was named"
