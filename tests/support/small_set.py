"""A small legacy set, built and ready to be switched, and a switch that is watched or dies at any of its durable steps.

Four legacy files, one or more for each consolidated database; in memory where the system has a folder for that, since a
switch waits for the disk at each step.  The contracts are judged elsewhere: evidence is not asked for.
"""

import contextlib
import os
import shutil
import traceback
from dataclasses import replace
from unittest import mock

import generated

from contracts.specimens import generator
from migrator.application.compat import opening
from migrator.config import config_file
from migrator.errors import Refused
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import restore as pipeline_restore
from migrator.pipeline import switchover
from migrator.records.observer import Observer
from migrator.stages import backup as backup_stage
from migrator.stages import cutover as cutover_stage
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory import inspect_pool
from migrator.stages.inventory.stage import inventory
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import durable_files

#: What stays of a specimen: core twice, analytics, cache.
KEPT = {"jarvis", "alerts", "jarvis_memory", "file_cache", "migrator"}
#: What a switch does to the disk: each may be the last thing that happens.
STEPS = ("replace", "link", "point", "remove", "rewrite", "write", "remove_folder", "sync_folder")


def make(home):
    """Make the set below the new folder *home*, and build it."""
    write(home)
    build(home)
    return home


def write(home):
    """Make the files of the set below *home*."""
    generator.make(home / "data", seed=7, rows=60, wal=True)
    for path in sorted((home / "data").rglob("*")):
        if path.is_file() and path.name.partition(".")[0] not in KEPT:
            path.unlink()


def workspace_of(home):
    return Workspace(home / "data"), config_file.load(home / "data" / "migrator.toml")


@contextlib.contextmanager
def in_this_process():
    """Have inventory examine files in this process: its child takes longer to start than all the rest."""
    with mock.patch.object(inspect_pool, "examine", generated._examined):
        yield


def build(home):
    """Take a snapshot and build from it: what ``migrator migrate`` does before the contracts judge it."""
    workspace, configuration = workspace_of(home)
    with in_this_process():
        built = pipeline_migrate.build(
            workspace,
            configuration,
            pipeline_migrate.backup(pipeline_migrate.plan(workspace, configuration), workspace),
        )
    assert built.holds


class _Told(Observer):
    """Passes each step of a switch on."""

    def __init__(self, tell):
        self.step = tell


def cut_over(home, tell=lambda _: None, *, serving=False):
    """Switch to the consolidated set; with *serving* legacy schemas are written down for other users, as the command does."""
    workspace, configuration = workspace_of(home)
    with in_this_process():
        snapshot = backup_stage.latest(workspace.backups, read_back=inventory)
        planned = pipeline_migrate.plan(workspace, configuration)
    wanted = replace(
        cutover_stage.prepare(planned, snapshot, home / ".env"), digests=build_stage.recorded(workspace.stage).digests
    )
    if reasons := [*planned.refusals, *cutover_stage.refusals(wanted)]:
        raise Refused("; ".join(reasons))
    if serving:
        opening.write_plans(wanted)
    return cutover_stage.cutover(wanted, snapshot, observer=_Told(tell))


def migrate(home):
    """Take a snapshot, build from it, and switch to the consolidated set."""
    build(home)
    return cut_over(home)


def roll_back(home, tell=lambda _: None):
    """Switch back."""
    workspace, configuration = workspace_of(home)
    with in_this_process():
        done = switchover.rollback(workspace, configuration, execute=True, observer=_Told(tell))
    if not done.executed:
        raise Refused("; ".join((*done.refusals, *done.holders)))
    return done


def restore(home, tell=lambda _: None):
    """Put the files of the first snapshot back."""
    workspace, _ = workspace_of(home)
    with in_this_process():
        return pipeline_restore.restore(workspace, "0001", execute=True, observer=_Told(tell))


@contextlib.contextmanager
def after_each_step(called):
    """Call *called* with its number and name after each durable step."""
    count = 0

    def counting(name, step):
        def counted(*arguments):
            nonlocal count
            done = step(*arguments)
            count += 1
            called(count, name)
            return done

        return counted

    with contextlib.ExitStack() as stack:
        for name in STEPS:
            stack.enter_context(mock.patch.object(durable_files, name, counting(name, getattr(durable_files, name))))
        yield


def steps_of(deed, home):
    """Do *deed*; return how many durable steps it made."""
    steps = []
    with after_each_step(lambda number, _: steps.append(number)):
        deed(home)
    return len(steps)


def die_after(deed, home, last):
    """Do *deed* in a child that is dead right after its durable step number *last*; return whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            with after_each_step(lambda number, _: os._exit(9) if number == last else None):
                deed(home)
            os._exit(0)
        finally:
            # Only an error comes here: it must not go on into what the parent has to do.
            traceback.print_exc()
            os._exit(8)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), f"{deed.__name__} did not die but failed"
    return code == 9


def copied(home, into):
    """Return a copy of *home* that may be spoilt."""
    shutil.rmtree(into, ignore_errors=True)
    return shutil.copytree(home, into, symlinks=True)


def last_switch(home):
    return switch_state.read(home / "data")


def moved(made, data):
    """Return the switch *made* as it would be had it been made in the data directory *data*, where its folder was copied."""
    names = tuple(replace(name, path=data / name.path.relative_to(made.data_dir)) for name in made.names)
    return replace(made, data_dir=data, env_file=data.parent / made.env_file.name, names=names)
