"""The preconditions of a cutover: the plan's, the files', and what the owners have to accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrator.config.config_file import Config
from migrator.errors import EvidenceError
from migrator.pipeline import status
from migrator.quarantine import acceptance
from migrator.quarantine.rows import QuarantinedRow
from migrator.records import precondition
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.plan import Plan
from migrator.stages.verify.freshness import Present
from migrator.switch import preconditions as switch_preconditions
from migrator.switch.preconditions import SwitchCase
from migrator.switch.workspace import Workspace
from migrator.system.escaping import escaped


@dataclass(frozen=True, slots=True)
class Case(SwitchCase):
    """What the conditions of a cutover are checked on.

    Attributes:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        plan: The plan for the legacy set as it is now.
        snapshot: The newest snapshot.
        built: What the build recorded of the stage.
        quarantined: The quarantined rows in the stage.
        present: The digests of the files and of the configuration as they are now.
        unserved: What ``migrator.connect`` will not serve under legacy names, one sentence each; empty if the code is ready.
    """

    workspace: Workspace
    config: Config
    plan: Plan
    snapshot: Snapshot
    built: Built
    quarantined: tuple[QuarantinedRow, ...]
    present: Present
    unserved: tuple[str, ...]


def unmet(case: Case, *, before_catching_up: bool = False) -> tuple[str, ...]:
    """Return the reasons against the cutover in *case*, each once.

    *before_catching_up*, the conditions in ``RENEWED`` are left out.
    """
    left_out = RENEWED if before_catching_up else ()
    return precondition.unmet([condition for condition in CUTOVER if condition not in left_out], case)


def plan_allows_it(case: Case) -> Iterable[str]:
    """Require that the plan for the legacy set as it is now has no reason against a migration."""
    return case.plan.refusals


def code_does_without_what_is_not_served(case: Case) -> Iterator[str]:
    """Require code_is_ready if a legacy table cannot be served under its legacy name."""
    if case.unserved:
        yield (
            f"{len(case.unserved):,} legacy tables or files will not be served to code that was not rewritten "
            f"({case.unserved[0]}{', ...' if len(case.unserved) > 1 else ''}); "
            "set [decisions] code_is_ready = true once the code does without them"
        )


def stage_is_of_the_newest_snapshot(case: Case) -> Iterator[str]:
    """Require that the stage was built from the newest snapshot."""
    if case.built.run != case.snapshot.run:
        yield (
            f"{escaped(case.built.stage)}: is built from the snapshot {case.built.run}, and the newest is "
            f"{case.snapshot.run}; run: migrator migrate"
        )


def evidence_is_green_and_current(case: Case) -> Iterable[str]:
    """Require evidence with the verdict GO that fits the files, the configuration, the mappings and the contracts."""
    return status.check(case.workspace.evidence, case.present).reasons


def quarantine_is_accepted(case: Case) -> Iterable[str]:
    """Require that the owners accept each quarantined row as it is, and no row that is not in quarantine."""
    try:
        accepted = acceptance.read(case.workspace.accepted)
    except EvidenceError as error:
        return (str(error),)
    return acceptance.sentences(case.quarantined, accepted)


#: The conditions that ``--catch-up`` makes true or false anew, so that they cannot be checked before it.
RENEWED = (stage_is_of_the_newest_snapshot, evidence_is_green_and_current, quarantine_is_accepted)
#: The preconditions of a cutover, in the order of their messages.
CUTOVER = (
    plan_allows_it,
    *switch_preconditions.CUTOVER_FILES,
    code_does_without_what_is_not_served,
    *RENEWED,
    switch_preconditions.processes_can_be_seen,
)
