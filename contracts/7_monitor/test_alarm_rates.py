"""The monitor's rules: a sound application is hardly ever rolled back, a broken one soon.

The worth of the bets is worked out a second time, as the sum over every event at which the failure may have begun, in the definition's
own words; the monitor's recursion is not used.  That it bounds the false alarms is checked on the monitor's numbers alone: at the rate
in question they must not grow in expectation, after any history.  Ville's inequality does the rest.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from contracts import judgement
from migrator.application.event_log import Events
from migrator.records.monitor import Outcome
from migrator.stages.monitor.error_rate import Judge, Limits

#: The specification's limit, the rate of a sound application, and the largest probability of rolling one back, in all its watch.
LIMIT, SOUND, FALSE_ALARM = 0.05, 0.02, 1e-4
#: Worth of the bets at which each of the two rules may fire [stakes].
ENOUGH = 2 / FALSE_ALARM
#: Odds of failure on which is bet, relative to those of the rate against which is bet.
ODDS = (1.2, 1.5, 2, 3, 6, 20)
#: Failure rate -> events after which at least 19 of 20 watches have been rolled back, by the test alone.
NEEDED = {0.06: 30_000, 0.1: 2_000, 0.5: 40, 1.0: 20}
#: Time between two statements of a bot with 30 an hour [s]: its window holds two or three.
_SLOW_S = 120.0

#: Instead of pytest's record_property, which warns in a run that writes JUnit; users may turn warnings into errors.
Count = Callable[[str, int], None]
#: Events of one line: how many held, how many failed.
Line = tuple[int, int]


def worth(lines: Sequence[Line], bound: float) -> float:
    """Return what bets on *lines* are worth that more than *bound* fail, as the sum over lines at which it may have begun."""
    left, before, value = 1.0, 0, 0.0
    stakes = []
    for ok, failed in lines:
        rest = 1 / (1 + math.log(before + 2))
        stakes.append(left - rest)
        left, before = rest, before + ok + failed
    for odds in ODDS:
        rate = odds * bound / (1 - bound + odds * bound)
        likelihood = 0.0
        # From the last line back: the likelihood ratio of all lines from this one on.
        for stake, (ok, failed) in zip(reversed(stakes), reversed(lines), strict=True):
            likelihood += failed * math.log(rate / bound) + ok * math.log((1 - rate) / (1 - bound))
            value += stake / len(ODDS) * math.exp(min(likelihood, 600.0))
    return left + value


def judged(lines: Sequence[Line], *, apart_s: float = 0.0) -> Judge:
    """Return the monitor's judge after *lines*, each *apart_s* seconds after the one before, up to its first alarm."""
    judge = Judge(Limits())
    for number, (ok, failed) in enumerate(lines):
        judge.window.slide(number * apart_s)
        judge.add(Events(ok=ok, failed=failed), now=number * apart_s)
        if judge.rule is not None:
            break
    return judge


def drawn(rate: float, events: int, rng: random.Random) -> Iterator[Line]:
    """Yield *events* that fail with probability *rate*, one line for each failure with the successes before it."""
    while events > 0:
        ok = min(int(math.log(1 - rng.random()) / math.log1p(-rate)), events - 1) if rate < 1 else 0
        yield ok, 1
        events -= ok + 1


HISTORIES: dict[str, list[Line]] = {
    "nothing": [],
    "five failures": [(0, 1)] * 5,
    "sound": [(49, 1)] * 40,
    "on the limit": [(19, 1)] * 100,
    "long": [(490_000, 10_000)] * 2,
    "broken for a moment": [(49, 1)] * 40 + [(0, 1)] * 4,
}


@pytest.mark.clause("W1")
@pytest.mark.parametrize("history", HISTORIES)
def test_bets_do_not_grow_by_chance(history: str, count: Count) -> None:
    """After any history the next event, at the rate in question, does not raise the worth in expectation."""
    count("events", 10)
    for rate, bound in ((LIMIT, LIMIT), (SOUND, LIMIT)):
        judge, values = Judge(Limits()), []
        for ok, failed in HISTORIES[history]:
            judge.add(Events(ok=ok, failed=failed), now=0.0)
        for step in range(5):
            now, kept = judge.above.worth, judge.kept
            after = []
            for failed in (0, 1):
                next_judge = Judge(Limits(), kept)
                next_judge.add(Events(ok=1 - failed, failed=failed), now=0.0)
                after.append(next_judge.above.worth)
            values.append((now, (1 - rate) * after[0] + rate * after[1]))
            judge.add(Events(ok=1 - step % 2, failed=step % 2), now=0.0)
        grown = [f"{now} -> {expected}" for now, expected in values if expected > now * (1 + 1e-9)]
        judgement.none("monitor", f"worth of bets at {rate:.0%} against {bound:.0%}, after {history}", grown)
    judgement.same(
        "monitor", "worth of the bets before the first event", expected=1.0, found=Judge(Limits()).above.worth
    )


