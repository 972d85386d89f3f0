"""The verbs for the people who change the bot's code: explain, census and replay; no logic."""

from __future__ import annotations

import json
from pathlib import Path

import click

from migrator.application.census import code_base
from migrator.application.census.findings import Verdict
from migrator.cli import command_hints, options, output, progress
from migrator.errors import MigratorError
from migrator.mapping import columns as mapping_columns
from migrator.mapping import legacy_names
from migrator.pipeline import replay as pipeline_replay
from migrator.reports import census as census_report
from migrator.reports import columns as columns_report
from migrator.reports import replay as replay_report
from migrator.system import output_files


@click.command(cls=command_hints.Verb)
@click.argument("name", metavar="NAME")
@options.JSON
@options.QUIET
def explain(name: str, as_json: bool, quiet: bool) -> None:
    """Show where a legacy table or column went, and the statements that replace the bot's; opens no database.

    NAME is jarvis, jarvis.positions, positions, positions.token_mint or jarvis.positions.token_mint.
    """
    explained = mapping_columns.explain(legacy_names.find(name), name)
    output.show("explain", explained, columns_report.text(explained), as_json=as_json, quiet=quiet)


@click.command(cls=command_hints.Verb)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=options.NamedPath(follow=True))
@click.option("--sarif", metavar="FILE", type=options.OutputPath(), help="Also write the findings as SARIF 2.1.0.")
@click.option(
    "--max", "most", metavar="N", type=click.IntRange(min=0), help="Exit with 1 if more than N places must change."
)
@options.JSON
@options.QUIET
def census(paths: tuple[Path, ...], sarif: Path | None, most: int | None, as_json: bool, quiet: bool) -> None:
    """Find where code names the legacy databases, tables and columns, and what must change; runs nothing, opens no database."""
    taken = code_base.take(paths)
    if sarif is not None:
        output_files.write(sarif, json.dumps(census_report.sarif(taken), indent=2) + "\n")
    places = taken.verdicts[Verdict.CHANGE.value]
    output.show(
        "census",
        taken,
        census_report.text(taken),
        as_json=as_json,
        quiet=quiet,
        code=MigratorError.exit_code if most is not None and places > most else 0,
        reasons=(f"{places:,} places must change, and --max allows {most}",),
    )


@click.command(cls=command_hints.Verb)
@options.takes((*options.SOURCES, options.ENV_FILE))
@click.option(
    "--statements",
    metavar="FILE",
    type=options.NamedPath(follow=True),
    help="An SQL file, or what python -m migrator.compat --record wrote.  Default: the bot's workload.",
)
def replay(common: options.Common, statements: Path | None) -> None:
    """Run the bot's statements on copies of the legacy and of the consolidated set, and compare.

    Each runs on the legacy file, on the consolidated database that a bare link would lead to, and through the legacy schema as
    migrator.connect serves it.  Exit code 1 if a statement does something else through migrator.connect, and for no listed reason.
    """
    workspace, configuration = common.workspace(go_on=True)
    with progress.shown(quiet=common.quiet) as observer:
        replayed = pipeline_replay.replay(workspace, configuration, statements, observer=observer)
    common.show(
        "replay",
        replayed,
        replay_report.text(replayed),
        code=0 if replayed.holds else MigratorError.exit_code,
        reasons=("a statement does something else through migrator.connect, and for no listed reason",),
    )


COMMANDS = (explain, census, replay)
