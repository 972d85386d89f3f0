"""Writes each legacy database as a read-only SQLite file, for programs that cannot be served: other languages, the sqlite3 shell.

A file is replaced as a whole: a program that has the old one open goes on reading it.
"""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

from migrator.application import connection as application_connection
from migrator.errors import Refused, UsageError
from migrator.records.programs import ExportedFile, ExportedSet
from migrator.switch import state as switch_state
from migrator.switch.state import Name, Switch
from migrator.system import connections, durable_files
from migrator.system.shell import quoted

#: What the permissions of a file are reduced to.
_READ_ONLY = 0o444


def export(data_dir: Path, folder: Path) -> ExportedSet:
    """Write every legacy database of the set in *data_dir*, as it is now, below *folder*.

    Raises:
        UsageError: *folder* is in the data directory.
        Refused: migrator never switched this set, or *folder* has a file of that name that is no export.
        sqlite3.Error: A database cannot be read.
    """
    if folder.is_relative_to(data_dir):
        raise UsageError(
            f"lies in the data directory {data_dir}, where it would be taken for a database of the bot",
            where=folder,
            hint="name a folder elsewhere",
        )
    last = switch_state.read(data_dir)
    if last is None:
        raise Refused(
            "there was no cutover: the legacy files are in use",
            where=data_dir,
            hint=f"read them, or run: migrator cutover --data-dir {quoted(data_dir)}",
        )
    if not folder.exists():
        durable_files.make_private_folder(folder)
        durable_files.take_after(data_dir, folder)
    targets = {name: folder / name.place for name in last.names}
    for target in targets.values():
        _check_free(target)
    files = tuple(_written(last, name, target, folder) for name, target in targets.items())
    return ExportedSet(folder=folder, consolidated=last.consolidated, files=files)


def _check_free(target: Path) -> None:
    """Check that *target* is free or an export.

    Raises:
        Refused: It is neither.
    """
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode) or mode & ~_READ_ONLY & 0o777:
        raise Refused(
            "exists and is not an exported file: those are read-only", where=target, hint="name another folder"
        )


def _written(last: Switch, name: Name, target: Path, folder: Path) -> ExportedFile:
    """Write the legacy database *name* to *target*."""
    if not target.parent.exists():
        durable_files.make_private_folder(target.parent)
        durable_files.take_after(folder, target.parent)
    draft = durable_files.draft_of(target)
    draft.unlink(missing_ok=True)
    with (
        closing(connections.create(draft)) as copy,
        closing(application_connection.connect(name.path, data_dir=last.data_dir)) as connection,
    ):
        connection.backup(copy)
        # In WAL mode a reader has to write beside the file.
        connections.set_journal_mode(copy, "delete")
    original = last.originals / name.place
    access = durable_files.access_of(original if last.consolidated and original.exists() else name.path)
    durable_files.grant(draft, access._replace(mode=access.mode & _READ_ONLY))
    durable_files.sync_file(draft)
    durable_files.replace(draft, target)
    return ExportedFile(database=name.database, path=target, size_bytes=target.stat().st_size)
