"""The command line: verbs in the order of the pipeline, options, exit codes; no logic.

stdout is the result, stderr is progress and errors.  ``--json`` prints one object with a schema version.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from migrator import PIPELINE, pipeline, plain, report
from migrator import config as configs
from migrator.errors import MigratorError, Refused, UsageError

#: Version of what ``--json`` prints; it changes when a field goes or changes its meaning.
JSON_SCHEMA = 1

#: What the verbs that are still to come will do: name -> one sentence.
PLANNED: Mapping[str, str] = {
    "cutover": "Switch over in one instant; only with fresh green evidence and --execute.",
    "monitor": "Watch the error rate; roll back above the limit.",
    "rollback": "Go back to the legacy set with the rows written since; only with --execute.",
    "status": "Say where the run stands and what the next safe step is.",
    "report": "Write one file, HTML, JSON or Markdown, about a run.",
}

#: The verbs that are not stages, and the stage before which each is listed; '' is the end.
_BESIDE = {"specimen": "inventory", "migrate": "cutover", "status": "", "rehearse": "", "report": ""}


class _Ordered(click.Group):
    """A group that lists its verbs in the order of the pipeline instead of the alphabet."""

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


_DATA_DIR = click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar="MIGRATOR_DATA_DIR",
    show_envvar=True,
    default=Path("~/.lifeos/data"),
    help="The folder that holds the databases.  Default: ~/.lifeos/data.",
)
_INCLUDE = click.option(
    "--include",
    metavar="PATH",
    type=click.Path(path_type=Path),
    multiple=True,
    envvar="MIGRATOR_INCLUDE",
    show_envvar=True,
    help="A database outside DIR; repeatable.",
)
_CONFIG = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="MIGRATOR_CONFIG",
    show_envvar=True,
    help="What the owners decided.  Default: DIR/migrator.toml if it exists.",
)
_JSON = click.option("--json", "as_json", is_flag=True, envvar="MIGRATOR_JSON", help="Print one JSON object.")
_QUIET = click.option("--quiet", is_flag=True, envvar="MIGRATOR_QUIET", help="Print errors only.")


@cli.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--variant",
    type=click.Choice(["found", "specified"]),
    default="found",
    show_default=True,
    help="As production has it, or as the specification describes it.",
)
@click.option("--rows", metavar="N", type=click.IntRange(min=0), help="Rows in all.  Default: as production has them.")
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="The same seed makes the same data.")
@click.option("--dirty", is_flag=True, help="Plant every known hazard, and say which and how many.")
@click.option("--wal", is_flag=True, help="Leave rows in WALs that no checkpoint has moved.")
@_JSON
@_QUIET
def specimen(
    directory: Path, variant: str, rows: int | None, seed: int, dirty: bool, wal: bool, as_json: bool, quiet: bool
) -> None:
    """Make a synthetic legacy set of 29 files in the new folder DIR."""
    arguments = [str(directory), "--variant", variant, "--seed", str(seed)]
    arguments += ["--rows", str(rows)] if rows is not None else []
    arguments += [name for name, on in (("--dirty", dirty), ("--wal", wal), ("--json", as_json)) if on]
    _run_contracts("contracts.specimens", arguments, quiet=quiet and not as_json)


@cli.command()
@_DATA_DIR
@_INCLUDE
@_JSON
@_QUIET
def inventory(data_dir: Path, include: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Find every SQLite file below DIR and give each one verdict; changes nothing."""
    found = pipeline.inventory(data_dir.expanduser(), include=include)
    _show("inventory", found, report.inventory_table(found), as_json=as_json, quiet=quiet)


@cli.command()
@_DATA_DIR
@_INCLUDE
@_CONFIG
@_JSON
@_QUIET
def plan(data_dir: Path, include: tuple[Path, ...], config: Path | None, as_json: bool, quiet: bool) -> None:
    """Show what would happen to every table, and count what would be quarantined; changes nothing."""
    place, configuration = _place(data_dir, include, config)
    planned = pipeline.plan(place, configuration, count=True)
    _show("plan", planned, report.plan_table(planned), as_json=as_json, quiet=quiet)
    if planned.refusals:
        sys.exit(Refused.exit_code)


@cli.command()
@_DATA_DIR
@_INCLUDE
@_CONFIG
@_JSON
@_QUIET
def backup(data_dir: Path, include: tuple[Path, ...], config: Path | None, as_json: bool, quiet: bool) -> None:
    """Copy all files as they are at one instant to DIR/backup, and read the copies back."""
    place, configuration = _place(data_dir, include, config)
    snapshot = pipeline.backup(pipeline.plan(place, configuration), place)
    _show("backup", snapshot, report.backup_text(snapshot), as_json=as_json, quiet=quiet)


@cli.command()
@_DATA_DIR
@_CONFIG
@_JSON
@_QUIET
def build(data_dir: Path, config: Path | None, as_json: bool, quiet: bool) -> None:
    """Build the three databases from the newest snapshot, into DIR/.migrator/stage."""
    place, configuration = _place(data_dir, (), config)
    with _progress(quiet=quiet) as progress:
        built = pipeline.build(place, configuration, progress=progress)
    _show("build", built, report.build_table(built), as_json=as_json, quiet=quiet)
    if not built.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@_DATA_DIR
