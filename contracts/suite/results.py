"""The results of a run: gathered from pytest's reports, of this process or of workers, and summed up."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from migrator.config.waivers import CAN_FAIL, Waiver
from migrator.records.verify import BrokenContract
from migrator.stages.verify.evidence import ContractResult, Outcome, Why, counted

#: The folder that holds the contracts.
HERE = Path(__file__).parent.parent
#: Properties of a report: the waivers that covered the contract, the reason for which it was skipped.
WAIVED, WHY = "waived", "why"

_STAGE = re.compile(r"(?:[1-9]_)?(?P<stage>\w+)")
#: Outcomes of a contract's phases, worst first: the worst is the contract's.
_WORST = (Outcome.BROKEN, Outcome.WAIVED, Outcome.SKIPPED, Outcome.HELD)


class Named(NamedTuple):
    """Name of a contract.

    Attributes:
        id: Such as ``verify/row_says_what_was_decided[core.trades]``.
        clause: The clause that it proves.
    """

    id: str
    clause: str


def named(item: pytest.Item) -> Named | None:
    """Return the contract's name of a pytest *item*; None if it proves no clause."""
    mark = item.get_closest_marker("clause")
    if mark is None:
        return None
    stage = _STAGE.fullmatch(item.path.parent.name)
    if hasattr(item, "contract"):
        name, case = item.path.stem, CAN_FAIL if item.name == CAN_FAIL else ""
    else:
        callspec = getattr(item, "callspec", None)
        name = getattr(item, "originalname", item.name).removeprefix("test_")
        case = callspec.id if callspec else ""
    return Named(f"{stage['stage'] if stage else ''}/{name}{f'[{case}]' if case else ''}", mark.args[0])


@dataclass(slots=True)
class _Phases:
    """Results of one contract's phases, summed up."""

    outcome: Outcome | None = None
    why: Why = Why.NOT_SKIPPED
    seconds: float = 0.0
    properties: Sequence[tuple[str, object]] = ()


