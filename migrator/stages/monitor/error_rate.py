"""Decides from the events of a watch whether to roll back: a sequential test, and a sliding window.

The test looks at all events in their order, and needs no minimum: twenty failures of twenty suffice.  The window slides on
the monotonic clock, which does not jump, and takes the specification by its word: more than 5 % of the last five
minutes.  A window that is looked at thousands of times exceeds any limit by chance in the end, so that it counts only while
bets over the whole watch prove that the rate is not a harmless one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from migrator.application.event_log import Events
from migrator.records.monitor import Outcome, Rule
from migrator.stages.monitor.sequential_test import BELOW, Bets, KeptBets
from migrator.stages.monitor.settling import Batch, Settling, Unsettled

#: Error rate of a sound application.
HARMLESS = Fraction(2, 100)
#: Probability that a sound application is rolled back, over a watch without end: half of it for each rule.
FALSE_ALARM = 1e-4
#: Worth of the bets at which a rule fires, by Ville's inequality [stakes].
FIRES_AT = 2 / FALSE_ALARM
#: Worth at which the application counts as sound [stakes]: wrong once in 20 times, which changes nothing.
SOUND_AT = 20.0
#: Events within this time are kept as one [s], to limit memory.
_TOGETHER_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits above which the monitor rolls back.

    Attributes:
        window_s: Seconds of the sliding window.
        min_events: Events in the window from which on its rate counts; the test needs no minimum.
        threshold: Share of failed events above which both rules fire.
    """

    window_s: float = 300.0
    min_events: int = 440
    threshold: Fraction = Fraction(5, 100)

    @property
    def harmless(self) -> Fraction:
        """The error rate of a sound application, which is not above the threshold."""
        return min(HARMLESS, self.threshold)


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
    def kept(self) -> tuple[Events, ...]:
        """The events in the window, each with its time."""
        return tuple(Events(ok=ok, failed=failed, at=at) for at, ok, failed in self._kept)

    @property
    def rate(self) -> float:
        """The share of failed events, 0.0 where there are none."""
        return self.failed / (self.ok + self.failed) if self.ok + self.failed else 0.0

    @property
    def exceeds(self) -> bool:
        """Whether there are enough events, and more of them failed than the threshold."""
        total = self.ok + self.failed
        return total >= max(self._limits.min_events, 1) and self.failed > self._limits.threshold * total


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The state of a :class:`Judge`, to be kept between two runs.

    Attributes:
        above: State of the bets that more fail than the threshold.
        harmful: State of the bets that more fail than in a sound application.
        below: State of the bets that fewer fail than the threshold.
        unsettled: Events on which has not been bet yet.
        window: The events in the window, on the monotonic clock of this boot.
    """

    above: KeptBets
    harmful: KeptBets
    below: KeptBets
    unsettled: Unsettled = field(default_factory=Unsettled)
    window: tuple[Events, ...] = ()


class Judge:
    """Judges the events of a watch by both rules.

    Args:
        limits: When to roll back.
        kept: The state to go on from.
    """

    def __init__(self, limits: Limits, kept: Kept | None = None) -> None:
        threshold, harmless = float(limits.threshold), float(limits.harmless)
        self.window = Window(limits)
        self._settling = Settling(kept.unsettled if kept else None)
        self.above = Bets(threshold, kept=kept.above if kept else None)
        self._harmful = Bets(harmless, kept=kept.harmful if kept else None)
        self.below = Bets(threshold, BELOW, restarts=False, kept=kept.below if kept else None)
        for what in kept.window if kept else ():
            self.window.add(what, float("inf") if what.at is None else what.at)

    def add(self, what: Events, now: float) -> None:
        """Count events that were read *now*; those without a time happened now.

        Events that one of several processes counted are bet on when all of their second are written.
        """
        self.window.add(what, now)
        if what.process and what.at is not None and math.isfinite(what.at):
            self._bet(self._settling.add(what, min(what.at, now)))
        else:
            self._bet([Batch(ok=what.ok, failed=what.failed)])

    def advance(self, now: float) -> None:
        """Slide the window, and bet on the events that are settled *now*."""
        self.window.slide(now)
        self._bet(self._settling.settled(now))

    def _bet(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for bets in (self.above, self._harmful, self.below):
                bets.add(batch.ok, batch.failed, before=batch.before)

    @property
    def rule(self) -> Rule | None:
        """The rule that requires a rollback; None while none does."""
        if self.above.worth >= FIRES_AT:
            return Rule.TEST
        if self.window.exceeds and self._harmful.worth >= FIRES_AT:
            return Rule.WINDOW
        return None

    @property
    def outcome(self) -> Outcome:
        """What the events up to now are enough to say."""
        if self.rule is not None:
            return Outcome.BROKEN
        return Outcome.SOUND if self.below.worth >= SOUND_AT else Outcome.UNDECIDED

    @property
    def kept(self) -> Kept:
        """The state, from which another process can go on."""
        return Kept(
            above=self.above.kept,
            harmful=self._harmful.kept,
            below=self.below.kept,
            unsettled=self._settling.kept,
            window=self.window.kept,
        )
