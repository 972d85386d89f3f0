"""Preconditions of a switch on its files: all of a rollback, and those that a cutover checks again under its locks."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.records import precondition
from migrator.switch import env_flag, target_permissions
from migrator.switch import state as switch_state
from migrator.switch.state import Name, Switch
from migrator.system import attributes, connections, exclusive_access, mounts, permissions
from migrator.system.escaping import escaped
from migrator.system.shell import quoted


@dataclass(frozen=True, slots=True)
class SwitchCase:
    """What the conditions are checked on.

    Attributes:
        switch: The cutover that is wanted, or the finished one that a rollback undoes.
        stopped: The owner asserts that no process that this user cannot see has a database open.
    """

    switch: Switch
    stopped: bool


def legacy_files_can_be_switched(case: SwitchCase) -> Iterator[str]:
    """Require that each legacy file is regular, has one name, and that this user may write to it where it is."""
    # Of a file in the stage, not of the folder: an overlay over two file systems gives folders another device.
    ours = case.switch.staged(case.switch.targets[0])
    device = (ours if ours.is_file() else case.switch.data_dir).stat().st_dev
    for name in case.switch.names:
        yield from _against(name, device, case.switch.data_dir)


def _against(name: Name, device: int, data_dir: Path) -> Iterator[str]:
    if not _is_regular(name.path):
        yield f"{escaped(name.path)}: is not a regular file; only a regular file can be switched"
        return
    status = name.path.stat()
    if status.st_nlink > 1:
        yield f"{escaped(name.path)}: has {status.st_nlink} names (hard links); keep one of them"
    if not permissions.may_write(name.path) and not attributes.of(name.path):
        yield (
            f"{escaped(name.path)}: this user may not write to it, and so cannot hold it; to allow it run: "
            f"chmod u+w {quoted(name.path)}"
        )
    if status.st_dev != device:
        yield (
            f"{escaped(name.path)}: lies on another file system than {escaped(data_dir)}, or in a lower "
            "layer of an overlay file system; replace it by a copy of itself"
        )


def legacy_files_have_one_owner(case: SwitchCase) -> Iterator[str]:
    """Require that all legacy files have one owner, this user or, for root, any: the three can have only one."""
    owners: dict[int, Path] = {}
    for path in (name.path for name in case.switch.names if _is_regular(name.path)):
        owners.setdefault(path.stat().st_uid, path)
    if len(owners) > 1:
        (user, first), (other, second), *_ = owners.items()
        yield (
            f"{escaped(first)} belongs to user {user} and {escaped(second)} to user {other}; the three that take their "
            "place have one owner: give the legacy files one"
        )
    elif owners and os.geteuid() not in (0, *owners):
        ((user, first),) = owners.items()
        yield f"{escaped(first)}: belongs to user {user}; only that user or root can make what takes its place"


def legacy_files_are_in_one_mount(case: SwitchCase) -> Iterator[str]:
    """Require that the stage, the backup and every legacy file can be renamed to one another."""
    switch = case.switch
    return mounts.apart(
        switch.data_dir, (switch.stage, switch.originals, *_with_companions(name.path for name in switch.names))
    )


def file_system_has_links(case: SwitchCase) -> Iterator[str]:
    """Require a file system that is not known to lack hard links and symbolic links."""
    if lacking := mounts.without_links(case.switch.data_dir):
        yield (
            f"{escaped(case.switch.data_dir)}: lies on {lacking}, which has no hard links and no symbolic links; move the data "
            "directory to another file system"
        )


def files_can_be_renamed(case: SwitchCase) -> Iterator[str]:
    """Require that no attribute and no sticky folder keeps a file of the switch, a WAL or a journal from being renamed."""
    switch = case.switch
    ours = (switch.pointer, *map(switch.staged, switch.targets), *map(switch.installed, switch.targets))
    return _held_in_place([*ours, *_with_companions(name.path for name in switch.names)])


def _held_in_place(paths: Sequence[Path]) -> Iterator[str]:
    """Yield a sentence for each of *paths*, and each folder of one, that this user could not rename or remove."""
    yield from attributes.protected(dict.fromkeys([*(path.parent for path in paths), *paths]))
    user = os.geteuid()
    for path in filter(os.path.lexists, paths):
        folder, owner = path.parent.stat(), path.lstat().st_uid
        if folder.st_mode & stat.S_ISVTX and user not in (0, folder.st_uid, owner):
            yield (
                f"{escaped(path)}: belongs to user {owner}, and in a sticky folder only that user may rename it; stop the program that "
                f"made it, or run: chmod -t {quoted(path.parent)}"
            )


def _with_companions(databases: Iterable[Path]) -> Iterator[Path]:
    """Yield each of *databases*, and its journal, WAL and index of a WAL if they exist."""
    for path in databases:
        yield path
        for suffix in (*connections.COMPANIONS, "-shm"):
            if os.path.lexists(beside := connections.beside(path, suffix)):
                yield beside


def users_keep_their_access(case: SwitchCase) -> Iterable[str]:
    """Require permissions for the three that serve every user of the files whose rows they take, and no other."""
    if precondition.unmet(_FILES, case):
        # The permissions of a file that cannot be switched are not compared.
        return ()
    switch = case.switch
    return target_permissions.disagreements(target_permissions.sources_of(switch), switch.data_dir, switch.file_mode)


def stage_can_be_installed(case: SwitchCase) -> Iterator[str]:
    """Require that each of the three lies in the stage as one regular file, and that its final name is free."""
    for target in case.switch.targets:
        staged, installed = case.switch.staged(target), case.switch.installed(target)
        if os.path.lexists(installed):
            yield f"{escaped(installed)}: exists already; move it away"
        if not _is_regular(staged):
            yield f"{escaped(staged)}: is missing or not a regular file; run: migrator migrate"
        elif staged.stat().st_nlink > 1:
            yield f"{escaped(staged)}: has a second name (a hard link); run: migrator migrate"


def record_can_be_read_back(case: SwitchCase) -> Iterator[str]:
    """Require that the record of the switch is one that a recovery accepts: else there is no way on, nor back."""
    if what := switch_state.malformed(case.switch):
        yield what


def flag_can_be_set(case: SwitchCase) -> Iterator[str]:
    """Require that the flag in the .env can be set: after the commit only a rollback leads back."""
    if what := env_flag.complaint(case.switch.env_file):
        yield f"{escaped(case.switch.env_file)}: {escaped(what)}"


def processes_can_be_seen(case: SwitchCase) -> Iterator[str]:
    """Require that this user sees every process that has a legacy file open, or that the bot is stopped."""
    return exclusive_access.blind([name.path for name in case.switch.names], stopped=case.stopped)


def what_is_compared_exists(case: SwitchCase) -> Iterator[str]:
    """Require the originals that no snapshot holds, and the three databases."""
    return (
        f"{escaped(path)}: is not there; without it nothing can be compared"
        for path in _compared(case.switch)
        if not path.is_file()
    )


def consolidated_set_is_in_one_mount(case: SwitchCase) -> Iterator[str]:
    """Require that the three, what they are compared with, and the legacy names can be renamed to one another."""
    last = case.switch
    databases = _with_companions([*_compared(last), *(name.path for name in last.names)])
    paths = (last.root, last.baseline, *databases)
    return mounts.apart(last.data_dir, paths)


def processes_of_the_three_can_be_seen(case: SwitchCase) -> Iterator[str]:
    """Require that this user sees every process that has one of the three open, or that the bot is stopped."""
    return exclusive_access.blind(in_use(case.switch), stopped=case.stopped)


def in_use(last: Switch) -> tuple[Path, ...]:
    """Return what no process may have open during a rollback: the three, and files made since under a legacy name."""
    return (*map(last.installed, last.targets), *made_since(last))


def made_since(last: Switch) -> list[Path]:
    """Return the files that were made under a legacy name since the cutover."""
    return [name.path for name in last.names if _is_regular(name.path)]


def _compared(last: Switch) -> list[Path]:
    # What the cutover moved and the snapshot holds too is not needed.
    needed = [name.place for name in last.names if not (last.snapshot / name.place).is_file()]
    return [*(last.originals / path for path in needed), *map(last.installed, last.targets)]


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def legacy_set_is_in_use(case: SwitchCase) -> Iterator[str]:
    """Require that the legacy set is in use: after a cutover only a rollback gives its rows back."""
    if last := switch_state.cutover_in_use(case.switch.data_dir):
        yield f"the consolidated set of run {last.run} is in use; to go back first run: migrator rollback --execute"


def files_can_be_replaced(case: SwitchCase) -> Iterator[str]:
    """Require that each file which is replaced is regular, has one name, belongs to this user, and lies in a folder."""
    if switch_state.cutover_in_use(case.switch.data_dir) is not None:
        # The names are links to the three: that the consolidated set is in use is the one reason.
        return
    device = case.switch.data_dir.stat().st_dev
    for name in case.switch.names:
        if not name.path.parent.is_dir():
            yield f"{escaped(name.path.parent)}: no such folder; to make it run: mkdir -p {quoted(name.path.parent)}"
        elif os.path.lexists(name.path):
            yield from _against(name, device, case.switch.data_dir)
            if _is_regular(name.path) and os.geteuid() not in (0, name.path.stat().st_uid):
                yield f"{escaped(name.path)}: belongs to another user; {permissions.run_as(name.path.stat())}"


def replaced_files_can_be_kept(case: SwitchCase) -> Iterator[str]:
    """Require that each file which is replaced can be kept in the run's folder: it may hold newer rows."""
    switch = case.switch
    if not permissions.may(os.W_OK | os.X_OK, switch.snapshot):
        yield f"{escaped(switch.snapshot)}: this user may not write to it; {permissions.run_as(switch.snapshot.stat())}"
    present = _with_companions(name.path for name in switch.names if name.path.exists())
    yield from mounts.apart(switch.data_dir, (switch.root, switch.snapshot, *present))


