"""The stages in their order; the only module that imports them, and what goes through several of them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.errors import EvidenceError, MigratorError, Refused, RollbackFailed
from migrator.mapping import reader as mapping_reader
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.inventory import Verdict
from migrator.records.plan import Plan
from migrator.records.switch import Switched
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
from migrator.stages.verify import freshness
from migrator.stages.verify.freshness import Present, Standing, Status
from migrator.stages.verify.stage import need_contracts, verify
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Place
from migrator.system import durable_files, error_hints, permissions
from migrator.system.run_lock import locked
from migrator.system.serialize import escaped
from migrator.system.temporary_folders import private_folder

__all__ = [
    "Place",
    "Progress",
    "backup",
    "build",
    "check",
    "cutover",
    "inventory",
    "migrate",
    "need_contracts",
    "of_pair",
    "plan",
    "present",
    "report",
    "rollback",
    "scratch_copy",
    "status",
    "steps",
    "verify",
    "verify_stage",
]

#: Called with what was done, the rows, and seconds.
Progress = Callable[[str, int, float], None]


def steps() -> tuple[str, ...]:
    """Return what progress is told of: every target table, and what stands around them."""
    return ("inventory", "plan", "backup", *mapping_reader.all_tables(), "verify")


def plan(place: Place, config: Config, *, count: bool = False) -> Plan:
    """Return what would happen to the files in *place*; nothing is touched.

    With *count* the rows that constraints refuse are counted, by building from private copies in a scratch folder.
    """
    planned = plan_stage.plan(
        inventory(place.data_dir, include=place.include), config, disk=place.data_dir, in_place=True
    )
    if not count or planned.refusals:
        return planned
    with private_folder() as folder:
        snapshot = backup_stage.private(planned, folder / "snapshot", read_back=inventory)
        built = build_stage.build(planned, snapshot, folder / "stage")
    refused = {one.table: sum(one.quarantined.values()) for one in built.targets if one.quarantined}
    return replace(planned, quarantine=MappingProxyType(refused))


def backup(planned: Plan, place: Place) -> Snapshot:
    """Take a snapshot of what was planned.

    Raises:
        Refused: The plan has reasons against it.
    """
    plan_stage.refuse(planned)
    return backup_stage.backup(backup_stage.wanted(planned), place.backups, read_back=inventory)


def build(place: Place, config: Config, snapshot: Snapshot | None = None, progress: Progress | None = None) -> Built:
    """Build the three databases from *snapshot*, or from the newest one.

    Raises:
        Refused: There is no snapshot, the plan for it has reasons against it, or the consolidated set is in use.
    """
    place.refuse_after_a_cutover()
    snapshot = snapshot or backup_stage.latest(place.backups, read_back=inventory)
    if snapshot is None:
        raise Refused("there is no snapshot", where=place.backups, hint="run: migrator backup")
    planned = plan_stage.plan(snapshot.inventory, config, disk=place.data_dir)
    plan_stage.refuse(planned)
    wanted = replace(cutover_stage.prepare(planned, snapshot, place.data_dir), data_dir=place.data_dir.resolve())
    prove = partial(rollback_stage.way_back, wanted, snapshot)
    return build_stage.build(planned, snapshot, place.stage, progress=progress, prove=prove)


def verify_stage(place: Place, config: Path | None) -> Verified:
    """Judge the stage against the newest snapshot, and write the evidence.

    Raises:
        Refused: There is no snapshot, or no finished stage, or the consolidated set is in use.
    """
    place.refuse_after_a_cutover()
    snapshot = backup_stage.newest(place.backups)
    if snapshot is None:
        raise Refused("there is no snapshot", where=place.backups, hint="run: migrator backup")
    staged = [place.stage / name for name in (build_stage.FINISHED, *catalogue.TARGETS.values())]
    if not all(path.exists() for path in staged):
        raise Refused("there is no finished build", where=place.stage, hint="run: migrator build")
    return _judge(snapshot, place, config)


def _judge(snapshot: Path, place: Place, config: Path | None) -> Verified:
    """Run the contracts on *snapshot* and the stage; write the evidence and the report."""
    durable_files.remove(place.report)
    verified = verify(snapshot, place.stage, config=config, evidence=place.evidence, broken=place.broken)
    durable_files.write(place.report, page.html(_report(place, ())))
    return replace(verified, report=place.report)


def report(place: Place, config: Config) -> Report:
    """Return all that is known of the run in *place*; nothing is touched.

    Raises:
        Refused: The contracts have not judged it yet.
        EvidenceError: The evidence is not as it was written.
    """
    if not place.evidence.exists() or not place.broken.exists():
        raise Refused("there is no evidence", where=place.evidence, hint="run: migrator verify")
    last = switch_state.read(place.data_dir)
    moved = last is not None and last.finished
    # After a switch the stage is in use or kept: what the evidence speaks of is no longer there to compare.
    return _report(place, () if moved else check(place.evidence, present(place, config)).reasons)


def _report(place: Place, reasons: tuple[str, ...]) -> Report:
    return Report(
        evidence=verify_evidence.read(place.evidence),
        broken=verify_evidence.read_broken(place.broken),
        built=build_stage.told(place.stage),
        reasons=reasons,
    )


def migrate(place: Place, config: Config, config_path: Path | None, progress: Progress | None = None) -> Migrated:
    """Go from inventory to verify.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed; nothing has a final name.
    """
    tell = progress or (lambda *_: None)
    begun = time.monotonic()
    place.refuse_after_a_cutover()
    planned = plan(place, config)
    tell("plan", 0, 0.0)
    snapshot = backup(planned, place)
    tell("backup", 0, 0.0)
    built = build(place, config, snapshot, progress)
    verified = _judge(snapshot.folder, place, config_path)
    tell("verify", 0, 0.0)
    return Migrated(plan=planned, snapshot=snapshot, built=built, verified=verified, seconds=time.monotonic() - begun)


def status(place: Place, config: Config) -> Status:
    """Return where the run in *place* stands; nothing is touched.

    Raises:
        EvidenceError: The contracts are not installed.
        UsageError: There is no data directory.
    """
    last = switch_state.read(place.data_dir)
    if last is not None and not (last.finished and last.kind == switch_state.ROLLBACK):
        return _of_switch(place, last)
    snapshot = backup_stage.newest(place.backups)
    run = snapshot.name if snapshot else ""
    if last is not None and last.kind == switch_state.ROLLBACK and last.run == run:
        return Status(standing=Standing.ROLLED_BACK, run=run, next="to begin anew: migrator migrate")
    if not (place.stage / build_stage.FINISHED).exists():
        if snapshot is None:
            _ = inventory(place.data_dir, include=place.include)
            return Status(standing=Standing.NOTHING, next="to see what would happen: migrator plan")
        return Status(standing=Standing.SNAPSHOT, run=run, next="to go on: migrator migrate")
    if not place.evidence.exists():
        return Status(standing=Standing.BUILT, run=run, next="migrator verify")
    return replace(check(place.evidence, present(place, config)), run=run)


def _of_switch(place: Place, last: Switch) -> Status:
    """Return where the run in *place* stands after the cutover *last*, or while the switch *last* has not ended."""
    standing, step = Standing.CONSOLIDATED, _to_go_back(place, last)
    if not last.finished:
        busy = recovery.at_work(place.data_dir)
        standing, step = (Standing.AT_WORK, busy) if busy else (Standing.CUT_SHORT, recovery.cut_short(place.data_dir))
    return Status(standing=standing, run=last.run, next=step)


def _to_go_back(place: Place, last: Switch) -> str:
    """Return the command that goes back from the cutover *last*, with each option without which it is refused."""
    named, options = trust.lacking(last, place.include, place.env_file)
    # Another user may have written switch.json: only the user can tell whether the files outside are theirs.
    own = (
        f", and {' and '.join(map(escaped, named))} {'are' if len(named) > 1 else 'is'} your application's"
        if named
        else ""
    )
    return f"if you have to go back{own}: {' '.join(('migrator rollback', *options))}"


def present(place: Place, config: Config) -> Present:
    """Return what is in *place* now, as evidence speaks of it: the sources, the stage, the configuration."""
    return of_pair(place.data_dir, place.stage, config, include=place.include, ignoring=True)


def of_pair(
    legacy: Path,
    consolidated: Path,
    config: Config,
    *,
    include: Sequence[Path] = (),
    ignoring: bool = False,
) -> Present:
    """Return what is in a pair of folders now, as evidence speaks of it; *ignoring* what *config* leaves out of a snapshot.

    Raises:
        UsageError: A folder is not there.
    """
    found = inventory(legacy, include=include).databases
    paths = {target: consolidated / name for target, name in catalogue.TARGETS.items()}
    return Present(
        legacy={
            str(backup_stage.place_of(one)): one.digest
            for one in found
            if one.verdict is not Verdict.OURS and not (ignoring and config.fate(one.place) == "ignore")
        },
        consolidated=freshness.digests_of({target: path for target, path in paths.items() if path.is_file()}),
        configuration=config.digest(),
    )


def check(evidence: Path, now: Present) -> Status:
    """Return whether the file *evidence* vouches for what is there *now*, and what speaks against it.

    Raises:
        EvidenceError: The contracts are not installed.
    """
    again = "where a legacy file has changed run migrator migrate; else: migrator verify"
    try:
        said = verify_evidence.read(evidence)
    except EvidenceError as error:
        return Status(standing=Standing.STALE, reasons=(str(error),), next=again)
    reasons = freshness.refusals(said, now)
    waived = tuple(f"{one.name}, by {one.owner} until {one.expires}: {one.reason}" for one in said.waivers)
    step = again if reasons else "check the quarantined rows; to see what a switch would do: migrator cutover"
    standing = Standing.STALE if reasons else Standing.VERIFIED
    return Status(standing=standing, made=said.made, waivers=waived, reasons=reasons, next=step)


def scratch_copy(data_dir: Path, include: Sequence[Path], config: Config, into: Path) -> None:
    """Copy the legacy set in *data_dir* to the new folder *into*, for a rehearsal; nothing else is touched.

    Raises:
        Refused: The plan has reasons against it.
    """
    live = plan_stage.plan(inventory(data_dir, include=include), config, disk=into.parent)
    plan_stage.refuse(live)
    backup_stage.private(live, into, read_back=inventory)


def cutover(
    place: Place,
    config: Config,
    env_file: Path,
    *,
    execute: bool,
    waiting: Callable[[str], None],
    tell: Callable[[str], None] = lambda _: None,
    again: Callable[[], object] | None = None,
) -> Switched:
    """Switch to the consolidated set in the stage, or say what that would do.

    Args:
        place: Where.
        config: What the owners decided.
        env_file: The application's .env.
        execute: Do it.
        waiting: Is told that a hold file keeps the commit back.
        tell: Is told each part that is done, once it is durable.
        again: Repeats snapshot, build and verify when the window has begun; without it they stand as they are.

    Raises:
        Refused: A process has a file open, or a file has changed since the snapshot; all is as it was.
        MigratorError: A step failed; before the commit all is as it was.
    """
    with _alone(place, switch_state.CUTOVER, execute=execute, tell=tell) as ended:
        if ended:
            return ended
        if execute and again is not None:
            again()
            tell("snapshot, build and verify are done again")
        snapshot, built = backup_stage.latest(place.backups, read_back=inventory), build_stage.told(place.stage)
        if snapshot is None or built is None:
            raise Refused("there is no finished build", where=place.stage, hint="run: migrator migrate")
        planned = plan(place, config)
        wanted = cutover_stage.prepare(planned, snapshot, env_file)
        reasons = [*planned.refusals, *cutover_stage.refusals(wanted), _unready(planned, config)]
        if execute or again is None:
            # What is done again first cannot be foreseen.
            now = present(place, config)
            wanted = replace(wanted, digests=now.consolidated)
            reasons += [_older(built, snapshot), *check(place.evidence, now).reasons, _unaccepted(built, config)]
        reasons = [reason for reason in dict.fromkeys(reasons) if reason]
        found = cutover_stage.foreseen(wanted, reasons, stopped=place.stopped)
        if not config.code_is_ready:
            found = replace(found, findings=cutover_stage.unanswered(planned))
        if found.refusals or found.holders or not execute:
            return found
        return cutover_stage.cutover(wanted, snapshot, waiting=waiting, tell=tell, stopped=place.stopped)


@contextlib.contextmanager
def _alone(place: Place, kind: str, *, execute: bool, tell: Callable[[str], None]) -> Iterator[Switched | None]:
    """Let no other migrator work in *place* meanwhile, where something is done; yield what :func:`recovery.ended` returns.

    Where the set stands is asked after this: another rollback may have come to its end while this one was begun.
    """
    if not execute:
        permissions.refuse_strangers(place.data_dir)
    with locked(place.data_dir) if execute else contextlib.nullcontext():
        ended = recovery.ended(place, kind, execute=execute, tell=tell)
        with recovery.true_after_commit(place.data_dir):
            yield ended


def _unready(planned: Plan, config: Config) -> str:
    """Return a sentence if the application's code has to know new names and the owners do not say that it does."""
    silent = cutover_stage.unanswered(planned)
    if not silent or config.code_is_ready:
        return ""
    return (
        f"{len(silent):,} legacy tables will not answer under their name or with their columns ({silent[0]}, ...); "
        "say [decisions] code_is_ready = true once the code knows the new ones"
    )


