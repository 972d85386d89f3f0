"""Recovery: finishes or undoes an interrupted switch, as the pointer decides.

Every step can be repeated, so that an interrupted recovery starts again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from migrator.errors import MigratorError, Refused
from migrator.records.switch import Switched
from migrator.switch import env_flag, trust
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.switch.state import Switch
from migrator.switch.workspace import EVENTS, Workspace
from migrator.system import connections, durable_files, exclusive_access
from migrator.system.durable_files import Access
from migrator.system.run_lock import is_held, locked


def cut_short(data_dir: Path) -> str:
    """Return a sentence about an interrupted switch in *data_dir*, with the command that ends it; '' without one.

    Raises:
        MigratorError: What was written about it is not what we write.
    """
    switch = switch_state.under_way(data_dir)
    if switch is None:
        return ""
    set_in_use, verb = (
        ("consolidated", switch_state.CUTOVER) if _consolidated(switch) else ("legacy", switch_state.ROLLBACK)
    )
    if switch.kind == switch_state.RESTORE:
        verb = f"{switch_state.RESTORE} {switch.run}"
    when, end = ("after", "finish") if _committed(switch) else ("before", "undo")
    return (
        f"a {switch.kind} of run {switch.run} was cut short {when} its commit, and the {set_in_use} set is in use; "
        f"to {end} it run: migrator {verb} --execute"
    )


def at_work(data_dir: Path) -> str:
    """Return a sentence about a switch in *data_dir* that another migrator is making or ending now; '' without one.

    Raises:
        MigratorError: What was written about it is not what we write.
    """
    switch = switch_state.under_way(data_dir)
    if switch is None or not is_held(data_dir):
        return ""
    return f"another migrator is at work on the {switch.kind} of run {switch.run}; wait until it has ended, then run: migrator status"


@contextlib.contextmanager
def true_after_commit(data_dir: Path) -> Iterator[None]:
    """Replace an error by one that reports the commit, if a switch in *data_dir* has committed and not ended.

    Raises:
        MigratorError: What ended it, and the command that finishes the switch.
    """
    try:
        yield
    except (MigratorError, OSError, sqlite3.Error) as error:
        switch = switch_state.under_way(data_dir)
        if switch is None or not _committed(switch):
            raise
        what = error.what if isinstance(error, MigratorError) else str(error)
        logged = error.logged if isinstance(error, MigratorError) else None
        raise MigratorError(
            f"committed, but {what}", where=data_dir, hint=cut_short(data_dir), logged=logged
        ) from error


def _committed(switch: Switch) -> bool:
    """Return whether *switch*, which is under way, has committed."""
    if switch.kind == switch_state.RESTORE:
        return switch_state.pointed(switch) == switch_state.ROLLED_BACK
    return _consolidated(switch) == (switch.kind == switch_state.CUTOVER)


def _consolidated(switch: Switch) -> bool:
    """Return whether the names lead to the consolidated set while *switch* is under way."""
    return switch_state.pointed(switch) == switch_state.NEW


def ended(workspace: Workspace, kind: str, *, execute: bool, tell: Callable[[str], None]) -> Switched | None:
    """End an interrupted switch in *workspace* for the verb *kind*; without *execute* return what that would do.

    Returns:
        The result of the verb, or None if the verb still has to make its own switch.

    Raises:
        Refused: As :func:`recover`.
    """
    switch = switch_state.under_way(workspace.data_dir)
    if switch is None:
        return None
    against = "" if execute else at_work(workspace.data_dir) or _refused(switch, workspace)
    foreseen = Switched(
        kind=kind,
        run=switch.run,
        executed=False,
        names=switch_state.shown(switch),
        steps=() if against else (cut_short(workspace.data_dir),),
        refusals=(against,) if against else (),
    )
    if not execute:
        return foreseen
    done = _committed(switch) and switch.kind == kind
    sentence = recover(workspace.data_dir, workspace)
    tell(sentence)
    if switch_state.RESTORE in (kind, switch.kind):
        return replace(foreseen, executed=True, steps=(), findings=(sentence,)) if done else None
    if (switch_state.cutover_in_use(workspace.data_dir) is not None) != (kind == switch_state.CUTOVER):
        return None
    return replace(foreseen, executed=True, steps=(), findings=(sentence,))


def _refused(switch: Switch, workspace: Workspace) -> str:
    """Return why *switch* would not be ended in *workspace*, or ''; changes nothing."""
    try:
        trust.refuse(switch, workspace.include, workspace.env_file)
    except Refused as error:
        return str(error)
    return ""


def settle(data_dir: Path, workspace: Workspace | None = None, patience_s: float = 0.0) -> str:
    """Wait for another migrator's switch in *data_dir*, or end an interrupted one.

    Returns:
        A sentence that says what was done, '' if nothing.

    Raises:
        Refused: As :func:`recover`, or another migrator is at work for longer than *patience_s* s.
        MigratorError: The names are not as we left them.
    """
    switch = switch_state.under_way(data_dir)
    if switch is None:
        return ""
    with locked(data_dir, patience_s):
        return recover(data_dir, workspace)


def recover(data_dir: Path, workspace: Workspace | None = None) -> str:
    """Bring an interrupted switch in *data_dir* to its end; return a sentence that says what was done, '' if nothing.

    *workspace* names what else the switch may lead to.  Default: nothing but the .env beside the data directory.

    Raises:
        Refused: A process has one of the databases open, or the switch leads to a file that is not named.
        MigratorError: The names are not as we left them.
    """
    switch = switch_state.under_way(data_dir)
    if switch is None:
        return ""
    workspace = workspace or Workspace(data_dir)
    trust.refuse(switch, workspace.include, workspace.env_file)
    _sync_what_was_done(switch)
    committed = _committed(switch)
    if not committed:
        exclusive_access.refuse_holders(not_held(switch), stopped=workspace.stopped)
    with contextlib.ExitStack() as stack:
        # A process may have opened a database since: none may while its name or its journal moves.
        paths = dict.fromkeys(_to_be_moved(switch, committed=committed), "")
        hold = stack.enter_context(exclusive_access.held(paths, stopped=workspace.stopped)) if paths else None
        if hold:
            hold.seal()
        if not committed:
            undo(switch, stack.close)
            to, then = {
                switch_state.CUTOVER: ("to", "everything is as it was before"),
                switch_state.ROLLBACK: ("from", "the consolidated set is in use"),
                switch_state.RESTORE: ("of", "everything is as it was before"),
            }[switch.kind]
            return f"a {switch.kind} {to} run {switch.run} had been cut short before its commit; {then}"
        complete(switch)
    end(switch)
    of = "from" if switch.kind == switch_state.ROLLBACK else "of"
    sentence = f"the {switch.kind} {of} run {switch.run} had been cut short after its commit; it is finished"
    return "; ".join((sentence, *(hold.late if hold else ())))


def undo(wanted: Switch, let_go: Callable[[], None]) -> None:
    """Undo a switch that has not committed: its names and files, then *let_go* of what is held, then modes and record."""
    if wanted.kind == switch_state.CUTOVER:
        undo_cutover(wanted)
        let_go()
        restore_journal_modes(wanted)
        switch_state.forget(wanted)
    elif wanted.kind == switch_state.RESTORE:
        undo_restore(wanted)
        let_go()
        # One that is missing or damaged has no journal mode to go back to.
        restore_journal_modes(replace(wanted, names=tuple(name for name in wanted.names if name.digest)))
        switch_state.forget(wanted)
    else:
        undo_rollback(wanted)
        let_go()
        back_to_wal(wanted)
        switch_state.finish(replace(wanted, kind=switch_state.CUTOVER))


def complete(wanted: Switch) -> None:
    """Go on from the commit of a switch, while the databases are held; :func:`end` follows once they are not."""
    finish = {
        switch_state.CUTOVER: finish_cutover,
        switch_state.ROLLBACK: finish_rollback,
        switch_state.RESTORE: finish_restore,
    }
    finish[wanted.kind](wanted)


def end(wanted: Switch) -> None:
    """Set the journal modes of the set in use, and record that the switch has come to its end.

    A restore leaves no record: the legacy set is in use as before any switch.
    """
    if wanted.kind == switch_state.RESTORE:
        restore_journal_modes(wanted)
        switch_state.forget(wanted)
        # Only now: until the record is gone the pointer tells that the restore has committed.
        durable_files.remove(wanted.pointer)
        return
    (back_to_wal if wanted.kind == switch_state.CUTOVER else restore_journal_modes)(wanted)
    switch_state.finish(wanted)


def _sync_what_was_done(switch: Switch) -> None:
    """Make the names durable that a process which was killed had changed and not yet synced.

    Else what is built on them could outlast them: the flag and the names of the new set, and the pointer to the old one.
    """
    ours = (switch.root, switch.originals.parent)
    folders = {folder for top in ours for folder, _, _ in os.walk(top)}
    paths = (switch.env_file.resolve(), switch.originals.parent, *(name.path for name in switch.names))
    folders |= {str(path.parent) for path in paths}
    for folder in sorted(folders | {str(switch.data_dir)}):
        # The user may have moved the backup away.
        if Path(folder).is_dir():
            durable_files.sync_folder(Path(folder))


def undo_cutover(wanted: Switch) -> None:
    """Go back to before a cutover that has not committed: the legacy files under their names, the three in the stage."""
    env_flag.set_flag(wanted.env_file, on=False)
    if switch_state.pointed(wanted):
        switch_steps.put_back(wanted, switch_state.LEGACY)
        # From here on no name goes through the pointer.
        durable_files.remove(wanted.pointer)
    durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
    durable_files.remove_folder(wanted.tree(switch_state.NEW))
    durable_files.remove_folder(wanted.baseline_to_be)
    for target in wanted.targets:
        if wanted.installed(target).exists() and not wanted.staged(target).exists():
            wanted.installed(target).chmod(0o600)
            durable_files.give_to_owner_of(wanted.data_dir, wanted.installed(target))
            durable_files.replace(wanted.installed(target), wanted.staged(target))
        if wanted.staged(target).exists():
            _set_journal_mode(wanted.staged(target), "wal")
    _remove_drafts(wanted)


def finish_cutover(wanted: Switch) -> None:
    """Go on from the commit of a cutover: the flag, names as specified, the originals into the backup.

    Results of an earlier cutover of the same run are renamed: its residue is kept, its errors do not count.
    """
    env_flag.set_flag(wanted.env_file, on=True, access=switch_state.shared(wanted, 0o644))
    if wanted.left_behind.exists():
        durable_files.replace(wanted.left_behind, free(wanted.left_behind))
    durable_files.remove(wanted.latch)
    durable_files.remove_if_there(wanted.watch)
    switch_steps.flatten(wanted)
    durable_files.write(wanted.data_dir / EVENTS, "", _counting(wanted))
    for name in wanted.names:
        kept, original = wanted.tree(switch_state.LEGACY) / name.place, wanted.originals / name.place
        if kept.exists():
            durable_files.make_private_folder(original.parent)
            durable_files.replace(kept, original)
    durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
    if wanted.baseline_to_be.exists():
        durable_files.remove_folder(wanted.baseline)
        durable_files.replace(wanted.baseline_to_be, wanted.baseline)
    _remove_drafts(wanted)


def _counting(wanted: Switch) -> Access:
    """Return the access to the application's events: for the writers of its databases, as far as the ownership check allows."""
    shared, folder = switch_state.shared(wanted, 0o664), wanted.data_dir.stat()
    allowed = folder.st_mode & 0o020 and folder.st_gid == shared.group
    return shared if allowed else shared._replace(mode=shared.mode & ~0o020)


