"""Cutover and rollback: plan the switch, run the owners' hooks around it, make it.

The plan is made once, without side effects.  Without ``execute`` it is returned to be printed; with it, the same plan is
carried out, unless something that it was made from has changed meanwhile: then it is made anew under the run lock.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from migrator.application.compat import opening, stored
from migrator.application.compat import unserved as unserved_by_compat
from migrator.config.config_file import Config
from migrator.errors import MigratorError, Refused, RollbackFailed
from migrator.pipeline import hooks, preconditions, status
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.records import precondition
from migrator.records.backup import Snapshot
from migrator.records.decisions import DecidedRow
from migrator.records.observer import Observer
from migrator.records.switch import Switched
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.stages.rollback import stage as rollback_stage
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system import connections, durable_files, error_hints, permissions, run_lock

#: Seconds between two attempts of a rollback that waits for processes to close the databases.
_RETRY_S = 0.5


#: What the owner does after a cutover, and after a rollback.
_AFTER_CUTOVER = (
    "start the bot, and watch it: migrator monitor",
    "back up the three every six hours, by a timer or cron: migrator backup",
    "compare what the bot's statements do on both sets: migrator replay",
    "find code that still opens legacy names: migrator census CODE",
)
AFTER_ROLLBACK = ("start the bot", "to begin anew, once the cause is known: migrator migrate")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoverPlan:
    """What a cutover would do.

    Attributes:
        shown: The plan as it is printed: names, steps, reasons against it, processes that have a file open.
        wanted: The switch.
        snapshot: The snapshot from which the stage was built.
        case: What its preconditions were checked on.
        made_from: The state of the files from which the plan was made, see :func:`_entries`.
    """

    shown: Switched
    wanted: Switch
    snapshot: Snapshot
    case: preconditions.Case
    made_from: Mapping[Path, tuple[int, ...]]


def cutover(
    workspace: Workspace,
    config: Config,
    *,
    execute: bool,
    catch_up: Callable[[], object] | None = None,
    observer: Observer | None = None,
) -> Switched:
    """Switch to the consolidated set in the stage, or return what that would do.

    Args:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        execute: Make the switch.
        catch_up: Takes a new snapshot, builds and verifies, after the hook ``before-cutover``.
        observer: Receives each step, and the wait for the file ``hold``.

    Raises:
        Refused: A hook failed, a process has a file open, or a file has changed since the snapshot; all is as it was.
        MigratorError: A step failed; before the commit all is as it was.
    """
    observer = observer or Observer()
    foreseen, plan = unfinished(workspace, switch_state.CUTOVER), None
    if done := _done_before(workspace):
        return done
    if foreseen is None:
        plan = plan_cutover(workspace, config, before_catching_up=catch_up is not None)
        foreseen = plan.shown
    if not execute:
        return foreseen

    def switch() -> Switched:
        with alone(workspace, switch_state.CUTOVER, observer) as ended:
            if ended := ended or _done_before(workspace):
                return ended
            if catch_up is not None:
                catch_up()
                observer.step("snapshot, build and verify are done again")
            # If no file has changed, the plan that was shown is the plan that is executed.
            holds = catch_up is None and plan is not None and plan.made_from == _entries(workspace)
            now = plan if plan and holds else plan_cutover(workspace, config)
            shown = replace(now.shown, holders=cutover_stage.holders(now.wanted))
            if shown.stopped:
                return shown
            with contextlib.suppress(OSError, sqlite3.Error, MigratorError):
                # Before the switch, so that the first process after it finds them.  One that finds none compiles its own.
                opening.write_plans(now.wanted)
            done = cutover_stage.cutover(
                now.wanted,
                now.snapshot,
                observer=observer,
                stopped=workspace.stopped,
                unmet_since=partial(_unmet_since, now.case),
            )
            return replace(done, next=_AFTER_CUTOVER)

    return hooks.around(switch, foreseen, config, workspace.data_dir)


def _done_before(workspace: Workspace) -> Switched | None:
    """Return the result of a cutover that an earlier command made; None where the legacy set is in use."""
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is None:
        return None
    return Switched(
        kind=switch_state.CUTOVER,
        run=last.run,
        executed=False,
        names=switch_state.shown(last),
        done_before=True,
        next=_AFTER_CUTOVER,
    )


def plan_cutover(workspace: Workspace, config: Config, *, before_catching_up: bool = False) -> CutoverPlan:
    """Return what a cutover would do; changes nothing.

    *before_catching_up*, the reasons that a new snapshot, build and verification may remove are left out.

    Raises:
        Refused: There is no snapshot, or no finished build.
    """
    made_from = _entries(workspace)
    snapshot, built = backup_stage.latest(workspace.backups, read_back=inventory), build_stage.recorded(workspace.stage)
    if snapshot is None or built is None:
        raise Refused("there is no finished build", where=workspace.stage, hint="run: migrator migrate")
    planned = pipeline_migrate.plan(workspace, config)
    present = status.present(workspace, config, planned.inventory)
    # The stage was built with the decisions as they fit the snapshot, which the evidence is about.
    planned = planned if planned.refusals else plan_stage.decided(planned, snapshot.inventory)
    wanted = replace(cutover_stage.prepare(planned, snapshot, workspace.env_file), digests=present.consolidated)
    # It costs some tenths of a second; an owner whose code is ready has no use for it.
    unserved = () if config.code_is_ready else unserved_by_compat.unserved(wanted)
    case = preconditions.Case(
        switch=wanted,
        stopped=workspace.stopped,
        workspace=workspace,
        config=config,
        plan=planned,
        snapshot=snapshot,
        built=built,
        quarantined=pipeline_quarantine.rows(workspace),
        present=present,
        unserved=unserved,
    )
    shown = cutover_stage.foreseen(wanted, preconditions.unmet(case, before_catching_up=before_catching_up))
    return CutoverPlan(
        shown=replace(shown, findings=unserved), wanted=wanted, snapshot=snapshot, case=case, made_from=made_from
    )


def _unmet_since(case: preconditions.Case) -> tuple[str, ...]:
    """Return the reasons against the cutover in *case* that the stage, its evidence and the acceptance give by now."""
    now = replace(
        case,
        quarantined=pipeline_quarantine.rows(case.workspace),
        present=status.present(case.workspace, case.config, case.plan.inventory),
    )
    return precondition.unmet(preconditions.RENEWED, now)


def _entries(workspace: Workspace) -> Mapping[Path, tuple[int, ...]]:
    """Return the state of each file from which a plan is made: path -> inode, size and times."""
    below = (Path(folder) / name for folder, _, files in os.walk(workspace.data_dir) for name in files)
    included = (
        connections.beside(path, suffix) for path in workspace.include for suffix in ("", *connections.COMPANIONS)
    )
    states = {}
    for path in {*below, *filter(os.path.lexists, included)} - {run_lock.path_of(workspace.data_dir)}:
        if path.parent == workspace.state / "log":
            # A monitor or a backup may be at work, and writes its own.
            continue
        try:
            state = path.lstat()
        except FileNotFoundError:
            # The bot may be running, and removes its journals.
            continue
        # Reading a database makes and removes empty companions and the index of a WAL; they hold no rows.
        if state.st_size and not path.name.endswith("-shm"):
            states[path] = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return states


def rollback(
    workspace: Workspace,
    config: Config,
    *,
    execute: bool,
    patience_s: float | None = None,
    observer: Observer | None = None,
) -> Switched:
    """Switch back to the legacy set with the rows written since the cutover, or return what that would do.

    Without *execute* the rollback is done on copies, and its result returned.

    Args:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        execute: Make the switch.
        patience_s: Seconds for which to wait for processes that have a database open.  Default: they are refused at once.
        observer: Receives each step.

    Raises:
        Refused: There is no cutover to roll back, a hook failed, or a process has a database open; all is as it was.
        RollbackFailed: A step failed; the consolidated set is still in use.
    """
    foreseen = unfinished(workspace, switch_state.ROLLBACK)
    if foreseen is None:
        last = _cutover_to_undo(workspace, config)
        foreseen = rollback_stage.foreseen(last, stopped=workspace.stopped)
        if not (execute or foreseen.refusals):
            with _failing(workspace):
                return rollback_stage.tried(last, partial(built_again, last), stopped=workspace.stopped)
    if not execute:
        return foreseen
    switch = partial(_roll_back, workspace, config, observer or Observer())
    if patience_s is not None:
        switch = partial(_patiently, switch, workspace, patience_s)
    return hooks.around(switch, foreseen, config, workspace.data_dir, waits=patience_s is not None)


def _roll_back(workspace: Workspace, config: Config, observer: Observer) -> Switched:
    """Switch back, unless there is a reason against it by now.

    Raises:
        Refused: As :func:`rollback`.
        RollbackFailed: As :func:`rollback`.
    """
    with alone(workspace, switch_state.ROLLBACK, observer) as ended:
        if ended:
            return ended
        last = _cutover_to_undo(workspace, config)
        foreseen = rollback_stage.foreseen(last, stopped=workspace.stopped)
        if foreseen.stopped:
            return foreseen
        with _failing(workspace):
            done = rollback_stage.rollback(
                last, partial(built_again, last), observer=observer, stopped=workspace.stopped
            )
        if done.executed:
            with contextlib.suppress(OSError):
                # Plans of a set that is no longer in use: no connection reads them.
                stored.remove(last)
            done = replace(done, next=(*_look_through(done), *AFTER_ROLLBACK))
        return done


def _look_through(done: Switched) -> Iterator[str]:
    """Yield what a rollback left to the owner."""
    if done.late:
        yield "restart the processes that are named above: they have a database open that was moved away"
    if done.residue:
        yield f"read the rows that the legacy set does not have, and why: backup/{done.run}/rolled-back/residue.db"
    if done.aside:
        yield "read the files that were kept aside: another program wrote them"


def _patiently(switch: Callable[[], Switched], workspace: Workspace, patience_s: float) -> Switched:
    """Try *switch* again until it is made, or for *patience_s* seconds; return its last result.

    Raises:
        Refused: The legacy set is in use meanwhile.
    """
    give_up = time.monotonic() + patience_s
    while True:
        try:
            done = switch()
        except Refused as error:
            if switch_state.cutover_in_use(workspace.data_dir) is None:
                raise
            done = Switched(kind=switch_state.ROLLBACK, run="", executed=False, names={}, refusals=(str(error),))
        if done.executed or time.monotonic() >= give_up:
            return done
        time.sleep(_RETRY_S)


@contextlib.contextmanager
def _failing(workspace: Workspace) -> Iterator[None]:
    """Convert each error but a refusal to one that reports that the consolidated set is still in use.

    Raises:
        RollbackFailed: A step failed.
    """
    try:
        yield
    except (sqlite3.Error, OSError, MigratorError) as error:
        if isinstance(error, Refused):
            raise
        told = error if isinstance(error, MigratorError) else error_hints.told(error, [workspace.data_dir])
        raise RollbackFailed(f"{told}; the consolidated set is still in use", where=workspace.data_dir) from error


def _cutover_to_undo(workspace: Workspace, config: Config) -> Switch:
    """Return the finished cutover in *workspace*, after a check that its record may be trusted.

    Raises:
        Refused: There is none, or its record leads to other files.
    """
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is None:
        raise Refused("the legacy set is in use: there is no cutover to roll back", where=workspace.data_dir)
    trust.refuse(last, workspace.include, workspace.env_file)
    # The constants of the build count; the configuration may have got one since that no row needed then.
    return replace(last, constants=MappingProxyType({**config.constants, **last.constants}))


def unfinished(workspace: Workspace, kind: str) -> Switched | None:
    """Return what the verb *kind* would do about a switch under way in *workspace*, or None."""
    permissions.refuse_strangers(workspace.data_dir)
    return recovery.ended(workspace, kind, execute=False, tell=lambda _: None)


@contextlib.contextmanager
def alone(workspace: Workspace, kind: str, observer: Observer) -> Iterator[Switched | None]:
    """Take the run lock of *workspace*, and end an interrupted switch; yield its result, if that completes the verb *kind*.

    The state is read only under the lock: another process may have rolled back since this one started.
    """
    with run_lock.locked(workspace.data_dir):
        ended = recovery.ended(workspace, kind, execute=True, tell=observer.step)
        with recovery.true_after_commit(workspace.data_dir):
            yield ended


def built_again(
    last: Switch, folder: Path, stage: Path, *, whole: bool = False, stay: Sequence[DecidedRow] = ()
) -> Mapping[str, Path]:
    """Build in *stage* the consolidated set of the legacy copies in *folder*, as the cutover did; return target -> path.

    Only a *whole* build has the carried tables and the indexes that the owners ordered.  The rows *stay* keep their place before rivals.
    """
    # The copies may have changed since the last build.
    durable_files.remove_folder(stage)
    build_stage.build(*rollback_stage.as_planned(last, folder, whole=whole, stay=stay), stage)
    return {target: stage / name for target, name in catalogue.TARGETS.items()}
