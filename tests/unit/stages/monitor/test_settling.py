"""Events of several processes: a failure is written at once, successes later, and the test does not fire because of that."""

import heapq
import random

import pytest

from migrator.application.event_log import Events
from migrator.stages.monitor.error_rate import Judge, Limits
from migrator.stages.monitor.settling import Batch, Settling, Unsettled


def events(ok, failed, at, process=1):
    return Events(ok=ok, failed=failed, at=at, process=process)


def settled(settling, now):
    return [(batch.ok, batch.failed, batch.before) for batch in settling.settled(now)]


def test_failures_count_with_the_successes_up_to_the_end_of_the_next_second():
    settling = Settling()
    for what in (events(4, 1, 10.9), events(0, 2, 11.2), events(90, 0, 11.3), events(70, 0, 12.2)):
        early = list(settling.add(what, what.at))

    assert [Batch(ok=4, failed=0)] == early, "what held in the first second, before its failure"
    assert [] == settled(settling, 12.4)
    assert [(90, 1, 4)] == settled(settling, 12.6)
    assert [(70, 2, 90)] == settled(settling, 13.5)
    assert [] == settled(settling, 99.0)


def test_a_later_line_settles_what_is_before_it():
    """A log that is read long after it was written goes by the times of its lines."""
    settling = Settling()
    list(settling.add(events(0, 3, 10.0), 10.0))

    assert [Batch(ok=0, failed=3, before=0)] == list(settling.add(events(5, 0, 60.0), 60.0))


def test_a_line_that_comes_too_late_counts_at_once():
    settling = Settling()
    list(settling.add(events(0, 1, 10.0), 10.0))
    assert [(0, 1, 0)] == settled(settling, 50.0)

    assert [Batch(ok=2, failed=1)] == list(settling.add(events(2, 1, 10.5), 50.0 - 40.0))


def test_what_has_not_settled_is_kept_for_the_next_run_and_for_the_next_boot():
    settling = Settling()
    list(settling.add(events(6, 2, 1000.2), 1000.2))

    assert [(6, 0, 0), (0, 2, 6)] == settled(Settling(settling.kept), 1003.0)
    assert [(6, 0, 0), (0, 2, 6)] == settled(Settling(settling.kept.before_this_boot()), 0.0)
    assert Unsettled() == Settling().kept.before_this_boot()


def test_a_burst_is_not_a_row_of_failures():
    """All of its successes are in the log before its failures count, and a bet that begins then counts them."""
    judge = Judge(Limits())
    for number in range(32):
        judge.add(events(15, 1, 100.0 + number / 1000), 100.0)
    judge.advance(105.0)

    assert judge.above.worth < 100
    for number in range(32):
        judge.add(events(0, 1, 200.0 + number / 1000), 200.0)
    judge.advance(203.0)
    assert judge.rule is not None


def test_events_of_another_boot_and_of_a_log_without_processes_count_in_their_order():
    judge = Judge(Limits())
    judge.add(events(0, 3, float("-inf")), 5.0)
    judge.add(Events(ok=0, failed=3, at=4.0), 5.0)

    assert judge.rule is not None


def reaches(rate, processes, per_s, watch_events, rng, *, named):
    """Return how far the bets of one watch get, as several processes write their log."""
    judge, most = Judge(Limits()), 1.0
    held, due = [0] * processes, [rng.random() for _ in range(processes)]
    coming = [(rng.expovariate(per_s), process) for process in range(processes)]
    heapq.heapify(coming)
    for _ in range(watch_events):
        at, process = heapq.heappop(coming)
        heapq.heappush(coming, (at + rng.expovariate(per_s), process))
        failed = int(rng.random() < rate)
        held[process] += 1 - failed
        if not failed and at < due[process]:
            continue
        judge.add(events(held[process], failed, at, process + 1 if named else 0), at)
        held[process], due[process] = 0, at + 1.0
        most = max(most, judge.above.worth)
    return most


@pytest.mark.parametrize(("processes", "per_s"), [(1, 10.0), (4, 10.0), (16, 2.0)])
def test_bets_on_the_log_of_many_processes_reach_no_more_than_those_of_one(processes, per_s):
    """At exactly the limit, at most 5 % of all watches may reach 20 times the stake."""
    rng = random.Random(f"{processes} {per_s}")  # noqa: S311 - a reproducible draw, not a secret
    reached = [reaches(0.05, processes, per_s, 800, rng, named=True) >= 20 for _ in range(150)]

    assert sum(reached) <= 150 * 0.05 + 6


def test_in_the_order_of_the_log_they_would_reach_it_far_too_often():
    """The fault that settling answers: the test above sees it."""
    rng = random.Random(7)  # noqa: S311 - a reproducible draw, not a secret
    reached = [reaches(0.05, 16, 10.0, 800, rng, named=False) >= 20 for _ in range(60)]

    assert sum(reached) > 60 * 0.2
