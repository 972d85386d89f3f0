"""Processes of our own: the same interpreter, and a module of this package that answers by lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO


def start(module: str, *, stderr: int | None = subprocess.DEVNULL, **environment: str) -> subprocess.Popen[bytes]:
    """Run *module* of this package with *environment* beside what we have, its input and output as pipes.

    One that reads until its input ends is gone when we are, however we end.
    """
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        # -P: the working directory may be the very folder that we distrust; a json.py in it must not be imported.
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, **environment, "PYTHONPATH": path},
    )


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return the input and the output of a *process* that was started here."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    return process.stdin, process.stdout


def end(process: subprocess.Popen[bytes]) -> int:
    """End *process*, and return its status."""
    requests, told = pipes(process)
    with suppress(BrokenPipeError):
        requests.close()
    with suppress(subprocess.TimeoutExpired):
        # A child that died by itself tells why; one that is idle ends when its input does.
        process.wait(timeout=0.5)
    process.kill()
    status = process.wait()
    told.close()
    return status


def ending(status: int) -> str:
    """Say how a process of this *status* ended."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def processors() -> int:
    """Return how many processors there are for us."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
