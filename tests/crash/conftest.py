"""The lab, made once for each process of the run, and the figures at the end of it."""

import os
import sys
from pathlib import Path

import pytest

sys.path.extend(str(Path(__file__).parents[level] / name) for level, name in ((0, ""), (1, "support")))

import generated
import lab as labs
import record

#: Every so manieth power cut or fault is looked at.
STRIDE = int(os.environ.get("MIGRATOR_LAB_STRIDE", "24"))
#: Seed of all random choices.
SEED = int(os.environ.get("MIGRATOR_LAB_SEED", "0"))


@pytest.fixture(name="lab", scope="session")
def _lab():
    if not sys.platform.startswith("linux"):
        pytest.skip("the recorder is preloaded into a Linux process")
    if not record.compiler():
        pytest.skip("there is no C compiler (gcc) to make the recorder with")
    with generated.scratch() as folder, record.Recorder() as recorder, labs.scenarios(folder) as scenarios:
        yield labs.Lab(recorder, scenarios, folder, STRIDE, SEED)


@pytest.fixture(name="held")
def _held(record_property):
    """Assert that nothing bad was seen, and keep the figures for the end."""

    def held(what, tally):
        record_property(
            "lab", f"{what}: {tally.operations:,} operations, {tally.states:,} states, {sum(tally.bad.values())} bad"
        )
        assert tally.states > 0
        assert {} == tally.first, dict(tally.bad)

    return held


@pytest.fixture(name="caught")
def _caught(record_property):
    """Assert that a planted mistake was seen, and keep by what, for the end."""

    def caught(what, tally, *checks):
        record_property("lab", f"{what}: {tally.states:,} states, caught by {dict(tally.bad)}")
        assert set(checks) <= set(tally.bad), tally.first

    return caught


def pytest_report_header():
    return f"crash lab: stride {STRIDE} (MIGRATOR_LAB_STRIDE), seed {SEED} (MIGRATOR_LAB_SEED)"


def pytest_terminal_summary(terminalreporter):
    lines = [
        value
        for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed"))
        for name, value in report.user_properties
        if name == "lab" and report.when == "call"
    ]
    if lines:
        terminalreporter.section(f"crash lab: stride {STRIDE}, seed {SEED}")
        for line in sorted(lines):
            terminalreporter.write_line(line)
