"""Bets on a failure rate: a test that may be looked at after every event, from the first on.

A test of fixed size is right once; repeated after each event, it is wrong in the end, at any rate.  Here a gambler bets
against "at most *bound* of the events fail", at odds that are fair for the bound.  While that is true, the worth of the bets
does not grow in expectation, whichever way it went before.  By Ville's inequality it then reaches 1/a times the stake with
a probability of at most a, over all events that will ever come.

A bet on *ratio* times the odds of failure multiplies its stake for f failures among n events by::

    ratio ** f / (1 + (ratio - 1) * bound) ** n

The stake is divided equally among several ratios, since the true rate is not known.  A part of it is kept back and bet later, so
that a long good history cannot hide a failure that begins afterwards: when n events have been seen, 1 / (1 + ln(n + 2)) of
the stake has not been bet yet.  Nothing is bet twice, so the whole stays a bet of 1 and Ville's inequality holds for it.  A bet
that starts after a million events begins with 1/200 of a millionth, for which nine failures in a row make up.

Bets that fewer than the bound fail have ratios below 1; all is bet at the first event, since they are about the whole
watch.

The only assumption: given the past, each event fails with a probability of at most the bound.  Failures that cause each other,
such as retries of one statement, count as several; therefore no bet is on a rate much above 50 % for a bound of 5 %, and
four or five failures at the very beginning do not suffice.

Sources: J. Ville, Etude critique de la notion de collectif, 1939; J. Shin, A. Ramdas and A. Rinaldo, E-detectors: a
nonparametric framework for sequential change detection, New England Journal of Statistics in Data Science 2 (2024),
https://nejsds.nestat.org/journal/NEJSDS/article/59, of which this is the Shiryaev-Roberts detector with starting weights
that sum to 1, so that it bounds the probability of any false alarm instead of the time to the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Times the odds of the bound on which is bet that more fail: from just above it to one half for a bound of 5 %.
ABOVE = (1.2, 1.5, 2.0, 3.0, 6.0, 20.0)
#: The same for the bet that fewer fail.
BELOW = (1 / 1.5, 1 / 2.5, 1 / 5, 1 / 50)
#: Largest worth of a bet [stakes]: a limit forgets a long history sooner, and never raises the worth.
_MOST = 1e15
#: Largest growth in one step [natural logarithm], which is far above that limit, and still a number.
_STEEPEST = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBets:
    """The state of :class:`Bets`, to be kept between two runs.

    Attributes:
        events: Events seen.
        unbet: The part of the stake that has not been bet.
        bets: What each bet has come to.
    """

    events: int
    unbet: float
    bets: tuple[float, ...]


class Bets:
    """Bets that more than *bound* of the events fail; with ratios below 1, that fewer do.

    Args:
        bound: The failure rate against which is bet, between 0 and 1.
        ratios: Times the odds of the bound on which is bet.
        restarts: Whether a part of the stake is kept for a change that begins later.
        kept: The state to go on from.
    """

    def __init__(
        self, bound: float, ratios: Sequence[float] = ABOVE, *, restarts: bool = True, kept: KeptBets | None = None
    ) -> None:
        self._restarts = restarts
        # Per event, and in addition per failure [natural logarithm].
        self._steps = tuple((-math.log1p((ratio - 1) * bound), math.log(ratio)) for ratio in ratios)
        self._events, self._unbet = (0, 1.0) if kept is None else (kept.events, kept.unbet)
        self._bets = [0.0] * len(ratios) if kept is None else list(kept.bets)

    def add(self, ok: int, failed: int, *, before: int = 0) -> None:
        """Count events whose order among each other is not known.

        Args:
            ok: Events that succeeded.
            failed: Events that failed.
            before: Successes that were counted already and may be of the same time: a bet that begins now counts them too.
        """
        # The stake depends on earlier events only: a bet must be made before its events.
        unbet = 1 / (1 + math.log(self._events + 2)) if self._restarts else 0.0
        stake = (self._unbet - unbet) / len(self._bets)
        self._unbet = unbet
        self._events += ok + failed
        self._bets = [
            min(
                (bet + stake * math.exp(min(before * each, _STEEPEST)))
                * math.exp(min((ok + failed) * each + failed * more, _STEEPEST)),
                _MOST,
            )
            for bet, (each, more) in zip(self._bets, self._steps, strict=True)
        ]

    @property
    def worth(self) -> float:
        """How many times more the bets are worth than what was bet: 1.0 at the beginning, at most about 1e15."""
        return self._unbet + math.fsum(self._bets)

    @property
    def kept(self) -> KeptBets:
        """The state, from which another process can go on."""
        return KeptBets(events=self._events, unbet=self._unbet, bets=tuple(self._bets))
