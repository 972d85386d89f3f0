"""Runs the stages from inventory to verify, and writes the report."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.errors import MigratorError, Refused
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.pipeline import status as pipeline_status
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.observer import Observer
from migrator.records.plan import Plan
from migrator.records.quarantine import Quarantine
from migrator.records.verify import Migrated, Verified
from migrator.reports import page
from migrator.reports.next_steps import Run
from migrator.reports.page import Report
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import amendment_effects, decision_effects
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.stages.rollback import stage as rollback_stage
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.stages.verify.evidence import Evidence, Outcome
from migrator.stages.verify.stage import Contracts, started, verify
from migrator.switch import state as switch_state
from migrator.switch import trust
from migrator.switch.workspace import Workspace
from migrator.system import durable_files, own_files
from migrator.system.shell import quoted
from migrator.system.temporary_folders import private_folder

#: The clauses by which a quarantine is as migrator writes it.
_OF_QUARANTINE = frozenset({"L6", "L7"})


def plan(workspace: Workspace, config: Config, *, count: bool = False) -> Plan:
    """Return the plan for the files in *workspace*; changes nothing.

    With *count* the rows that constraints refuse are counted, by building from private copies in a scratch folder; so is what
    each amendment of the specification and each decision about rows changes in that.
    """
    planned = plan_stage.plan(
        inventory(workspace.data_dir, include=workspace.include), config, disk=workspace.data_dir, in_use=True
    )
    if not count or planned.refusals:
        return planned
    with private_folder() as folder:
        snapshot = backup_stage.private(planned, folder / "snapshot", read_back=inventory)
        planned, refusals = plan_stage.with_decided_rows(planned, snapshot.inventory)
        if refusals:
            return replace(planned, refusals=refusals)
        built = build_stage.build(planned, snapshot, folder / "stage")
        refused = {target.table: sum(target.quarantined.values()) for target in built.targets if target.quarantined}
        effects = amendment_effects.effects(planned, snapshot, folder, refused)
        by_decision, let_in = decision_effects.effects(planned, snapshot, folder, built.stage)
    return replace(
        planned,
        quarantine=MappingProxyType(refused),
        amendment_effects=effects,
        decision_effects=by_decision,
        let_in=let_in,
        refusals=built.unsettled,
    )


def refuse_other_folders(workspace: Workspace, config: Config) -> None:
    """Check a folder in which no migrator has worked, before the first file is written: can its files be migrated?

    Raises:
        Refused: They cannot.
    """
    if not (workspace.state.exists() or own_files.runs(workspace.backups)):
        plan_stage.refuse(plan(workspace, config))


def backup(planned: Plan, workspace: Workspace) -> Snapshot:
    """Take a snapshot of the files that are *planned*.

    Raises:
        Refused: The plan has reasons against it.
    """
    plan_stage.refuse(planned)
    return backup_stage.backup(backup_stage.wanted(planned), workspace.backups, read_back=inventory)


def build(
    workspace: Workspace, config: Config, snapshot: Snapshot | None = None, observer: Observer | None = None
) -> Built:
    """Build the three databases from *snapshot*, or from the newest one.

    Raises:
        Refused: There is no snapshot, the plan for it has reasons against it, or the consolidated set is in use.
    """
    workspace.refuse_after_a_cutover()
    snapshot = snapshot or backup_stage.latest(workspace.backups, read_back=inventory)
    if snapshot is None:
        raise Refused("there is no snapshot", where=workspace.backups, hint="run: migrator backup")
    planned = plan_stage.plan(snapshot.inventory, config, disk=workspace.data_dir)
    plan_stage.refuse(planned)
    planned = plan_stage.decided(planned, snapshot.inventory)
    wanted = replace(
        cutover_stage.prepare(planned, snapshot, workspace.data_dir), data_dir=workspace.data_dir.resolve()
    )

    def prove(built: Built) -> None:
        plan_stage.refuse(replace(planned, refusals=built.unsettled))
        rollback_stage.way_back(wanted, snapshot)

    watching = observer or Observer()
    watching.stage("build", len(planned.order), "tables")
    return build_stage.build(planned, snapshot, workspace.stage, progress=watching.progress, prove=prove)


def verify_stage(workspace: Workspace, config: Path | None, observer: Observer | None = None) -> Verified:
    """Judge the stage against the newest snapshot, and write the evidence.

    Raises:
        Refused: There is no snapshot, or no finished stage, or the consolidated set is in use.
    """
    workspace.refuse_after_a_cutover()
    snapshot = backup_stage.newest(workspace.backups)
    if snapshot is None:
        raise Refused("there is no snapshot", where=workspace.backups, hint="run: migrator backup")
    staged = [workspace.stage / name for name in (build_stage.FINISHED, *catalogue.TARGETS.values())]
    if not all(path.exists() for path in staged):
        raise Refused("there is no finished build", where=workspace.stage, hint="run: migrator build")
    return _judge(snapshot, workspace, config, observer or Observer())


def _judge(
    snapshot: Path, workspace: Workspace, config: Path | None, observer: Observer, contracts: Contracts | None = None
) -> Verified:
    """Run the contracts on *snapshot* and the stage; write the evidence and the report."""
    observer.stage("verify", unit="contracts")
    durable_files.remove(workspace.report)
    verified = verify(
        snapshot,
        workspace.stage,
        config=config,
        evidence=workspace.evidence,
        broken=workspace.broken,
        contracts=contracts,
        progress=observer.done,
    )
    durable_files.write(workspace.report, page.html(_report(workspace, verify_evidence.read(workspace.evidence))))
    return replace(verified, report=workspace.report)


def report(workspace: Workspace, config: Config) -> Report:
    """Return the report on the run in *workspace*; changes nothing.

    Raises:
        Refused: The contracts have not judged it yet.
        EvidenceError: The evidence is damaged.
    """
    if not workspace.evidence.exists() or not workspace.broken.exists():
        raise Refused("there is no evidence", where=workspace.evidence, hint="run: migrator verify")
    judged = verify_evidence.read(workspace.evidence)
    last = switch_state.read(workspace.data_dir)
    if last is not None and last.consolidated:
        # The bot has written to the set since it was judged.
        return _report(workspace, judged)
    present = pipeline_status.present(workspace, config)
    fits = freshness.refusals if judged.verdict == "GO" else freshness.outdated
    reasons = fits(judged, present)
    if pipeline_status.rolled_back(workspace, last):
        reasons = ("the switch to this set was rolled back, and the legacy set is in use", *reasons)
    return _report(workspace, judged, reasons)


def _report(workspace: Workspace, judged: Evidence, reasons: tuple[str, ...] = ()) -> Report:
    quarantine, accepted = _quarantine(workspace, judged)
    options = (
        f"--data-dir {quoted(workspace.data_dir)}",
        *(f"--include {quoted(path)}" for path in workspace.include),
    )
    in_use = switch_state.cutover_in_use(workspace.data_dir)
    outside = trust.lacking(in_use, workspace.include, workspace.env_file)[1] if in_use else ()
    return Report(
        evidence=judged,
        broken=verify_evidence.read_broken(workspace.broken),
        built=build_stage.recorded(workspace.stage),
        reasons=reasons,
        quarantine=quarantine,
        run=Run(
            options=" ".join(options),
            outside=tuple(outside),
            snapshot=str(backup_stage.newest(workspace.backups) or workspace.backups),
            accepted=accepted,
            cut_over=in_use is not None,
        ),
    )


def _quarantine(workspace: Workspace, judged: Evidence) -> tuple[Quarantine | None, bool]:
    """Return the quarantined rows by cause and whether they are accepted; None where the contracts did not find them sound.

    After a cutover they are read as they are in the set in use: a row may have been moved into its table.

    A program may have changed the stage, and a report about that must not fail.
    """
    sound = {
        result.clause: result.verdict is Outcome.HELD for result in judged.contracts if result.clause in _OF_QUARANTINE
    }
    if sound.keys() != _OF_QUARANTINE or not all(sound.values()):
        return None, False
    try:
        return pipeline_quarantine.reviewed(workspace)
    except (sqlite3.Error, MigratorError):
        return None, False


def migrate(
    workspace: Workspace, config: Config, config_path: Path | None, observer: Observer | None = None
) -> Migrated:
    """Run every stage from inventory to verify.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed; nothing has a final name.
    """
    watching = observer or Observer()
    begun = time.monotonic()
    workspace.refuse_after_a_cutover()
    watching.stage("plan")
    planned = plan(workspace, config)
    watching.stage("backup")
    snapshot = backup(planned, workspace)
    # The contracts read their modules while the databases are being built.
    with started() as contracts:
        built = build(workspace, config, snapshot, watching)
        verified = _judge(snapshot.folder, workspace, config_path, watching, contracts)
    return Migrated(plan=planned, snapshot=snapshot, built=built, verified=verified, seconds=time.monotonic() - begun)


def scratch_copy(data_dir: Path, include: Sequence[Path], config: Config, into: Path) -> None:
    """Copy the legacy set in *data_dir* to the new folder *into*, for a rehearsal; changes nothing else.

    Raises:
        Refused: The plan has reasons against it.
    """
    live = plan_stage.plan(inventory(data_dir, include=include), config, disk=into.parent)
    plan_stage.refuse(live)
    backup_stage.private(live, into, read_back=inventory)
