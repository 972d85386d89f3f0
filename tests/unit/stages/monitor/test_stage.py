"""The monitor: events as they are written and read, the window they fall into, and when it fires."""

import datetime as dt
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction

import pytest
from click.testing import CliRunner

from migrator.application import event_log
from migrator.application.event_log import Counter, Events
from migrator.cli import app
from migrator.errors import UsageError
from migrator.pipeline import watch
from migrator.records.monitor import Outcome, Rule, Watched
from migrator.stages.monitor import event_feed, log_times
from migrator.stages.monitor import stage as monitor_stage
from migrator.stages.monitor.error_rate import Limits, Window
from migrator.stages.monitor.event_feed import Pipe, Tail


class Clock:
    """A clock that moves only when the monitor sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Script:
    """A feed that hands out what stands in the script, one entry a look."""

    problem = ""
    position = None

    def __init__(self, *looks):
        self._looks = list(looks)

    @property
    def ended(self):
        return not self._looks

    def lines(self):
        return [json.dumps(one).encode() for one in self._looks.pop(0)]


def watched(*looks, limits=None, originals=(), memory=None, **options):
    clock = Clock()
    watch = monitor_stage.Watch(limits or Limits(), Script(*looks), memory=memory, clock=clock)
    return monitor_stage.monitor(watch, originals, clock=clock, sleep=clock.sleep, **options)


@pytest.mark.parametrize(
    ("ok", "failed", "exceeds"),
    [
        (418, 22, False),  # exactly 5 % of 440
        (417, 23, True),
        (416, 23, False),  # too few to tell
        (950, 50, False),
        (949, 51, True),
        (0, 440, True),
        (0, 439, False),
    ],
)
def test_more_than_the_threshold_among_enough_events_exceeds_the_window(ok, failed, exceeds):
    window = Window(Limits())
    window.add(Events(ok=ok, failed=failed), now=0.0)

    assert exceeds == window.exceeds


@pytest.mark.parametrize(
    ("ok", "failed", "rule"),
    [
        (0, 20, Rule.TEST),
        (0, 6, Rule.TEST),
        (0, 5, None),  # as many retries of one statement may fail together
        (417, 23, None),  # 5.2 % of the window, which 2 % reach by chance in one of 25,000 windows
        (410, 30, Rule.WINDOW),
        (9_500, 500, None),  # exactly the threshold
        (90_000, 10_000, Rule.TEST),
    ],
)
def test_either_rule_requires_a_rollback(ok, failed, rule):
    done = watched([{"ok": ok, "failed": failed}])

    assert (rule, rule is not None) == (done.rule, done.fired)


def test_a_long_good_history_does_not_hide_twenty_failures_of_twenty():
    good = [{"ok": 49, "failed": 1}] * 2_000

    done = watched(good, [{"failed": 1}] * 20)

    assert (Rule.TEST, Outcome.BROKEN) == (done.rule, done.outcome)
    assert 12 >= done.failures - 2_000, "it fires before the last of the twenty"


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ({}, Outcome.UNDECIDED),
        ({"ok": 75}, Outcome.UNDECIDED),
        ({"ok": 76}, Outcome.SOUND),
        ({"ok": 9, "failed": 1}, Outcome.UNDECIDED),
        ({"ok": 980, "failed": 20}, Outcome.SOUND),
        ({"ok": 950, "failed": 50}, Outcome.UNDECIDED),
        ({"failed": 20}, Outcome.BROKEN),
    ],
)
def test_too_few_events_to_decide_are_told_from_enough(events, outcome):
    assert outcome == watched([events]).outcome


def test_an_empty_window_never_fires():
    assert not watched([], limits=Limits(min_events=0, threshold=Fraction(0))).fired


def test_what_is_older_than_the_window_no_longer_counts_in_it():
    limits = Limits(window_s=1.0, min_events=100)

    done = watched([{"ok": 95, "failed": 4}], [], [], [{"ok": 99, "failed": 1}], limits=limits)

    assert (False, 99, 1, 199, 5) == (done.fired, done.ok, done.failed, done.seen, done.failures)


def test_events_that_held_and_left_the_window_make_it_fire():
    limits = Limits(window_s=1.0, min_events=100)

    done = watched([{"ok": 400}], [], [{"ok": 190, "failed": 20}], [], [{"ok": 1}], limits=limits)

    assert Rule.WINDOW == done.rule


def test_a_burst_that_is_made_up_for_in_the_same_look_fires_all_the_same():
    assert watched([{"ok": 400, "failed": 40}, {"ok": 100_000}]).fired


#: A moment as the two clocks show it: the monotonic one, and 2026-02-01 10:00:00.5 UTC.
NOW, WALL = 5000.0, 1769940000.5


@pytest.mark.parametrize(
    "at",
    [
        1769939990.5,
        1769939990500,
        1769939990500000,
        1769939990500000000,
        "1769939990.5",
        " 1769939990500 ",
        "2026-02-01T09:59:50.5Z",
        "2026-02-01 09:59:50,500",
        "2026-02-01 09:59:50.500000000",
        "20260201T095950.5+0000",
        "2026-02-01T15:59:50.5+06:00",
        "2026-02-01T09:59:50.5",
    ],
)
def test_a_log_may_write_times_as_logs_do(at):
    line = json.dumps({"failed": 1, "at": at}).encode()

    assert Events(ok=0, failed=1, at=NOW - 10) == event_feed.parsed(line, "A", now=NOW, wall=WALL)


def test_a_time_without_an_offset_is_utc_or_that_of_this_host_whichever_is_near(monkeypatch):
    monkeypatch.setenv("TZ", "America/Costa_Rica")
    time.tzset()
    try:
        for text in ("2026-02-01T09:59:50.5", "2026-02-01T03:59:50.5"):
            assert NOW - 10 == log_times.monotonic(text, now=NOW, wall=WALL)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "at",
    [
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "-5", "12.5", "1e30", "1870000000", "9" * 400, "true", "[]", "{}",
        '""', '"soon"', '"NaN"', '"2026-02-30T00:00:00"', '"0001-01-01T00:00:00"', '"9999-12-31T23:59:59"',
        '"2026-02-01T10:00:00+99:00"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("boot", ["", ', "boot": "A"', ', "boot": "B"'])
def test_a_line_with_a_time_that_no_clock_shows_is_no_event(at, boot):
    line = f'{{"failed": 1, "at": {at}{boot}}}'.encode()
    of_a_boot = boot and at in {"-5", "12.5", "1870000000"}

    assert (event_feed.parsed(line, "A", now=NOW, wall=WALL) is None) != bool(of_a_boot)


def test_failures_with_the_logs_own_times_fire_and_old_ones_are_told():
    now = dt.datetime.now(dt.UTC)
    fresh, old = ([{"failed": 1, "at": moment.isoformat()}] * 1000 for moment in (now, now - dt.timedelta(hours=1)))

    assert watched(fresh).fired
    done = watched(old, [{"ok": 1}])
    assert (1000, 1001, False) == (done.old, done.seen, done.fired)


def test_lines_that_speak_of_no_event_are_counted_apart():
    done = watched([{"ok": True}, {"failed": True}, {"level": "info"}, [1], {"ok": -1}, {"ok": "9"}, {"ok": 0}])

    assert (2, 1, 5) == (done.seen, done.failures, done.unread)
    for line in (b"", b"{", b"[" * 100_000, b"9" * 10_000, b'{"ok":1}' + b" " * 70_000, b"\xff"):
        assert event_feed.parsed(line, "") is None


@pytest.mark.parametrize("count", [10**15 + 1, 10**400])
@pytest.mark.parametrize("key", ["ok", "failed"])
def test_a_count_that_no_bot_reaches_is_an_unread_line(key, count):
    done = watched([{"ok": 0, "failed": 1}, {key: count}])

    assert (1, 1, 1) == (done.seen, done.failures, done.unread)


def test_the_largest_counts_are_counted():
    assert 3 * 10**15 == watched([{"ok": 10**15}] * 3).seen
    assert watched([{"failed": 10**15}]).fired


def test_events_of_this_boot_keep_their_moment_and_those_of_another_are_over():
    line = b'{"ok": 1, "failed": 2, "at": 7.5, "boot": "A"}'

    assert Events(ok=1, failed=2, at=7.5) == event_feed.parsed(line, "A")
    before = event_feed.parsed(line, "B")
    assert Events(ok=1, failed=2, at=-math.inf) == before
    window = Window(Limits(window_s=10.0))
    window.add(before, now=18.0)
    assert (0, 0) == (window.ok, window.failed)
    window.add(Events(ok=1, failed=0, at=7.5), now=18.0)
    window.add(Events(ok=1, failed=0, at=8.5), now=18.0)
    assert 1 == window.ok


def test_a_late_write_to_an_original_is_told(tmp_path):
    path, other = tmp_path / "jarvis.db", tmp_path / "tax.db"
    path.write_bytes(b"1")
    other.write_bytes(b"1")

    def tell(seen: Watched):
        if seen.seconds == 0.0:
            (tmp_path / "jarvis.db-wal").write_bytes(b"late")

    done = watched([], [], originals=[path, other], tell=tell)

    assert (str(path),) == done.late


def test_a_legacy_name_that_leads_elsewhere_is_told(tmp_path):
    core = tmp_path / "jarvis_core.db"
    core.write_bytes(b"core")
    names = {tmp_path / f"{name}.db": core for name in ("stays", "gone", "replaced", "elsewhere")}
    for path in names:
        path.symlink_to(core.name)
    strayed = []

    def looks(seen):
        strayed.append(seen.strayed)
        if len(strayed) == 1:
            (tmp_path / "gone.db").unlink()
            (tmp_path / "replaced.db").unlink()
            (tmp_path / "replaced.db").write_bytes(b"core")
            (tmp_path / "elsewhere.db").unlink()
            (tmp_path / "elsewhere.db").symlink_to("nowhere")

    watched([], [], names=names, tell=looks)

    assert [(), tuple(str(tmp_path / f"{name}.db") for name in ("gone", "replaced", "elsewhere"))] == strayed


def test_what_a_process_counted_survives_its_being_killed(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from migrator.application.event_log import Counter\n"
        "counter = Counter(Path(sys.argv[1]))\n"
        "for _ in range(5): counter.held()\n"
        "counter.failed(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "events"], check=False)

    assert -signal.SIGKILL == done.returncode
    (line,) = (tmp_path / "events").read_bytes().splitlines()
    found = event_feed.parsed(line, event_log.boot())
    assert (5, 1) == (found.ok, found.failed)
    assert found.at > 0
    assert 0o600 == (tmp_path / "events").stat().st_mode & 0o777


def test_a_child_counts_from_nothing(tmp_path):
    counter = Counter(tmp_path / "events")
    counter.held()
    child = os.fork()
    if child == 0:
        try:
            counter.failed()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    counter.write()

    found = [json.loads(line) for line in (tmp_path / "events").read_bytes().splitlines()]
    assert [(0, 1), (1, 0)] == [(one["ok"], one["failed"]) for one in found]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave files of its own in the folders of others")
def test_what_root_counts_does_not_keep_the_application_from_counting(tmp_path):
    os.chown(tmp_path, 65534, 65534)

    Counter(tmp_path / "events").failed()

    assert (65534, 65534) == ((status := (tmp_path / "events").stat()).st_uid, status.st_gid)


def test_what_cannot_be_written_is_kept(tmp_path):
    counter = Counter(tmp_path / "later" / "events")
    counter.failed()
    (tmp_path / "later").mkdir()
    counter.failed()

    assert 2 == json.loads((tmp_path / "later" / "events").read_text())["failed"]


def test_a_tail_waits_for_the_file_and_for_whole_lines_and_sees_it_begun_anew(tmp_path):
    path = tmp_path / "log"
    tail = Tail(path, whole=False)
    assert [] == list(tail.lines())
    path.write_bytes(b"one\ntw")
    assert [b"one"] == list(tail.lines())
    with path.open("ab") as file:
        file.write(b"o\n")
    assert [b"two"] == list(tail.lines())
    path.unlink()
    path.write_bytes(b"three\n")
    assert [b"three"] == list(tail.lines())


def test_a_log_that_is_rotated_loses_no_line(tmp_path):
    """Lines that came between the last look and the rotation, after the rotation, and a last one without an end."""
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    tail = event_feed.Tail(log, whole=False)
    assert [] == list(tail.lines())

    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        log.rename(tmp_path / "log.1")
        assert [b"one"] == list(tail.lines())
        writer.write(b"two\nthr")
        log.write_bytes(b"four\n")
        writer.write(b"ee")
    assert [b"two", b"three", b"four"] == list(tail.lines())
    log.unlink()
    assert [] == list(tail.lines())
    log.write_bytes(b"five\n")
    assert [b"five"] == list(tail.lines())
    log.write_bytes(b"6\n")
    assert [b"6"] == list(tail.lines())


def test_a_line_without_an_end_fills_no_memory(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * (3 << 20))
    tail = event_feed.Tail(log, whole=True)

    (long,) = tail.lines()
    with log.open("ab") as writer:
        writer.write(b'yy\n{"ok": 1}\n')
    (short,) = tail.lines()

    assert (None, 1) == (event_feed.parsed(long, ""), event_feed.parsed(short, "").ok)
    assert len(long) < 1 << 17


def test_a_line_is_the_same_wherever_its_reader_was_interrupted():
    lines = [b'{"ok": 1}', b"x" * (event_feed._LONGEST + 1), b"", b"y" * event_feed._LONGEST, b'{"failed": 2}']
    text = b"\n".join(lines)
    for size in (1 << 20, 1 << 16, 7, event_feed._LONGEST + 1):
        splitter = event_feed._Splitter()
        split = [line for at in range(0, len(text), size) for line in splitter.split(text[at : at + size])]

        read = [line if event_feed.parsed(line, "") or len(line) in (0, len(lines[3])) else None for line in split]
        assert [lines[0], None, b"", lines[3]] == read
        assert lines[4] == splitter.rest()


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path):
    """A writer that is killed, or a full disk, may leave half a line."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"ok": 12, "fai')
    counter = event_log.Counter(path)

    counter.failed()

    read = [event_feed.parsed(line, event_log.boot()) for line in event_feed.Tail(path, whole=True).lines() if line]
    assert [None, (0, 1)] == [one and (one.ok, one.failed) for one in read]


