"""Shows progress and results: tables on a terminal, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from migrator.cli import command_hints
from migrator.pipeline import migrate
from migrator.records.observer import Observer
from migrator.system import serialize

#: Version of the ``--json`` format; a new one when a field is removed or changes its meaning.
JSON_SCHEMA = 1


class Shown(Observer):
    """Shows the steps of a switch on stderr, one line each; with *quiet* only those that need a person."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def step(self, sentence: str) -> None:
        """Show the sentence, unless quiet."""
        if not self._quiet:
            loudly(sentence)

    def waiting(self, sentence: str) -> None:
        """Show the sentence."""
        loudly(sentence)


class _Bar(Observer):
    """Shows each part of a migration as it is done, with rows per second."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("begin", total=len(migrate.steps()), rate="")

    def progress(self, part: str, rows: int, seconds: float) -> None:
        """Move the bar on by one part."""
        rate = f"{rows / seconds:,.0f} rows/s" if rows and seconds else ""
        self._bar.update(self._task, advance=1, description=part, rate=rate)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Observer]:
    """Return an observer that shows a bar on a terminal, unless *quiet*; elsewhere it shows nothing."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Observer()
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}")
    with Progress(*columns, console=console) as bar:
        yield _Bar(bar)


def loudly(sentence: str) -> None:
    """Print *sentence* to stderr, with the commands in it completed."""
    click.echo(f"migrator: {command_hints.completed(sentence)}", err=True)


def json_text(command: str, record: object) -> str:
    """Return *record* as one JSON object with a schema version."""
    told = command_hints.completed_values(serialize.plain(record))
    return json.dumps({"schema": JSON_SCHEMA, "command": command, **told}, indent=2) + "\n"


def show(command: str, record: object, table: RenderableType, *, as_json: bool, quiet: bool) -> None:
    """Print the result: as one JSON object, as a table, or not at all."""
    if as_json:
        click.echo(json_text(command, record), nl=False)
    elif not quiet:
        console = Console()
        # A pipe has no width; the default of 80 columns would fold the table.
        (console if console.is_terminal else Console(width=160, no_color=True)).print(
            command_hints.completed_text(table), crop=False
        )
