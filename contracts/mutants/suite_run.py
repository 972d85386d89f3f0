"""The real suite, run in this process: its own collection, its own options, its own verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.plugin import COMPLAINTS, RESULTS
from contracts.suite import in_process, results
from migrator.config.waivers import CAN_FAIL
from migrator.stages.verify.evidence import Outcome, Said

#: The fixtures through which a contract asks something of the judged set.
_ASKS = {"judged", "case"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the suite said of one set.

    Attributes:
        broken: Names of the broken contracts, without their cases: ``build/table_has_its_columns``.
        crashed: Names of those that did not say so but failed with another exception.
        asked: Names of all contracts that were asked.
        held: How many held, each case counted.
        refused: What pytest said where it would not judge the set at all; or ''.
        complaints: What else keeps the verdict from GO.
        said: What each broken one said, by id.
    """

    broken: frozenset[str]
    crashed: frozenset[str]
    asked: frozenset[str]
    held: int
    refused: str = ""
    complaints: tuple[str, ...] = ()
    said: dict[str, str] = field(default_factory=dict)

    @property
    def go(self) -> bool:
        """Whether nothing speaks against the set."""
        return bool(self.held) and not self.broken and not self.refused and not self.complaints


class _Recorder:
    """Takes down what pytest's own hooks see of a run."""

    def __init__(self) -> None:
        self.contracts: tuple[Said, ...] = ()
        self.complaints: tuple[str, ...] = ()
        self.crashed: set[str] = set()
        self.says: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what asks nothing of the judged set, such as how the monitor counts: no fault in one can break it."""
        items[:] = [item for item in items if asks(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Note a contract that failed otherwise than by saying so."""
        if isinstance(node, pytest.Item) and call.excinfo and not call.excinfo.errisinstance(pytest.fail.Exception):
            name = results.named(node)
            self.crashed.add(_contract(name.id) if name else node.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Take the plugin's own results."""
        found = session.config.stash[RESULTS]
        self.contracts = found.said()
        self.says = {one.name: one.says for one in found.broken()}
        complaints = session.config.stash.get(COMPLAINTS, None)
        self.complaints = tuple(complaints or ())


def judge(consolidated: Path, legacy: Path | None, scratch: Path, *, only: str = "") -> Verdict:
    """Run every contract on the set in *consolidated*, beside *legacy* where there is one.

    A contract of one ``.sql`` file counts by its ``holds`` alone: that its own fault can be planted says nothing of the set.

    Args:
        consolidated: The folder of the three.
        legacy: The legacy set; None for none.
        scratch: A folder in which the run may leave its configuration.
        only: What ``-k`` chooses; '' for all.
    """
    (scratch / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
    arguments = [
        *(str(results.HERE), "--import-mode=importlib"),
        *("-c", str(scratch / "pytest.ini"), "--rootdir", str(scratch), "-p", "no:cacheprovider", "-q", "--tb=short"),
        # What a contract prints is of no interest: a tenth of a run goes into taking it down.
        *("--capture=no", "-p", "no:logging", "-p", "no:warnings"),
        # Housekeeping for tests of code: a run here takes a second, and these two collect all garbage at its end.
        *("-p", "no:unraisableexception", "-p", "no:threadexception", "--basetemp", str(scratch / "pytest")),
        *("--consolidated-dir", str(consolidated)),
        *(("--legacy-dir", str(legacy)) if legacy else ()),
        *(("-k", only) if only else ()),
    ]
    recorder = _Recorder()
    code, heard = in_process.run(arguments, recorder)
    if code == pytest.ExitCode.USAGE_ERROR:
        last = [line for line in heard.splitlines() if line.strip()][-1:]
        return Verdict(broken=frozenset(), crashed=frozenset(), asked=frozenset(), held=0, refused=" ".join(last))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not recorder.contracts:
        raise RuntimeError(f"the suite did not run (pytest says {code}): {heard[-2000:]}")
    broken = {_contract(one.id) for one in recorder.contracts if one.verdict is Outcome.BROKEN and not _own_fault(one)}
    return Verdict(
        broken=frozenset(broken),
        crashed=frozenset(recorder.crashed),
        asked=frozenset(_contract(one.id) for one in recorder.contracts),
        held=sum(one.verdict is Outcome.HELD for one in recorder.contracts),
        complaints=recorder.complaints,
        said=recorder.says,
    )


def asks(item: pytest.Item) -> bool:
    """Tell whether a contract asks something of the judged set."""
    return hasattr(item, "contract") or bool(_ASKS & {*getattr(item, "fixturenames", ())})


def _contract(id_: str) -> str:
    return id_.partition("[")[0]


def _own_fault(said: Said) -> bool:
    return said.id.endswith(f"[{CAN_FAIL}]")
