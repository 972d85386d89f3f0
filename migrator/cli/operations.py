"""The verbs of the maintenance window: cutover, monitor, rollback, and the rehearsal of them all; no logic."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import click
from rich.console import Console

from migrator.cli import command_hints, options, output
from migrator.errors import MigratorError, Refused, UsageError
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import rehearsal, switchover, watch
from migrator.records.monitor import Watched
from migrator.records.switch import Switched
from migrator.reports import terminal
from migrator.stages.monitor.error_rate import Limits, false_alarm
from migrator.stages.monitor.event_feed import Feed, Pipe, Tail
from migrator.switch.workspace import Workspace
from migrator.system import durable_files, paths, user_files
from migrator.system.escaping import escaped

#: Exit code of a monitor that rolled back.
ROLLED_BACK = 4
#: Time between two writes of the textfile for Prometheus, and between two lines without a terminal [s].
_PROMETHEUS_S, _LINE_S = 5.0, 60.0
#: Share of windows in which an application with 2 % errors may be rolled back before the user is warned.
_RARE = 1e-4


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
@options.JSON
@options.QUIET
def rehearse(
    data_dir: Path | None,
    include: tuple[Path, ...],
    config: Path | None,
    run: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go all the way and back on a scratch copy of DIR, or on a specimen when none is named; nothing else is touched.

    Migrate, cut over, write, let statements fail until the monitor rolls back by itself, compare.
    """
    configured = None if data_dir is None else options.config_path(data_dir, config)
    if data_dir is not None:
        options.look(Workspace(data_dir))
    with output.progress_bar(quiet=quiet) as observer:
        rehearsed = rehearsal.rehearse(data_dir, include, configured, run=shlex.split(run or ""), observer=observer)
    output.show("rehearse", rehearsed, terminal.rehearsal_table(rehearsed), as_json=as_json, quiet=quiet)
    if not rehearsed.holds:
        sys.exit(MigratorError.exit_code)


@click.command(cls=command_hints.Verb)
@options.takes(options.SWITCH)
@click.option("--catch-up", is_flag=True, help="Repeat snapshot, build and verify first: the sources may have changed.")
def cutover(common: options.Common, execute: bool, catch_up: bool) -> None:
    """Switch to the consolidated set in one instant, or show what that would do."""
    workspace, configuration = common.workspace()
    configured = common.configured
    switched = switchover.cutover(
        workspace,
        configuration,
        execute=execute,
        observer=output.Shown(quiet=common.quiet),
        catch_up=(lambda: pipeline_migrate.migrate(workspace, configuration, configured)) if catch_up else None,
    )
    common.show("cutover", switched, terminal.switch_table(switched))
    _refuse(switched, quiet=common.quiet)


@click.command(cls=command_hints.Verb)
@options.takes((*options.SOURCES, options.ENV_FILE, options.STOPPED))
@click.option(
    "--window",
    metavar="S",
    type=click.FloatRange(min=0, min_open=True),
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
    help="Events in the window from which on its rate counts.",
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
    help="JSON lines with ok and failed, appended; - for stdin.  Default: what migrator.connect counts.",
)
@click.option("--for", "seconds", metavar="S", type=click.FloatRange(min=0), help="End after S seconds.")
@click.option(
    "--patience",
    metavar="S",
    type=click.FloatRange(min=0),
    default=watch.PATIENCE_S,
    show_default=True,
    help="Seconds for which the rollback waits for processes that have a database open.",
)
@click.option("--prometheus", metavar="FILE", type=options.NamedPath(), help="A textfile for Prometheus, kept current.")
def monitor(
    common: options.Common,
    window: float,
    min_events: int,
    threshold: Fraction,
    events: str | None,
    seconds: float | None,
    patience: float,
    prometheus: Path | None,
) -> None:
    """Watch the error rate; roll back above the limit, once, and exit with 4.

    Ends when the time is over, stdin ends, or it is interrupted; with 1 if a process wrote to an original.
    """
    workspace, configuration = common.workspace(go_on=True)
    limits = Limits(window_s=window, min_events=min_events, threshold=threshold)
    with _watching(limits, prometheus, quiet=common.quiet) as tell:
        watched = watch.monitor(
            workspace,
            configuration,
            limits,
            _feed(events),
            until=lambda gone: seconds is not None and gone >= seconds,
            tell=tell,
            patience_s=patience,
        )
    common.show("monitor", watched, terminal.watch_text(watched, limits))
    if watched.rolled_back:
        sys.exit(ROLLED_BACK)
    uncounted = _uncounted(watched) if events is not None else ""
    if uncounted:
        output.loudly(uncounted)
    if uncounted or watched.late or watched.strayed:
        sys.exit(MigratorError.exit_code)


