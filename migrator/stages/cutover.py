"""Switches all names from the legacy set to the consolidated set, in one instant.

While the bot may still write, the preconditions are checked, and the three databases are copied as the baseline, for
``backup/<run>/consolidated``.  Then writers are locked out, every name becomes a link through the pointer of
:mod:`migrator.switch.state`, and the pointer is turned: that one rename is the commit.  A failure before it undoes the
switch; after it :mod:`migrator.switch.recovery` finishes the switch.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from migrator.errors import Refused
from migrator.records import precondition
from migrator.records.backup import Snapshot
from migrator.records.inventory import Database, Verdict
from migrator.records.observer import Observer
from migrator.records.plan import Fate, Plan
from migrator.records.switch import Switched
from migrator.schema import catalogue
from migrator.switch import env_flag, preconditions, recovery, target_permissions
from migrator.switch import state as switch_state
from migrator.switch import steps as switch_steps
from migrator.switch.preconditions import SwitchCase
from migrator.switch.state import Name, Switch
from migrator.system import (
    connections,
    content_digest,
    durable_files,
    error_hints,
    exclusive_access,
    open_files,
    permissions,
)
from migrator.system.escaping import escaped

#: Wait between two checks for the file ``hold`` [s].
_POLL_S = 0.2


def prepare(plan: Plan, snapshot: Snapshot, env_file: Path) -> Switch:
    """Return the cutover of *plan*, not yet made; changes nothing."""
    data_dir = plan.inventory.data_dir.resolve()
    names = [
        Name(
            database=database.known_as,
            place=database.path_in_snapshot,
            path=database.path.parent.resolve() / database.path.name,
            target=_target(plan, database),
            journal_mode=database.journal_mode,
            digest=database.digest,
            marks=connections.marks(snapshot.folder / database.path_in_snapshot),
            indexes=_indexes(snapshot.folder / database.path_in_snapshot),
        )
        for database in plan.inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN)
        if _target(plan, database)
    ]
    switched = {name.database for name in names}
    return Switch(
        data_dir=data_dir,
        kind=switch_state.CUTOVER,
        run=snapshot.run,
        env_file=env_file.absolute(),
        names=tuple(names),
        tables=tuple(table for table in plan.tables if table.source.partition(".")[0] in switched),
        constants=plan.constants,
        amendments=plan.amendments,
        extra_indexes=plan.extra_indexes,
        decided=plan.decided,
        file_mode=plan.file_mode,
    )


def _indexes(copy: Path) -> str:
    """Return the digest of the full-text indexes over no stored rows of a legacy database's *copy* in the snapshot."""
    with contextlib.closing(connections.lenient(connections.read(copy))) as connection:
        return content_digest.index_digest(connection)


def _target(plan: Plan, database: Database) -> str:
    """Return the consolidated database that the tables of *database* go to, '' if none does."""
    own = [table for table in plan.tables if table.source.partition(".")[0] == database.known_as]
    homes = [table.into.partition(".")[0] for table in own if table.fate in (Fate.MAPPED, Fate.CARRIED)]
    home = next((known.home for known in catalogue.legacy_databases() if known.name == database.name), "")
    return home if home in homes else max(homes, key=homes.count, default="")


def refusals(wanted: Switch) -> tuple[str, ...]:
    """Return why the files cannot be switched, one sentence each; changes nothing."""
    return precondition.unmet(preconditions.CUTOVER_FILES, SwitchCase(wanted, stopped=False))


def _try_links(wanted: Switch) -> None:
    """Try to give each legacy file a second name, as the switch will do under its locks.

    Raises:
        Refused: The file system does not allow it.
    """
    before = switch_state.read(wanted.data_dir)
    # The record first: after an interruption a recovery removes the second names.
    switch_state.write(wanted)
    for name in wanted.names:
        kept = wanted.tree(switch_state.LEGACY) / name.place
        try:
            durable_files.make_private_folder(kept.parent)
            durable_files.try_link(name.path, kept)
        except OSError as error:
            durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
            _write_what_was(wanted, before)
            raise Refused(
                f"cannot be given a second name in {escaped(wanted.root)} ({error_hints.reason(error)})",
                where=escaped(name.path),
                hint="it needs a file system with hard links, and a file that is neither immutable nor mounted by itself",
            ) from error
    durable_files.remove_folder(wanted.tree(switch_state.LEGACY))
    _write_what_was(wanted, before)