def undo_rollback(wanted: Switch) -> None:
    """Go back to before a rollback that has not committed: the names as specified, the flag as it was."""
    switch_steps.flatten(wanted)
    switch_steps.take_from_aside(wanted)
    durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
    durable_files.remove_folder(wanted.scratch)
    env_flag.set_flag(wanted.env_file, on=True)
    _remove_drafts(wanted)


def finish_rollback(wanted: Switch) -> None:
    """Go on from the commit of a rollback: the legacy files under their names, the three out of the way."""
    env_flag.set_flag(wanted.env_file, on=False)
    switch_steps.put_back(wanted, switch_state.ROLLED_BACK)
    durable_files.make_private_folder(wanted.left_behind)
    for target in wanted.targets:
        installed = wanted.installed(target)
        if installed.exists():
            durable_files.replace(installed, wanted.left_behind / installed.name)
    durable_files.remove(wanted.pointer)
    durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
    durable_files.remove_folder(wanted.tree(switch_state.NEW))
    _remove_drafts(wanted)


def undo_restore(wanted: Switch) -> None:
    """Go back to before a restore that has not committed: each name as it was, also one that no file had."""
    if switch_state.pointed(wanted):
        switch_steps.put_companions_back(wanted, free(wanted.replaced))
        switch_steps.put_back(wanted, switch_state.LEGACY)
        for name in wanted.names:
            if name.path.is_symlink():
                durable_files.remove(name.path)
        # From here on no name goes through the pointer.
        durable_files.remove(wanted.pointer)
    durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
    durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
    _remove_drafts(wanted)


