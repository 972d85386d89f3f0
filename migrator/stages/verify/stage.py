"""Verify: the contracts judge a legacy set and a consolidated set, in a process of their own.

The tool does not import the suite: a bug in one cannot hide a bug in the other.  Neither the caller's
pytest configuration nor its environment reaches the contracts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from migrator.errors import MigratorError, UsageError
from migrator.records.verify import BrokenContract, Verified
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Evidence, Outcome
from migrator.system import durable_files, paths, worker_process
from migrator.system.temporary_folders import private_folder

#: What the extra installs that the contracts cannot do without.
NEEDED = ("base58", "faker", "hypothesis", "pytest")
#: Environment that would change what is judged, or how.
KEPT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH", "CONSOLIDATED_DIR", "LEGACY_DIR", "MIGRATOR_CONFIG")
#: The same, by how the names begin.
KEPT_OUT_BEGIN = "CONTRACTS_"
#: Most processes that judge: one process judges the whole of the largest table, and more would wait for it.
MOST_PROCESSES = 4
#: The program of the contracts: it imports and parses what the contracts use, then reads from its standard input which sets to judge.
_PROGRAM = """\
import os, sys, pytest, contracts.plugin
from migrator.mapping import reader
for mapping in reader.mappings():
    mapping.columns
named = os.fsdecode(sys.stdin.buffer.read())
sys.exit(pytest.main([*sys.argv[1:], *named.split(chr(0))]) if named else 0)
"""
#: pytest's exit codes: all passed, some failed.
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Contracts:
    """The process of the contracts, started and waiting for its sets.

    Attributes:
        process: The process; it leads a process group of its own.
        folder: Its private folder, where it writes its report and makes its temporary files.
    """

    process: subprocess.Popen[bytes]
    folder: Path

    def judge(self, legacy: Path, consolidated: Path, config: Path | None) -> subprocess.CompletedProcess[str]:
        """Let the contracts judge the pair of sets; return how the process ended, and what it printed."""
        named = [
            *("--legacy-dir", str(paths.resolved(legacy)), "--consolidated-dir", str(paths.resolved(consolidated))),
            *(("--contracts-config", str(paths.resolved(config))) if config is not None else ()),
        ]
        # Bytes: a path may be no text.
        printed = self.process.communicate(os.fsencode("\0".join(named)))
        decoded = (stream.decode(errors="replace") for stream in printed)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, *decoded)


@contextmanager
def started() -> Iterator[Contracts]:
    """Start the process of the contracts, so that it has read its modules when the sets are there; it ends with the block.

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
            # The list of last failures is not used, and to collect all garbage at the end takes a tenth of a second.
            *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
            *("--contracts-report", str(folder)),
            *("--contracts-processes", str(min(worker_process.processors(), MOST_PROCESSES))),
        ]
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in KEPT_OUT and not name.startswith(KEPT_OUT_BEGIN)
        }
        # Other plugins that happen to be installed must not change the verdict, nor slow the start.
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        # Their private copies go with our folder, also when they are ended before they can tidy up.
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
                    # With all that it started: a child of it would go on to write where we tidy up.
                    os.killpg(process.pid, signal.SIGKILL)


def verify(
    legacy: Path,
    consolidated: Path,
    *,
    config: Path | None = None,
    evidence: Path | None = None,
    broken: Path | None = None,
    contracts: Contracts | None = None,
) -> Verified:
    """Judge the pair of sets, read-only, and write the *evidence*; earlier evidence is removed first.

    Args:
        legacy: The legacy set.
        consolidated: The consolidated set.
        config: What the owners decided.
        evidence: Where the evidence goes.
        broken: Where the messages of the broken contracts go, as :func:`migrator.stages.verify.evidence.read_broken` reads them.
        contracts: The process of the contracts, where :func:`started` has begun it; else it is started here.

    Raises:
        UsageError: The extra ``contracts`` is not installed, pytest refuses the folders, or *evidence* is something else.
        MigratorError: No contract ran, or not all of them.
    """
    if evidence is not None:
        verify_evidence.withdraw(evidence)
    begun = time.monotonic()
    with nullcontext(contracts) if contracts else started() as running:
        said, messages = _judgement(running, legacy, consolidated, config)
    if broken is not None:
        durable_files.write(broken, verify_evidence.broken_text(messages))
    if evidence is not None:
        verify_evidence.write(said, evidence)
    return _verified(said, messages, evidence, seconds=time.monotonic() - begun)


def _judgement(
    contracts: Contracts, legacy: Path, consolidated: Path, config: Path | None
) -> tuple[Evidence, tuple[BrokenContract, ...]]:
    """Let the contracts judge; return their evidence, and the messages of those that are broken."""
    done = contracts.judge(legacy, consolidated, config)
    last = "".join(f": {line}" for line in [*filter(str.strip, (done.stderr + done.stdout).splitlines())][-1:])
    if done.returncode not in (_PASSED, _FAILED):
        raise MigratorError(
            f"the contracts did not run (pytest exited with {done.returncode}){last}", where="migrator verify"
        )
    written = contracts.folder / "evidence.json"
    if not written.exists():
        raise MigratorError(f"the contracts judged nothing, or did not end{last}", where="migrator verify")
    evidence = verify_evidence.read(written)
    broken = verify_evidence.read_broken(contracts.folder / verify_evidence.BROKEN)
    agree = (evidence.verdict == "GO") == (done.returncode == _PASSED)
    if not agree or len(broken) != len(evidence.with_verdict(Outcome.BROKEN)):
        raise MigratorError(
            "the exit code of pytest does not match the verdict of the contracts", where="migrator verify"
        )
    return evidence, broken


def _verified(said: Evidence, broken: tuple[BrokenContract, ...], written: Path | None, *, seconds: float) -> Verified:
    skipped = said.with_verdict(Outcome.SKIPPED)
    return Verified(
        held=len(said.with_verdict(Outcome.HELD)),
        skipped=len(skipped),
        waived=tuple(one.id for one in said.with_verdict(Outcome.WAIVED)),
        waivers=tuple(
            f"{one.name}, by {one.owner} until {one.expires.isoformat()}: {one.reason}" for one in said.waivers
        ),
        complaints=said.complaints,
        broken=broken,
        evidence=written,
        sampled=said.sampled,
        seconds=seconds,
    )


def need_contracts(who: str) -> None:
    """See that the contract suite can run.

    Raises:
        UsageError: Its dependencies are not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"needs {', '.join(missing)}", where=who, hint="pip install 'jarvis-consolidation[contracts]'")
