"""Runs the real suite in this process, with its own collection, options and verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.plugin import COMPLAINTS, RESULTS
from contracts.suite import in_process, results
from migrator.config.waivers import CAN_FAIL
from migrator.stages.verify.evidence import ContractResult, Outcome

#: The fixtures through which a contract reads the judged set.
_ASKS = {"judged", "case"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The suite's judgement of one set.

    Attributes:
        broken: Names of the broken contracts, without their cases, such as ``build/table_has_its_columns``.
        crashed: Names of the contracts that raised another error than a failure.
        asked: Names of all contracts that ran.
        held: Number of contracts that held, each case counted.
        refused: pytest's message if it did not judge the set; else ''.
        complaints: Other problems that prevent GO.
        said: The message of each broken contract, by id.
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
        """Whether the verdict is GO."""
        return bool(self.held) and not self.broken and not self.refused and not self.complaints


class _Recorder:
    """Records a run through pytest's hooks."""

    def __init__(self) -> None:
        self.contracts: tuple[ContractResult, ...] = ()
        self.complaints: tuple[str, ...] = ()
        self.crashed: set[str] = set()
        self.says: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect contracts that do not read the judged set: no planted fault can break them."""
        items[:] = [item for item in items if asks(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Record a contract that raised another error than a failure."""
        if isinstance(node, pytest.Item) and call.excinfo and not call.excinfo.errisinstance(pytest.fail.Exception):
            name = results.named(node)
            self.crashed.add(_contract(name.id) if name else node.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the plugin's results."""
        results = session.config.stash[RESULTS]
        self.contracts = results.said()
        self.says = {contract.name: contract.says for contract in results.broken()}
        complaints = session.config.stash.get(COMPLAINTS, None)
        self.complaints = tuple(complaints or ())


def judge(
    consolidated: Path, legacy: Path | None, scratch: Path, *, only: str = "", amendments: tuple[str, ...] = ()
) -> Verdict:
    """Run every contract on the set in *consolidated*, with *legacy* if there is one.

    Of an ``.sql`` contract only ``holds`` counts: ``can_fail`` judges the contract and not the set.

    Args:
        consolidated: The folder of the three.
        legacy: The legacy set; None without one.
        scratch: A folder for the run's configuration.
        only: The expression for ``-k``; '' for all contracts.
        amendments: The amendments of the specification, in a configuration of their own; none for that of the legacy set.
    """
    decided = scratch / "decided.toml"
    decided.write_text(f"[decisions]\namendments = {json.dumps(amendments)}\n", encoding="utf-8")
    (scratch / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
    arguments = [
        *(str(results.HERE), "--import-mode=importlib"),
        *("-c", str(scratch / "pytest.ini"), "--rootdir", str(scratch), "-p", "no:cacheprovider", "-q", "--tb=short"),
        # Capturing the output of contracts, which is not needed, takes a tenth of a run.
        *("--capture=no", "-p", "no:logging", "-p", "no:warnings"),
        # These two plugins collect all garbage at the end of a run, which takes a second here.
        *("-p", "no:unraisableexception", "-p", "no:threadexception", "--basetemp", str(scratch / "pytest")),
        *("--consolidated-dir", str(consolidated)),
        *(("--legacy-dir", str(legacy)) if legacy else ()),
        *(("--contracts-config", str(decided)) if amendments else ()),
        *(("-k", only) if only else ()),
    ]
    recorder = _Recorder()
    code, heard = in_process.run(arguments, recorder)
    if code == pytest.ExitCode.USAGE_ERROR:
        last = [line for line in heard.splitlines() if line.strip()][-1:]
        return Verdict(broken=frozenset(), crashed=frozenset(), asked=frozenset(), held=0, refused=" ".join(last))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not recorder.contracts:
        raise RuntimeError(f"the suite did not run (pytest says {code}): {heard[-2000:]}")
    broken = {
        _contract(result.id)
        for result in recorder.contracts
        if result.verdict is Outcome.BROKEN and not _own_fault(result)
    }
    return Verdict(
        broken=frozenset(broken),
        crashed=frozenset(recorder.crashed),
        asked=frozenset(_contract(result.id) for result in recorder.contracts),
        held=sum(result.verdict is Outcome.HELD for result in recorder.contracts),
        complaints=recorder.complaints,
        said=recorder.says,
    )


def asks(item: pytest.Item) -> bool:
    """Return whether a contract reads the judged set."""
    return hasattr(item, "contract") or bool(_ASKS & {*getattr(item, "fixturenames", ())})


def _contract(id_: str) -> str:
    return id_.partition("[")[0]


def _own_fault(result: ContractResult) -> bool:
    return result.id.endswith(f"[{CAN_FAIL}]")
