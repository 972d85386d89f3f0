"""Permissions are no wider than those of each legacy file with rows in the database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from contracts import judgement
from contracts.checks import row_accounting
from contracts.sets.case import Case
from contracts.suite.results import WHY
from migrator.schema import catalogue
from migrator.stages.verify.evidence import Why

#: Bits to read and to write in one digit of a file mode.
_USE = 0o6


@pytest.mark.clause("S15")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_access_is_no_wider_than_of_the_sources(case: Case, target: str, request: pytest.FixtureRequest) -> None:
    """Group and other users may do no more with it than with each legacy file, in any group."""
    if target not in case.judged.originals:
        judgement.broken(target, expected="a database", found="there is none")
    sources = [path for name, path in case.legacy.originals.items() if target in _homes(case, name)]
    if not sources:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"no legacy file has rows for {catalogue.TARGETS[target]}")
    found = case.judged.originals[target].stat()
    wrong = [
        f"{path.relative_to(case.legacy.where)} is {stat.S_IMODE(legacy.st_mode):04o}"
        + (f", group {legacy.st_gid}" if legacy.st_gid != found.st_gid else "")
        for path in sorted(sources)
        if _wider(found, legacy := _permissions(case, path))
    ]
    where = f"{catalogue.TARGETS[target]} is {stat.S_IMODE(found.st_mode):04o}"
    judgement.none(where, "wider than a file whose rows are in it", wrong)


def _permissions(case: Case, path: Path) -> os.stat_result:
    """Return the status of a legacy file; in a snapshot that of its original."""
    original = case.legacy.where / "originals" / path.relative_to(case.legacy.where)
    return (original if original.is_file() else path).stat()


def _wider(found: os.stat_result, legacy: os.stat_result) -> bool:
    """Return whether some user may do more with the consolidated file."""
    members, others = legacy.st_mode >> 3 & _USE, legacy.st_mode & _USE
    if found.st_gid != legacy.st_gid:
        # A user may be in one group, in both or in neither.
        members = others = members & others
    return bool(found.st_mode >> 3 & _USE & ~members or found.st_mode & _USE & ~others)


def _homes(case: Case, name: str) -> set[str]:
    """Return the consolidated databases that take rows of the legacy database *name*."""
    readings = (reading for reading in case.reader.all_readings if reading.source.partition(".")[0] == name)
    mapped = {reading.target.partition(".")[0] for reading in readings}
    alone = case.decided_fate(name) in {row_accounting.STANDALONE, "ignore"}
    return set() if alone else {*mapped, row_accounting.home(case, name)} - {""}
