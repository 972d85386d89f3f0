"""Removes old runs from ``backup``: snapshots with what switches kept in them, and backups of the three.

A run goes in three durable steps: its name gets the suffix of an unfinished run, its files are removed, its manifest last.
After an interruption either the whole run is there, or an unfinished one that the next ``prune`` or ``backup`` removes; no other
command reads it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.records import precondition
from migrator.records.retention import Pruned, Run
from migrator.system import attributes, durable_files, own_files, permissions
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

#: Number of the newest snapshots, and of the newest backups of the three, that are kept by default: the latter are those of a
#: week at one every six hours.
SNAPSHOTS, BACKUPS = 3, 28
#: What a run may hold that no other file does, and why it is kept then.
_UNIQUE = {
    "rolled-back*/residue.db": "it has rows that no legacy table holds",
    "rolled-back*/aside": "it has files that other programs made under a legacy name",
    "replaced*": "it has the files that a restore replaced",
    "consolidated/*.damaged": "it has a damaged copy that was replaced",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What the conditions are checked on.

    Attributes:
        runs: The runs, kept or not.
        unsound: Newest run -> why it cannot be read back; what is older than it must stay then.
    """

    runs: tuple[Run, ...]
    unsound: Mapping[Path, str]


def planned(
    backups: Path,
    needed: Mapping[str, str],
    unsound: Mapping[Path, str],
    *,
    snapshots: int = SNAPSHOTS,
    copies: int = BACKUPS,
    unique: bool = False,
) -> Pruned:
    """Return which runs below *backups* would be removed, and why each other is kept; changes nothing.

    Args:
        backups: The folder of the snapshots.
        needed: Number of a snapshot -> why it is needed.
        unsound: Newest run -> why it cannot be read back.
        snapshots: How many of the newest snapshots are kept.
        copies: How many of the newest backups of the three are kept.
        unique: Whether runs are removed although they hold rows or files that are nowhere else.
    """
    of_three = backups / "consolidated"
    runs = (
        *_runs(backups, "snapshot {}", snapshots, needed, unique=unique),
        *_runs(of_three, "backup {} of the three", copies, {}, unique=unique),
    )
    removed = tuple(run for run in runs if not run.kept_because)
    return Pruned(
        executed=False,
        removed=removed,
        kept=tuple(run for run in runs if run.kept_because),
        freed_bytes=sum(run.size_bytes for run in removed),
        refusals=precondition.unmet(PRUNE, Case(runs, unsound)) if removed else (),
    )


def _runs(folder: Path, what: str, newest: int, needed: Mapping[str, str], *, unique: bool) -> Iterator[Run]:
    """Yield the runs in *folder*, oldest first."""
    finished = sorted((run for run in own_files.runs(folder) if run.name.isdecimal()), key=lambda run: int(run.name))
    recent = finished[-newest:]
    for run in _unfinished(folder):
        yield Run(path=run, what=f"unfinished {what.format(_number(run))}", size_bytes=size_bytes(run))
    for run in finished:
        if run.name in needed:
            why = needed[run.name]
        elif run in recent:
            why = f"it is one of the {newest} newest" if newest > 1 else "it is the newest"
        else:
            why = "" if unique else _holds(run)
        yield Run(path=run, what=what.format(run.name), size_bytes=size_bytes(run), kept_because=why)


def _unfinished(folder: Path) -> list[Path]:
    """Return the unfinished runs in *folder*; an empty one has lost its manifest, as its last file."""
    if folder.is_symlink():
        return []
    return sorted(path for path in folder.glob(f"[0-9]*{own_files.UNFINISHED}") if _is_unfinished(path))


def _is_unfinished(path: Path) -> bool:
    """Return whether *path* is an unfinished run, and no folder of the owner; no link is followed."""
    if own_files.is_run(path):
        return True
    return _number(path).isdecimal() and path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _number(run: Path) -> str:
    return run.name.removesuffix(own_files.UNFINISHED)


def _holds(run: Path) -> str:
    """Return what *run* holds that no other file does, as a reason to keep it; '' if nothing."""
    return next((why for pattern, why in _UNIQUE.items() if any(run.glob(pattern))), "")


def size_bytes(folder: Path) -> int:
    """Return what the files below *folder* allocate on the disk [bytes]; no link is followed."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(above) / name).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def execute(plan: Pruned) -> Pruned:
    """Remove the runs of *plan*, oldest first.

    Raises:
        OSError: A file cannot be removed; what was removed until then is gone, each other run is whole.
    """
    for run in plan.removed:
        remove(run.path)
    return replace(plan, executed=True)


def remove(run: Path) -> None:
    """Remove the run in the folder *run*, durably; if this is interrupted, it is an unfinished one."""
    draft = _draft(run)
    if draft != run:
        if _is_unfinished(draft):
            remove(draft)
        durable_files.replace(run, draft)
    manifest = draft / own_files.MANIFEST
    for entry in sorted(draft.iterdir()):
        if entry == manifest:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    # The manifest tells whose folder it is: without it what is left would count as databases of the owner.
    durable_files.sync_folder(draft)
    durable_files.remove(manifest)
    durable_files.remove_folder(draft)


def _draft(run: Path) -> Path:
    """Return the path of *run* while it is removed."""
    return run if run.name.endswith(own_files.UNFINISHED) else run.with_name(f"{run.name}{own_files.UNFINISHED}")


def names_are_free(case: Case) -> Iterator[str]:
    """Require that no file of the owner has the name that a run gets while it is removed."""
    for run in case.runs:
        draft = _draft(run.path)
        if not run.kept_because and os.path.lexists(draft) and not _is_unfinished(draft):
            moved = f"mv {quoted(draft)} {quoted(f'{draft}.mine')}"
            yield f"{escaped(draft)}: is not migrator's, and is in the way of removing {run.path.name}; to move it run: {moved}"


def newest_run_reads_back(case: Case) -> Iterator[str]:
    """Require that the newest run of each kind reads back whole: older ones may be the only good copies."""
    for path, why in case.unsound.items():
        if any(run.path.parent == path.parent and not run.kept_because for run in case.runs):
            yield f"{escaped(path)}: is the newest, and does not read back ({why}); take a new one: migrator backup"


def runs_can_be_removed(case: Case) -> Iterator[str]:
    """Require that this user may remove each run, and that no attribute keeps a file of it."""
    for run in case.runs:
        if run.kept_because:
            continue
        entries = [(Path(above), names) for above, _, names in os.walk(run.path)]
        folders = (run.path.parent, *(folder for folder, _ in entries))
        paths = (*folders, *(folder / name for folder, names in entries for name in names))
        closed = next((folder for folder in folders if not permissions.may(os.W_OK | os.X_OK, folder)), None)
        if kept := next(attributes.protected(paths), ""):
            yield kept
        elif closed:
            yield f"{escaped(closed)}: this user may not remove files here; to see whose it is run: ls -ld {quoted(closed)}"


#: The preconditions of a removal, in the order of their messages.
PRUNE = (newest_run_reads_back, names_are_free, runs_can_be_removed)