@_CONFIG
@click.option("--legacy", metavar="DIR", type=click.Path(path_type=Path), help="The legacy set of any pair.")
@click.option("--consolidated", metavar="DIR", type=click.Path(path_type=Path), help="The three databases of any pair.")
@_JSON
@_QUIET
def verify(
    data_dir: Path,
    config: Path | None,
    legacy: Path | None,
    consolidated: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the contracts on the newest snapshot and the stage, or on any pair; read-only."""
    if (legacy is None) != (consolidated is None):
        raise UsageError("--legacy and --consolidated go together", where="migrator verify")
    if legacy is not None and consolidated is not None:
        verified = pipeline.verify(legacy, consolidated, config=config)
    else:
        place, _ = _place(data_dir, (), config)
        verified = pipeline.verify_stage(place, _config_path(place.data_dir, config))
    _show("verify", verified, report.verify_text(verified), as_json=as_json, quiet=quiet)
    if not verified.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@_DATA_DIR
@_INCLUDE
@_CONFIG
@_JSON
@_QUIET
def migrate(data_dir: Path, include: tuple[Path, ...], config: Path | None, as_json: bool, quiet: bool) -> None:
    """Go from inventory to verify in one run; the sources keep every byte."""
    place, configuration = _place(data_dir, include, config)
    with _progress(quiet=quiet) as progress:
        migrated = pipeline.migrate(place, configuration, _config_path(place.data_dir, config), progress=progress)
    step = "look at what is quarantined in DIR/.migrator/stage; cutover is not built yet"
    _show("migrate", migrated, report.migrate_table(migrated, step), as_json=as_json, quiet=quiet)
    if not migrated.holds:
        sys.exit(MigratorError.exit_code)


@cli.command()
@click.option("--data-dir", metavar="DIR", type=click.Path(path_type=Path), help="Default: a dirty specimen.")
@_INCLUDE
@_CONFIG
@_JSON
@_QUIET
def rehearse(data_dir: Path | None, include: tuple[Path, ...], config: Path | None, as_json: bool, quiet: bool) -> None:
    """Migrate a scratch copy of DIR, or a specimen when none is named; nothing else is touched."""
    configured = None if data_dir is None else _config_path(data_dir.expanduser(), config)
    with _progress(quiet=quiet) as progress:
        migrated = pipeline.rehearse(data_dir and data_dir.expanduser(), include, configured, progress=progress)
    step = "migrator migrate --data-dir DIR; of this rehearsal nothing is left"
    _show("rehearse", migrated, report.migrate_table(migrated, step), as_json=as_json, quiet=quiet)
    if not migrated.holds:
        sys.exit(MigratorError.exit_code)


def _planned(verb: str, sentence: str) -> click.Command:
    def refuse(arguments: tuple[str, ...]) -> None:
        del arguments
        raise UsageError("is planned, not built yet", where=f"migrator {verb}", hint="see CHANGELOG.md for what is")

    return click.Command(
        verb,
        callback=refuse,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=f"(planned) {sentence}",
        context_settings={"ignore_unknown_options": True},
    )


for _verb, _sentence in PLANNED.items():
    cli.add_command(_planned(_verb, _sentence))


def main() -> None:
    """Run the command line and exit with the code that the error tree documents."""
    try:
        cli.main(prog_name="migrator", standalone_mode=False)
    except MigratorError as error:
        click.echo(f"migrator: {report.escaped(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("migrator: interrupted; nothing was changed", err=True)
        sys.exit(1)


def _place(data_dir: Path, include: tuple[Path, ...], config: Path | None) -> tuple[pipeline.Place, configs.Config]:
    """Return where to work, and the configuration for it."""
    place = pipeline.Place(data_dir.expanduser().absolute(), include)
    return place, configs.load(_config_path(place.data_dir, config))


def _config_path(data_dir: Path, config: Path | None) -> Path | None:
    beside = data_dir / "migrator.toml"
    return config or (beside if beside.exists() else None)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[pipeline.Progress | None]:
    """Hand out what shows each table as it is done, with rows per second; on a terminal only."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), console=console
    ) as bar:
        task = bar.add_task("begin", total=len(pipeline.steps()), rate="")

        def done(what: str, rows: int, seconds: float) -> None:
            rate = f"{rows / seconds:,.0f} rows/s" if rows and seconds else ""
            bar.update(task, advance=1, description=what, rate=rate)

        yield done


def _show(command: str, record: object, table: RenderableType, *, as_json: bool, quiet: bool) -> None:
    """Print the result: as one JSON object, as a table, or not at all."""
    if as_json:
        click.echo(json.dumps({"schema": JSON_SCHEMA, "command": command, **plain.plain(record)}, indent=2))
    elif not quiet:
        console = Console()
        # A pipe has no width of its own; 80 columns would fold the table.
        (console if console.is_terminal else Console(width=160, no_color=True)).print(table)


def _run_contracts(module: str, arguments: list[str], *, quiet: bool) -> None:
    """Run a module of the contract suite in a process of its own: the tool does not import the suite.

    Raises:
        UsageError: The extra that holds its dependencies is not installed.
    """
    pipeline.need_contracts(module)
    command = [sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, check=False, stdout=subprocess.DEVNULL if quiet else None).returncode)  # noqa: S603 - our own module