def _write_what_was(wanted: Switch, before: Switch | None) -> None:
    """Restore the record of the switch *before*, or remove the record if there was none."""
    if before is None:
        switch_state.forget(wanted)
    else:
        switch_state.write(before)


def cutover(
    wanted: Switch,
    snapshot: Snapshot,
    *,
    observer: Observer,
    stopped: bool = False,
    unmet_since: Callable[[], Sequence[str]] = tuple,
) -> Switched:
    """Switch the names of *wanted* to the consolidated set in the stage.

    Args:
        wanted: The result of :func:`prepare`, with no :func:`refusals`.
        snapshot: The snapshot of the build; the legacy files must still have its content.
        observer: Receives each step, and the wait for the file ``hold``.
        stopped: The owner says that no process has a file open which cannot be seen.
        unmet_since: Returns the reasons against the cutover that came up while the file ``hold`` paused it.

    Raises:
        Refused: A process has a file open, a file has changed since the snapshot, or a reason came up in a pause; all is as it was.
        OSError: A step failed; before the commit all is as it was.
    """
    digests = {database.place: database.digest for database in snapshot.inventory.databases}
    expected = {name.path: digests[name.place] for name in wanted.names}
    _try_links(wanted)
    _keep_baseline(wanted)
    observer.step("the three databases are copied, for a rollback to compare with")
    if _wait(wanted.root / "hold", observer):
        # The owners may have paused it to take back what they accepted.
        _refuse(unmet_since())
    with contextlib.ExitStack() as stack:
        hold = _hold(stack, wanted, expected, stopped=stopped)
        observer.step(f"no other process can write to the {len(wanted.names)} legacy files")
        try:
            # Checked again under the locks: a name may have been replaced since.
            _refuse(refusals(wanted))
            _install(wanted)
            observer.step("the three databases lie under their names; nothing leads to them yet")
            switch_steps.make_legacy_tree(wanted)
            switch_steps.make_new_tree(wanted)
            switch_steps.commit(wanted, switch_state.LEGACY)
            switch_steps.indirect(wanted)
            observer.step("every legacy name goes through one pointer, still to the legacy files")
            hold.seal()
        except BaseException:
            # This process alone holds the names; also after Ctrl-C everything has to be as it was.
            recovery.undo(wanted, stack.close)
            raise
        switch_steps.commit(wanted, switch_state.NEW)
        observer.step("COMMITTED: every legacy name leads to the consolidated set")
        recovery.complete(wanted)
        observer.step(f"{env_flag.FLAG}=true; the originals are in backup/{wanted.run}/originals")
        blocked_s = time.monotonic() - hold.begun
    recovery.end(wanted)
    observer.step("writers can go on: the cutover has come to its end")
    return Switched(
        kind=switch_state.CUTOVER,
        run=wanted.run,
        executed=True,
        names=switch_state.shown(wanted),
        blocked_s=blocked_s,
        late=hold.late,
    )


def foreseen(wanted: Switch, reasons: tuple[str, ...]) -> Switched:
    """Return what a cutover would do, the *reasons* against it, and the processes that are in its way."""
    return Switched(
        kind=switch_state.CUTOVER,
        run=wanted.run,
        executed=False,
        names=switch_state.shown(wanted),
        steps=(
            f"{', '.join(catalogue.TARGETS.values())}: from {escaped(wanted.stage)} to {escaped(wanted.data_dir)}",
            f"{env_flag.FLAG}=true in {escaped(wanted.env_file)}, every other byte of it as it is",
            f"the originals go to backup/{wanted.run}/originals",
        ),
        refusals=reasons,
        holders=holders(wanted),
    )


