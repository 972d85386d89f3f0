"""Monitor: watches the error rate of the application's statements, and fires when a rule requires a rollback.

It also watches for silence, the originals, to which no process should write any more, and the legacy names, which should lead to
the consolidated set: code that replaces its whole file, or a restored copy, turns such a name into a file of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from migrator.application import event_log
from migrator.records.monitor import Watched
from migrator.stages.monitor import event_feed
from migrator.stages.monitor.error_rate import Judge, Limits
from migrator.stages.monitor.event_feed import Feed
from migrator.stages.monitor.journal import Journal
from migrator.stages.monitor.memory import Memory
from migrator.stages.monitor.silence import SILENCE_S, Silence
from migrator.system import connections

#: Time between two checks [s].
POLL_S = 0.5
#: Time between two writes of what the watch remembers [s]: a monitor that is killed reads the lines since then again.
_KEEP_S = 5.0
#: Time for which a single check waits for the next line of a pipe, and for its end [s].
_PAUSE_S, _PIPE_S = 5.0, 60.0


class Watch:
    """A watch that can be kept and gone on with: the bets, the counts, and how far the log was read.

    Args:
        limits: When to roll back.
        feed: The source of events.
        run: The run of the cutover that is watched.
        source: Where the events come from, in words.
        databases: Consolidated databases whose users have to count their statements.
        silence_s: Seconds of silence after which is alarmed; 0 for never.
        whole: Whether all events of the feed are of this watch, however old they are.
        memory: What an earlier run remembered.
        clock: Seconds of the monotonic clock.
        wall: Seconds since 1970.
    """

    def __init__(
        self,
        limits: Limits,
        feed: Feed,
        *,
        run: str = "",
        source: str = "",
        databases: Sequence[Path] = (),
        silence_s: float = SILENCE_S,
        whole: bool = False,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._limits, self.feed, self._clock, self._wall = limits, feed, clock, wall
        self._run, self._source, self._boot = run, source, event_log.boot()
        self._begun = clock() if memory is None else memory.begun
        self._since = -math.inf if whole else self._begun - limits.window_s
        self._journal = Journal()
        self._judge = Judge(limits, memory.judged if memory else None)
        self._silence = Silence(
            silence_s,
            self._begun if memory is None else memory.last_event,
            databases,
            counted=memory.counted if memory else (),
            opened={int(pid): since for pid, since in memory.opened.items()} if memory else {},
        )
        self._seen, self._failures, self._unread, self._old = (
            (memory.seen, memory.failures, memory.unread, memory.old) if memory else (0, 0, 0, 0)
        )

    def look(self) -> tuple[Watched, bool]:
        """Count the lines that have come; return the state of the watch, and whether there were any."""
        now, came = self._clock(), False
        self._judge.advance(now)
        for line in self.feed.lines():
            came = True
            self._count(line, now)
            # A burst of failures may be over before the next check.
            if self._judge.rule is not None:
                break
        self._judge.advance(now)
        judge, window = self._judge, self._judge.window
        watched = Watched(
            seconds=now - self._begun,
            ok=window.ok,
            failed=window.failed,
            rate=window.rate,
            seen=self._seen,
            failures=self._failures,
            unread=self._unread,
            old=self._old,
            above=judge.above.worth,
            below=judge.below.worth,
            outcome=judge.outcome,
            rule=judge.rule,
            fired=judge.rule is not None,
            silent=self._silence.alarms(self.feed.problem, now),
        )
        return watched, came

    def _count(self, line: bytes, now: float) -> None:
        message, written = self._journal.message(line)
        what = event_feed.parsed(message, self._boot, now=now, wall=self._wall(), written=written)
        if what is None:
            self._unread += bool(message.strip())
            return
        self._seen, self._failures = self._seen + what.ok + what.failed, self._failures + what.failed
        at = now if what.at is None else min(what.at, now)
        self._silence.add(at, what.process)
        if at < self._since:
            self._old += what.ok + what.failed
        else:
            self._judge.add(what, now)

    @property
    def memory(self) -> Memory:
        """What the watch remembers, to be kept."""
        return Memory(
            run=self._run,
            source=self._source,
            threshold=str(self._limits.threshold),
            boot=self._boot,
            begun=self._begun,
            last_event=self._silence.last_event,
            judged=self._judge.kept,
            position=self.feed.position,
            seen=self._seen,
            failures=self._failures,
            unread=self._unread,
            old=self._old,
            counted=self._silence.counted,
            opened={str(pid): since for pid, since in self._silence.opened.items()},
        )


def monitor(
    watch: Watch,
    originals: Sequence[Path],
    *,
    names: Mapping[Path, Path] = MappingProxyType({}),
    once: bool = False,
    until: Callable[[float], bool] = lambda _: False,
    tell: Callable[[Watched], None] = lambda _: None,
    keep: Callable[[Memory], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Watched:
    """Go on with *watch* until a rule requires a rollback, the feed ends, or *until* returns true.

    Args:
        watch: The watch.
        originals: Files that no process may write to any more.
        names: Legacy name -> the file that it has to lead to.
        once: Whether to end after what can be read now; a pipe is read to its end, or until it pauses.
        until: Called after every check with the seconds since this call; returns whether to end.
        tell: Called after every check with its result.
        keep: Called now and then, and at the end, with what to remember.
        clock: Seconds of the monotonic clock.
        sleep: Waits for that many seconds.
    """
    before = {path: _stamp(path) for path in originals}
    begun = heard = kept = clock()
    while True:
        now = clock()
        watched, came = watch.look()
        watched = replace(
            watched,
            late=tuple(str(path) for path, stamp in before.items() if _stamp(path) != stamp),
            strayed=tuple(str(path) for path, leads_to in names.items() if not _leads_to(path, leads_to)),
        )
        heard = now if came else heard
        read = (
            watch.feed.position is not None or watch.feed.problem or now - heard >= _PAUSE_S or now - begun >= _PIPE_S
        )
        ended = watched.fired or watch.feed.ended or (once and bool(read))
        try:
            tell(watched)
            ended = ended or until(now - begun)
            if ended or now - kept >= _KEEP_S:
                kept = now
                keep(watch.memory)
            if ended:
                return watched
            sleep(POLL_S)
        except KeyboardInterrupt:
            # Ctrl-C ends only the watch.
            keep(watch.memory)
            return watched


def _leads_to(path: Path, file: Path) -> bool:
    """Return whether the name *path* leads to *file*."""
    return path.exists() and file.exists() and path.samefile(file)


def _stamp(path: Path) -> tuple[object, ...]:
    """Return inode, sizes and time of the database at *path*, which change with a write; () if it is gone."""
    if not path.exists():
        return ()
    status = path.stat()
    companions = [connections.beside(path, suffix) for suffix in connections.COMPANIONS]
    # An empty companion has no rows.
    sizes = [companion.stat().st_size if companion.exists() else 0 for companion in companions]
    return status.st_ino, status.st_size, status.st_mtime_ns, *sizes
