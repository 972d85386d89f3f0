"""Any operation may fail, or be the last one: an error is one sentence, and what lies there then is one set that recovers."""

import errno
import os
import random
import subprocess

import pytest
import record
import replay
import sweep

pytestmark = pytest.mark.faults

#: What needs room on the disk; an fsync, too, where a file system finds it only then.
_ROOM = "cwmylrs"
_CHANGES = "cOwtrlyumxhg"
#: Fault -> (what it does, the error, the letters of the operations that it may hit).
FAULTS = {
    "kill": (record.KILL, 0, "".join(record.LETTERS)),
    "EIO once": (record.ONCE, errno.EIO, "".join(record.LETTERS)),
    "ENOSPC for ever": (record.FOREVER, errno.ENOSPC, _ROOM),
    "EDQUOT for ever": (record.FOREVER, errno.EDQUOT, _ROOM),
    "EROFS for ever": (record.FOREVER, errno.EROFS, _CHANGES),
    "EXDEV once": (record.ONCE, errno.EXDEV, "rl"),
    "EACCES for ever": (record.FOREVER, errno.EACCES, "oOcrlyumx"),
    "EMFILE once": (record.ONCE, errno.EMFILE, "oOct"),
    "short write": (record.SHORT, 0, "w"),
}
#: Deed -> how much wider the stride is, since the deed takes so much longer.
WIDER = {"cutover": 1, "rollback": 4, "migrate": 8}


def swept(lab, scenario, name, points):
    """Let the deed of *scenario* meet the fault *name* at each of the operations *points*; return what was seen."""
    kind, error, which = FAULTS[name]
    tally = sweep.Tally(operations=len(points))
    for at in points:
        with lab.folder() as home:
            replay.copied(scenario.start, home)
            fault = record.Fault(kind=kind, at=at, which=which, error=error)
            done = lab.recorder.run(scenario.deed, home, fault=fault)
            assert done.fired >= 1, f"{name} at operation {at} did not fire"
            assert done.killed == (kind == record.KILL)
            tally.note(judged(lab, scenario, home, done, tally), f"{name} at {at}: {done.error}")
    return tally


def judged(lab, scenario, home, done, tally):
    """Judge what a fault has left in *home*."""
    told = tuple(one.name for one in done.operations if one.what == "!")
    wrong = {"one sentence": done.error} if done.kind == "Traceback" else {}
    again = (tally.states + lab.seed) % 8 == 0
    return wrong | scenario.judge(home, told, again=again)


def able_to(name, operation):
    """Return whether *operation* can meet the fault *name*: half of one byte is nothing."""
    return name != "short write" or len(operation.data) > 1


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("deed", WIDER)
def test_an_operation_fails_or_is_the_last(lab, held, deed, name):
    scenario = lab.scenarios[deed]
    _, whole = sweep.recorded(lab, scenario)
    able = [number for number, one in enumerate(whole.steps) if one.what in FAULTS[name][2] and able_to(name, one)]
    stride = lab.stride * WIDER[deed] if lab.stride > 1 else 1
    points = able[lab.seed % min(stride, len(able)) :: stride]

    held(f"{name}: {deed}", swept(lab, scenario, name, points))


def test_a_disk_that_fills_up_while_the_files_are_taken_over(lab, held):
    """Some have left WAL mode already and cannot go back to it for now: the next verb sees to it."""
    scenario = lab.scenarios["cutover"]
    _, whole = sweep.recorded(lab, scenario)
    journals = {f"{place.rpartition('/')[2]}-journal" for place in scenario.names}
    points = [number for number, one in enumerate(whole.steps) if one.what == "c" and one.name in journals]

    held(
        "a disk that fills up while the files are taken over: cutover", swept(lab, scenario, "ENOSPC for ever", points)
    )


@pytest.mark.parametrize("name", ["kill", "EIO once", "ENOSPC for ever"])
@pytest.mark.parametrize("deed", ["cutover", "rollback"])
def test_the_recovery_of_what_was_killed_fails_too(lab, held, deed, name):
    """Killed at any operation, and then once more; or its recovery meets a disk that fails."""
    scenario, (kind, error, which) = lab.scenarios[deed], FAULTS[name]
    chance = random.Random(lab.seed)  # noqa: S311 - the same seed has to draw the same
    _, whole = sweep.recorded(lab, scenario)
    under_way = [number for number, one in enumerate(whole.steps) if (one.what, one.name) == ("r", "switch.json")]
    tally = sweep.Tally()
    for _ in range(max(4, 200 // lab.stride)):
        first = chance.randrange(under_way[-2] + 1, under_way[-1])
        with sweep.killed(lab, scenario, first) as (home, _, before):
            with lab.folder() as spare:
                replay.copied(home, spare)
                recovery = lab.recorder.run("recover", spare)
            assert "" == recovery.error, first
            at = chance.choice([number for number, one in enumerate(recovery.steps) if one.what in which])
            fault = record.Fault(kind=kind, at=at, which=which, error=error)
            done = lab.recorder.run("recover", home, fault=fault, before=before.operations)
            assert done.fired >= 1, (first, at)
            tally.operations += 1
            tally.note(judged(lab, scenario, home, done, tally), f"killed at {first}, {name} at {at}: {done.error}")

    held(f"killed, then {name} in the recovery: {deed}", tally)


def test_a_disk_that_is_full(lab, held, tmp_path):
    """A file system of a certain size, not an injected error: what does not fit is refused, and goes on with more room."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system of a certain size")
    scenario = lab.scenarios["cutover"]
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64m", "crash-lab", tmp_path]
    if (said := subprocess.run(mounted, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"no file system can be mounted here: {said.stderr.strip()}")
    tally, ends = sweep.Tally(), set()
    try:
        for spare_kib in range(4, 2_600, 4 * lab.stride):
            home = replay.copied(scenario.start, tmp_path / "home")
            used = os.statvfs(tmp_path)
            size = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024 + spare_kib
            subprocess.run(["mount", "-o", f"remount,size={size}k", tmp_path], check=True)
            done = lab.recorder.run("cutover", home)
            ends.add("fits" if not done.error else "full")
            subprocess.run(["mount", "-o", "remount,size=64m", tmp_path], check=True)
            tally.note(judged(lab, scenario, home, done, tally), f"{spare_kib} KiB left: {done.error}")
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert {"fits", "full"} == ends
    held("a disk with 4 to 2,600 KiB left: cutover", tally)
