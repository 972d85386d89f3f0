"""The verbs of the maintenance window: cutover, monitor, rollback, and the rehearsal of them all; no logic."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from migrator.cli import command_hints, options, output, progress
from migrator.config.config_file import Config
from migrator.errors import MigratorError, Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import rehearsal, switchover, watch
from migrator.pipeline import restore as pipeline_restore
from migrator.records.monitor import Outcome, Watched
from migrator.records.switch import Switched
from migrator.records.verify import Migrated
from migrator.reports import switch as switch_report
from migrator.reports import terminal
from migrator.stages.monitor.error_rate import Limits
from migrator.stages.monitor.event_feed import Feed, Pipe
from migrator.stages.monitor.silence import SILENCE_S
from migrator.switch.workspace import Workspace
from migrator.system import error_hints, output_files, paths
from migrator.system.escaping import escaped

#: Exit codes of a monitor that rolled back, of one whose events were too few to decide, and of a rollback that is done and
#: left rows in the residue, a file aside or a process to restart.
ROLLED_BACK, UNDECIDED, RESIDUE = 4, 6, 7
#: Time between two writes of the textfile for Prometheus, and between two lines without a terminal [s].
_PROMETHEUS_S, _LINE_S = 5.0, 60.0


#: What the textfile may be beside a regular file.  Not a FIFO: the watch would wait for its reader.
_TEXTFILE = frozenset({output_files.DEVICE})


class _Share(click.ParamType[Fraction]):
    """A share between 0 and 1, as an exact fraction."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Return *value* as a fraction."""
        try:
            share = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 < share < 1:
            self.fail(f"{value!r} is not between 0 and 1", param, ctx)
        return share


class _Seconds(click.FloatRange):
    """A time in seconds that a clock can show: neither NaN, which is in every range, nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return *value* as a number."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


@click.command(cls=command_hints.Verb)
@click.option(
    "--data-dir",
    metavar="DIR",
    type=options.NamedPath(follow=True),
    help="Default: a dirty specimen.",
)
@options.INCLUDE
@options.CONFIG
@click.option("--run", metavar="CMD", help="Your own tests, run on the consolidated copy; they find it by DATA_DIR.")
@options.ALL
@options.JSON
@options.QUIET
def rehearse(
    data_dir: Path | None,
    include: tuple[Path, ...],
    config: Path | None,
    run: str | None,
    details: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go all the way and back on a scratch copy of DIR, or on a specimen when none is named; nothing else is touched.

    Migrate, cut over, write, let statements fail until the monitor rolls back by itself, compare.
    """
    configured = None if data_dir is None else options.config_path(data_dir, config)
    if data_dir is not None:
        options.look(Workspace(data_dir, include))
    with progress.shown(quiet=quiet) as observer:
        rehearsed = rehearsal.rehearse(data_dir, include, configured, run=shlex.split(run or ""), observer=observer)
    output.show(
        "rehearse",
        rehearsed,
        terminal.rehearsal_table(rehearsed, every=details),
        as_json=as_json,
        quiet=quiet,
        code=0 if rehearsed.holds else MigratorError.exit_code,
        reasons=(*rehearsed.migrated.verified.reasons, *rehearsed.differences),
    )


@click.command(cls=command_hints.Verb)
@options.takes(options.SWITCH, options.DETAILED)
@click.option("--catch-up", is_flag=True, help="Repeat snapshot, build and verify first: the sources may have changed.")
def cutover(common: options.Common, execute: bool, catch_up: bool) -> None:
    """Switch to the consolidated set in one instant, or show what that would do."""
    workspace, configuration = common.workspace()
    configured = common.configured
    if execute:
        common.log(workspace)
    switched = switchover.cutover(
        workspace,
        configuration,
        execute=execute,
        observer=output.Shown(quiet=common.quiet),
        catch_up=partial(_caught_up, common, workspace, configuration, configured) if catch_up else None,
    )
    _show(common, switched)


def _caught_up(common: options.Common, workspace: Workspace, config: Config, configured: Path | None) -> Migrated:
    """Repeat snapshot, build and verify, and show how far they are."""
    with progress.shown(quiet=common.quiet) as observer:
        return pipeline_migrate.migrate(workspace, config, configured, observer)


