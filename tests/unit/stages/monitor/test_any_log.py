"""The monitor reads any log: a file that appears later, is rotated or truncated, a FIFO, the journal; and never hangs."""

import json
import os
import time

import pytest

from migrator.application.event_log import Events
from migrator.errors import UsageError
from migrator.stages.monitor import event_feed, stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Pipe, Tail
from migrator.stages.monitor.journal import Journal


def read(feed):
    return [bytes(line) for line in feed.lines()]


def append(path, text):
    with path.open("ab") as file:
        file.write(text)


def test_a_log_that_appears_later_is_read_from_its_beginning_and_missed_until_then(tmp_path):
    log = tmp_path / "log"
    feed = event_feed.at_path(log)

    assert [] == read(feed)
    assert f"{log} does not exist" == feed.problem
    log.write_bytes(b"one\n")
    assert [b"one"] == read(feed)
    assert "" == feed.problem


def test_a_log_that_is_gone_is_missed(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"")
    feed = event_feed.at_path(log)
    assert [] == read(feed)
    log.unlink()

    assert [] == read(feed)
    assert "does not exist any more" in feed.problem


def test_a_log_that_becomes_unreadable_is_a_problem_and_not_the_end_of_the_watch(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    feed = event_feed.at_path(log)
    log.rename(tmp_path / "log.1")
    log.mkdir()

    assert [] == read(feed)
    assert "is a folder" in feed.problem
    log.rmdir()
    log.write_bytes(b"two\n")
    assert [b"two"] == read(feed)
    assert "" == feed.problem


def resumed(log, feed):
    return Tail(log, whole=False, position=feed.position)


def test_a_later_run_goes_on_after_the_last_whole_line(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    first = event_feed.at_path(log)
    append(log, b"one\ntw")
    assert [b"one"] == read(first)
    append(log, b"o\nthree\n")

    again = resumed(log, first)

    assert [b"two", b"three"] == read(again)
    assert [] == read(resumed(log, again))


@pytest.mark.parametrize("rotated", ["log.1", "log-20270131"])
def test_a_rotation_between_two_runs_loses_no_line_and_counts_none_twice(tmp_path, rotated):
    log = tmp_path / "log"
    log.write_bytes(b"")
    first = event_feed.at_path(log)
    append(log, b"one\n")
    assert [b"one"] == read(first)
    append(log, b"two\n")
    log.rename(tmp_path / rotated)
    log.write_bytes(b"three\n")
    (tmp_path / "log.0").mkdir()

    again = resumed(log, first)

    assert [b"two", b"three"] == read(again)
    assert [] == read(resumed(log, again))


def test_a_log_that_was_truncated_between_two_runs_is_read_from_its_beginning_even_if_it_is_longer_now(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"")
    first = event_feed.at_path(log)
    append(log, b"one\n")
    assert [b"one"] == read(first)
    log.write_bytes(b"2\n")
    shorter = resumed(log, first)
    assert [b"2"] == read(shorter)
    log.write_bytes(b"three\nfour\n")

    assert [b"three", b"four"] == read(resumed(log, first))
    assert [b"three", b"four"] == read(shorter), "the running watch sees it too"


def test_a_log_whose_rotated_file_is_gone_is_read_from_its_beginning(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"")
    first = event_feed.at_path(log)
    append(log, b"one\n")
    assert [b"one"] == read(first)
    other = tmp_path / "other"
    other.write_bytes(b"two\n")
    other.rename(log)

    assert [b"two"] == read(resumed(log, first))


def test_a_log_that_grows_faster_than_it_is_read_ends_each_look(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    feed = Tail(log, whole=True)
    seen = []
    for line in feed.lines():
        seen.append(line)
        append(log, b"more\n" * 3)

    assert [b"one"] == seen


def test_a_fifo_without_a_writer_does_not_wait_and_outlives_its_writers(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    begun = time.monotonic()
    event_feed.refuse_unreadable(fifo)
    feed = event_feed.at_path(fifo)
    assert [] == [line for line in read(feed) if line]
    for number in (b"1", b"2"):
        writer = os.open(fifo, os.O_WRONLY)
        os.write(writer, b'{"ok": %s}\nhalf' % number)
        assert [b'{"ok": %s}' % number] == read(feed)
        os.close(writer)
        assert [b"half"] == read(feed)

    assert not feed.ended
    assert time.monotonic() - begun < 2


def test_the_output_of_a_command_ends_with_it(tmp_path):
    """As bash passes it: --events <(command) names /dev/fd/63."""
    reading, writing = os.pipe()
    os.write(writing, b"one\n")
    os.close(writing)
    (tmp_path / "link").symlink_to(f"/proc/self/fd/{reading}")
    feed = event_feed.at_path(tmp_path / "link")

    assert isinstance(feed, Pipe)
    assert [b"one"] == read(feed)[:1]
    assert feed.ended
    os.close(reading)


def test_what_is_no_log_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "device"):
        if path.name == "device":
            path.symlink_to("/dev/zero")
        with pytest.raises(UsageError, match="cannot be read"):
            event_feed.refuse_unreadable(path)


#: An entry as journalctl --output export prints it, shortened; the time is 2026-02-01 10:00:00 UTC.
ENTRY = b"""__CURSOR=s=6c;i=4f
__REALTIME_TIMESTAMP=1769940000000000
__MONOTONIC_TIMESTAMP=5000
_SYSTEMD_UNIT=bot.service
MESSAGE=%s
PRIORITY=6

"""


def counted(text):
    journal = Journal()
    found = []
    for line in text.split(b"\n"):
        message, written = journal.message(line)
        if message.strip():
            found.append(event_feed.parsed(message, "A", now=100.0, wall=1769940010.0, written=written))
    return found


def test_the_journal_gives_its_messages_with_their_times():
    text = ENTRY % b'{"failed": 1}' + ENTRY % b"started" + ENTRY % b'{"ok": 2, "at": 1769940005}'

    assert [Events(ok=0, failed=1, at=90.0), None, Events(ok=2, failed=0, at=95.0)] == counted(text)


def test_a_time_of_the_journal_is_not_that_of_the_next_entry():
    assert [Events(ok=0, failed=1)] == counted(
        b"__REALTIME_TIMESTAMP=1769940000000000\n\n" + b'MESSAGE={"failed": 1}\n'
    )


def test_the_journal_as_json_is_read_too():
    entry = {"__REALTIME_TIMESTAMP": "1769940000000000", "MESSAGE": '{"ok": 3}', "PRIORITY": "6"}

    assert [Events(ok=3, failed=0, at=90.0)] == counted(json.dumps(entry).encode())
    assert [None] == counted(json.dumps(entry | {"MESSAGE": [1, 2]}).encode())


def test_a_hole_before_the_first_line_does_not_hide_it():
    """A log that was truncated below a writer without O_APPEND begins with zero bytes."""
    assert Events(ok=1, failed=0) == event_feed.parsed(b"\0" * 1000 + b'{"ok": 1}', "A")


@pytest.mark.parametrize("make", ["fifo", "missing", "file", "pipe"])
def test_a_single_check_ends_soon(tmp_path, make, monkeypatch):
    monkeypatch.setattr(stage, "_PAUSE_S", 0.5)
    path, descriptors = tmp_path / "log", ()
    if make == "fifo":
        os.mkfifo(path)
    elif make == "file":
        path.write_bytes(b"")
    elif make == "pipe":
        descriptors = os.pipe()
    feed = Pipe(descriptors[0]) if descriptors else event_feed.at_path(path)
    begun = time.monotonic()

    stage.monitor(stage.Watch(Limits(), feed), [], once=True)

    assert time.monotonic() - begun < 3
    for descriptor in descriptors:
        os.close(descriptor)
