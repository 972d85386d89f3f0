"""Record of what the monitor saw and did."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.records.switch import Switched


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen until now.

    Attributes:
        seconds: How long.
        ok: Events in the window that held.
        failed: Events in the window that failed.
        rate: Their share, 0.0 where the window is empty.
        seen: Events since the beginning.
        failures: Failed ones since the beginning.
        unread: Lines that speak of no event, or of a time that no clock shows.
        old: Events since the beginning that were older than the window when they were read.
        fired: Whether it is time to go back.
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
