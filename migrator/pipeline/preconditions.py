"""What has to be true before a cutover, one small function for each condition.

A function yields one sentence for each reason against the switch.  :func:`migrator.stages.cutover.refusals` holds the
conditions on the files themselves, which the cutover checks again while it holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from migrator.config.config_file import Config
from migrator.pipeline import status
from migrator.records.backup import Snapshot
from migrator.records.build import Built
from migrator.records.plan import Plan
from migrator.stages import cutover as cutover_stage
from migrator.stages.verify.freshness import Present
from migrator.switch.state import Switch
from migrator.switch.workspace import Workspace
from migrator.system.serialize import escaped


@dataclass(frozen=True, slots=True)
class Case:
    """What the conditions are checked on.

    Attributes:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        plan: The plan for the legacy set as it is now.
        switch: The switch that is wanted.
        snapshot: The newest snapshot.
        built: What the build recorded of the stage.
        present: What is there now, as evidence describes it.
    """

    workspace: Workspace
    config: Config
    plan: Plan
    switch: Switch
    snapshot: Snapshot
    built: Built
    present: Present


@dataclass(frozen=True, slots=True)
class Precondition:
    """A condition of the cutover.

    Attributes:
        reasons: Yields a sentence for each reason against the switch.
        renewed: Whether ``--catch-up`` makes it true or false anew, so that it cannot be checked before.
    """

    reasons: Callable[[Case], Iterable[str]]
    renewed: bool = False


def of_cutover(case: Case, *, before_catching_up: bool = False) -> list[str]:
    """Return the reasons against the cutover in *case*, each once.

    *before_catching_up*, conditions that a new snapshot, build and verification renew are left out.
    """
    checked = (one for one in CUTOVER if not (before_catching_up and one.renewed))
    return list(dict.fromkeys(reason for one in checked for reason in one.reasons(case)))


def _plan_allows_it(case: Case) -> Iterable[str]:
    return case.plan.refusals


def _files_can_be_switched(case: Case) -> Iterable[str]:
    return cutover_stage.refusals(case.switch)


def _code_knows_the_new_names(case: Case) -> Iterator[str]:
    changed = cutover_stage.unanswered(case.plan)
    if changed and not case.config.code_is_ready:
        yield (
            f"{len(changed):,} legacy tables will not answer under their name or with their columns ({changed[0]}, ...); "
            "set [decisions] code_is_ready = true once the code uses the new ones"
        )


def _stage_is_of_the_newest_snapshot(case: Case) -> Iterator[str]:
    if case.built.run != case.snapshot.run:
        yield (
            f"{escaped(case.built.stage)}: is built from the snapshot {case.built.run}, and the newest is "
            f"{case.snapshot.run}; run: migrator migrate"
        )


def _evidence_is_green_and_current(case: Case) -> Iterable[str]:
    return status.check(case.workspace.evidence, case.present).reasons


def _quarantine_is_accepted(case: Case) -> Iterator[str]:
    quarantined = case.built.quarantined
    if quarantined != case.config.accept_quarantine:
        yield (
            f"{quarantined:,} rows are in quarantine and the configuration accepts {case.config.accept_quarantine:,}; "
            f"review them, then set [decisions] accept_quarantine = {quarantined}"
        )


#: The conditions, in the order in which their reasons are shown.
CUTOVER = (
    Precondition(_plan_allows_it),
    Precondition(_files_can_be_switched),
    Precondition(_code_knows_the_new_names),
    Precondition(_stage_is_of_the_newest_snapshot, renewed=True),
    Precondition(_evidence_is_green_and_current, renewed=True),
    Precondition(_quarantine_is_accepted, renewed=True),
)