@click.command(cls=command_hints.Verb)
@options.takes((*options.SOURCES, options.ENV_FILE, options.STOPPED))
@click.option(
    "--window",
    metavar="S",
    type=_Seconds(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds over which the error rate is taken.",
)
@click.option(
    "--min-events",
    metavar="N",
    type=click.IntRange(min=1),
    default=440,
    show_default=True,
    help="Events in the window from which on its rate counts; the test over all events needs no minimum.",
)
@click.option(
    "--threshold",
    metavar="SHARE",
    type=_Share(),
    default="0.05",
    show_default=True,
    help="Go back when more than this share of the events failed.",
)
@click.option(
    "--events",
    metavar="FILE",
    help="JSON lines with ok and failed: a file, which may appear later, or a FIFO; - for stdin.  Default: what "
    "migrator.connect counts.",
)
@click.option(
    "--silence",
    metavar="S",
    type=_Seconds(min=0),
    default=SILENCE_S,
    show_default=True,
    help="Alarm after S seconds without an event, or without a counted statement of a process that has a database open; "
    "0 for never.",
)
@click.option("--once", is_flag=True, help="Count what came since the last run, judge, and end; for cron or a timer.")
@click.option("--for", "seconds", metavar="S", type=_Seconds(min=0), help="End after S seconds.")
@click.option(
    "--patience",
    metavar="S",
    type=_Seconds(min=0),
    default=watch.PATIENCE_S,
    show_default=True,
    help="Seconds for which the rollback waits for processes that have a database open.",
)
@click.option(
    "--prometheus",
    metavar="FILE",
    type=options.OutputPath(beside=_TEXTFILE),
    help="A textfile for Prometheus, kept current.",
)
def monitor(
    common: options.Common,
    window: float,
    min_events: int,
    threshold: Fraction,
    events: str | None,
    silence: float,
    once: bool,
    seconds: float | None,
    patience: float,
    prometheus: Path | None,
) -> None:
    """Watch the error rate; roll back above the limit, once, and exit with 4.

    Ends when the time is over, stdin ends, or it is interrupted: with 0 if the application is sound, 6 if the events were not
    enough to decide, 1 after an alarm: silence, or a process wrote to an original.
    """
    workspace, configuration = common.workspace(go_on=True)
    common.log(workspace)
    limits = Limits(window_s=window, min_events=min_events, threshold=threshold)
    with _watching(prometheus, quiet=common.quiet) as tell:
        watched = watch.monitor(
            workspace,
            configuration,
            limits,
            _stdin() if events == "-" else None,
            log=None if events in (None, "-") else paths.beside_itself(Path(events)),
            silence_s=silence,
            once=once,
            until=lambda gone: seconds is not None and gone >= seconds,
            tell=tell,
            patience_s=patience,
        )
    uncounted = _uncounted(watched) if events is not None else ""
    if uncounted and not watched.rolled_back:
        output.loudly(uncounted)
    alarms = (*([uncounted] if uncounted else []), *_alarms(watched))
    common.show(
        "monitor",
        watched,
        terminal.watch_text(watched, limits),
        code=_code(watched, alarms),
        reasons=alarms,
    )


def _code(watched: Watched, alarms: tuple[str, ...]) -> int:
    """Return the exit code of a watch that ended with *alarms*."""
    if watched.rolled_back:
        return ROLLED_BACK
    if alarms:
        return MigratorError.exit_code
    return UNDECIDED if watched.outcome is Outcome.UNDECIDED else 0


@click.command(cls=command_hints.Verb)
@options.takes(options.SWITCH, options.DETAILED)
def rollback(common: options.Common, execute: bool) -> None:
    """Switch back to the legacy set, with the rows written since the cutover, or show what that would do.

    Exits with 7 if that leaves something to its owner: rows in the residue, a file kept aside, a process to restart.
    """
    workspace, configuration = common.workspace(go_on=True)
    if execute:
        common.log(workspace)
    switched = switchover.rollback(workspace, configuration, execute=execute, observer=output.Shown(quiet=common.quiet))
    _show(common, switched)


@click.command(cls=command_hints.Verb)
@options.takes(
    (options.DATA_DIR, options.INCLUDE, options.ENV_FILE, options.EXECUTE, options.STOPPED), options.DETAILED
)
@click.argument("run", metavar="RUN")
def restore(common: options.Common, run: str, execute: bool) -> None:
    """Put the legacy files of the snapshot RUN back where they were, or show what that would do.

    What they replace is kept in DIR/backup/RUN/replaced.  After a cutover it is refused: go back first.
    """
    workspace = common.undecided()
    options.look(workspace)
    if execute:
        common.log(workspace)
    restored = pipeline_restore.restore(workspace, run, execute=execute, observer=output.Shown(quiet=common.quiet))
    _show(common, restored)


def _show(common: options.Common, switched: Switched) -> None:
    """Print the result of a switch; exit with 3 if there is a reason against it, with 7 if it left something to its owner.

    With ``--quiet`` the reasons go to stderr.
    """
    against = (*switched.refusals, *switched.holders)
    if against and common.quiet:
        output.loudly("; ".join(against))
    # A cutover ends with a late process too, and no row is lost by it.
    left = switched.kind != "cutover" and (switched.residue or switched.aside or switched.late)
    common.show(
        switched.kind,
        switched,
        switch_report.text(switched, every=common.details),
        code=Refused.exit_code if against else RESIDUE if left else 0,
        reasons=against or switched.late,
    )


def _uncounted(watched: Watched) -> str:
    """Return a sentence if there were lines and none counted in the window; else ''."""
    if watched.unread and not watched.seen:
        return (
            f"none of {watched.unread:,} lines could be read as an event, so there is no rate; "
            'write {"ok": 1} or {"failed": 1}, with "at" in seconds since 1970 or in ISO 8601'
        )
    if watched.seen and watched.old == watched.seen:
        return (
            f"all of {watched.seen:,} events were older than the watch when they were read; the rate is not known; "
            "compare the times in the log with: date --utc"
        )
    return ""


def _stdin() -> Feed:
    """Return the events that come through stdin.

    Raises:
        UsageError: It is closed.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed", where="--events -", hint="name the log, or pipe it in")
    return Pipe(sys.stdin.fileno())


@contextmanager
def _watching(prometheus: Path | None, *, quiet: bool) -> Iterator[Callable[[Watched], None]]:
    """Yield a function that shows the watch: a live line on a terminal, else a line a minute; alarms at once."""
    console = Console(stderr=True)
    told: set[str] = set()
    unwritten: set[str] = set()
    due = {"line": 0.0, "textfile": 0.0}

    def late(now: float, what: str, every_s: float) -> bool:
        if now < due[what]:
            return False
        due[what] = now + every_s
        return True

    with console.status("watching") if console.is_terminal and not quiet else _nothing() as line:

        def tell(watched: Watched) -> None:
            now = time.monotonic()
            _sound(watched, told)
            if line is not None:
                line.update(terminal.watch_line(watched))
            elif not quiet and late(now, "line", _LINE_S):
                click.echo(terminal.watch_line(watched), err=True)
            if prometheus is not None and (watched.fired or late(now, "textfile", _PROMETHEUS_S)):
                _publish(prometheus, watched, unwritten)
            if watched.fired:
                output.loudly(f"ROLLING BACK: {terminal.watch_line(watched)}")

        yield tell


def _publish(path: Path, watched: Watched, told: set[str]) -> None:
    """Write the textfile, or print once why that fails: on a full disk above all the watch has to go on, and to roll back."""
    try:
        output_files.write(path, terminal.prometheus_text(watched), beside=_TEXTFILE)
    except (OSError, UsageError) as error:
        problem = f"the file for Prometheus is not written: {error_hints.reason(error) if isinstance(error, OSError) else error}"
        if problem not in told:
            output.loudly(problem)
        told.add(problem)


def _sound(watched: Watched, told: set[str]) -> None:
    """Print the alarms that were not *told* before, one sentence each; one that ended is told again if it comes back."""
    alarms = _alarms(watched)
    for alarm in alarms:
        if alarm not in told:
            output.loudly(f"ALARM: {alarm}")
    told.clear()
    told.update(alarms)


def _alarms(watched: Watched) -> tuple[str, ...]:
    """Return the alarms that last, one sentence each."""
    return (
        *watched.silent,
        *(
            f"{escaped(path)} was written to after the cutover; find out which program still uses it"
            for path in watched.late
        ),
        *(
            f"{escaped(path)} no longer leads to the consolidated set; find out which program replaced it"
            for path in watched.strayed
        ),
    )


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


#: The verbs.
COMMANDS = (rehearse, cutover, monitor, rollback, restore)
