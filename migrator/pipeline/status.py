"""Determines the state of a run, and whether its evidence still fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from migrator.config.config_file import Config
from migrator.errors import EvidenceError
from migrator.records.inventory import Inventory, Verdict
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.stages.verify.freshness import Present, Standing, Status
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system.escaping import escaped


def status(workspace: Workspace, config: Config) -> Status:
    """Return the state of the run in *workspace*; changes nothing.

    Raises:
        EvidenceError: The contracts are not installed.
        UsageError: There is no data directory.
    """
    last = switch_state.read(workspace.data_dir)
    if last is not None and not (last.finished and last.kind == switch_state.ROLLBACK):
        return _of_switch(workspace, last)
    snapshot = backup_stage.newest(workspace.backups)
    run = snapshot.name if snapshot else ""
    if last is not None and last.kind == switch_state.ROLLBACK and last.run == run:
        return Status(standing=Standing.ROLLED_BACK, run=run, next="to begin anew: migrator migrate")
    if not (workspace.stage / build_stage.FINISHED).exists():
        if snapshot is None:
            _ = inventory(workspace.data_dir, include=workspace.include)
            return Status(standing=Standing.NOTHING, next="to see what would happen: migrator plan")
        return Status(standing=Standing.SNAPSHOT, run=run, next="to go on: migrator migrate")
    if not workspace.evidence.exists():
        return Status(standing=Standing.BUILT, run=run, next="migrator verify")
    return replace(check(workspace.evidence, present(workspace, config)), run=run)


def _of_switch(workspace: Workspace, last: Switch) -> Status:
    """Return the state of the run after the cutover *last*, or while the switch *last* has not ended."""
    standing, step = Standing.CONSOLIDATED, _to_go_back(workspace, last)
    if not last.finished:
        busy = recovery.at_work(workspace.data_dir)
        standing, step = (
            (Standing.AT_WORK, busy) if busy else (Standing.CUT_SHORT, recovery.cut_short(workspace.data_dir))
        )
    return Status(standing=standing, run=last.run, next=step)


def _to_go_back(workspace: Workspace, last: Switch) -> str:
    """Return the command that undoes the cutover *last*, with every option that it needs."""
    named, options = trust.lacking(last, workspace.include, workspace.env_file)
    # Another user may have written switch.json: only the user can tell whether the files outside are theirs.
    own = (
        f", and {' and '.join(map(escaped, named))} {'are' if len(named) > 1 else 'is'} your application's"
        if named
        else ""
    )
    return f"if you have to go back{own}: {' '.join(('migrator rollback', *options))}"


def present(workspace: Workspace, config: Config, sources: Inventory | None = None) -> Present:
    """Return the digests that evidence on *workspace* would have now: sources, stage, configuration.

    *sources* is the inventory of the sources, if the caller has it.
    """
    return _present(
        sources or inventory(workspace.data_dir, include=workspace.include), workspace.stage, config, ignoring=True
    )


def of_pair(legacy: Path, consolidated: Path, config: Config) -> Present:
    """Return the digests that evidence on a pair of folders would have now.

    Raises:
        UsageError: A folder is not there.
    """
    return _present(inventory(legacy), consolidated, config, ignoring=False)


def _present(sources: Inventory, consolidated: Path, config: Config, *, ignoring: bool) -> Present:
    """Return the digests as they are now; with *ignoring* without the files that *config* ignores."""
    paths = {target: consolidated / name for target, name in catalogue.TARGETS.items()}
    return Present(
        legacy={
            str(database.path_in_snapshot): database.digest
            for database in sources.databases
            if database.verdict is not Verdict.OURS and not (ignoring and config.fate(database) == "ignore")
        },
        consolidated=freshness.digests_of({target: path for target, path in paths.items() if path.is_file()}),
        configuration=config.digest(),
    )


def check(evidence: Path, now: Present) -> Status:
    """Return whether the file *evidence* fits what is there *now*, and the reasons if not.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    again = "where a legacy file has changed run migrator migrate; else: migrator verify"
    try:
        judged = verify_evidence.read(evidence)
    except EvidenceError as error:
        return Status(standing=Standing.STALE, reasons=(str(error),), next=again)
    reasons = freshness.refusals(judged, now)
    waived = tuple(
        f"{waiver.name}, by {waiver.owner} until {waiver.expires}: {waiver.reason}" for waiver in judged.waivers
    )
    step = again if reasons else "check the quarantined rows; to see what a switch would do: migrator cutover"
    standing = Standing.STALE if reasons else Standing.VERIFIED
    return Status(standing=standing, made=judged.made, waivers=waived, reasons=reasons, next=step)
