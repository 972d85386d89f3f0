"""Shows progress and results: tables on a terminal, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from migrator.cli import full_commands
from migrator.pipeline import migrate as pipeline_migrate
from migrator.system import serialize

#: Version of what ``--json`` prints; it changes when a field goes or changes its meaning.
JSON_SCHEMA = 1


@contextmanager
def progress(*, quiet: bool) -> Iterator[pipeline_migrate.Progress | None]:
    """Hand out what shows each table as it is done, with rows per second; on a terminal only."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), console=console
    ) as bar:
        task = bar.add_task("begin", total=len(pipeline_migrate.steps()), rate="")

        def done(what: str, rows: int, seconds: float) -> None:
            rate = f"{rows / seconds:,.0f} rows/s" if rows and seconds else ""
            bar.update(task, advance=1, description=what, rate=rate)

        yield done


def json_text(command: str, record: object) -> str:
    """Return *record* as one JSON object with a schema version."""
    told = full_commands.completed_values(serialize.plain(record))
    return json.dumps({"schema": JSON_SCHEMA, "command": command, **told}, indent=2) + "\n"


def show(command: str, record: object, table: RenderableType, *, as_json: bool, quiet: bool) -> None:
    """Print the result: as one JSON object, as a table, or not at all."""
    if as_json:
        click.echo(json_text(command, record), nl=False)
    elif not quiet:
        console = Console()
        # A pipe has no width of its own; 80 columns would fold the table.
        (console if console.is_terminal else Console(width=160, no_color=True)).print(
            full_commands.completed_text(table), crop=False
        )
