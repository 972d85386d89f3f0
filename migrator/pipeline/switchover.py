"""Cutover and rollback: checks what speaks against the switch, then makes it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from migrator.config.config_file import Config
from migrator.errors import MigratorError, Refused, RollbackFailed
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.plan import Plan
from migrator.records.switch import Switched
from migrator.schema import catalogue
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.rollback import stage as rollback_stage
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Place
from migrator.system import durable_files, error_hints, permissions
from migrator.system.run_lock import locked
from migrator.system.serialize import escaped


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
        planned = pipeline_migrate.plan(place, config)
        wanted = cutover_stage.prepare(planned, snapshot, env_file)
        reasons = [*planned.refusals, *cutover_stage.refusals(wanted), _unready(planned, config)]
        if execute or again is None:
            # What is done again first cannot be foreseen.
            now = pipeline_status.present(place, config)
            wanted = replace(wanted, digests=now.consolidated)
            reasons += [
                _older(built, snapshot),
                *pipeline_status.check(place.evidence, now).reasons,
                _unaccepted(built, config),
            ]
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
