"""Mistakes that the protocol could be built with: planted by name in the recorded process, each has to be caught.

Those from "the recovery trusts names" on were in the product until the lab found them.
"""

import contextlib
import os
import shutil
import stat
from unittest import mock

from migrator.stages import cutover as cutover_stage
from migrator.stages import restore as restore_stage
from migrator.stages.rollback import stage as rollback_stage
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.system import connections, durable_files, exclusive_access


def _nothing(*_, **__):
    pass


def _fsync_of_folders():
    """Return an fsync that leaves files out."""
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            real(descriptor)

    return fsync


def _without_fsync_of_files(function):
    def without(*arguments):
        with mock.patch.object(os, "fsync", _fsync_of_folders()):
            return function(*arguments)

    return without


def _set_flag_in_place(path, *, on, **_):
    path.resolve().write_bytes(env_flag.with_flag(path.read_bytes(), on=on))


def _first(before, function):
    """Return *function* after *before*, which is given the same."""

    def both(wanted, *arguments):
        before(wanted)
        return function(wanted, *arguments)

    return both


def _name_by_name(commit):
    def commit_name_by_name(wanted, to):
        if to == switch_state.NEW:
            switch_steps.flatten(wanted)
        commit(wanted, to)

    return commit_name_by_name


def _carelessly(opened):
    def careless(*arguments, **options):
        connection = opened(*arguments, **options)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    return careless


def _attach_carelessly(attach):
    def careless(connection, path, name, **options):
        attach(connection, path, name, **options)
        connection.execute(f"PRAGMA {connections.quoted(name)}.synchronous = OFF")

    return careless


@contextlib.contextmanager
def _held_by_nobody(expected, begin=_nothing, _undone=_nothing, **_):
    assert expected
    begin()
    # One that holds nothing.
    yield exclusive_access.Hold()


def _sync_folder_but(name):
    real = durable_files.sync_folder

    def sync_folder(path):
        if path.name != name:
            real(path)

    return sync_folder


def _flag_true(wanted):
    env_flag.set_flag(wanted.env_file, on=True)


_replace = durable_files.replace


def _pointer_first(wanted):
    durable_files.remove(wanted.pointer)


def _drop_what_was(wanted):
    shutil.rmtree(wanted.tree(switch_state.LEGACY))


def _copy_over(source, target):
    if source.is_symlink() or source.is_dir():
        _replace(source, target)
        return
    shutil.copyfile(source, target)
    durable_files.sync_file(target)
    source.unlink()
    durable_files.sync_folder(target.parent)
    durable_files.sync_folder(source.parent)


def _patches(name):
    """Return (where, what, by what) of the mistake *name*."""
    return {
        "no fsync": [(os, "fsync", _nothing)],
        "no fsync of folders": [(durable_files, "sync_folder", _nothing)],
        "no fsync of files": [(os, "fsync", _fsync_of_folders())],
        ".env in place": [(env_flag, "set_flag", _set_flag_in_place)],
        ".env not synced": [(durable_files, "rewrite", _without_fsync_of_files(durable_files.rewrite))],
        "flag first": [(cutover_stage, "_install", _first(_flag_true, cutover_stage._install))],
        "a rename for each name": [(switch_steps, "commit", _name_by_name(switch_steps.commit))],
        "copied instead of renamed": [(durable_files, "replace", _copy_over)],
        "synchronous OFF": [(connections, "take_over", _carelessly(connections.take_over))],
        "build with synchronous OFF": [(connections, "attach", _attach_carelessly(connections.attach))],
        "no quiesce": [(exclusive_access, "held", _held_by_nobody), (exclusive_access, "refuse_holders", _nothing)],
        "flag late in the rollback": [(switch_steps, "indirect", _first(_flag_true, switch_steps.indirect))],
        "copies of the rollback not synced": [(rollback_stage, "_sync", _nothing)],
        "copies of the restore not synced": [(restore_stage, "_copy", _without_fsync_of_files(restore_stage._copy))],
        "what a restore replaces not kept": [
            (recovery, "finish_restore", _first(_drop_what_was, recovery.finish_restore))
        ],
        "the pointer removed first": [(recovery, "undo_cutover", _first(_pointer_first, recovery.undo_cutover))],
        "the recovery trusts names": [(recovery, "_sync_what_was_done", _nothing)],
        "the baseline's journal not synced": [(durable_files, "sync_folder", _sync_folder_but("baseline.partial"))],
    }[name]


@contextlib.contextmanager
def planted(name):
    """Have the mistake *name* in the product; '' is none."""
    with contextlib.ExitStack() as stack:
        for where, what, by in _patches(name) if name else ():
            stack.enter_context(mock.patch.object(where, what, by))
        yield
