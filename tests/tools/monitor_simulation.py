"""Simulates watches: how often a sound application is rolled back, and after how many events a broken one is.

Run from the clone, for docs/reference/monitor.md: ``python tests/tools/monitor_simulation.py``.  With --quick it draws a hundredth
of the watches.  Events fail independently with the given rate and come evenly in time; a line of the log holds one failure and the
successes before it, as ``migrator.connect`` writes them.
"""

from __future__ import annotations

import argparse
import functools
import math
import random
from collections.abc import Iterator

from migrator.application.event_log import Events
from migrator.records.monitor import Outcome
from migrator.stages.monitor.error_rate import Judge, Kept, Limits

#: Statements a second of the simulated bots: 30 an hour, and as few as fill a window of 300 s with its minimum of 440.
SLOW, BUSY = 30 / 3600, 1.5
#: Watches of a sound application, and events of each.
WATCHES, EVENTS = 40_000, 20_000
#: Watches of a broken application for each row.
BROKEN = 1_000


def lines(rate: float, events: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    """Yield lines of *events* in all: successes, and one failure or none at the end."""
    while events > 0:
        ok = int(math.log(1 - rng.random()) / math.log1p(-rate)) if 0 < rate < 1 else 0 if rate else events
        failed = int(ok < events)
        yield min(ok, events), failed
        events -= ok + failed


@functools.cache
def after(sound: int, per_s: float) -> Kept:
    """Return the state of a watch after *sound* events, of which each fiftieth failed."""
    judge = Judge(Limits())
    for number in range(sound):
        judge.window.slide(number / per_s)
        judge.add(Events(ok=int(number % 50 > 0), failed=int(number % 50 == 0)), number / per_s)
    return judge.kept


def watch(rate: float, events: int, per_s: float, rng: random.Random, *, sound: int = 0) -> tuple[int, bool]:
    """Return after how many of *events* the watch fires, 0 for never, and whether the window alone would have.

    Args:
        rate: The failure rate.
        events: The length of the watch.
        per_s: Events a second.
        rng: The source of chance.
        sound: Events with 2 % failures that come before it.
    """
    judge, seen, alone = Judge(Limits(), after(sound, per_s)), 0, False
    for ok, failed in lines(rate, events, rng):
        seen += ok + failed
        at = (sound + seen) / per_s
        judge.window.slide(at)
        judge.add(Events(ok=ok, failed=failed), at)
        alone = alone or judge.window.exceeds
        if judge.rule is not None:
            return seen, alone
    return 0, alone


def false_alarms(rate: float, per_s: float, watches: int, rng: random.Random) -> str:
    """Return the row of a table: watches, rolled back by both rules, and by a window alone."""
    found = [watch(rate, EVENTS, per_s, rng) for _ in range(watches)]
    fired, alone = sum(bool(events) for events, _ in found), sum(alone for _, alone in found)
    # For no event among n trials the probability is below 3/n with a confidence of 95 % (rule of three).
    most = f", below {3 / watches:.1e} (95 % confidence)" if not fired else ""
    return f"| {rate:.0%} | {per_s * 3600:,.0f} | {watches:,} x {EVENTS:,} | {fired:,}{most} | {alone:,} |"


def needed(rate: float, per_s: float, sound: int, watches: int, rng: random.Random) -> str:
    """Return the row of a table: events until the alarm, median and 95 %, and the share of watches with one."""
    longest = 100_000
    found = sorted(watch(rate, longest, per_s, rng, sound=sound)[0] or math.inf for _ in range(watches))
    fired = sum(events < math.inf for events in found)
    quantiles = " | ".join(f"{found[math.ceil(watches * share) - 1]:,.0f}" for share in (0.5, 0.95))
    return f"| {rate:.0%} | {per_s * 3600:,.0f} | {sound:,} | {quantiles} | {fired / watches:.1%} |"


def until_sound(rate: float, watches: int, rng: random.Random) -> str:
    """Return the row of a table: events until the application is proved sound, median and 95 %."""
    found = []
    for _ in range(watches):
        judge, events = Judge(Limits()), 0
        while judge.outcome is Outcome.UNDECIDED:
            failed = int(rng.random() < rate)
            judge.add(Events(ok=1 - failed, failed=failed), events / SLOW)
            events += 1
        found.append(events)
    found.sort()
    return f"| {rate:.0%} | {found[watches // 2]:,} | {found[watches * 95 // 100]:,} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the watches")
    parser.add_argument("--sound", action="store_true", help="only the last table")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    share = 100 if arguments.quick else 1
    rng = random.Random(arguments.seed)  # noqa: S311 - a simulation, not a secret
    if not arguments.sound:
        rolled_back(share, rng)
    print("\n| failures | median | 95 % |\n|---|---|---|")
    rng = random.Random(arguments.seed)  # noqa: S311 - likewise
    for rate in (0.0, 0.01, 0.02, 0.03):
        print(until_sound(rate, max(BROKEN // share, 20), rng), flush=True)


def rolled_back(share: int, rng: random.Random) -> None:
    """Print the tables of false alarms and of events needed, from one *share*th of the watches."""
    print("| failures | events an hour | watches x events | rolled back | window alone |\n|---|---|---|---|---|")
    for rate, per_s in ((0.01, BUSY), (0.02, SLOW), (0.02, BUSY)):
        print(false_alarms(rate, per_s, WATCHES // share, rng), flush=True)
    for rate in (0.04, 0.05):
        print(false_alarms(rate, SLOW, WATCHES // 40 // share, rng), flush=True)
    print("\n| failures | events an hour | sound events before | median | 95 % | rolled back within 100,000 |")
    print("|---|---|---|---|---|---|")
    for per_s in (SLOW, BUSY):
        for rate in (0.06, 0.10, 0.5, 1.0):
            for sound in (0, 10_000, 1_000_000):
                print(needed(rate, per_s, sound, max(BROKEN // share, 20), rng), flush=True)


if __name__ == "__main__":
    main()
