"""A pool of :mod:`migrator.stages.inventory.inspect_worker` processes: distributes files, and handles deadlines and deaths."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from migrator.system import worker_process
from migrator.system.temporary_folders import private_folder

#: Deadline of each file [s], for an answer within a minute, and what each MiB adds [s].
DEADLINE_S, DEADLINE_S_PER_MIB = 40.0, 0.5
#: Time after the deadline in which a child may end by itself before it is killed [s].
GRACE_S = 2.0
#: Child processes at most: more would only wait for the disk.
CHILDREN_MAX = 4
#: Longest answer [bytes].
ANSWER_BYTES = 64 * 1024 * 1024

Answer = Mapping[str, Any]


def examine(
    files: Mapping[Path, int], *, deadline_s: float = DEADLINE_S, progress: Callable[[Path], None] | None = None
) -> dict[Path, Answer]:
    """Examine *files* (path -> size in bytes), the largest first, each in a child process with a deadline.

    Each gets an answer, at least ``{"reason": ...}``.  *progress* is called after each.

    Raises:
        MigratorError: The folder for private copies cannot be made.
    """
    if not files:
        return {}
    waiting = deque(sorted(files, key=lambda path: (-files[path], os.fsencode(path))))
    count = min(worker_process.processors(), CHILDREN_MAX, len(files))
    answers: dict[Path, Answer] = {}
    lock = threading.Lock()

    def work(child: _Child) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                path = waiting.popleft()
            answer = child.ask(path, seconds=deadline_s + DEADLINE_S_PER_MIB * files[path] / 1024**2)
            with lock:
                answers[path] = answer
                if progress:
                    progress(path)

    with private_folder() as folder:
        asked = [_Child(folder / str(number)) for number in range(count)]
        try:
            with ThreadPoolExecutor(count) as threads:
                try:
                    done, _ = wait([threads.submit(work, child) for child in asked], return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                finally:
                    # After an interrupt the threads still wait for their children.
                    waiting.clear()
                    for child in asked:
                        child.end()
        finally:
            for child in asked:
                child.end()
    return answers


class _Child:
    """One worker process at a time, with the folder for its copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path, *, seconds: float) -> Answer:
        """Return the answer about *path*, or one with the reason why there is none."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        process = self._process = self._process or worker_process.start(
            # SQLite's temporary files go there.
            "migrator.stages.inventory.inspect_worker",
            SQLITE_TMPDIR=str(self._folder.parent),
        )
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds + GRACE_S, kill)
        timer.start()
        try:
            line = _exchange(process, {"path": str(path), "copy": str(self._folder / "copy.db"), "seconds": seconds})
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            shutil.rmtree(self._folder, ignore_errors=True)
            answer: Answer = json.loads(line)
            return answer
        status = self.end()
        if late.is_set():
            return {"reason": f"did not finish within {seconds:.0f} s"}
        if len(line) >= ANSWER_BYTES:
            return {"reason": "its schema is too large"}
        return {"reason": f"ended the process that examined it: {worker_process.ending(status)}"}

    def end(self) -> int:
        """End the process, if there is one; return its status."""
        process, self._process = self._process, None
        return worker_process.end(process) if process else 0


def _exchange(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> bytes:
    """Return the line of the answer; without a line end if the process died."""
    requests, told = worker_process.pipes(process)
    try:
        requests.write(json.dumps(request).encode("ascii") + b"\n")
        requests.flush()
    except BrokenPipeError:
        return b""
    return told.readline(ANSWER_BYTES)