def disk_has_room_for_copies(case: SwitchCase) -> Iterator[str]:
    """Require the free disk that copies of the run's files need."""
    switch = case.switch
    needed = sum((switch.snapshot / name.place).stat().st_size for name in switch.names)
    free = shutil.disk_usage(switch.data_dir).free
    if free < needed:
        yield f"{escaped(switch.data_dir)}: {needed:,} bytes are needed for copies, and {free:,} are free; make room"


def processes_of_present_files_can_be_seen(case: SwitchCase) -> Iterator[str]:
    """Require that this user sees every process that has a file open which is replaced, or that the bot is stopped."""
    present = [name.path for name in case.switch.names if _is_regular(name.path)]
    return exclusive_access.blind(present, stopped=case.stopped)


_FILES = (
    legacy_files_can_be_switched,
    legacy_files_have_one_owner,
    legacy_files_are_in_one_mount,
    file_system_has_links,
    files_can_be_renamed,
)
#: The part of the preconditions of a cutover that is checked again under its locks, in the order of its messages.
CUTOVER_FILES = (
    *_FILES,
    users_keep_their_access,
    stage_can_be_installed,
    record_can_be_read_back,
    flag_can_be_set,
)
#: The preconditions of a rollback, in the order of their messages.
ROLLBACK = (
    what_is_compared_exists,
    consolidated_set_is_in_one_mount,
    files_can_be_renamed,
    processes_of_the_three_can_be_seen,
)
#: The preconditions of a restore, in the order of their messages.
RESTORE = (
    legacy_set_is_in_use,
    files_can_be_replaced,
    replaced_files_can_be_kept,
    file_system_has_links,
    files_can_be_renamed,
    disk_has_room_for_copies,
    record_can_be_read_back,
    processes_of_present_files_can_be_seen,
)
