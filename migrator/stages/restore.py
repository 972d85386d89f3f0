"""Puts the legacy files of a run's backup back where they were, in one instant, and keeps the files that they replace.

It is a switch as a cutover is: every name becomes a link through the pointer, the pointer turns from the present files to copies
of the run's, and then each name is a file again.  What is replaced lies in ``backup/<run>/replaced`` afterwards, with its
journal and WAL.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from migrator.errors import Refused
from migrator.records import precondition
from migrator.records.backup import Snapshot
from migrator.records.inventory import Database, Inventory
from migrator.records.observer import Observer
from migrator.records.switch import Switched
from migrator.switch import preconditions, recovery
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.switch.preconditions import SwitchCase
from migrator.switch.state import Name, Switch
from migrator.system import connections, content_digest, durable_files, exclusive_access, open_files, private_copy
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder


class Prepared(NamedTuple):
    """A restore that is not yet made.

    Attributes:
        wanted: The switch, of the files that are not as their copies.
        left_alone: Path of each file that is as its copy -> its content, as :func:`_content` returns it.
    """

    wanted: Switch
    left_alone: Mapping[Path, tuple[object, ...]]


def prepare(snapshot: Snapshot, present: Inventory, env_file: Path) -> Prepared:
    """Return the restore of *snapshot* over the *present* files, not yet made; changes nothing.

    A file that has the content of its copy is left alone.

    Raises:
        Refused: A copy came from outside the data directory, and no present file has its place.
    """
    data_dir = present.data_dir.resolve()
    now = {database.path_in_snapshot: database for database in present.databases}
    names, left_alone = [], {}
    for copy in snapshot.inventory.databases:
        found = now.get(copy.place)
        if found is not None and (content := _same(found, copy, snapshot.folder / copy.place)):
            left_alone[found.path] = content
            continue
        if found is None and copy.place.parts[0] == "included":
            raise Refused(
                "came from outside the data directory, and no --include names where",
                where=escaped(snapshot.folder / copy.place),
                hint="name the file with --include; if it is gone, make an empty one there first",
            )
        names.append(_name(data_dir, copy, found, snapshot.journal_modes.get(str(copy.place), "")))
    wanted = Switch(
        data_dir=data_dir,
        kind=switch_state.RESTORE,
        run=snapshot.run,
        env_file=env_file.absolute(),
        names=tuple(names),
        tables=(),
        constants=MappingProxyType({}),
    )
    return Prepared(wanted, MappingProxyType(left_alone))


def _same(found: Database, copy: Database, path: Path) -> tuple[object, ...]:
    """Return the content of the file *found* if it is that of its *copy* at *path* in the snapshot, () if it is not."""
    if not found.digest or found.digest != copy.digest:
        return ()
    with contextlib.closing(connections.lenient(connections.read(path))) as connection:
        indexes = content_digest.index_digest(connection)
    if indexes:
        # The digest leaves them out, and the inventory does not read them.
        with private_folder() as folder:
            own = private_copy.private_copy(found.path, folder / copy.place.name)
            with connections.closing_scratch(own) as connection:
                if content_digest.index_digest(connections.lenient(connection)) != indexes:
                    return ()
    return copy.digest, indexes


def _content(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Return what must be equal in a file and its copy: digest of the content, digest of the indexes."""
    return content_digest.digest(connection), content_digest.index_digest(connection)


def _name(data_dir: Path, copy: Database, found: Database | None, journal_mode: str) -> Name:
    path = data_dir / copy.place if found is None else found.path.parent.resolve() / found.path.name
    return Name(
        database=copy.known_as,
        place=copy.place,
        path=path,
        target="",
        # As the application has it now; a file that cannot be read does not tell.
        journal_mode=found.journal_mode if found is not None and found.digest else journal_mode,
        digest=found.digest if found is not None else "",
    )


def foreseen(prepared: Prepared, *, stopped: bool = False) -> Switched:
    """Return what the restore *prepared* would do, the reasons against it, and the processes that are in its way."""
    wanted, left_alone = prepared
    if not wanted.names:
        return Switched(kind=switch_state.RESTORE, run=wanted.run, executed=False, names={}, done_before=True)
    paths = [*(name.path for name in wanted.names if name.path.is_file()), *left_alone]
    gone = sum(not name.path.exists() for name in wanted.names)
    return Switched(
        kind=switch_state.RESTORE,
        run=wanted.run,
        executed=False,
        names=switch_state.shown(wanted),
        steps=(
            f"{len(wanted.names)} files become what they were at the snapshot {wanted.run}; {gone} of them are gone now",
            f"what they replace is kept in backup/{wanted.run}/replaced, with journals and WALs",
        ),
        refusals=precondition.unmet(preconditions.RESTORE, SwitchCase(wanted, stopped)),
        holders=tuple(map(str, open_files.holders(paths))),
    )


