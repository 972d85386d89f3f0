"""Reads events from the event log or from the application's own log, for the monitor."""

from __future__ import annotations

import json
import math
import os
import select
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from migrator.application.event_log import Events
from migrator.errors import UsageError
from migrator.stages.monitor import log_times
from migrator.system import user_files

#: Upper limit of a monotonic clock [s]; a comparison with it also excludes NaN.
_LATEST_S = 1e11
#: Time for which one check reads from a pipe [s].
_LOOK_S = 0.25
#: Longest line that can be an event [bytes].
_LONGEST = 1 << 16


def parsed(line: bytes, this_boot: str, *, now: float | None = None, wall: float | None = None) -> Events | None:
    """Return the events of one line; None if it is not an event, or has an impossible time.

    Args:
        line: The line.
        this_boot: The id of this boot.
        now: Seconds on the monotonic clock.  Default: the clock.
        wall: The same moment in seconds since 1970.  Default: the clock.
    """
    if len(line) > _LONGEST:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    ok, failed, at = event.get("ok", 0), event.get("failed", 0), event.get("at")
    # A bool is an int and counts as one event.
    if not (isinstance(ok, int) and isinstance(failed, int) and ok >= 0 and failed >= 0 and ok + failed > 0):
        return None
    if at is None:
        return Events(ok=int(ok), failed=int(failed))
    now, wall = time.monotonic() if now is None else now, time.time() if wall is None else wall
    moment = (
        _of_a_boot(at, event["boot"] == this_boot) if "boot" in event else log_times.monotonic(at, now=now, wall=wall)
    )
    return None if moment is None else Events(ok=int(ok), failed=int(failed), at=moment)


def _of_a_boot(at: object, this: bool) -> float | None:
    """Return a time on the monotonic clock of *this* boot, minus infinity for another boot; None if it is not a time."""
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < _LATEST_S:
        return None
    # The clock has restarted since: the event is older than any window.
    return float(at) if this else -math.inf


class Feed(Protocol):
    """A source of lines."""

    def lines(self) -> Iterable[bytes]:
        """Return the complete lines since the last call; does not wait."""

    @property
    def ended(self) -> bool:
        """Whether there will be no more lines."""


class Tail:
    """The lines that other programs append to a file, which need not exist yet.

    A file that was moved away, as by a log rotation, is read to its end before the new file of its name; a truncated file is
    read from its beginning.

    Args:
        path: The file.
        whole: Whether the lines that exist already count too.
    """

    def __init__(self, path: Path, *, whole: bool) -> None:
        self._path = path
        self._rest = b""
        self._file: BinaryIO | None = None
        if not whole and (file := _there(path)):
            file.seek(0, os.SEEK_END)
            self._file = file

    def __del__(self) -> None:
        """Close the file; this object is its only reader."""
        if self._file is not None:
            self._file.close()

    @property
    def ended(self) -> bool:
        """Never: more may be appended."""
        return False

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines that were appended since the last call."""
        if self._file is None:
            self._file = _there(self._path)
        if self._file is None:
            return
        yield from self._appended(self._file)
        if self._replaced(self._file):
            # Its writer may have written until it opened the new file; the last line may lack its end.
            yield from self._appended(self._file)
            self._file.close()
            if self._rest:
                yield self._rest
            self._rest = b""
            self._file = _there(self._path)
            if self._file is not None:
                yield from self._appended(self._file)

    def _appended(self, file: BinaryIO) -> Iterator[bytes]:
        if os.fstat(file.fileno()).st_size < file.tell():
            file.seek(0)
            self._rest = b""
        while chunk := file.read(1 << 20):
            *lines, rest = (self._rest + chunk).split(b"\n")
            # A line that is too long for an event is dropped, however long it gets.
            self._rest = rest[: _LONGEST + 1]
            yield from lines

    def _replaced(self, file: BinaryIO) -> bool:
        """Return whether another file has the name now."""
        try:
            return not os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False


def _there(path: Path) -> BinaryIO | None:
    """Open the log at *path*; None while it does not exist.

    Raises:
        UsageError: It is not a regular file, or may not be read.
    """
    try:
        return user_files.opened(path)
    except UsageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


class Pipe:
    """The lines that come through a descriptor, as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.ended = False

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines so far, and at the end the rest; stops after a time if the writer does not pause."""
        begun = time.monotonic()
        while not self.ended and time.monotonic() - begun < _LOOK_S and select.select([self._descriptor], [], [], 0)[0]:
            chunk = os.read(self._descriptor, 1 << 16)
            if not chunk:
                self.ended = True
                yield self._rest
                return
            *lines, rest = (self._rest + chunk).split(b"\n")
            self._rest = rest[: _LONGEST + 1]
            yield from lines
