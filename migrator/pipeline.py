"""The stages in their order; the only module that imports them, and what goes through several of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator import backup as backups
from migrator import build as builds
from migrator import mapping
from migrator import plan as plans
from migrator.config import Config, load
from migrator.errors import Refused
from migrator.inventory import inventory
from migrator.records import Built, Migrated, Plan, Snapshot, Verified
from migrator.verify import need_contracts, verify

__all__ = [
    "Place",
    "Progress",
    "backup",
    "build",
    "inventory",
    "migrate",
    "need_contracts",
    "plan",
    "rehearse",
    "steps",
    "verify",
    "verify_stage",
]

#: Called with what was done, the rows, and seconds.
Progress = Callable[[str, int, float], None]


def steps() -> tuple[str, ...]:
    """Return what progress is told of: every target table, and what stands around them."""
    return ("inventory", "plan", "backup", *mapping.all_tables(), "verify")


class Place:
    """Where a run reads and writes, below the data directory.

    Attributes:
        data_dir: The data directory.
        include: Databases outside of it.
    """

    def __init__(self, data_dir: Path, include: Sequence[Path] = ()) -> None:
        self.data_dir = data_dir
        self.include = tuple(include)

    @property
    def backups(self) -> Path:
        """The folder of the snapshots."""
        return self.data_dir / "backup"

    @property
    def stage(self) -> Path:
        """The folder of the three databases until cutover."""
        return self.data_dir / ".migrator" / "stage"


def plan(place: Place, config: Config, *, count: bool = False) -> Plan:
    """Return what would happen to the files in *place*; nothing is touched.

    With *count* the rows that constraints refuse are counted, by building from private copies in a scratch folder.
    """
    planned = plans.plan(inventory(place.data_dir, include=place.include), config, disk=place.data_dir)
    if not count or planned.refusals:
        return planned
    with tempfile.TemporaryDirectory(prefix="migrator-") as folder:
        snapshot = backups.private(planned, Path(folder) / "snapshot", read_back=inventory)
        built = builds.build(planned, snapshot, Path(folder) / "stage")
    refused = {one.table: sum(one.quarantined.values()) for one in built.targets if one.quarantined}
    return replace(planned, quarantine=MappingProxyType(refused))


def backup(planned: Plan, place: Place) -> Snapshot:
    """Take a snapshot of what was planned.

    Raises:
        Refused: The plan has reasons against it.
    """
    plans.refuse(planned)
    return backups.backup(planned, place.backups, read_back=inventory)


def build(place: Place, config: Config, snapshot: Snapshot | None = None, progress: Progress | None = None) -> Built:
    """Build the three databases from *snapshot*, or from the newest one.

    Raises:
        Refused: There is no snapshot, or the plan for it has reasons against it.
    """
    snapshot = snapshot or backups.latest(place.backups, read_back=inventory)
    if snapshot is None:
        raise Refused("there is no snapshot", where=place.backups, hint="run: migrator backup")
    planned = plans.plan(snapshot.inventory, config, disk=place.data_dir)
    plans.refuse(planned)
    return builds.build(planned, snapshot, place.stage, progress=progress)


def verify_stage(place: Place, config: Path | None) -> Verified:
    """Judge the stage against the newest snapshot.

    Raises:
        Refused: There is no snapshot, or no finished stage.
    """
    snapshot = backups.newest(place.backups)
    if snapshot is None:
        raise Refused("there is no snapshot", where=place.backups, hint="run: migrator backup")
    if not (place.stage / builds.FINISHED).exists():
        raise Refused("there is no finished build", where=place.stage, hint="run: migrator build")
    return verify(snapshot, place.stage, config=config)


def migrate(place: Place, config: Config, config_path: Path | None, progress: Progress | None = None) -> Migrated:
    """Go from inventory to verify.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed; nothing has a final name.
    """
    tell = progress or (lambda *_: None)
    begun = time.monotonic()
    planned = plan(place, config)
    tell("plan", 0, 0.0)
    snapshot = backup(planned, place)
    tell("backup", 0, 0.0)
    built = build(place, config, snapshot, progress)
    verified = verify(snapshot.folder, place.stage, config=config_path)
    tell("verify", 0, 0.0)
    return Migrated(plan=planned, snapshot=snapshot, built=built, verified=verified, seconds=time.monotonic() - begun)


def rehearse(
    data_dir: Path | None, include: Sequence[Path], config_path: Path | None, progress: Progress | None = None
) -> Migrated:
    """Migrate a scratch copy of *data_dir*, or a dirty specimen where it is None; nothing else is touched.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed.
    """
    need_contracts("migrator rehearse")
    with tempfile.TemporaryDirectory(prefix="migrator-rehearsal-") as folder:
        scratch = Path(folder) / "data"
        if data_dir is None:
            command = [
                *(sys.executable, "-P", "-m", "contracts.specimens"),
                str(scratch),
                "--seed",
                "7",
                "--dirty",
                "--wal",
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own module
            config_path = scratch / "migrator.toml"
        else:
            live = plans.plan(inventory(data_dir, include=include), load(config_path), disk=Path(folder))
            plans.refuse(live)
            backups.private(live, scratch, read_back=inventory)
        return migrate(Place(scratch), load(config_path), config_path, progress)
