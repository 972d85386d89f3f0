"""Watches the application after a cutover, and rolls back above the limit, once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from migrator.application import event_log
from migrator.config.config_file import Config
from migrator.errors import Refused, RollbackFailed
from migrator.pipeline import switchover
from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.stages.monitor import event_feed, memory
from migrator.stages.monitor import stage as monitor_stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Feed, Tail
from migrator.stages.monitor.silence import SILENCE_S
from migrator.stages.verify import freshness
from migrator.switch import recovery, trust
from migrator.switch import state as switch_state
from migrator.switch.state import Switch
from migrator.switch.workspace import EVENTS, Workspace
from migrator.system import durable_files, exclusive_access, run_lock

#: Time for which an automatic rollback waits for processes that have a database open [s].
PATIENCE_S = 60.0


def monitor(
    workspace: Workspace,
    config: Config,
    limits: Limits,
    feed: Feed | None = None,
    *,
    log: Path | None = None,
    silence_s: float = SILENCE_S,
    once: bool = False,
    until: Callable[[float], bool] = lambda _: False,
    tell: Callable[[Watched], None] = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> Watched:
    """Watch the application until a rule requires a rollback, then roll back, once.

    A watch goes on where an earlier run ended: the probability of a false alarm is that of the whole watch.

    Args:
        workspace: The data directory and what belongs to it.
        config: What the owners decided.
        limits: When to roll back.
        feed: The source of events.  Default: *log*.
        log: The application's own log, which need not exist yet.  Default: the log of its connections.
        silence_s: Seconds of silence after which is alarmed; 0 for never.
        once: Whether to end after what can be read now.
        until: Called after every check with the elapsed seconds; returns whether to end.
        tell: Called after every check with its result; before the rollback too.
        patience_s: Seconds for which the rollback waits for processes that have a database open.

    Raises:
        Refused: There is no cutover to watch, its watch has fired before, or another monitor watches it.
        RollbackFailed: The rollback failed; the consolidated set is still in use.
        UsageError: The log is a folder, a device or a socket, or may not be read.
    """
    if log is not None:
        event_feed.refuse_unreadable(log)
    recovery.settle(workspace.data_dir, workspace)
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is None:
        raise Refused("the legacy set is in use: there is nothing to watch", where=workspace.data_dir)
    # A reason against the rollback has to be reported now, not when the rollback is needed.
    trust.refuse(last, workspace.include, workspace.env_file)
    for sentence in exclusive_access.blind(map(last.installed, last.targets), stopped=workspace.stopped):
        raise Refused(sentence)
    latch = last.latch
    if latch.exists() and json.loads(latch.read_text(encoding="utf-8"))["run"] == last.run:
        raise Refused(
            "has fired for this cutover before", where=latch, hint="to roll back run: migrator rollback --execute"
        )
    with run_lock.locked(workspace.data_dir, name=run_lock.WATCH):
        watched = _watched(last, limits, feed, log, silence_s, once=once, until=until, tell=tell)
        if not watched.fired:
            return watched
        durable_files.write(latch, json.dumps({"run": last.run, "ok": watched.ok, "failed": watched.failed}) + "\n")
        return replace(watched, rolled_back=_go_back(workspace, config, patience_s))


def _watched(
    last: Switch,
    limits: Limits,
    feed: Feed | None,
    log: Path | None,
    silence_s: float,
    *,
    once: bool,
    until: Callable[[float], bool],
    tell: Callable[[Watched], None],
) -> Watched:
    """Go on with the watch of the cutover *last* until it ends."""
    own = feed is None and log is None
    source = "the application's connections" if own else "a pipe" if log is None else str(log)
    remembered = memory.read(
        last.watch, run=last.run, source=source, limits=limits, boot=event_log.boot(), now=time.monotonic()
    )
    position = remembered.position if remembered else None
    if log is not None:
        feed = event_feed.at_path(log, whole=remembered is not None, position=position)
    watch = monitor_stage.Watch(
        limits,
        feed or Tail(last.data_dir / EVENTS, whole=True, position=position),
        run=last.run,
        source=source,
        databases=[last.installed(target) for target in last.targets] if own else (),
        silence_s=silence_s,
        whole=own,
        memory=remembered,
    )
    changed = freshness.late_originals(last)
    watched = monitor_stage.monitor(
        watch,
        [last.originals / name.place for name in last.names],
        names={name.path: last.installed(name.target) for name in last.names},
        once=once,
        until=until,
        tell=lambda seen: tell(replace(seen, late=tuple(dict.fromkeys((*changed, *seen.late))))),
        keep=lambda remember: memory.write(last.watch, remember),
    )
    return replace(watched, late=tuple(dict.fromkeys((*changed, *watched.late))))


def _go_back(workspace: Workspace, config: Config, patience_s: float) -> Switched:
    """Roll back, waiting *patience_s* seconds for processes that have a database open.

    Raises:
        Refused: The legacy set is in use already: another process rolled back meanwhile.
        RollbackFailed: A process kept a database open, or a step failed.
    """
    try:
        done = switchover.rollback(workspace, config, execute=True, patience_s=patience_s)
    except Refused as error:
        if switch_state.cutover_in_use(workspace.data_dir) is None:
            raise
        against = str(error)
    else:
        if done.executed:
            return done
        against = "; ".join((*done.refusals, *done.holders))
    raise RollbackFailed(
        against, where=workspace.data_dir, hint="stop what uses the databases; then: migrator rollback --execute"
    )
