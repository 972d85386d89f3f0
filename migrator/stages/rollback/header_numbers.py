"""Writes back the application's numbers in a file's header: user_version and application_id.

Several legacy names lead to one consolidated database and share its header.  A number set since the cutover goes
to a legacy file only if no other name leads to that database; else it goes to the residue.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from migrator.stages.rollback import residue_database
from migrator.switch.state import Switch
from migrator.system import connections


def write_back(
    last: Switch, tree: Path, current: Mapping[str, Path], baseline: Mapping[str, Path], into: Path
) -> dict[str, int]:
    """Write to the legacy copies in *tree* the numbers that were set since the cutover; keep in *into* those of several files.

    Returns:
        Consolidated database and pragma -> 1 for each number that is kept.
    """
    counts = {}
    for target, path in current.items():
        names = [name for name in last.names if name.target == target]
        for mark, now, installed in zip(
            connections.MARKS, connections.marks(path), connections.marks(baseline[target]), strict=True
        ):
            if now != installed and len(names) == 1:
                with connections.closing_scratch(tree / names[0].place) as connection:
                    connection.execute(f"PRAGMA {mark} = {now}")
            elif now != installed:
                counts[f"{target}.{mark}"] = _keep(into, f"{target}_{mark}", now, len(names))
    return counts


def _keep(into: Path, name: str, value: int, files: int) -> int:
    with closing(connections.memory()) as connection:
        residue_database.open_beside(connection, into)
        why = f"'set after the cutover, through one of {files} legacy names'"
        return residue_database.keep(connection, name, ["value"], f"(SELECT {value} AS value) AS t", why)
