"""The contracts on the monitor catch rules that fire too easily, too late or never."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import contracts
from migrator.records.monitor import Rule
from migrator.stages.monitor import error_rate, sequential_test

FOLDER = Path(contracts.__file__).parent / "7_monitor"
CONTRACTS = [str(FOLDER), "--import-mode=importlib", "-p", "no:cacheprovider"]
FAIR = "test_bets_do_not_grow_by_chance"
SOUND = "test_a_sound_application_is_not_rolled_back_by_chance"
SAME = "test_monitor_decides_as_the_bets_do"
ORDER = "test_failures_are_not_counted_before_the_successes_of_their_second"
AT_ONCE = "test_twenty_failures_of_twenty_are_rolled_back"
BROKEN = "test_a_broken_application_is_rolled_back"


def nothing(_):
    """No fault."""


def another_threshold(share):
    def plant(monkeypatch):
        class Limits(error_rate.Limits):
            def __init__(self):
                super().__init__(threshold=share)

        monkeypatch.setattr(error_rate, "Limits", Limits)

    return plant


def another_alarm(worth):
    return lambda monkeypatch: monkeypatch.setattr(error_rate, "FIRES_AT", worth)


def failures_ignored(monkeypatch):
    add = sequential_test.Bets.add
    monkeypatch.setattr(
        sequential_test.Bets, "add", lambda self, ok, failed, *, before=0: add(self, ok + 0 * failed, 0, before=before)
    )


def failures_counted_as_successes(monkeypatch):
    add = sequential_test.Bets.add
    monkeypatch.setattr(
        sequential_test.Bets, "add", lambda self, ok, failed, *, before=0: add(self, ok + failed, 0, before=before)
    )


def peeking(monkeypatch):
    """A test of fixed size, checked after each event: one divided by its p-value for all events up to now."""

    def add(self, ok, failed, *, before=0):  # noqa: ARG001 - as the method that it replaces
        self._bets = [self._bets[0] + ok, self._bets[1] + failed, *self._bets[2:]]

    def worth(self):
        ok, failed, *_ = (round(bet) for bet in self._bets)
        total = ok + failed
        tail = math.fsum(
            math.exp(
                math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
                + k * math.log(0.05) + (total - k) * math.log(0.95)
            )
            for k in range(failed, min(total, failed + 1_000) + 1)
        )  # fmt: skip
        return 1 / max(min(tail, 1.0), 1e-15)

    monkeypatch.setattr(sequential_test.Bets, "add", add)
    monkeypatch.setattr(sequential_test.Bets, "worth", property(worth))


def all_bet_at_once(monkeypatch):
    """Without bets that begin later a long good history hides what comes after it."""
    begin = sequential_test.Bets.__init__

    def early(self, *arguments, **options):
        begin(self, *arguments, **options | {"restarts": False})

    monkeypatch.setattr(sequential_test.Bets, "__init__", early)


def in_the_order_of_the_log(monkeypatch):
    """Failures come first there, since each is written at once."""
    add = error_rate.Judge.add
    monkeypatch.setattr(error_rate.Judge, "add", lambda self, what, now: add(self, replace(what, process=0), now))


def each_bet_whole(monkeypatch):
    """A CUSUM without an account of how often it began: it fires in the end, whatever the rate."""
    add = sequential_test.Bets.add

    def again(self, ok, failed, *, before=0):
        add(self, ok, failed, before=before)
        self._unbet, self._events = 1.0, 0

    monkeypatch.setattr(sequential_test.Bets, "add", again)


def a_window_that_counts_alone(monkeypatch):
    def rule(self):
        if self.above.worth >= error_rate.FIRES_AT:
            return Rule.TEST
        return Rule.WINDOW if self.window.exceeds else None

    monkeypatch.setattr(error_rate.Judge, "rule", property(rule))


def a_window_alone(monkeypatch):
    monkeypatch.setattr(error_rate.Judge, "rule", property(lambda self: Rule.WINDOW if self.window.exceeds else None))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "caught_by"),
    [
        (nothing, set()),
        (another_threshold(Fraction(3, 100)), {FAIR, SAME, ORDER}),
        (another_threshold(Fraction(8, 100)), {SAME, BROKEN}),
        (another_alarm(20), {SOUND, SAME}),
        (another_alarm(1e12), {SAME, BROKEN}),
        (failures_ignored, {SAME, AT_ONCE, BROKEN}),
        (failures_counted_as_successes, {SAME, AT_ONCE, BROKEN}),
        (peeking, {FAIR, SAME, AT_ONCE, ORDER}),
        (all_bet_at_once, {SAME, AT_ONCE}),
        (each_bet_whole, {FAIR, SAME}),
        (in_the_order_of_the_log, {ORDER}),
        (a_window_that_counts_alone, {SAME}),
        (a_window_alone, {SAME, AT_ONCE, BROKEN}),
    ],
)
def test_a_faulty_monitor_is_caught(pytester, monkeypatch, plant, caught_by):
    plant(monkeypatch)
    found = pytester.inline_run(*CONTRACTS)

    failed = {report.nodeid.partition("::")[2].partition("[")[0] for report in found.getfailures()}
    assert len(found.getreports("pytest_runtest_logreport")) > 20
    assert caught_by == failed
