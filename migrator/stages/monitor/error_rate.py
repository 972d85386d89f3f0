"""The error rate over a sliding window, and the limit above which it fires.

The window slides on the monotonic clock, which does not jump.  It fires when more than the threshold
failed, among enough events that a harmless rate does not fire by chance.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

from migrator.application.event_log import Events

#: Error rate of a sound application; its distance to the threshold decides how many events are enough.
HARMLESS = Fraction(2, 100)
#: Events within this time are kept as one [s], to limit memory.
_TOGETHER_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits above which the monitor rolls back.

    Attributes:
        window_s: Seconds of the sliding window.
        min_events: Events in the window from which on its rate counts.
        threshold: Share of failed events above which it fires.
    """

    window_s: float = 300.0
    min_events: int = 440
    threshold: Fraction = Fraction(5, 100)


class Window:
    """The events of the last seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept: deque[tuple[float, int, int]] = deque()
        self.ok = self.failed = 0

    def add(self, what: Events, now: float) -> bool:
        """Add events, at their own time or else *now*; return whether they are in the window."""
        at = now if what.at is None else min(what.at, now)
        if at <= now - self._limits.window_s:
            return False
        ok, failed = what.ok, what.failed
        self.ok, self.failed = self.ok + ok, self.failed + failed
        if self._kept and 0 <= at - self._kept[-1][0] < _TOGETHER_S:
            at, kept_ok, kept_failed = self._kept.pop()
            ok, failed = ok + kept_ok, failed + kept_failed
        self._kept.append((at, ok, failed))
        return True

    def slide(self, now: float) -> None:
        """Drop the events that are older than the window."""
        while self._kept and self._kept[0][0] <= now - self._limits.window_s:
            _, ok, failed = self._kept.popleft()
            self.ok, self.failed = self.ok - ok, self.failed - failed

    @property
    def rate(self) -> float:
        """The share of failed events, 0.0 where there are none."""
        return self.failed / (self.ok + self.failed) if self.ok + self.failed else 0.0

    @property
    def fires(self) -> bool:
        """Whether there are enough events, and more of them failed than the threshold."""
        total = self.ok + self.failed
        return total >= max(self._limits.min_events, 1) and self.failed > self._limits.threshold * total


def false_alarm(limits: Limits, rate: Fraction = HARMLESS) -> float:
    """Return the probability that a full window fires although each event fails with probability *rate*.

    The maximum over the numbers of events from the minimum on, since it goes up and down with whole events, by
    the exact tail of the binomial distribution.
    """
    share = limits.threshold
    steps = math.ceil(1 / share) if share else 1
    least = max(limits.min_events, 1)
    return max(_tail(n, math.floor(share * n) + 1, float(rate)) for n in range(least, least + steps))


def _tail(n: int, least: int, p: float) -> float:
    """Return P(X >= least) for X of n trials with probability p."""
    if p <= 0.0 or p >= 1.0:
        return float(least <= 0 if p <= 0.0 else least <= n)
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
        )
        for k in range(least, n + 1)
    )
