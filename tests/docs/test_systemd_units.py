"""The units of systemd in the docs are valid, and their exit codes are those of the monitor."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.cli import operations
from migrator.errors import Refused, RollbackFailed, UsageError

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
UNITS = {
    name: text
    for page in ("watch-by-your-own-log.md", "run-a-whole-program.md")
    for name, text in re.findall(
        r"```ini\n# /etc/systemd/system/(\S+)\n(.*?)```", (FOLDER / page).read_text(encoding="utf-8"), re.DOTALL
    )
}


def codes(unit, key):
    return {int(code) for code in re.search(rf"^{key}=(.*)$", UNITS[unit], re.MULTILINE)[1].split()}


def test_the_service_is_not_started_again_after_what_only_a_person_can_resolve():
    ended = {UsageError.exit_code, Refused.exit_code, operations.ROLLED_BACK, RollbackFailed.exit_code}

    assert ended == codes("migrator-monitor.service", "RestartPreventExitStatus")
    assert {operations.ROLLED_BACK, operations.UNDECIDED} == codes("migrator-monitor.service", "SuccessExitStatus")


def test_a_look_that_finds_nothing_to_do_is_no_failure():
    harmless = {Refused.exit_code, operations.ROLLED_BACK, operations.UNDECIDED}

    assert harmless == codes("migrator-look.service", "SuccessExitStatus")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze judges the units")
def test_systemd_accepts_the_units(tmp_path):
    assert {
        "migrator-monitor.service", "migrator-look.service", "migrator-look.timer",
        "migrator-export.service", "migrator-export.timer",
    } == UNITS.keys()  # fmt: skip
    for name, text in UNITS.items():
        # It refuses a program that is not there.
        (tmp_path / name).write_text(text.replace("/srv/bot/venv/bin/migrator", sys.executable), encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / name for name in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (0, []) == (
        done.returncode,
        [line for line in done.stderr.splitlines() if str(tmp_path) in line or "migrator-" in line],
    )
