"""What a watch remembers: another run goes on with it, counts no event twice and spends no chance of a false alarm anew."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from migrator.application import event_log
from migrator.errors import Refused
from migrator.records.monitor import Outcome, Rule
from migrator.stages.monitor import memory as monitor_memory
from migrator.stages.monitor import stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Tail

BOOT = event_log.boot()


class Runs:
    """Single checks of one log, as cron makes them."""

    def __init__(self, folder):
        self.log, self.file = folder / "log", folder / "watch.json"
        self.limits = Limits()

    def remembered(self, **changed):
        known = {"run": "0001", "source": str(self.log), "limits": self.limits, "boot": BOOT, "now": 5.0} | changed
        return monitor_memory.read(self.file, **known)

    def __call__(self, *lines, keep=True):
        with self.log.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        memory = self.remembered()
        feed = Tail(self.log, whole=True, position=memory and memory.position)
        watch = stage.Watch(self.limits, feed, run="0001", source=str(self.log), memory=memory)
        written = (lambda kept: monitor_memory.write(self.file, kept)) if keep else lambda _: None
        return stage.monitor(watch, [], once=True, keep=written)


@pytest.fixture(name="runs")
def _runs(tmp_path):
    return Runs(tmp_path)


def test_each_run_counts_what_came_since_the_last(runs):
    found = [runs({"ok": 40}), runs(), runs({"ok": 40, "failed": 1}, {"level": "info"}), runs({"ok": 140})]

    assert [(40, 0), (40, 0), (81, 1), (221, 1)] == [(done.seen, done.failures) for done in found]
    assert [0, 0, 1, 1] == [done.unread for done in found]
    assert [Outcome.UNDECIDED] * 2 + [Outcome.UNDECIDED, Outcome.SOUND] == [done.outcome for done in found]


def test_a_run_that_is_killed_before_it_remembers_counts_nothing(runs):
    runs({"ok": 10})

    killed, again = runs({"failed": 3}, keep=False), runs()

    assert (3, 3) == (killed.failures, again.failures)
    assert killed.above == again.above


def test_failures_that_come_one_a_run_fire_as_if_in_one_run(runs):
    found = [runs({"failed": 1}) for _ in range(6)]

    assert [None] * 5 + [Rule.TEST] == [done.rule for done in found]


def test_the_bets_of_many_runs_are_those_of_one(runs, tmp_path):
    lines = [{"ok": 30, "failed": 1}, {"ok": 7}, {"failed": 2}, {"ok": 90, "failed": 4}]
    (tmp_path / "other").mkdir()
    for line in lines:
        many = runs(line)

    one = Runs(tmp_path / "other")(*lines)

    assert (one.above, one.below, one.seen, one.ok) == (many.above, many.below, many.seen, many.ok)


def test_the_silence_lasts_over_runs(runs):
    runs({"ok": 1})
    memory = runs.remembered()
    monitor_memory.write(runs.file, replace(memory, last_event=memory.last_event - 1_000, begun=memory.begun - 1_000))

    done = runs()

    assert ["no event for 900 s"] == [alarm.partition(";")[0] for alarm in done.silent]
    assert done.seconds > 1_000
    assert () == runs({"ok": 1}).silent


@pytest.mark.parametrize(
    "changed", [{"run": "0002"}, {"source": "other"}, {"limits": Limits(threshold=Fraction(1, 10))}]
)
def test_another_watch_begins_anew(runs, changed):
    runs({"ok": 1})

    assert runs.remembered() is not None
    assert runs.remembered(**changed) is None


def test_after_a_restart_of_the_system_the_bets_stay_and_the_times_begin_anew(runs):
    runs({"ok": 5, "failed": 1})
    before = runs.remembered()

    after = runs.remembered(boot="another", now=7.0)

    assert (before.judged.above, before.position, 6) == (after.judged.above, after.position, after.seen)
    assert ((), 7.0, 7.0) == (after.judged.window, after.begun, after.last_event)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "run": 7}'])
def test_a_file_that_no_monitor_wrote_is_refused_and_kept(runs, content):
    runs.file.write_text(content)

    with pytest.raises(Refused, match="delete it; the watch then begins anew"):
        runs()
    assert content == runs.file.read_text()


def test_what_another_version_kept_is_not_gone_on_with(runs):
    runs({"ok": 1})
    runs.file.write_text(runs.file.read_text().replace('"schema": 1', '"schema": 2'))

    assert runs.remembered() is None
