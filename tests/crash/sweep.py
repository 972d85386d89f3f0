"""Records a deed and judges what comes of it: at every power cut, at every fault."""

import contextlib
import itertools
from collections import Counter
from dataclasses import dataclass, field

import record
import replay

#: A state in so many is also worked with: the deed is done again, or undone.
AGAIN = 20
#: As long as less than this was told, a short run looks at some power cuts only; what follows is the switch itself.
CALM = {
    "verify": 0,
    "cutover": 1,
    "rollback": 2,
    "migrate": 99,
    "restore": 1,
    "legacy_writes": 99,
    "hasty_legacy_writes": 99,
}


@dataclass
class Tally:
    """What a sweep has seen.

    Attributes:
        operations: File operations that were recorded.
        states: States, or faults, that were judged.
        bad: How many of them broke which check.
        first: Check -> the first of them, in words.
    """

    operations: int = 0
    states: int = 0
    bad: Counter = field(default_factory=Counter)
    first: dict = field(default_factory=dict)

    def note(self, wrong, where):
        """Count a state, and what is *wrong* in it."""
        self.states += 1
        for check, found in wrong.items():
            self.bad[check] += 1
            self.first.setdefault(check, f"{where}: {found}")

    def add(self, other):
        """Count what *other* has seen, too."""
        self.operations += other.operations
        self.states += other.states
        self.bad += other.bad
        self.first = other.first | self.first


def described(operations, count):
    """Return in words what was done last of the first *count* of *operations*."""
    numbered = sum(one.what in record.LETTERS for one in operations[:count])
    last = next((one for one in reversed(operations[:count]) if one.what in record.LETTERS), None)
    said = f"{record.LETTERS[last.what]} {last.name}".strip() if last else "nothing"
    return f"after operation {numbered} ({said})"


def power_cuts(lab, scenario, operations, tree, **options):
    """Judge every state that a power cut may leave while *operations* are done on *tree*.

    *options* are those of :func:`replay.crash_states`, and: *work*, see :data:`AGAIN`; *until*, checks: once each of them
    does not hold, enough was seen.
    """
    tally = Tally(operations=sum(one.what in record.LETTERS for one in operations[options.get("begin", 0) :]))
    options = {"seed": lab.seed, "stride": lab.stride, "calm": CALM[scenario.deed], "demand": scenario.demand} | options
    work, until = options.pop("work", AGAIN), options.pop("until", ())
    with lab.folder() as home:
        for count, state, told in replay.crash_states(tree, operations, **options):
            state.write(home)
            again = bool(work) and (tally.states + lab.seed) % work == 0
            tally.note(scenario.judge(home, told, again=again), described(operations, count))
            if until and set(until) <= set(tally.bad):
                break
    return tally


def recorded(lab, scenario, **options):
    """Do the deed of *scenario* on a copy; return what lay there before, and what became of it."""
    with lab.folder() as home:
        replay.copied(scenario.start, home)
        tree = replay.Tree.found(home)
        return tree, lab.recorder.run(scenario.deed, home, **options)


@contextlib.contextmanager
def killed(lab, scenario, at, **options):
    """Kill the deed of *scenario* at operation number *at*; give the folder, what lay there before, and what was done."""
    with lab.folder() as home:
        replay.copied(scenario.start, home)
        tree = replay.Tree.found(home)
        done = lab.recorder.run(scenario.deed, home, fault=record.Fault(kind=record.KILL, at=at), **options)
        assert done.killed, done.error
        assert 1 == done.fired, "the fault did not fire"
        yield home, tree, done


def phases(operations):
    """Return the number of the first operation after each report."""
    counted = itertools.accumulate(one.what in record.LETTERS for one in operations)
    return [number for one, number in zip(operations, counted, strict=True) if one.what == "!"]
