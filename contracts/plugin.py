"""The pytest plugin: options, ``.sql`` contracts, the verdict and the evidence.

Installed as the entry point ``contracts`` of ``pytest11``, so that ``pytest --pyargs contracts --consolidated-dir DIR``
works anywhere.  The options of a packaged suite need a plugin: pytest reads a conftest.py too late.
"""

from __future__ import annotations

import datetime as dt
import gc
import re
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from contracts.checks import lineage
from contracts.sets.case import Case
from contracts.sets.consolidated import Subject
from contracts.suite import (
    evidence_writer,
    forked,
    junit,
    options,
    results,
    specified_objects,
    surroundings,
    tracebacks,
)
from contracts.suite.results import Results
from contracts.suite.session import NO_PAIR, SESSION, Session
from contracts.suite.sql_contract import SqlContractFile
from contracts.suite.surroundings import Standing
from migrator.config.extra_indexes import ExtraIndex
from migrator.errors import UsageError
from migrator.reports import page
from migrator.reports.page import Report
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Outcome
from migrator.system import durable_files

#: The folder that holds the contracts.
HERE = results.HERE
#: Files that ``--contracts-report`` writes.
EVIDENCE, JUNIT, PAGE, SUMMARY = "evidence.json", "contracts.xml", "report.html", "report.md"
#: Keys of the results, and of the other problems that prevent GO, in pytest's stash.
RESULTS = pytest.StashKey[Results]()
COMPLAINTS = pytest.StashKey[list[str]]()

_NUMBERED = re.compile(r"[1-9]_[a-z]+")
#: Key of the contracts' data between pytest-xdist's controller and its workers.
_WORKER = "contracts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the contracts."""
    options.add(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options and withdraw earlier evidence, before pytest sets JUnit up.

    Raises:
        pytest.UsageError: A named folder or file is missing, or has the wrong content.
    """
    config.pluginmanager.register(tracebacks, "contracts-sentences")
    config.addinivalue_line(
        "markers", "clause(id): the clause of contracts/suite/clauses.toml that the contract proves"
    )
    config.addinivalue_line("markers", "each(kind): a case for each object of the specification of this kind")
    asked = options.read(config)
    worker = getattr(config, "workerinput", None)
    config.stash[RESULTS] = Results()
    config.pluginmanager.register(config.stash[RESULTS], "contracts-results")
    config.pluginmanager.register(junit.ClassNames(config), "contracts-junit")
    session = config.stash[SESSION] = Session(asked, lineage.choose, shared=Path(worker[_WORKER]) if worker else None)
    if asked.consolidated is not None:
        try:
            _ = session.judged
        except UsageError as error:
            session.close()
            raise pytest.UsageError(f"--consolidated-dir: {error}") from error
    # Only after all checks: a wrong command must not remove earlier evidence.
    if asked.report is not None and worker is None:
        asked.report.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            verify_evidence.withdraw(asked.report / EVIDENCE)
        except UsageError as error:
            session.close()
            raise pytest.UsageError(f"--contracts-report: {error}") from error
        if not getattr(config.option, "xmlpath", None):
            # Messages contain keys, so only the owner may read the file.
            (asked.report / JUNIT).touch(mode=0o600)
            config.option.xmlpath = str(asked.report / JUNIT)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the private copies, and let the garbage collector see all objects again."""
    gc.unfreeze()
    if session := config.stash.get(SESSION, None):
        session.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return the versions, the contracts and the judged sets."""
    versions = ", ".join(f"{name} {version}" for name, version in evidence_writer.versions().items())
    return [f"contracts: {HERE}, judging {config.stash[SESSION].describe()}", f"contracts: {versions}"]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the workers of xdist one folder, so that sets are made once."""
    node.workerinput[_WORKER] = str(node.config.stash[SESSION].scratch)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the results of a worker."""
    if sent := getattr(node, "workeroutput", {}).get(_WORKER):
        node.config.stash[RESULTS].receive(sent)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SqlContractFile | None:
    """Collect the ``.sql`` files of numbered folders: the suite's own and the user's."""
    if file_path.suffix == ".sql" and _NUMBERED.fullmatch(file_path.parent.name):
        return SqlContractFile.from_parent(parent, path=file_path)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the cases of contracts on each object of the specification."""
    specified_objects.parametrize(metafunc, metafunc.config.stash[SESSION].specification)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the collected contracts; deselect those on databases that are not judged."""
    config.stash[RESULTS].collected(items)
    session = config.stash[SESSION]
    if session.consolidated is None or session.judged.whole:
        return
    left_out = [item for item in items if not _can_judge(session, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the contracts that will run."""
    session.config.stash[RESULTS].choose(session.items)
    # Modules, DDL and items stay until the end: the garbage collector need not check them repeatedly.
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Judge in several processes if the user orders it and xdist does not run."""
    config = session.config
    judging = config.stash[SESSION]
    alone = judging.options.processes < 2 or config.option.collectonly or not session.items
    if alone or session.testsfailed or config.pluginmanager.hasplugin("dsession") or hasattr(config, "workerinput"):
        return None
    judging.prepare()
    forked.judge(session, judging.options.processes)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Mark a broken contract as waived if the owners waived it."""
    report = yield
    results.waive(item, report, call, item.config.stash[SESSION].options.waivers)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """Show a waived contract with a status of its own."""
    properties = dict(getattr(report, "user_properties", ()))
    return ("waived", "w", "WAIVED") if results.WAIVED in properties and report.outcome == "skipped" else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Sum up the results, fail a run with complaints, and write the evidence."""
    config = session.config
    summary, asked = config.stash[RESULTS], config.stash[SESSION].options
    if (output := getattr(config, "workeroutput", None)) is not None:
        digests = evidence_writer.digests(config.stash[SESSION]) if asked.report and summary.judged else {}
        output[_WORKER] = {**summary.sent(), "digests": digests}
        return
    ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}
    if not ended or config.option.collectonly or not (summary.known or asked.asked):
        return
    if asked.report and summary.judged and not summary.digests:
        summary.see(evidence_writer.digests(config.stash[SESSION]))
    complaints = config.stash[COMPLAINTS] = summary.complaints(asked.waivers, dt.datetime.now(dt.UTC).date())
    if not summary.judged:
        complaints.append("the contracts judged nothing")
    if complaints:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    # An interrupted run, or a run that judged nothing, leaves no evidence.
    if asked.report and summary.judged and not summary.unfinished:
        evidence = evidence_writer.evidence(config.stash[SESSION], summary, complaints)
        report = Report(evidence=evidence, broken=summary.broken())
        durable_files.write(asked.report / verify_evidence.BROKEN, verify_evidence.broken_text(report.broken))
        durable_files.write(asked.report / PAGE, page.html(report))
        durable_files.write(asked.report / SUMMARY, page.markdown(report))
        verify_evidence.write(evidence, asked.report / EVIDENCE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print GO or NO-GO, the waived contracts and other problems."""
    complaints = config.stash.get(COMPLAINTS, None)
    if complaints is None:
        return
    summary = config.stash[RESULTS]
    counts = Counter(contract.verdict for contract in summary.said())
    left = [f"{len(summary.unfinished)} not reached"] if summary.unfinished else []
    left += [f"{summary.deselected} left out"] if summary.deselected else []
    good = summary.judged and not complaints and not counts[Outcome.BROKEN] and not left
    verdict = "GO" if good else "NO-GO" if complaints or counts[Outcome.BROKEN] else "NO VERDICT"
    terminalreporter.section("contracts")
    for waiver in summary.needed(config.stash[SESSION].options.waivers):
        terminalreporter.line(f"waived: {waiver.name}, by {waiver.owner} until {waiver.expires}: {waiver.reason}")
    for complaint in complaints:
        terminalreporter.line(complaint, red=True)
    summed = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]]
    terminalreporter.line(f"{verdict}: {', '.join([*summed, *left]) or 'no contract ran'}", green=good, red=not good)


