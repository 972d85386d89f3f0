"""The baseline of a rollback: the three databases as the cutover installed them, kept to see what was written since.

A rollback must never be impossible.  A baseline that is gone or damaged is built anew, from the legacy files as they were
at the cutover.  A build is deterministic, so the new one has the digest that the cutover recorded.  Where it has another
one, or none was recorded, the rollback goes on only if the lineage is that of the set in use: rows are told apart by it.
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
from migrator.system.serialize import escaped

#: What names a row of the set in use and its legacy row.
_NAMES = "source, legacy_key, target, target_id"


def sound(last: Switch) -> dict[str, Path]:
    """Return target -> baseline, of those that are whole and hold what the cutover *last* recorded."""
    paths = {target: last.baseline / name for target, name in catalogue.TARGETS.items()}
    return {
        target: path
        for target, path in paths.items()
        if (digest := _digest(path)) and digest == last.digests.get(target, digest)
    }


def judged(last: Switch, target: str, built: Path, current: Path) -> str:
    """Return what the owner should know of the baseline *built* anew.

    Args:
        last: The cutover.
        target: ``core``, ``analytics`` or ``cache``.
        built: What was built of the legacy files as they were at the cutover.
        current: A copy of the database in use.

    Raises:
        MigratorError: Its rows can not be told to be those of the set in use.
    """
    kept = last.baseline / catalogue.TARGETS[target]
    recorded = last.digests.get(target, "")
    what = "is not what the cutover installed" if os.path.lexists(kept) else "is gone"
    told = f"{escaped(kept)}: {what}; it was built anew from the legacy files as they were at the cutover"
    if recorded and _digest(built) == recorded:
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
    """Put each baseline of *used* that was built anew, and is what *last* recorded, in its place.

    What lies there is kept under the name ``<name>.damaged``.
    """
    for target, path in used.items():
        kept = last.baseline / path.name
        if path == kept or _digest(path) != last.digests.get(target):
            continue
        with connections.closing_scratch(path) as connection:
            connections.set_journal_mode(connection, "delete")
        durable_files.sync_file(path)
        durable_files.make_private_folder(last.baseline)
        if os.path.lexists(kept):
            durable_files.replace(kept, kept.with_name(f"{kept.name}.damaged"))
        durable_files.replace(path, kept)


def _digest(path: Path) -> str:
    """Return the digest of the database at *path*, '' where it is gone, cannot be read to its end, or has a damaged index."""
    if not path.is_file():
        return ""
    try:
        with closing(connections.lenient(connections.read(path))) as connection:
            # The digest reads tables alone, and a rollback looks rows up by an index.
            whole = connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
            return content_digest.digest(connection) if whole else ""
    except (sqlite3.Error, UnicodeError):
        return ""


def _same_rows(built: Path, current: Path) -> bool:
    """Tell whether the lineage of two databases names the same rows."""
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
