"""The command line: verbs in the order of the pipeline, options, exit codes; no logic.

stdout is the result, stderr is progress and errors.  ``--json`` prints one object with a schema version.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import NoReturn

import click

from migrator import PIPELINE
from migrator.cli import command_hints, operations, options
from migrator.cli import output as cli_output
from migrator.config import config_file
from migrator.errors import MigratorError, Refused, UsageError
from migrator.pipeline import hooks
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import status as pipeline_status
from migrator.pipeline.backup import snapshot_in_use
from migrator.reports import page, terminal
from migrator.stages.inventory import stage as inventory_stage
from migrator.stages.verify import stage as verify_stage
from migrator.switch.workspace import Workspace
from migrator.system import durable_files, error_hints, escaping, paths, temporary_folders
from migrator.system.shell import quoted

#: Names of the signals that end a run, and the signals that have ended this one.
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
_INTERRUPTED: set[int] = set()
#: The verbs that are not stages, and the stage before which each is listed; '' is the end.
_BESIDE = {"specimen": "inventory", "migrate": "cutover", "status": "", "rehearse": "", "report": ""}


class _Ordered(click.Group):
    """A group that lists its verbs in the order of the pipeline instead of the alphabet."""

    command_class = command_hints.Verb

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in order."""
        del ctx
        return verbs()


def verbs() -> list[str]:
    """Return every verb, in the order of the pipeline."""
    ordered: list[str] = []
    for stage in (*PIPELINE, ""):
        ordered += [verb for verb, before in _BESIDE.items() if before == stage]
        ordered += [stage] if stage else []
    return ordered


@click.group(cls=_Ordered, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="jarvis-consolidation", prog_name="migrator")
def cli() -> None:
    """Take a trading bot's 29 SQLite files to three, provably and reversibly.

    Exit codes: 0 held; 1 a contract is broken or the run failed; 2 usage; 3 refused, nothing touched;
    4 monitor rolled back; 5 rollback failed, still consolidated.
    """


@cli.command()
@click.argument("directory", metavar="DIR", type=options.NamedPath())
@click.option(
    "--variant",
    type=click.Choice(["found", "specified"]),
    default="found",
    show_default=True,
    help="As production has it, or as the specification describes it.",
)
@click.option("--rows", metavar="N", type=click.IntRange(min=0), help="Rows in all.  Default: as production has them.")
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="The same seed makes the same data.")
@click.option("--dirty", is_flag=True, help="Plant every known hazard, and print which and how many.")
@click.option("--wal", is_flag=True, help="Leave rows in WALs that no checkpoint has moved.")
@options.JSON
@options.QUIET
def specimen(
    directory: Path, variant: str, rows: int | None, seed: int, dirty: bool, wal: bool, as_json: bool, quiet: bool
) -> None:
    """Make a synthetic legacy set of 29 files in the new folder DIR."""
    arguments = [str(directory), "--variant", variant, "--seed", str(seed)]
    arguments += ["--rows", str(rows)] if rows is not None else []
    arguments += [name for name, on in (("--dirty", dirty), ("--wal", wal), ("--json", as_json)) if on]
    options.run_contracts("contracts.specimens", arguments, quiet=quiet and not as_json)


@cli.command()
@options.takes((options.DATA_DIR, options.INCLUDE))
def inventory(common: options.Common) -> None:
    """Find every SQLite file below DIR and give each a verdict; changes nothing."""
    data_dir = paths.resolved(common.data_dir)
    options.look(Workspace(data_dir))
    inventoried = inventory_stage.inventory(data_dir, include=common.include)
    common.show("inventory", inventoried, terminal.inventory_table(inventoried))


@cli.command()
@options.takes(options.SOURCES)
def plan(common: options.Common) -> None:
    """Show what would happen to every table, and count what would be quarantined; changes nothing."""
    workspace, configuration = common.workspace()
    planned = pipeline_migrate.plan(workspace, configuration, count=True)
    common.show("plan", planned, terminal.plan_table(planned))
    if planned.refusals:
        sys.exit(Refused.exit_code)


@cli.command()
@options.takes(options.SOURCES)
def backup(common: options.Common) -> None:
    """Copy all files as they are at one instant to DIR/backup, and read the copies back; after a cutover the three."""
    workspace, configuration = common.workspace(alone=True, go_on=True)
    snapshot = snapshot_in_use(workspace, configuration)
    common.show("backup", snapshot, terminal.backup_text(snapshot))


@cli.command()
@options.takes((options.DATA_DIR, options.CONFIG))
def build(common: options.Common) -> None:
    """Build the three databases from the newest snapshot, into DIR/.migrator/stage."""
    workspace, configuration = common.workspace(alone=True)
    with cli_output.progress_bar(quiet=common.quiet) as observer:
        built = pipeline_migrate.build(workspace, configuration, observer=observer)
    common.show("build", built, terminal.build_table(built))
    if not built.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@options.takes((options.DATA_DIR, options.CONFIG))
