"""Finds out why events may be missing: silence is no proof that all is well.

Reports a log that cannot be read, a long time without an event, and processes that have a consolidated database open and never
counted a statement, so that their failures would not be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from migrator.system import open_files
from migrator.system.open_files import Holder

#: Time without an event after which is alarmed [s]: a bot with 30 statements an hour is silent for so long once in 1,800 times.
SILENCE_S = 900.0
#: Time between two searches for processes [s]: each reads the descriptors of every process.
_SEARCH_S = 10.0
#: Processes that counted which are remembered; a bot that starts a process for each job has many.
_REMEMBERED = 1_000


class Silence:
    """Watches that events come, and from every process that has a consolidated database open.

    Args:
        silence_s: Seconds without an event after which is alarmed, and for which a process may have a database open before it
            has counted a statement; 0 for no alarm.
        begun: Seconds on the monotonic clock at which the watch began, or had its last event.
        databases: The consolidated databases whose users have to count; none if the events are from another log.
        counted: Numbers of the processes that counted.
        opened: Number of a process that has not counted -> since when it has been seen.
        search: Returns the processes that have one of the databases open.
    """

    def __init__(
        self,
        silence_s: float,
        begun: float,
        databases: Sequence[Path] = (),
        *,
        counted: Iterable[int] = (),
        opened: Mapping[int, float] | None = None,
        search: Callable[[Iterable[Path]], list[Holder]] = open_files.seen,
    ) -> None:
        self._silence_s = silence_s
        self.last_event = begun
        self._databases = databases
        self._counted = dict.fromkeys(counted)
        self.opened = dict(opened or {})
        self._search = search
        self._searched = float("-inf")
        self._uncounted: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[int, ...]:
        """Numbers of the processes that counted last."""
        return tuple(self._counted)

    def add(self, at: float, process: int) -> None:
        """Count an event of *at* by *process*, 0 if it is not known."""
        self.last_event = max(self.last_event, at)
        if process:
            self._counted.pop(process, None)
            self._counted[process] = None
            if len(self._counted) > _REMEMBERED:
                del self._counted[next(iter(self._counted))]

    def alarms(self, problem: str, now: float) -> tuple[str, ...]:
        """Return the reasons for which events may be missing *now*, one sentence each; *problem* is the feed's."""
        if not self._silence_s:
            return (problem,) if problem else ()
        if self._databases and now - self._searched >= _SEARCH_S:
            self._searched, self._uncounted = now, tuple(self._look(now))
        alarms = [problem] if problem else []
        if now - self.last_event >= self._silence_s:
            alarms.append(
                f"no event for {self._silence_s:,.0f} s; check that the bot runs, and where it counts its events"
            )
        return (*alarms, *self._uncounted)

    def _look(self, now: float) -> Iterable[str]:
        """Yield a sentence for each process that has had a database open for long and has not counted a statement."""
        holders = {
            holder.pid: holder
            for holder in self._search(self._databases)
            if not self._counted.keys() & open_files.numbers(holder.pid)
        }
        self.opened = {pid: self.opened.get(pid, now) for pid in holders}
        for pid, since in self.opened.items():
            if now - since >= self._silence_s:
                yield f"{holders[pid]}, and has counted no statement; open it with migrator.connect, or end the process"