def _can_judge(session: Session, item: pytest.Item) -> bool:
    """Return whether *item* can judge a single database: it reads no other."""
    targets = _targets(item)
    contract = getattr(item, "contract", None)
    of_pair = bool(contract.legacy) if contract is not None else "case" in getattr(item, "fixturenames", ())
    return targets <= session.judged.originals.keys() and not (of_pair and not (session.has_pair and targets))


def _targets(item: pytest.Item) -> set[str]:
    contract = getattr(item, "contract", None)
    if contract is not None:
        return set(contract.reads)
    callspec = getattr(item, "callspec", None)
    return {callspec.params["target"]} if callspec is not None and "target" in callspec.params else set()


@pytest.fixture(scope="session")
def judged(pytestconfig: pytest.Config) -> Subject:
    """The judged consolidated set."""
    return pytestconfig.stash[SESSION].judged


@pytest.fixture(scope="session")
def legacy_dir(pytestconfig: pytest.Config) -> Path:
    """The judged legacy set: the named folder, else a dirty specimen at real size."""
    return pytestconfig.stash[SESSION].legacy_dir


@pytest.fixture(scope="session")
def case(pytestconfig: pytest.Config) -> Case:
    """The case: legacy and consolidated set, and what is needed to compare them."""
    session = pytestconfig.stash[SESSION]
    if not session.has_pair:
        pytest.skip(NO_PAIR)
    return session.case


@pytest.fixture(scope="session")
def ordered(pytestconfig: pytest.Config) -> tuple[ExtraIndex, ...]:
    """The owners' extra indexes."""
    return pytestconfig.stash[SESSION].ordered


@pytest.fixture(scope="session")
def around(pytestconfig: pytest.Config) -> Standing:
    """The surroundings of the judged sets: the snapshot and the last switch."""
    return surroundings.standing(pytestconfig.stash[SESSION])


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """A function that records a count, a name and a number, in the evidence."""

    def record(name: str, number: int) -> None:
        request.node.user_properties.append((name, number))

    return record


@pytest.fixture(scope="session")
def traced(case: Case) -> Case:
    """The case with a recorded lineage; without one the contract is skipped."""
    if missing := case.lineage.missing:
        pytest.skip(
            f"not judged: {', '.join(missing)}: no lineage and quarantine record which legacy row became which row"
        )
    return case
