"""Reads events from the event log or from the application's own log, for the monitor.

A feed never waits: a file may not exist yet, be rotated or truncated, or a FIFO may have no writer.  What keeps it from being read is
its ``problem``, which the monitor reports and goes on.
"""

from __future__ import annotations

import glob
import itertools
import json
import math
import os
import select
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from migrator.application.event_log import Events
from migrator.errors import UsageError
from migrator.stages.monitor import log_times
from migrator.system import user_files
from migrator.system.escaping import escaped

#: Upper limit of a monotonic clock [s]; a comparison with it also excludes NaN.
_LATEST_S = 1e11
#: Most events of one line: more than a bot has in a thousand years, and few enough that a float counts them exactly.
_MOST_EVENTS = 10**15
#: Time for which one check reads from a pipe [s].
_LOOK_S = 0.25
#: Longest line that can be an event [bytes].
_LONGEST = 1 << 16
#: Stands for a line longer than that: no event, and not blank, so it is counted as unread.
_TOO_LONG = b"(too long)"
#: Bytes before a position in a log that show later whether it is still the same log.
_RECOGNISED = 64


def parsed(
    line: bytes, this_boot: str, *, now: float | None = None, wall: float | None = None, written: object = None
) -> Events | None:
    """Return the events of one line; None if it is not an event, or has an impossible time or count.

    Args:
        line: The line.
        this_boot: The id of this boot.
        now: Seconds on the monotonic clock.  Default: the clock.
        wall: The same moment in seconds since 1970.  Default: the clock.
        written: The time at which the line was logged, for one that has no time of its own.
    """
    event = _object(line)
    if event is not None and "MESSAGE" in event and "__REALTIME_TIMESTAMP" in event:
        # An entry of the journal, as journalctl --output json prints it.
        written, event = event["__REALTIME_TIMESTAMP"], _object(str(event["MESSAGE"]).encode())
    if event is None:
        return None
    ok, failed, at = event.get("ok", 0), event.get("failed", 0), event.get("at", written)
    # A bool is an int and counts as one event.
    if not (isinstance(ok, int) and isinstance(failed, int) and ok >= 0 and failed >= 0):
        return None
    if not 0 < ok + failed <= _MOST_EVENTS:
        return None
    pid = event.get("pid", 0)
    process = pid if isinstance(pid, int) and "boot" in event else 0
    if at is None:
        return Events(ok=int(ok), failed=int(failed))
    now, wall = time.monotonic() if now is None else now, time.time() if wall is None else wall
    moment = (
        _of_a_boot(at, event["boot"] == this_boot) if "boot" in event else log_times.monotonic(at, now=now, wall=wall)
    )
    return None if moment is None else Events(ok=int(ok), failed=int(failed), at=moment, process=process)


def _object(line: bytes) -> dict[str, object] | None:
    """Return the JSON object in *line*; None if it is something else."""
    if len(line) > _LONGEST:
        return None
    try:
        # A log that was truncated below a writer without O_APPEND begins with a hole.
        written = json.loads(line.lstrip(b"\0"))
    except (ValueError, RecursionError):
        return None
    return written if isinstance(written, dict) else None


