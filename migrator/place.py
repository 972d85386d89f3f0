"""Where a run reads and writes, below the data directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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

    @property
    def evidence(self) -> Path:
        """What the contracts said of the newest snapshot and the stage."""
        return self.data_dir / ".migrator" / "evidence.json"

    @property
    def junit(self) -> Path:
        """What each contract said then, as pytest's JUnit."""
        return self.evidence.with_name("contracts.xml")

    @property
    def report(self) -> Path:
        """The report of that."""
        return self.evidence.with_name("report.html")
