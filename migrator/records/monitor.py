"""Record of a watch by the monitor."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.records.switch import Switched


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A watch: the events until now, and what followed.

    Attributes:
        seconds: Duration until now.
        ok: Events in the window that succeeded.
        failed: Events in the window that failed.
        rate: Share of failed events in the window; 0.0 if it is empty.
        seen: Events since the beginning.
        failures: Failed events since the beginning.
        unread: Lines that are not an event, or have an impossible time.
        old: Events since the beginning that were older than the window when they were read.
        fired: Whether the rate passed the limit.
        late: Originals that a process wrote to after they were moved away.
        strayed: Legacy names that no longer lead to the consolidated set.
        rolled_back: What the rollback did; None without one.
    """

    seconds: float = 0.0
    ok: int = 0
    failed: int = 0
    rate: float = 0.0
    seen: int = 0
    failures: int = 0
    unread: int = 0
    old: int = 0
    fired: bool = False
    late: tuple[str, ...] = ()
    strayed: tuple[str, ...] = ()
    rolled_back: Switched | None = None
