"""The monitor's limits: few rollbacks at a normal error rate, few misses at a high one.

The probabilities are exact: the window decides for each number of failures among the smallest number of events that it
decides on, and the binomial distribution gives the probability of each number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import pytest

from contracts import judgement
from migrator.application.event_log import Events
from migrator.stages.monitor.error_rate import Limits, Window

#: Error rate -> the largest probability with which the monitor may decide wrongly.
SOUND = {0.0: 0.0, 0.01: 1e-7, 0.02: 1e-4}
BROKEN = {0.08: 0.03, 0.10: 0.002, 0.5: 1e-9}

#: Instead of pytest's record_property, which warns in a run that writes JUnit; users may turn warnings into errors.
Count = Callable[[str, int], None]


@cache
def _fires() -> tuple[bool, ...]:
    """Return whether the window fires, by the number of failures."""
    limits = Limits()
    fires = []
    for failed in range(limits.min_events + 1):
        window = Window(limits)
        window.add(Events(ok=limits.min_events - failed, failed=failed), now=0.0)
        fires.append(window.fires)
    return tuple(fires)


def probability(rate: float, *, of_firing: bool) -> float:
    """Return the probability that a window fires, or not, at the error rate *rate*."""
    events = Limits().min_events
    return math.fsum(
        math.comb(events, failed) * rate**failed * (1 - rate) ** (events - failed)
        for failed, fires in enumerate(_fires())
        if fires == of_firing
    )


@pytest.mark.clause("W1")
@pytest.mark.parametrize("rate", SOUND)
def test_a_sound_application_is_not_rolled_back_by_chance(rate: float, count: Count) -> None:
    """Up to 2 % errors fewer than one window in ten thousand fires."""
    count("events", Limits().min_events)
    wrong = probability(rate, of_firing=True)
    judgement.none(
        "monitor", f"probability that a window with {rate:.0%} errors fires", [wrong] if wrong > SOUND[rate] else []
    )


@pytest.mark.clause("W2")
@pytest.mark.parametrize("rate", BROKEN)
def test_a_broken_application_is_rolled_back(rate: float, count: Count) -> None:
    """From 8 % errors on nearly every window fires; after a miss the next decides."""
    count("events", Limits().min_events)
    wrong = probability(rate, of_firing=False)
    judgement.none(
        "monitor",
        f"probability that a window with {rate:.0%} errors does not fire",
        [wrong] if wrong > BROKEN[rate] else [],
    )
