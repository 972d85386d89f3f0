"""What the specified design costs is what was reported: nobody has repaired it silently, nothing was added to it."""

from __future__ import annotations

import pytest

from contracts import judgement
from contracts.subject import Subject
from migrator import catalogue, ddl, findings


@pytest.mark.clause("S13")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_findings_are_those_of_the_specification(judged: Subject, target: str) -> None:
    """Redundant and misleading indexes, references without an index, history made unique, an indexed time."""
    expected = findings.places(target, ddl.target(target))
    found = findings.places(target, judged.schema(target))
    judgement.none(target, "finding that is gone: somebody repaired the design silently", set(expected) - set(found))
    judgement.none(target, "finding that the specification does not have", set(found) - set(expected))
