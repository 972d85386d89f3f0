"""Puts the legacy files of a run's backup back, or shows what that would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from migrator.errors import Refused
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.records.switch import Switched
from migrator.stages import backup as backup_stage
from migrator.stages import restore as restore_stage
from migrator.stages.inventory.stage import inventory
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import own_files
from migrator.system.escaping import escaped


def restore(workspace: Workspace, run: str, *, execute: bool, observer: Observer | None = None) -> Switched:
    """Put the files of the snapshot *run* back where they were, or return what that would do.

    Args:
        workspace: The data directory and what belongs to it.
        run: The number of the snapshot.
        execute: Make the switch.
        observer: Receives each step.

    Raises:
        Refused: There is no such run, it does not read back whole, or a process has a file open; all is as it was.
        MigratorError: A step failed; before the commit all is as it was.
    """
    observer = observer or Observer()
    shown = switchover.unfinished(workspace, switch_state.RESTORE)
    if shown is None:
        shown = restore_stage.foreseen(_prepared(workspace, run), stopped=workspace.stopped)
    if not execute or shown.stopped or shown.done_before:
        return shown
    with switchover.alone(workspace, switch_state.RESTORE, observer) as ended:
        if ended and ended.run == run:
            return ended
        prepared = _prepared(workspace, run)
        shown = restore_stage.foreseen(prepared, stopped=workspace.stopped)
        if shown.stopped or shown.done_before:
            return shown
        done = restore_stage.restore(prepared, observer=observer, stopped=workspace.stopped)
        return replace(done, next=switchover.AFTER_ROLLBACK)


def _prepared(workspace: Workspace, run: str) -> restore_stage.Prepared:
    """Return the restore of the snapshot *run* over the present files.

    Raises:
        Refused: There is no such snapshot, or it does not read back whole.
    """
    runs = {path.name: path for path in own_files.runs(workspace.backups) if path.name.isdecimal()}
    folder = runs.get(run) or runs.get(run.zfill(4))
    if folder is None:
        known = ", ".join(runs) or "none"
        raise Refused(
            f"there is no snapshot {escaped(run)}; there are: {known}",
            where=escaped(workspace.backups),
            hint="to see what each is run: migrator prune",
        )
    return restore_stage.prepare(
        backup_stage.read(Path(folder), read_back=inventory),
        inventory(workspace.data_dir, include=workspace.include),
        workspace.env_file,
    )
