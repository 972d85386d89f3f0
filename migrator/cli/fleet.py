"""The verb for many installs: fleet; no logic."""

from __future__ import annotations

from pathlib import Path

import click

from migrator.cli import command_hints, options, output, progress
from migrator.config import installs as config_installs
from migrator.errors import MigratorError
from migrator.pipeline import fleet as pipeline_fleet
from migrator.reports import fleet as fleet_report
from migrator.system import output_files


@click.command(cls=command_hints.Verb)
@click.argument("verb", metavar="VERB", type=click.Choice(pipeline_fleet.VERBS))
@click.argument("installs", metavar="INSTALLS", type=options.NamedPath(follow=True))
@click.option("--scheduler", metavar="ADDRESS", default="", help="A running Dask scheduler: tls://HOST:PORT.")
@click.option(
    "--retries",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Repeat a failed run up to N times; a verdict and a refusal are final.",
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most N installs at a time.")
@click.option("--page", metavar="FILE", type=options.OutputPath(), help="Also write the table as an HTML page.")
@options.JSON
@options.QUIET
def fleet(
    verb: str,
    installs: Path,
    scheduler: str,
    retries: int,
    limit: int | None,
    page: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run VERB for every install that the file INSTALLS lists, on the workers of a Dask cluster; needs the extra fleet.

    VERB is inventory, plan, rehearse, migrate, verify or status; a cutover is for one install at a time.  A line of INSTALLS
    is NAME, DATA_DIR, CONFIG, WORKER; the last two may be left out.
    """
    listed = config_installs.load(installs)
    with progress.shown(quiet=quiet, total=len(listed), unit="installs") as observer:
        done = pipeline_fleet.run(
            verb, listed, scheduler=scheduler, retries=retries, limit=limit or 0, observer=observer
        )
    if page is not None:
        output_files.write(page, fleet_report.html(done))
    output.show(
        "fleet",
        done,
        fleet_report.table(done),
        as_json=as_json,
        quiet=quiet,
        code=0 if done.holds else MigratorError.exit_code,
        reasons=("an install ended otherwise than it should; its outcome has the reason",),
    )


COMMANDS = (fleet,)
