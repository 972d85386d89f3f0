"""The monitor's limits, as the tool sets them: how often a sound application is rolled back, how often a broken one is not.

Simulated with a fixed seed: windows of as many events as the smallest that counts, each event failing by chance.  How
many of half a window fail is drawn at once, from the binomial distribution: the same as drawing for each event, and much
faster.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

import pytest

from contracts import judgement
from migrator.application.event_log import Events
from migrator.stages.monitor.error_rate import Limits, Window

#: Simulated windows.
WINDOWS = 5_000
#: Share of failing events -> the largest share of windows in which the monitor may do the wrong thing.
SOUND = {0.0: 0.0, 0.01: 0.0002, 0.02: 0.001}
BROKEN = {0.08: 0.03, 0.10: 0.002, 0.5: 0.0}

#: pytest's record_property would warn in a run that writes JUnit, and a warning is an error where its user says so.
Count = Callable[[str, int], None]


def fired(rate: float) -> int:
    """Return how many of the windows fire where each event fails with probability *rate*."""
    limits = Limits()
    draw = random.Random(7)  # noqa: S311 - a simulation
    half = -(-limits.min_events // 2)
    # The probabilities that none, at most one, at most two, ... of a half fail; the last is 1, whatever rounding says.
    up_to = [*accumulate(math.comb(half, k) * rate**k * (1 - rate) ** (half - k) for k in range(half)), 1.0]
    count = 0
    for _ in range(WINDOWS):
        window = Window(limits)
        for _ in range(2):
            failed = min(bisect_right(up_to, draw.random()), half)
            window.add(Events(ok=half - failed, failed=failed), now=0.0)
        count += window.fires
    return count


@pytest.mark.clause("W1")
@pytest.mark.parametrize("rate", SOUND)
def test_a_sound_application_is_not_rolled_back_by_chance(rate: float, count: Count) -> None:
    """Up to 2 % errors: fewer than one window in a thousand fires in the simulation, one in ten thousand by the exact tail."""
    alarms = fired(rate)
    count("windows", WINDOWS)
    count("false_alarms", alarms)
    share = alarms / WINDOWS
    judgement.none("monitor", f"of the windows with {rate:.0%} errors fires", [share] if share > SOUND[rate] else [])


@pytest.mark.clause("W2")
@pytest.mark.parametrize("rate", BROKEN)
def test_a_broken_application_is_rolled_back(rate: float, count: Count) -> None:
    """From 8 % errors on nearly every window fires; one that does not is followed by the next."""
    missed = WINDOWS - fired(rate)
    count("windows", WINDOWS)
    count("missed", missed)
    share = missed / WINDOWS
    judgement.none(
        "monitor", f"of the windows with {rate:.0%} errors is missed", [share] if share > BROKEN[rate] else []
    )
