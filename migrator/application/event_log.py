"""The event log: successes and failures of the application's statements, for the monitor.

One JSON object per line; an object may sum up many events::

    {"ok": 12, "failed": 1}                              the application's own log; true and false count as 1 and 0
    {"failed": 1, "at": "2026-02-01T10:00:00Z"}          the same with a time: see :mod:`migrator.stages.monitor.log_times`
    {"ok": 12, "failed": 1, "at": 5121.25, "boot": ..., "pid": 7}
                                                         our connections: time on the monotonic clock of this boot

A line is appended in one write, so that processes may share the file, and it outlives the process that wrote it.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

#: Time for which successes are summed up before they are written [s]; a failure is written at once.
SUMMED_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of one moment.

    Attributes:
        ok: Number of successes.
        failed: Number of failures.
        at: Seconds on the monotonic clock of this boot, minus infinity if before it; None if the line has no time.
        process: The process that counted them, as it sees its own number; 0 if the line does not name it.
    """

    ok: int
    failed: int
    at: float | None = None
    process: int = 0


def boot() -> str:
    """Return the id of this boot, with which the monotonic clock starts; '' if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, PermissionError):
        return ""


class Counter:
    """Counts the events of this process and appends them to a file; threads may share it.

    A full disk does not stop the application: what cannot be written is kept and tried again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._boot = boot()
        self._ok = self._failed = 0
        self._due = time.monotonic() + SUMMED_S
        atexit.register(self.write)
        os.register_at_fork(after_in_child=self._begin_anew)

    def held(self) -> None:
        """Count one success."""
        with self._lock:
            self._ok += 1
        if time.monotonic() >= self._due:
            self.write()

    def failed(self) -> None:
        """Count one failure, and write it at once."""
        with self._lock:
            self._failed += 1
        self.write()

    def write(self) -> None:
        """Append the counts since the last write."""
        with self._lock:
            now = time.monotonic()
            self._due = now + SUMMED_S
            if not self._ok + self._failed:
                return
            line = {
                "ok": self._ok,
                "failed": self._failed,
                "at": round(now, 3),
                "boot": self._boot,
                "pid": os.getpid(),
            }
            try:
                _append(self._path, json.dumps(line).encode() + b"\n")
            except OSError:
                # The application must not fail because of its log: the counts stay for the next write.
                return
            self._ok = self._failed = 0

    def _begin_anew(self) -> None:
        # After a fork: the parent writes its own counts, and its lock may have been held during the fork.
        self._lock = threading.Lock()
        self._ok = self._failed = 0


def _append(path: Path, line: bytes) -> None:
    """Append *line* in one write, after a line end if a full disk cut the last line short.

    Raises:
        OSError: The line was not written, or not whole.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.geteuid() == 0:
            # A file made by root must stay writable for the application.
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, "no room for the whole line", str(path))
    finally:
        os.close(descriptor)
