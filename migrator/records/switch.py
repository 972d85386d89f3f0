"""Record of a cutover, a rollback or a restore, executed or planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """A cutover, a rollback or a restore, executed or planned.

    Attributes:
        kind: ``cutover``, ``rollback`` or ``restore``.
        run: The run of the snapshot that the consolidated set was built from, or whose files are restored.
        executed: Whether it was executed; else this is what it would do.
        names: Legacy path -> file name of the consolidated database that it stands for after a cutover; of a restore the copy in
            the backup.
        refusals: The reasons against it, one sentence each.
        holders: Processes that have a database open, one sentence each; they have to be stopped before.
        blocked_s: Seconds for which writers were held up.
        findings: What a person should know, one sentence each.
        late: Processes that had a database open when its file was moved away, one sentence each: they have to be restarted.
        steps: What it does besides switching the names, one sentence each.
        written: Legacy table -> what a rollback did to its rows: ``inserted``, ``updated``, ``deleted`` -> number.
        residue: Rows that the legacy set does not have, by consolidated table, or by legacy table for what was written to an
            original since the cutover; a rollback keeps them in residue.db.
        aside: Files that others had made under a legacy name, by the path they were moved to.
        done_before: Whether an earlier command did it, so that this one changed nothing.
        next: What its owner should do now, one sentence with a command each.
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
    done_before: bool = False
    next: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether there is a reason against it, or a process has a database open."""
        return bool(self.refusals or self.holders)