def holders(wanted: Switch) -> tuple[str, ...]:
    """Return the processes that have a legacy file of *wanted* open, one sentence each."""
    return tuple(map(str, open_files.holders([name.path for name in wanted.names])))


def _keep_baseline(wanted: Switch) -> None:
    """Copy the three databases from the stage as the baseline, with which a rollback compares."""
    draft = wanted.baseline_to_be.with_name("baseline.partial")
    durable_files.remove_folder(draft)
    durable_files.remove_folder(wanted.baseline_to_be)
    durable_files.make_private_folder(draft)
    for target in wanted.targets:
        copy = draft / wanted.staged(target).name
        # The WAL of a finished build is empty.
        shutil.copyfile(wanted.staged(target), copy)
        copy.chmod(0o600)
        durable_files.give_to_owner_of(wanted.data_dir, copy)
        _leave_wal(copy)
    _keep_evidence(wanted, draft)
    # SQLite removes its journals without a sync: after a power cut one would exist again, and be hot.
    durable_files.sync_folder(draft)
    durable_files.replace(draft, wanted.baseline_to_be)


def _keep_evidence(wanted: Switch, draft: Path) -> None:
    """Copy the evidence and the acceptance beside the baseline; the evidence of an earlier cutover of this run gets a number."""
    judged = [wanted.root / name for name in ("evidence.json", "broken.json", "report.html", "accepted.json")]
    for path in (*judged, *sorted(wanted.baseline.glob("evidence*.json"))):
        if path.is_file():
            numbered = (draft / f"evidence-{number}.json" for number in itertools.count(1))
            free = itertools.chain([draft / path.name], numbered)
            durable_files.write(next(path for path in free if not path.exists()), path.read_text(encoding="utf-8"))


def _refuse(reasons: Sequence[str]) -> None:
    """Raise the first of *reasons*, if there is one."""
    if reasons:
        raise Refused(reasons[0], hint="nothing was switched")


def _hold(
    stack: contextlib.ExitStack, wanted: Switch, expected: Mapping[Path, str], *, stopped: bool
) -> exclusive_access.Hold:
    """Hold the legacy files until *stack* is closed, and record that a switch is under way.

    Raises:
        Refused: As :func:`exclusive_access.held`.  The record is as it was; if the disk fails, the next verb recovers, as after
            a kill at this step.
    """
    before = switch_state.read(wanted.data_dir)
    return stack.enter_context(
        exclusive_access.held(
            expected, lambda: switch_state.write(wanted), lambda: _write_what_was(wanted, before), stopped=stopped
        )
    )


def _wait(hold: Path, observer: Observer) -> bool:
    """Wait until the file *hold* is gone; return whether it was there."""
    if not hold.exists():
        return False
    observer.waiting(f"paused before the switch: {escaped(hold)} exists; delete it to continue")
    while hold.exists():
        time.sleep(_POLL_S)
    return True


def _install(wanted: Switch) -> None:
    sources = target_permissions.sources_of(wanted)
    most = 0o666 if wanted.file_mode is None else wanted.file_mode
    for target in wanted.targets:
        if wanted.installed(target).exists():
            raise Refused("exists already", where=escaped(wanted.installed(target)), hint="move it away")
        _leave_wal(wanted.staged(target))
        durable_files.replace(wanted.staged(target), wanted.installed(target))
        # Not before: files in the stage are for their owner alone, and a recovery refuses any other.
        durable_files.give_to_owner_of(
            wanted.names[0].path if wanted.names else wanted.data_dir, wanted.installed(target)
        )
        durable_files.grant(wanted.installed(target), permissions.shared(sources[target], wanted.data_dir, most)[0])
        durable_files.sync_file(wanted.installed(target))


def _leave_wal(path: Path) -> None:
    """Fold the WAL of *path* into the file, durably: the switch needs rollback-journal mode."""
    with contextlib.closing(connections.scratch(path)) as connection:
        connections.set_journal_mode(connection, "delete")
    durable_files.sync_file(path)
