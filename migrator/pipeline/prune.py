"""Removes old runs; never one that a rollback, a standing evidence or a standing build needs."""

from __future__ import annotations

from pathlib import Path

from migrator.errors import MigratorError
from migrator.records.retention import Pruned
from migrator.stages import backup as backup_stage
from migrator.stages import prune as prune_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.switch import consolidated_set
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace


def prune(
    workspace: Workspace,
    *,
    execute: bool,
    snapshots: int = prune_stage.SNAPSHOTS,
    copies: int = prune_stage.BACKUPS,
    unique: bool = False,
) -> Pruned:
    """Remove old runs of *workspace*, or return which would be removed.

    Args:
        workspace: The data directory and what belongs to it.
        execute: Remove them.
        snapshots: How many of the newest snapshots are kept.
        copies: How many of the newest backups of the three are kept.
        unique: Whether runs are removed although they hold rows or files that are nowhere else.

    Raises:
        OSError: A file cannot be removed; each run that is still there is whole.
    """
    plan = prune_stage.planned(
        workspace.backups,
        needed(workspace),
        _unsound(workspace),
        snapshots=snapshots,
        copies=copies,
        unique=unique,
    )
    return prune_stage.execute(plan) if execute and plan.removed and not plan.refusals else plan


def prunable_bytes(workspace: Workspace) -> int:
    """Return what ``migrator prune`` would free [bytes]; reads no database."""
    return prune_stage.planned(workspace.backups, needed(workspace), {}).freed_bytes


def needed(workspace: Workspace) -> dict[str, str]:
    """Return number of a snapshot -> why it is needed."""
    reasons: dict[str, str] = {}
    if newest := backup_stage.newest(workspace.backups):
        reasons[newest.name] = "it is the newest: build, verify and cutover read it"
    if built := build_stage.recorded(workspace.stage):
        reasons[built.run] = "the stage was built from it, and the evidence is about both"
    if last := switch_state.read(workspace.data_dir):
        reasons[last.run] = (
            "a rollback of the cutover needs it"
            if last.kind == switch_state.CUTOVER
            else "the last switch is of this run"
        )
    return reasons


def _unsound(workspace: Workspace) -> dict[Path, str]:
    """Return newest run -> why it does not read back, of the snapshots and of the backups of the three."""
    found = {}
    for folder, read_back in (
        (workspace.backups, inventory),
        (workspace.backups / "consolidated", consolidated_set.inventory),
    ):
        newest = backup_stage.newest(folder)
        try:
            backup_stage.latest(folder, read_back=read_back)
        except MigratorError as error:
            if newest is not None:
                found[newest] = error.what
    return found