def finish_restore(wanted: Switch) -> None:
    """Go on from the commit of a restore: the files of the run under their names, those that they replace in the backup."""
    switch_steps.put_companions_aside(wanted, wanted.replaced)
    switch_steps.put_back(wanted, switch_state.ROLLED_BACK)
    for name in wanted.names:
        # The file last: its journal and WAL may not be lost, and are found beside it.
        for suffix in (*connections.COMPANIONS, "-shm", ""):
            kept = connections.beside(wanted.tree(switch_state.LEGACY) / name.place, suffix)
            if kept.exists():
                replaced = connections.beside(wanted.replaced / name.place, suffix)
                durable_files.make_private_folder(replaced.parent)
                durable_files.replace(kept, replaced)
    durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
    durable_files.remove_folder(wanted.tree(switch_state.ROLLED_BACK))
    _remove_drafts(wanted)


def _remove_drafts(wanted: Switch) -> None:
    """Remove the drafts of an interrupted step: a dangling link, a copy of the .env with its secrets."""
    durable_files.remove_drafts((wanted.pointer, wanted.env_file.resolve(), *(name.path for name in wanted.names)))


def free(folder: Path) -> Path:
    """Return the first path ``<folder>-<number>`` that does not exist."""
    return next(free for number in count(1) if not (free := folder.with_name(f"{folder.name}-{number}")).exists())


