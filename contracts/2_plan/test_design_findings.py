"""The findings on the specified design are reported: none is repaired, none is added."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import judgement
from contracts.performance import design_findings
from contracts.sets.consolidated import Subject
from migrator.config import extra_indexes
from migrator.config.extra_indexes import ExtraIndex
from migrator.schema import catalogue


@pytest.mark.clause("S13")
@pytest.mark.parametrize("target", catalogue.TARGETS)
def test_findings_are_those_of_the_specification(judged: Subject, ordered: tuple[ExtraIndex, ...], target: str) -> None:
    """The findings on the schema are those on the specification with the owners' amendments.

    The owners' extra indexes are ignored: the owners repaired a reported finding.  So are the indexes of carried tables,
    which are those of the legacy tables.
    """
    expected = design_findings.places(target, judged.specification.schema(target))
    schema = judged.schema(target)
    names = {index.name for index in ordered if index.target == target}
    found = design_findings.places(
        target,
        replace(
            schema,
            indexes=tuple(
                index
                for index in schema.indexes
                if index.name not in names and not index.table.startswith(extra_indexes.CARRIED)
            ),
        ),
    )
    judgement.none(target, "finding of the specification that was silently repaired", set(expected) - set(found))
    judgement.none(target, "finding that the specification does not have", set(found) - set(expected))
