"""Record of a watch by the monitor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from migrator.records.switch import Switched


class Rule(Enum):
    """A rule that requires a rollback."""

    TEST = "test"
    WINDOW = "window"


class Outcome(Enum):
    """What the events of a watch are enough to say."""

    BROKEN = "broken"
    SOUND = "sound"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A watch: the events until now, and what followed.

    Attributes:
        seconds: Duration until now; with a state from an earlier run, since that began.
        ok: Events in the window that succeeded.
        failed: Events in the window that failed.
        rate: Share of failed events in the window; 0.0 if it is empty.
        seen: Events since the beginning.
        failures: Failed events since the beginning.
        unread: Lines that are not an event, or have an impossible time.
        old: Events since the beginning that were older than the watch, or the window, when they were read.
        above: Worth of the bets that more events fail than the threshold, in stakes; 1.0 at the beginning.
        below: Worth of the bets that fewer do.
        outcome: What the events are enough to say.
        rule: The rule that required a rollback; None without one.
        fired: Whether a rule required a rollback.
        silent: Why events may be missing, one sentence each.
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
    above: float = 1.0
    below: float = 1.0
    outcome: Outcome = Outcome.UNDECIDED
    rule: Rule | None = None
    fired: bool = False
    silent: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    strayed: tuple[str, ...] = ()
    rolled_back: Switched | None = None
