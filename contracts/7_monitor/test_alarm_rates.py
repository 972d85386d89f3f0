"""The monitor's default limits: rare rollbacks at a normal error rate, rare misses at a high one.

A simulation with a fixed seed: windows with the smallest number of events that the monitor decides on, each event failing
at random.  The failures of half a window are drawn at once from the binomial distribution: equal to a draw per event,
and much faster.
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

#: Simulated windows [windows].
WINDOWS = 5_000
#: Error rate -> the largest share of windows in which the monitor may decide wrongly.
SOUND = {0.0: 0.0, 0.01: 0.0002, 0.02: 0.001}
BROKEN = {0.08: 0.03, 0.10: 0.002, 0.5: 0.0}

#: Instead of pytest's record_property, which warns in a run that writes JUnit; users may turn warnings into errors.
Count = Callable[[str, int], None]


def fired(rate: float) -> int:
    """Return the number of windows that fire if each event fails with probability *rate*."""
    limits = Limits()
    draw = random.Random(7)  # noqa: S311 - a simulation
    half = -(-limits.min_events // 2)
    # The probabilities that none, at most one, at most two, ... of a half fail; the last is 1, without rounding.
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
    """Up to 2 % errors fewer than one window in a thousand fires; exactly computed, one in ten thousand."""
    alarms = fired(rate)
    count("windows", WINDOWS)
    count("false_alarms", alarms)
    share = alarms / WINDOWS
    judgement.none(
        "monitor", f"share of windows with {rate:.0%} errors that fire", [share] if share > SOUND[rate] else []
    )


@pytest.mark.clause("W2")
@pytest.mark.parametrize("rate", BROKEN)
def test_a_broken_application_is_rolled_back(rate: float, count: Count) -> None:
    """From 8 % errors on nearly every window fires; after a window that does not, the next decides."""
    missed = WINDOWS - fired(rate)
    count("windows", WINDOWS)
    count("missed", missed)
    share = missed / WINDOWS
    judgement.none(
        "monitor", f"share of windows with {rate:.0%} errors that do not fire", [share] if share > BROKEN[rate] else []
    )
