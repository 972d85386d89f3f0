"""The lab can fail: each mistake that is planted in the protocol is caught, and by the check that it should be caught by."""

import pytest
import sweep

pytestmark = pytest.mark.faults

#: Mistake -> (the deed, what was told before it can be seen, the checks that catch it).
AT_A_POWER_CUT = {
    "no fsync": ("cutover", "one pointer", ("one set", "told")),
    "no fsync of folders": ("cutover", "one pointer", ("one set", "told")),
    "no fsync of files": ("cutover", "COMMITTED", ("env",)),
    ".env in place": ("cutover", "COMMITTED", ("env",)),
    ".env not synced": ("cutover", "COMMITTED", ("env",)),
    "flag first": ("cutover", "no other process can write", ("flag",)),
    "a rename for each name": ("cutover", "one pointer", ("one set",)),
    "copied instead of renamed": ("cutover", "COMMITTED", ("env",)),
    "synchronous OFF": ("cutover", "are copied", ("one set",)),
    "flag late in the rollback": ("rollback", "is in copies", ("flag",)),
    "copies of the rollback not synced": ("rollback", "is in copies", ("one set",)),
    "copies of the restore not synced": ("restore", "one pointer", ("one set",)),
    "what a restore replaces not kept": ("restore", "COMMITTED", ("kept",)),
    "the baseline's journal not synced": ("cutover", "writers can go on", ("kept",)),
}


@pytest.mark.parametrize("mistake", AT_A_POWER_CUT)
def test_a_mistake_is_caught_at_a_power_cut(lab, caught, mistake):
    deed, told, checks = AT_A_POWER_CUT[mistake]
    scenario = lab.scenarios[deed]
    tree, done = sweep.recorded(lab, scenario, mistake=mistake)
    assert "" == done.error
    (begin,) = [number for number, one in enumerate(done.operations) if one.what == "!" and told in one.name]

    # A short run begins late, and has seen enough once each of the checks has said so.
    short = lab.stride > 1
    options = {"until": checks if short else (), "begin": begin if short else 0, "stride": 1, "work": 0}
    caught(mistake, sweep.power_cuts(lab, scenario, done.operations, tree, **options), *checks)


def test_an_ext4_does_not_show_that_folders_are_not_synced(lab, caught):
    """Why the strict model is the gate: names change here in their order, and only the last ones may be taken back."""
    scenario = lab.scenarios["cutover"]
    tree, done = sweep.recorded(lab, scenario, mistake="no fsync of folders")

    tally = sweep.power_cuts(lab, scenario, done.operations, tree, model="ext4", work=0)

    assert set(tally.bad) == {"told", "settled"}, tally.first
    caught("no fsync of folders, ext4", tally, "told")


def test_a_build_that_is_not_synchronous_is_no_mistake(lab, held):
    """Each database is synced when it is closed, and counts only once ``built.json`` is written: nothing can be seen."""
    scenario = lab.scenarios["migrate"]
    tree, done = sweep.recorded(lab, scenario, mistake="build with synchronous OFF")

    held("equivalent: build with synchronous OFF", sweep.power_cuts(lab, scenario, done.operations, tree))


def turned(operations):
    """Return the number of the rename that turned the pointer last: the commit."""
    steps = [one for one in operations if one.what in sweep.record.LETTERS]
    return max(number for number, one in enumerate(steps) if (one.what, one.name) == ("r", "active"))


def test_a_recovery_that_trusts_names_that_are_not_synced_is_caught(lab, caught):
    scenario = lab.scenarios["cutover"]
    _, whole = sweep.recorded(lab, scenario)

    with sweep.killed(lab, scenario, turned(whole.operations) + 1) as (home, tree, before):
        done = lab.recorder.run("recover", home, before=before.operations, mistake="the recovery trusts names")
        tally = sweep.power_cuts(
            lab,
            scenario,
            done.operations,
            tree,
            begin=len(before.operations),
            stride=1,
            work=0,
            until=("flag",),
        )

    # The pointer's folder is synced before a name is changed, when the monitor's latch is removed: the flag alone is early.
    caught("the recovery trusts names", tally, "flag")


def test_a_recovery_that_removes_the_pointer_first_is_caught(lab, caught):
    scenario = lab.scenarios["cutover"]
    _, whole = sweep.recorded(lab, scenario)

    with sweep.killed(lab, scenario, turned(whole.operations)) as (home, tree, before):
        done = lab.recorder.run("recover", home, before=before.operations, mistake="the pointer removed first")
        tally = sweep.power_cuts(
            lab, scenario, done.operations, tree, begin=len(before.operations), stride=1, work=0, until=("one set",)
        )

    caught("the pointer removed first", tally, "one set")


def test_without_quiesce_a_row_that_was_acknowledged_is_lost(lab, caught):
    """No crash shows it: it takes a process that writes to the legacy file through its own handle."""
    scenario = lab.scenarios["cutover"]

    with lab.folder() as home:
        sweep.replay.copied(scenario.start, home)
        refused = lab.recorder.run("cutover_beside_a_writer", home)
        assert ("Refused", True) == (refused.kind, "is open in process" in refused.error), refused.error
        assert {} == scenario.judge(home, (), again=False)

    with lab.folder() as home:
        sweep.replay.copied(scenario.start, home)
        done = lab.recorder.run("cutover_beside_a_writer", home, mistake="no quiesce")
        assert "" == done.error
        tally = sweep.Tally()
        acknowledged = any("a row is written" in one.name for one in done.operations if one.what == "!")
        lost = acknowledged and not any(
            b"late row" in (home / "data" / name).read_bytes() for name in ("jarvis_core.db", "jarvis_core.db-wal")
            if (home / "data" / name).exists()
        )  # fmt: skip
        tally.note({"a row is lost": "late row"} if lost else {}, "in the end")

    caught("no quiesce", tally, "a row is lost")
