"""Runs the contracts on a legacy set and a consolidated set, in a process of their own.

migrator does not import the contracts: a bug in one cannot hide a bug in the other.  The caller's pytest configuration and
environment do not reach the contracts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from migrator.errors import MigratorError, UsageError
from migrator.records.verify import BrokenContract, Verified
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Evidence, Outcome
from migrator.system import durable_files, installation, paths, worker_process
from migrator.system.temporary_folders import private_folder

#: Called with the number of judged contracts, and of all.
Progress = Callable[[int, int], None]
#: Modules that the contracts import, installed by the extra ``contracts``.
NEEDED = ("base58", "faker", "hypothesis", "pytest")
#: Environment variables that would change which sets are judged, or how.
KEPT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH", "CONSOLIDATED_DIR", "LEGACY_DIR", "MIGRATOR_CONFIG")
#: Beginning of the names of more such variables.
KEPT_OUT_BEGIN = "CONTRACTS_"
#: Maximum number of processes: one judges the largest table alone, and more than these would wait for it.
MOST_PROCESSES = 4
#: The program of the contracts: it imports and parses their modules, then reads the paths of the sets from its standard input.
_PROGRAM = """\
import os, sys, pytest, contracts.plugin
from migrator.mapping import reader
for mapping in reader.mappings():
    mapping.columns
class Progress:
    def pytest_collection_finish(self, session):
        self.file = open("progress", "wb", buffering=0)
        self.file.write(b"%d\\n" % len(session.items))
    def pytest_runtest_logfinish(self):
        self.file.write(b".")