def _of_a_boot(at: object, this: bool) -> float | None:
    """Return a time on the monotonic clock of *this* boot, minus infinity for another boot; None if it is not a time."""
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < _LATEST_S:
        return None
    # The clock has restarted since: the event is older than any window.
    return float(at) if this else -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a log was read.

    Attributes:
        device: The device of the file.
        inode: Its inode there.
        offset: Bytes of it that were read, up to the end of a line.
        before: The last bytes of these, in hex.
    """

    device: int
    inode: int
    offset: int
    before: str


class Feed(Protocol):
    """A source of lines."""

    def lines(self) -> Iterable[bytes]:
        """Return the complete lines since the last call; does not wait."""

    @property
    def ended(self) -> bool:
        """Whether there will be no more lines."""

    @property
    def problem(self) -> str:
        """Why nothing can be read now, in one sentence; '' if something can."""

    @property
    def position(self) -> Position | None:
        """How far it was read; None for a source that cannot be read again."""


class _Splitter:
    """Splits bytes into lines as they come; holds no more than the longest event.

    A longer line becomes ``_TOO_LONG`` as soon as it is known to be longer, for its end may never come.
    """

    def __init__(self) -> None:
        self._begun = b""
        self._skipping = False
        #: Bytes since the last end of a line.
        self.pending = 0

    def split(self, chunk: bytes) -> list[bytes]:
        """Return the lines that *chunk* completes, and ``_TOO_LONG`` if its last line is too long already."""
        last = chunk.rfind(b"\n")
        self.pending = self.pending + len(chunk) if last < 0 else len(chunk) - last - 1
        *lines, begun = (self._begun + chunk).split(b"\n")
        if self._skipping and lines:
            # This is the end of a line that was returned as too long.
            del lines[0]
            self._skipping = False
        self._begun = b"" if self._skipping else begun
        if len(self._begun) > _LONGEST:
            self._begun, self._skipping = b"", True
            lines.append(_TOO_LONG)
        return lines

    def rest(self) -> bytes:
        """Return the last line, which has no end; b"" if there is none, or it was returned as too long."""
        begun, self._begun, self._skipping = self._begun, b"", False
        self.pending = 0
        return begun


class Tail:
    """The lines that other programs append to a file, which need not exist yet.

    A file that was moved away, as by a log rotation, is read to its end before the new file of its name, also if that happened
    between two runs and the old file lies beside the new one.  A truncated file is read from its beginning.

    Args:
        path: The file.
        whole: Whether the lines that exist already count too.
        position: How far an earlier run read it.

    Raises:
        UsageError: It is not a regular file, or may not be read.
    """

    def __init__(self, path: Path, *, whole: bool, position: Position | None = None) -> None:
        self._path = path
        self._lines = _Splitter()
        #: The last bytes that were read, and the last of these up to the end of a line.
        self._before = self._line_end = b""
        self._file: BinaryIO | None = None
        self.problem = ""
        named = _there(path)
        if position is not None:
            self._file = self._again(position, named)
        elif named is not None:
            self._file = named
            if not whole:
                self._go_to(named, os.fstat(named.fileno()).st_size)

    def __del__(self) -> None:
        """Close the file; this object is its only reader."""
        if file := getattr(self, "_file", None):
            file.close()

    @property
    def ended(self) -> bool:
        """Never: more may be appended."""
        return False

    @property
    def position(self) -> Position | None:
        """How far the file was read; None while it does not exist."""
        if self._file is None:
            return None
        status, offset = os.fstat(self._file.fileno()), self._file.tell() - self._lines.pending
        return Position(device=status.st_dev, inode=status.st_ino, offset=offset, before=self._line_end.hex())

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines that were appended since the last call."""
        file = self._file or self._open()
        if file is None:
            return
        yield from self._appended(file)
        if self._replaced(file):
            # Its writer may have written until it opened the new file; the last line may lack its end.
            yield from self._appended(file)
            file.close()
            if rest := self._lines.rest():
                yield rest
            if following := self._open():
                yield from self._appended(following)

    def _open(self) -> BinaryIO | None:
        """Open the file that has the name now, at its beginning; keep what is against it as the problem."""
        self._file, self._before, self._line_end = None, b"", b""
        try:
            self._file = _there(self._path)
        except UsageError as error:
            self.problem = str(error)
        else:
            self.problem = "" if self._file else f"{escaped(self._path)} does not exist"
        return self._file

    def _again(self, position: Position, named: BinaryIO | None) -> BinaryIO | None:
        """Return the file that was read to *position*, at that place: *named*, or one that a rotation moved beside it."""
        beside = (
            sorted(self._path.parent.glob(f"{glob.escape(self._path.name)}?*")) if self._path.parent.is_dir() else []
        )
        for file in itertools.chain((named,), map(_readable, beside)):
            if file is None:
                continue
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) == (position.device, position.inode):
                recognised = _bytes_before(file, position.offset).hex() == position.before
                if recognised and status.st_size >= position.offset:
                    self._go_to(file, position.offset)
                    if named is not None and named is not file:
                        named.close()
                    return file
            if file is not named:
                file.close()
        return named

    def _go_to(self, file: BinaryIO, offset: int) -> None:
        file.seek(offset)
        self._before = self._line_end = _bytes_before(file, offset)

    def _appended(self, file: BinaryIO) -> Iterator[bytes]:
        # Up to the present end: a writer may be faster than this reader.
        end = os.fstat(file.fileno()).st_size
        if end < file.tell() or _bytes_before(file, file.tell(), len(self._before)) != self._before:
            self._go_to(file, 0)
            self._lines.rest()
        while chunk := file.read(min(1 << 20, max(end - file.tell(), 0))):
            read = self._before + chunk
            if end_of_line := read.rfind(b"\n", len(self._before)) + 1:
                self._line_end = read[max(end_of_line - _RECOGNISED, 0) : end_of_line]
            self._before = read[-_RECOGNISED:]
            yield from self._lines.split(chunk)

    def _replaced(self, file: BinaryIO) -> bool:
        """Return whether another file has the name now."""
        try:
            same = os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except OSError:
            self.problem = f"{escaped(self._path)} does not exist any more, or its folder may not be read"
            return False
        self.problem = ""
        return not same