@dataclass(slots=True, eq=False)
class Results:
    """The results of a run.

    Attributes:
        known: Every collected contract by node id, deselected ones included.
        chosen: Node ids of the contracts to run.
        complete: Whether every file of the suite was collected.
        digests: Content digests of the judged copies, from each worker: side -> name -> digests.
    """

    known: dict[str, Named] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)
    complete: bool = False
    digests: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    _phases: dict[str, _Phases] = field(default_factory=dict)
    _says: dict[str, str] = field(default_factory=dict)

    def collected(self, items: Sequence[pytest.Item]) -> None:
        """Keep the collected contracts, before any is deselected."""
        self.known = {item.nodeid: name for item in items if (name := named(item))}
        files = {*HERE.glob("[1-9]_*/test_*.py"), *HERE.glob("[1-9]_*/*.sql")}
        self.complete = files <= {item.path for item in items}

    def choose(self, items: Sequence[pytest.Item]) -> None:
        """Keep the contracts that will run."""
        self.chosen = {item.nodeid for item in items if item.nodeid in self.known}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of one pytest item; pytest calls this."""
        phases = self._phases.setdefault(report.nodeid, _Phases())
        phases.seconds += report.duration
        properties = dict(report.user_properties)
        # A waiver's properties are in the report of its own phase only.
        phases.properties = list(
            dict.fromkeys([*phases.properties, *((name, value) for name, value in report.user_properties)])
        )
        outcome = {"failed": Outcome.BROKEN, "skipped": Outcome.SKIPPED}.get(report.outcome)
        if WAIVED in properties and outcome is Outcome.SKIPPED:
            outcome = Outcome.WAIVED
        if outcome is None and report.when == "call":
            outcome = Outcome.HELD
        if outcome is Outcome.SKIPPED:
            phases.why = Why(str(properties.get(WHY, Why.NOT_ASKED)))
        if outcome is Outcome.BROKEN:
            # Not `longreprtext`: with several processes it begins with the name of a process.
            self._says.setdefault(report.nodeid, str(report.longrepr).strip())
        phases.outcome = min(filter(None, (phases.outcome, outcome)), key=_WORST.index, default=None)

    def sent(self) -> dict[str, Any]:
        """Return what a worker sends in addition to its reports."""
        return {
            "known": {nodeid: list(name) for nodeid, name in self.known.items()},
            "chosen": sorted(self.chosen),
            "complete": self.complete,
        }

    def receive(self, sent: Mapping[str, Any]) -> None:
        """Add what a worker sent."""
        self.known |= {nodeid: Named(*name) for nodeid, name in sent["known"].items()}
        self.chosen |= set(sent["chosen"])
        self.complete = self.complete or sent["complete"]
        self.see(sent.get("digests", {}))

    def see(self, digests: Mapping[str, Mapping[str, str]]) -> None:
        """Add content digests of judged copies."""
        for side, by_name in digests.items():
            for name, digest in by_name.items():
                self.digests.setdefault(side, {}).setdefault(name, set()).add(digest)

    @property
    def deselected(self) -> int:
        """Number of deselected contracts."""
        return len(self.known) - len(self.chosen)

    @property
    def unfinished(self) -> list[str]:
        """Contracts without a result, because the run was cut short."""
        return sorted(self.known[nodeid].id for nodeid in self.chosen if not self._outcome(nodeid))

    @property
    def judged(self) -> bool:
        """Whether any contract held or was broken."""
        return any(self._outcome(nodeid) not in (None, Outcome.SKIPPED) for nodeid in self.known)

    def said(self) -> tuple[ContractResult, ...]:
        """Return the result of each contract, in the order of names."""
        return tuple(
            ContractResult(
                id=name.id,
                clause=name.clause,
                verdict=phases.outcome,
                why=phases.why if phases.outcome is Outcome.SKIPPED else Why.NOT_SKIPPED,
                milliseconds=round(1000 * phases.seconds),
                counts=counted(phases.properties),
            )
            for nodeid, name in sorted(self.known.items(), key=itemgetter(1))
            if (phases := self._phases.get(nodeid)) and phases.outcome
        )

    def broken(self) -> tuple[BrokenContract, ...]:
        """Return each broken contract with its message."""
        return tuple(
            BrokenContract(name=self.known[nodeid].id, says=says)
            for nodeid, says in sorted(self._says.items())
            if nodeid in self.known and self._outcome(nodeid) is Outcome.BROKEN
        )

    def needed(self, waivers: Sequence[Waiver]) -> tuple[Waiver, ...]:
        """Return the *waivers* that a broken contract needed."""
        used = {name for nodeid in self.known for name in self._waivers_of(nodeid)}
        return tuple(waiver for waiver in waivers if waiver.name in used)

    def complaints(self, waivers: Sequence[Waiver], today: dt.date) -> list[str]:
        """Return the problems of *waivers* and of the run as a whole, one sentence each."""
        needed = self.needed(waivers)
        problems = []
        for waiver in waivers:
            about = [nodeid for nodeid, name in self.known.items() if waiver.covers(name.id)]
            if waiver.expired(today):
                problems.append(
                    f"the waiver of {waiver.name} ran out on {waiver.expires}: set a new date, or remove it"
                )
            elif not about and self.complete:
                problems.append(f"the waiver of {waiver.name} names an unknown contract")
            elif waiver not in needed and any(self._outcome(nodeid) is Outcome.HELD for nodeid in about):
                problems.append(f"the waiver of {waiver.name} is not needed, the contract holds: remove it")
        counts = Counter(name.id for name in self.known.values())
        problems += [f"two contracts have the name {name}" for name, count in sorted(counts.items()) if count > 1]
        for side, by_name in self.digests.items():
            for name, digests in sorted(by_name.items()):
                if len(digests) > 1:
                    problems.append(f"{side} {name} was not the same for two workers: stop its writer")
                elif "" in digests:
                    problems.append(f"{side} {name} cannot be read to its end, so it has no digest")
        return problems

    def _outcome(self, nodeid: str) -> Outcome | None:
        phases = self._phases.get(nodeid)
        return phases.outcome if phases else None

    def _waivers_of(self, nodeid: str) -> list[str]:
        phases = self._phases.get(nodeid)
        return [str(value) for name, value in phases.properties if name == WAIVED] if phases else []


def waive(item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None], waivers: Sequence[Waiver]) -> None:
    """Mark *report* as waived if a waiver covers its broken contract; a contract that raised an error is not waived."""
    name = named(item)
    if (
        not report.failed
        or name is None
        or call.excinfo is None
        or not call.excinfo.errisinstance(pytest.fail.Exception)
    ):
        return
    today = dt.datetime.now(dt.UTC).date()
    if about := [waiver for waiver in waivers if waiver.covers(name.id) and not waiver.expired(today)]:
        report.outcome = "skipped"
        report.user_properties += [(WAIVED, waiver.name) for waiver in about]
        # pytest's mark for an expected failure: it does not fail the run and is listed on its own.
        report.wasxfail = f"waived by {about[0].owner} until {about[0].expires}: {about[0].reason}"
