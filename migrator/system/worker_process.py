"""Worker processes: a module of this package, run by the same interpreter, that answers line by line."""

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

    A worker that reads until its input ends does not outlive this process.
    """
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        # -P: the working directory may be the data directory; a json.py in it must not be imported.
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, **environment, "PYTHONPATH": path},
    )


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return the input and the output pipe of *process*."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    return process.stdin, process.stdout


def end(process: subprocess.Popen[bytes]) -> int:
    """End *process*, and return its status."""
    requests, told = pipes(process)
    with suppress(BrokenPipeError):
        requests.close()
    with suppress(subprocess.TimeoutExpired):
        # A process that died has its own status; an idle one ends with its input.
        process.wait(timeout=0.5)
    process.kill()
    status = process.wait()
    told.close()
    return status


def ending(status: int) -> str:
    """Return how a process with this exit *status* ended."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def processors() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