def _bytes_before(file: BinaryIO, offset: int, most: int = _RECOGNISED) -> bytes:
    """Return the last bytes of *file* before *offset*."""
    begin = max(offset - most, 0)
    return os.pread(file.fileno(), offset - begin, begin)


def _readable(path: Path) -> BinaryIO | None:
    """Open the file at *path*; None if it is not regular, or may not be read."""
    try:
        return user_files.opened(path)
    except UsageError:
        return None


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
    """The lines that come through a descriptor, as they come.

    Args:
        descriptor: The descriptor.
        ends: Whether it ends with its writer; a FIFO with a name waits for the next one.
    """

    problem = ""
    position: Position | None = None

    def __init__(self, descriptor: int, *, ends: bool = True) -> None:
        self._descriptor = descriptor
        self._lines = _Splitter()
        self._ends = ends
        self.ended = False

    def lines(self) -> Iterator[bytes]:
        """Yield the complete lines so far, and at the end the rest; stops after a time if the writer does not pause."""
        begun = time.monotonic()
        while not self.ended and time.monotonic() - begun < _LOOK_S and select.select([self._descriptor], [], [], 0)[0]:
            try:
                chunk = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                # Another reader took what was there.
                return
            if not chunk:
                self.ended = self._ends
                yield self._lines.rest()
                return
            yield from self._lines.split(chunk)


def _is_fifo(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        # A file that is not there yet, or the error that opening it has.
        return False


def refuse_unreadable(path: Path) -> None:
    """Check that the log at *path* can be read, unless it does not exist yet; opens no FIFO, whose writer would notice.

    Raises:
        UsageError: It is a folder, a device or a socket, or may not be read.
    """
    if not _is_fifo(path) and (file := _there(path)):
        file.close()


def at_path(path: Path, *, whole: bool = False, position: Position | None = None) -> Feed:
    """Return the feed of the log at *path*, which need not exist yet: from its end on, or from *position*.

    Args:
        path: The log.
        whole: Whether it did not exist when the watch began, so that all its lines count.
        position: How far an earlier run read it.

    Raises:
        UsageError: It is a folder, a device or a socket, or may not be read.
    """
    if not _is_fifo(path):
        return Tail(path, whole=whole, position=position)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise UsageError(
            f"cannot be read ({why})", where=escaped(path), hint="name a file that this user may read"
        ) from error
    # /dev/fd/63, as a shell passes the output of a command: a pipe without a name, which ends with the command.
    return Pipe(descriptor, ends=not Path(os.path.realpath(path)).exists())
