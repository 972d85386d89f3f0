"""The maintenance window: cutover and rollback with the owners' hooks around them, the watch, the rehearsal of it all, backups.

Here too stages are put together (:mod:`migrator.pipeline` does it up to a verdict), and nothing else is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from migrator import hooks, pipeline, rehearsal
from migrator.config.config_file import Config, load
from migrator.errors import Refused, RollbackFailed
from migrator.pipeline import Place
from migrator.records.backup import Snapshot
from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.rehearsal import Rehearsed
from migrator.stages import backup as backup_stage
from migrator.stages.monitor import stage as monitor_stage
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Feed, Tail
from migrator.stages.verify import freshness
from migrator.switch import env_flag, recovery, set_in_use, trust
from migrator.switch import state as switch_state
from migrator.switch.workspace import EVENTS
from migrator.system import durable_files, exclusive_access
from migrator.system.serialize import escaped, plain
from migrator.system.temporary_folders import private_folder

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
        return pipeline.backup(pipeline.plan(place, config), place)
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
    """Switch to the consolidated set, with the hooks around it, or say what that would do; see :func:`pipeline.cutover`.

    Raises:
        Refused: A hook stood against it, a process has a file open, or a file has changed; all is as it was.
        MigratorError: A step failed; before the commit all is as it was.
    """

    def deed(*, execute: bool) -> Switched:
        return pipeline.cutover(place, config, env_file, execute=execute, waiting=waiting, tell=tell, again=again)

    return _with_hooks(deed, place, config, execute=execute)


def rollback(place: Place, config: Config, *, execute: bool, tell: Callable[[str], None] = lambda _: None) -> Switched:
    """Switch back to the legacy set, with the hooks around it, or say what that would do; see :func:`pipeline.rollback`.

    Raises:
        Refused: There is no cutover to roll back, a hook stood against it, or a process has a database open.
        RollbackFailed: A step failed; the consolidated set is still in use.
    """
    attempt = not execute

    def deed(*, execute: bool) -> Switched:
        return pipeline.rollback(place, config, execute=execute, attempt=attempt, tell=tell)

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
                done = pipeline.rollback(place, config, execute=execute, attempt=False)
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


def rehearse(
    data_dir: Path | None,
    include: Sequence[Path],
    config_path: Path | None,
    *,
    run: Sequence[str] = (),
    progress: pipeline.Progress | None = None,
) -> Rehearsed:
    """Go all the way and back on a scratch copy of *data_dir*, or on a dirty specimen where it is None.

    Migrate, cut over, write as the application does, let one statement in sixteen fail, watch the monitor go back by
    itself, compare.  Nothing else is touched: hooks are not run, the .env is the scratch's own.  The scratch's own number
    of quarantined rows is accepted, and its code is taken to be ready.

    Args:
        data_dir: The legacy set.
        include: Databases outside of it.
        config_path: What the owners decided.
        run: The owners' own tests, run on the consolidated scratch set; they find it by DATA_DIR.
        progress: Is told what was done.

    Raises:
        Refused: The plan has reasons against it.
        MigratorError: A stage failed.
    """
    pipeline.need_contracts("migrator rehearse")
    with private_folder("migrator-rehearsal-") as folder:
        scratch, env_file = folder / "data", folder / ".env"
        if data_dir is None:
            made = [str(scratch), "--seed", "7", "--dirty", "--wal"]
            command = [sys.executable, "-P", "-m", "contracts.specimens", *made]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own module
            config_path = scratch / "migrator.toml"
        else:
            pipeline.scratch_copy(data_dir, include, load(config_path), scratch)
        place, config = Place(scratch), load(config_path)
        migrated = pipeline.migrate(place, config, config_path, progress)
        if not migrated.holds:
            return Rehearsed(migrated=migrated)
        ready = replace(config, accept_quarantine=migrated.built.quarantined, code_is_ready=True, hooks=None)
        there = cutover(place, ready, env_file, execute=True)
        if not there.executed:
            return Rehearsed(migrated=migrated, there=there)
        rehearsal.write(scratch, config.constants.get("wallet_address", ""))
        own = {"DATA_DIR": str(scratch), "MIGRATOR_DATA_DIR": str(scratch), env_flag.FLAG: "true"}
        code = subprocess.run(list(run), env=os.environ | own, stdout=2, check=False).returncode if run else 0  # noqa: S603
        rehearsal.fail(scratch)
        watched = monitor(place, ready, Limits(), until=lambda _: True)
        return Rehearsed(
            migrated=migrated,
            there=there,
            watched=watched,
            code=code,
            differences=()
            if run or watched.rolled_back is None
            else rehearsal.differences(migrated, pipeline.inventory(scratch)),
        )
