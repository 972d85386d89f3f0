"""The specimens in which faults are planted, and their migrations, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from contracts.mutants.by_hand import amended as by_hand_amended
from contracts.mutants.by_hand import decided as by_hand_decided
from contracts.sets import made as made_sets
from contracts.sets.consolidated import make_empty_set
from contracts.specimens import generator
from migrator.schema import catalogue

#: The three databases as the DDL makes them, without a legacy set.
EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The options of a specimen; small, because the whole suite runs for every mutant.

    Attributes:
        decided: Makes the configuration with the owners' decisions of the one that the generator writes; None for that one.
    """

    variant: str
    rows: int
    seed: int
    dirty: bool
    decided: Callable[[str], str] | None = None


#: Name -> options.
SPECIMENS: Mapping[str, Made] = MappingProxyType(
    {
        "found dirty": Made(variant="found", rows=300, seed=7, dirty=True),
        "found clean": Made(variant="found", rows=400, seed=3, dirty=False),
        "specified dirty": Made(variant="specified", rows=300, seed=7, dirty=True),
        "specified clean": Made(variant="specified", rows=400, seed=3, dirty=False),
    }
)
#: The first specimen again, with what its owners decided: every amendment of the specification, and about single rows.
AMENDED, DECIDED = "found amended", "found decided"
WITH_DECISIONS: Mapping[str, Made] = MappingProxyType(
    {
        AMENDED: replace(SPECIMENS["found dirty"], decided=by_hand_amended.configuration),
        DECIDED: replace(SPECIMENS["found dirty"], decided=by_hand_decided.configuration),
    }
)
#: Only for mutants of the mappings that make no difference to a smaller specimen.
MANY: Mapping[str, Made] = MappingProxyType({"found many": Made(variant="found", rows=2_000, seed=11, dirty=True)})
FOUND = tuple(name for name, made in SPECIMENS.items() if made.variant == "found")
SPECIFIED = tuple(name for name, made in SPECIMENS.items() if made.variant == "specified")


@dataclass(frozen=True, slots=True)
class Stand:
    """A folder with every specimen and its migration.

    Attributes:
        folder: The folder; each specimen is below its name.
    """

    folder: Path

    def make(self) -> None:
        """Make the missing specimens and migrations."""
        for name, made in {**SPECIMENS, **WITH_DECISIONS, **MANY}.items():
            home = self.folder / name
            if home.exists():
                continue
            generator.make(
                home / "legacy",
                variant=made.variant,
                rows=made.rows,
                seed=made.seed,
                dirty=made.dirty,
                wal=made.dirty,
            )
            if made.decided:
                written = home / "legacy" / "migrator.toml"
                written.write_text(made.decided(written.read_text(encoding="utf-8")), encoding="utf-8")
            stage = made_sets.migrated(home / "legacy", home)
            (home / "consolidated").mkdir()
            for file in catalogue.TARGETS.values():
                shutil.copy(stage / file, home / "consolidated" / file)
            shutil.rmtree(home / "migrated")
        if not (self.folder / EMPTY).exists():
            (self.folder / EMPTY / "consolidated").mkdir(parents=True)
            make_empty_set(self.folder / EMPTY / "consolidated")

    def legacy(self, specimen: str) -> Path | None:
        """Return the legacy set of *specimen*; None for the empty specimen."""
        return None if specimen == EMPTY else self.folder / specimen / "legacy"

    def migrated(self, specimen: str) -> Path:
        """Return the folder of the databases migrated from *specimen*; callers never change it."""
        return self.folder / specimen / "consolidated"

    def copy(self, specimen: str, folder: Path) -> None:
        """Copy the three databases of *specimen* to *folder*."""
        for file in catalogue.TARGETS.values():
            shutil.copy(self.migrated(specimen) / file, folder / file)
