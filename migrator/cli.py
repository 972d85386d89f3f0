"""The command line: verbs in the order of the pipeline, options, exit codes; no logic.

stdout is the result, stderr is progress and errors.  ``--json`` prints one object with a schema version.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console, RenderableType

from migrator import PIPELINE, __version__, pipeline, records, report
from migrator.errors import MigratorError, UsageError

#: Version of what ``--json`` prints; it changes when a field goes or changes its meaning.
JSON_SCHEMA = 1

#: What the verbs that are still to come will do: name -> one sentence.
PLANNED: Mapping[str, str] = {
    "plan": "Show what would happen, table by table, with estimates and findings.",
    "backup": "Take a consistent snapshot of all files at one instant, read back and digested.",
    "build": "Build the three databases from the snapshot, into a stage.",
    "verify": "Run the contracts on a snapshot and a consolidated set; write the evidence.",
    "migrate": "Go from inventory to verify in one run.",
    "cutover": "Switch over in one instant; only with fresh green evidence and --execute.",
    "monitor": "Watch the error rate; roll back above the limit.",
    "rollback": "Go back to the legacy set with the rows written since; only with --execute.",
    "status": "Say where the run stands and what the next safe step is.",
    "rehearse": "Do all of it on a scratch copy, or on a specimen.",
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
@click.version_option(__version__, package_name="jarvis-consolidation", prog_name="migrator")
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


def _show(command: str, record: object, table: RenderableType, *, as_json: bool, quiet: bool) -> None:
    """Print the result: as one JSON object, as a table, or not at all."""
    if as_json:
        click.echo(json.dumps({"schema": JSON_SCHEMA, "command": command, **records.plain(record)}, indent=2))
    elif not quiet:
        console = Console()
        # A pipe has no width of its own; 80 columns would fold the table.
        (console if console.is_terminal else Console(width=160, no_color=True)).print(table)


def _run_contracts(module: str, arguments: list[str], *, quiet: bool) -> None:
    """Run a module of the contract suite in a process of its own: the tool does not import the suite.

    Raises:
        UsageError: The extra that holds its dependencies is not installed.
    """
    missing = [name for name in ("faker", "base58", "pytest", "hypothesis") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"needs {', '.join(missing)}", where=module, hint="pip install 'jarvis-consolidation[contracts]'"
        )
    command = [sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.run(command, check=False, stdout=subprocess.DEVNULL if quiet else None).returncode)  # noqa: S603 - our own module
