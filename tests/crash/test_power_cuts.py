"""The power may fail after any operation: what is on the disk then is one set, and recovery brings the switch to its end."""

import random

import pytest
import record
import replay
import sweep

pytestmark = pytest.mark.faults

#: What is told before the part of a deed that a recovery has to bring to its end.
BEGINS = {"cutover": "no other process can write", "rollback": "is in copies", "restore": "no other process can write"}
DEEDS = ("cutover", "rollback", "migrate", "restore")
#: At about so many operations a deed is killed at most, all over it: every power cut in the recovery of each takes seconds.
MOST_KILLED = 100


@pytest.mark.parametrize("deed", DEEDS)
def test_the_recorder_misses_nothing(lab, deed):
    """Replayed without a cut, the log leaves what lies on the disk, byte for byte: names, links, contents, modes."""
    scenario = lab.scenarios[deed]
    with lab.folder() as home:
        replay.copied(scenario.start, home)
        played = replay.Replay(replay.Tree.found(home))

        done = lab.recorder.run(deed, home)

        assert "" == done.error
        for operation in done.operations:
            played.step(operation)
        there = replay.Tree.found(home)
        hashes = replay.hashes()
        expected = replay.State(there.root, there.names, {}, {}).key(hashes)
        assert expected == played.state(dict.fromkeys(played.pending(), replay.KEPT)).key(hashes)


@pytest.mark.parametrize("model", ["strict", "ext4"])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_power_cut_leaves_one_set_and_recovery_comes_to_its_end(lab, held, deed, model):
    scenario = lab.scenarios[deed]
    tree, done = sweep.recorded(lab, scenario)
    assert "" == done.error

    tally = sweep.power_cuts(lab, scenario, done.operations, tree, model=model)

    held(f"power cut, {model}: {deed}", tally)


@pytest.mark.parametrize("deed", BEGINS)
def test_the_power_fails_while_what_was_killed_is_recovered(lab, held, deed):
    """What a killed process had not synced is not durable when the next one finds it."""
    scenario = lab.scenarios[deed]
    _, whole = sweep.recorded(lab, scenario)
    tally = sweep.Tally()

    for at in killing_points(lab, whole):
        with sweep.killed(lab, scenario, at) as (home, tree, before):
            done = lab.recorder.run("recover", home, before=before.operations)
            assert "" == done.error, at
            begin = len(before.operations)
            tally.add(sweep.power_cuts(lab, scenario, done.operations, tree, begin=begin, calm=99, work=0))

    held(f"killed, then a power cut in the recovery: {deed}", tally)


@pytest.mark.parametrize("deed", BEGINS)
def test_the_power_fails_again_while_a_power_cut_is_recovered(lab, held, deed):
    scenario = lab.scenarios[deed]
    tree, done = sweep.recorded(lab, scenario)
    under_way = next(number for number, one in enumerate(done.operations) if BEGINS[deed] in one.name)
    options = {"begin": under_way, "stride": lab.stride, "calm": 99, "demand": scenario.demand}
    left = list(replay.crash_states(tree, done.operations, **options))
    chance = random.Random(lab.seed)  # noqa: S311 - the same seed has to draw the same
    tally = sweep.Tally()

    for count, state, told in chance.sample(left, min(len(left), max(3, 60 // lab.stride))):
        with lab.folder() as home:
            found = replay.Tree.found(state.write(home))
            before = tuple(record.Operation("!", False, 0, 0, text, 0, "", 0, b"") for text in told)
            again = lab.recorder.run("recover", home, before=before)
            assert "" == again.error, count
            tally.add(sweep.power_cuts(lab, scenario, again.operations, found, begin=len(before), calm=99, work=0))

    held(f"a power cut, then another in the recovery: {deed}", tally)


def killing_points(lab, whole):
    """Return the numbers of the operations at which a deed is killed: before reports, around the commit, by stride."""
    steps = [(number, one) for number, one in enumerate(whole.steps)]
    (turned,) = [number for number, one in steps if (one.what, one.name) == ("r", "active")][-1:]
    told = [number for number in sweep.phases(whole.operations) if number < len(steps)]
    every = max(2 * lab.stride, len(steps) // MOST_KILLED)
    return sorted({*told, *range(turned - 1, turned + 3), *range(lab.seed % every, len(steps), every)})
