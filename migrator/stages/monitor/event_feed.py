"""Reads events as the application's connections or a log write them, for the monitor."""

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

#: No clock that begins with the boot gets so far, in seconds; not a number (NaN) is not below either.
_LATEST_S = 1e11
#: Seconds for which one look reads from a pipe.
_LOOK_S = 0.25
#: Longest line that is taken for an event, in bytes.
_LONGEST = 1 << 16


def parsed(line: bytes, this_boot: str, *, now: float | None = None, wall: float | None = None) -> Events | None:
    """Return the events of one line, None if it speaks of none, or of a time that no clock shows.

    Args:
        line: The line.
        this_boot: What tells this boot from others.
        now: The monotonic clock.  Default: as it is.
        wall: The same moment in seconds since 1970.  Default: as it is.
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
    # A bool is an int: one event.
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
    """Return a moment of the monotonic clock of *this* boot or of another one, None if it is none."""
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < _LATEST_S:
        return None
    # The clock began anew since: whenever it was, it is over, and must not count as what happens now.
    return float(at) if this else -math.inf


class Feed(Protocol):
    """Where lines come from."""

    def lines(self) -> Iterable[bytes]:
        """Return the whole lines that came since the last call; wait for none."""

    @property
    def ended(self) -> bool:
        """Whether no more will come."""


class Tail:
    """The lines that others append to a file, as they come; one that is not there yet is waited for.

    A file that was moved away, as logs are, is read to its end before the one that has taken its name; one that was cut to
    nothing is read from its beginning.

    Args:
        path: The file.
        whole: Whether what is there already counts too.
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
        """Yield the whole lines that were appended since the last call."""
        if self._file is None:
            self._file = _there(self._path)
        if self._file is None:
            return
        yield from self._appended(self._file)
        if self._replaced(self._file):
            # Its writer may have gone on until it opened the new one; the last line may lack its end.
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
            # What is too long for an event is no event, however long it gets.
            self._rest = rest[: _LONGEST + 1]
            yield from lines

    def _replaced(self, file: BinaryIO) -> bool:
        """Tell whether another file has the name now."""
        try:
            return not os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False


def _there(path: Path) -> BinaryIO | None:
    """Open the log at *path*, None while it is not there.

    Raises:
        UsageError: It is no regular file, or may not be read.
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
        """Yield the whole lines that are there, and at the end what is left; a writer that never rests is left for a look."""
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