def back_to_wal(wanted: Switch) -> None:
    """Put the three databases into WAL mode, as specified."""
    for target in wanted.targets:
        _set_journal_mode(wanted.installed(target), "wal")


def restore_journal_modes(wanted: Switch) -> None:
    """Put the legacy databases into the journal modes that they had."""
    for name in wanted.names:
        if name.journal_mode == "wal":
            _set_journal_mode(name.path, name.journal_mode)


def not_held(switch: Switch) -> list[Path]:
    """Return the files, missing or damaged, that a restore replaces and cannot hold, where SQLite opens them now."""
    return [name.path.resolve() for name in switch.names if switch.kind == switch_state.RESTORE and not name.digest]


def _to_be_moved(switch: Switch, *, committed: bool) -> Iterator[Path]:
    """Yield the databases that a recovery of *switch* moves, and that a process may have open."""
    if switch.kind == switch_state.CUTOVER:
        names = (switch.tree(switch_state.LEGACY) / name.place if committed else name.path for name in switch.names)
        yield from (path for path in names if not committed or path.exists())
    elif switch.kind == switch_state.RESTORE:
        # Before the commit a name that was missing or damaged cannot be held.
        yield from (name.path for name in switch.names if committed or name.digest)
    elif committed:
        # A journal or WAL beside a legacy file, which gets its name back by a rename, would stay behind.
        yield from (name.path for name in switch.names)
        yield from (path for path in map(switch.installed, switch.targets) if path.exists())


def _set_journal_mode(path: Path, mode: str) -> None:
    """Set the journal mode of the database at *path*.

    Raises:
        Refused: A process is in the middle of a transaction.
        MigratorError: The disk fails.
    """
    with (
        exclusive_access.naming(path),
        contextlib.closing(connections.take_over(path, exclusive_access.PATIENCE_S)) as connection,
    ):
        connections.set_journal_mode(connection, mode)
    # SQLite removes its journal without a sync: after a power cut it would exist again, and undo this.
    durable_files.sync_folder(path.parent)