def restore(prepared: Prepared, *, observer: Observer, stopped: bool = False) -> Switched:
    """Make the restore *prepared*.

    Args:
        prepared: The result of :func:`prepare`, without a reason against it.
        observer: Receives each step.
        stopped: The owner asserts that no process that this user cannot see has one of the files open.

    Raises:
        Refused: A process has a file open; all is as it was.
        OSError: A step failed; before the commit all is as it was.
    """
    wanted, left_alone = prepared
    # One of an earlier restore must not count as the commit of this one.
    durable_files.remove_if_there(wanted.pointer)
    _copy(wanted)
    observer.step(f"the files of backup/{wanted.run} are copied")
    before = switch_state.read(wanted.data_dir)
    readable = {name.path: "" for name in wanted.names if name.digest}
    with contextlib.ExitStack() as stack:
        try:
            exclusive_access.refuse_holders([*left_alone, *recovery.not_held(wanted)], stopped=stopped)
            # A write to one that is left alone would give a set that never was.
            stack.enter_context(exclusive_access.unwritten(left_alone, _content))
            hold = stack.enter_context(
                exclusive_access.held(
                    readable,
                    lambda: switch_state.write(wanted),
                    lambda: switch_state.forget(wanted) if before is None else switch_state.write(before),
                    stopped=stopped,
                )
            )
        except BaseException:
            durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
            raise
        observer.step(f"no other process can write to the {len(readable)} files that are replaced")
        try:
            switch_steps.make_legacy_tree(wanted)
            switch_steps.commit(wanted, switch_state.LEGACY)
            switch_steps.indirect(wanted)
            observer.step("every name goes through one pointer, still to the present files")
            hold.seal()
            exclusive_access.refuse_holders(recovery.not_held(wanted), stopped=stopped)
            if wanted.replaced.exists():
                durable_files.replace(wanted.replaced, recovery.free(wanted.replaced))
        except BaseException:
            recovery.undo(wanted, stack.close)
            if before is not None:
                switch_state.write(before)
            raise
        switch_steps.commit(wanted, switch_state.ROLLED_BACK)
        observer.step(f"COMMITTED: every name leads to the file of run {wanted.run}")
        recovery.complete(wanted)
        observer.step(f"the files have their names; what they replaced is in backup/{wanted.run}/replaced")
        blocked_s = time.monotonic() - hold.begun
    recovery.end(wanted)
    observer.step("writers can go on: the restore has come to its end")
    return Switched(
        kind=switch_state.RESTORE,
        run=wanted.run,
        executed=True,
        names=switch_state.shown(wanted),
        blocked_s=blocked_s,
        late=hold.late,
    )


def _copy(wanted: Switch) -> None:
    """Copy the run's files to the tree of the switch, durably, with the access of the files that they replace."""
    tree = wanted.tree(switch_state.ROLLED_BACK)
    durable_files.remove_folder(tree)
    folders = {tree}
    for name in wanted.names:
        source, copy = wanted.snapshot / name.place, tree / name.place
        durable_files.make_private_folder(copy.parent)
        shutil.copyfile(source, copy)
        durable_files.take_after(_like(name.path) or source, copy)
        durable_files.sync_file(copy)
        folders.add(copy.parent)
    for folder in sorted(folders):
        durable_files.sync_folder(folder)


def _like(path: Path) -> Path | None:
    """Return the file whose owner and permissions the one at *path* gets; None without one.

    It is the file itself, else of the databases beside it the one that the fewest users may read.  A copy in the backup is for its
    owner alone, and the application may be another user's.
    """
    if path.is_file():
        return path
    beside = (
        other for other in sorted(path.parent.glob(f"*{path.suffix}")) if other.is_file() and not other.is_symlink()
    )
    return min(beside, key=lambda other: (other.stat().st_mode & 0o777).bit_count(), default=None)