@click.option("--legacy", metavar="DIR", type=options.NamedPath(follow=True), help="The legacy set of any pair.")
@click.option(
    "--consolidated", metavar="DIR", type=options.NamedPath(follow=True), help="The three databases of any pair."
)
@click.option("--evidence", metavar="FILE", type=options.NamedPath(), help="File to write the evidence on a pair to.")
def verify(common: options.Common, legacy: Path | None, consolidated: Path | None, evidence: Path | None) -> None:
    """Run the contracts on the newest snapshot and the stage, or on any pair; read-only."""
    if (legacy is None) != (consolidated is None) or (evidence is not None and legacy is None):
        raise UsageError("--legacy and --consolidated go together, --evidence with them", where="migrator verify")
    if legacy is not None and consolidated is not None:
        verified = verify_stage.verify(legacy, consolidated, config=common.config, evidence=evidence)
    else:
        workspace, _ = common.workspace(alone=True)
        verified = pipeline_migrate.verify_stage(workspace, common.configured)
    common.show("verify", verified, terminal.verify_text(verified))
    if not verified.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@options.takes(options.SOURCES)
def migrate(common: options.Common) -> None:
    """Go from inventory to verify in one run; the sources keep every byte."""
    workspace, configuration = common.workspace(alone=True)
    with cli_output.progress_bar(quiet=common.quiet) as observer:
        migrated = pipeline_migrate.migrate(workspace, configuration, common.configured, observer=observer)
    stage = quoted(workspace.stage)
    step = f"check the table quarantine in each of the three databases in {stage}; then: migrator cutover"
    common.show("migrate", migrated, terminal.migrate_table(migrated, step))
    if not migrated.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@options.takes(options.SOURCES)
@click.option(
    "--evidence", metavar="FILE", type=options.NamedPath(), help="Check FILE instead of the run's own evidence."
)
@click.option("--legacy", metavar="DIR", type=options.NamedPath(follow=True), help="The legacy set that FILE is about.")
@click.option(
    "--consolidated", metavar="DIR", type=options.NamedPath(follow=True), help="The three databases that FILE is about."
)
def status(common: options.Common, evidence: Path | None, legacy: Path | None, consolidated: Path | None) -> None:
    """Show where the run stands and what the next safe step is; changes nothing.

    With --evidence: whether FILE vouches for the sources in DIR and its stage, or for the pair that is named.  Exits
    with 1 if it does not, one sentence for each reason.
    """
    if (legacy is None) != (consolidated is None) or (legacy is not None and evidence is None):
        raise UsageError("--legacy and --consolidated go together, with --evidence", where="migrator status")
    if legacy is not None and consolidated is not None and evidence is not None:
        stands = pipeline_status.check(
            evidence,
            pipeline_status.of_pair(
                legacy, consolidated, config_file.load(common.config or config_file.beside(legacy))
            ),
        )
    else:
        workspace, configuration = common.workspace()
        now = pipeline_status.present(workspace, configuration) if evidence else None
        stands = (
            pipeline_status.check(evidence, now)
            if evidence and now
            else pipeline_status.status(workspace, configuration)
        )
    common.show("status", stands, terminal.status_text(stands))
    if evidence is not None and stands.reasons:
        sys.exit(MigratorError.exit_code)


@cli.command("report")
@options.takes(options.SOURCES, ())
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown", "json"]),
    default="html",
    show_default=True,
    help="One page, a summary for a CI job, or everything for a program.",
)
@click.option("--output", metavar="FILE", type=options.NamedPath(), help="File to write.  Default: stdout.")
def write_report(common: options.Common, form: str, output: Path | None) -> None:
    """Write one file, HTML, JSON or Markdown, about a run; it shows no private values and needs nothing else."""
    workspace, configuration = common.workspace()
    report = pipeline_migrate.report(workspace, configuration)
    if form == "json":
        text = cli_output.json_text("report", report)
    else:
        text = page.html(report) if form == "html" else page.markdown(report)
    if output is None:
        click.echo(text, nl=False)
    else:
        durable_files.write(output, text)


for _command in operations.COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the command line and exit with the code that the error tree documents."""
    hooks.close_to_others()
    for name in _ENDING:
        # SIGHUP is not on every system, and stays ignored where nohup says so.
        by_default = (signal.SIG_DFL, signal.default_int_handler)
        if (number := getattr(signal, name, None)) and signal.getsignal(number) in by_default:
            signal.signal(number, _interrupt)
    try:
        cli.main(prog_name="migrator", standalone_mode=False)
    except MigratorError as error:
        if _INTERRUPTED:
            # The signal came while SQLite called one of our functions, and SQLite turned it into an error of its own.
            _end_interrupted()
        click.echo(f"migrator: {escaping.escaped(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has closed the pipe; discard the rest of stdout, so that Python does not report it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(MigratorError.exit_code)
    except (OSError, sqlite3.Error) as error:
        # Before a verb began, or after it ended: stdout is closed, or its disk is full.
        click.echo(f"migrator: {escaping.escaped(str(error_hints.told(error)))}", err=True)
        sys.exit(MigratorError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _end_interrupted()


def _interrupt(number: int, _: object) -> None:
    """End as after Ctrl-C, so that private copies are removed from TMPDIR; ignore further signals."""
    _INTERRUPTED.add(number)
    for name in _ENDING:
        if (other := getattr(signal, name, None)) and signal.getsignal(other) is _interrupt:
            signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_interrupted() -> NoReturn:
    temporary_folders.tidy()
    click.echo("migrator: interrupted; run it again", err=True)
    sys.exit(1)
