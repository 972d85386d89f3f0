"""kill -9 between any two lines that cutover or rollback print: the lines are true, so is `status`, and what it advises works."""

import os
import re
import shutil
import signal
import subprocess
import sys

import accepted_quarantine
import generated
import pytest
import small_set

from migrator.pipeline import migrate as pipeline_migrate

pytestmark = pytest.mark.slow

#: Runs the command line, and kills itself right after line number k, or right before it is printed.
KILLED = """
import os, signal, sys
import click
from migrator.cli import app
which, when = int(sys.argv.pop(1)), sys.argv.pop(1)
printed, lines = click.echo, 0
def echo(*arguments, **named):
    global lines
    lines += 1
    if (lines, when) == (which, "before"):
        os.kill(os.getpid(), signal.SIGKILL)
    printed(*arguments, **named)
    if (lines, when) == (which, "after"):
        os.kill(os.getpid(), signal.SIGKILL)
click.echo = echo
app.main()
"""
#: What each line says, as a question to the disk; a line stays true until the next.
TRUE = (
    (
        r"three databases are copied",
        lambda home: 3 == len(list((home / "data" / ".migrator" / "baseline").glob("*.db"))),
    ),
    (r"no other process can write to the \d+ legacy files", lambda home: small_set.last_switch(home).kind == "cutover"),
    (r"lie under their names", lambda home: len(list((home / "data").glob("jarvis_c*.db"))) >= 2),
    (r"one pointer, still to the legacy files", lambda home: {"legacy"} == sets(home) and through_pointer(home)),
    (r"COMMITTED: .* the consolidated set", lambda home: {"consolidated"} == sets(home)),
    (
        r"=true; the originals are in backup/\d+/originals",
        lambda home: flag(home) and backup(home, "originals", 4) and backup(home, "consolidated", 3),
    ),
    (r"writers can go on: the cutover", lambda home: small_set.last_switch(home).consolidated),
    (r"no other process can write to the three", lambda home: small_set.last_switch(home).kind == "rollback"),
    (r"is in copies of the legacy files", lambda home: {"consolidated"} == sets(home)),
    (r"=false; .*still to the consolidated", lambda home: not flag(home) and {"consolidated"} == sets(home)),
    (r"COMMITTED: .* a legacy file", lambda home: {"legacy"} == sets(home) and not flag(home)),
    (r"databases are in backup/\d+/rolled-back", lambda home: backup(home, "rolled-back", 3)),
    (r"writers can go on: the rollback", lambda home: small_set.last_switch(home).finished),
)


def sets(home):
    """Return which sets the legacy names lead to; each has to lead to a file."""
    last = small_set.last_switch(home)
    paths = [name.path for name in last.names] if last else [home / "data" / "jarvis.db"]
    assert all(path.is_file() for path in paths)
    installed = {(home / "data" / f"jarvis_{target}.db").resolve() for target in ("core", "analytics", "cache")}
    return {"consolidated" if path.resolve() in installed else "legacy" for path in paths}


def through_pointer(home):
    return all("active" in str(name.path.readlink()) for name in small_set.last_switch(home).names)


def flag(home):
    return b"=true" in (home / ".env").read_bytes()


def backup(home, folder, files):
    return any(len(list(found.rglob("*.db"))) >= files for found in (home / "data" / "backup").glob(f"*/{folder}"))