@click.command(cls=command_hints.Verb)
@options.takes(options.SWITCH)
def rollback(common: options.Common, execute: bool) -> None:
    """Switch back to the legacy set, with the rows written since the cutover, or show what that would do."""
    workspace, configuration = common.workspace(go_on=True)
    switched = switchover.rollback(workspace, configuration, execute=execute, observer=output.Shown(quiet=common.quiet))
    common.show("rollback", switched, terminal.switch_table(switched))
    _refuse(switched, quiet=common.quiet)
    if switched.residue or switched.aside or switched.late:
        sys.exit(MigratorError.exit_code)


def _refuse(switched: Switched, *, quiet: bool) -> None:
    """Exit with 3 if there is a reason against the switch; with *quiet* print it on stderr."""
    against = (*switched.refusals, *switched.holders)
    if against:
        if quiet:
            output.loudly("; ".join(against))
        sys.exit(Refused.exit_code)


def _uncounted(watched: Watched) -> str:
    """Return a sentence if there were lines and none counted in the window; else ''."""
    if watched.unread and not watched.seen:
        return (
            f"none of {watched.unread:,} lines could be read as an event, so there is no rate; "
            'write {"ok": 1} or {"failed": 1}, with "at" in seconds since 1970 or in ISO 8601'
        )
    if watched.seen and watched.old == watched.seen:
        return (
            f"all of {watched.seen:,} events were older than the window when they were read; the rate is not known; "
            "compare the times in the log with: date --utc"
        )
    return ""


def _feed(events: str | None) -> Feed | None:
    """Return the source of events: stdin, a log from its end on, or None for the events that our connections count."""
    if events is None:
        return None
    if events != "-":
        log = paths.beside_itself(Path(events))
        # The feed would wait for a misspelt name without an end.
        user_files.opened(log).close()
        return Tail(log, whole=False)
    if sys.stdin is None:
        raise UsageError("stdin is closed", where="--events -", hint="name the log, or pipe it in")
    return Pipe(sys.stdin.fileno())


@contextmanager
def _watching(limits: Limits, prometheus: Path | None, *, quiet: bool) -> Iterator[Callable[[Watched], None]]:
    """Yield a function that shows the watch: a live line on a terminal, else a line a minute; alarms at once."""
    if (often := false_alarm(limits)) >= _RARE:
        output.loudly(
            f"with these limits a sound application (2 % errors) is rolled back in {often:.2%} of all windows"
        )
    console = Console(stderr=True)
    told: set[str] = set()
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
                durable_files.write(prometheus, terminal.prometheus_text(watched))
            if watched.fired:
                output.loudly(f"ROLLING BACK: {terminal.watch_line(watched)}")

        yield tell


def _sound(watched: Watched, told: set[str]) -> None:
    """Print the alarms that were not *told* before, one sentence each."""
    alarms = [
        f"{escaped(path)} was written to after the cutover; find out which program still uses it"
        for path in watched.late
    ]
    alarms += [
        f"{escaped(path)} no longer leads to the consolidated set; find out which program replaced it"
        for path in watched.strayed
    ]
    for alarm in alarms:
        if alarm not in told:
            output.loudly(f"ALARM: {alarm}")
    told.update(alarms)


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


#: The verbs.
COMMANDS = (rehearse, cutover, monitor, rollback)
