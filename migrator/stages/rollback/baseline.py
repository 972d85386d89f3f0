"""The baseline of a rollback: the three databases as the cutover installed them, to find what was written since.

A rollback must always be possible.  A baseline that is missing or damaged is built again, from the legacy files as they were
at the cutover.  A build is deterministic, so it has the digest that the cutover recorded.  If the digests differ, or none
was recorded, the rollback goes on only if its lineage equals that of the set in use, which identifies the rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from migrator.errors import MigratorError
from migrator.schema import catalogue
from migrator.switch.state import Switch
from migrator.system import connections, content_digest, durable_files
from migrator.system.escaping import escaped

#: Columns of lineage that identify a row of the set in use and its legacy row.
_NAMES = "source, legacy_key, target, target_id"


def sound(last: Switch) -> dict[str, Path]:
    """Return target -> baseline, of those that are undamaged and have the digest that the cutover *last* recorded."""
    paths = {target: last.baseline / name for target, name in catalogue.TARGETS.items()}
    return {
        target: path
        for target, path in paths.items()
        if (digest := _digest(path, last.digests.get(target, ""))) and digest == last.digests.get(target, digest)
    }


def judged(last: Switch, target: str, built: Path, current: Path) -> str:
    """Return a sentence for the owner about the baseline *built* anew.

    Args:
        last: The cutover.
        target: ``core``, ``analytics`` or ``cache``.
        built: The database built from the legacy files as they were at the cutover.
        current: A copy of the database in use.

    Raises:
        MigratorError: Its rows cannot be shown to be those of the set in use.
    """
    kept = last.baseline / catalogue.TARGETS[target]
    recorded = last.digests.get(target, "")
    what = "is not what the cutover installed" if os.path.lexists(kept) else "is gone"
    told = f"{escaped(kept)}: {what}; it was built anew from the legacy files as they were at the cutover"
    if recorded and _digest(built, recorded) == recorded:
        return f"{told}, with the content that the cutover recorded"
    unproved = "its content differs from what the cutover recorded" if recorded else "the cutover recorded no digest"
    if _same_rows(built, current):
        return (
            f"{told}; not proved: {unproved}; its rows have the numbers of the set in use, and cells in which it "
            "differs from that set count as written since the cutover"
        )
    raise MigratorError(
        f"{what}, and what is built anew has other row numbers than the set in use ({unproved})",
        where=escaped(kept),
        hint="restore it from a copy of the folder, or roll back with the version of migrator that made the cutover",
    )


def put_back(last: Switch, used: Mapping[str, Path]) -> None:
    """Install each baseline of *used* that was built anew and has the digest that *last* recorded.

    A damaged baseline is renamed to ``<name>.damaged``.
    """
    for target, path in used.items():
        kept = last.baseline / path.name
        recorded = last.digests.get(target, "")
        if path == kept or not recorded or _digest(path, recorded) != recorded:
            continue
        with connections.closing_scratch(path) as connection:
            connections.set_journal_mode(connection, "delete")
        durable_files.sync_file(path)
        durable_files.make_private_folder(last.baseline)
        if os.path.lexists(kept):
            durable_files.replace(kept, kept.with_name(f"{kept.name}.damaged"))
        durable_files.replace(path, kept)


def _digest(path: Path, recorded: str) -> str:
    """Return the digest of the database at *path*, *recorded* if that is its digest in an older format.

    It is '' if the database is missing, unreadable, or has a damaged index.
    """
    if not path.is_file():
        return ""
    try:
        with closing(connections.lenient(connections.read(path))) as connection:
            # The digest reads only tables, but a rollback finds rows through indexes.
            whole = connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
            return content_digest.as_recorded(connection, recorded) if whole else ""
    except (sqlite3.Error, UnicodeError):
        return ""


def _same_rows(built: Path, current: Path) -> bool:
    """Return whether the lineage of two databases identifies the same rows."""
    with closing(connections.lenient(connections.memory())) as connection:
        connections.attach(connection, built, "built")
        connections.attach(connection, current, "now")
        sides = [f"SELECT {_NAMES} FROM {side}.lineage" for side in ("built", "now")]
        try:
            return not any(
                connection.execute(
                    f"SELECT {_NAMES}, count(*) FROM ({side}) GROUP BY {_NAMES}"
                    f" EXCEPT SELECT {_NAMES}, count(*) FROM ({other}) GROUP BY {_NAMES} LIMIT 1"
                ).fetchone()
                for side, other in (sides, reversed(sides))
            )
        except sqlite3.DatabaseError:
            # The application may have dropped it.
            return False