def test_a_tail_may_begin_at_the_end(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"old\n")

    late, early = Tail(path, whole=False), Tail(path, whole=True)

    assert ([], [b"old"]) == (list(late.lines()), list(early.lines()))


def test_a_pipe_hands_out_what_is_there_and_ends():
    reading, writing = os.pipe()
    pipe = Pipe(reading)
    assert [] == list(pipe.lines())
    os.write(writing, b"one\ntwo")
    assert [b"one"] == list(pipe.lines())
    os.close(writing)
    assert [b"two"] == list(pipe.lines())
    assert pipe.ended
    os.close(reading)


def test_a_pipe_that_never_rests_or_never_ends_a_line_fills_no_memory():
    zero = os.open("/dev/zero", os.O_RDONLY)
    pipe = Pipe(zero)
    begun = time.monotonic()

    (long,) = pipe.lines()

    assert event_feed.parsed(long, "") is None
    assert time.monotonic() - begun < 2
    assert [] == list(pipe.lines())
    assert len(pipe._lines._begun) < 1 << 17
    os.close(zero)


@pytest.mark.parametrize("character", [b"\0", b" ", b"\r", b"x"])
def test_an_input_that_is_one_line_without_an_end_is_counted_as_unread(character):
    reading, writing = os.pipe()
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nwhile True: sys.stdout.buffer.write(eval(sys.argv[1]) * 65536)",
            repr(character),
        ],
        stdout=writing,
    )
    os.close(writing)
    try:
        looks = []
        done = monitor_stage.monitor(
            monitor_stage.Watch(Limits(), Pipe(reading)),
            [],
            tell=looks.append,
            # A busy host may take long to start the writer.
            until=lambda gone: looks[-1].unread > 0 or gone > 30,
        )
    finally:
        writer.kill()
        writer.wait()
        os.close(reading)

    assert (0, 1) == (done.seen, done.unread)


