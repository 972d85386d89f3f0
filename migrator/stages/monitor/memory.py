"""What a watch remembers between two runs of the monitor, so that no event is counted twice and no bet is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from migrator.errors import Refused, UsageError
from migrator.stages.monitor.error_rate import Kept, Limits
from migrator.stages.monitor.event_feed import Position
from migrator.system import durable_files, user_files
from migrator.system.escaping import escaped
from migrator.system.serialize import plain, record

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The state of a watch; the bets and the position in the log are written together.

    Attributes:
        run: The run of the cutover that is watched.
        source: Where the events come from.
        threshold: The share of failed events that the bets are about.
        boot: The boot on whose monotonic clock the times are.
        begun: When the watch began.
        last_event: When the last event was.
        judged: The bets, and the events in the window.
        position: How far the log was read; None if it cannot be read again.
        seen: Events.
        failures: Failed events.
        unread: Lines that are not an event.
        old: Events from before the watch.
        counted: Processes that counted.
        opened: Number of a process that has a database open and has not counted -> since when.
        schema: Version of this form; a watch that another version kept begins anew.
    """

    run: str
    source: str
    threshold: str
    boot: str
    begun: float
    last_event: float
    judged: Kept
    position: Position | None = None
    seen: int = 0
    failures: int = 0
    unread: int = 0
    old: int = 0
    counted: tuple[int, ...] = ()
    opened: Mapping[str, float] = field(default_factory=dict)
    schema: int = _SCHEMA


def read(path: Path, *, run: str, source: str, limits: Limits, boot: str, now: float) -> Memory | None:
    """Return what the file *path* remembers of the watch of *run*; None if that begins now.

    A watch of another log, or with another threshold, begins anew.  After a restart of the system the times are those of
    another clock: the window is empty, and the silence begins now.

    Raises:
        Refused: The file is not one that a monitor wrote.
    """
    if not path.exists():
        return None
    try:
        written = json.loads(user_files.text(path))
        memory = record(written, Memory)
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"cannot be read ({escaped(error)})", where=escaped(path), hint="delete it; the watch then begins anew"
        ) from error
    if (memory.schema, memory.run, memory.source, memory.threshold) != (_SCHEMA, run, source, str(limits.threshold)):
        return None
    if memory.boot == boot:
        return memory
    judged = replace(memory.judged, window=(), unsettled=memory.judged.unsettled.before_this_boot())
    return replace(memory, boot=boot, begun=now, last_event=now, judged=judged, counted=(), opened={})


def last_seen(path: Path, run: str) -> Memory | None:
    """Return what the file *path* remembers of the watch of *run*, of any log and limit; None if it cannot be read, or is of another."""
    try:
        memory = record(json.loads(user_files.text(path)), Memory)
    except (OSError, UsageError, ValueError, RecursionError):
        return None
    return memory if memory.run == run else None


def write(path: Path, memory: Memory) -> None:
    """Write *memory* to *path*, whole or not at all."""
    durable_files.write(path, json.dumps(plain(memory)) + "\n")
