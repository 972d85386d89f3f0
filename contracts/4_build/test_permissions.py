"""Who may use a consolidated database: nobody who could not use the legacy files whose rows are in it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from contracts import accounting, judgement
from contracts.pair import Pair
from contracts.results import WHY
from migrator import catalogue
from migrator.evidence import Why

#: What a group and everybody else may do.
_OTHERS = 0o077


@pytest.mark.clause("S15")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_nobody_gains_access(pair: Pair, target: str, request: pytest.FixtureRequest) -> None:
    """Its permissions are the strictest of theirs, or stricter."""
    if target not in pair.judged.originals:
        judgement.broken(target, expected="a database", found="there is none")
    sources = [path for name, path in pair.legacy.originals.items() if target in _homes(pair, name)]
    if not sources:
        request.node.user_properties.append((WHY, Why.NO_DATA.value))
        pytest.skip(f"no legacy file has rows for {catalogue.TARGETS[target]}")
    found = _mode(pair.judged.originals[target])
    wrong = [
        f"{path.relative_to(pair.legacy.where)} is {_mode(path):04o}"
        for path in sorted(sources)
        if found & _OTHERS & ~_mode(path)
    ]
    judgement.none(f"{catalogue.TARGETS[target]} is {found:04o}", "wider than a file whose rows are in it", wrong)


def _homes(pair: Pair, name: str) -> set[str]:
    """Return the consolidated databases that take rows of the legacy database *name*."""
    mapped = {one.target.partition(".")[0] for one in pair.reader.all_readings if one.source.partition(".")[0] == name}
    alone = accounting.decided_fate(pair, name) in {accounting.STANDALONE, "ignore"}
    return set() if alone else {*mapped, accounting.home(pair, name)} - {""}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
