"""Progress on stderr, and the log of a run."""

import re
import subprocess
import sys
import time

import pytest
import small_set
from click.testing import CliRunner

from migrator.cli import app, progress, run_log
from migrator.errors import Refused, UsageError
from migrator.pipeline import quarantine as pipeline_quarantine
from migrator.stages.build import stage as build_stage
from migrator.stages.verify.stage import Contracts


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("progress") / "home")


@pytest.fixture(name="home")
def _home(made, tmp_path):
    return small_set.copied(made, tmp_path / "home")


def run(home, verb, *arguments):
    with small_set.in_this_process():
        return CliRunner().invoke(app.cli, [*verb.split(), *arguments, "--data-dir", str(home / "data")])


def logs(home):
    return sorted((home / "data" / ".migrator" / "log").glob("*.log"))


@pytest.fixture(name="clock")
def _clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_moves_while_contracts_are_judged(clock):
    stage = progress._Stage("verify", 0, "contracts")
    assert ("", "") == (stage.count, stage.left)
    clock[0] += 5  # collected
    stage.set(0, 600)
    clock[0] += 1
    stage.set(20, 600)
    assert ("20 of 600 contracts", "") == (stage.count, stage.left)
    clock[0] += 1
    stage.set(100, 600)
    assert "about 10 s left" == stage.left
    clock[0] += 4
    stage.set(300, 600)
    assert "about 6 s left" == stage.left
    stage.set(600, 600)
    assert "" == stage.left
    assert "verify: 11.0 s, 600 contracts" == stage.summary()


def test_rows_per_second_are_those_of_the_stage(clock):
    stage = progress._Stage("build", 2, "tables")
    clock[0] += 2
    stage.done, stage.rows = 1, 5_000

    assert ("1 of 2 tables", "2,500 rows/s", "about 2 s left") == (stage.count, stage.rate, stage.left)
    assert "build: 2.0 s, 1 tables, 5,000 rows, 2,500 rows/s" == stage.summary()


def test_to_a_pipe_each_stage_is_a_line_on_stderr_once_it_has_ended(capsys):
    with progress.shown(quiet=False) as observer:
        observer.stage("plan")
        observer.stage("build", 1, "tables")
        observer.progress("core.trades", 7, 0.1)
        assert 1 == len(capsys.readouterr().err.splitlines())
        observer.stage("verify", unit="contracts")
        observer.done(3, 3)

    out, err = capsys.readouterr()
    assert "" == out
    build, verify = err.splitlines()
    assert re.fullmatch(r"migrator: build: \d+\.\d s, 1 tables, 7 rows, [\d,]+ rows/s", build)
    assert re.fullmatch(r"migrator: verify: \d+\.\d s, 3 contracts", verify)


def test_quiet_shows_nothing(capsys):
    with progress.shown(quiet=True) as observer:
        observer.stage("build", 1, "tables")
        observer.progress("core.trades", 7, 0.1)

    assert ("", "") == capsys.readouterr()


