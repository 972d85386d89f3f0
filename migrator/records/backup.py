"""Record of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrator.records.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of all legacy files as they were at one instant: from ``backup`` to ``build`` and ``verify``.

    Attributes:
        run: The run's number, such as ``0001``.
        folder: The folder of the copies, each under the path of its original.
        inventory: The inventory of the copies, as read back.
        journal_modes: Path -> journal mode of the original, which its copy does not have.
        blocked_s: Seconds for which writers were held up.
    """

    run: str
    folder: Path
    inventory: Inventory
    journal_modes: Mapping[str, str]
    blocked_s: float
