"""Monitor: watches the error rate of the application's statements, and fires above the limit.

It also watches the originals, to which no process should write any more, and the legacy names, which should lead to the
consolidated set: code that replaces its whole file, or a restored copy, turns such a name into a file of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from migrator.application import event_log
from migrator.records.monitor import Watched
from migrator.stages.monitor import event_feed
from migrator.stages.monitor.error_rate import Limits, Window
from migrator.stages.monitor.event_feed import Feed
from migrator.system import connections

#: Time between two checks [s].
POLL_S = 0.5


def monitor(
    limits: Limits,
    feed: Feed,
    originals: Sequence[Path],
    *,
    names: Mapping[Path, Path] = MappingProxyType({}),
    until: Callable[[float], bool] = lambda _: False,
    tell: Callable[[Watched], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Watched:
    """Watch *feed* until the limit is passed, the feed ends, or *until* returns true.

    Args:
        limits: The limits of the error rate.
        feed: The source of events.
        originals: Files that no process may write to any more.
        names: Legacy name -> the file that it has to lead to.
        until: Called after every check with the elapsed seconds; returns whether to end.
        tell: Called after every check with its result.
        clock: Seconds of the monotonic clock.
        wall: Seconds since 1970.
        sleep: Waits for that many seconds.
    """
    begun, this_boot = clock(), event_log.boot()
    window, before = Window(limits), {path: _stamp(path) for path in originals}
    seen = failures = unread = old = 0
    while True:
        now = clock()
        window.slide(now)
        for line in feed.lines():
            what = event_feed.parsed(line, this_boot, now=now, wall=wall())
            if what is None:
                unread += bool(line.strip())
                continue
            seen, failures = seen + what.ok + what.failed, failures + what.failed
            old += 0 if window.add(what, now) else what.ok + what.failed
            # A burst of failures may be over before the next check.
            if window.fires:
                break
        watched = Watched(
            seconds=now - begun,
            ok=window.ok,
            failed=window.failed,
            rate=window.rate,
            seen=seen,
            failures=failures,
            unread=unread,
            old=old,
            fired=window.fires,
            late=tuple(str(path) for path, stamp in before.items() if _stamp(path) != stamp),
            strayed=tuple(str(path) for path, leads_to in names.items() if not _leads_to(path, leads_to)),
        )
        try:
            tell(watched)
            if watched.fired or feed.ended or until(watched.seconds):
                return watched
            sleep(POLL_S)
        except KeyboardInterrupt:
            # Ctrl-C ends only the watch.
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
