"""Puts the events of several processes into an order that their outcomes do not decide.

A process writes a failure at once, and its successes up to a second later.  Read in the order of the log, the failures of many
processes come before the successes of the same moment, and look like more than they are: with 16 processes of 10 statements
a second a test in that order fires many times too often.  Therefore events wait until all of their second are written.  The failures of
a second then count with the successes that were written up to the end of the next, of which none is left out.

A process that stops within a second after a line of its own keeps its last successes until its next statement; these come late.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from migrator.application.event_log import SUMMED_S, Events

#: Time after the end of a second until the successes of it are read [s]: they are written within SUMMED_S, then read.
_READ_S = SUMMED_S + 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """The events that were written within one second.

    Attributes:
        number: The second, on the monotonic clock.
        ok: Events that succeeded.
        failed: Events that failed.
    """

    number: int
    ok: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events that count together.

    Attributes:
        ok: Events that succeeded, written in the second after the failures.
        failed: Events that failed.
        before: Successes that were written in the same second as the failures, and counted with the batch before.
    """

    ok: int
    failed: int
    before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """The state of :class:`Settling`, to be kept between two runs.

    Attributes:
        seconds: Seconds whose events have not been counted yet.
        done: The last second whose failures have been counted; None if none has.
    """

    seconds: tuple[Second, ...] = ()
    done: int | None = None

    def before_this_boot(self) -> Unsettled:
        """Return the state after a restart of the system: all of it is older than any time of the new clock."""
        if not self.seconds:
            return Unsettled()
        back = max(second.number for second in self.seconds) + 10
        seconds = tuple(replace(second, number=second.number - back) for second in self.seconds)
        return Unsettled(seconds=seconds, done=None if self.done is None else self.done - back)


class Settling:
    """Collects events until all of their second are written.

    Args:
        kept: The state to go on from.
    """

    def __init__(self, kept: Unsettled | None = None) -> None:
        kept = kept or Unsettled()
        self._seconds = {second.number: second for second in kept.seconds}
        self._done = kept.done

    @property
    def kept(self) -> Unsettled:
        """The state, from which another process can go on."""
        return Unsettled(seconds=tuple(self._seconds.values()), done=self._done)

    def add(self, what: Events, at: float) -> Iterator[Batch]:
        """Add events that were written *at* a time; yield the batches that are complete since then."""
        number = math.floor(at)
        if self._done is not None and number <= self._done:
            # A line that came too late for its second.
            yield Batch(ok=what.ok, failed=what.failed)
            return
        known = self._seconds.get(number, Second(number=number))
        self._seconds[number] = replace(known, ok=known.ok + what.ok, failed=known.failed + what.failed)
        yield from self.settled(at)

    def settled(self, now: float) -> Iterator[Batch]:
        """Yield the batches that are complete *now*, the oldest first."""
        while (number := self._next(now)) is not None:
            second = self._seconds.pop(number, Second(number=number))
            following = self._seconds.get(number + 1, Second(number=number + 1))
            self._done = number
            # The successes of this second were counted with the failures of the one before.
            if following.ok or second.failed:
                yield Batch(ok=following.ok, failed=second.failed, before=second.ok)

    def _next(self, now: float) -> int | None:
        """Return the next second after which all is written that belongs to it; None if there is none."""
        around = (number for second in self._seconds for number in (second - 1, second))
        first = min((number for number in around if self._done is None or number > self._done), default=None)
        return None if first is None or first + 1 + _READ_S > now else first