@pytest.mark.clause("W1")
def test_a_sound_application_is_not_rolled_back_by_chance(count: Count) -> None:
    """Of all ways that the first events can go, those that are rolled back have a probability below 1 in 10,000 at 2 %."""
    first = 12
    count("events", first)
    wrong, waiting = 0.0, [(1.0, Judge(Limits()).kept)]
    for _ in range(first):
        going_on = []
        for probability, kept in waiting:
            for failed, share in ((0, 1 - SOUND), (1, SOUND)):
                judge = Judge(Limits(), kept)
                judge.add(Events(ok=1 - failed, failed=failed), now=0.0)
                if judge.rule is None:
                    going_on.append((probability * share, judge.kept))
                else:
                    wrong += probability * share
        waiting = going_on
    judgement.none(
        "monitor",
        f"probability that one of the first {first} events of a sound application rolls it back",
        [wrong] if wrong > FALSE_ALARM else [],
    )


#: Sequences of lines on which the monitor has to decide as the definition does; all events are in the window.
DECISIONS: dict[str, list[Line]] = {
    "five of five": [(0, 1)] * 5,
    "six of six": [(0, 1)] * 6,
    "23 of 440": [(417, 23)],
    "30 of 440": [(410, 30)],
    "5 % of many": [(19, 1)] * 200,
    "one line of 6 %": [(940, 60)],
    "one line of 10 %": [(9_000, 1_000)],
    "late": [(49, 1)] * 400 + [(0, 1)] * 12,
    "nearly late": [(49, 1)] * 400 + [(0, 1)] * 5,
    "spread": [(1, 1), (0, 1), (2, 1)] * 4,
}


@pytest.mark.clause("W1")
@pytest.mark.parametrize("name", [*DECISIONS, *(f"drawn at {rate}" for rate in (0.01, 0.02, 0.04, 0.07, 0.1))])
def test_monitor_decides_as_the_bets_do(name: str, count: Count) -> None:
    """The monitor rolls back at the first line at which the second implementation has enough proof, and no other."""
    rng = random.Random(name)  # noqa: S311 - a reproducible draw, not a secret
    lines = DECISIONS.get(name) or list(drawn(float(name.rpartition(" ")[2]), 6_000, rng))
    fires = None
    judge, found = Judge(Limits()), None
    for number, (ok, failed) in enumerate(lines):
        judge.add(Events(ok=ok, failed=failed), now=0.0)
        held, failures = (sum(column) for column in zip(*lines[: number + 1], strict=True))
        exceeds = held + failures >= Limits().min_events and failures > LIMIT * (held + failures)
        proof = worth(lines[: number + 1], LIMIT)
        # Above what decides, the monitor may limit what it keeps.
        if abs(min(judge.above.worth, ENOUGH) - min(proof, ENOUGH)) > 1e-6 * proof:
            judgement.broken(f"monitor: worth of the bets after line {number}", expected=proof, found=judge.above.worth)
        if fires is None and (proof >= ENOUGH or (exceeds and worth(lines[: number + 1], SOUND) >= ENOUGH)):
            fires = number
        if found is None and judge.rule is not None:
            found = number
        if fires is not None or found is not None:
            break
    count("events", len(lines))
    judgement.same("monitor", f"line of the alarm, {name}", expected=fires, found=found)


@pytest.mark.clause("W1")
def test_failures_are_not_counted_before_the_successes_of_their_second(count: Count) -> None:
    """Of 16 processes each writes a failure at once and 49 successes within a second: 2 %, in the worst order."""
    processes, judge, fired = 16, Judge(Limits()), []
    count("events", processes * 50)
    for second, ok, failed in ((100, 0, 1), (101, 49, 0)):
        for process in range(1, processes + 1):
            at = second + process / 100
            judge.add(Events(ok=ok, failed=failed, at=at, process=process), now=at)
            fired += [at] if judge.rule else []
    for now in (101.5, 102.0, 102.5, 103.0, 110.0):
        judge.advance(now)
        fired += [now] if judge.rule else []
    judgement.none("monitor", "times at which 784 successes and 16 failures fire", fired)
    judgement.same("monitor", "outcome of 784 successes and 16 failures", expected=Outcome.SOUND, found=judge.outcome)


@pytest.mark.clause("W2")
@pytest.mark.parametrize("before", [0, 1_000, 1_000_000])
def test_twenty_failures_of_twenty_are_rolled_back(before: int, count: Count) -> None:
    """However long the application was sound, and although the window of a slow one is nearly empty."""
    count("events", before + 20)
    history = [(before * 98 // 100, before * 2 // 100)] if before else []
    found = judged([*history, *itertools.repeat((0, 1), 20)], apart_s=_SLOW_S).outcome
    judgement.same("monitor", f"20 failures of 20 after {before:,} events", expected=Outcome.BROKEN, found=found)


@pytest.mark.clause("W2")
@pytest.mark.parametrize("rate", NEEDED)
def test_a_broken_application_is_rolled_back(rate: float, count: Count) -> None:
    """Of 40 watches of a slow application at least 38 are rolled back within the stated number of events."""
    watches = 40
    count("events", watches * NEEDED[rate])
    rng = random.Random(f"broken {rate}")  # noqa: S311 - a reproducible draw, not a secret
    missed = sum(judged(list(drawn(rate, NEEDED[rate], rng)), apart_s=_SLOW_S).rule is None for _ in range(watches))
    judgement.none(
        "monitor",
        f"watches of {watches} with {rate:.0%} failures that go on after {NEEDED[rate]:,} events",
        [missed] if missed > watches // 20 else [],
    )
