"""Record of a cutover or a rollback, executed or planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """A cutover or a rollback, executed or planned.

    Attributes:
        kind: ``cutover`` or ``rollback``.
        run: The run of the snapshot that the consolidated set was built from.
        executed: Whether it was executed; else this is what it would do.
        names: Legacy path -> file name of the consolidated database that it stands for after a cutover.
        refusals: The reasons against it, one sentence each.
        holders: Processes that have a database open, one sentence each; they have to be stopped before.
        blocked_s: Seconds for which writers were held up.
        findings: What a person should know, one sentence each.
        late: Processes that had a database open when its file was moved away, one sentence each: they have to be restarted.
        steps: What it does besides switching the names, one sentence each.
        written: Legacy table -> what a rollback did to its rows: ``inserted``, ``updated``, ``deleted`` -> number.
        residue: Rows that no legacy table can hold, by consolidated table; a rollback keeps them in residue.db.
        aside: Files that others had made under a legacy name, by the path they were moved to.
    """

    kind: str
    run: str
    executed: bool
    names: Mapping[str, str]
    refusals: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    blocked_s: float = 0.0
    findings: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    written: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    residue: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    aside: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether there is a reason against it, or a process has a database open."""
        return bool(self.refusals or self.holders)
