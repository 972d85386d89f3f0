"""Rollback: switches all names back to the legacy set, with the rows written since the cutover.

First :mod:`migrator.stages.rollback.legacy_copies` writes the rows to copies of the legacy files, proves them and keeps the
residue; if a process commits meanwhile, once more while none can write.  Then the flag is set first, so that no process reads ``true`` while the names lead to the legacy
set, and one rename of the pointer is the commit.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from migrator.errors import MigratorError
from migrator.records import precondition
from migrator.records.observer import Observer
from migrator.records.switch import Switched
from migrator.stages.rollback import baseline as rollback_baseline
from migrator.stages.rollback import legacy_copies
from migrator.stages.rollback.legacy_copies import Rebuild, Written, as_planned, way_back
from migrator.switch import env_flag, preconditions, recovery
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.switch.preconditions import SwitchCase
from migrator.switch.state import Switch
from migrator.system import connections, durable_files, exclusive_access, open_files, permissions
from migrator.system.escaping import escaped

#: Name of the database of the rows that the legacy set does not have.
_RESIDUE = "residue.db"

__all__ = ["as_planned", "foreseen", "rollback", "tried", "way_back"]


def foreseen(last: Switch, *, stopped: bool = False) -> Switched:
    """Return the steps of a rollback of the finished cutover *last*, the reasons against it, and processes in its way.

    *stopped* is as :func:`rollback` has it.
    """
    return Switched(
        kind=switch_state.ROLLBACK,
        run=last.run,
        executed=False,
        names=switch_state.shown(last),
        steps=(
            f"each name is the legacy file of backup/{last.run}/originals again, with what was written since",
            f"{env_flag.FLAG}=false in {escaped(last.env_file)}, every other byte of it as it is",
            f"the three go to backup/{last.run}/rolled-back, beside residue.db with the rows that the legacy set does not have",
        ),
        refusals=precondition.unmet(preconditions.ROLLBACK, SwitchCase(last, stopped)),
        holders=tuple(map(str, open_files.holders((*preconditions.in_use(last), *_originals(last))))),
    )


def tried(last: Switch, rebuild: Rebuild, *, stopped: bool = False) -> Switched:
    """Return what a rollback of the finished cutover *last* would do, by doing it on copies; changes nothing else.

    Raises:
        MigratorError: The proof of the legacy copies would fail.
    """
    shown = foreseen(last, stopped=stopped)
    if shown.refusals:
        return shown
    written = legacy_copies.rehearse(last, rebuild)
    return replace(
        shown,
        written=written.counts,
        residue=written.residue,
        findings=tuple(written.done.told),
        aside=tuple(map(str, preconditions.made_since(last))),
    )


def rollback(last: Switch, rebuild: Rebuild, *, observer: Observer, stopped: bool = False) -> Switched:
    """Switch the names back to the legacy set, with the rows that were written since the cutover.

    Args:
        last: The finished cutover.
        rebuild: Builds the consolidated set of the legacy copies.
        observer: Receives each step.
        stopped: The owner asserts that no process that this user cannot see has one of the databases open.

    Raises:
        Refused: A process has one of the databases open; all is as it was.
        MigratorError: The proof of the legacy copies failed; all is as it was.
    """
    wanted = replace(last, kind=switch_state.ROLLBACK, finished=False)
    write = partial(_write_copies, wanted, rollback_baseline.sound(wanted), rebuild)
    with contextlib.ExitStack() as stack:
        hold, written = _hold(stack, wanted, last, write, stopped=stopped)
        observer.step("no other process can write to the three consolidated databases")
        try:
            written = written or write()
            rollback_baseline.put_back(wanted, written.baseline)
            kept = wanted.left_behind / _RESIDUE
            durable_files.make_private_folder(kept.parent)
            durable_files.remove_if_there(kept)
            if written.residue:
                durable_files.replace(wanted.scratch / _RESIDUE, kept)
            legacy = [wanted.tree(switch_state.ROLLED_BACK) / name.place for name in wanted.names]
            durable_files.remove_folder(wanted.scratch)
            observer.step(
                "what was written since is in copies of the legacy files, and proved; the consolidated set is in use"
            )
            # After the commit a legacy name leads to a copy that will be renamed: no process may write to it before.
            copied = stack.enter_context(exclusive_access.held(dict.fromkeys(legacy, ""), stopped=stopped))
            env_flag.set_flag(wanted.env_file, on=False)
            aside = switch_steps.put_aside(wanted)
            switch_steps.indirect(wanted)
            observer.step(
                f"{env_flag.FLAG}=false; every legacy name goes through one pointer, still to the consolidated set"
            )
            exclusive_access.refuse_holders(aside)
            copied.seal()
            hold.seal()
        except BaseException:
            recovery.undo(wanted, stack.close)
            raise
        switch_steps.commit(wanted, switch_state.ROLLED_BACK)
        observer.step("COMMITTED: every legacy name leads to a legacy file")
        recovery.complete(wanted)
        observer.step(f"the legacy files have their names; the three databases are in backup/{wanted.run}/rolled-back")
        blocked_s = time.monotonic() - hold.begun
    recovery.end(wanted)
    observer.step("writers can go on: the rollback has come to its end")
    return Switched(
        kind=switch_state.ROLLBACK,
        run=wanted.run,
        executed=True,
        names=switch_state.shown(wanted),
        blocked_s=blocked_s,
        written=written.counts,
        residue=written.residue,
        findings=tuple(written.done.told),
        aside=tuple(map(str, aside)),
        late=(*hold.late, *copied.late),
    )


def _hold(
    stack: contextlib.ExitStack, wanted: Switch, last: Switch, write: Callable[[], Written], *, stopped: bool
) -> tuple[exclusive_access.Hold, Written | None]:
    """Hold the three databases until *stack* is closed, and record that a rollback is under way.

    Also the originals: a row written to one after its copy was made would be in neither set.  *write* takes seconds in a
    large set, and is called before any process is held up.

    Returns:
        The hold, and the result of *write*; None if that has to be called again, now that nothing can change.

    Raises:
        Refused: As :func:`exclusive_access.held`; the record is that of the finished cutover *last* again.
    """
    originals = _originals(wanted)
    held = [path for path in originals if _can_be_held(path)]
    early: list[Written] = []

    def look() -> None:
        # A late write to an original that cannot be held shows only in its content, which is read once.
        if len(held) == len(originals):
            # What fails while another process writes need not fail once it cannot.
            with contextlib.suppress(MigratorError, sqlite3.Error):
                early.append(write())

    paths = dict.fromkeys((*map(wanted.installed, wanted.targets), *held), "")
    try:
        hold = stack.enter_context(
            exclusive_access.held(paths, lambda: switch_state.write(wanted), look=look, stopped=stopped)
        )
    except BaseException:
        durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
        durable_files.remove_folder(wanted.scratch)
        switch_state.write(last)
        raise
    return hold, early[0] if early and hold.unchanged else None


def _write_copies(wanted: Switch, baseline: Mapping[str, Path], rebuild: Rebuild) -> Written:
    """Write the legacy copies, and the residue in the scratch folder; return what was written, once the disk has it.

    Raises:
        MigratorError: The proof of the legacy copies failed.
    """
    scratch, tree = wanted.scratch, wanted.tree(switch_state.ROLLED_BACK)
    for folder in (scratch, tree):
        durable_files.remove_folder(folder)
        durable_files.make_private_folder(folder)
    originals = legacy_copies.copy_originals(wanted, tree, scratch / "late")
    installed = {target: wanted.installed(target) for target in wanted.targets}
    copies = {target: _copied(path, scratch / path.name) for target, path in installed.items()}
    written = legacy_copies.write(wanted, tree, copies, baseline, originals, rebuild, scratch / _RESIDUE)
    _sync(wanted)
    if written.residue:
        durable_files.sync_file(scratch / _RESIDUE)
    return written


def _originals(last: Switch) -> tuple[Path, ...]:
    """Return the originals that exist and are databases; no process should have one open any more."""
    paths = (last.originals / name.place for name in last.names)
    return tuple(path for path in paths if path.is_file() and connections.is_one(path))


def _can_be_held(original: Path) -> bool:
    """Return whether *original* can be held; else only its digest shows a late write."""
    if not permissions.may_write(original):
        return False
    try:
        with contextlib.closing(connections.take_over(original, exclusive_access.PATIENCE_S)) as connection:
            connection.execute("PRAGMA data_version").fetchone()
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorname not in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    return True


def _copied(path: Path, copy: Path) -> Path:
    """Copy a database that may be held, through SQLite: closing any other descriptor would drop its lock."""
    with contextlib.closing(connections.read(path)) as reader, contextlib.closing(connections.create(copy)) as writer:
        reader.backup(writer)
    return copy


def _sync(wanted: Switch) -> None:
    for name in wanted.names:
        copy = wanted.tree(switch_state.ROLLED_BACK) / name.place
        durable_files.sync_file(copy)
        durable_files.sync_folder(copy.parent)
