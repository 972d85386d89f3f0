"""Cutover, rollback and the watch with the owners' hooks around them; backups before and after a cutover."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.config.config_file import Config
from migrator.errors import Refused, RollbackFailed
from migrator.pipeline import hooks, switchover
from migrator.pipeline import migrate as pipeline_migrate
from migrator.records.backup import Snapshot
from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.stages import backup as backup_stage
from migrator.stages.monitor import stage as monitor_stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Feed, Tail
from migrator.stages.verify import freshness
from migrator.switch import recovery, set_in_use, trust
from migrator.switch import state as switch_state
from migrator.switch.workspace import EVENTS, Place
from migrator.system import durable_files, exclusive_access
from migrator.system.serialize import escaped, plain

#: Seconds for which an automatic rollback waits for those who have a database open.
PATIENCE_S = 60.0
_RETRY_S = 0.5


def backup(place: Place, config: Config) -> Snapshot:
    """Take a snapshot of the legacy set, or after a cutover one of the three, below ``backup/consolidated``.

    Raises:
        Refused: The plan has reasons against it, or the cutover is there and its databases are not.
    """
    last = switch_state.read(place.data_dir)
    if last is None or not last.consolidated:
        return pipeline_migrate.backup(pipeline_migrate.plan(place, config), place)
    databases = set_in_use.inventory(last.data_dir).databases
    for database in databases:
        if not database.digest:
            raise Refused(
                f"cannot be read as the database in use: {escaped(database.reason) or 'no such file'}",
                where=escaped(database.path),
                hint="restore it from a copy",
            )
    return backup_stage.backup(databases, place.backups / "consolidated", read_back=set_in_use.inventory)


def cutover(
    place: Place,
    config: Config,
    env_file: Path,
    *,
    execute: bool,
    waiting: Callable[[str], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
    again: Callable[[], object] | None = None,
) -> Switched:
    """Switch to the consolidated set, with the hooks around it, or say what that would do; see :func:`switchover.cutover`.

    Raises:
        Refused: A hook stood against it, a process has a file open, or a file has changed; all is as it was.
        MigratorError: A step failed; before the commit all is as it was.
    """

    def deed(*, execute: bool) -> Switched:
        return switchover.cutover(place, config, env_file, execute=execute, waiting=waiting, tell=tell, again=again)

    return _with_hooks(deed, place, config, execute=execute)


def rollback(place: Place, config: Config, *, execute: bool, tell: Callable[[str], None] = lambda _: None) -> Switched:
    """Switch back to the legacy set, with the hooks around it, or say what that would do; see :func:`switchover.rollback`.

    Raises:
        Refused: There is no cutover to roll back, a hook stood against it, or a process has a database open.
        RollbackFailed: A step failed; the consolidated set is still in use.
    """
    attempt = not execute

    def deed(*, execute: bool) -> Switched:
        return switchover.rollback(place, config, execute=execute, attempt=attempt, tell=tell)

    return _with_hooks(deed, place, config, execute=execute)


def _with_hooks(
    deed: Callable[..., Switched], place: Place, config: Config, *, execute: bool, patience: bool = False
) -> Switched:
    """Do *deed* between the hooks before and after it; those that have a database open may be stopped by the first.

    With *patience* the deed itself waits for them, and is tried even without a hook that stops them.
    """
    foreseen = deed(execute=False)
    before = hooks.find(config.hooks, f"before-{foreseen.kind}")
    if not execute or foreseen.refusals or (foreseen.holders and before is None and not patience):
        return foreseen
    hooks.look(config.hooks, foreseen.kind)
    said = {"verb": foreseen.kind, "run": foreseen.run, "data_dir": str(place.data_dir)}

    def run(name: str, more: Mapping[str, object]) -> str:
        return hooks.run(config.hooks, name, {**said, **more}, config.hooks_timeout_s)

    run(f"before-{foreseen.kind}", {})
    try:
        done = deed(execute=True)
    except BaseException as error:
        run("on-failure", {"error": str(error) or type(error).__name__})
        raise
    if not done.executed:
        run("on-failure", {"error": "; ".join((*done.refusals, *done.holders))})
        return done
    failed = run(f"after-{done.kind}", plain(done))
    return replace(done, findings=(*done.findings, failed)) if failed else done


def monitor(
    place: Place,
    config: Config,
    limits: Limits,
    feed: Feed | None = None,
    *,
    until: Callable[[float], bool] = lambda _: False,
    tell: Callable[[Watched], None] = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> Watched:
    """Watch the application until it is time to go back, then go back: once.

    Args:
        place: Where.
        config: What the owners decided.
        limits: When to go back.
        feed: Where events come from.  Default: what the application's connections count.
        until: Is asked after every look whether to end, with the seconds gone by.
        tell: Is told after every look what was seen; before the rollback too.
        patience_s: Seconds for which the rollback waits for those who have a database open.

    Raises:
        Refused: There is no cutover to watch, or its watch has fired before.
        RollbackFailed: The rollback failed; the consolidated set is still in use.
    """
    recovery.settle(place.data_dir, place)
    last = switch_state.read(place.data_dir)
    if last is None or not last.consolidated:
        raise Refused("the legacy set is in use: there is nothing to watch", where=place.data_dir)
    # What a rollback would refuse has to be known before it is needed.
    trust.refuse(last, place.include, place.env_file)
    for sentence in exclusive_access.blind(map(last.installed, last.targets), stopped=place.stopped):
        raise Refused(sentence)
    latch = last.latch
    if latch.exists() and json.loads(latch.read_text(encoding="utf-8"))["run"] == last.run:
        raise Refused("has fired for this cutover before", where=latch, hint="go back by hand: migrator rollback")
    changed = freshness.late_originals(last)
    watched = monitor_stage.monitor(
        limits,
        feed or Tail(last.data_dir / EVENTS, whole=True),
        [last.originals / name.place for name in last.names],
        names={name.path: last.installed(name.target) for name in last.names},
        until=until,
        tell=lambda seen: tell(replace(seen, late=tuple(dict.fromkeys((*changed, *seen.late))))),
    )
    watched = replace(watched, late=tuple(dict.fromkeys((*changed, *watched.late))))
    if not watched.fired:
        return watched
    durable_files.write(latch, json.dumps({"run": last.run, "ok": watched.ok, "failed": watched.failed}) + "\n")
    return replace(watched, rolled_back=_insist(place, config, patience_s))


def _insist(place: Place, config: Config, patience_s: float) -> Switched:
    """Go back, and wait a while for those who have a database open; the hooks are run once, around all of it.

    Raises:
        Refused: Somebody else went back meanwhile.
        RollbackFailed: They do not let go of it, or a step failed.
    """
    give_up = time.monotonic() + patience_s

    def deed(*, execute: bool) -> Switched:
        while True:
            try:
                done = switchover.rollback(place, config, execute=execute, attempt=False)
            except Refused as error:
                refusal = _unless_gone_back(place, error)
                done = Switched(kind=switch_state.ROLLBACK, run="", executed=False, names={}, refusals=(refusal,))
            if not execute or done.executed or time.monotonic() >= give_up:
                return done
            time.sleep(_RETRY_S)

    try:
        done = _with_hooks(deed, place, config, execute=True, patience=True)
    except Refused as error:
        against = _unless_gone_back(place, error)
    else:
        if done.executed:
            return done
        against = "; ".join((*done.refusals, *done.holders))
    raise RollbackFailed(
        against, where=place.data_dir, hint="stop what uses the databases; then: migrator rollback --execute"
    )


def _unless_gone_back(place: Place, error: Refused) -> str:
    """Return what *error* says, unless the legacy set is in use again: then raise it."""
    last = switch_state.read(place.data_dir)
    if last is None or not last.consolidated:
        raise error
    return str(error)
