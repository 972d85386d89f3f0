"""Silence is no proof: a missing log, a long time without an event, processes that never counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.stages.monitor.silence import Silence
from migrator.system import open_files
from migrator.system.open_files import Holder

CORE = Path("jarvis_core.db")


def opened_by(*pids):
    return lambda _: [Holder(path=CORE, pid=pid, command="bot") for pid in pids]


def test_no_event_for_a_time_alarms_until_the_next():
    silence = Silence(900.0, 0.0)

    assert () == silence.alarms("", 899.0)
    (alarm,) = silence.alarms("", 900.0)
    assert "no event for 900 s" in alarm
    silence.add(850.0, 0)
    assert () == silence.alarms("", 1749.0)
    assert silence.alarms("", 1750.0)


def test_an_event_that_is_older_than_another_does_not_bring_the_silence_back():
    silence = Silence(10.0, 0.0)
    silence.add(100.0, 0)
    silence.add(5.0, 0)
    silence.add(float("-inf"), 0)

    assert () == silence.alarms("", 109.0)


@pytest.mark.parametrize("silence_s", [0.0, 900.0])
def test_what_is_wrong_with_the_feed_alarms_at_once(silence_s):
    assert ("log does not exist",) == Silence(silence_s, 0.0).alarms("log does not exist", 1.0)


def test_without_a_limit_nothing_else_alarms():
    assert () == Silence(0.0, 0.0, [CORE], search=opened_by(7)).alarms("", 1e9)


def test_a_process_that_has_a_database_open_and_never_counted_alarms_after_a_time():
    silence = Silence(60.0, 0.0, [CORE], search=opened_by(7, 8))
    silence.add(1.0, 8)

    assert () == silence.alarms("", 20.0)
    silence.add(79.0, 8)
    assert () == silence.alarms("", 79.0)
    (alarm,) = silence.alarms("", 90.0)
    assert "jarvis_core.db is open in process 7 (bot), and has counted no statement" in alarm
    silence.add(95.0, 7)
    assert () == silence.alarms("", 101.0)


def test_a_process_that_closed_its_database_begins_anew():
    searches = [[7], [], [7]]
    found = [opened_by(*pids)(CORE) for pids in searches]
    silence = Silence(60.0, 0.0, [CORE], search=lambda _: found.pop(0))
    for now in (0.0, 30.0, 60.0):
        silence.add(now, 1)
        assert () == silence.alarms("", now)


def test_processes_are_searched_now_and_then():
    searches = []
    silence = Silence(60.0, 0.0, [CORE], search=lambda paths: searches.append(paths) or [])
    for now in range(21):
        silence.alarms("", float(now))

    assert 3 == len(searches)


def test_only_the_processes_that_counted_last_are_remembered():
    silence = Silence(60.0, 0.0)
    for pid in (*range(1, 1_002), 2):
        silence.add(0.0, pid)

    assert (1_000, 2) == (len(silence.counted), silence.counted[-1])
    assert 1 not in silence.counted


def test_a_process_in_a_container_counts_under_its_number_there(tmp_path, monkeypatch):
    """/proc of the host names both; the process itself sees only the last."""
    (tmp_path / "41").mkdir()
    (tmp_path / "41" / "status").write_text("Name:\tbot\nNSpid:\t41\t7\nUid:\t0\n")
    monkeypatch.setattr(open_files, "Path", lambda name: tmp_path / name.removeprefix("/proc/"))

    assert frozenset((41, 7)) == open_files.numbers(41)
    assert frozenset((42,)) == open_files.numbers(42)


def test_this_process_has_its_own_number():
    assert os.getpid() in open_files.numbers(os.getpid())


def test_a_process_that_really_has_the_database_open_is_found(tmp_path):
    database = tmp_path / "jarvis_core.db"
    database.write_bytes(b"")
    script = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bot:
        bot.stdout.readline()
        silence = Silence(60.0, 0.0, [database])
        silence.add(60.0, 1)
        silence.alarms("", 0.0)
        (alarm,) = silence.alarms("", 60.0)

    assert f"is open in process {bot.pid}" in alarm
