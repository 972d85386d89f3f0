"""The command line: verbs in the order of the pipeline, options, exit codes; no logic.

stdout is the result, stderr is progress and errors.  ``--json`` prints one object with a schema version.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click
from rich.text import Text

from migrator import PIPELINE
from migrator.cli import code_base, command_hints, fleet, operations, options, programs, progress, quarantine
from migrator.cli import output as cli_output
from migrator.config import config_file
from migrator.errors import MigratorError, Refused, UsageError
from migrator.pipeline import hooks
from migrator.pipeline import in_use as pipeline_in_use
from migrator.pipeline import init as pipeline_init
from migrator.pipeline import migrate as pipeline_migrate
from migrator.pipeline import prune as pipeline_prune
from migrator.pipeline import status as pipeline_status
from migrator.pipeline.backup import snapshot_in_use
from migrator.records.verify import VerifiedInUse
from migrator.reports import configuration, page, terminal
from migrator.reports import status as status_report
from migrator.stages import prune as prune_stage
from migrator.stages.inventory import stage as inventory_stage
from migrator.stages.verify import stage as verify_stage
from migrator.switch import state as switch_state
from migrator.switch.workspace import Workspace
from migrator.system import error_hints, escaping, installation, output_files, paths, run_lock, temporary_folders

#: Names of the signals that end a run, and the signals that have ended this one.
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
_INTERRUPTED: set[int] = set()
#: The verbs that are not stages, and the stage before which each is listed; '' is the end.
_BESIDE = {
    "specimen": "inventory",
    "init": "plan",
    "migrate": "cutover",
    "explain": "cutover",
    "census": "cutover",
    "replay": "cutover",
    "quarantine": "cutover",
    "compat": "cutover",
    "status": "",
    "rehearse": "",
    "report": "",
    "fleet": "",
    "prune": "",
    "restore": "",
}


#: Suffix of a report's file, unless it is the name of its form.
_SUFFIXES = {"markdown": "md"}


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
@click.version_option(package_name=installation.DISTRIBUTION, prog_name="migrator")
def cli() -> None:
    """Take a trading bot's 29 SQLite files to three, provably and reversibly.

    Exit codes: 0 held; 1 a contract is broken or the run failed; 2 usage; 3 refused, nothing touched;
    4 monitor rolled back; 5 rollback failed, still consolidated; 6 monitor had too few events to decide;
    7 rolled back, with rows in the residue; 130 interrupted.
    """
    temporary_folders.remove_abandoned()


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
    arguments += [name for name, on in (("--dirty", dirty), ("--wal", wal)) if on]
    options.run_contracts("specimen", "contracts.specimens", arguments, as_json=as_json, quiet=quiet)


@cli.command()
@options.takes((options.DATA_DIR, options.INCLUDE), options.DETAILED)
def inventory(common: options.Common) -> None:
    """Find every SQLite file below DIR and give each a verdict; changes nothing."""
    data_dir = paths.resolved(common.data_dir)
    options.look(Workspace(data_dir, common.include))
    inventoried = inventory_stage.inventory(data_dir, include=common.include)
    common.show("inventory", inventoried, terminal.inventory_table(inventoried, every=common.details))


@cli.command()
@options.takes(options.SOURCES)
@click.option("--print", "only_print", is_flag=True, help="Print the configuration; write nothing.")
@click.option("--replace", "replace_it", is_flag=True, help="Replace a configuration that is there.")
def init(common: options.Common, only_print: bool, replace_it: bool) -> None:
    """Write DIR/migrator.toml with what the files need from you: constants, fates, amendments, each with why.

    Every line is a comment until you fill it in.  An existing file is kept unless --replace is given.
    """
    data_dir = paths.resolved(common.data_dir)
    workspace = Workspace(data_dir, common.include)
    options.look(workspace)
    path = common.config or data_dir / "migrator.toml"
    proposal = pipeline_init.init(workspace, path, write=not only_print, replace_it=replace_it)
    if only_print and not common.as_json:
        click.echo(proposal.text, nl=False)
    else:
        common.show("init", proposal, Text(configuration.summary(proposal)))


@cli.command()
@options.takes(options.SOURCES, options.DETAILED)
def plan(common: options.Common) -> None:
    """Show what would happen to every table, and count what would be quarantined; changes nothing."""
    workspace, configuration = common.workspace()
    planned = pipeline_migrate.plan(workspace, configuration, count=True)
    common.show(
        "plan",
        planned,
        terminal.plan_table(planned, every=common.details),
        code=Refused.exit_code if planned.refusals else 0,
        reasons=planned.refusals,
    )


@cli.command()
@options.takes(options.SOURCES)
def backup(common: options.Common) -> None:
    """Copy all files as they are at one instant to DIR/backup, and read the copies back; after a cutover the three."""
    workspace, configuration = common.workspace(alone=True, go_on=True)
    snapshot = snapshot_in_use(workspace, configuration)
    common.show("backup", snapshot, terminal.backup_text(snapshot))


@cli.command()
@options.takes((options.DATA_DIR, options.CONFIG), options.DETAILED)
def build(common: options.Common) -> None:
    """Build the three databases from the newest snapshot, into DIR/.migrator/stage."""
    workspace, configuration = common.workspace(alone=True)
    with progress.shown(quiet=common.quiet) as observer:
        built = pipeline_migrate.build(workspace, configuration, observer=observer)
    common.show(
        "build",
        built,
        terminal.build_table(built, every=common.details),
        code=0 if built.holds else MigratorError.exit_code,
        reasons=tuple(terminal.unaccounted(built)),
    )


@cli.command()
@options.takes((*options.SOURCES, options.ENV_FILE, options.STOPPED))
@click.option("--legacy", metavar="DIR", type=options.NamedPath(follow=True), help="The legacy set of any pair.")
@click.option(
    "--consolidated", metavar="DIR", type=options.NamedPath(follow=True), help="The three databases of any pair."
)
@click.option("--evidence", metavar="FILE", type=options.NamedPath(), help="File to write the evidence on a pair to.")
def verify(common: options.Common, legacy: Path | None, consolidated: Path | None, evidence: Path | None) -> None:
    """Run the contracts on the newest snapshot and the stage, or on any pair; after a cutover judge the set in use.

    Changes no database.  After a cutover no evidence is written: names, databases and originals are checked, and a rollback on
    copies proves that each row written since would come back.
    """
    if (legacy is None) != (consolidated is None) or (evidence is not None and legacy is None):
        raise UsageError("--legacy and --consolidated go together, --evidence with them", where="migrator verify")
    if legacy is not None and consolidated is not None:
        with progress.shown(quiet=common.quiet) as observer:
            observer.stage("verify", unit="contracts")
            verified = verify_stage.verify(
                legacy, consolidated, config=common.config, evidence=evidence, progress=observer.done
            )
    else:
        workspace, _ = common.workspace(alone=True, go_on=True)
        if last := switch_state.cutover_in_use(workspace.data_dir):
            _verify_in_use(common, pipeline_in_use.verify(workspace, last))
            return
        with progress.shown(quiet=common.quiet) as observer:
            verified = pipeline_migrate.verify_stage(workspace, common.configured, observer)
    common.show(
        "verify",
        verified,
        terminal.verify_text(verified),
        code=0 if verified.holds else MigratorError.exit_code,
        reasons=verified.reasons,
    )


def _verify_in_use(common: options.Common, verified: VerifiedInUse) -> None:
    """Show the verdict on the set in use, and exit with 1 if something is wrong with it."""
    common.show(
        "verify",
        verified,
        terminal.verify_in_use_text(verified),
        code=0 if verified.holds else MigratorError.exit_code,
        reasons=verified.broken,
    )


@cli.command()
@options.takes(options.SOURCES, options.DETAILED)
def migrate(common: options.Common) -> None:
    """Go from inventory to verify in one run; the sources keep every byte."""
    workspace, configuration = common.workspace(alone=True)
    with progress.shown(quiet=common.quiet) as observer:
        migrated = pipeline_migrate.migrate(workspace, configuration, common.configured, observer=observer)
    step = "check the rows in quarantine: migrator quarantine list; then: migrator cutover"
    common.show(
        "migrate",
        migrated,
        terminal.migrate_table(migrated, step, every=common.details),
        code=0 if migrated.holds else MigratorError.exit_code,
        reasons=(*terminal.unaccounted(migrated.built), *migrated.verified.reasons),
    )


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
    common.show(
        "status",
        stands,
        status_report.text(stands),
        code=MigratorError.exit_code if evidence is not None and stands.reasons else 0,
        reasons=stands.reasons,
    )


@cli.command()
@options.takes((options.DATA_DIR, options.EXECUTE), options.DETAILED)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    default=prune_stage.SNAPSHOTS,
    show_default=True,
    help="Newest snapshots that are kept.",
)
@click.option(
    "--keep-backups",
    metavar="N",
    type=click.IntRange(min=1),
    default=prune_stage.BACKUPS,
    show_default=True,
    help="Newest backups of the three that are kept.",
)
@click.option("--unique", is_flag=True, help="Remove also runs with a residue, or files kept aside or replaced.")
def prune(common: options.Common, execute: bool, keep: int, keep_backups: int, unique: bool) -> None:
    """Remove old runs from DIR/backup, or show which and why each other is kept.

    Never removes what a rollback, the stage or its evidence needs, nor the newest run.
    """
    workspace = common.undecided()
    options.look(workspace, alone=execute)
    with run_lock.locked(workspace.data_dir) if execute else nullcontext():
        if execute:
            common.log(workspace)
        pruned = pipeline_prune.prune(workspace, execute=execute, snapshots=keep, copies=keep_backups, unique=unique)
    common.show(
        "prune",
        pruned,
        status_report.removal(pruned, every=common.details),
        code=Refused.exit_code if pruned.refusals else 0,
        reasons=pruned.refusals,
    )


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
@click.option(
    "--output",
    metavar="FILE",
    help="File to write; - for stdout.  Default: migrator-report.html, .md or .json in the current folder.",
)
def write_report(common: options.Common, form: str, output: str | None) -> None:
    """Write one file, HTML, JSON or Markdown, about a run; it shows no private values and needs nothing else."""
    workspace, configuration = common.workspace()
    report = pipeline_migrate.report(workspace, configuration)
    if form == "json":
        text = cli_output.json_text("report", report)
    else:
        text = page.html(report) if form == "html" else page.markdown(report)
    if output == "-":
        click.echo(text, nl=False)
        return
    path = paths.beside_itself(Path(output or f"migrator-report.{_SUFFIXES.get(form, form)}"))
    if output_files.write(path, text):
        click.echo(escaping.escaped(path))


#: Reads whether a command line without a verb asks for JSON.
_AS_JSON = options.JSON(click.Command(None))

for _command in (*operations.COMMANDS, *code_base.COMMANDS, *quarantine.COMMANDS, *programs.COMMANDS, *fleet.COMMANDS):
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
        if isinstance(error, click.UsageError) and error.ctx is not None and isinstance(error.ctx.command, click.Group):
            # No verb has read the command line.
            command_hints.print_usage_as_json(_AS_JSON, error.ctx, sys.argv[1:], error)
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
    """End as a shell expects it: with 128 and the number of the signal, 130 after Ctrl-C."""
    temporary_folders.tidy()
    click.echo("migrator: interrupted; run it again", err=True)
    sys.exit(128 + min(_INTERRUPTED, default=int(signal.SIGINT)))
