"""Judges a finished rollback; leaves out legacy files that were written to after it ended."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from types import MappingProxyType

from contracts.checks import rollback_carried_tables, rollback_indexes, rollback_rows
from contracts.checks.rollback_diff import Judge, Sets
from contracts.sets.legacy import LegacySet
from contracts.suite import surroundings
from migrator.schema import specified
from migrator.switch.state import Name, Switch
from migrator.system import connections


def written_since(made: Switch, name: Name) -> bool:
    """Return whether a legacy file was written to after the rollback ended."""
    ended = (made.root / "switch.json").stat().st_mtime_ns
    wal = connections.beside(name.path, "-wal")
    files = [path for path in (name.path, wal) if path.is_file() and (path is not wal or path.stat().st_size)]
    return any(path.stat().st_mtime_ns > ended for path in files)


def faults(made: Switch, scratch: Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """Yield the faults of the legacy set after a rollback, without *left_out*."""
    if unfit := [path for target in made.targets if (path := _unfit(made, target, scratch))]:
        yield from (
            f"{path}: differs from what the cutover installed, so the rollback cannot be judged" for path in unfit
        )
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        judge = Judge(sets_of(made, Path(folder)), frozenset(left_out))
        yield from rollback_carried_tables.faults(judge)
        yield from rollback_indexes.faults(judge)
        yield from rollback_rows.faults(judge)
        yield from judge.faults()


def _unfit(made: Switch, target: str, scratch: Path) -> Path | None:
    """Return the baseline of *target* if it is not what the cutover recorded."""
    path = made.baseline / made.installed(target).name
    recorded = made.digests.get(target, "")
    digest = surroundings.digest_of(path, scratch, recorded) if path.is_file() else ""
    return None if digest and digest == (recorded or digest) else path


def sets_of(made: Switch, folder: Path) -> Sets:
    """Return the databases before and after the rollback *made*; private copies go to *folder*."""
    residue = made.left_behind / "residue.db"
    paths = (
        {name.database: made.originals / name.place for name in made.names},
        {name.database: name.path for name in made.names if name.path.is_file()},
    )
    legacy = []
    for which, originals in zip(("originals", "back"), paths, strict=True):
        (folder / which).mkdir(mode=0o700)
        legacy.append(LegacySet(where=made.data_dir, originals=MappingProxyType(originals), scratch=folder / which))
    return Sets(
        originals=legacy[0],
        back=legacy[1],
        baseline=made.baseline,
        used=made.left_behind,
        residue=residue if residue.is_file() else None,
        constants=made.constants,
        specification=specified.chosen(made.amendments),
        scratch=folder,
    )