named = os.fsdecode(sys.stdin.buffer.read())
sys.exit(pytest.main([*sys.argv[1:], *named.split(chr(0))], plugins=[Progress()]) if named else 0)
"""
#: The file in which that process writes the number of its contracts, then a byte for each that is judged.
_PROGRESS = "progress"
#: Seconds between two readings of that file.
_POLL_S = 0.2
#: pytest's exit codes: all passed, some failed.
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Contracts:
    """The started process of the contracts, which waits for the paths of its sets.

    Attributes:
        process: The process, the leader of its process group.
        folder: Its private folder, for its report and its temporary files.
    """

    process: subprocess.Popen[bytes]
    folder: Path

    def judge(
        self, legacy: Path, consolidated: Path, config: Path | None, progress: Progress = lambda *_: None
    ) -> subprocess.CompletedProcess[str]:
        """Run the contracts on the pair of sets; return the exit code and the output of the process.

        *progress* is called while they run, with the number of judged contracts and the number of all.
        """
        named = [
            *("--legacy-dir", str(paths.resolved(legacy)), "--consolidated-dir", str(paths.resolved(consolidated))),
            *(("--contracts-config", str(paths.resolved(config))) if config is not None else ()),
        ]
        # Bytes: a path need not be UTF-8.
        given: bytes | None = os.fsencode("\0".join(named))
        while True:
            try:
                printed = self.process.communicate(given, timeout=_POLL_S)
                break
            except subprocess.TimeoutExpired:
                given = None
                progress(*self._judged())
        progress(*self._judged())
        decoded = (stream.decode(errors="replace") for stream in printed)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, *decoded)

    def _judged(self) -> tuple[int, int]:
        """Return how many contracts are judged, and how many there are; 0 while that is not known."""
        try:
            total, _, judged = (self.folder / _PROGRESS).read_text(encoding="ascii").partition("\n")
        except FileNotFoundError:
            return 0, 0
        return len(judged), int(total or 0)


@contextmanager
def started() -> Iterator[Contracts]:
    """Start the process of the contracts before the sets exist, so that it imports meanwhile; end it with the block.

    Raises:
        UsageError: The extra ``contracts`` is not installed.
    """
    need_contracts("migrator verify")
    with private_folder() as folder:
        (folder / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
        command = [
            *(sys.executable, "-P", "-c", _PROGRAM, "-p", "contracts.plugin"),
            *("--pyargs", "contracts", "--import-mode=importlib", "--assert=plain"),
            *("-c", str(folder / "pytest.ini"), "--rootdir", str(folder), "-q"),
            # Not needed: the list of last failures, and a collection of garbage at the end, which takes 0.1 s.
            *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
            *("--contracts-report", str(folder)),
            *("--contracts-processes", str(min(worker_process.processors(), MOST_PROCESSES))),
        ]
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in KEPT_OUT and not name.startswith(KEPT_OUT_BEGIN)
        }
        # Other installed plugins could change the verdict, and slow the start.
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        # Their private copies are removed with our folder, even if the contracts are killed.
        environment["TMPDIR"] = str(folder)
        pipe = subprocess.PIPE
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, cwd=folder, env=environment, process_group=0,
            stdin=pipe, stdout=pipe, stderr=pipe,
        ) as process:  # fmt: skip
            try:
                yield Contracts(process, folder)
            finally:
                if process.poll() is None:
                    # The whole group: a child would go on writing to the folder that is removed next.
                    os.killpg(process.pid, signal.SIGKILL)


def verify(
    legacy: Path,
    consolidated: Path,
    *,
    config: Path | None = None,
    evidence: Path | None = None,
    broken: Path | None = None,
    contracts: Contracts | None = None,
    progress: Progress = lambda *_: None,
) -> Verified:
    """Run the contracts on a pair of sets and write the *evidence*; the sets are not changed.

    Earlier evidence is removed first.

    Args:
        legacy: The legacy set.
        consolidated: The consolidated set.
        config: The owners' configuration.
        evidence: Path of the evidence; None for none.
        broken: Path of the messages of the broken contracts, for
            :func:`migrator.stages.verify.evidence.read_broken`; None for none.
        contracts: The process that :func:`started` yielded; by default it is started here.
        progress: Called while they run, with the number of judged contracts and the number of all.

    Raises:
        UsageError: The extra ``contracts`` is not installed, pytest refuses the folders, or the file at *evidence* is not evidence.
        MigratorError: No contract ran, or not all of them.
    """
    if evidence is not None:
        verify_evidence.withdraw(evidence)
    begun = time.monotonic()
    with nullcontext(contracts) if contracts else started() as running:
        result, messages = _judgement(running, legacy, consolidated, config, progress)
    if broken is not None:
        durable_files.write(broken, verify_evidence.broken_text(messages))
    if evidence is not None:
        verify_evidence.write(result, evidence)
    return _verified(result, messages, evidence, seconds=time.monotonic() - begun)


def _judgement(
    contracts: Contracts, legacy: Path, consolidated: Path, config: Path | None, progress: Progress
) -> tuple[Evidence, tuple[BrokenContract, ...]]:
    """Run the contracts; return their evidence, and the messages of the broken ones.

    Raises:
        MigratorError: No contract ran, or not all of them, or their results contradict each other.
    """
    ended = contracts.judge(legacy, consolidated, config, progress)
    last = "".join(f": {line}" for line in [*filter(str.strip, (ended.stderr + ended.stdout).splitlines())][-1:])
    if ended.returncode not in (_PASSED, _FAILED):
        raise MigratorError(
            f"the contracts did not run (pytest exited with {ended.returncode}){last}", where="migrator verify"
        )
    written = contracts.folder / "evidence.json"
    if not written.exists():
        raise MigratorError(f"the contracts judged nothing, or did not end{last}", where="migrator verify")
    evidence = verify_evidence.read(written)
    broken = verify_evidence.read_broken(contracts.folder / verify_evidence.BROKEN)
    agree = (evidence.verdict == "GO") == (ended.returncode == _PASSED)
    if not agree or len(broken) != len(evidence.with_verdict(Outcome.BROKEN)):
        raise MigratorError(
            "the exit code of pytest does not match the verdict of the contracts", where="migrator verify"
        )
    return evidence, broken


def _verified(
    evidence: Evidence, broken: tuple[BrokenContract, ...], written: Path | None, *, seconds: float
) -> Verified:
    return Verified(
        held=len(evidence.with_verdict(Outcome.HELD)),
        skipped=len(evidence.with_verdict(Outcome.SKIPPED)),
        waived=tuple(result.id for result in evidence.with_verdict(Outcome.WAIVED)),
        waivers=tuple(
            f"{waiver.name}, by {waiver.owner} until {waiver.expires.isoformat()}: {waiver.reason}"
            for waiver in evidence.waivers
        ),
        complaints=evidence.complaints,
        broken=broken,
        evidence=written,
        sampled=evidence.sampled,
        seconds=seconds,
    )


def need_contracts(command: str) -> None:
    """Check that the contracts can run, for *command*.

    Raises:
        UsageError: Its dependencies are not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(
            f"needs {', '.join(missing)}", where=command, hint=f"run: {installation.extra_command('contracts')}"
        )
