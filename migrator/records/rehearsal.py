"""Record of a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.records.verify import Migrated


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A rehearsal: from the legacy set to the consolidated one and back.

    Attributes:
        migrated: The run from inventory to verify.
        there: The cutover; None if the contracts refused it before.
        watched: The watch; None without a cutover.
        code: The exit code of the owners' own tests, 0 without them.
        differences: How the legacy set differs from what it was plus the rows written since; one sentence each.
    """

    migrated: Migrated
    there: Switched | None = None
    watched: Watched | None = None
    code: int = 0
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every step succeeded, and nothing differs."""
        back = self.watched.rolled_back if self.watched else None
        return back is not None and not (back.residue or self.code or self.differences)
