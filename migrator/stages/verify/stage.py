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
from importlib.util import find_spec
from pathlib import Path

from migrator.errors import MigratorError, UsageError
from migrator.records.verify import BrokenContract, Verified
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify.evidence import Evidence, Outcome
from migrator.system import connections, durable_files, paths, worker_process
from migrator.system.temporary_folders import private_folder

#: What the extra installs that the contracts cannot do without.
NEEDED = ("base58", "faker", "hypothesis", "pytest", "xdist")
#: Environment that would change what is judged, or how.
KEPT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH", "CONSOLIDATED_DIR", "LEGACY_DIR", "MIGRATOR_CONFIG")
#: The same, by how the names begin.
KEPT_OUT_BEGIN = "CONTRACTS_"
#: Bytes in the two sets from which two processes end sooner than one; below, their start takes longer than they save.
SHARED_FROM_BYTES = 64 * 1024**2
#: pytest's exit codes: all passed, some failed.
_PASSED, _FAILED = 0, 1


def verify(
    legacy: Path,
    consolidated: Path,
    *,
    config: Path | None = None,
    evidence: Path | None = None,
    broken: Path | None = None,
) -> Verified:
    """Judge the pair of sets, read-only, and write the *evidence*; earlier evidence is removed first.

    Args:
        legacy: The legacy set.
        consolidated: The consolidated set.
        config: What the owners decided.
        evidence: Where the evidence goes.
        broken: Where the messages of the broken contracts go, as :func:`migrator.stages.verify.evidence.read_broken` reads them.

    Raises:
        UsageError: The extra ``contracts`` is not installed, pytest refuses the folders, or *evidence* is something else.
        MigratorError: No contract ran, or not all of them.
    """
    need_contracts("migrator verify")
    if evidence is not None:
        verify_evidence.withdraw(evidence)
    begun = time.monotonic()
    with private_folder() as folder:
        done = _run(legacy, consolidated, config, folder)
        if done.returncode not in (_PASSED, _FAILED):
            last = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][-1:]
            raise MigratorError(
                f"the contracts did not run (pytest exited with {done.returncode}): {' '.join(last)}",
                where="migrator verify",
            )
        if not (folder / "evidence.json").exists():
            raise MigratorError("the contracts judged nothing, or did not end", where="migrator verify")
        said = verify_evidence.read(folder / "evidence.json")
        messages = verify_evidence.read_broken(folder / verify_evidence.BROKEN)
        if broken is not None:
            durable_files.write(broken, (folder / verify_evidence.BROKEN).read_text(encoding="utf-8"))
    if (said.verdict == "GO") != (done.returncode == _PASSED) or len(messages) != len(
        said.with_verdict(Outcome.BROKEN)
    ):
        raise MigratorError(
            "the exit code of pytest does not match the verdict of the contracts", where="migrator verify"
        )
    if evidence is not None:
        verify_evidence.write(said, evidence)
    return _verified(said, messages, evidence, seconds=time.monotonic() - begun)


def _run(legacy: Path, consolidated: Path, config: Path | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts in a process of their own; what they report is in *folder*."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
    command = [
        *(sys.executable, "-P", "-m", "pytest", "-p", "contracts.plugin"),
        *("--pyargs", "contracts", "--import-mode=importlib"),
        *("-c", str(folder / "pytest.ini"), "--rootdir", str(folder), "-q"),
        # The list of last failures is not used, and to collect all garbage at the end takes a tenth of a second.
        *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
        *("--legacy-dir", str(paths.resolved(legacy)), "--consolidated-dir", str(paths.resolved(consolidated))),
        *("--contracts-report", str(folder)),
        *(("--contracts-config", str(paths.resolved(config))) if config is not None else ()),
        *(("-p", "xdist.plugin", "-n", "2", "--dist", "worksteal") if _large(legacy, consolidated) else ()),
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
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, cwd=folder, env=environment, process_group=0,
        stdin=nothing, stdout=pipe, stderr=pipe, text=True, errors="replace",
    ) as process:  # fmt: skip
        try:
            said = process.communicate()
        except BaseException:
            # With all that it started: a child of it would go on to write where we tidy up.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, *said)


def _large(*folders: Path) -> bool:
    """Tell whether there is enough to judge for two processes, and a processor for each."""
    there = (path for folder in folders for path in folder.rglob("*.db"))
    return worker_process.processors() > 1 and sum(map(connections.allocated_bytes, there)) >= SHARED_FROM_BYTES


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
