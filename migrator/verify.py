"""Verify: the contracts judge a legacy set and a consolidated set, in a process of their own.

The tool does not import the suite: whatever is wrong with the one cannot excuse the other.  Neither the caller's
pytest configuration nor its environment reaches the contracts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from migrator.errors import MigratorError, UsageError
from migrator.records import BrokenContract, Verified

#: What the extra installs that the contracts cannot do without.
NEEDED = ("base58", "faker", "hypothesis", "pytest")
#: Environment that would change what is judged, or how.
_KEPT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH", "CONSOLIDATED_DIR", "LEGACY_DIR")
#: pytest's exit codes: all passed, some failed.
_PASSED, _FAILED = 0, 1


def verify(legacy: Path, consolidated: Path, *, config: Path | None = None) -> Verified:
    """Judge the pair of sets, read-only.

    Raises:
        UsageError: The extra ``contracts`` is not installed, or pytest refuses the folders.
        MigratorError: No contract ran.
    """
    need_contracts("migrator verify")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="migrator-") as folder:
        (Path(folder) / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
        results = Path(folder) / "results.xml"
        command = [
            *(
                sys.executable,
                "-P",
                "-m",
                "pytest",
                "-p",
                "contracts.plugin",
                "--pyargs",
                "contracts",
                "--import-mode=importlib",
            ),
            *("-c", str(Path(folder) / "pytest.ini"), "--rootdir", folder, "-p", "no:cacheprovider", "-q"),
            *("--legacy-dir", str(legacy), "--consolidated-dir", str(consolidated), f"--junit-xml={results}"),
        ]
        environment = {name: value for name, value in os.environ.items() if name not in _KEPT_OUT}
        # Whatever plugins happen to be installed beside the contracts have no say, and cost no start.
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        if config is not None:
            environment["MIGRATOR_CONFIG"] = str(config)
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode not in (_PASSED, _FAILED):
            last = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][-1:]
            raise MigratorError(
                f"the contracts did not run (pytest says {done.returncode}): {' '.join(last)}", where="migrator verify"
            )
        cases = list(ET.parse(results).iter("testcase"))  # noqa: S314 - pytest wrote it just now
    broken = tuple(_broken(cases))
    skipped = sum(case.find("skipped") is not None for case in cases)
    if len(cases) == skipped or bool(broken) != (done.returncode == _FAILED):
        raise MigratorError("the contracts judged nothing", where="migrator verify")
    return Verified(
        held=len(cases) - skipped - len(broken),
        skipped=skipped,
        broken=broken,
        seconds=time.monotonic() - begun,
    )


def need_contracts(who: str) -> None:
    """See that the contract suite can run.

    Raises:
        UsageError: Its dependencies are not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"needs {', '.join(missing)}", where=who, hint="pip install 'jarvis-consolidation[contracts]'")


def _broken(cases: list[ET.Element]) -> Iterator[BrokenContract]:
    for case in cases:
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                said = found.text or found.get("message") or ""
                yield BrokenContract(name=case.get("name", ""), says=said.strip())
