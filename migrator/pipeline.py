"""The stages in their order; the only module that imports them, and what goes through several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator import backup as backups
from migrator import build as builds
from migrator import plan as plans
from migrator.config import Config
from migrator.errors import Refused
from migrator.inventory import inventory
from migrator.records import Built, Plan, Snapshot

__all__ = ["Place", "backup", "build", "inventory", "plan"]

#: Called with what was done, the rows, and seconds.
Progress = Callable[[str, int, float], None]


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


def plan(place: Place, config: Config) -> Plan:
    """Return what would happen to the files in *place*; nothing is touched."""
    return plans.plan(inventory(place.data_dir, include=place.include), config, disk=place.data_dir)


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


def counted(planned: Plan, built: Built) -> Plan:
    """Return *planned* with the quarantine that a build counted."""
    return replace(
        planned,
        quarantine=MappingProxyType(
            {account.table: sum(account.quarantined.values()) for account in built.targets if account.quarantined}
        ),
    )
