"""One install of a fleet, in a process of its own: a line of JSON in, the outcome as a line of JSON out.

The process does what the command would do, under the lock of the data directory.  It ends as after Ctrl-C when its input
ends: then the worker that asked has died, or the fleet was cancelled.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn

from migrator.config import config_file
from migrator.errors import MigratorError, Refused, UsageError
from migrator.pipeline import hooks, in_use, rehearsal
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.records.build import Built
from migrator.records.fleet import Ending, Install, Outcome
from migrator.records.status import Standing
from migrator.records.verify import Verified
from migrator.stages.build import stage as build_stage
from migrator.stages.inventory import stage as inventory_stage
from migrator.switch import env_flag, recovery
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import error_hints, paths, run_lock, serialize, temporary_folders
from migrator.system.escaping import escaped
from migrator.system.ownership import guard

#: Time for the process of a worker that died to notice it and to release the lock [s].
_PATIENCE_S = 60.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Verbs that write below the data directory.
_WRITING = {"migrate", "verify"}
#: Verbs whose commands take an .env.
_OF_SWITCHES = {"cutover"}


class _Task(NamedTuple):
    """What a verb works on, and its outcome as far as it is known before."""

    workspace: Workspace
    config: config_file.Config
    configured: Path | None
    install: Install
    blank: Outcome

    def command(self, verb: str) -> str:
        """Return the command for *verb* on the machine of the install."""
        return _command(verb, self.install)


def outcome(verb: str, install: Install) -> Outcome:
    """Return what *verb* does for *install*, or why it cannot."""
    begun = time.monotonic()
    blank = Outcome(name=install.name, data_dir=install.data_dir, ending=Ending.DONE)
    try:
        ended = _done(verb, install, blank)
    except (Refused, UsageError) as error:
        ended = replace(blank, ending=Ending.REFUSED, says=escaped(error))
    except MigratorError as error:
        ended = replace(blank, ending=Ending.FAILED, says=escaped(error), next=_command(verb, install))
    except (OSError, sqlite3.Error) as error:
        told = escaped(error_hints.told(error))
        ended = replace(blank, ending=Ending.FAILED, says=told, next=_command(verb, install))
    return replace(ended, seconds=time.monotonic() - begun)


def _done(verb: str, install: Install, blank: Outcome) -> Outcome:
    # The .env lies beside the folder as it was named: a link may lead far away from the application.
    env_file = install.env_file or env_flag.beside(install.data_dir)
    workspace = Workspace(paths.resolved(install.data_dir), install.include, env_file)
    guard(workspace.data_dir)
    inventory_stage.refuse_empty(workspace.data_dir, workspace.include)
    configured = install.config or config_file.beside(workspace.data_dir)
    config = config_file.load(configured)
    with ExitStack() as stack:
        if verb in _WRITING:
            pipeline_migrate.refuse_other_folders(workspace, config)
            stack.enter_context(run_lock.locked(workspace.data_dir, _PATIENCE_S))
            if sentence := recovery.cut_short(workspace.data_dir):
                raise Refused(sentence, where=workspace.data_dir)
        return _VERBS[verb](_Task(workspace, config, configured, install, blank))


def _inventory(task: _Task) -> Outcome:
    found = inventory_stage.inventory(task.workspace.data_dir, include=task.workspace.include)
    return replace(task.blank, says=f"{len(found.databases)} database files", next=task.command("plan"))


def _plan(task: _Task) -> Outcome:
    planned = pipeline_migrate.plan(task.workspace, task.config, count=True)
    if planned.refusals:
        return replace(task.blank, ending=Ending.REFUSED, says=_first(planned.refusals), next=task.command("plan"))
    return replace(task.blank, quarantined=sum((planned.quarantine or {}).values()), next=task.command("migrate"))


def _rehearse(task: _Task) -> Outcome:
    rehearsed = rehearsal.rehearse(task.workspace.data_dir, task.workspace.include, task.configured)
    found = _judged(task.blank, rehearsed.migrated.built, rehearsed.migrated.verified)
    if rehearsed.holds:
        return replace(found, next=task.command("migrate"))
    return replace(found, ending=Ending.NO_GO, next=task.command("rehearse"))


def _migrate(task: _Task) -> Outcome:
    task.workspace.refuse_after_a_cutover()
    if pipeline_status.status(task.workspace, task.config).standing is Standing.VERIFIED:
        known = _judged(task.blank, build_stage.recorded(task.workspace.stage), None)
        return replace(known, says="it was verified before", next=task.command("cutover"))
    migrated = pipeline_migrate.migrate(task.workspace, task.config, task.configured)
    found = _judged(task.blank, migrated.built, migrated.verified)
    if migrated.holds:
        return replace(found, next=task.command("cutover"))
    return replace(found, ending=Ending.NO_GO, next=task.command("report"))


def _verify(task: _Task) -> Outcome:
    if last := switch_state.cutover_in_use(task.workspace.data_dir):
        used = in_use.verify(task.workspace, last)
        says = _first(used.broken) or "the consolidated set is in use and sound"
        return replace(
            task.blank,
            ending=Ending.DONE if used.holds else Ending.NO_GO,
            says=says,
            next=task.command("status"),
        )
    verified = pipeline_migrate.verify_stage(task.workspace, task.configured)
    return replace(
        _judged(task.blank, build_stage.recorded(task.workspace.stage), verified),
        next=task.command("cutover" if verified.holds else "report"),
    )


def _status(task: _Task) -> Outcome:
    stands = pipeline_status.status(task.workspace, task.config)
    ending = {Standing.VERIFIED: Ending.GO, Standing.STALE: Ending.NO_GO}.get(stands.standing, Ending.DONE)
    says = _first(stands.reasons) or stands.standing.value
    return replace(task.blank, ending=ending, says=says, next=task.command("status"))


def _judged(blank: Outcome, built: Built | None, verified: Verified | None) -> Outcome:
    """Return *blank* with the counts of *built*, and the verdict of the contracts if they ran."""
    counted = replace(blank, ending=Ending.GO)
    if built is not None:
        rows = sum(target.rows for target in built.targets)
        counted = replace(counted, rows=rows, quarantined=built.quarantined)
    if verified is not None and not verified.holds:
        broken = tuple(contract.name for contract in verified.broken)
        says = _first(verified.complaints) or f"{len(broken)} contracts are broken"
        counted = replace(counted, ending=Ending.NO_GO, broken=broken, says=says)
    return counted


_VERBS: Mapping[str, Callable[[_Task], Outcome]] = {
    "inventory": _inventory,
    "plan": _plan,
    "rehearse": _rehearse,
    "migrate": _migrate,
    "verify": _verify,
    "status": _status,
}


def _first(sentences: tuple[str, ...]) -> str:
    more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
    return f"{sentences[0]}{more}" if sentences else ""


def _command(verb: str, install: Install) -> str:
    """Return the command for *verb* on the machine of *install*."""
    options = ["--data-dir", str(install.data_dir)]
    options += ["--config", str(install.config)] if install.config else []
    options += [part for path in install.include for part in ("--include", str(path))]
    options += ["--env-file", str(install.env_file)] if install.env_file and verb in _OF_SWITCHES else []
    return shlex.join(["migrator", verb, *options])


def _end_with_the_input() -> None:
    # Not sys.stdin: its lock would be held when the interpreter ends.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(*_: object) -> NoReturn:
    """End as after Ctrl-C; ignore further signals, which would cut the cleaning up short."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Read one request, print the outcome."""
    hooks.close_to_others()
    for number in _ENDING:
        signal.signal(number, _interrupt)
    temporary_folders.remove_abandoned()
    verb, install = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    try:
        ended = outcome(verb, serialize.record(install, Install))
    except KeyboardInterrupt:
        temporary_folders.tidy()
        return 1
    sys.stdout.write(json.dumps(serialize.plain(ended)) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
