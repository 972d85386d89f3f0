"""Colours of a verdict: on a terminal green or red, without colour in a pipe or with NO_COLOR."""

import os
import pty
import subprocess
import sys

import pytest
import small_set

GREEN, RED, ESCAPE = "\x1b[1;32m", "\x1b[1;31m", "\x1b["


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory):
    return small_set.make(tmp_path_factory.mktemp("colours") / "home")


def command(home, verb):
    return [sys.executable, "-m", "migrator", verb, "--data-dir", str(home / "data")]


def on_a_terminal(home, verb, **environment):
    """Return what *verb* prints to a terminal of 80 columns."""
    here, there = pty.openpty()
    without = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        command(home, verb),
        stdout=there,
        stderr=subprocess.DEVNULL,
        env={**without, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    ):
        os.close(there)
        printed = b""
        while True:
            try:
                octets = os.read(here, 65536)
            except OSError:
                # Linux: the last process has closed the terminal.
                break
            if not octets:
                break
            printed += octets
    os.close(here)
    return printed.decode().replace("\r\n", "\n")


def test_a_verdict_is_green_or_red_on_a_terminal(home, tmp_path):
    refused = small_set.copied(home, tmp_path / "home")
    (refused / "data" / "jarvis_core.db").write_bytes(b"in the way")

    assert on_a_terminal(home, "plan").startswith(f"{GREEN}ready: nothing prevents a migration")
    assert on_a_terminal(refused, "plan").startswith(f"{RED}REFUSED: 1 reason against a migration")
    assert on_a_terminal(home, "cutover").startswith(f"{RED}REFUSED: ")


def test_without_colours_a_verdict_is_the_same_text(home):
    piped = subprocess.run(command(home, "plan"), capture_output=True, text=True, check=True).stdout
    plain = on_a_terminal(home, "plan", NO_COLOR="1")

    assert ESCAPE not in piped
    assert "\x1b[1;3" not in plain
    assert piped.startswith("ready: nothing prevents a migration\n")
    assert "ready: nothing prevents a migration" in plain.splitlines()[0]