def a_socket(folder):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "log"))
    return folder / "log"


def a_link_to_a_device(folder):
    (folder / "log").symlink_to("/dev/zero")
    return folder / "log"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder, "is a folder"),
        (a_socket, "no such device or address"),
        (a_link_to_a_device, "is a device"),
    ],
)
def test_a_log_that_cannot_be_read_is_refused_before_the_watch(tmp_path, make, sentence):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jarvis.db").touch()

    done = CliRunner().invoke(
        app.cli, ["monitor", "--data-dir", str(tmp_path / "data"), "--events", str(make(tmp_path))]
    )

    assert isinstance(done.exception, UsageError)
    assert sentence in str(done.exception)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (Watched(unread=7), "none of 7 lines could be read as an event"),
        (Watched(seen=9, old=9), "all of 9 events were older than the watch"),
        (Watched(seen=9, old=8, unread=3, outcome=Outcome.SOUND), ""),
        (Watched(outcome=Outcome.SOUND), ""),
    ],
)
def test_a_watch_that_could_count_nothing_is_no_success(tmp_path, monkeypatch, seen, sentence):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jarvis.db").touch()
    (tmp_path / "log").touch()
    monkeypatch.setattr(watch, "monitor", lambda *_, **__: seen)

    done = CliRunner().invoke(
        app.cli, ["monitor", "--data-dir", str(tmp_path / "data"), "--events", str(tmp_path / "log")]
    )

    assert (1 if sentence else 0) == done.exit_code
    assert sentence in done.output