def test_on_a_terminal_a_line_moves(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")

    with progress.shown(quiet=False) as observer:
        observer.stage("verify", unit="contracts")
        for number in range(100, 600, 100):
            observer.done(number, 600)
            time.sleep(0.15)

    err = capsys.readouterr().err
    shown = [int(number) for number in re.findall(r"(\d+) of 600 contracts", err)]
    assert 3 <= len(set(shown))
    assert "s left" in err


#: Stands for the process of the contracts.
JUDGING = r"""
import os, sys, time
sys.stdin.read()
time.sleep(0.3)
with open("progress", "wb", buffering=0) as file:
    file.write(b"4\n")
    for _ in range(4):
        time.sleep(0.3)
        file.write(b".")
"""


def test_the_contracts_are_counted_while_they_are_judged(tmp_path):
    seen = []
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", JUDGING], cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        ended = Contracts(process, tmp_path).judge(tmp_path, tmp_path, None, lambda *counts: seen.append(counts))

    assert 0 == ended.returncode, ended.stderr
    assert (0, 0) == seen[0]
    assert (4, 4) == seen[-1]
    assert seen == sorted(seen)
    assert len({judged for judged, _ in seen}) > 2


def test_a_run_has_a_log_of_its_own_for_its_owner_alone(home):
    first = run(home, "build")
    second = run(home, "backup", "-v")

    assert (0, 0) == (first.exit_code, second.exit_code), (first.output, second.output)
    build, backup = logs(home)
    assert [0o600, 0o600] == [path.stat().st_mode & 0o777 for path in (build, backup)]
    assert (build.name.endswith("-build.log"), backup.name.endswith("-backup.log")) == (True, True)
    text = build.read_text(encoding="utf-8")
    assert f" build data_dir={home}/data" in text
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ended with exit code 0$", text, re.MULTILINE)
    assert "ended with" not in first.stderr
    assert "migrator: ended with exit code 0" in second.stderr
    assert not [handler for handler in run_log.LOG.handlers if type(handler).__name__ != "NullHandler"]


def test_a_stage_and_an_error_are_in_the_log(home):
    (home / "data" / ".migrator" / "stage" / build_stage.FINISHED).unlink()
    run(home, "build")
    (home / "data" / "backup" / "0001" / "alerts.db").write_bytes(b"no database")
    failed = run(home, "build")

    assert isinstance(failed.exception, Refused)
    good, bad = (path.read_text(encoding="utf-8") for path in logs(home))
    assert re.search(r" core\.trades: [\d,]+ rows in ", good)
    assert re.search(r" build: \d+\.\d s, 23 tables, ", good)
    assert "cannot be read back" in bad
    assert 'File "' in bad


def test_no_cell_is_in_the_log(home, monkeypatch):
    small_set.cut_over(home)

    def resolved(_workspace, key, cells):
        assert ("k", {"symbol": "secret"}) == (key, cells)
        raise UsageError("no quarantined row has that key", where=key)

    monkeypatch.setattr(pipeline_quarantine, "resolve", resolved)
    run(home, "quarantine resolve", "k", "--set", "symbol=secret")

    (log,) = logs(home)
    text = log.read_text(encoding="utf-8")
    assert "no quarantined row has that key" in text
    assert "secret" not in text


def test_a_full_disk_costs_the_log_and_not_the_command(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(run_log.durable_files, "create", full)
        unlogged = CliRunner().invoke(app.cli, ["prune", "--execute", "--data-dir", str(home / "data")])
    monkeypatch.setattr(run_log.os, "write", full)
    cut = CliRunner().invoke(app.cli, ["prune", "--execute", "--data-dir", str(home / "data")])

    assert (0, 0) == (unlogged.exit_code, cut.exit_code), (unlogged.output, cut.output)
    assert "this run has no log: no space left on device" in unlogged.stderr
    assert "nothing to remove" in cut.stdout


def test_the_newest_logs_of_each_verb_stay(home):
    folder = home / "data" / ".migrator" / "log"
    folder.mkdir(mode=0o700)
    for number in range(60):
        (folder / f"20200101T0000{number:02}.000000Z-build.log").touch()

    cutover = folder / "20190101T000000.000000Z-cutover.log"
    cutover.touch()

    run(home, "build")

    # Those of another verb go by its own number.
    assert cutover.exists()
    names = [path.name for path in logs(home) if path != cutover]
    assert 50 == len(names)
    assert "20200101T000011.000000Z-build.log" == names[0]


@pytest.mark.parametrize("verb", ["status", "plan", "cutover", "rollback", "inventory", "prune"])
def test_a_verb_that_only_shows_writes_no_log(home, verb):
    run(home, verb)

    assert [] == logs(home)


def test_the_sentence_of_an_error_with_a_cell_is_not_in_the_log(home, monkeypatch):
    small_set.cut_over(home)

    # The log repeats the statement that raised: so the cell is not written in it.
    problem = "does not fit: symbol is 'secret'"

    def resolved(*_):
        raise Refused(problem, where="jarvis.trades 7", logged="jarvis.trades 7: does not fit")

    monkeypatch.setattr(pipeline_quarantine, "resolve", resolved)
    failed = run(home, "quarantine resolve", "7", "--set", "symbol=secret")

    assert "secret" in str(failed.exception)
    (log,) = logs(home)
    text = log.read_text(encoding="utf-8")
    assert " Refused: jarvis.trades 7: does not fit\n" in text
    assert 'File "' in text
    assert "secret" not in text


def test_a_value_without_its_column_is_not_repeated(home):
    small_set.cut_over(home)
    failed = run(home, "quarantine resolve", "7", "--set", "secret")

    assert "--set: expected COLUMN=VALUE" in str(failed.exception)
    assert "secret" not in str(failed.exception) + "".join(log.read_text(encoding="utf-8") for log in logs(home))
