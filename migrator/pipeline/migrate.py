"""Runs the stages from inventory to verify, and writes the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.mapping import reader as mapping_reader
from migrator.pipeline import status as pipeline_status
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.observer import Observer
from migrator.records.plan import Plan
from migrator.records.verify import Migrated, Verified
from migrator.reports import page
from migrator.reports.page import Report
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.stages.rollback import stage as rollback_stage
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.stage import Contracts, started, verify
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import durable_files
from migrator.system.temporary_folders import private_folder


def steps() -> tuple[str, ...]:
    """Return the parts for which :meth:`Observer.progress` is called: every target table, and the stages around them."""
    return ("inventory", "plan", "backup", *mapping_reader.all_tables(), "verify")


def plan(workspace: Workspace, config: Config, *, count: bool = False) -> Plan:
    """Return the plan for the files in *workspace*; changes nothing.

    With *count* the rows that constraints refuse are counted, by building from private copies in a scratch folder.
    """
    planned = plan_stage.plan(
        inventory(workspace.data_dir, include=workspace.include), config, disk=workspace.data_dir, in_use=True
    )
    if not count or planned.refusals:
        return planned
    with private_folder() as folder:
        snapshot = backup_stage.private(planned, folder / "snapshot", read_back=inventory)
        built = build_stage.build(planned, snapshot, folder / "stage")
    refused = {target.table: sum(target.quarantined.values()) for target in built.targets if target.quarantined}
    return replace(planned, quarantine=MappingProxyType(refused))


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
    wanted = replace(
        cutover_stage.prepare(planned, snapshot, workspace.data_dir), data_dir=workspace.data_dir.resolve()
    )
    prove = partial(rollback_stage.way_back, wanted, snapshot)
    return build_stage.build(
        planned, snapshot, workspace.stage, progress=(observer or Observer()).progress, prove=prove
    )


def verify_stage(workspace: Workspace, config: Path | None) -> Verified:
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
    return _judge(snapshot, workspace, config)


def _judge(snapshot: Path, workspace: Workspace, config: Path | None, contracts: Contracts | None = None) -> Verified:
    """Run the contracts on *snapshot* and the stage; write the evidence and the report."""
    durable_files.remove(workspace.report)
    verified = verify(
        snapshot,
        workspace.stage,
        config=config,
        evidence=workspace.evidence,
        broken=workspace.broken,
        contracts=contracts,
    )
    durable_files.write(workspace.report, page.html(_report(workspace, ())))
    return replace(verified, report=workspace.report)


def report(workspace: Workspace, config: Config) -> Report:
    """Return the report on the run in *workspace*; changes nothing.

    Raises:
        Refused: The contracts have not judged it yet.
        EvidenceError: The evidence is damaged.
    """
    if not workspace.evidence.exists() or not workspace.broken.exists():
        raise Refused("there is no evidence", where=workspace.evidence, hint="run: migrator verify")
    last = switch_state.read(workspace.data_dir)
    moved = last is not None and last.finished
    # After a switch the stage is in use or kept elsewhere, so that the evidence cannot be compared with it.
    return _report(
        workspace,
        () if moved else pipeline_status.check(workspace.evidence, pipeline_status.present(workspace, config)).reasons,
    )


def _report(workspace: Workspace, reasons: tuple[str, ...]) -> Report:
    return Report(
        evidence=verify_evidence.read(workspace.evidence),
        broken=verify_evidence.read_broken(workspace.broken),
        built=build_stage.told(workspace.stage),
        reasons=reasons,
    )


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
    planned = plan(workspace, config)
    watching.progress("plan", 0, 0.0)
    snapshot = backup(planned, workspace)
    watching.progress("backup", 0, 0.0)
    # The contracts read their modules while the databases are being built.
    with started() as contracts:
        built = build(workspace, config, snapshot, watching)
        verified = _judge(snapshot.folder, workspace, config_path, contracts)
    watching.progress("verify", 0, 0.0)
    return Migrated(plan=planned, snapshot=snapshot, built=built, verified=verified, seconds=time.monotonic() - begun)


def scratch_copy(data_dir: Path, include: Sequence[Path], config: Config, into: Path) -> None:
    """Copy the legacy set in *data_dir* to the new folder *into*, for a rehearsal; changes nothing else.

    Raises:
        Refused: The plan has reasons against it.
    """
    live = plan_stage.plan(inventory(data_dir, include=include), config, disk=into.parent)
    plan_stage.refuse(live)
    backup_stage.private(live, into, read_back=inventory)