def run(home, *arguments):
    command = [sys.executable, "-m", "migrator", *arguments, "--data-dir", home / "data"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def killed(home, verb, which, when):
    """Run *verb* until it is killed around line *which*; return what was printed, None where it came to its end."""
    command = [sys.executable, "-c", KILLED, str(which), when, verb, "--execute", "--data-dir", home / "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 0:
        return None
    assert -signal.SIGKILL == done.returncode, done.stderr
    assert "" == done.stdout
    return done.stderr.splitlines()


@pytest.fixture(name="starts", scope="module")
def _starts():
    """The set with green evidence, before the cutover and after it."""
    with generated.scratch() as folder:
        home = small_set.make(folder / "built")
        workspace, configuration = small_set.workspace_of(home)
        toml = home / "data" / "migrator.toml"
        migrated = pipeline_migrate.migrate(workspace, configuration, toml)
        assert migrated.holds
        accepted_quarantine.accept(home / "data")
        (home / ".env").write_text("USE_CONSOLIDATED_DBS=false\n")
        done = run(small_set.copied(home, folder / "switched"), "cutover", "--execute")
        assert 0 == done.returncode, done.stderr
        yield {"cutover": home, "rollback": folder / "switched"}


@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.parametrize("verb", ["cutover", "rollback"])
def test_the_lines_are_true_and_so_is_status_and_what_it_advises_works(starts, verb, when):
    home = starts[verb].parent / f"{verb}-{when}"
    which, advised = 0, set()

    while True:
        which += 1
        lines = killed(small_set.copied(starts[verb], home), verb, which, when)
        if lines is None:
            break
        assert which - (when == "before") == len(lines), "a line was printed and did not come"
        if when == "after":
            (asked,) = [true for said, true in TRUE if re.search(said, lines[-1])]
            assert asked(home), lines
        committed = any("COMMITTED" in line for line in lines)

        status = run(home, "status")

        assert 0 == status.returncode, status.stderr
        standing, advice = told(status.stdout)
        if standing == "a switch was cut short":
            ending = run(home, advice, "--execute")
            assert 0 == ending.returncode, ending.stderr
            assert "had been cut short" in ending.stderr
            status = run(home, "status")
        ended = sets(home)
        assert 1 == len(ended)
        assert flag(home) == (ended == {"consolidated"}), lines
        if committed:
            assert ended == ({"consolidated"} if verb == "cutover" else {"legacy"}), lines
        standing, advice = told(status.stdout)
        expected = {
            ("cutover", "consolidated"): "the consolidated set is in use",
            ("cutover", "legacy"): "verified",
            ("rollback", "consolidated"): "the consolidated set is in use",
            ("rollback", "legacy"): "rolled back: the legacy set is in use",
        }
        assert standing.startswith(expected[verb, *ended]), (lines, status.stdout)
        if advice not in advised:
            # Once each: to migrate or to verify takes seconds.
            if advice == "cutover":
                assert 0 == run(home, "verify").returncode
            works(home, advice)
        advised.add(advice)

    assert which > 6
    assert len(advised) == 2, advised
    shutil.rmtree(home)


def told(text):
    """Return where the run stands, and which verb is advised."""
    standing, advice = re.fullmatch(r"(?s)run \d+: ([^\n]*)\nnext: (.*)\n", text).groups()
    # Rows in quarantine are looked at on the way to the switch; a monitor watches until it is stopped.
    verbs = re.findall(r"migrator (\w+)", advice)
    return standing, next(verb for verb in verbs if verb not in {"quarantine", "monitor"})


def works(home, verb):
    done = run(home, verb)
    assert 0 == done.returncode, (verb, done.stdout, done.stderr)
    if verb != "migrate":
        assert "nothing was touched" in done.stdout
        done = run(home, verb, "--execute")
        assert 0 == done.returncode, (verb, done.stdout, done.stderr)


def test_killed_from_outside_while_it_works_a_second_status_has_nothing_left_to_say(starts):
    """The lines come as they are written: who reads them is never behind what has been done by more than one."""
    home = small_set.copied(starts["cutover"], starts["cutover"].parent / "outside")
    command = [sys.executable, "-m", "migrator", "cutover", "--execute", "--data-dir", home / "data"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as child:
        for line in child.stderr:
            if "one pointer" in line:
                os.kill(child.pid, signal.SIGKILL)
                break

    first, ending, second = run(home, "status"), run(home, "rollback", "--execute"), run(home, "status")

    assert (0, 0, 0) == (first.returncode, ending.returncode, second.returncode), ending.stderr
    assert "was cut short before its commit, and the legacy set is in use" in first.stderr
    assert "had been cut short before its commit" in ending.stderr
    assert "" == second.stderr
    assert told(second.stdout)[0].startswith("verified")
