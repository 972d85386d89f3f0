"""Events: what the application's statements came to, as its connections count them and the monitor reads them.

One JSON object a line; an object may sum up many events::

    {"ok": 12, "failed": 1}                              the application's own log; true and false count as 1 and 0
    {"failed": 1, "at": "2026-02-01T10:00:00Z"}          the same, when it happened: see :mod:`migrator.stages.monitor.log_times`
    {"ok": 12, "failed": 1, "at": 5121.25, "boot": ...}  our connections: when, on the clock that all processes share

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

#: Seconds for which events that held are summed up before they are written; one that failed is written at once.
SUMMED_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened around one moment.

    Attributes:
        ok: Number of events that held.
        failed: Number of events that failed.
        at: Seconds of the monotonic clock of this boot, minus infinity if it was before it; None where the line does not say.
    """

    ok: int
    failed: int
    at: float | None = None


def boot() -> str:
    """Return what tells this boot from others: the monotonic clock begins anew with each; '' where the system has none."""
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
        """Count one event that held."""
        with self._lock:
            self._ok += 1
        if time.monotonic() >= self._due:
            self.write()

    def failed(self) -> None:
        """Count one event that failed, and write it down at once."""
        with self._lock:
            self._failed += 1
        self.write()

    def write(self) -> None:
        """Append what was counted since the last time."""
        with self._lock:
            now = time.monotonic()
            self._due = now + SUMMED_S
            if not self._ok + self._failed:
                return
            line = {"ok": self._ok, "failed": self._failed, "at": round(now, 3), "boot": self._boot}
            try:
                _append(self._path, json.dumps(line).encode() + b"\n")
            except OSError:
                # Not the application's fault, and not for it to fail by: the counts stay for the next time.
                return
            self._ok = self._failed = 0

    def _begin_anew(self) -> None:
        # What the parent counted it writes itself, and its lock may have been taken while it forked.
        self._lock = threading.Lock()
        self._ok = self._failed = 0


def _append(path: Path, line: bytes) -> None:
    """Append *line* in one write; a line that a full disk cut short before is ended first, so that it spoils no other.

    Raises:
        OSError: It is not there, or not the whole of it.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.geteuid() == 0:
            # A look by root must not leave a file that the application cannot append to.
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, "no room for the whole line", str(path))
    finally:
        os.close(descriptor)
