"""Before the cutover: code that was not rewritten finds through ``migrator.connect`` what it found in the legacy files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from contracts import judgement
from contracts.sets.case import Case
from contracts.suite import surroundings
from contracts.suite.session import SESSION
from contracts.suite.surroundings import Standing
from migrator.application.replay import comparison, statements
from migrator.application.replay.comparison import Replaying
from migrator.application.replay.copies import Copies
from migrator.application.replay.statements import Statement
from migrator.records.backup import Snapshot
from migrator.schema import catalogue
from migrator.stages import cutover as cutover_stage
from migrator.stages.plan import stage as plan_stage
from migrator.system import private_copy

Count = Callable[[str, int], None]

_NOTHING = "a switch was made in a named folder, or a database is missing or cannot be served"


@pytest.fixture(name="copies", scope="module")
def _copies(pytestconfig: pytest.Config, traced: Case, around: Standing) -> Iterator[Copies | None]:
    """Private copies of both sets as they would be after a cutover; None if one was made, or a database is missing."""
    session = pytestconfig.stash[SESSION]
    if around.switch is not None or catalogue.TARGETS.keys() - traced.judged.originals.keys():
        yield None
        return
    with tempfile.TemporaryDirectory(dir=around.scratch) as made:
        folder = Path(made)
        planned = plan_stage.plan(session.looked, session.config, disk=folder)
        legacy = folder / "snapshot"
        for database in session.looked.databases:
            if database.known_as in traced.legacy.originals:
                copy = legacy / database.path_in_snapshot
                copy.parent.mkdir(parents=True, exist_ok=True)
                private_copy.private_copy(traced.legacy.as_found(database.known_as), copy, at_rest=True)
        snapshot = Snapshot(
            run="0001",
            folder=legacy,
            inventory=session.looked,
            journal_modes=MappingProxyType({}),
            blocked_s=0.0,
        )
        switch = replace(cutover_stage.prepare(planned, snapshot, folder / ".env"), data_dir=folder)
        consolidated = {target: traced.judged.copy(target) for target in catalogue.TARGETS}
        copies = Copies(folder, switch, {name.database: legacy / name.place for name in switch.names}, consolidated)
        yield copies
        copies.close()


@pytest.mark.clause("C6")
def test_legacy_schema_has_every_row(copies: Copies | None, request: pytest.FixtureRequest, count: Count) -> None:
    """Each table, read whole through the served legacy schema, has the rows of the legacy file."""
    if copies is None:
        surroundings.nothing_to_ask(request, _NOTHING)
    # cutover lists the others: their code must be ready.
    served = [name for name in copies.names if not copies.refusal(name)]
    wrong = [f"{name}: {told}" for name in served for told in comparison.tables_that_differ(name, copies)]
    count("databases", len(served))
    judgement.none("legacy schema", "table with other rows than the legacy file", wrong)


@pytest.mark.clause("C6")
@pytest.mark.parametrize("statement", statements.of_workload(), ids=lambda statement: statement.name)
def test_statement_does_the_same_through_the_legacy_schema(
    copies: Copies | None, statement: Statement, request: pytest.FixtureRequest, count: Count
) -> None:
    """Rows, effect and errors are those of the legacy file, except for a listed reason."""
    if copies is None or statement.database not in copies.names or copies.refusal(statement.database):
        surroundings.nothing_to_ask(request, _NOTHING)
    replaying = Replaying(statement, copies)
    if replaying.broken:
        surroundings.nothing_to_ask(request, f"the legacy file refuses it: {replaying.broken}")
    found = replaying.differences()
    count("listed", sum(bool(reason) for _, reason in found))
    wrong = [difference.told for difference, reason in found if not reason]
    judgement.none(f"{statement.database}: {statement.name}", "difference without a listed reason", wrong)