def _older(built: Built, snapshot: Snapshot) -> str:
    """Return a sentence if the stage is not built from the newest snapshot."""
    if built.run == snapshot.run:
        return ""
    return (
        f"{escaped(built.stage)}: is built from the snapshot {built.run}, and the newest is {snapshot.run}; "
        "run: migrator migrate"
    )


def _unaccepted(built: Built, config: Config) -> str:
    """Return a sentence if another number of rows is in quarantine than the owners accept."""
    quarantined = built.quarantined
    if quarantined == config.accept_quarantine:
        return ""
    return (
        f"{quarantined:,} rows are in quarantine and the configuration accepts {config.accept_quarantine:,}; "
        f"look at them, then say [decisions] accept_quarantine = {quarantined}"
    )


def rollback(
    place: Place,
    config: Config,
    *,
    execute: bool,
    attempt: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> Switched:
    """Switch back to the legacy set with the rows written since the cutover, or say what that would do.

    What it would do is found out on copies; without *attempt*, only what speaks against it is looked for.  *tell* is told
    each part that is done, once it is durable.

    Raises:
        Refused: There is no cutover to roll back, or a process has a database open; all is as it was.
        RollbackFailed: A step failed; the consolidated set is still in use.
    """
    with _alone(place, switch_state.ROLLBACK, execute=execute, tell=tell) as ended:
        if ended:
            return ended
        last = switch_state.read(place.data_dir)
        if last is None or not last.consolidated:
            raise Refused("the legacy set is in use: there is no cutover to roll back", where=place.data_dir)
        trust.refuse(last, place.include, place.env_file)
        # What the set was built with counts; a constant that no row needed then may have been given since.
        last = replace(last, constants=MappingProxyType({**config.constants, **last.constants}))
        found = rollback_stage.foreseen(last, stopped=place.stopped)
        if found.refusals or (found.holders and execute) or not (execute or attempt):
            return found
        try:
            if not execute:
                return rollback_stage.tried(last, partial(_built_again, last), stopped=place.stopped)
            return rollback_stage.rollback(last, partial(_built_again, last), tell=tell, stopped=place.stopped)
        except (sqlite3.Error, OSError, MigratorError) as error:
            if isinstance(error, Refused):
                raise
            told = error if isinstance(error, MigratorError) else error_hints.told(error, [place.data_dir])
            why = f"{told}; the consolidated set is still in use"
            raise RollbackFailed(why, where=place.data_dir) from error


def _built_again(last: Switch, folder: Path, stage: Path, *, whole: bool = False) -> Mapping[str, Path]:
    """Build in *stage* what the legacy copies in *folder* become, as the cutover had it; return target -> path.

    Only a *whole* build has the carried tables and the indexes that the owners ordered.
    """
    # The copies may have been written since they were built from.
    durable_files.remove_folder(stage)
    build_stage.build(*rollback_stage.as_planned(last, folder, whole=whole), stage)
    return {target: stage / name for target, name in catalogue.TARGETS.items()}
