"""The contracts on the monitor's limits catch limits that are too narrow or too wide."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from migrator.stages.monitor import error_rate

CONTRACTS = ["--pyargs", "contracts", "--import-mode=importlib", "-p", "no:cacheprovider", "-k", "application"]
SOUND = "test_a_sound_application_is_not_rolled_back_by_chance"
BROKEN = "test_a_broken_application_is_rolled_back"


@dataclass(frozen=True)
class Limits:
    window_s: float = 300.0
    min_events: int = 440
    threshold: Fraction = Fraction(5, 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faulty", "caught_by"),
    [
        ({}, set()),
        ({"min_events": 44}, {SOUND, BROKEN}),
        ({"threshold": Fraction(3, 100)}, {SOUND}),
        ({"threshold": Fraction(8, 100)}, {BROKEN}),
    ],
)
def test_limits_that_are_wrong_are_caught(pytester, monkeypatch, faulty, caught_by):
    class Faulty(Limits):
        def __init__(self):
            super().__init__(**faulty)

    monkeypatch.setattr(error_rate, "Limits", Faulty)
    found = pytester.inline_run(*CONTRACTS)

    failed = {report.nodeid.partition("::")[2].partition("[")[0] for report in found.getfailures()}
    assert caught_by == failed
