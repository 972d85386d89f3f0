"""Replays statements on private copies: before the cutover of the finished build, after it of the set in use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from migrator.application.replay import comparison, statements
from migrator.application.replay.comparison import Replay
from migrator.application.replay.copies import Copies
from migrator.config.config_file import Config
from migrator.errors import Refused
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory.stage import inventory
from migrator.stages.plan import stage as plan_stage
from migrator.stages.rollback import legacy_copies
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system import connections, content_digest, private_copy
from migrator.system.temporary_folders import private_folder


def replay(
    workspace: Workspace, config: Config, path: Path | None = None, *, observer: Observer | None = None
) -> Replay:
    """Replay the statements of the file *path*, by default the workload's; changes nothing but private copies.

    Args:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        path: An SQL file, or a record of statements.
        observer: Receives how many statements are replayed.

    Raises:
        UsageError: The file cannot be read.
        Refused: There is neither a finished build nor a cutover.
        MigratorError: A copy cannot be made.
    """
    wanted = statements.of_workload() if path is None else statements.of_file(path)
    observer = observer or Observer()
    last = switch_state.cutover_in_use(workspace.data_dir)
    with private_folder("replay") as folder:
        if last is None:
            switch, legacy, source = _of_build(workspace, config)
            consolidated = {target: switch.staged(target) for target in switch.targets}
        else:
            consolidated = {target: last.installed(target) for target in last.targets}
            switch, legacy, source = _in_use(last, folder / "rollback")
        copies = Copies(folder, switch, legacy, consolidated)
        observer.stage("replay", len(wanted), "statements")
        return comparison.replay(wanted, copies, source=source, done=lambda number: observer.done(number, len(wanted)))


def _of_build(workspace: Workspace, config: Config) -> tuple[Switch, Mapping[str, Path], str]:
    """Return the cutover of the finished build, the legacy databases of its snapshot, and what they are.

    Raises:
        Refused: There is no finished build of the newest snapshot.
    """
    snapshot, built = backup_stage.latest(workspace.backups, read_back=inventory), build_stage.recorded(workspace.stage)
    if snapshot is None or built is None:
        raise Refused("there is no finished build", where=workspace.stage, hint="run: migrator migrate")
    if built.run != snapshot.run:
        raise Refused(
            f"is built from the snapshot {built.run}, and the newest is {snapshot.run}",
            where=workspace.stage,
            hint="run: migrator migrate",
        )
    planned = plan_stage.decided(
        plan_stage.plan(snapshot.inventory, config, disk=workspace.data_dir), snapshot.inventory
    )
    # The files of this plan lie in the snapshot; the stage does not.
    wanted = replace(
        cutover_stage.prepare(planned, snapshot, workspace.env_file), data_dir=workspace.data_dir.resolve()
    )
    legacy = {name.database: snapshot.folder / name.place for name in wanted.names}
    return wanted, legacy, f"snapshot {snapshot.run}, and the build of it"


def _in_use(last: Switch, folder: Path) -> tuple[Switch, Mapping[str, Path], str]:
    """Return the cutover, legacy databases with the rows of the set in use, and what they are.

    If the application has written since the cutover, they are those that a rollback would give.

    Raises:
        MigratorError: The proof of the legacy copies would fail.
    """
    if not _written_since(last, folder):
        legacy = {name.database: last.snapshot / name.place for name in last.names}
        return last, legacy, f"snapshot {last.run}, and the set in use: nothing was written since the cutover"
    legacy_copies.made_in(folder, last, partial(switchover.built_again, last))
    legacy = {name.database: folder / "legacy" / name.place for name in last.names}
    return last, legacy, "the legacy set as a rollback would give it now, and the set in use"


def _written_since(last: Switch, folder: Path) -> bool:
    """Return whether the set in use has other content than the cutover installed, or its snapshot is gone."""
    if not all((last.snapshot / name.place).is_file() for name in last.names):
        return True
    folder.mkdir()
    for target in last.targets:
        copy = private_copy.private_copy(last.installed(target), folder / f"{target}.db")
        with closing(connections.scratch(copy)) as connection:
            digest = content_digest.content(connection).digest
        copy.unlink()
        if digest != last.digests.get(target):
            return True
    return False
