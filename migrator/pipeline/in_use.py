"""Judges the set in use after a cutover, against what the cutover installed and what was written since."""

from __future__ import annotations

import sqlite3
import time
from functools import partial

from migrator.errors import MigratorError
from migrator.pipeline import switchover
from migrator.records.switch import Switched
from migrator.records.verify import VerifiedInUse
from migrator.stages.rollback import baseline as rollback_baseline
from migrator.stages.rollback import stage as rollback_stage
from migrator.stages.verify import in_use
from migrator.switch import trust
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system import error_hints
from migrator.system.temporary_folders import private_folder


def verify(workspace: Workspace, last: Switch) -> VerifiedInUse:
    """Judge the set in use after the cutover *last*; changes nothing, and writes no evidence.

    Raises:
        Refused: The record of the cutover leads to files that are not named, or there is no room for private copies.
    """
    begun = time.monotonic()
    trust.refuse(last, workspace.include, workspace.env_file)
    with private_folder() as folder:
        broken = in_use.broken(last, rollback_baseline.sound(last), folder)
    back, against = _tried(workspace, last)
    return VerifiedInUse(
        run=last.run,
        judged=(
            f"the set in use since the cutover of run {last.run}, not the stage and not a new migration",
            "the evidence of the cutover is about the databases that it installed",
            "each name leads to the set, and no original was written to",
            "pages, indexes, constraints and references of the three, and each object that the cutover installed",
            "each row written since, by a rollback on copies: the legacy files that it gives are migrated and compared",
        ),
        broken=(*broken, *against),
        written=back.written if back else {},
        residue=back.residue if back else {},
        seconds=time.monotonic() - begun,
    )


def _tried(workspace: Workspace, last: Switch) -> tuple[Switched | None, tuple[str, ...]]:
    """Return what a rollback on copies did, and what prevents it, one sentence each."""
    try:
        back = rollback_stage.tried(last, partial(switchover.built_again, last), stopped=workspace.stopped)
    except (MigratorError, OSError, sqlite3.Error) as error:
        told = error if isinstance(error, MigratorError) else error_hints.told(error, [workspace.data_dir])
        return None, (f"a rollback would fail: {told}",)
    return back, tuple(f"a rollback would be refused: {reason}" for reason in back.refusals)
