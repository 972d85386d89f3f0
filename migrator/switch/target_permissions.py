"""Permissions of the three consolidated databases: every user of the files whose rows they take, and no other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from migrator.mapping import reader as mapping_reader
from migrator.records.plan import Fate, PlannedTable
from migrator.schema import catalogue
from migrator.switch.state import Switch
from migrator.system import durable_files, permissions
from migrator.system.durable_files import Access
from migrator.system.escaping import escaped


def sources(databases: Iterable[tuple[str, Path]], tables: Sequence[PlannedTable]) -> dict[str, list[Path]]:
    """Return the files whose rows may be in each consolidated database: target -> paths of *databases* (name, path).

    A consolidated database without rows is for the users of all files.
    """
    homes = {(mapping.database, mapping.target) for mapping in mapping_reader.mappings()}
    for table in tables:
        if table.fate in (Fate.MAPPED, Fate.CARRIED):
            homes.add((table.source.partition(".")[0], table.into.partition(".")[0]))
    named = list(databases)
    return {
        target: [path for name, path in named if (name, target) in homes] or [path for _, path in named]
        for target in catalogue.TARGETS
    }


def sources_of(switch: Switch) -> dict[str, list[Path]]:
    """Return the legacy files whose rows may be in each consolidated database of *switch*."""
    return sources([(name.database, name.path) for name in switch.names], switch.tables)


def disagreements(targets: dict[str, list[Path]], data_dir: Path, decided: int | None) -> Iterator[str]:
    """Yield a sentence for each consolidated database for which no permissions serve every user of its sources.

    With a *decided* mode only for a group to which this process cannot give the file.
    """
    for target, paths in targets.items():
        given, serves = permissions.shared(paths, data_dir, 0o666 if decided is None else decided)
        name = catalogue.TARGETS[target]
        if decided is None and not serves:
            kinds = {permissions.reached(path, data_dir): path for path in reversed(paths)}
            shown = ", ".join(f"{escaped(path.name)} ({_told(access)})" for access, path in list(kinds.items())[:3])
            yield (
                f"{name} takes rows of files with different permissions: {shown}; give them the same, or set [decisions] "
                f'file_mode = "{given.mode:04o}" to leave out users who may not use each of them'
            )
        elif given.mode >> 3 & ~given.mode & 0o6 and not durable_files.may_give(given.group):
            yield (
                f"{name}: has to belong to group {permissions.group(given.group)}, and user {permissions.user(os.geteuid())} is not in it; "
                "add the user to the group, or run this again with: sudo"
            )
        elif decided is None and (closed := _writable_elsewhere(paths, data_dir, given)):
            yield (
                f"{name}: users who may write to {escaped(closed)} may not write to {escaped(data_dir)}, where SQLite keeps files "
                f'beside it; let them (chmod g+w), or say [decisions] file_mode = "{given.mode & ~0o022:04o}" to leave them out'
            )


def _writable_elsewhere(paths: Sequence[Path], data_dir: Path, given: Access) -> Path | None:
    """Return the first of *paths* in a folder that more users can write to than to *data_dir*, where SQLite keeps files."""
    home = data_dir.stat().st_mode
    return next((path for path in paths if path.parent.stat().st_mode & ~home & given.mode & 0o022), None)


def findings(targets: dict[str, list[Path]], data_dir: Path, decided: int | None) -> Iterator[str]:
    """Yield a sentence if the files that SQLite makes beside the three, in WAL mode, would not belong to their group.

    Assumes that the primary group of the owner has no other member.
    """
    home = data_dir.stat()
    for target, paths in targets.items():
        given, _ = permissions.shared(paths, data_dir, 0o666 if decided is None else decided)
        passed_on = home.st_mode & stat.S_ISGID and home.st_gid == given.group
        shared = given.mode >> 3 & ~given.mode & 0o2 and not permissions.is_primary(given.group, home.st_uid)
        if shared and not passed_on:
            group = permissions.group(given.group)
            yield (
                f"{catalogue.TARGETS[target]} will be in WAL mode, and group {group} may write to it: two users of that group can do so at "
                f"once only if new files in {escaped(data_dir)} belong to it (chgrp {group} and chmod g+s on that folder)"
            )
            return


def _told(given: Access) -> str:
    listed = ", with an access list" if given.acl else ""
    return f"{given.mode:04o}, group {permissions.group(given.group)}{listed}"
