"""Determines the state of a run, and whether its evidence still fits."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

from migrator.config.config_file import Config
from migrator.errors import EvidenceError, MigratorError
from migrator.pipeline import prune as pipeline_prune
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.records.inventory import Inventory, Verdict
from migrator.records.status import DiskUse, LastBackup, MonitorState, Standing, Status
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import prune as prune_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.monitor import memory as monitor_memory
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.stages.verify.freshness import Present
from migrator.switch import env_flag, recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system import own_files, run_lock
from migrator.system.escaping import escaped

#: Age of the watch above which no timer runs the monitor [s]: cron jobs run at least every ten minutes.
_TIMER_S = 900.0
#: Age of the newest backup of the three above which another is due [s]: the specification asks for one every six hours.
_BACKUP_S = 6 * 3600.0


def status(workspace: Workspace, config: Config) -> Status:
    """Return the state of the run in *workspace*, of what runs beside it, and the next step; changes nothing.

    Raises:
        EvidenceError: The contracts are not installed.
        UsageError: There is no data directory.
    """
    standing = _standing(workspace, config)
    last = switch_state.read(workspace.data_dir)
    in_use = switch_state.cutover_in_use(workspace.data_dir)
    shown = replace(
        standing,
        in_use="consolidated" if in_use else "" if last is not None and not last.finished else "legacy",
        flag=_flag((last or workspace).env_file),
        verdict=_verdict(
            in_use.baseline / "evidence.json" if in_use else workspace.evidence,
            fits=not (standing.reasons or rolled_back(workspace, last)),
        ),
        quarantined=_quarantined(workspace, in_use),
        unaccepted=_unaccepted(workspace, in_use),
        backup=_last_backup(workspace, in_use),
        disk=DiskUse(
            backups_bytes=prune_stage.size_bytes(workspace.backups),
            prunable_bytes=_prunable_bytes(workspace),
            state_bytes=prune_stage.size_bytes(workspace.state),
        ),
    )
    if in_use is None:
        return shown
    watched = _monitor(in_use)
    return replace(shown, monitor=watched, next=_after_cutover(workspace, in_use, watched, shown.backup) or shown.next)


def _standing(workspace: Workspace, config: Config) -> Status:
    last = switch_state.read(workspace.data_dir)
    if last is not None and not (last.finished and last.kind == switch_state.ROLLBACK):
        return _of_switch(workspace, last)
    snapshot = backup_stage.newest(workspace.backups)
    run = snapshot.name if snapshot else ""
    if rolled_back(workspace, last):
        return Status(standing=Standing.ROLLED_BACK, run=run, next="to begin anew: migrator migrate")
    if not (workspace.stage / build_stage.FINISHED).exists():
        if snapshot is None:
            _ = inventory(workspace.data_dir, include=workspace.include)
            return Status(standing=Standing.NOTHING, next="to see what would happen: migrator plan")
        return Status(standing=Standing.SNAPSHOT, run=run, next="to go on: migrator migrate")
    if not workspace.evidence.exists():
        return Status(standing=Standing.BUILT, run=run, next="migrator verify")
    return replace(check(workspace.evidence, present(workspace, config)), run=run)


def rolled_back(workspace: Workspace, last: Switch | None) -> bool:
    """Return whether *last*, the last switch, rolled back the set that the evidence is about."""
    snapshot = backup_stage.newest(workspace.backups)
    return (
        last is not None and last.kind == switch_state.ROLLBACK and snapshot is not None and last.run == snapshot.name
    )


def _of_switch(workspace: Workspace, last: Switch) -> Status:
    """Return the state of the run after the cutover *last*, or while the switch *last* has not ended."""
    if last.finished:
        back = _of_switched("if you have to go back", "rollback", workspace, last)
        return Status(standing=Standing.CONSOLIDATED, run=last.run, next=back, back=back)
    busy = recovery.at_work(workspace.data_dir)
    standing, step = (Standing.AT_WORK, busy) if busy else (Standing.CUT_SHORT, recovery.cut_short(workspace.data_dir))
    return Status(standing=standing, run=last.run, next=step)


def _of_switched(purpose: str, verb: str, workspace: Workspace, last: Switch) -> str:
    """Return the step for *purpose*: the command *verb* on the set of the cutover *last*, with every option that it needs."""
    named, options = trust.lacking(last, workspace.include, workspace.env_file)
    # Another user may have written switch.json: only the user can tell whether the files outside are theirs.
    own = (
        f", and {' and '.join(map(escaped, named))} {'are' if len(named) > 1 else 'is'} your application's"
        if named
        else ""
    )
    return f"{purpose}{own}: {' '.join(('migrator', verb, *options))}"


def _flag(env_file: Path) -> bool | None:
    """Return whether *env_file* sets the flag; None if it cannot be read."""
    try:
        return env_flag.flag(env_file)
    except (MigratorError, OSError):
        return None


def _verdict(evidence: Path, *, fits: bool) -> str:
    """Return the verdict in the file *evidence* as the report has it: STALE for GO that no longer *fits*; '' if it cannot be read."""
    try:
        judged = verify_evidence.read(evidence).verdict
    except EvidenceError:
        return ""
    return "STALE" if judged == "GO" and not fits else judged


def _quarantined(workspace: Workspace, in_use: Switch | None) -> int | None:
    """Return how many rows are in quarantine, of the stage or of the set in use as it is now; None if that cannot be read."""
    try:
        if in_use is None:
            built = build_stage.recorded(workspace.stage)
            return built.quarantined if built else None
        found = pipeline_quarantine.listed(workspace)
    except (MigratorError, OSError, sqlite3.Error):
        return None
    return found.rows + found.settled


def _unaccepted(workspace: Workspace, in_use: Switch | None) -> int | None:
    """Return how many quarantined rows of the stage are not accepted; None after a cutover, and if it cannot be told."""
    if in_use is not None or not workspace.stage.is_dir():
        return None
    try:
        return pipeline_quarantine.unaccepted(workspace)
    except (MigratorError, sqlite3.Error):
        return None


def _last_backup(workspace: Workspace, in_use: Switch | None) -> LastBackup | None:
    newest = backup_stage.newest(workspace.backups if in_use is None else workspace.backups / "consolidated")
    if newest is None:
        return None
    try:
        # The manifest is written when the copies are complete.
        return LastBackup(run=newest.name, age_s=_age_s(newest / own_files.MANIFEST))
    except FileNotFoundError:
        # Another command removes it.
        return None


def _prunable_bytes(workspace: Workspace) -> int:
    """Return what ``migrator prune`` would free [bytes]: nothing while a damaged record keeps it from beginning."""
    try:
        return pipeline_prune.prunable_bytes(workspace)
    except MigratorError:
        return 0


def _monitor(last: Switch) -> MonitorState:
    """Return what a monitor has left about the watch of the cutover *last*."""
    running = run_lock.is_held(last.data_dir, run_lock.WATCH)
    seen = monitor_memory.last_seen(last.watch, last.run)
    if seen is None:
        return MonitorState(running=running, fired=last.latch.exists())
    return MonitorState(
        running=running,
        age_s=_age_s(last.watch),
        seen=seen.seen,
        failures=seen.failures,
        fired=last.latch.exists(),
    )


def _after_cutover(workspace: Workspace, last: Switch, watched: MonitorState, backup: LastBackup | None) -> str:
    """Return the next step after a cutover; '' if a monitor is at work and a backup is young enough."""
    if not watched.running and (watched.age_s is None or watched.age_s > _TIMER_S):
        return _of_switched("watch the application", "monitor", workspace, last)
    if backup is None or backup.age_s > _BACKUP_S:
        return "back up the three: migrator backup"
    return ""


def _age_s(path: Path) -> float:
    """Return the seconds since the file *path* was written."""
    return max(0.0, time.time() - path.stat().st_mtime)


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
    step = (
        again
        if reasons
        else "check the quarantined rows: migrator quarantine list; to see what a switch would do: migrator cutover"
    )
    standing = Standing.STALE if reasons else Standing.VERIFIED
    return Status(standing=standing, made=judged.made, waivers=waived, reasons=reasons, next=step)
